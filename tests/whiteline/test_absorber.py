import json

import numpy as np
import pytest
from monty.json import MontyDecoder, MontyEncoder
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from whiteline.absorber import Absorber, find_absorbers, find_symmetry
from whiteline.edges import Edge
from whiteline.errors import ParameterError, StructureError

# Space group and multiplicities of the inequivalent Ti sites in the primitive cell,
# doi:10.1103/PhysRevMaterials.8.013801 and the pages of the Materials Project.
TI_O_10 = {
    "mp-390": (141, [2]),
    "mp-2657": (136, [2]),
    "mp-1840": (61, [8]),
    "mp-430": (14, [4]),
    "mvc-11115": (160, [1, 3]),
    "mp-458": (167, [4]),
    "mp-10734": (87, [4]),
    "mp-2664": (225, [1]),
    "mp-1215": (164, [2]),
    "mp-1203": (12, [1, 2, 2]),
}


@pytest.mark.parametrize("name", TI_O_10)
def test_the_ti_o_10_crystals_have_their_published_symmetry(name: str, ti_o_10: dict[str, Structure]) -> None:
    number, multiplicities = TI_O_10[name]
    absorbers = find_absorbers(ti_o_10[name], "Ti", Edge.K)
    assert find_symmetry(ti_o_10[name]).number == number
    assert sorted(absorber.multiplicity for absorber in absorbers) == multiplicities


@pytest.mark.parametrize("name", TI_O_10)
def test_multiplicities_add_up_to_the_number_of_absorbing_atoms(name: str, ti_o_10: dict[str, Structure]) -> None:
    supercell = ti_o_10[name] * (1, 1, 2)
    absorbers = find_absorbers(supercell, "Ti", Edge.K)
    assert sum(absorber.multiplicity for absorber in absorbers) == supercell.composition["Ti"]
    assert sorted(a.multiplicity for a in absorbers) == [2 * m for m in TI_O_10[name][1]]


@pytest.mark.parametrize("name", TI_O_10)
def test_symmetry_inequivalent_ti_sites_have_different_identities(name: str, ti_o_10: dict[str, Structure]) -> None:
    absorbers = find_absorbers(ti_o_10[name], "Ti", Edge.K)
    assert len({absorber.site_id for absorber in absorbers}) == len(absorbers)
    for absorber in absorbers:
        orbit = [i for i, first in enumerate(absorber.symmetry.orbits) if first == absorber.site_index]
        assert {absorber.fingerprint.site_ids[i] for i in orbit} == {absorber.site_id}


def test_spins_split_sites_that_are_otherwise_equivalent(copper: Structure) -> None:
    iron = Structure(Lattice.cubic(2.87), ["Fe", "Fe"], [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    iron.add_spin_by_site([2.0, -2.0])
    assert len(find_absorbers(iron, "Fe", Edge.K)) == 2
    assert len(find_absorbers(copper, "Cu", Edge.K)) == 1


def test_oxidation_states_belong_to_the_element_that_carries_them() -> None:
    rutile = Structure.from_spacegroup(
        "P4_2/mnm", Lattice.tetragonal(4.594, 2.959), ["Ti4+", "O2-"], [[0.0, 0.0, 0.0], [0.305, 0.305, 0.0]]
    )
    (absorber,) = find_absorbers(rutile, "Ti", Edge.K)
    assert (absorber.element, absorber.atomic_number, absorber.multiplicity) == ("Ti", 22, 2)
    assert absorber.label == "Ti0 K"


def test_the_stoichiometry_of_a_supercell_is_that_of_the_primitive_cell(copper: Structure) -> None:
    assert find_symmetry(copper * (2, 1, 1)).primitive_counts == {"Cu": 1}


def test_an_absorber_survives_json(copper: Structure) -> None:
    absorber = Absorber(copper, 2, Edge.L23, multiplicity=4)
    copy = json.loads(json.dumps(absorber, cls=MontyEncoder), cls=MontyDecoder)
    assert (copy.site_id, copy.site_index, copy.edge, copy.multiplicity) == (absorber.site_id, 2, Edge.L23, 4)


@pytest.mark.parametrize("index", [-1, 4, 10**9])
def test_a_site_that_is_not_there_is_refused_with_the_range(copper: Structure, index: int) -> None:
    with pytest.raises(StructureError, match=f"site {index} is not in a structure of 4 sites"):
        Absorber(copper, index, Edge.K)


def test_a_partially_occupied_absorber_is_refused() -> None:
    alloy = Structure(Lattice.cubic(3), [{"Fe": 0.5, "Ni": 0.5}], [[0, 0, 0]])
    with pytest.raises(StructureError, match="partially occupied"):
        Absorber(alloy, 0, Edge.K)


@pytest.mark.parametrize(
    ("element", "edge", "error", "words"),
    [
        ("Ti", Edge.K, StructureError, "Ti is not in Cu: its elements are Cu"),
        ("Qq", Edge.K, ParameterError, "unknown element 'Qq'"),
        ("Cu+", Edge.K, ParameterError, "did you mean 'Cu'"),
        ("H", Edge.L3, ParameterError, "H has no L3 edge"),
    ],
)
def test_an_impossible_absorber_is_refused_in_words(
    copper: Structure, element: str, edge: Edge, error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        find_absorbers(copper, element, edge)
    assert words in str(caught.value)


def test_atoms_on_top_of_each_other_are_named_as_the_reason() -> None:
    twice = Structure(Lattice.cubic(4), ["O", "O"], np.zeros((2, 3)))
    with pytest.raises(StructureError, match="overlapping atoms"):
        find_symmetry(twice)
