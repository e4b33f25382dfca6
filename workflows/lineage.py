"""Where a spectrum, a prediction or a model came from, as a tree that ends at the files of the crystals.

    prediction
    ├── model ── parent model …
    │   └── dataset ── spectra ── calculation, its input files
    │                           └── structure ── source file
    └── structure ── source file

Every link is read from records: ids, content hashes and checksums. What is not there any more is named as missing,
with its hash; nothing is guessed from names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whiteline.database.datasets import Dataset
from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.errors import InputError, WhitelineError
from whiteline.fingerprint import fingerprint_crystal
from whiteline.provenance import ProvenanceRecord, content_checksum
from whiteline.structures import read_structure
from whiteline.workflows.learning.names import MODEL_CODE, SPECTRA
from whiteline.workflows.learning.registry import entry_by_id

if TYPE_CHECKING:
    from whiteline.database.store import SpectrumStore
    from whiteline.models.registry import ModelEntry

__all__ = ["LineageNode", "Tracer"]

# Spectra that a model learned from and that are shown where not all are.
_N_SHOWN: Final = 1


@dataclass(frozen=True)
class LineageNode:
    """One thing, and what it was made from.

    Attributes:
        kind: `prediction`, `model`, `dataset`, `spectra`, `spectrum`, `measurement`, `calculation`, `input file`,
            `encoder`, `structure` or `source`.
        label: What it is, in words.
        id: Its id or content hash; empty where it has none.
        is_missing: Whether it is named by what was made from it, and is not there.
        made_from: What it was made from.
        facts: What else is known.
    """

    kind: str
    label: str
    id: str = ""
    is_missing: bool = False
    made_from: tuple[LineageNode, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    def walk(self) -> Iterator[LineageNode]:
        """Yield this and all that it was made from, before those that these were made from."""
        yield self
        for node in self.made_from:
            yield from node.walk()

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "kind": self.kind,
            "label": self.label,
            "id": self.id,
            "is_missing": self.is_missing,
            "facts": dict(self.facts),
            "made_from": [node.to_dict() for node in self.made_from],
        }


@dataclass(frozen=True, eq=False)
class Tracer:
    """What lineages are read from.

    Attributes:
        store: Where the spectra are; None names them as missing.
        registry: Folder of models; a model is also looked for where a record says it was.
        is_complete: List all spectra that a model learned from, not one of them and a number.
    """

    store: SpectrumStore | None
    registry: Path
    is_complete: bool = False

    def trace_spectrum(self, id_or_prefix: str) -> LineageNode:
        """Return the lineage of a stored spectrum or prediction.

        Raises:
            UnknownIdError: There is no such spectrum.
            InputError: There is no store.
        """
        if self.store is None:
            raise InputError("there is no store to look the spectrum up in: name it with --db")
        return self._document(self.store.get(id_or_prefix))

    def trace_model(self, entry: ModelEntry) -> LineageNode:
        """Return the lineage of a model."""
        lineage = entry.card.lineage
        record: Mapping[str, Any] = lineage.get("record") or {}
        made_from = []
        for parent in lineage.get("parents", []):
            place = str(record.get("parameters", {}).get("parent", ""))
            found = entry_by_id(parent, registry=self.registry, places=(place, str(entry.path / "delta")))
            made_from.append(
                self.trace_model(found)
                if found is not None
                else LineageNode("model", "a model that is in no folder known here", parent, is_missing=True)
            )
        tried = record.get("inputs", {}).get("parent model")
        if tried and tried not in lineage.get("parents", []):
            # The choice was made with it, though a model from scratch was better.
            found = entry_by_id(tried, registry=self.registry, places=(str(record["parameters"].get("parent", "")),))
            words = (
                f"{found.name}, tried and not begun with" if found else "tried and not begun with, in no known folder"
            )
            made_from.append(LineageNode("model", words, tried, is_missing=found is None))
        made_from.append(self._dataset(entry, lineage.get("dataset") or {}))
        if encoder := lineage.get("encoder"):
            made_from.append(LineageNode("encoder", str(encoder), str(encoder)))
        numbers = {name: f"{value:.4g}" for name, value in entry.card.metrics.items() if name.endswith("eta")}
        facts = {"folder": str(entry.path), "created": entry.card.created, **numbers}
        if record:
            facts |= _run_facts(ProvenanceRecord.from_dict(record))
        chosen = next((row["name"] for row in entry.card.candidates if row.get("is_chosen")), "")
        label = f"{entry.name} ({', '.join(entry.channels)}{f'; {chosen}' if chosen else ''})"
        return LineageNode("model", label, entry.id, made_from=tuple(made_from), facts=facts)

    def _dataset(self, entry: ModelEntry, described: Mapping[str, Any]) -> LineageNode:
        content, path = str(described.get("content_sha256", "")), str(described.get("path", ""))
        spectra = self._spectra(entry)
        if not described:
            return LineageNode("dataset", "not on record", is_missing=True, made_from=spectra)
        facts = {"folder": path} if path else {}
        is_missing = False
        try:
            if path and Path(path).is_dir():
                manifest = Dataset.open(path).manifest
                is_missing = manifest.content_sha256 != content
                facts["query"] = ", ".join(f"{name} {value}" for name, value in manifest.query.items())
                facts["grid"] = manifest.grid.describe()
            elif path:
                is_missing = not Path(path).is_file()
        except WhitelineError as error:
            is_missing, facts["problem"] = True, str(error)
        label = str(described.get("name") or "dataset")
        if is_missing:
            label += f" (not as it was, or not there: {path})"
        return LineageNode("dataset", label, content, is_missing=is_missing, made_from=spectra, facts=facts)

    def _spectra(self, entry: ModelEntry) -> tuple[LineageNode, ...]:
        """Return the parts that a model learned from: their numbers, and one spectrum each or all."""
        path = entry.path / SPECTRA
        try:
            content = path.read_bytes()
            lists: dict[str, Any] = json.loads(content)
        except (OSError, ValueError):
            counts = entry.card.data.items()
            words = ", ".join(f"{name} {part.get('n_spectra')}" for name, part in counts)
            return (LineageNode("spectra", f"{words}; the list of ids is not in {entry.path}", is_missing=True),)
        stated = ((entry.card.lineage.get("record") or {}).get("inputs") or {}).get(SPECTRA)
        is_changed = stated is not None and stated != content_checksum(content)
        nodes = []
        for part in ("train", "validation", "test"):
            ids = lists.get(part, [])
            shown = ids if self.is_complete else ids[:_N_SHOWN] if part == "train" else []
            words = f"{len(ids)} {part} spectra{'' if len(shown) == len(ids) else f', {len(shown)} shown'}"
            nodes.append(
                LineageNode(
                    "spectra",
                    f"{words}{' (the list was changed)' if is_changed else ''}",
                    is_missing=is_changed,
                    made_from=tuple(self._by_id(each) for each in shown),
                )
            )
        return tuple(nodes)

    def _by_id(self, spectrum_id: str) -> LineageNode:
        document = None if self.store is None else self.store.find_by_id(spectrum_id)
        if document is None:
            where = "no store is open" if self.store is None else f"not in {self.store.address}"
            return LineageNode("spectrum", where, spectrum_id, is_missing=True)
        return self._document(document)

    def _document(self, document: SpectrumDocument) -> LineageNode:
        records = self.store.records(document.id) if self.store is not None else []
        is_prediction = document.code == MODEL_CODE
        made_from = [self._by_id(parent) for parent in document.parents]
        if is_prediction and document.kind is not DocumentKind.MATERIAL:
            made_from.append(self._model_of(document, records))
        if not document.parents:
            if not is_prediction:
                made_from.append(self._calculation(document, records))
            made_from += self._earlier(document, records)
            made_from.append(_structure(document))
        kind = "prediction" if is_prediction else "measurement" if document.code == "experiment" else "spectrum"
        place = "average" if document.site_index is None else f"site {document.site_index}"
        label = (
            f"{document.formula} {document.absorber} {document.edge} {place}, {document.fidelity}, {document.status}"
        )
        facts = {"stored": document.created_at, **({"reason": document.reason} if document.reason else {})}
        return LineageNode(kind, label, document.id, made_from=tuple(made_from), facts=facts)

    def _model_of(self, document: SpectrumDocument, records: Sequence[ProvenanceRecord]) -> LineageNode:
        model_id = str(document.parameters.get("model", ""))
        places = [str(record.parameters.get("model folder", "")) for record in records]
        found = entry_by_id(model_id, registry=self.registry, places=places)
        if found is None:
            was = f"; it was {places[-1]}" if places and places[-1] else ""
            return LineageNode("model", f"in no folder known here{was}", model_id, is_missing=True)
        return self.trace_model(found)

    def _calculation(self, document: SpectrumDocument, records: Sequence[ProvenanceRecord]) -> LineageNode:
        """Return the run that made a spectrum, with its input files: their checksums, and whether they are kept."""
        if not records:
            return LineageNode("calculation", "not on record", is_missing=True)
        record = records[-1]
        kept = {file.name for file in self.store.files(document.id)} if self.store is not None else set()
        files = [
            LineageNode("input file", f"{name} ({'kept' if name in kept else 'not kept'})", checksum)
            for name, checksum in record.inputs.items()
            if checksum.startswith("sha256:")
        ]
        label = f"{record.activity} by {record.code} {record.code_version}".strip()
        return LineageNode("calculation", label, record.id, made_from=tuple(files), facts=_run_facts(record))

    def _earlier(self, document: SpectrumDocument, records: Sequence[ProvenanceRecord]) -> list[LineageNode]:
        """Return stored spectra that a record names beyond the parents of the document: rungs of a convergence."""
        named = dict.fromkeys(parent for record in records for parent in record.parents)
        return [self._by_id(each) for each in named if each not in (document.id, *document.parents)]


def _structure(document: SpectrumDocument) -> LineageNode:
    """Return the crystal of a spectrum, down to the file that it came from."""
    if not document.structure:
        return LineageNode("structure", "not on record", document.structure_id, is_missing=True)
    group = f", {document.space_group_symbol} ({document.space_group})" if document.space_group else ""
    source = _source(document)
    return LineageNode("structure", f"{document.formula}{group}", document.structure_id, made_from=(source,))


def _source(document: SpectrumDocument) -> LineageNode:
    source = document.source
    path = Path(source.rpartition("#")[0] if "#" in source else source)
    if not source:
        return LineageNode("source", "not on record", is_missing=True)
    if not path.suffix and not path.exists() and "/" not in source:
        return LineageNode("source", source)  # a database entry, or words of the user
    if not path.is_file():
        where = "not there any more" if path.is_absolute() else f"not there, seen from {Path.cwd()}"
        return LineageNode("source", f"{source} ({where})", is_missing=True)
    checksum = content_checksum(path.read_bytes())
    try:
        crystal = fingerprint_crystal(read_structure(source)).crystal_id
    except WhitelineError as error:
        return LineageNode("source", f"{source} (no structure any more: {error})", checksum, is_missing=True)
    if crystal != document.structure_id:
        return LineageNode("source", f"{source} (holds another crystal now)", checksum, is_missing=True)
    return LineageNode("source", f"{source} (there, the same crystal)", checksum)


def _run_facts(record: ProvenanceRecord) -> dict[str, str]:
    return {
        "ran": f"{record.started_at[:19]} on {record.host}, {record.wall_time:.1f} s",
        "versions": ", ".join(f"{name} {version}" for name, version in sorted(record.libraries.items())),
    }
