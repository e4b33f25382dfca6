"""The part of AiiDA's graph around some processes, read in few questions: AiiDA needs 20 ms for each."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias

from whiteline.errors import LineageCycleError

__all__ = ["AiidaGraph", "Node", "NodeLink", "age", "count_processes", "load_graph", "short"]

# aiida-core has no types that hold in strict mode, and its nodes are known by what they say, not by their class.
Node: TypeAlias = Any

_CHUNK: Final = 500
_DEEPEST: Final = 100  # links, of workflows in workflows and of data out of data
_CALLS: Final = ("call_calc", "call_work")
_CAUSES: Final = ("input_calc", "input_work", "create", *_CALLS)
_EFFECTS: Final = ("create", "return", *_CALLS)


class NodeLink(NamedTuple):
    """A link from one node to another.

    Attributes:
        other: The node at the other end.
        label: Name of the link.
        kind: AiiDA's type of link, e.g. `input_calc`.
    """

    other: Node
    label: str
    kind: str


@dataclass(frozen=True, eq=False)
class AiidaGraph:
    """Nodes and the links between them.

    Attributes:
        nodes: Nodes by their numbers in the storage.
        causes: Links from each node to what it came from.
        effects: Links from each process to what came of it.
    """

    nodes: dict[int, Node]
    causes: dict[int, list[NodeLink]]
    effects: dict[int, list[NodeLink]]

    def processes(self, label: str) -> list[Node]:
        """Return the processes of a name, the oldest first."""
        return sorted((n for n in self.nodes.values() if getattr(n, "process_label", None) == label), key=age)

    def incoming(self, node: Node) -> Sequence[NodeLink]:
        """Return the links to what a node came from."""
        return self.causes.get(node.pk, [])

    def inputs(self, node: Node | None) -> dict[str, Node]:
        """Return what a process was given, by the names of the links; nothing where there is no process."""
        links = () if node is None else self.incoming(node)
        return {link.label: link.other for link in links if link.kind in ("input_calc", "input_work")}

    def outputs(self, node: Node) -> dict[str, Node]:
        """Return what a process made or returned, by the names of the links."""
        links = self.effects.get(node.pk, [])
        return {link.label: link.other for link in links if link.kind in ("create", "return")}

    def creator(self, node: Node) -> Node | None:
        """Return the calculation that made a node; None where there is none."""
        return next((link.other for link in self.incoming(node) if link.kind == "create"), None)

    def callers(self, process: Node) -> list[tuple[Node, str]]:
        """Return the workflows that called a process, the nearest first, each with the name of its call.

        Raises:
            LineageCycleError: A workflow called itself: the links were edited.
        """
        found: list[tuple[Node, str]] = []
        seen, here = {process.pk}, process
        while link := next((each for each in self.incoming(here) if each.kind in _CALLS), None):
            here = link.other
            found.append((here, link.label))
            if here.pk in seen:
                raise LineageCycleError(
                    f"{short(here)} called itself, by way of {', '.join(short(node) for node, _ in found)}: no program "
                    "writes such links, the archive was edited"
                )
            seen.add(here.pk)
        return found

    def called(self, process: Node) -> Iterator[Node]:
        """Yield the processes that a workflow called, and those that they called."""
        waiting, seen = [process], {process.pk}
        while waiting:
            for link in self.effects.get(waiting.pop().pk, []):
                if link.kind in _CALLS and link.other.pk not in seen:
                    seen.add(link.other.pk)
                    waiting.append(link.other)
                    yield link.other


def load_graph(storage: Any, labels: Sequence[str]) -> AiidaGraph:
    """Return what the processes of some names came from, what they called and what they made."""
    from aiida import orm

    query = orm.QueryBuilder(backend=storage)
    query.append(orm.ProcessNode, filters={"attributes.process_label": {"in": list(labels)}}, project="id")
    started = {number for (number,) in query.all()}
    below = _reached(storage, started, _CALLS, forward=True)
    below_ids = started | {other for _, other, *_ in below}
    above = _reached(storage, below_ids, _CAUSES, forward=False)
    known = below_ids | {other for _, other, *_ in above}
    made = list(_links(storage, known, _EFFECTS, forward=True))
    numbers = known | {other for _, other, *_ in made}
    nodes = {node.pk: node for node in _nodes(storage, numbers)}
    return AiidaGraph(nodes, _by_node(above, nodes), _by_node(made, nodes))


def count_processes(storage: Any) -> Counter[str]:
    """Return how many processes of each name a storage holds."""
    from aiida import orm

    query = orm.QueryBuilder(backend=storage).append(orm.ProcessNode, project=["attributes.process_label"])
    return Counter(label for (label,) in query.all() if label)


def age(node: Node) -> tuple[Any, str]:
    """Return what sorts nodes alike in every storage: their numbers change when they are imported elsewhere."""
    return (node.ctime, node.uuid)


def short(node: Node) -> str:
    """Return what people call a node: its process or class, and the beginning of its UUID."""
    return f"{getattr(node, 'process_label', None) or type(node).__name__} {node.uuid[:8]}"


_Row: TypeAlias = tuple[int, int, str, str]


def _reached(storage: Any, numbers: set[int], kinds: Sequence[str], *, forward: bool) -> list[_Row]:
    """Return the links that are met on the way from some nodes, one step after the other."""
    found: list[_Row] = []
    seen, border = set(numbers), set(numbers)
    for _ in range(_DEEPEST):
        rows = list(_links(storage, border, kinds, forward=forward))
        found += rows
        border = {other for _, other, *_ in rows} - seen
        if not border:
            break
        seen |= border
    return found


def _links(storage: Any, numbers: Iterable[int], kinds: Sequence[str], *, forward: bool) -> Iterator[_Row]:
    """Yield the number of a node, that at the other end, and name and type of the link, in the order of the names."""
    from aiida import orm

    end: dict[str, Any] = {"with_incoming" if forward else "with_outgoing": "n"}
    for chunk in _chunks(numbers):
        query = orm.QueryBuilder(backend=storage).append(orm.Node, filters={"id": {"in": chunk}}, project="id", tag="n")
        query.append(
            orm.Node,
            project="id",
            edge_project=["label", "type"],
            edge_filters={"type": {"in": list(kinds)}},
            **end,
        )
        yield from sorted(((here, other, label, kind) for here, other, label, kind in query.all()), key=lambda r: r[2:])


def _nodes(storage: Any, numbers: Iterable[int]) -> Iterator[Node]:
    from aiida import orm

    for chunk in _chunks(numbers):
        with warnings.catch_warnings():
            # Nodes of plugins that are not installed, as pseudopotentials are, say so; what they hold is there.
            warnings.filterwarnings("ignore", "unknown type string")
            found = orm.QueryBuilder(backend=storage).append(orm.Node, filters={"id": {"in": chunk}}).all(flat=True)
        yield from found


def _chunks(numbers: Iterable[int]) -> Iterator[list[int]]:
    """Yield numbers in lists that fit into one question."""
    rest = iter(sorted(numbers))
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk


def _by_node(rows: Iterable[_Row], nodes: dict[int, Node]) -> dict[int, list[NodeLink]]:
    found: dict[int, list[NodeLink]] = {}
    for here, other, label, kind in dict.fromkeys(rows):
        if other in nodes:
            found.setdefault(here, []).append(NodeLink(nodes[other], label, kind))
    return found
