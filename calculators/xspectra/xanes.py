"""Reading xanes.dat, the spectrum that xspectra.x writes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import ParseError

__all__ = ["XanesTable", "read_xanes"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_COLUMN = 14  # characters: Fortran's f14.8
_ENERGY_TOLERANCE = 2e-4  # eV; rounding of bounds that are given in eV and kept in Ry
_MOMENTUM = re.compile(r"# [Ff]inal state angular momentum:\s+(\d+)")
_GAMMA = re.compile(r"# Broadening parameter \(in eV\):\s+(\d+\.\d+)")
_SPECIES = re.compile(r"# Absorbing atom type \(xiabs\):\s+(\d+)")


@dataclass(frozen=True, eq=False)
class XanesTable:
    """What a xanes.dat holds.

    Attributes:
        source: The file.
        momentum: Change of the angular momentum: 1 for dipole, 2 for quadrupole transitions.
        gamma: Half width at half maximum of the Lorentzian in it [eV]; None where it varies with energy.
        i_species: Number of the absorber's species, from 1.
        energy: Energy from the zero of the run, shape (n_energy,) [eV].
        cross_section: Sum over spins, shape (n_energy,) [bohr²].
        spins: Up and down, shape (2, n_energy) [bohr²]; None without spin.
    """

    source: Path
    momentum: int
    gamma: float | None
    i_species: int
    energy: Float[Array, " energy"]
    cross_section: Float[Array, " energy"]
    spins: Float[Array, "2 energy"] | None


def read_xanes(path: Path, *, n_energy: int, energy_min: float, energy_max: float) -> XanesTable:
    """Return a spectrum, which must cover the whole range that was asked for.

    The file says nothing of its own length: only the input or the log of the run does.

    Args:
        path: The file.
        n_energy: Number of points (xnepoint).
        energy_min: First energy (xemin) [eV].
        energy_max: Last energy (xemax) [eV].

    Raises:
        ParseError: The file is missing, cut off, damaged, of another code, or zero.
    """
    if not path.is_file():
        raise ParseError(f"{path} is missing: xspectra.x did not get to the spectrum; see xanes.out beside it")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    head = [line for line in lines if line.startswith("#")]
    momentum, gamma, species = (_find(pattern, head) for pattern in (_MOMENTUM, _GAMMA, _SPECIES))
    if momentum is None or species is None or not head[-1].startswith("# Energy (eV)   sigma"):
        raise ParseError(f"{path} is no spectrum of xspectra.x: expected its four lines of header, got {head[:4]}")
    rows = lines[len(head) :]
    n_column = 4 if "sigma_up" in head[-1] else 2
    data = _numbers(path, rows, n_column)
    if len(data) != n_energy:
        raise ParseError(f"{path} has {len(data)} points, expected {n_energy}: it is cut off, run xspectra.x again")
    ends = np.array([data[0, 0] - energy_min, data[-1, 0] - energy_max])
    if np.abs(ends).max() > _ENERGY_TOLERANCE:
        raise ParseError(
            f"{path} goes from {data[0, 0]:g} to {data[-1, 0]:g} eV, expected {energy_min:g} to {energy_max:g}: "
            "it is of another run"
        )
    if np.any(np.diff(data[:, 0]) <= 0):
        raise ParseError(f"{path}: the energies do not increase; the file is damaged, run xspectra.x again")
    if not data[:, 1].any():
        raise ParseError(f"{path}: the spectrum is zero everywhere; check the pseudopotential of the absorber")
    return XanesTable(
        source=path,
        momentum=int(momentum),
        gamma=None if gamma is None else float(gamma),
        i_species=int(species),
        energy=data[:, 0],
        cross_section=data[:, 1],
        spins=data[:, 2:].T if n_column == 4 else None,
    )


def _find(pattern: re.Pattern[str], lines: list[str]) -> str | None:
    matches = (pattern.match(line) for line in lines)
    return next((match[1] for match in matches if match), None)


def _numbers(path: Path, rows: list[str], n_column: int) -> Float[Array, "energy column"]:
    for i, row in enumerate(rows, start=1):
        # A number that is cut short is still a number: only its width tells.
        if len(row) != n_column * _COLUMN:
            raise ParseError(
                f"{path}: point {i} has {len(row)} characters, expected {n_column * _COLUMN}: the file is cut off or "
                "damaged, run xspectra.x again"
            )
    text = "\n".join(rows)
    try:
        data = np.array([[float(row[k : k + _COLUMN]) for k in range(0, len(row), _COLUMN)] for row in rows])
    except ValueError as error:
        stars = "; asterisks stand for numbers too large for the column" if "*" in text else ""
        raise ParseError(f"{path} holds something that is no number: {error}{stars}") from error
    if len(rows) and not np.isfinite(data).all():
        raise ParseError(f"{path} holds nan or infinity: the density or the recursion failed, see the logs beside it")
    return data.reshape(-1, n_column)
