"""Where the boxes of a lineage stand: causes above effects in layers, few lines that cross, none through a box.

The steps are those of Sugiyama, Tagawa and Toda, https://doi.org/10.1109/TSMC.1981.4308636: a layer for each node,
stops for lines that pass a layer, an order in each layer by the mean of the neighbours (the barycentre), and places
that keep this order, here those nearest to the neighbours in the sense of least squares.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

import networkx
import numpy as np
from jaxtyping import Float
from scipy.optimize import isotonic_regression  # type: ignore[import-untyped]  # ships no types

from whiteline.provenance.graph import LineageGraph

__all__ = ["Layout", "lay_out"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
# Effect and cause of a link.
Ends: TypeAlias = tuple[str, str]
# A node by its id, or the stop in a layer of a line that passes it.
_Item: TypeAlias = str | tuple[Ends, int]
_Rows: TypeAlias = list[list[_Item]]

_N_SWEEPS = 16
_N_MOVES = 24
_STOP_WIDTH = 0.12  # inches
_LOOSE = 1e-3


@dataclass(frozen=True, eq=False)
class Layout:
    """Where boxes and lines are, in the unit of the sizes; x to the right, y downwards.

    Attributes:
        centres: Middle of each box, in the order of the nodes, shape (n_node, 2).
        routes: What the line from a cause to an effect goes through on its way, by (effect, cause), each of shape
            (n_point, 2); no points where their layers are neighbours.
        extent: Width and height of everything.
    """

    centres: Float[Array, "node 2"]
    routes: Mapping[Ends, Float[Array, "point 2"]]
    extent: tuple[float, float]


def lay_out(
    graph: LineageGraph, sizes: Float[Array, "node 2"], *, beside: float = 0.25, between: float = 0.45
) -> Layout:
    """Return the layout of a graph, from the causes at the top to the last effects at the bottom.

    Args:
        graph: What is drawn.
        sizes: Width and height of each box, in the order of the nodes, shape (n_node, 2) [inch].
        beside: Free space between boxes of a layer [inch].
        between: Free space between layers [inch].

    Raises:
        LineageCycleError: Something came from itself.
    """
    if not graph.nodes:
        return Layout(np.zeros((0, 2)), {}, (0.0, 0.0))
    graph.check_acyclic()
    network = _Network.of(graph)
    rows = _ordered(network)
    widths: dict[_Item, float] = dict(zip(graph.nodes, sizes[:, 0].tolist(), strict=True))
    places = _places(network, rows, widths, beside)
    left = min(place - widths.get(item, _STOP_WIDTH) / 2 for item, place in places.items())
    right = max(place + widths.get(item, _STOP_WIDTH) / 2 for item, place in places.items())
    tall = dict(zip(graph.nodes, sizes[:, 1].tolist(), strict=True))
    heights = np.array([max(tall[item] for item in row if isinstance(item, str)) for row in rows])
    bottoms = np.cumsum(heights + between) - between
    middles = bottoms - heights / 2
    layers = network.layers
    centres = np.array([[places[each] - left, middles[layers[each]]] for each in graph.nodes])
    routes = {
        ends: np.array(
            [
                (places[stop] - left, y)
                for stop in stops
                for y in (bottoms[stop[1]] - heights[stop[1]], bottoms[stop[1]])
            ]
        ).reshape(-1, 2)
        for ends, stops in network.stops.items()
    }
    return Layout(centres, routes, (right - left, float(bottoms[-1])))


@dataclass(frozen=True, eq=False)
class _Network:
    """Nodes and stops by layer, and what stands next to what in the layers before and after.

    Attributes:
        layers: Layer of each node, causes before effects.
        stops: Stops of each link, from its cause to its effect.
    """

    layers: Mapping[str, int]
    stops: Mapping[Ends, Sequence[tuple[Ends, int]]]

    @classmethod
    def of(cls, graph: LineageGraph) -> _Network:
        layers = _layers(graph.to_networkx())
        pairs = dict.fromkeys((link.effect, link.cause) for link in graph.links)
        stops = {ends: [(ends, i) for i in range(layers[ends[1]] + 1, layers[ends[0]])] for ends in pairs}
        return cls(layers, stops)

    @cached_property
    def before(self) -> Mapping[_Item, list[_Item]]:
        """Neighbours of each item in the layer before, which are its causes."""
        return self._neighbours(1)

    @cached_property
    def after(self) -> Mapping[_Item, list[_Item]]:
        """Neighbours of each item in the layer after, which are its effects."""
        return self._neighbours(-1)

    def _neighbours(self, step: int) -> dict[_Item, list[_Item]]:
        found: dict[_Item, list[_Item]] = {each: [] for each in self.layers}
        for (effect, cause), stops in self.stops.items():
            way: list[_Item] = [cause, *stops, effect]
            way = way[::step]
            for one, next_one in pairwise(way):
                found.setdefault(next_one, []).append(one)
                found.setdefault(one, [])
        return found


def _layers(whole: networkx.DiGraph[str]) -> dict[str, int]:
    """Return the layer of each node: as near to its effects as can be; what has none, as near to its causes."""
    order = list(networkx.topological_sort(whole))  # effects first
    layers: dict[str, int] = {}
    for each in reversed(order):
        layers[each] = 1 + max((layers[cause] for cause in whole.successors(each)), default=-1)
    for each in order:
        layers[each] = min((layers[effect] - 1 for effect in whole.predecessors(each)), default=layers[each])
    first = min(layers.values())
    return {each: layer - first for each, layer in layers.items()}


def _ordered(network: _Network) -> _Rows:
    """Return nodes and stops of each layer in the order that has fewest crossings of those tried."""
    rows = best = _first_order(network)
    fewest = _n_crossings(network, rows)
    for i_sweep in range(_N_SWEEPS):
        if fewest == 0:
            break
        rows = _sweep(network, rows, is_down=i_sweep % 2 == 0)
        n_crossings = _n_crossings(network, rows)
        if n_crossings < fewest:
            best, fewest = rows, n_crossings
    return best


def _first_order(network: _Network) -> _Rows:
    """Return the order in which a walk from the last effects to their causes meets them."""
    rows: _Rows = [[] for _ in range(max(network.layers.values()) + 1)]
    seen: set[_Item] = set()
    for last in (each for each in network.layers if not network.after[each]):
        waiting: list[_Item] = [last]
        while waiting:
            item = waiting.pop()
            if item not in seen:
                seen.add(item)
                rows[_layer(network, item)].append(item)
                waiting += reversed(network.before[item])
    return rows


def _layer(network: _Network, item: _Item) -> int:
    return network.layers[item] if isinstance(item, str) else item[1]


def _sweep(network: _Network, rows: _Rows, *, is_down: bool) -> _Rows:
    """Return every layer in the order of the means of its neighbours, layer by layer downwards or upwards."""
    neighbours = network.before if is_down else network.after
    sorted_rows = [list(row) for row in rows]
    for i_row in range(1, len(rows)) if is_down else range(len(rows) - 2, -1, -1):
        index = {item: i for i, item in enumerate(sorted_rows[i_row - 1 if is_down else i_row + 1])}
        row = sorted_rows[i_row]
        means = {
            item: float(np.mean([index[other] for other in neighbours[item]])) if neighbours[item] else float(i)
            for i, item in enumerate(row)
        }
        row.sort(key=means.__getitem__)
    return sorted_rows


def _n_crossings(network: _Network, rows: _Rows) -> int:
    total = 0
    for upper, lower in pairwise(rows):
        above = {item: i for i, item in enumerate(upper)}
        lines = np.array([(above[other], i) for i, item in enumerate(lower) for other in network.before[item]])
        if len(lines):
            apart = lines[:, None, :] - lines[None, :, :]
            total += int(np.count_nonzero(apart[..., 0] * apart[..., 1] < 0)) // 2
    return total


def _places(network: _Network, rows: _Rows, widths: Mapping[_Item, float], beside: float) -> dict[_Item, float]:
    """Return the middle of each node and stop along its layer, of those tried where fewest lines lean [inch]."""
    gaps = [_gaps([widths.get(item, _STOP_WIDTH) for item in row], beside) for row in rows]
    places: dict[_Item, float] = {}
    for row, gap in zip(rows, gaps, strict=True):
        places.update(zip(row, (gap - gap[-1] / 2).tolist(), strict=True))
    best, least = places, math.inf
    for i_move in range(_N_MOVES):
        places = _moved(network, rows, gaps, places, is_down=i_move % 2 == 0)
        # Of the root: one line that leans much is better than all that lean a little.
        lean = sum(
            abs(places[item] - places[other]) ** 0.5 for item, others in network.before.items() for other in others
        )
        if lean < least:
            best, least = places, lean
    return best


def _gaps(widths: Sequence[float], beside: float) -> Float[Array, " item"]:
    """Return how far the middle of each is from that of the first where they stand as close as they may."""
    halves = np.array(widths) / 2
    return np.concatenate(([0.0], np.cumsum(halves[:-1] + halves[1:] + beside)))


def _moved(
    network: _Network,
    rows: _Rows,
    gaps: Sequence[Float[Array, " item"]],
    places: Mapping[_Item, float],
    *,
    is_down: bool,
) -> dict[_Item, float]:
    """Return places with every layer moved under, or above, the middle of what its items are linked to."""
    neighbours = network.before if is_down else network.after
    moved = dict(places)
    for row, gap in list(zip(rows, gaps, strict=True))[:: 1 if is_down else -1]:
        wanted = np.array([np.mean([moved[other] for other in neighbours[item] or [item]]) for item in row])
        # What wants nothing makes room for the others.
        weights = np.array([len(neighbours[item]) or _LOOSE for item in row])
        # With the gaps taken off, "in this order and apart" is "not decreasing".
        found = isotonic_regression(wanted - gap, weights=weights).x + gap
        moved.update(zip(row, found.tolist(), strict=True))
    return moved
