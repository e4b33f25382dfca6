"""k grids by effective length, and numbers of bands, against the published ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Structure

from whiteline.calculators.bands import RYDBERG, bands_for_energy
from whiteline.calculators.kpoints import BOHR, distinct_grids, effective_length, grid_for_length, grid_within
from whiteline.errors import ParameterError

# Lightshow at 16 and 32 bohr, Ti-O-10's OCEAN (17 Å) and exciting (23.813 Å) grids, bands to 30 eV and to 2.25 Ry:
# computed from the authors' scripts for the structures of Phys. Rev. Materials 8, 013801 (2024).
PUBLISHED = {
    "mp-390": ((3, 3, 4), (5, 5, 7), (5, 5, 7), (7, 7, 9), 59, 61),
    "mp-2657": ((2, 2, 3), (4, 4, 6), (4, 4, 6), (6, 6, 9), 54, 56),
    "mp-1840": ((2, 2, 1), (4, 4, 2), (4, 4, 2), (5, 5, 3), 222, 229),
    "mp-430": ((2, 2, 2), (4, 4, 4), (4, 4, 4), (5, 5, 5), 100, 103),
    "mp-458": ((3, 3, 3), (5, 5, 5), (5, 5, 5), (6, 6, 6), 88, 91),
    "mp-10734": ((3, 3, 2), (5, 5, 4), (5, 5, 4), (7, 7, 6), 77, 80),
    "mp-2664": ((4, 4, 4), (7, 7, 7), (7, 7, 7), (10, 10, 10), 17, 17),
    "mp-1215": ((4, 4, 2), (7, 7, 4), (7, 7, 4), (10, 10, 5), 31, 32),
    "mvc-11115": ((2, 2, 2), (4, 4, 4), (4, 4, 4), (5, 5, 5), 125, 129),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_grids_and_bands_come_out(name: str, ti_o_10: dict[str, Structure]) -> None:
    lattice, volume = ti_o_10[name].lattice.matrix, ti_o_10[name].volume
    assert (
        grid_within(lattice, 16 * BOHR, 50 * BOHR),
        grid_within(lattice, 32 * BOHR, 50 * BOHR),
        grid_for_length(lattice, 17.0),
        grid_for_length(lattice, 23.813),
        bands_for_energy(volume, 30.0),
        bands_for_energy(volume, 2.25 * RYDBERG),
    ) == PUBLISHED[name]


@given(st.floats(1.0, 60.0), st.tuples(*[st.floats(2.0, 12.0)] * 3), st.floats(-0.4, 0.4))
def test_a_grid_is_the_smallest_that_is_long_enough(
    length: float, edges: tuple[float, float, float], skew: float
) -> None:
    lattice = np.diag(edges)
    lattice[1, 0] = skew * edges[0]
    grid = np.array(grid_for_length(lattice, length))
    assert effective_length(lattice, tuple(grid)) > length - 1e-9
    reciprocal = np.linalg.norm(np.linalg.inv(lattice), axis=0)
    assert np.all((grid - 1) / reciprocal <= length + 1e-9)


def test_every_grid_on_the_way_comes_once_and_in_order() -> None:
    lattice = np.diag([3.0, 4.0, 5.0])
    grids = list(distinct_grids(lattice, 12.0))
    assert grids == sorted(set(grids), key=lambda grid: effective_length(lattice, grid) + 1e-6 * sum(grid))
    assert grids[0] == (1, 1, 1)
    assert grids[-1] == grid_for_length(lattice, 12.0 - 1e-9)


def test_no_grid_between_the_limits_gives_one_point_as_published_inputs_have_it() -> None:
    assert grid_within(np.diag([1.0, 1.0, 40.0]), 10.0, 10.01) == (1, 1, 1)


@pytest.mark.parametrize("length", [0.0, -1.0, float("nan"), 1e9])
def test_a_length_that_makes_no_grid_is_refused(length: float) -> None:
    with pytest.raises(ParameterError, match="effective length"):
        grid_for_length(np.eye(3), length)
