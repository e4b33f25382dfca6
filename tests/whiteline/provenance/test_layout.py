from itertools import pairwise

import numpy as np
from hypothesis import given, settings

from tests.whiteline.provenance.graphs import average, lineages
from whiteline.provenance import Kind, Role
from whiteline.provenance.condensing import reduce_links
from whiteline.provenance.graph import LineageGraph, Link, Node
from whiteline.provenance.layout import Array, Layout, lay_out

BESIDE, BETWEEN = 0.25, 0.45


def boxes(graph: LineageGraph) -> Array:
    """Return widths and heights that differ."""
    numbers = np.arange(len(graph.nodes))
    return np.column_stack((1.0 + 0.3 * (numbers % 4), 0.5 + 0.2 * (numbers % 3)))


def chain(*names: str) -> LineageGraph:
    nodes = {name: Node(id=name, kind=Kind.STRUCTURE) for name in names}
    return LineageGraph(nodes, tuple(Link(b, a, Role.DERIVED) for a, b in pairwise(names)))


def laid_out(graph: LineageGraph) -> tuple[Layout, Array]:
    sizes = boxes(graph)
    return lay_out(graph, sizes, beside=BESIDE, between=BETWEEN), sizes


@settings(deadline=None, max_examples=60)
@given(graph=lineages(n_most=20))
def test_boxes_do_not_overlap_and_causes_stand_above_effects(graph: LineageGraph) -> None:
    layout, sizes = laid_out(graph)
    apart = np.abs(layout.centres[:, None] - layout.centres[None]) - (sizes[:, None] + sizes[None]) / 2
    is_free = (apart[..., 0] > BESIDE - 1e-6) | (apart[..., 1] > -1e-6) | np.eye(len(sizes), dtype=bool)
    assert is_free.all()
    index = {each: i for i, each in enumerate(graph.nodes)}
    for link in graph.links:
        assert layout.centres[index[link.cause], 1] < layout.centres[index[link.effect], 1]


@settings(deadline=None, max_examples=60)
@given(graph=lineages(n_most=20))
def test_everything_is_inside_the_extent(graph: LineageGraph) -> None:
    layout, sizes = laid_out(graph)
    assert (layout.centres - sizes / 2 > -1e-6).all()
    assert (layout.centres + sizes / 2 < np.array(layout.extent) + 1e-6).all()
    for route in layout.routes.values():
        assert ((route > -1e-6) & (route < np.array(layout.extent) + 1e-6)).all()


@settings(deadline=None, max_examples=60)
@given(graph=lineages(n_most=20))
def test_long_lines_pass_beside_the_boxes_of_the_layers_between(graph: LineageGraph) -> None:
    layout, sizes = laid_out(graph)
    for route in layout.routes.values():
        for stop in route:
            inside = np.abs(layout.centres - stop) - sizes / 2
            assert not ((inside[:, 0] < -1e-6) & (inside[:, 1] < -1e-6)).any()


def test_a_chain_is_one_straight_column() -> None:
    layout, _ = laid_out(chain("a", "b", "c", "d"))
    np.testing.assert_allclose(layout.centres[:, 0], layout.centres[0, 0])


def test_four_sites_are_four_straight_columns_without_a_crossing() -> None:
    graph = reduce_links(average(4)[0])
    main = LineageGraph(
        {each: node for each, node in graph.nodes.items() if node.kind.prov_type != "agent"},
        tuple(link for link in graph.links if link.role is not Role.ASSOCIATED),
    )
    layout = lay_out(main, np.ones((len(main.nodes), 2)))
    across = dict(zip(main.nodes, layout.centres[:, 0].tolist(), strict=True))
    for kinds in ((Kind.INPUT, Kind.SITE), (Kind.OUTPUT, Kind.ACTIVITY), (Kind.SPECTRUM, Kind.OUTPUT)):
        pairs = [link for link in main.links if tuple(main.nodes[e].kind for e in (link.effect, link.cause)) == kinds]
        assert len(pairs) == 4
        np.testing.assert_allclose([across[p.effect] for p in pairs], [across[p.cause] for p in pairs], atol=1e-6)


def test_what_is_used_late_stands_near_its_use() -> None:
    graph = chain("a", "b", "c", "d")
    late = LineageGraph(
        {**graph.nodes, "encoder": Node(id="encoder", kind=Kind.ENCODER)},
        (*graph.links, Link("d", "encoder", Role.DERIVED)),
    )
    layout, _ = laid_out(late)
    assert layout.centres[4, 1] == layout.centres[2, 1]


def test_nothing_takes_no_room() -> None:
    assert lay_out(LineageGraph(), np.zeros((0, 2))).extent == (0.0, 0.0)
