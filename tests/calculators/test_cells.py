"""Cells with one excited atom: the right absorber, the right size, and moments that stay with their atoms."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from whiteline.absorber import Absorber, find_absorbers
from whiteline.calculators.cells import Cell, image_distance, primitive_cell, supercell
from whiteline.edges import Edge
from whiteline.errors import StructureError

# Atoms of the supercell in which every vector has at least 9 Å: the published table of the Ti-O-10 benchmark.
PUBLISHED_ATOMS = {
    "mp-390": 48,
    "mp-2657": 96,
    "mp-1840": 96,
    "mp-430": 96,
    "mvc-11115": 96,
    "mp-458": 80,
    "mp-10734": 72,
    "mp-2664": 54,
    "mp-1215": 96,
    "mp-1203": 80,
}


def neighbour_distances(structure: Structure, index: int, radius: float = 6.0) -> np.ndarray:
    found = structure.get_neighbors(structure[index], radius)
    return np.array(sorted((n.nn_distance, n.specie.Z) for n in found))


@pytest.mark.parametrize("name", PUBLISHED_ATOMS)
def test_the_published_supercells_come_out(name: str, ti_o_10: dict[str, Structure]) -> None:
    cells = [supercell(a, distance=9.0, rule="axis_length") for a in find_absorbers(ti_o_10[name], "Ti", Edge.K)]
    assert {len(cell.atoms) for cell in cells} == {PUBLISHED_ATOMS[name]}


@pytest.mark.parametrize("name", PUBLISHED_ATOMS)
def test_images_of_the_absorber_are_as_far_apart_as_asked(name: str, ti_o_10: dict[str, Structure]) -> None:
    cell = supercell(Absorber(ti_o_10[name], 0, Edge.K), distance=8.0)
    assert image_distance(cell.lattice) >= 8.0
    assert len(cell.atoms) == cell.n_primitive * len(ti_o_10[name])  # the structures are primitive cells


@pytest.mark.parametrize("name", PUBLISHED_ATOMS)
def test_the_first_atom_has_the_neighbours_of_the_absorber(name: str, ti_o_10: dict[str, Structure]) -> None:
    for absorber in find_absorbers(ti_o_10[name], "Ti", Edge.K):
        expected = neighbour_distances(absorber.structure, absorber.site_index)
        for cell in (primitive_cell(absorber), supercell(absorber, distance=7.0)):
            assert neighbour_distances(cell.to_structure(), 0) == pytest.approx(expected, abs=1e-5)
            assert cell.absorber.site_index == absorber.site_index


def test_conventional_cells_shrink_to_the_primitive_one_in_their_own_orientation(copper: Structure) -> None:
    cell = primitive_cell(Absorber(copper, 2, Edge.K))
    assert len(cell.atoms) == 1
    assert cell.volume == pytest.approx(copper.volume / 4)
    # Each vector leads from a copper atom to a copper atom of the cell as it was given.
    steps = cell.lattice @ np.linalg.inv(copper.lattice.matrix)
    assert np.allclose(2 * steps, np.round(2 * steps))


def test_the_order_of_the_file_has_no_part_in_the_cell(ti_o_10: dict[str, Structure]) -> None:
    brookite = ti_o_10["mp-1840"]
    order = [0, *np.random.default_rng(3).permutation(range(1, len(brookite))).tolist()]
    shuffled = Structure.from_sites([brookite[i] for i in order])
    one, other = (primitive_cell(Absorber(s, 0, Edge.K)) for s in (brookite, shuffled))
    assert [(a.element, a.position) for a in one.atoms] == [(a.element, a.position) for a in other.atoms]


def test_moments_travel_with_their_atoms_when_the_absorber_moves_to_the_front() -> None:
    rocksalt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.17), ["Ni", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    # Layers along [001] of alternating sign.
    moments = [
        0.0 if site.specie.symbol == "O" else 2.0 if round(2 * site.frac_coords[2]) % 2 else -2.0 for site in rocksalt
    ]
    rocksalt.add_site_property("magmom", moments)
    absorber = Absorber(rocksalt, 2, Edge.K)
    cell = supercell(absorber, distance=8.0)
    assert cell.absorber.moment == moments[2]
    assert all(atom.moment == moments[atom.site_index] for atom in cell.atoms)
    around = cell.to_structure()
    expected = sorted((round(n.nn_distance, 4), n.properties["magmom"]) for n in rocksalt.get_neighbors(rocksalt[2], 5))
    found = sorted((round(n.nn_distance, 4), n.properties["magmom"]) for n in around.get_neighbors(around[0], 5))
    assert found == expected


def test_oxidation_states_and_spins_stay_on_the_atoms_that_carry_them() -> None:
    lattice = Lattice.orthorhombic(4, 5, 6)
    positions = [[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.0, 0.5]]
    structure = Structure(lattice, ["O2-", "Ti3+,spin=1", "Ti4+"], positions)
    cell = primitive_cell(Absorber(structure, 1, Edge.K))
    assert [(a.element, a.label, a.moment, a.site_index) for a in cell.atoms] == [
        ("Ti", "Ti3+,spin=1", 1.0, 1),
        ("Ti", "Ti4+", None, 2),
        ("O", "O2-", None, 0),
    ]


def test_moments_that_are_not_collinear_are_refused() -> None:
    structure = Structure(Lattice.cubic(3), ["Fe"], [[0, 0, 0]], site_properties={"magmom": [[1.0, 0.0, 1.0]]})
    with pytest.raises(StructureError, match="collinear"):
        primitive_cell(Absorber(structure, 0, Edge.K))


def test_a_supercell_without_end_is_refused(copper: Structure) -> None:
    with pytest.raises(StructureError, match="more than 2000 atoms"):
        supercell(Absorber(copper, 0, Edge.K), distance=60.0)


def test_a_skewed_cell_is_repeated_until_its_images_are_apart() -> None:
    lattice = Lattice([[3.0, 0, 0], [2.9, 1.5, 0], [0.3, 0.2, 4.0]])
    cell: Cell = supercell(Absorber(Structure(lattice, ["C"], [[0, 0, 0]]), 0, Edge.K), distance=6.0)
    assert cell.image_distance >= 6.0
    assert len(cell.atoms) == cell.n_primitive
