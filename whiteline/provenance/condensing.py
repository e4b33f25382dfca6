"""A lineage made small enough to be read: what is alike stands together, and what is far away is summed up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from whiteline.errors import InputError, ParameterError
from whiteline.fingerprint import content_hash
from whiteline.provenance.captions import GROUP, among, counted
from whiteline.provenance.division import Division, Keys
from whiteline.provenance.graph import LineageGraph, Link, Node
from whiteline.provenance.kinds import Role

__all__ = ["condense", "reduce_links"]

_N_MOST = 40
# The root, the rest of its layer, what is nearer, farther and last, and four kinds of agents: as few can be promised.
_N_LEAST = 10
# More files of one run, and more things alike, than this are shown as one even where there is room.
_N_TWINS = 3
_N_ALIKE = 6
# So far around nodes are looked at, in links, to see whether they are alike.
_N_ROUNDS = 8

_COARSER: tuple[Callable[[Division], Keys], ...] = (
    Division.twins,
    lambda division: division.alike(_N_ROUNDS),
    lambda division: division.alike(1),
    lambda division: division.alike(0),
)


def condense(graph: LineageGraph, root: str, *, n_most: int = _N_MOST) -> LineageGraph:
    """Return a graph of at most so many nodes that leads along the same paths.

    Links that others imply are left out. Many files of one run, or many series alike, become one node each, which says
    how many of what it stands for and names some; where that is not enough, what is far from the root is merged first.
    Things with a problem, and suspect ones, stand apart from the others for as long as possible.

    Args:
        graph: What is to be shown.
        root: Id of the node that it is about; it stays as it is.
        n_most: Largest number of nodes, at least ten.

    Raises:
        InputError: The root is not in the graph.
        ParameterError: `n_most` is below ten.
        LineageCycleError: Something came from itself.
    """
    if root not in graph.nodes:
        raise InputError(f"the root of a lineage must be one of its {len(graph.nodes)} nodes, got {root!r}")
    if n_most < _N_LEAST:
        raise ParameterError(f"a lineage can be condensed to {_N_LEAST} nodes or more, got n_most={n_most}")
    _refuse_cycles(graph)
    return reduce_links(_merged(_fitting(Division.of(graph, root), n_most)))


def reduce_links(graph: LineageGraph) -> LineageGraph:
    """Return the graph without links that a path of others implies, e.g. from a run to the site behind its inputs.

    Those to programs and machines stay: that one job used a library says nothing of the next one.

    Raises:
        LineageCycleError: Something came from itself.
    """
    import networkx

    _refuse_cycles(graph)
    associated = [link for link in graph.links if link.role is Role.ASSOCIATED]
    kept = networkx.transitive_reduction(graph.to_networkx())
    kept.add_edges_from((link.effect, link.cause) for link in associated)
    return replace(graph, links=tuple(link for link in graph.links if kept.has_edge(link.effect, link.cause)))


def _refuse_cycles(graph: LineageGraph) -> None:
    import networkx

    if not networkx.is_directed_acyclic_graph(graph.to_networkx()):  # quicker than to look for the loop at once
        graph.check_acyclic()


def _fitting(division: Division, n_most: int) -> Division:
    """Return the finest of ever coarser divisions that has at most so many groups."""
    division = _gathered(division)
    for find_keys in _COARSER:
        if len(division.members) <= n_most:
            return division
        keys = find_keys(division)
        for beyond in sorted({0, *division.distances.values()}, reverse=True):
            coarser = division.merge(keys, beyond=beyond)
            if len(coarser.members) <= n_most:
                return coarser
        division = coarser
    return _windowed(division, n_most)


def _gathered(division: Division) -> Division:
    """Return the division with many files of one run as one, and many alike as one, those of a run first."""
    division = division.merge(division.twins(), more_than=_N_TWINS)
    twins, alike = division.twins(), division.alike(_N_ROUNDS)
    numbers = Counter(alike.values())
    division = division.merge({each: twins[each] if numbers[alike[each]] > _N_ALIKE else each for each in twins})
    return division.merge(division.alike(_N_ROUNDS), more_than=_N_ALIKE)


def _windowed(division: Division, n_most: int) -> Division:
    """Return the division with all that is many layers from the root summed up."""
    centre, low, high = division.layers[division.root], 0, max(division.layers.values())
    while low < centre or high > centre:
        low, high = (low + 1, high) if centre - low > high - centre else (low, high - 1)
        coarser = division.merge(division.window(low, high))
        if len(coarser.members) <= n_most:
            return coarser
    return division.merge(division.window(centre, centre, is_by_kind=False))


def _merged(division: Division) -> LineageGraph:
    """Return the graph of the groups."""
    graph = division.graph
    shown = {
        group: graph.nodes[group] if len(some) == 1 else _group(graph, some) for group, some in division.members.items()
    }
    names: dict[tuple[str, str, Role], set[str]] = {}
    for link in graph.links:
        effect, cause = (shown[division.group_of[each]].id for each in (link.effect, link.cause))
        if effect != cause:
            names.setdefault((effect, cause, link.role), set()).add(link.name)
    links = tuple(Link(*ends, some.pop() if len(some) == 1 else "") for ends, some in names.items())
    return LineageGraph({node.id: node for node in shown.values()}, links)


def _group(graph: LineageGraph, some: Sequence[str]) -> Node:
    """Return the node that stands for several."""
    members = [graph.nodes[each] for each in some]
    kinds = Counter(node.kind for node in members)
    names = [link.name for each in some for link in graph.effects.get(each, ()) if link.role is Role.USED and link.name]
    named = among([node.label for node in members if node.label], names)
    return Node(
        id=f"{GROUP}{content_hash(sorted(some))}",
        kind=kinds.most_common(1)[0][0],
        label=counted(kinds),
        facts={"among them": named} if named else {},
        problem=_summed_up([node.problem for node in members]),
        suspect=_summed_up([node.suspect for node in members]),
    )


def _summed_up(words: Sequence[str]) -> str:
    """Return what is said of some or all of a group."""
    said = Counter(each for each in words if each).most_common()
    if not said:
        return ""
    n_said = sum(number for _, number in said)
    how_many = "" if n_said == len(words) else f"{n_said:,} of {len(words):,}: "
    return f"{how_many}{said[0][0]}{f' and {len(said) - 1:,} other reasons' if len(said) > 1 else ''}"
