"""The parameters that a VASP spectrum is converged in."""

from __future__ import annotations

from whiteline.absorber import Absorber
from whiteline.calculators.cells import supercell
from whiteline.calculators.ladders import kpoints_knob
from whiteline.convergence import Knob

__all__ = ["find_knobs"]

_DISTANCES = (5.0, 6.5, 8.0, 9.5, 11.0, 13.0)


def find_knobs(absorber: Absorber) -> tuple[Knob, ...]:
    """Return the ladders: supercell, k grid, bands, cutoff."""
    smallest = supercell(absorber, distance=_DISTANCES[0])
    return (
        Knob("supercell_distance", _DISTANCES, "Å"),
        kpoints_knob("kpoints_length", smallest.lattice),
        Knob("band_energy", (20.0, 30.0, 40.0, 55.0, 75.0), "eV"),
        Knob("encut", (350.0, 400.0, 460.0, 520.0, 600.0, 700.0), "eV"),
    )
