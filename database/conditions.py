"""Conditions on the parameters of a calculation, typed and checked before they reach a store."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeAlias, get_args

from whiteline.database.query_values import LARGEST_INTEGER, plain_text
from whiteline.errors import ParameterError

__all__ = ["Condition", "Operator", "is_parameter_name", "parse_conditions", "value_type"]

Operator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "in"]
ValueType: TypeAlias = Literal["number", "text", "bool", "null", "nested"]

_OPERATORS: tuple[str, ...] = get_args(Operator)
_PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


def is_parameter_name(name: str) -> bool:
    """Return whether a name can be that of a parameter; dots reach into nested ones.

    >>> is_parameter_name("exchange.model"), is_parameter_name("$where")
    (True, False)
    """
    return _PARAMETER_NAME.fullmatch(name) is not None


def value_type(value: object) -> ValueType:
    """Return the type under which a parameter is compared; values of different types are never equal.

    >>> value_type(6), value_type(6.0), value_type(True)
    ('number', 'number', 'bool')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "nested"


@dataclass(frozen=True)
class Condition:
    """One condition on a parameter.

    Attributes:
        name: Parameter; a dot reaches into a nested one.
        operator: How to compare. `!=` also holds where the parameter is absent; `None` means null or absent.
        value: What to compare with; a tuple for `in`.
    """

    name: str
    operator: Operator
    value: Any

    @classmethod
    def parse(cls, name: str, given: object) -> Condition:
        """Return the condition that `{name: given}` states, `given` being a value or (operator, value).

        Raises:
            ParameterError: The name, operator or value is not one that can be compared.
        """
        if not isinstance(name, str) or not is_parameter_name(name):
            raise ParameterError(f"a parameter name is letters, digits, underscores and single dots, got {name!r}")
        operator: Any
        value: Any
        operator, value = given if isinstance(given, tuple) and len(given) == 2 else ("==", given)
        if operator not in _OPERATORS:
            raise ParameterError(f"parameter {name}: unknown operator {operator!r}, known: {', '.join(_OPERATORS)}")
        if operator == "in":
            if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
                raise ParameterError(f"parameter {name}: `in` needs a list of values, got {value!r}")
            value = tuple(_plain(v) for v in value)
        else:
            value = _plain(value)
        _check_values(name, operator, value if operator == "in" else (value,))
        return cls(name, operator, value)


def parse_conditions(name: str, given: object) -> tuple[Condition, ...]:
    """Return what `{name: given}` states, `given` being a value, (operator, value), or a list of such pairs.

    >>> [c.operator for c in parse_conditions("fms_radius", [(">=", 4.0), ("<", 6.0)])]
    ['>=', '<']

    Raises:
        ParameterError: One of them cannot be compared.
    """
    if isinstance(given, list) and given and all(isinstance(pair, tuple) and len(pair) == 2 for pair in given):
        return tuple(Condition.parse(name, pair) for pair in given)
    return (Condition.parse(name, given),)


def _plain(value: object) -> object:
    return value.value if isinstance(value, StrEnum) else value


def _check_values(name: str, operator: str, values: tuple[object, ...]) -> None:
    for value in values:
        kind = value_type(value)
        is_too_large = isinstance(value, int | float) and not abs(value) <= LARGEST_INTEGER
        if kind == "nested" or is_too_large:
            raise ParameterError(
                f"parameter {name}: expected a finite number, text, true, false or null, got {value!r}"
            )
        if isinstance(value, str):
            plain_text(value, f"parameter {name}")
        if operator in ("<", "<=", ">", ">=") and kind not in ("number", "text"):
            raise ParameterError(f"parameter {name}: {operator} compares numbers or text, got {value!r}")
        if operator == "in" and kind == "null":
            raise ParameterError(f"parameter {name}: null cannot stand in a list, ask for it alone")
