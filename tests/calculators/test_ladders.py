"""Ladders of convergence have no two rungs that are the same calculation."""

from itertools import pairwise

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from whiteline.absorber import Absorber
from whiteline.calculators.cells import supercell
from whiteline.calculators.kpoints import grid_for_length
from whiteline.calculators.ladders import kpoints_knob, supercell_knob
from whiteline.edges import Edge
from whiteline.errors import StructureError


@pytest.mark.parametrize("edge", [4.0, 30.0, 60.0])  # Å; in the last, all usual lengths give one grid
def test_every_rung_is_another_grid(edge: float) -> None:
    knob = kpoints_knob("kpoints_length", edge * np.eye(3), fixed={"kpoints_rule": "shortest"})
    grids = [grid_for_length(edge * np.eye(3), length) for length in knob.rungs]
    assert all(np.prod(a) < np.prod(b) for a, b in pairwise(grids))
    assert knob.fixed == {"kpoints_rule": "shortest"}


def test_every_rung_is_another_supercell() -> None:
    absorber = Absorber(Structure(Lattice.cubic(4.2), ["Cs", "Cl"], [[0.0] * 3, [0.5] * 3]), 0, Edge.L3)
    (knob,) = supercell_knob(absorber, "image_distance")
    sizes = [supercell(absorber, distance=distance).n_primitive for distance in knob.rungs]
    assert sizes == sorted(set(sizes))


def test_a_cell_that_is_large_by_itself_has_no_ladder() -> None:
    absorber = Absorber(Structure(Lattice.cubic(15.0), ["Cs", "Cl"], [[0.0] * 3, [0.5] * 3]), 0, Edge.L3)
    assert supercell_knob(absorber, "image_distance") == ()


def test_distances_that_need_too_many_atoms_are_left_out_unless_all_do() -> None:
    absorber = Absorber(Structure(Lattice.cubic(3.0), ["Cu"], [[0.0] * 3]), 0, Edge.K)
    (knob,) = supercell_knob(absorber, "axis_length", distances=(5.0, 8.0, 60.0))
    assert knob.rungs == (5.0, 8.0)
    with pytest.raises(StructureError, match="more than 2000 atoms"):
        supercell_knob(absorber, "axis_length", distances=(60.0, 70.0))
