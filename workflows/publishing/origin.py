"""Where what is published came from: its lineage, and the calculations behind it grouped by code and version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from whiteline.errors import WhitelineError
from whiteline.provenance import ProvenanceRecord
from whiteline.provenance.graph import LineageGraph

if TYPE_CHECKING:
    from whiteline.database.store import SpectrumStore
    from whiteline.workflows.publishing.subject import Subject

__all__ = ["Calculations", "Origin", "read_origin"]


@dataclass
class Calculations:
    """All calculations with one version of one code, as their records tell of them.

    Attributes:
        code: Program, and `code_version` as it reports it.
        n_spectra: How many spectra came of it; `n_records` of how many there is a record.
        started: When the first began, ISO 8601, and `ended` when the last ended; empty where no record says.
        hosts: Machines, with the number of calculations on each; `libraries` and `executables` likewise, by
            `name version` and checksum.
    """

    code: str
    code_version: str
    n_spectra: int = 0
    n_records: int = 0
    started: str = ""
    ended: str = ""
    hosts: Counter[str] = field(default_factory=Counter)
    libraries: Counter[tuple[str, str]] = field(default_factory=Counter)
    executables: Counter[str] = field(default_factory=Counter)

    def add(self, record: ProvenanceRecord) -> None:
        """Count one calculation in."""
        self.n_records += 1
        self.started = min(filter(None, (self.started, record.started_at)), default="")
        self.ended = max(self.ended, record.ended_at)
        self.hosts.update([record.host] if record.host else [])
        self.libraries.update(record.libraries.items())
        self.executables.update(f"{name} {checksum}" for name, checksum in record.executables.items())


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What is known of where a subject came from.

    Attributes:
        graph: Its lineage; None where nothing could be traced.
        calculations: Behind it, in the order of code and version.
        making: The record of the freezing of a dataset or the training of a model.
        store: Where the spectra are; None where there is no store.
        notes: What is not known, and why.
    """

    graph: LineageGraph | None
    calculations: tuple[Calculations, ...]
    making: ProvenanceRecord | None
    store: SpectrumStore | None
    notes: tuple[str, ...]

    @property
    def libraries(self) -> dict[str, str]:
        """Versions of the libraries that it was made with: those of the last step, else those of most calculations."""
        counted: Counter[tuple[str, str]] = Counter()
        for group in self.calculations:
            counted.update(group.libraries)
        found = {name: version for (name, version), _ in reversed(counted.most_common())}
        return found | dict(self.making.libraries if self.making is not None else {})

    @property
    def other_libraries(self) -> dict[str, list[str]]:
        """Versions of libraries beside those of `libraries`, with which some calculations ran."""
        named = self.libraries
        others: dict[str, list[str]] = {}
        for group in self.calculations:
            for name, version in group.libraries:
                if named[name] != version and version not in others.setdefault(name, []):
                    others[name].append(version)
        return {name: sorted(versions) for name, versions in sorted(others.items()) if versions}


def read_origin(subject: Subject, *, store: SpectrumStore | None, registry: Path) -> Origin:
    """Return where a subject came from, as far as a store, its records and its own files tell.

    Args:
        subject: What is published.
        store: Where the spectra are; None where there is no store.
        registry: Folder of models.
    """
    notes = []
    making = subject.making or _making(subject, store)
    if store is None:
        notes.append("no store of spectra was at hand: the calculations are told by code and version only")
    if making is None:
        notes.append(f"how the {subject.kind} was made is told by its own files: no record of it was found")
    groups, n_lost = _calculations(subject, store)
    if store is not None and n_lost:
        notes.append(f"{n_lost} of {len(subject.spectra)} spectra are not in {store.address}, or have no record there")
    graph, problem = _graph(subject, store, registry)
    if problem:
        notes.append(f"the lineage could not be traced: {problem}")
    notes += _doubts(subject, store, graph)
    return Origin(
        graph=graph,
        calculations=groups,
        making=making,
        store=store,
        notes=tuple(notes),
    )


def _doubts(subject: Subject, store: SpectrumStore | None, graph: LineageGraph | None) -> Iterator[str]:
    """Yield what is marked as suspect, and what is not as it was recorded."""
    known = {subject.id, *subject.spectra}
    marks = {} if store is None else {each: mark.reason for each, mark in store.marks().items() if each in known}
    nodes = () if graph is None else graph.nodes.values()
    marks |= {node.id: node.suspect for node in nodes if node.suspect}
    if marks:
        first = next(iter(marks))
        yield f"SUSPECT: {len(marks)} of the things that it rests on are marked so, e.g. {first[:12]}: {marks[first]}"
    problems = [f"{node.kind.words} {node.label}: {node.problem}" for node in nodes if node.problem]
    if problems:
        yield f"{len(problems)} things of the lineage are not there any more, or not as recorded, e.g. {problems[0]}"


def _making(subject: Subject, store: SpectrumStore | None) -> ProvenanceRecord | None:
    """Return the record in the store that says how the subject was made; the latest where there are several."""
    if store is None:
        return None
    made = [
        linked.record
        for linked in store.linked([subject.id])
        if any(subject.id in named.values() for named in linked.record.generated.values())
    ]
    return made[-1] if made else None


def _calculations(subject: Subject, store: SpectrumStore | None) -> tuple[tuple[Calculations, ...], int]:
    groups: dict[tuple[str, str], Calculations] = {}
    n_lost = 0
    for each, (code, version) in subject.spectra.items():
        record = next(iter(reversed(store.records(each))), None) if store is not None else None
        n_lost += record is None
        if record is not None and not code:
            code, version = record.code, record.code_version
        if not code:
            continue
        group = groups.setdefault((code, version), Calculations(code, version))
        group.n_spectra += 1
        if record is not None:
            group.add(record)
    return tuple(groups[key] for key in sorted(groups)), n_lost


def _graph(subject: Subject, store: SpectrumStore | None, registry: Path) -> tuple[LineageGraph | None, str]:
    from whiteline.workflows.lineage import Tracer

    if subject.model is not None:
        place = subject.model.path
    elif subject.dataset is not None:
        place = subject.dataset.path
    tracer = Tracer(store, registry)
    try:
        # By its folder: a model or a dataset may be in no registry and no store.
        return tracer.ancestors(tracer.resolve(str(place))), ""
    except WhitelineError as error:
        return None, str(error)
