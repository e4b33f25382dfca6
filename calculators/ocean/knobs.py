"""The parameters that an OCEAN spectrum is converged in."""

from __future__ import annotations

from whiteline.absorber import Absorber
from whiteline.calculators.cells import primitive_cell
from whiteline.calculators.ladders import kpoints_knob
from whiteline.convergence import Knob

__all__ = ["find_knobs"]


def find_knobs(absorber: Absorber) -> tuple[Knob, ...]:
    """Return the ladders: k grid, bands of the final states and of the screening, radius of the screening."""
    return (
        kpoints_knob("kpoints_length", primitive_cell(absorber).lattice, fixed={"kpoints_rule": "shortest"}),
        Knob("band_energy", (25.0, 35.0, 50.0, 70.0, 100.0), "eV"),
        Knob("screen_band_energy", (60.0, 100.0, 150.0, 225.0), "eV"),
        Knob("screen_radius_bohr", (3.5, 4.0, 4.5, 5.0, 5.5, 6.0), "bohr"),
    )
