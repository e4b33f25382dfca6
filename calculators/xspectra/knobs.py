"""The parameters that an XSpectra spectrum is converged in."""

from __future__ import annotations

from whiteline.absorber import Absorber
from whiteline.calculators.cells import primitive_cell, supercell
from whiteline.calculators.ladders import DISTANCES, kpoints_knob, supercell_knob
from whiteline.calculators.xspectra.parameters import XSpectraParameters
from whiteline.convergence import Knob

__all__ = ["find_knobs"]


def find_knobs(absorber: Absorber, parameters: XSpectraParameters) -> tuple[Knob, ...]:
    """Return the ladders: cutoff, both k grids, Lanczos recursion, and the supercell unless the cell is primitive."""
    supercells: tuple[Knob, ...] = ()
    if parameters.cell == "primitive":
        cell = primitive_cell(absorber)
    else:
        cell = supercell(absorber, distance=DISTANCES[0], rule=parameters.cell)
        supercells = supercell_knob(absorber, parameters.cell)
    return (
        Knob(
            "ecutwfc",
            (25.0, 30.0, 40.0, 50.0, 65.0, 80.0),
            "Ry",
            # The density's cutoff follows at its fixed ratio; what the pseudopotentials suggest does not interfere.
            fixed={"follows_cutoffs": False, "ecutrho": None},
        ),
        kpoints_knob("scf_kpoints_length", cell.lattice, fixed={"scf_kpoints_rule": "shortest"}),
        kpoints_knob("kpoints_length", cell.lattice, fixed={"kpoints_rule": "shortest"}),
        *supercells,
        Knob("xerror", (0.03, 0.01, 0.003, 0.001)),
    )
