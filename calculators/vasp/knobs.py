"""The parameters that a VASP spectrum is converged in."""

from __future__ import annotations

from whiteline.absorber import Absorber
from whiteline.calculators.cells import primitive_cell, supercell
from whiteline.calculators.ladders import DISTANCES, kpoints_knob, supercell_knob
from whiteline.calculators.vasp.parameters import VaspParameters
from whiteline.convergence import Knob

__all__ = ["find_knobs"]


def find_knobs(absorber: Absorber, parameters: VaspParameters) -> tuple[Knob, ...]:
    """Return the ladders: k grid, bands, cutoff, and the supercell unless the cell is primitive."""
    supercells: tuple[Knob, ...] = ()
    if parameters.cell == "primitive":
        cell = primitive_cell(absorber)
    else:
        cell = supercell(absorber, distance=DISTANCES[0], rule=parameters.cell)
        supercells = supercell_knob(absorber, parameters.cell)
    return (
        *supercells,
        kpoints_knob("kpoints_length", cell.lattice, fixed={"kpoints_rule": "shortest"}),
        Knob("band_energy", (20.0, 30.0, 40.0, 55.0, 75.0), "eV", fixed={"nbands": None}),
        Knob("encut", (350.0, 400.0, 460.0, 520.0, 600.0, 700.0), "eV"),
    )
