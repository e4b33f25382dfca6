"""The identity of a site: it must follow the physics and nothing else."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure
from scipy.spatial.transform import Rotation  # type: ignore[import-untyped]  # ships no types

from whiteline.fingerprint import calculation_id, content_hash, fingerprint_crystal
from whiteline.structures import read_structure

NAMES = ("mp-390", "mp-1203", "mvc-11115")
few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sites(structure: Structure, element: str = "Ti") -> set[str]:
    ids = fingerprint_crystal(structure).site_ids
    return {ids[i] for i in structure.indices_from_symbol(element)}


@few
@given(
    name=st.sampled_from(NAMES),
    repeats=st.sampled_from([(1, 1, 1), (2, 1, 1), (1, 1, 2), (1, 2, 1)]),
    seed=st.integers(0, 2**32 - 1),
    shift=st.lists(st.floats(-3, 3), min_size=3, max_size=3),
)
def test_sites_keep_their_identity_in_reordered_moved_and_turned_supercells(
    ti_o_10: dict[str, Structure],
    name: str,
    repeats: tuple[int, int, int],
    seed: int,
    shift: list[float],
) -> None:
    supercell = ti_o_10[name] * repeats
    rng = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed).as_matrix()
    order = rng.permutation(len(supercell))
    changed = Structure(
        Lattice(supercell.lattice.matrix @ turn.T),
        [supercell[int(i)].species for i in order],
        supercell.frac_coords[order] + shift,
    )
    before, after = fingerprint_crystal(ti_o_10[name]), fingerprint_crystal(changed)
    assert after.crystal_id == before.crystal_id
    assert set(after.site_ids) == set(before.site_ids)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "cell", [Structure.get_reduced_structure, lambda s: Structure.get_reduced_structure(s, reduction_algo="LLL")]
)
def test_sites_keep_their_identity_in_reduced_cells(
    ti_o_10: dict[str, Structure], name: str, cell: Callable[[Structure], Structure]
) -> None:
    assert sites(cell(ti_o_10[name])) == sites(ti_o_10[name])


def test_sites_keep_their_identity_in_conventional_and_primitive_cells() -> None:
    anatase = Structure.from_spacegroup(
        "I4_1/amd", Lattice.tetragonal(3.785, 9.514), ["Ti", "O"], [[0.0, 0.0, 0.0], [0.0, 0.0, 0.2081]]
    )
    primitive = anatase.get_primitive_structure()
    assert (len(anatase), len(primitive)) == (12, 6)
    assert fingerprint_crystal(primitive).crystal_id == fingerprint_crystal(anatase).crystal_id
    assert sites(primitive) == sites(anatase)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", [".cif", ".vasp", ".json"])
def test_sites_keep_their_identity_through_a_file(
    ti_o_10: dict[str, Structure], tmp_path: Path, name: str, suffix: str
) -> None:
    # Written with eight decimals or more: far below the millionth of an ångström that may move a distance by a step.
    path = tmp_path / f"crystal{suffix}"
    ti_o_10[name].to(filename=str(path))
    assert fingerprint_crystal(read_structure(path)).crystal_id == fingerprint_crystal(ti_o_10[name]).crystal_id


def test_mirror_images_share_their_identity() -> None:
    quartz = Structure.from_spacegroup(
        "P3_221", Lattice.hexagonal(4.916, 5.405), ["Si", "O"], [[0.4697, 0.0, 0.0], [0.4135, 0.2669, 0.1191]]
    )
    mirrored = Structure(quartz.lattice, quartz.species, -quartz.frac_coords)
    assert fingerprint_crystal(mirrored) == fingerprint_crystal(quartz)


@pytest.mark.parametrize("strain", [1e-3, -1e-3, (0, 0, 1e-3)])
def test_a_strain_of_a_thousandth_is_another_crystal(ti_o_10: dict[str, Structure], strain: float) -> None:
    anatase = ti_o_10["mp-390"]
    strained = anatase.copy()
    strained.apply_strain(strain)
    assert sites(strained).isdisjoint(sites(anatase))


def test_another_element_far_from_the_site_is_another_site(copper: Structure) -> None:
    doped = copper * (2, 2, 2)
    doped.replace(31, "Ni")
    assert sites(doped, "Cu").isdisjoint(sites(copper, "Cu"))


def test_the_absorbing_element_is_part_of_the_identity() -> None:
    salt = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.2), ["Mg", "O"], [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    assert sites(salt, "Mg").isdisjoint(sites(salt, "O"))


def test_spins_and_oxidation_states_are_part_of_the_identity() -> None:
    iron = Structure(Lattice.cubic(2.87), ["Fe", "Fe"], [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    spin, charged = iron.copy(), iron.copy()
    spin.add_spin_by_site([2.0, -2.0])
    charged.add_oxidation_state_by_site([2, 3])
    ids = [set(fingerprint_crystal(s).site_ids) for s in (iron, spin, charged)]
    assert [len(i) for i in ids] == [1, 2, 2]
    assert len(set().union(*ids)) == 5


def test_polytypes_with_the_same_nearest_shells_differ() -> None:
    fcc = Structure(
        Lattice.hexagonal(2.5, 2.5 * np.sqrt(6)),
        ["Co"] * 3,
        [[0.0, 0.0, 0.0], [1 / 3, 2 / 3, 1 / 3], [2 / 3, 1 / 3, 2 / 3]],
    )
    hcp = Structure(Lattice.hexagonal(2.5, 2.5 * np.sqrt(8 / 3)), ["Co"] * 2, [[0.0, 0.0, 0.0], [1 / 3, 2 / 3, 0.5]])
    assert sites(fcc, "Co").isdisjoint(sites(hcp, "Co"))


def test_a_content_hash_does_not_know_the_order_of_keys_but_that_of_lists() -> None:
    assert content_hash({"a": [1, 2], "b": None}) == content_hash({"b": None, "a": [1, 2]})
    assert content_hash([1, 2]) != content_hash([2, 1])


def test_what_is_no_number_has_no_content_hash() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_hash({"radius": float("nan")})


def test_every_part_of_a_calculation_is_part_of_its_identity() -> None:
    ids = {
        calculation_id(site, edge=edge, code=code, parameters={"fms_radius": radius})
        for site in ("a", "b")
        for edge in ("K", "L3")
        for code in ("feff", "ocean")
        for radius in (5.0, 5.5)
    }
    assert len(ids) == 16
