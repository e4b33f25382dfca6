"""The atomic species of a pw.x input: the absorber alone is one, and so are atoms of an element with equal moments."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_lowercase, digits
from typing import Final

from whiteline.calculators.cells import Cell
from whiteline.errors import InputError

__all__ = ["MOST_KINDS", "Kind", "assign_kinds"]

# pw.x (and xspectra.x) hold no more species.
MOST_KINDS: Final = 10
# pw.x takes labels of at most three characters: the symbol and one more, or the symbol, `_` and one more.
_SUFFIXES: Final = digits[1:] + ascii_lowercase.replace("h", "")


@dataclass(frozen=True)
class Kind:
    """One species.

    Attributes:
        label: Its name in the input, e.g. `Tih` for the absorber, `Ti` and `Ti1` for others.
        element: Chemical symbol.
        moment: Magnetic moment [µB].
        is_absorber: Whether it is the excited atom.
    """

    label: str
    element: str
    moment: float
    is_absorber: bool


def assign_kinds(cell: Cell, *, has_spin: bool) -> tuple[tuple[Kind, ...], tuple[int, ...]]:
    """Return the species, the absorber's first, and for each atom the index of its species.

    Oxidation states make no difference here: pw.x finds the charges itself.

    Args:
        cell: The cell, absorber first.
        has_spin: Whether moments tell atoms apart.

    Raises:
        InputError: pw.x has no room for so many species.
    """
    absorber = cell.absorber
    moments = [round(atom.moment or 0.0, 6) if has_spin else 0.0 for atom in cell.atoms]
    keys = [("", 0.0), *((atom.element, moment) for atom, moment in zip(cell.atoms[1:], moments[1:], strict=True))]
    distinct = list(dict.fromkeys(keys))
    if len(distinct) > MOST_KINDS:
        raise InputError(
            f"pw.x has room for {MOST_KINDS} species and this cell needs {len(distinct)}, one for each element and "
            "magnetic moment: round the moments of the structure, or set spin = none"
        )
    kinds = [Kind(_label(absorber.element, "h"), absorber.element, moments[0], is_absorber=True)]
    for element, moment in distinct[1:]:
        n_before = sum(kind.element == element and not kind.is_absorber for kind in kinds)
        label = element if n_before == 0 else _label(element, _SUFFIXES[n_before - 1])
        kinds.append(Kind(label, element, moment, is_absorber=False))
    return tuple(kinds), tuple(distinct.index(key) for key in keys)


def _label(element: str, suffix: str) -> str:
    """Return a label that no chemical symbol equals: `C_h`, because `Ch` looks like one."""
    return f"{element}{suffix}" if len(element) == 2 else f"{element}_{suffix}"
