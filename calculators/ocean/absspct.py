"""Reading absspct files of every OCEAN version.

| layout | header | columns |
|---|---|---|
| versions 1 and 2 | none | E, damped, spectrum, real part, iterations, half width, prefactor, points |
| 3.0, 3.1 | two lines | E, Spect, Spect(0), SPKK, SPKK(0) |
| 3.2 | two lines, with the volume | the same, and four columns of cross-sections |
| 3.2 with a Gaussian | two lines | as 3.0 |
| GMRES | none | iterations, E, real part, spectrum, residual |

The spectrum is that of a constant half width; OCEAN's first column behind the energy adds a width that grows with the
energy. Recomputed from the Haydock coefficients it agrees to 1e-6. It is Im epsilon of a crystal with one absorbing
atom a cell: OCEAN's own cross-section is epsilon_2 omega V / c with it.

Source: OCEAN_haydock.f90 and OCEAN_gmres.f90 of OCEAN 2 and 3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np

from whiteline.calculators.bands import RYDBERG
from whiteline.calculators.kpoints import BOHR
from whiteline.errors import ParseError

__all__ = ["HARTREE", "AbsspctTable", "Layout", "read_absspct", "read_numbers"]

HARTREE: Final = 2 * RYDBERG  # eV

_NUMBER = r"([-+]?\d*\.?\d+(?:[EeDd][-+]?\d+)?)"
_HEADER = re.compile(rf"^#\s*iter=\s*(\d+)\s+gam=\s*{_NUMBER}\s+kpref=\s*{_NUMBER}(?:\s*vol=\s*{_NUMBER})?\s*$")
# Fortran leaves out the E of an exponent of three digits.
_LONG_EXPONENT = re.compile(r"(\d)([-+]\d{3})$")


class Layout(StrEnum):
    """Which columns a file has."""

    VERSION_2 = "2"
    VERSION_3_0 = "3.0"
    VERSION_3_2 = "3.2"
    GMRES = "gmres"


_COLUMNS = {Layout.VERSION_2: 8, Layout.VERSION_3_0: 5, Layout.VERSION_3_2: 9, Layout.GMRES: 5}
_NAMES = {5: Layout.VERSION_3_0, 9: Layout.VERSION_3_2}


@dataclass(frozen=True, eq=False)
class AbsspctTable:
    """The content of one absspct file.

    Attributes:
        source: Path of the file, for messages.
        layout: Which columns the file has.
        energy: Energy, shape (n_energy,) [eV].
        spectrum: Im epsilon with a constant width, shape (n_energy,).
        iterations: Haydock iterations; the most that any energy took with GMRES.
        half_width: Half width at half maximum of the Lorentzian [eV]; None with GMRES, which prints none.
        volume: Volume of the cell [Å³]; None before version 3.2.
        n_points: Number of energies that the file says it has; None where it does not.
        residual: Largest residual of GMRES; None for Haydock.
    """

    source: str
    layout: Layout
    energy: np.ndarray[Any, np.dtype[np.float64]]
    spectrum: np.ndarray[Any, np.dtype[np.float64]]
    iterations: int
    half_width: float | None
    volume: float | None = None
    n_points: int | None = None
    residual: float | None = None


def read_absspct(path: Path) -> AbsspctTable:
    """Return the content of an absspct file.

    Raises:
        ParseError: The file is not an absspct, a line of it is damaged, or the spectrum is zero; the message names
            file and line.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    n_header = next((i for i, line in enumerate(lines) if not line.lstrip().startswith("#")), len(lines))
    first = lines[n_header].split() if n_header < len(lines) else []
    match = _HEADER.match(lines[0]) if lines else None
    layout = _layout(lines[:n_header], first, path, is_headed=match is not None)
    if not text.endswith("\n"):
        raise ParseError(f"{path}, line {len(lines)}: the file ends in the middle of a line; run the calculation again")
    data = read_numbers(lines[n_header:], _COLUMNS[layout], path, n_before=n_header)
    i_energy, i_spectrum = (1, 3) if layout is Layout.GMRES else (0, 2)
    energy, spectrum = data[:, i_energy], data[:, i_spectrum]
    falls = np.flatnonzero(np.diff(energy) <= 0)
    if falls.size:
        raise ParseError(f"{path}, line {n_header + int(falls[0]) + 2}: the energy does not increase")
    if not spectrum.any():
        raise ParseError(f"{path}: the spectrum is zero everywhere")
    return AbsspctTable(str(path), layout, energy, spectrum, **_facts(match, layout, data))


def _layout(header: list[str], first: list[str], path: Path, *, is_headed: bool) -> Layout:
    """Return the layout of a file from its header and its first line of data."""
    if not header:
        # An iteration count comes first in a GMRES file; everywhere else it is an energy, printed with an exponent.
        if len(first) == _COLUMNS[Layout.GMRES] and first[0].isdigit():
            return Layout.GMRES
        if len(first) == _COLUMNS[Layout.VERSION_2] and first[4].isdigit() and first[7].isdigit():
            return Layout.VERSION_2
    elif len(header) == 2 and is_headed and len(first) in _NAMES and "Spect(0)" in header[1]:
        return _NAMES[len(first)]
    raise ParseError(
        f"{path} is not an absspct of OCEAN, or cut off in its first lines: expected a header with iter=, gam= and "
        "kpref=, or rows of 8 (OCEAN 2) or 5 (GMRES) numbers"
    )


def _facts(match: re.Match[str] | None, layout: Layout, data: np.ndarray) -> dict[str, Any]:
    """Return what header or columns say besides the spectrum."""
    if match is not None:
        iterations, width, _, volume = match.groups()
        return {
            "iterations": int(iterations),
            "half_width": _float(width) * HARTREE,
            "volume": _float(volume) * BOHR**3 if volume else None,
        }
    if layout is Layout.GMRES:
        return {"iterations": int(data[:, 0].max()), "half_width": None, "residual": float(np.abs(data[:, 4]).max())}
    # The printed width has the damping added, which is none at the lowest energies.
    return {
        "iterations": int(data[0, 4]),
        "half_width": float(data[:, 5].min()) * HARTREE,
        "n_points": int(data[0, 7]),
    }


def read_numbers(lines: list[str], n_columns: int, path: Path, *, n_before: int = 0) -> np.ndarray:
    """Return the numbers of a table, shape (n_lines, n_columns).

    Raises:
        ParseError: A line has another number of columns, or something that is no finite number; or there are less
            than two lines.
    """
    rows: list[list[float]] = []
    for number, line in enumerate(lines, start=n_before + 1):
        words = line.split()
        if len(words) != n_columns:
            raise ParseError(f"{path}, line {number}: expected {n_columns} numbers, got {line.strip()!r}")
        try:
            row = [_float(word) for word in words]
        except ValueError as error:
            raise ParseError(f"{path}, line {number}: expected {n_columns} numbers, got {line.strip()!r}") from error
        if not np.isfinite(row).all():
            raise ParseError(f"{path}, line {number}: holds NaN or infinity: {line.strip()!r}")
        rows.append(row)
    if len(rows) < 2:
        raise ParseError(f"{path} holds {len(rows)} lines of data, expected a spectrum: it is cut off")
    return np.array(rows)


def _float(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float(_LONG_EXPONENT.sub(r"\1E\2", word).upper().replace("D", "E"))
