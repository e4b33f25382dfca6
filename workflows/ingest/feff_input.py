"""Reading feff.inp back: cards, potentials, the cluster, and the crystal that pymatgen writes into its comments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.edges import Edge
from whiteline.errors import ParameterError, ParseError

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["FeffInput", "read_feff_input"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_HOLES: Final = ("", "K", "L1", "L2", "L3", "M1", "M2", "M3", "M4", "M5")
_CARD = re.compile(r"[A-Za-z][A-Za-z0-9]*$")
_GRID_ROWS = ("e_grid", "k_grid", "exp_grid", "user_grid")
# Cards whose own lines follow; their content is read here and not kept among the cards.
_LISTS = ("POTENTIALS", "ATOMS")
_ELEMENT_ROW = re.compile(r"\*\s*\d+\s+([A-Z][a-z]?)[\d.+-]*\s+([-\d.]+)\s+([-\d.]+)\s+([-\d.]+)\s*$")
_CELL_ROW = re.compile(r"(?:TITLE|\*)\s+(abc|angles):\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s*$")
_MOST_ATOMS: Final = 20_000


@dataclass(frozen=True, eq=False)
class FeffInput:
    """What a feff.inp asks for.

    Attributes:
        cards: Words of each card by its name, further lines of the card behind a semicolon.
        titles: Lines of the titles.
        numbers: Atomic number of each potential, by its index; 0 is the absorber's.
        positions: Atoms of the cluster, shape (n_atom, 3) [Å].
        potentials: Index of the potential of each atom.
        crystal: The crystal in pymatgen's comments; None where there is none.
    """

    cards: Mapping[str, str]
    titles: tuple[str, ...]
    numbers: Mapping[int, int]
    positions: Float[Array, "atom 3"]
    potentials: tuple[int, ...]
    crystal: Structure | None

    @property
    def element(self) -> str | None:
        """Symbol of the absorbing element."""
        return _symbol(self.numbers.get(0, 0))

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols of all elements."""
        found = {_symbol(number) for number in self.numbers.values()}
        return tuple(sorted(symbol for symbol in found if symbol))

    @property
    def edge(self) -> Edge | None:
        """Absorption edge; None where no card names one that is known."""
        words = self.cards.get("EDGE", "").split()
        name = words[0] if words else ""
        if not name:
            hole = self.cards.get("HOLE", "1").split()
            index = int(hole[0]) if hole and hole[0].isdigit() else 0
            name = _HOLES[index] if index < len(_HOLES) else ""
        try:
            return Edge.parse(name)
        except ParameterError:
            return None

    def neighbours(self, reach: float) -> tuple[dict[str, list[float]], float]:
        """Return sorted distances from the absorber by element, and how far they are complete [Å]."""
        centre = next((i for i, potential in enumerate(self.potentials) if potential == 0), None)
        if centre is None:
            return {}, 0.0
        distances = np.linalg.norm(self.positions - self.positions[centre], axis=1)
        found: dict[str, list[float]] = {}
        for i, distance in enumerate(distances):
            symbol = _symbol(self.numbers.get(self.potentials[i], 0))
            if i != centre and distance <= reach and symbol:
                found.setdefault(symbol, []).append(float(distance))
        return {symbol: sorted(values) for symbol, values in found.items()}, min(reach, float(distances.max()))


def read_feff_input(path: Path) -> FeffInput:
    """Return what a feff.inp asks for.

    Raises:
        ParseError: A line of its lists is damaged; the message names file and line.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    cards: dict[str, str] = {}
    titles: list[str] = []
    numbers: dict[int, int] = {}
    atoms: list[list[float]] = []
    potentials: list[int] = []
    card = ""
    for number, line in enumerate(lines, start=1):
        words = re.split(r"[*#!]", line, maxsplit=1)[0].split()
        if not words:
            continue
        if _CARD.match(words[0]) and words[0].lower() not in _GRID_ROWS:
            card = _full_name(words[0].upper())
            if card == "END":
                break
            if card == "TITLE":
                titles.append(line.strip()[5:].strip())
            elif card not in _LISTS:
                cards[card] = " ".join(words[1:])
        elif card == "POTENTIALS":
            index, atomic = _whole(words, 2, path, number)
            numbers[index] = atomic
        elif card == "ATOMS":
            if len(atoms) >= _MOST_ATOMS:
                raise ParseError(f"{path}, line {number}: the cluster has more than {_MOST_ATOMS} atoms")
            atoms.append(_numbers(words, path, number))
            potentials.append(_whole(words[3:], 1, path, number)[0])
        elif card and card != "TITLE":
            cards[card] = f"{cards.get(card, '')}; {' '.join(words)}"
    return FeffInput(
        cards={name: value[:2000] for name, value in cards.items()},
        titles=tuple(titles),
        numbers=numbers,
        positions=np.array(atoms, dtype=float).reshape(-1, 3),
        potentials=tuple(potentials),
        crystal=_crystal(lines),
    )


def _full_name(name: str) -> str:
    # FEFF tells cards by their first four letters.
    return next((known for known in (*_LISTS, "TITLE", "END", "EDGE", "HOLE") if name[:4] == known[:4]), name)


def _whole(words: list[str], n: int, path: Path, line: int) -> list[int]:
    try:
        return [int(word) for word in words[:n]] if len(words) >= n else _raise(path, line, words)
    except ValueError:
        return _raise(path, line, words)


def _numbers(words: list[str], path: Path, line: int) -> list[float]:
    try:
        values = [float(word) for word in words[:3]]
    except ValueError:
        values = []
    if len(values) != 3 or len(words) < 4 or not np.isfinite(values).all():
        _raise(path, line, words)
    return values


def _raise(path: Path, line: int, words: list[str]) -> list[int]:
    raise ParseError(
        f"{path}, line {line}: expected an atom (x y z ipot) or a potential (ipot Z), got "
        f"{' '.join(words)[:60]!a}: the input is damaged"
    )


def _symbol(number: int) -> str | None:
    from ase.data import chemical_symbols

    return str(chemical_symbols[number]) if 0 < number < len(chemical_symbols) else None


def _crystal(lines: list[str]) -> Structure | None:
    """Return the crystal in the comments, as pymatgen writes them: lengths, angles, and a row a site."""
    heads = [m for m in map(_CELL_ROW.match, lines) if m and _are_numbers(m)]
    cell = {m[1]: [float(m[i]) for i in (2, 3, 4)] for m in heads}
    rows = [m for m in map(_ELEMENT_ROW.match, lines) if m and _are_numbers(m)]
    if set(cell) != {"abc", "angles"} or not rows or len(rows) > _MOST_ATOMS:
        return None
    from pymatgen.core import Lattice, Structure

    from whiteline.errors import StructureError
    from whiteline.structures import check_structure

    try:
        lattice = Lattice.from_parameters(*cell["abc"], *cell["angles"])
        structure = Structure(lattice, [row[1] for row in rows], [[float(row[i]) for i in (2, 3, 4)] for row in rows])
        check_structure(structure, name="crystal in the comments")
    except (ArithmeticError, StructureError, ValueError, np.linalg.LinAlgError):
        return None
    return structure


def _are_numbers(match: re.Match[str]) -> bool:
    try:
        return all(np.isfinite(float(match[i])) for i in (2, 3, 4))
    except ValueError:
        return False
