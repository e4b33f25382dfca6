"""What the ladders of convergence have in common across codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from whiteline.calculators.interface import Calculator
from whiteline.calculators.kpoints import grid_for_length
from whiteline.calculators.parameters import build_parameters
from whiteline.convergence import Knob

__all__ = ["kpoints_knob", "with_values"]

# Å; each is about 1.4 times the one before, so that the number of k points grows three times a rung.
LENGTHS = (6.0, 8.5, 12.0, 17.0, 24.0, 34.0, 48.0)


def kpoints_knob(
    name: str, lattice: Float[np.ndarray[Any, np.dtype[np.float64]], "3 3"], *, lengths: Sequence[float] = LENGTHS
) -> Knob:
    """Return a ladder of effective lengths [Å] on which every rung is another grid of this cell."""
    distinct = {grid_for_length(lattice, length): length for length in reversed(lengths)}
    return Knob(name, tuple(sorted(distinct.values())), "Å")


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
