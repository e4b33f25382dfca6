"""The codes a user can name, and how settings, preset and parameters become a calculator."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from whiteline.calculators.interface import Calculator
from whiteline.calculators.parameters import load_preset
from whiteline.errors import ParameterError, did_you_mean
from whiteline.settings import Settings

__all__ = ["ENGINES", "make_calculator", "restore_calculator"]

# The class of each code's calculator, in the package of the code's name.
ENGINES: Final = {
    "feff": "FeffCalculator",
    "xspectra": "XSpectraCalculator",
    "ocean": "OceanCalculator",
    "vasp": "VaspCalculator",
    "exciting": "ExcitingCalculator",
}


def make_calculator(
    code: str, *, preset: str = "standard", values: Mapping[str, Any] | None = None, settings: Settings
) -> Calculator:
    """Return a calculator from a preset and the values set on top of it.

    Raises:
        ParameterError: Code, preset or parameter is unknown, or a value is out of range.
    """
    if code not in ENGINES:
        raise ParameterError(f"unknown engine {code!r}: {did_you_mean(code, ENGINES)}")
    return restore_calculator(code, {**load_preset(code, preset), **(values or {})}, settings)


def restore_calculator(code: str, values: Mapping[str, Any], settings: Settings) -> Calculator:
    """Return a calculator from all the values that were given to it, those of its preset included.

    Raises:
        ParameterError: A parameter is unknown, or a value is out of range.
    """
    calculator = getattr(import_module(f"whiteline.calculators.{code}"), ENGINES[code])
    made: Calculator = calculator.from_settings(values, settings)
    return made
