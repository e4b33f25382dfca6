"""Directions of the field: which ones symmetry makes equal, and what equivalent sites add up to."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from scipy.spatial.transform import Rotation  # type: ignore[import-untyped]  # ships no types

from whiteline.absorber import Absorber, find_absorbers
from whiteline.averaging import over_orbit
from whiteline.edges import Edge
from whiteline.polarisation import CARTESIAN, ISOTROPIC, Polarisation, inequivalent_polarisations
from whiteline.spectrum import EnergyReference, Spectrum

# Runs that the site symmetry of each titanium site of the benchmark leaves to do; by hand from the site's point group.
EXPECTED = {
    "mp-390": ["xz"],  # -4m2, axis along z
    "mp-2657": ["xz"],  # m.mm with mirrors across the diagonals of xy
    "mp-2664": ["x"],  # m-3m
    "mp-1215": ["xz"],  # 3m, axis along z
    "mp-1840": ["xyz"],  # 1
    "mp-430": ["xyz"],  # 1
    "mp-1203": ["xyz", "xyz", "xyz"],  # monoclinic
    "mvc-11115": ["xyz", "xyz"],  # axis along none of x, y, z
}


@pytest.mark.parametrize("name", EXPECTED)
def test_only_the_directions_that_symmetry_leaves_different_are_computed(
    name: str, ti_o_10: dict[str, Structure]
) -> None:
    absorbers = find_absorbers(ti_o_10[name], "Ti", Edge.K)
    assert ["".join(p.label for p in a.polarisations) for a in absorbers] == EXPECTED[name]
    assert all(sum(p.weight for p in a.polarisations) == pytest.approx(1) for a in absorbers)


def test_no_symmetry_leaves_all_three_directions() -> None:
    assert inequivalent_polarisations(np.eye(3)[np.newaxis]) == CARTESIAN


def test_a_threefold_axis_makes_the_directions_across_it_equal_though_it_maps_none_onto_another() -> None:
    group = Rotation.from_euler("z", [[0], [120], [240]], degrees=True).as_matrix()
    assert inequivalent_polarisations(group) == (Polarisation("x", 2 / 3), Polarisation("z", 1 / 3))


def flat(values: list[float], polarisations: tuple[Polarisation, ...]) -> Spectrum:
    components = np.repeat(np.array(values)[:, np.newaxis], 2, axis=1)
    return Spectrum(np.arange(2.0), components, polarisations=polarisations, energy_reference=EnergyReference.FERMI)


def tensor_spectrum(tensor: np.ndarray, absorber: Absorber) -> Spectrum:
    """Return a flat spectrum whose components are the diagonal elements that a run at this site would compute."""
    kept = absorber.polarisations
    return flat([tensor["xyz".index(p.label), "xyz".index(p.label)] for p in kept], kept)


def mean_tensor(tensor: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    return np.asarray(np.mean([R @ tensor @ R.T for R in rotations], axis=0))


@pytest.mark.parametrize("name", EXPECTED)
def test_equivalent_sites_add_up_to_the_tensor_of_the_crystal(name: str, ti_o_10: dict[str, Structure]) -> None:
    rng = np.random.default_rng(7)
    for absorber in find_absorbers(ti_o_10[name], "Ti", Edge.K):
        any_tensor = rng.normal(size=(3, 3))
        of_site = mean_tensor(any_tensor + any_tensor.T, absorber.site_rotations)
        of_crystal = mean_tensor(of_site, absorber.crystal_rotations)
        mean = over_orbit(tensor_spectrum(of_site, absorber), absorber.crystal_rotations)
        # Rotations come from cells given to about 1e-5.
        assert mean.intensity[0] == pytest.approx(np.trace(of_crystal) / 3, abs=1e-4)
        if mean.polarisations != ISOTROPIC:
            expected = [of_crystal["xyz".index(p.label), "xyz".index(p.label)] for p in mean.polarisations]
            assert mean.components[:, 0] == pytest.approx(expected, abs=1e-4)


def test_turned_copies_of_a_site_share_their_directions_in_the_crystal() -> None:
    """A fourfold screw axis turns a site with an axis along x into one with its axis along y."""
    quarters = Rotation.from_euler("z", [[0], [90], [180], [270]], degrees=True).as_matrix()
    site = flat([3, 1, 2], CARTESIAN)
    crystal = over_orbit(site, quarters)
    assert [(p.label, round(p.weight * 3)) for p in crystal.polarisations] == [("x", 2), ("z", 1)]
    assert crystal.components[:, 0].tolist() == pytest.approx([2.0, 2.0])


def test_components_that_are_no_directions_stay_as_they_are() -> None:
    spins = (Polarisation("spin up", 0.5), Polarisation("spin down", 0.5))
    site = flat([3, 1], spins)
    assert over_orbit(site, np.eye(3)[np.newaxis]) is site


def turned(structure: Structure, rotation: Rotation) -> Structure:
    return Structure(
        Lattice(structure.lattice.matrix @ rotation.as_matrix().T), structure.species, structure.frac_coords
    )


def test_a_turned_crystal_keeps_its_site_but_not_its_orientation(ti_o_10: dict[str, Structure]) -> None:
    anatase = ti_o_10["mp-390"]
    tilted = turned(anatase, Rotation.from_euler("x", 40, degrees=True))
    one, other = Absorber(anatase, 0, Edge.K), Absorber(tilted, 0, Edge.K)
    assert one.site_id == other.site_id
    assert one.orientation_id != other.orientation_id


def test_every_site_of_a_crystal_has_the_orientation_of_its_equals_by_translation(
    ti_o_10: dict[str, Structure],
) -> None:
    doubled = ti_o_10["mp-1203"] * (1, 1, 2)
    ids = [Absorber(doubled, i, Edge.K).orientation_id for i in range(10)]
    assert ids[0::2] == ids[1::2]
    assert len(set(ids)) == 3  # three inequivalent sites; their equals lie mirrored, which a tensor does not see


def test_a_cubic_site_has_one_orientation_and_other_cells_of_a_crystal_share_theirs(
    copper: Structure, ti_o_10: dict[str, Structure]
) -> None:
    tilted = turned(copper, Rotation.from_euler("xyz", [10, 20, 30], degrees=True))
    assert Absorber(copper, 0, Edge.K).orientation_id == Absorber(tilted, 0, Edge.K).orientation_id
    anatase = ti_o_10["mp-390"]
    assert Absorber(anatase, 0, Edge.K).orientation_id == Absorber(anatase * (2, 1, 1), 0, Edge.K).orientation_id
