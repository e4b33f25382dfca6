import pytest
import xraydb  # type: ignore[import-untyped]  # ships no types

from whiteline.edges import Edge, edge_energy
from whiteline.errors import ParameterError


@pytest.mark.parametrize("text", ["L2,3", "l23", " L_23 ", "L2, 3"])
def test_the_usual_spellings_of_l23_name_one_edge(text: str) -> None:
    assert Edge.parse(text) is Edge.L23


@pytest.mark.parametrize("text", ["", "L4", "ß", "K1"])
def test_an_unknown_edge_is_refused_with_what_came_and_what_is_known(text: str) -> None:
    with pytest.raises(ParameterError, match="unknown edge") as caught:
        Edge.parse(text)
    assert repr(text) in str(caught.value)
    assert "K" in str(caught.value)


@pytest.mark.parametrize("edge", Edge)
def test_the_parts_of_every_edge_are_single_edges_of_its_shell(edge: Edge) -> None:
    assert all(part.parts == (part,) and part.value[0] == edge.value[0] for part in edge.parts)


@pytest.mark.parametrize("edge", [Edge.L23, Edge.M23, Edge.M45])
def test_the_parts_of_a_combined_edge_come_lowest_energy_first(edge: Edge) -> None:
    first, second = edge.parts
    assert edge_energy("Pt", first) < edge_energy("Pt", second)
    assert edge_energy("Pt", edge) == edge_energy("Pt", first)


# Bearden and Burr, Rev. Mod. Phys. 39, 125 (1967); tables of edges agree to about an electronvolt.
@pytest.mark.parametrize(
    ("element", "edge", "energy"),
    [("Ti", Edge.K, 4966.4), ("Cu", Edge.K, 8978.9), ("Cu", Edge.L3, 931.1), ("O", Edge.K, 532.0)],
)
def test_edge_energies_are_those_of_the_literature(element: str, edge: Edge, energy: float) -> None:
    assert edge_energy(element, edge) == pytest.approx(energy, abs=12.0 if element == "O" else 2.0)


def test_an_edge_that_the_element_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(ParameterError, match="Li has no L3 edge: its edges are K, L1"):
        edge_energy("Li", Edge.L23)


@pytest.mark.parametrize("element", ["Xx", "D", ""])
def test_an_unknown_element_is_refused_as_a_parameter(element: str) -> None:
    with pytest.raises(ParameterError, match=f"no edges of {element!r} are tabulated"):
        edge_energy(element, Edge.K)


def test_an_element_beyond_the_tables_is_refused_in_words() -> None:
    with pytest.raises(ParameterError, match="no edges of 'Lr' are tabulated"):
        edge_energy("Lr", Edge.K)


def test_energies_are_those_that_xraydb_gives() -> None:
    for number in range(1, 99):
        element = xraydb.atomic_symbol(number)
        for name, level in xraydb.xray_edges(element).items():
            if name in set(Edge):
                assert edge_energy(element, Edge(name)) == level.energy
