"""What folders of models say of lineage: their cards, and the lists of the spectra that they learned from."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whiteline.errors import SchemaVersionError
from whiteline.fingerprint import content_hash
from whiteline.provenance import Kind, ProvenanceRecord, Role, content_checksum
from whiteline.provenance.graph import LineageGraph, Link, Node, record_graph
from whiteline.workflows.learning.names import SPECTRA
from whiteline.workflows.learning.registry import entry_by_id
from whiteline.workflows.lineage.places import Choice, Places
from whiteline.workflows.lineage.stored import list_graph

if TYPE_CHECKING:
    from whiteline.models.registry import ModelEntry

__all__ = ["ModelLineage"]

logger = logging.getLogger(__name__)

_PARTS: Final = ("train", "validation", "test")
_CONFIG: Final = "config.json"


@dataclass(frozen=True, eq=False)
class ModelLineage:
    """The lineage that models tell of themselves.

    Attributes:
        registry: Folder of models.
        places: Where else models may be; learns more.
        choice: Which spectra of a long list are followed.
    """

    registry: Path
    places: Places
    choice: Choice

    def find(self, model_id: str) -> ModelEntry | None:
        """Return the model with a content hash; None where no folder that is known here has it."""
        for entry in self.entries:
            if entry.id == model_id:
                return entry
        places = [place for place in self.places.of(model_id) if (Path(place) / _CONFIG).is_file()]
        # Only now: nothing for learning need be installed to follow spectra.
        try:
            return entry_by_id(model_id, registry=self.registry, places=places) if places else None
        except ImportError as error:
            logger.warning("%s is left out (%s): pip install 'whiteline[learn]'", places[0], error)
            return None

    @cached_property
    def entries(self) -> Sequence[ModelEntry]:
        """Every whole model in the registry."""
        if next(self.registry.glob(f"*/{_CONFIG}"), None) is None:
            return ()
        try:
            from whiteline.models.registry import list_models
        except ImportError as error:
            logger.warning("models in %s are left out (%s): pip install 'whiteline[learn]'", self.registry, error)
            return ()
        return list_models(self.registry)

    def causes(self, node: Node) -> Iterator[LineageGraph]:
        """Yield what a model's card says of how it was made."""
        entry = self.find(node.id) if node.kind is Kind.MODEL else None
        if entry is not None:
            yield self._graph(entry)

    def describe(self, model_id: str) -> Iterator[LineageGraph]:
        """Yield the node of a model with what its card says."""
        if (entry := self.find(model_id)) is not None:
            yield _model(entry)

    def effects(self, ids: Sequence[str]) -> Iterator[LineageGraph]:
        """Yield how models were made that used, or learned from, one of these things."""
        for entry in self.entries:
            named = self._named.get(entry.id, frozenset())
            if found := named.intersection(ids):
                yield self._graph(entry, always=found)

    @cached_property
    def _named(self) -> Mapping[str, frozenset[str]]:
        """What each model of the registry rests on."""
        named = {}
        for entry in self.entries:
            causes = (link.cause for link in self._card(entry).links)
            named[entry.id] = frozenset(causes).union(*_lists(entry)[0].values()) - {entry.id}
        return named

    def _graph(self, entry: ModelEntry, *, always: frozenset[str] = frozenset()) -> LineageGraph:
        self._learn(entry)
        card = self._card(entry)
        return LineageGraph.merge([card, _model(entry), self._spectra(entry, card, always), _dataset(entry)])

    def _learn(self, entry: ModelEntry) -> None:
        self.places.add(entry.id, str(entry.path))
        for parent in entry.card.lineage.get("parents", []):
            self.places.add(parent, str(entry.path / "delta"))
        dataset = entry.card.lineage.get("dataset") or {}
        if dataset.get("content_sha256"):
            self.places.add(str(dataset["content_sha256"]), str(dataset.get("path", "")))

    def _card(self, entry: ModelEntry) -> LineageGraph:
        """Return what the card says: its record, or what the model was derived from where it has none.

        Raises:
            SchemaVersionError: A newer Whiteline wrote the record.
        """
        lineage = entry.card.lineage
        if not lineage.get("record"):
            return _derived(entry)
        try:
            record = ProvenanceRecord.from_dict(lineage["record"])
        except SchemaVersionError as error:
            raise SchemaVersionError(f"{entry.path}: {error}") from error
        self.places.learn(record)
        graph = record_graph(record)
        parents = lineage.get("parents", [])
        return replace(graph, links=tuple(_say_if_tried(link, graph, parents) for link in graph.links))

    def _spectra(self, entry: ModelEntry, card: LineageGraph, always: frozenset[str]) -> LineageGraph:
        """Return the list of spectra that a model learned from, and those of it that are followed."""
        lists, content = _lists(entry)
        found = content_checksum(content) if content else content_hash(["spectra of", entry.id])
        stated = next((node.id for node in card.nodes.values() if node.kind is Kind.SPECTRA), found)
        ids = [each for part in _PARTS for each in lists.get(part, [])]
        label = f"{len(ids):,} spectra: " + ", ".join(f"{len(lists.get(part, [])):,} {part}" for part in _PARTS)
        problem = ""
        if not content:
            label = ", ".join(f"{part.get('n_spectra')} {name} spectra" for name, part in entry.card.data.items())
            problem = f"missing: the list of ids is not in {entry.path}"
        elif stated != found:
            problem = f"changed on disk: {entry.path / SPECTRA} is {found} instead of {stated}"
        maker = next((link.cause for link in card.links if link.effect == entry.id), entry.id)
        shown = self.choice.of(ids, always=always.intersection(ids))
        graph = list_graph(stated, ids, shown, of=maker, label=label)
        dataset = tuple(Link(stated, each, Role.DERIVED) for each in _dataset(entry).nodes)
        return replace(
            graph.with_nodes([replace(graph.nodes[stated], problem=problem)]), links=(*graph.links, *dataset)
        )


