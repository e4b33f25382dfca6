"""The parameters that an exciting spectrum is converged in."""

from __future__ import annotations

from whiteline.absorber import Absorber
from whiteline.calculators.cells import primitive_cell
from whiteline.calculators.ladders import kpoints_knob
from whiteline.convergence import Knob

__all__ = ["find_knobs"]


def find_knobs(absorber: Absorber) -> tuple[Knob, ...]:
    """Return the ladders: basis, k grid, bands, states of the screening, local fields."""
    return (
        Knob("rgkmax", (5.0, 6.0, 7.0, 8.0, 9.0, 10.0)),
        kpoints_knob("kpoints_length", primitive_cell(absorber).lattice, fixed={"kpoints_rule": "shortest"}),
        Knob("band_energy", (15.0, 22.0, 30.0, 40.0, 55.0), "eV"),
        Knob("screening_empty_states", (30, 60, 100, 150, 225)),
        Knob("gqmax_per_bohr", (1.0, 2.0, 3.0, 4.0, 5.0), "1/bohr"),
    )
