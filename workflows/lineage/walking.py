"""Walking from one thing to all that it came from, or that came of it, reading only what is met on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

from whiteline.provenance.graph import LineageGraph, Node

__all__ = ["Direction", "walk"]

# The end of a link that a walk goes to.
Direction: TypeAlias = Literal["cause", "effect"]


def walk(
    start: LineageGraph,
    root: str,
    expand: Callable[[Sequence[Node]], Iterable[LineageGraph]],
    *,
    towards: Direction,
    depth: int | None,
) -> LineageGraph:
    """Return what is reached from a thing.

    Args:
        start: What is known of it at the beginning, its node included.
        root: Its id.
        expand: Reads what is known around some nodes; each is asked for once.
        towards: Where links are followed to.
        depth: Number of links at most.

    Raises:
        LineageCycleError: Something came from itself.
    """
    pieces: list[LineageGraph] = []
    nodes: dict[str, Node] = {}
    steps: dict[str, dict[str, None]] = {}

    def take(piece: LineageGraph) -> None:
        pieces.append(piece)
        for node in piece.nodes.values():
            nodes.setdefault(node.id, node)
        for link in piece.links:
            here, there = (link.effect, link.cause) if towards == "cause" else (link.cause, link.effect)
            steps.setdefault(here, {})[there] = None

    take(start)
    reached, border, n_steps = {root}, [root], 0
    while border and (depth is None or n_steps < depth):
        for piece in expand([nodes[each] for each in border if each in nodes]):
            take(piece)
        following = {there: None for each in border for there in steps.get(each, ())}
        border = [each for each in following if each not in reached]
        reached.update(border)
        n_steps += 1
    graph = LineageGraph.merge(pieces)
    found = graph.ancestors(root, depth=depth) if towards == "cause" else graph.descendants(root, depth=depth)
    import networkx

    if not networkx.is_directed_acyclic_graph(found.to_networkx()):  # ten times as quick as to look for the loop
        found.check_acyclic()
    return found
