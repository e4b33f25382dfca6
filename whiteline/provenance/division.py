"""Divisions of the nodes of a lineage into groups of what is alike.

Nodes are merged only within a layer, which is a number that grows along every link, or over a whole interval of
layers. So whatever is merged, nothing comes from itself afterwards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias, TypeVar

from whiteline.provenance.graph import LineageGraph, Node

__all__ = ["Division", "Keys"]

Keys: TypeAlias = Mapping[str, Hashable]
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, eq=False)
class Division:
    """A division of the nodes of a graph into groups, each named by its first member.

    Attributes:
        graph: The graph.
        root: The node that a picture is about; always a group of its own.
        layers: A number of each node that grows along all links in the direction that leads away from the root.
        away: Links between each node and the root; agents are as far as can be, for everything shares them.
        group_of: The group of each node.
    """

    graph: LineageGraph
    root: str
    layers: Mapping[str, int]
    away: Mapping[str, int]
    group_of: Mapping[str, str]

    @classmethod
    def of(cls, graph: LineageGraph, root: str) -> Division:
        """Return the division in which every node is on its own; the graph has no cycles."""
        return cls(graph, root, _layers(graph, root), _away(graph, root), {each: each for each in graph.nodes})

    @cached_property
    def members(self) -> Mapping[str, list[str]]:
        """The nodes of each group."""
        return _classes(self.group_of)

    @cached_property
    def distances(self) -> Mapping[str, int]:
        """Links between each group and the root."""
        return {group: min(self.away[each] for each in some) for group, some in self.members.items()}

    def merge(self, keys: Keys, *, more_than: int = 1, beyond: int = 0) -> Division:
        """Return the division with groups of the same key as one.

        Args:
            keys: What tells groups apart, by group.
            more_than: Leave this number of them, and fewer, apart.
            beyond: Leave those apart that are so near the root, or nearer.
        """
        same = _classes({group: keys[group] for group, distance in self.distances.items() if distance > beyond})
        first = {group: groups[0] for groups in same.values() if len(groups) > more_than for group in groups}
        return replace(self, group_of={each: first.get(group, group) for each, group in self.group_of.items()})

    def twins(self) -> Keys:
        """Return a key that is the same for groups of a kind between the same neighbours."""
        return {group: (base, frozenset(self._neighbours[group])) for group, base in self._base.items()}

    def alike(self, n_rounds: int) -> Keys:
        """Return a key that is the same for groups of a kind between neighbours alike, so many links around."""
        keys = _numbered(self._base)
        for _ in range(n_rounds):
            finer = _numbered(
                {
                    group: (key, frozenset((role, end, keys[other]) for role, end, other in self._neighbours[group]))
                    for group, key in keys.items()
                }
            )
            if max(finer.values()) == max(keys.values()):
                break
            keys = finer
        return keys

    def window(self, low: int, high: int, *, is_by_kind: bool = True) -> Keys:
        """Return a key that is the same for all groups of layers below `low`, and for those above `high`.

        Layers between are told by kind or not. What has nothing behind it, e.g. source files, is a group of its own,
        and so are agents of a kind.
        """
        last = max(self.layers.values())
        keys: dict[str, Hashable] = {}
        for group, base in self._base.items():
            layer, kind = self.layers[group], self.graph.nodes[group].kind
            if group == self.root or (is_by_kind and low <= layer <= high):
                keys[group] = base
            elif kind.prov_type == "agent" and group not in self.graph.causes:
                keys[group] = kind  # agents that nothing is behind are all in the first layer, or all in the last
            elif low <= layer <= high:
                keys[group] = layer
            else:
                keys[group] = "nearer" if layer < low else "last" if layer == last else "farther"
        return keys

    @cached_property
    def _base(self) -> dict[str, Hashable]:
        """What groups that are alike do not differ in."""
        return {
            group: (self.layers[group], group == self.root, *_sort(self.graph.nodes[group])) for group in self.members
        }

    @cached_property
    def _neighbours(self) -> Mapping[str, set[tuple[str, str, str]]]:
        found: dict[str, set[tuple[str, str, str]]] = {group: set() for group in self.members}
        for link in self.graph.links:
            effect, cause = self.group_of[link.effect], self.group_of[link.cause]
            found[effect].add((link.role, "cause", cause))
            found[cause].add((link.role, "effect", effect))
        return found


def _sort(node: Node) -> tuple[Hashable, ...]:
    # Jobs that do different things are not alike; the labels of all else are names.
    doing = node.label if node.kind.prov_type == "activity" else ""
    return (node.kind, doing, bool(node.problem), bool(node.suspect))


def _layers(graph: LineageGraph, root: str) -> dict[str, int]:
    """Return the longest way to each node from any that nothing leads to, and one number for all that lead nowhere.

    The ways go from effects to causes; where the root has no causes, the other way round.
    """
    import networkx

    whole = graph.to_networkx()
    away = whole if root in graph.causes else whole.reverse(copy=False)
    generations = list(networkx.topological_generations(away))
    layers = {each: i for i, generation in enumerate(generations) for each in generation}
    return {each: layer if away.out_degree(each) else len(generations) for each, layer in layers.items()}


def _away(graph: LineageGraph, root: str) -> dict[str, int]:
    found, border = {root: 0}, deque([root])
    while border:
        each = border.popleft()
        ends = [link.cause for link in graph.causes.get(each, ())] + [
            link.effect for link in graph.effects.get(each, ())
        ]
        for other in ends:
            # Nothing is near because the same program, or the same machine, made it.
            if other not in found and graph.nodes[other].kind.prov_type != "agent":
                found[other] = found[each] + 1
                border.append(other)
    return {each: found.get(each, len(graph.nodes)) for each in graph.nodes}


def _classes(keys: Mapping[str, _Key]) -> dict[_Key, list[str]]:
    found: dict[_Key, list[str]] = {}
    for each, key in keys.items():
        found.setdefault(key, []).append(each)
    return found


def _numbered(keys: Keys) -> dict[str, int]:
    numbers: dict[Hashable, int] = {}
    return {group: numbers.setdefault(key, len(numbers)) for group, key in keys.items()}