def _lists(entry: ModelEntry) -> tuple[Mapping[str, list[str]], bytes]:
    """Return ids of spectra by part, and the file that they are in; nothing where it is gone or no such file."""
    try:
        content = (entry.path / SPECTRA).read_bytes()
        lists: dict[str, Any] = json.loads(content)
        return {part: [str(each) for each in lists.get(part, [])] for part in _PARTS}, content
    except (OSError, ValueError, AttributeError, TypeError):
        return {}, b""


def _model(entry: ModelEntry) -> LineageGraph:
    chosen = next((row["name"] for row in entry.card.candidates if row.get("is_chosen")), "")
    numbers = {name: f"{value:.4g}" for name, value in entry.card.metrics.items() if name.endswith("eta")}
    facts = {"folder": str(entry.path), "created": entry.card.created, **numbers}
    label = f"{entry.name} ({', '.join(entry.channels)}{f'; {chosen}' if chosen else ''})"
    node = Node(id=entry.id, kind=Kind.MODEL, label=label, facts=facts)
    return LineageGraph({node.id: node})


def _dataset(entry: ModelEntry) -> LineageGraph:
    described = entry.card.lineage.get("dataset") or {}
    content, path = str(described.get("content_sha256") or ""), str(described.get("path") or "")
    if not content:
        return LineageGraph()
    facts = {"folder": path} if path else {}
    node = Node(id=content, kind=Kind.DATASET, label=str(described.get("name") or "dataset"), facts=facts)
    return LineageGraph({node.id: node})


def _derived(entry: ModelEntry) -> LineageGraph:
    """Return what a model was derived from, by a card without a record."""
    encoder = entry.card.lineage.get("encoder")
    named = [
        *((Kind.MODEL, str(parent)) for parent in entry.card.lineage.get("parents", [])),
        *((Kind.DATASET, each) for each in _dataset(entry).nodes),
        *((Kind.ENCODER, str(each)) for each in (encoder,) if each),
    ]
    nodes = [Node(id=each, kind=kind, label=kind.words) for kind, each in named]
    return LineageGraph(
        {node.id: node for node in nodes}, tuple(Link(entry.id, each, Role.DERIVED) for _, each in named)
    )


def _say_if_tried(link: Link, graph: LineageGraph, parents: Sequence[str]) -> Link:
    """Return the link to a parent under a name that says whether the model began with it, or was better without."""
    is_model = link.role is Role.USED and graph.nodes[link.cause].kind is Kind.MODEL
    return replace(link, name="tried and not begun with") if is_model and link.cause not in parents else link
