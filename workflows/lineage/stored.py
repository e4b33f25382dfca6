"""What a store says of lineage: the records of its spectra, and of the jobs that made something else of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from whiteline.database.query import ANY_STATUS, SpectrumQuery
from whiteline.database.store import SpectrumStore, SpectrumSummary
from whiteline.errors import ParameterError
from whiteline.fingerprint import content_hash
from whiteline.provenance import Kind, ProvenanceRecord, Role, content_checksum
from whiteline.provenance.graph import LineageGraph, Link, Node, record_graph
from whiteline.workflows.lineage.places import Choice, Places

__all__ = ["StoredLineage"]

_EMPTY: Final = content_checksum(b"")
# What only records of jobs that made no spectrum tell the maker of.
_MADE_BY_JOBS: Final = frozenset(
    {Kind.DATASET, Kind.SPECTRA, Kind.MODEL, Kind.FIGURE, Kind.EXPORT, Kind.REPORT, Kind.SOURCE, Kind.PSEUDOPOTENTIAL}
)


@dataclass(frozen=True, eq=False)
class StoredLineage:
    """The lineage that a store knows.

    Attributes:
        store: The store.
        places: Learns where things are.
        choice: Which spectra of a long list are followed.
        is_complete: Earlier attempts at a spectrum count, too.
    """

    store: SpectrumStore
    places: Places
    choice: Choice
    is_complete: bool = False
    _summaries: dict[str, SpectrumSummary | None] = field(default_factory=dict)

    def summary(self, spectrum_id: str) -> SpectrumSummary | None:
        """Return what the store has under exactly this id, without arrays; None if there is nothing."""
        if spectrum_id not in self._summaries:
            try:
                query = SpectrumQuery(id_prefix=spectrum_id, status=ANY_STATUS)
                found = next((each for each in self.store.summaries(query) if each.id == spectrum_id), None)
            except ParameterError:  # no id of a spectrum looks so
                found = None
            self._summaries[spectrum_id] = found
        return self._summaries[spectrum_id]

    def of_crystals(self, ids: Iterable[str]) -> Iterator[SpectrumSummary]:
        """Yield a spectrum each of some structures and sites."""
        base = SpectrumQuery(status=ANY_STATUS, limit=1)
        for each in ids:
            queries = (base.replace(structure_id=each), base.replace(site_id=each))
            found = (next(iter(self.store.summaries(query)), None) for query in queries)
            yield from itertools.islice((summary for summary in found if summary is not None), 1)

    def causes(self, node: Node) -> Iterator[LineageGraph]:
        """Yield what is known of how something was made."""
        if node.kind is Kind.SPECTRUM:
            records = self.store.records(node.id)
            for record in records if self.is_complete else records[-1:]:
                yield from self._pieces(record, spectrum_id=node.id)
        elif node.kind in _MADE_BY_JOBS:
            for record in self._makers.get(node.id, ()):
                yield from self._pieces(record)

    def mentions(self, thing: str) -> Iterator[LineageGraph]:
        """Yield what every record says that names a thing, or is it."""
        for linked in self.store.linked([thing]):
            yield from self._pieces(linked.record, spectrum_id=linked.spectrum_id)

    def effects(self, ids: Sequence[str]) -> Iterator[LineageGraph]:
        """Yield what was made of things."""
        wanted = frozenset(ids)
        for linked in self.store.linked(ids):
            record = linked.record
            used = {each for things in record.used.values() for each in things.values()}
            is_named = not wanted.isdisjoint(used | set(record.executables.values()))
            members = frozenset() if linked.spectrum_id else wanted.intersection(self.store.members(record.id))
            is_meant = (is_named or members) and self._counts(record, linked.spectrum_id)
            if is_meant or record.id in wanted:
                yield from self._pieces(record, spectrum_id=linked.spectrum_id, members=members)

    def _counts(self, record: ProvenanceRecord, spectrum_id: str) -> bool:
        """Return whether a record is that of the present spectrum, not of an earlier attempt at it."""
        if not spectrum_id or self.is_complete:
            return True
        return [each.id for each in self.store.records(spectrum_id)[-1:]] == [record.id]

    @cached_property
    def _makers(self) -> Mapping[str, list[ProvenanceRecord]]:
        makers: dict[str, list[ProvenanceRecord]] = {}
        for record in self.store.activities():
            for thing in record.outputs.values():
                makers.setdefault(thing, []).append(record)
        return makers

    def _pieces(
        self, record: ProvenanceRecord, *, spectrum_id: str = "", members: frozenset[str] = frozenset()
    ) -> Iterator[LineageGraph]:
        """Yield what a record says, and what belongs to it though it does not say so itself."""
        self.places.learn(record)
        yield _without_copies(record_graph(record), record)
        yield self._named_source(record, spectrum_id) if spectrum_id else self._members(record, members)

    def _named_source(self, record: ProvenanceRecord, spectrum_id: str) -> LineageGraph:
        """Return the source that the spectrum names where its record names none, as those of earlier versions."""
        summary = None if Kind.SOURCE in record.used else self.summary(spectrum_id)
        if summary is None or not summary.source or summary.source == spectrum_id:
            return LineageGraph()
        # Whatever has a structure has it from there.
        structure = next(iter(record.used.get(Kind.STRUCTURE, {}).values()), "")
        link = Link(structure or record.id, summary.source, Role.DERIVED if structure else Role.USED, summary.source)
        return LineageGraph({summary.source: Node(id=summary.source, kind=Kind.SOURCE, label=summary.source)}, (link,))

    def _members(self, record: ProvenanceRecord, always: frozenset[str]) -> LineageGraph:
        """Return the spectra that a job used in numbers, as one list of which few are followed."""
        ids = self.store.members(record.id)
        if not ids:
            return LineageGraph()
        named = [*record.used.get(Kind.SPECTRA, {}).values()]
        own = named[0] if len(named) == 1 else content_hash(["members", record.id])
        return list_graph(own, ids, self.choice.of(ids, always=always), of=record.id)


def _without_copies(graph: LineageGraph, record: ProvenanceRecord) -> LineageGraph:
    """Return the graph without outputs that are what the job was given, or are empty: their content tells no origin."""
    used = {each for things in record.used.values() for each in things.values()} | {_EMPTY}
    copies = used.intersection(record.generated.get(Kind.OUTPUT, {}).values())
    if not copies:
        return graph
    links = tuple(link for link in graph.links if not (link.role is Role.GENERATED and link.effect in copies))
    return replace(graph, links=links)


def list_graph(list_id: str, ids: Sequence[str], shown: Sequence[str], *, of: str, label: str = "") -> LineageGraph:
    """Return a list of spectra as a node.

    Args:
        list_id: Id of the list.
        ids: What is in it.
        shown: Those that get nodes of their own.
        of: Id of the job that used it; its node is with somebody else.
        label: What it is called; how many there are, when empty.
    """
    words = label or f"{len(ids):,} spectra"
    if len(shown) < len(ids):
        words += f", {len(shown)} shown"
    nodes = [Node(id=list_id, kind=Kind.SPECTRA, label=words), *(Node(id=e, kind=Kind.SPECTRUM) for e in shown)]
    links = [Link(of, list_id, Role.USED, "spectra"), *(Link(list_id, each, Role.DERIVED) for each in shown)]
    return LineageGraph({node.id: node for node in nodes}, tuple(links))
