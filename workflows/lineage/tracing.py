"""Asking where something came from, and what came of it, by any of its names.

    prediction <- model <- training <- dataset, list of spectra <- spectrum <- calculation <- … <- source file

Every link is read from records, cards of models and manifests of datasets: ids, content hashes and checksums. What is
not there any more, or not what it was, carries a problem; nothing is guessed from names.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from whiteline.database.store import SpectrumStore
from whiteline.provenance import Kind, Role
from whiteline.provenance.graph import LineageGraph, Node
from whiteline.workflows.lineage.cards import ModelLineage
from whiteline.workflows.lineage.checking import check
from whiteline.workflows.lineage.describing import describe
from whiteline.workflows.lineage.frozen import DatasetLineage
from whiteline.workflows.lineage.places import Choice, Places
from whiteline.workflows.lineage.resolving import resolve
from whiteline.workflows.lineage.stored import StoredLineage
from whiteline.workflows.lineage.walking import walk

__all__ = ["Tracer"]

# Only those who name such a thing say what it came from.
_DERIVED: Final = frozenset({Kind.STRUCTURE, Kind.SITE, Kind.INPUT, Kind.OUTPUT, Kind.SPECTRA, Kind.ACTIVITY})


@dataclass(frozen=True, eq=False)
class Tracer:
    """What lineages are read from.

    Attributes:
        store: Where the spectra are; None names them as missing.
        registry: Folder of models; a model is also looked for where a record says it was.
        is_complete: Follow all spectra of a dataset or a model, not one that stands for them, and earlier attempts at
            a spectrum, too.
        places: Where things were met; folders that were asked for are remembered.
    """

    store: SpectrumStore | None
    registry: Path
    is_complete: bool = False
    places: Places = field(default_factory=Places)

    def resolve(self, text: str) -> str:
        """Return the id of what a text names.

        Args:
            text: A file or a folder on this machine, the id of anything that is on record or enough of its beginning,
                or the name of a model.

        Raises:
            UnknownIdError: There is no such thing; the message names the nearest.
            AmbiguousIdError: There are several.
        """
        return resolve(text, store=self.store, models=self.models)

    def ancestors(self, thing: str, *, depth: int | None = None) -> LineageGraph:
        """Return what something came from.

        Args:
            thing: Its whole id, as `resolve` returns it.
            depth: Number of links at most.

        Raises:
            LineageCycleError: Something came from itself: records were edited.
            SchemaVersionError: A newer Whiteline wrote a record.
        """
        return self._told(walk(self._start(thing, is_whole=True), thing, self._causes, towards="cause", depth=depth))

    def descendants(self, thing: str, *, depth: int | None = None) -> LineageGraph:
        """Return what came of something; arguments and errors are those of `ancestors`.

        Models are found in the registry and in the records of the store.
        """
        # What lies between a thing and what was made of it, as a crystal does, leads to no works of others.
        made = {thing}
        start = LineageGraph({thing: self._start(thing, is_whole=False).nodes[thing]})

        def expand(nodes: Sequence[Node]) -> Iterator[LineageGraph]:
            for piece in self._effects([node.id for node in nodes if node.id in made]):
                made.update(link.effect for link in piece.links if link.role is Role.GENERATED)
                yield piece

        return self._told(walk(start, thing, expand, towards="effect", depth=depth))

    @cached_property
    def models(self) -> ModelLineage:
        """What models tell of themselves."""
        return ModelLineage(self.registry, self.places, self._choice)

    @cached_property
    def datasets(self) -> DatasetLineage:
        """What datasets tell of themselves."""
        return DatasetLineage(self.places, self._choice)

    @cached_property
    def stored(self) -> StoredLineage | None:
        """What the store tells."""
        if self.store is None:
            return None
        return StoredLineage(self.store, self.places, self._choice, is_complete=self.is_complete)

    @cached_property
    def _choice(self) -> Choice:
        return Choice(is_complete=self.is_complete)

    def _start(self, thing: str, *, is_whole: bool) -> LineageGraph:
        """Return what is said of the thing that was asked for, all of it or enough to know what it is."""
        self._choice.forget()
        if self.stored is not None and self.stored.summary(thing) is not None:
            return LineageGraph({thing: Node(id=thing, kind=Kind.SPECTRUM)})
        if self.models.find(thing) is not None:
            return LineageGraph({thing: Node(id=thing, kind=Kind.MODEL)})
        if self.datasets.find(thing) is not None:
            return LineageGraph({thing: Node(id=thing, kind=Kind.DATASET)})
        mentions = self.stored.mentions(thing) if self.stored is not None else iter(())
        pieces: list[LineageGraph] = []
        for piece in itertools.chain(mentions, self.models.effects([thing])):
            pieces.append(piece)
            found = piece.nodes.get(thing)
            if found is not None and not (is_whole and found.kind in _DERIVED):
                break
        graph = LineageGraph.merge(pieces)
        return graph if thing in graph.nodes else LineageGraph({thing: Node(id=thing, kind=Kind.SOURCE)})

    def _causes(self, nodes: Sequence[Node]) -> Iterator[LineageGraph]:
        for node in nodes:
            stored = [] if self.stored is None else [*self.stored.causes(node)]
            told = [*stored, *self.models.causes(node)]
            yield from told or self.datasets.causes(node)

    def _effects(self, ids: Sequence[str]) -> Iterator[LineageGraph]:
        if ids:
            if self.stored is not None:
                yield from self.stored.effects(ids)
            yield from self.models.effects(ids)

    def _told(self, graph: LineageGraph) -> LineageGraph:
        told = describe(graph, stored=self.stored, models=self.models, datasets=self.datasets)
        return check(told, stored=self.stored, places=self.places)
