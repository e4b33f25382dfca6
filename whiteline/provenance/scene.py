"""Where everything in a picture of a lineage is: boxes, arrows, and the programs and machines below them.

Programs and machines stand behind nearly every job, and arrows from them would cover all others: each has a letter
instead, which the jobs name. All lengths are inches, x to the right and y downwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from string import ascii_uppercase

import numpy as np
from jaxtyping import Float

from whiteline.provenance.boxes import Box, box_of
from whiteline.provenance.graph import LineageGraph, Link
from whiteline.provenance.kinds import Role
from whiteline.provenance.layout import Array, Ends, Layout, lay_out

__all__ = ["GAP", "Arrow", "Placed", "Scene", "in_rows", "set_scene"]

GAP = 0.25
# Distance between the ends of arrows at a box, and the part of its side that they may take.
_PORT = 0.16
_PORTS = 0.7


@dataclass(frozen=True)
class Placed:
    """A box with its left upper corner."""

    box: Box
    x: float
    y: float


@dataclass(frozen=True, eq=False)
class Arrow:
    """The way from a cause to an effect.

    Attributes:
        points: Ends of cubic Bézier curves, each with the two points of its tangents between, shape (3 n + 1, 2).
        is_derived: Whether no job is known to lead from one to the other.
    """

    points: Float[Array, "point 2"]
    is_derived: bool


@dataclass(frozen=True, eq=False)
class Scene:
    """All boxes and arrows, and the room that they take.

    Attributes:
        boxes: Things and jobs.
        arrows: From cause to effect, in the order that the boxes are in.
        agents: Programs and machines, with their own origin.
        extent: Width and height of boxes and arrows.
        agents_extent: Width and height of the programs and machines.
    """

    boxes: Sequence[Placed]
    arrows: Sequence[Arrow]
    agents: Sequence[Placed]
    extent: tuple[float, float]
    agents_extent: tuple[float, float]


def set_scene(graph: LineageGraph, root: str, *, least_width: float) -> Scene:
    """Return where everything is: from the top to the bottom, or from the left to the right where that is less long.

    Args:
        graph: What is drawn.
        root: What the picture is about.
        least_width: Room for programs and machines side by side where the rest is narrower.

    Raises:
        LineageCycleError: Something came from itself.
    """
    letters = _letters(graph, root)
    main = LineageGraph(
        {each: node for each, node in graph.nodes.items() if each not in letters},
        tuple(link for link in graph.links if link.cause not in letters),
    )
    boxes = [
        box_of(node, made_with=_made_with(graph.causes.get(each, ()), letters)) for each, node in main.nodes.items()
    ]
    sizes = np.array([[box.width, box.height] for box in boxes]).reshape(-1, 2)
    down, across = lay_out(main, sizes), lay_out(main, sizes[:, ::-1])
    is_across = max(across.extent) < max(down.extent)
    layout = across if is_across else down
    turn = slice(None, None, -1) if is_across else slice(None)
    corners = layout.centres[:, turn] - sizes / 2
    wide, tall = np.array(layout.extent)[turn].tolist()
    agents = [box_of(graph.nodes[each], mark=letter) for each, letter in letters.items()]
    places, height = in_rows([(box.width, box.height) for box in agents], max(least_width, wide))
    return Scene(
        [Placed(box, x, y) for box, (x, y) in zip(boxes, corners.tolist(), strict=True)],
        [Arrow(arrow.points[:, turn], arrow.is_derived) for arrow in _arrows(main, layout, sizes[:, turn])],
        [Placed(box, x, y) for box, (x, y) in zip(agents, places, strict=True)],
        (wide, tall),
        (max((x + box.width for box, (x, _) in zip(agents, places, strict=True)), default=0.0), height),
    )


def in_rows(
    sizes: Sequence[tuple[float, float]], width: float, *, below: float = GAP
) -> tuple[list[tuple[float, float]], float]:
    """Return left upper corners of things side by side, in as many rows as they need, and the height of all."""
    x = y = tallest = 0.0
    places = []
    for wide, tall in sizes:
        if x and x + wide > width:
            x, y, tallest = 0.0, y + tallest + below, 0.0
        places.append((x, y))
        x, tallest = x + wide + GAP, max(tallest, tall)
    return places, y + tallest


def _letters(graph: LineageGraph, root: str) -> dict[str, str]:
    """Return a letter, or a number where there are many, for each program and machine that nothing is known behind."""
    behind = [
        each
        for each, node in graph.nodes.items()
        if node.kind.prov_type == "agent" and each not in graph.causes and each != root
    ]
    marks = ascii_uppercase if len(behind) <= len(ascii_uppercase) else map(str, range(1, len(behind) + 1))
    return dict(zip(behind, marks, strict=False))


def _made_with(causes: Sequence[Link], letters: Mapping[str, str]) -> str:
    behind = {link.cause for link in causes}
    return ", ".join(letter for each, letter in letters.items() if each in behind)


def _arrows(graph: LineageGraph, layout: Layout, sizes: Float[Array, "node 2"]) -> list[Arrow]:
    """Return the arrows of a layout, in its own directions."""
    index = {each: i for i, each in enumerate(graph.nodes)}
    derived: dict[Ends, bool] = {}
    for link in graph.links:
        ends = (link.effect, link.cause)
        derived[ends] = derived.get(ends, True) and link.role is Role.DERIVED
    leaving = _ports(layout, index, sizes, is_effect=False)
    arriving = _ports(layout, index, sizes, is_effect=True)
    return [
        Arrow(_curved(np.vstack((leaving[ends], layout.routes[ends], arriving[ends]))), is_derived)
        for ends, is_derived in derived.items()
    ]


def _ports(
    layout: Layout, index: Mapping[str, int], sizes: Float[Array, "node 2"], *, is_effect: bool
) -> dict[Ends, Float[Array, " 2"]]:
    """Return where each arrow leaves its cause, or arrives at its effect, in the order of where they come from."""
    at: dict[str, list[tuple[float, Ends]]] = {}
    for ends, route in layout.routes.items():
        near, far = ends if is_effect else ends[::-1]
        way = route[-1 if is_effect else 0] if len(route) else layout.centres[index[far]]
        at.setdefault(near, []).append((float(way[0]), ends))
    ports = {}
    for each, ways in at.items():
        centre, (breadth, along) = layout.centres[index[each]], sizes[index[each]]
        span = min(_PORTS * breadth, _PORT * (len(ways) - 1))
        offsets = np.linspace(-span / 2, span / 2, len(ways)) if len(ways) > 1 else np.zeros(1)
        for (_, ends), offset in zip(sorted(ways), offsets, strict=True):
            ports[ends] = centre + np.array([offset, -along / 2 if is_effect else along / 2])
    return ports


def _curved(way: Float[Array, "corner 2"]) -> Float[Array, "point 2"]:
    """Return curves through the corners of a way, along the way at each of them."""
    points = [way[0]]
    for one, other in pairwise(way):
        middle = (one[1] + other[1]) / 2
        points += [np.array([one[0], middle]), np.array([other[0], middle]), other]
    return np.array(points)
