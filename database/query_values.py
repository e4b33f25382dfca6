"""Values of a query in the one form in which stores compare them; each function refuses what it does not know."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, TypeVar

from whiteline.errors import ParameterError, did_you_mean

__all__ = [
    "LARGEST_INTEGER",
    "hex_prefix",
    "known_symbol",
    "known_symbols",
    "member",
    "ordered_system",
    "plain_text",
    "reduced_formula",
    "several",
    "space_group_number",
    "whole_number",
]

LARGEST_INTEGER = 2**63 - 1  # stores count in 64 bits; nan and infinity are not within it, either
_E = TypeVar("_E", bound=StrEnum)
_PERIODIC_TABLE = """
    H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr
    Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu
    Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr
    Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og D T
"""
_SYMBOLS = frozenset(_PERIODIC_TABLE.split())


def plain_text(value: Any, what: str) -> str:
    """Return text that any store can compare; a dictionary of operators, say, is not text.

    Raises:
        ParameterError: It is not text, or text that has no UTF-8 form or a NUL, at which some stores stop reading.
    """
    if not isinstance(value, str) or "\0" in value:
        raise ParameterError(f"{what} must be text without NUL, got {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ParameterError(f"{what} {value!r} is no valid text: give it in UTF-8") from error
    return value


def whole_number(value: Any, what: str, *, least: int, hint: str = "") -> int:
    """Return a whole number from `least` on that a store can count to.

    Raises:
        ParameterError: It is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LARGEST_INTEGER:
        raise ParameterError(f"{what} must be {least} or more, got {value!r}{hint}")
    return value


def several(given: Any, what: str) -> Iterable[Any]:
    """Return one value or several as several.

    Raises:
        ParameterError: They cannot be listed.
    """
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, tuple | list | set | frozenset):
        raise ParameterError(f"{what} takes one or several values, got {given!r}")
    return given


def known_symbol(symbol: Any) -> str:
    """Return the symbol of an element.

    Raises:
        ParameterError: There is no such element.
    """
    if plain_text(symbol, "an element") not in _SYMBOLS:
        guess = symbol.capitalize()
        hint = f"did you mean {guess!r}?" if guess in _SYMBOLS else "use a symbol such as Ti"
        raise ParameterError(f"unknown element {symbol!r}: {hint}")
    return str(symbol)


def known_symbols(given: Any, what: str) -> tuple[str, ...]:
    """Return the symbols of one element or several, each once, in alphabetical order."""
    return tuple(sorted({known_symbol(symbol) for symbol in several(given, what)}))


def ordered_system(system: Any) -> str:
    """Return a chemical system with its elements in alphabetical order.

    >>> ordered_system("Ti-O")
    'O-Ti'
    """
    return "-".join(sorted({known_symbol(symbol) for symbol in plain_text(system, "a chemical system").split("-")}))


def reduced_formula(formula: Any) -> str:
    """Return the reduced formula.

    Raises:
        ParameterError: It is no formula, or one of unknown elements.
    """
    from pymatgen.core.composition import Composition

    try:
        composition = Composition(plain_text(formula, "a formula"))
        unknown = [element.symbol for element in composition if element.symbol not in _SYMBOLS]
        if len(composition) and not unknown:
            return composition.reduced_formula
    except (ValueError, OverflowError) as error:
        raise ParameterError(f"expected a formula such as TiO2, got {formula!r}: {error}") from error
    raise ParameterError(f"expected a formula of known elements such as TiO2, got {formula!r}")


def space_group_number(space_group: Any) -> int:
    """Return the international number of a space group given by number or symbol.

    Raises:
        ParameterError: There is none.
    """
    if isinstance(space_group, str) and not (space_group.isascii() and space_group.isdecimal()):
        from pymatgen.symmetry.groups import SpaceGroup

        try:
            return int(SpaceGroup(space_group).int_number)
        except ValueError as error:
            known = sorted(str(symbol) for symbol in SpaceGroup.SG_SYMBOLS)
            raise ParameterError(f"unknown space group {space_group!r}: {_nearest(space_group, known)}") from error
    is_number = isinstance(space_group, int | str) and not isinstance(space_group, bool)
    if not is_number or len(str(space_group)) > 9 or not 1 <= int(space_group) <= 230:
        raise ParameterError(f"a space group has a number from 1 to 230, got {str(space_group)[:40]!r}")
    return int(space_group)


def _nearest(name: str, known: list[str]) -> str:
    hint = did_you_mean(name, known)
    return hint if hint.startswith("did") else "give its number, or its symbol, e.g. P4_2/mnm"


def member(vocabulary: type[_E], text: Any) -> _E:
    """Return the member of a vocabulary that a text names.

    Raises:
        ParameterError: There is none; the message names the nearest.
    """
    try:
        return vocabulary(text)
    except ValueError:
        known = [each.value for each in vocabulary]
        raise ParameterError(f"unknown {vocabulary.__name__} {text!r}: {did_you_mean(str(text), known)}") from None


def hex_prefix(prefix: Any) -> str:
    """Return the beginning of an id.

    Raises:
        ParameterError: No id begins so.
    """
    if not isinstance(prefix, str) or not re.fullmatch(r"[0-9a-f]+", prefix):
        raise ParameterError(f"an id begins with lower-case hexadecimal digits, got {prefix!r}")
    return prefix
