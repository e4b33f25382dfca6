"""Reading xmu.dat of every FEFF version since 8.5.

The layouts differ in the widths of their columns, in the blanks of their headers, and in whether a normalisation
is printed; what they share is that header lines start with `#` and that data lines are six numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from whiteline.errors import ParseError

__all__ = ["NUMBER", "XmuTable", "read_rows", "read_xmu"]

_COLUMNS = ("omega", "e", "k", "mu", "mu0", "chi")
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][-+]?\d+)?"
_VERSION = re.compile(r"(FEFF\s*\d[\w.]*)")
_ABSORBER = re.compile(r"Abs\s+Z=\s*(\d+).*?(\w+)\s+shell")
_NORM = re.compile(rf"xsedge\s*\+\s*\d+,\s*used to normalize mu\s+({NUMBER})")


@dataclass(frozen=True, eq=False)
class XmuTable:
    """The content of one xmu.dat.

    Attributes:
        source: Path of the file, for messages.
        version: Code version as printed, e.g. `FEFF 10.0.0`.
        atomic_number: Atomic number of the absorber.
        shell: Core level as printed, e.g. `K`, `L2`.
        columns: Names of the columns as printed; the fourth is `mu`, or `S(qw)` for inelastic scattering.
        data: The table, shape (n_energy, 6): photon energy [eV], energy from FEFF's zero [eV], wave number
            [1/Å] (negative below the Fermi level), and three intensities in units of `norm`.
        norm: What turns intensity into Å² per atom (FEFF's `xsedge`); None where FEFF prints none.
        core_hole_width: Full width at half maximum of the core hole [eV].
        fermi_energy: Fermi level from FEFF's zero [eV].
        fermi_shift: Vr, by which the threshold lies below the Fermi level [eV].
        extra_broadening: Imaginary potential Vi [eV].
    """

    source: str
    version: str
    atomic_number: int
    shell: str
    columns: tuple[str, ...]
    data: np.ndarray[Any, np.dtype[np.float64]]
    norm: float | None
    core_hole_width: float
    fermi_energy: float
    fermi_shift: float
    extra_broadening: float

    @property
    def edge_energy(self) -> float:
        """Photon energy of the threshold, where the wave number is zero [eV]."""
        return float(self.data[0, 0] - self.data[0, 1] + self.fermi_energy - self.fermi_shift)


def read_xmu(path: Path) -> XmuTable:
    """Return the content of an xmu.dat.

    Raises:
        ParseError: The file is not an xmu.dat, or a line of it is damaged; the message names file and line.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    header = [line.lstrip("# ").rstrip() for line in lines if line.lstrip().startswith("#")]
    joined = "\n".join(header)
    version, absorber = _VERSION.search(joined), _ABSORBER.search(joined)
    if not version or not absorber:
        raise ParseError(f"{path} is not an xmu.dat of FEFF: its header names no version or no absorber")
    norm = _NORM.search(joined)
    return XmuTable(
        source=str(path),
        version=" ".join(version.group(1).replace("FEFF", "FEFF ").split()),
        atomic_number=int(absorber.group(1)),
        shell=absorber.group(2),
        columns=_columns(header, path),
        data=read_rows(text, path, n_columns=len(_COLUMNS)),
        norm=_positive(norm.group(1), path) if norm else None,
        core_hole_width=_value(r"Gam_ch", joined, path),
        fermi_energy=_value(r"Mu", joined, path),
        fermi_shift=_value(r"Vr", joined, path, default=0.0),
        extra_broadening=_value(r"Vi", joined, path, default=0.0),
    )


def _columns(header: list[str], path: Path) -> tuple[str, ...]:
    for line in reversed(header):
        words = line.replace("@#", "").split()
        if words[:3] == ["omega", "e", "k"]:
            return tuple(words)
    raise ParseError(
        f"{path} has no line with the names of its columns ({' '.join(_COLUMNS)}): it is cut off in its header"
    )


def _value(name: str, header: str, path: Path, *, default: float | None = None) -> float:
    match = re.search(rf"\b{name}=\s*({NUMBER})", header)
    if match:
        return float(match.group(1).upper().replace("D", "E"))
    if default is None:
        raise ParseError(f"{path}: the header has no {name}=")
    return default


def _positive(text: str, path: Path) -> float:
    value = float(text.upper().replace("D", "E"))
    if not value > 0:
        raise ParseError(f"{path}: the normalisation factor is {text}, expected a positive number")
    return value


def read_rows(text: str, path: Path, *, n_columns: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the lines of a table that are no comments, shape (n_row, n_columns); the first column increases.

    Raises:
        ParseError: The text ends in the middle of a line, or a line is damaged; the message names file and line.
    """
    rows: list[list[float]] = []
    lines = text.splitlines()
    if not text.endswith("\n"):
        raise ParseError(f"{path}, line {len(lines)}: the file ends in the middle of a line; run the calculation again")
    for number, line in enumerate(lines, start=1):
        if line.lstrip().startswith("#") or not line.strip():
            continue
        words = line.split()
        try:
            row = [float(word.upper().replace("D", "E")) for word in words]
        except ValueError as error:
            raise ParseError(f"{path}, line {number}: expected {n_columns} numbers, got {line.strip()!r}") from error
        if len(row) != n_columns:
            raise ParseError(f"{path}, line {number}: expected {n_columns} numbers, got {len(row)}")
        if not np.isfinite(row).all():
            raise ParseError(f"{path}, line {number}: holds NaN or infinity: {line.strip()!r}")
        if rows and row[0] < rows[-1][0]:
            raise ParseError(f"{path}, line {number}: the energy goes back from {rows[-1][0]:g} to {row[0]:g} eV")
        rows.append(row)
    if len(rows) < 2:
        raise ParseError(f"{path} holds {len(rows)} data lines, expected a spectrum: it is cut off")
    return np.array(rows)
