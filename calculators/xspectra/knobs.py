"""The parameters that an XSpectra spectrum is converged in."""

from __future__ import annotations

from whiteline.absorber import Absorber
from whiteline.calculators.cells import Cell, primitive_cell, supercell
from whiteline.calculators.ladders import kpoints_knob
from whiteline.calculators.xspectra.parameters import XSpectraParameters
from whiteline.convergence import Knob

__all__ = ["find_knobs"]

_DISTANCES = (5.0, 6.5, 8.0, 9.5, 11.0, 13.0)


def find_knobs(absorber: Absorber, parameters: XSpectraParameters) -> tuple[Knob, ...]:
    """Return the ladders: cutoff, both k grids, Lanczos recursion, and the supercell unless the cell is primitive."""
    supercells: tuple[Knob, ...] = ()
    if parameters.cell == "primitive":
        cell = primitive_cell(absorber)
    else:
        cell = supercell(absorber, distance=_DISTANCES[0], rule=parameters.cell)
        supercells = (Knob("supercell_distance", _DISTANCES, "Å"),)
    return (
        Knob(
            "ecutwfc",
            (25.0, 30.0, 40.0, 50.0, 65.0, 80.0),
            "Ry",
            # The density's cutoff follows at its fixed ratio; what the pseudopotentials suggest does not interfere.
            fixed={"follows_cutoffs": False, "ecutrho": None},
        ),
        *_grids(cell),
        *supercells,
        Knob("xerror", (0.03, 0.01, 0.003, 0.001)),
    )


def _grids(cell: Cell) -> tuple[Knob, Knob]:
    return kpoints_knob("scf_kpoints_length", cell.lattice), kpoints_knob("kpoints_length", cell.lattice)
