"""What the ladders of convergence have in common across codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from whiteline.absorber import Absorber
from whiteline.calculators.cells import SupercellRule, supercell
from whiteline.calculators.interface import Calculator
from whiteline.calculators.kpoints import effective_length, grid_for_length
from whiteline.calculators.parameters import build_parameters
from whiteline.convergence import Knob
from whiteline.errors import StructureError

__all__ = ["kpoints_knob", "supercell_knob", "with_values"]

# Å; each is about 1.4 times the one before, so that the number of k points grows three times a rung.
LENGTHS = (6.0, 8.5, 12.0, 17.0, 24.0, 34.0, 48.0)
# Å between images of the absorber.
DISTANCES = (5.0, 6.5, 8.0, 9.5, 11.0, 13.0)


def kpoints_knob(
    name: str,
    lattice: Float[np.ndarray[Any, np.dtype[np.float64]], "3 3"],
    *,
    lengths: Sequence[float] = LENGTHS,
    fixed: Mapping[str, Any] | None = None,
) -> Knob:
    """Return a ladder of effective lengths [Å] on which every rung is another grid of this cell.

    Args:
        name: Name of the parameter.
        lattice: Rows are the vectors of the cell [Å].
        lengths: The lengths to choose from [Å].
        fixed: Parameters that keep the grids those of `grid_for_length`.
    """
    distinct = {grid_for_length(lattice, length): length for length in reversed(lengths)}
    if len(distinct) == 1:
        # A cell so large that all lengths give one grid: its ladder goes on to the next.
        (only,) = distinct
        beyond = effective_length(lattice, only) * (1 + 1e-6)
        distinct[grid_for_length(lattice, beyond)] = beyond
    return Knob(name, tuple(sorted(distinct.values())), "Å", fixed=fixed or {})


def supercell_knob(
    absorber: Absorber, rule: SupercellRule, *, distances: Sequence[float] = DISTANCES
) -> tuple[Knob, ...]:
    """Return a ladder of `supercell_distance` [Å] on which every rung is another cell; none where all are one cell.

    Equal cells would agree with each other and look converged. Distances that no supercell reaches are left out.

    Raises:
        StructureError: The structure is one that no code could compute.
    """
    distinct: dict[tuple[float, ...], float] = {}
    for distance in distances:
        try:
            cell = supercell(absorber, distance=distance, rule=rule)
        except StructureError:
            if not distinct:
                raise
            break
        distinct.setdefault(tuple(np.round(cell.lattice, 6).ravel().tolist()), distance)
    rungs = tuple(distinct.values())
    return (Knob("supercell_distance", rungs, "Å"),) if len(rungs) > 1 else ()


def with_values(calculator: Calculator, values: Mapping[str, Any]) -> Calculator:
    """Return a calculator with some parameters changed; what was left to defaults follows the change.

    Raises:
        ParameterError: A name is unknown or a value is out of range.
    """
    parameters = calculator.parameters
    given = parameters.model_dump(mode="json", exclude_unset=True)
    changed: Calculator = replace(  # type: ignore[type-var]  # every calculator is a frozen dataclass
        calculator, parameters=build_parameters(type(parameters), {**given, **values})
    )
    return changed
