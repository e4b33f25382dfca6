import numpy as np
import pytest
from hypothesis import given, settings

from tests.whiteline.provenance.graphs import average, lineages
from whiteline.provenance import Kind, Role
from whiteline.provenance.graph import LineageGraph, Link, Node
from whiteline.provenance.scene import Scene, in_rows, set_scene


def star(n_effects: int) -> LineageGraph:
    nodes = {f"n{i}": Node(id=f"n{i}", kind=Kind.EXPORT, label=f"file {i}") for i in range(n_effects + 1)}
    return LineageGraph(nodes, tuple(Link(f"n{i}", "n0", Role.DERIVED) for i in range(1, n_effects + 1)))


def middles(scene: Scene) -> np.ndarray:
    return np.array([[p.x + p.box.width / 2, p.y + p.box.height / 2] for p in scene.boxes])


@pytest.mark.parametrize(("n_effects", "axis"), [(2, 1), (12, 0)])
def test_what_is_wide_and_short_goes_from_left_to_right_and_all_else_downwards(n_effects: int, axis: int) -> None:
    cause, *effects = middles(set_scene(star(n_effects), "n0", least_width=7.0))[:, axis]
    np.testing.assert_allclose(effects, effects[0])
    assert cause < effects[0]


@settings(deadline=None, max_examples=40)
@given(graph=lineages(n_most=15))
def test_arrows_lead_from_the_side_of_a_cause_to_that_of_its_effect(graph: LineageGraph) -> None:
    scene = set_scene(graph, next(iter(graph.nodes)), least_width=7.0)
    corners = np.array([[p.x, p.y, p.x + p.box.width, p.y + p.box.height] for p in scene.boxes])
    for arrow in scene.arrows:
        for x, y in (arrow.points[0], arrow.points[-1]):
            left, top, right, bottom = corners.T
            is_level = (np.isclose(y, top) | np.isclose(y, bottom)) & (x > left - 1e-6) & (x < right + 1e-6)
            is_upright = (np.isclose(x, left) | np.isclose(x, right)) & (y > top - 1e-6) & (y < bottom + 1e-6)
            assert (is_level | is_upright).any()


def test_all_agents_are_below_and_all_else_is_above() -> None:
    graph, root = average(2)
    scene = set_scene(graph, root, least_width=7.0)
    agents = {each for each, node in graph.nodes.items() if node.kind.prov_type == "agent"}
    assert {placed.box.node.id for placed in scene.agents} == agents
    assert {placed.box.node.id for placed in scene.boxes} == set(graph.nodes) - agents


def test_rows_are_as_many_as_are_needed() -> None:
    places, height = in_rows([(3.0, 1.0), (3.0, 2.0), (3.0, 1.0)], 7.0, below=0.5)
    assert places == [(0.0, 0.0), (3.25, 0.0), (0.0, 2.5)]
    assert height == 3.5
    assert in_rows([], 7.0) == ([], 0.0)
