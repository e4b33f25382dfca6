"""Jobs as the nodes and links of AiiDA: what becomes what. Nothing of AiiDA is imported here.

    source file -> read -> StructureData ┐
                           Dict absorber ├-> CalcJobNode of a site ┬-> XyData spectrum ┐
                         Dict parameters ┤                         ├-> Dict            ├-> CalculationNode -> XyData
                    InstalledCode, pseudos ┘                       └-> FolderData      ┘   of the average

A WorkChainNode stands around an average, and around a convergence; it calls what was computed for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from whiteline.fingerprint import content_hash
from whiteline.provenance import Kind, content_checksum
from whiteline.workflows.aiida.collecting import Job, concludes
from whiteline.workflows.aiida.data_rows import (
    EXTRA,
    dict_row,
    file_row,
    folder_row,
    site_row,
    spectrum_row,
    structure_row,
)
from whiteline.workflows.aiida.process_rows import code_rows, is_run, process_row, workflow_row
from whiteline.workflows.aiida.rows import LinkKind, LinkRow, NodeKind, NodeRow, link_label, node_uuid, unique_labels

if TYPE_CHECKING:
    from whiteline.database.documents import SpectrumDocument
    from whiteline.provenance import ProvenanceRecord

__all__ = ["Mapper", "Rows"]

# Content of a file by its path and checksum; None where it is not at hand.
FileReader = Callable[[str, str], bytes | None]
# Label of an input, and the node.
_Inputs = list[tuple[str, str]]
_SMALL = 5_000_000  # bytes of a file of a model; larger ones are named by checksum


@dataclass
class Rows:
    """Nodes and links that one job adds; nodes that are there already are not among them."""

    nodes: list[NodeRow] = field(default_factory=list)
    links: list[LinkRow] = field(default_factory=list)


@dataclass(frozen=True)
class _Made:
    """A spectrum that has been mapped: its node, None if it failed, and the process that stands for making it."""

    node: str | None
    process: str
    is_workflow: bool
    created: str


class Mapper:
    """Turns jobs, causes first, into rows; remembers what it has written.

    Args:
        read_file: Where the content of source files and pseudopotentials is looked for.
    """

    def __init__(self, read_file: FileReader = lambda _path, _checksum: None) -> None:
        self._read_file = read_file
        self._seen: set[str] = set()
        self._spectra: dict[str, _Made] = {}
        self._structures: dict[str, str] = {}
        self._things: dict[str, str] = {}

    def result(self, job: Job) -> str | None:
        """Return the UUID of what a mapped job made: its spectrum, or the first other thing."""
        if job.document is not None:
            return self._spectra[job.document.id].node
        return next((self._things[each] for each in job.record.outputs.values() if each in self._things), None)

    def map(self, job: Job) -> Rows:
        """Return what a job adds to the graph."""
        rows = Rows()
        record, document = job.record, job.document
        structure = self._structure(rows, document, record) if document is not None else None
        inputs: _Inputs = [("structure", structure)] if structure else []
        inputs += self._settings(rows, job)
        spectra, absent = self._used_spectra(record)
        causes = tuple(sorted(each for _, each in spectra)) if document is not None else ()
        kept = {name: job.files[name] for name in record.used.get(Kind.INPUT, {}) if name in job.files}
        process = process_row(record, document, causes=causes, absent=absent, files=kept if is_run(record) else {})
        self._add(rows, process)
        inputs += spectra + self._used_things(rows, job) + self._members(job)
        rows.links += _links(inputs, process.uuid, LinkKind.INPUT_CALC)
        outputs = self._outputs(rows, job, process, kept)
        if document is not None:
            made = _Made(outputs.get("spectrum"), process.uuid, is_workflow=False, created=record.started_at)
            if concludes(record):
                made = self._workflow(rows, job, process, structure, outputs)
            self._spectra[document.id] = made
        return rows

    def _add(self, rows: Rows, row: NodeRow) -> str:
        if row.uuid not in self._seen:
            self._seen.add(row.uuid)
            rows.nodes.append(row)
        return row.uuid

    def _structure(self, rows: Rows, document: SpectrumDocument, record: ProvenanceRecord) -> str | None:
        """Add the crystal, and how it was read; the average of sites means the crystal that they were found in."""
        if not document.structure.get("sites"):
            return None
        # A source without a checksum is a name, e.g. of a database entry: the structure itself says it.
        named = record.used.get(Kind.SOURCE, {}).items()
        sources = {name: each for name, each in named if each.startswith("sha256:")}
        crystal = content_hash([document.structure, document.source])
        if not sources and crystal in self._structures:
            return self._structures[crystal]
        row = structure_row(document, record, tuple(sorted(sources.values())))
        self._structures.setdefault(crystal, row.uuid)
        if row.uuid not in self._seen and sources:
            reading = NodeRow(
                uuid=node_uuid("read", row.uuid),
                kind=NodeKind.CALCULATION,
                label="read structure",
                created=record.started_at,
                modified=record.started_at,
                attributes={
                    "process_label": "ReadStructure",
                    "function_name": "read_structure",
                    "process_state": "finished",
                    "exit_status": 0,
                    "sealed": True,
                },
                extras={EXTRA: {"activity": "read"}},
                process_type="aiida.calculations:whiteline.read_structure",
            )
            self._add(rows, reading)
            files = self._files(rows, sources, record, "source", {})
            rows.links += _links(files, reading.uuid, LinkKind.INPUT_CALC)
            rows.links.append(LinkRow(reading.uuid, row.uuid, LinkKind.CREATE, "structure"))
        return self._add(rows, row)

    def _settings(self, rows: Rows, job: Job) -> _Inputs:
        """Add which site, which parameters and which programs."""
        record, document = job.record, job.document
        inputs: _Inputs = []
        if document is not None and document.site_index is not None:
            inputs.append(("absorber", self._add(rows, site_row(document, record))))
        if record.parameters:
            row = dict_row("parameters", record.parameters, record, label=f"{record.code} parameters".strip())
            inputs.append(("parameters", self._add(rows, row)))
        if is_run(record):
            inputs += [(label, self._add(rows, row)) for label, row in code_rows(record).items()]
        return inputs

    def _used_spectra(self, record: ProvenanceRecord) -> tuple[_Inputs, dict[str, str]]:
        """Return the spectra that a job read, and those that have none: failed, or not stored any more."""
        named = record.used.get(Kind.SPECTRUM, {})
        found: _Inputs = []
        absent: dict[str, str] = {}
        for label, (name, each) in zip(unique_labels(named), named.items(), strict=True):
            made = self._spectra.get(each)
            if made is not None and made.node is not None:
                found.append((f"spectra__{label}", made.node))
            else:
                absent[name] = each
        return found, absent

    def _members(self, job: Job) -> _Inputs:
        nodes = (self._spectra[each].node for each in job.members if each in self._spectra)
        return [(f"members__n_{node.replace('-', '')[:20]}", node) for node in dict.fromkeys(nodes) if node]

    def _used_things(self, rows: Rows, job: Job) -> _Inputs:
        """Add files, models, datasets and whatever else a job used."""
        record = job.record
        inputs: _Inputs = []
        reads_sources = job.document is None or record.activity == "ingest" or record.activity.endswith("-import")
        for name, named in record.used.items():
            kind = Kind(name)
            if kind is Kind.SPECTRUM or (kind is Kind.INPUT and is_run(record)):
                continue
            if kind in (Kind.STRUCTURE, Kind.SITE) and job.document is not None:
                continue
            if kind is Kind.SOURCE and not reads_sources:
                continue
            if kind.is_file:
                inputs += self._files(rows, named, record, kind.value, job.files)
            else:
                prefix = kind.value
                inputs += [
                    (f"{prefix}__{label}" if len(named) > 1 else prefix, self._thing(rows, kind, name, each, record))
                    for label, (name, each) in zip(unique_labels(named), named.items(), strict=True)
                ]
        return inputs

    def _files(
        self, rows: Rows, named: Mapping[str, str], record: ProvenanceRecord, what: str, kept: Mapping[str, bytes]
    ) -> _Inputs:
        prefix = "pseudos" if what == Kind.PSEUDOPOTENTIAL else f"{what}_files"
        inputs: _Inputs = []
        for label, (name, checksum) in zip(unique_labels(map(_last, named)), named.items(), strict=True):
            content = _matching(kept.get(name), checksum) or _matching(self._read_file(name, checksum), checksum)
            row = file_row(name, checksum, content, record, what=what)
            inputs.append((f"{prefix}__{label}", self._add(rows, row)))
        return inputs

    def _thing(self, rows: Rows, kind: Kind, name: str, each: str, record: ProvenanceRecord) -> str:
        """Return the node of something that a job used and that is no file and no spectrum."""
        if each in self._things:
            return self._things[each]
        uuid = node_uuid(kind.value, each)
        if kind is Kind.MODEL:
            row = folder_row(uuid, "model", {}, record, id=each)
        else:
            row = dict_row(kind.value, {"id": each, "name": name}, record, label=name, uuid=uuid)
        self._things[each] = self._add(rows, row)
        return uuid

    def _outputs(self, rows: Rows, job: Job, process: NodeRow, kept: Mapping[str, bytes]) -> dict[str, str]:
        record, document = job.record, job.document
        made: list[tuple[str, NodeRow]] = []
        others = {name: content for name, content in job.files.items() if name not in kept}
        if is_run(record):
            made.append(("retrieved", folder_row(node_uuid("retrieved", process.uuid), "retrieved", others, record)))
        elif others:
            made.append(("files", folder_row(node_uuid("files", process.uuid), "files", others, record)))
        if document is not None:
            told = dict_row(
                "output_parameters",
                _told(record, document),
                record,
                label="output parameters",
                uuid=node_uuid("output_parameters", process.uuid),
            )
            made.append(("output_parameters", told))
            if document.spectrum is not None:
                uuid = node_uuid("spectrum", document.id, process.uuid)
                made.append(("spectrum", spectrum_row(document, record, uuid, suspect=job.suspect)))
        made += self._other_outputs(job, process)
        for label, row in made:
            self._add(rows, row)
            rows.links.append(LinkRow(process.uuid, row.uuid, LinkKind.CREATE, label))
        return {label: row.uuid for label, row in made}

    def _other_outputs(self, job: Job, process: NodeRow) -> Iterator[tuple[str, NodeRow]]:
        """Yield datasets, models, figures and files that a job made; a thing has the creator that came first."""
        record = job.record
        for kind_name, named in record.generated.items():
            kind = Kind(kind_name)
            if kind is Kind.SPECTRUM or (kind is Kind.OUTPUT and job.document is not None):
                continue
            for label, (name, each) in zip(unique_labels(map(_last, named)), named.items(), strict=True):
                if each in self._things:
                    continue
                row = self._other_output(kind, name, each, job, process)
                self._things[each] = row.uuid
                yield (f"{kind.value}__{label}" if len(named) > 1 else kind.value, row)

    def _other_output(self, kind: Kind, name: str, each: str, job: Job, process: NodeRow) -> NodeRow:
        record = job.record
        if kind.is_file:
            content = _matching(self._read_file(name, each), each)
            uuid = node_uuid("made", process.uuid, name, each)
            return file_row(name, each, content, record, what=kind.value, uuid=uuid)
        uuid = node_uuid(kind.value, each)
        if kind is Kind.MODEL:
            files, said = _model_files(job)
            return folder_row(uuid, "model", files, record, id=each, **said)
        told = {**record.parameters, "id": each, "name": name, "n_members": len(job.members)}
        return dict_row(kind.value, told, record, label=name, uuid=uuid)

    def _workflow(
        self, rows: Rows, job: Job, process: NodeRow, structure: str | None, outputs: Mapping[str, str]
    ) -> _Made:
        """Add the workflow around a concluding job, with calls to what was computed for it."""
        record, document = job.record, job.document
        assert document is not None  # noqa: S101  # only spectra are concluded from spectra
        named = record.used.get(Kind.SPECTRUM, {})
        labels = dict(zip(named.values(), unique_labels(named), strict=False))
        used = {each: self._spectra[each] for each in named.values() if each in self._spectra}
        called = {each: made for each, made in used.items() if each in job.called}
        workflow = workflow_row(
            record, document, process, min((made.created for made in called.values()), default=record.started_at)
        )
        self._add(rows, workflow)
        inputs: _Inputs = [("structure", structure)] if structure else []
        inputs += [(f"spectra__{labels[e]}", m.node) for e, m in used.items() if e not in called and m.node]
        rows.links += _links(inputs, workflow.uuid, LinkKind.INPUT_WORK)
        for each, made in called.items():
            kind = LinkKind.CALL_WORK if made.is_workflow else LinkKind.CALL_CALC
            rows.links.append(LinkRow(workflow.uuid, made.process, kind, labels[each]))
        rows.links.append(LinkRow(workflow.uuid, process.uuid, LinkKind.CALL_CALC, link_label(record.activity)))
        rows.links += [
            LinkRow(workflow.uuid, outputs[label], LinkKind.RETURN, label)
            for label in ("spectrum", "output_parameters")
            if label in outputs
        ]
        return _Made(outputs.get("spectrum"), workflow.uuid, is_workflow=True, created=workflow.created)


def _links(inputs: Iterable[tuple[str, str]], process: str, kind: LinkKind) -> list[LinkRow]:
    return [LinkRow(source, process, kind, label) for label, source in inputs]


def _matching(content: bytes | None, checksum: str) -> bytes | None:
    """Return a content only if it is the one that was used."""
    return content if content is not None and content_checksum(content) == checksum else None


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2] or path


def _told(record: ProvenanceRecord, document: SpectrumDocument) -> dict[str, Any]:
    told = {
        "status": document.status.value,
        "reason": document.reason,
        "checks": [check.to_dict() for check in document.checks],
        "code_version": document.code_version,
        "wall_time_seconds": record.wall_time,
        "timings": dict(record.timings),
        "attempts": [dict(attempt) for attempt in record.attempts],
        "output_files": dict(record.generated.get(Kind.OUTPUT, {})),
    }
    return {name: value for name, value in told.items() if value or name == "status"}


def _model_files(job: Job) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the small files of a model, and what is said of it; weights are named by their checksum."""
    if job.model is None:
        return {}, {}
    from whiteline.models.folder import files_of

    files, left_out = {}, {}
    for path in files_of(job.model.path):
        name = path.relative_to(job.model.path).as_posix()
        if path.suffix == ".safetensors" or path.stat().st_size > _SMALL:
            left_out[name] = content_checksum(path.read_bytes())
        else:
            files[name] = path.read_bytes()
    return files, {"name": job.model.name, "channels": list(job.model.channels), "not_included": left_out}
