"""Reading the tables of exciting's Bethe-Salpeter solver: EPSILON, EXCITON and LOSS.

Heads are lines that start with `#`; they say the unit of the energies, eV where `Energy scale` is 27.2 and Hartree
where it is 1, and everything else that gives the numbers a meaning. Some versions write the tables into
the run directory, later ones into folders named after the kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.calculators.exciting.parameters import HARTREE
from whiteline.errors import ParseError

__all__ = ["EpsilonTable", "ExcitonTable", "LossTable", "find_table", "read_epsilon", "read_exciton", "read_loss"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][-+]?\d+)?"
_SCALE = re.compile(rf"Energy scale\s*=?\s*({_NUMBER})")
_HALF_WIDTH = re.compile(rf"Used broadening in scaled energy units:\s*({_NUMBER})")
_K_POINTS = re.compile(r"Number of k-points=\s*(\d+)")
_VOLUME = re.compile(rf"Unit cell volume \[au\]=\s*({_NUMBER})")
_SHIFT = re.compile(rf"E_shift\s*:\s*({_NUMBER})")
_LOSS_UNIT = re.compile(r"Frequency/\((\w+)/hbar\)")
# EPSILON_BSE-singlet-TDA-BAR_SCR-full_OC11.OUT, and without hyphens up to carbon: EPSILON_BSEsinglet_SCRfull_OC11.OUT.
_NAME = re.compile(
    r"(?P<kind>[A-Z]+)_(?P<special>NAR_|LAB_)?BSE-?(?P<type>singlet|triplet|RPA|IP)(?P<solver>(?:-[A-Za-z0-9]+)*)"
    r"_SCR-?\w+_OC(?P<axes>\d\d)\.OUT"
)


@dataclass(frozen=True, eq=False)
class EpsilonTable:
    """One diagonal component of the macroscopic dielectric function.

    Attributes:
        source: Path of the file, for messages.
        scale: Energy unit of the file in Hartree's inverse: 27.2 where energies are in eV, 1 where in Hartree.
        half_width: Half width at half maximum of the Lorentzian in it, in the unit of the file.
        n_kpoints: Number of k points.
        volume_bohr3: Volume of the cell [bohr³].
        data: Transition energy in the unit of the file, Re ε, Im ε, and Re ε by Kramers-Kronig, shape (n_energy, 4).
    """

    source: Path
    scale: float
    half_width: float
    n_kpoints: int
    volume_bohr3: float
    data: Float[Array, "energy 4"]

    @property
    def energy(self) -> Float[Array, " energy"]:
        """Transition energies, shape (n_energy,) [eV]."""
        return np.asarray(self.data[:, 0] * self._electronvolt)

    @property
    def fwhm(self) -> float:
        """Full width at half maximum of the Lorentzian in it [eV]."""
        return 2 * self.half_width * self._electronvolt

    @property
    def _electronvolt(self) -> float:
        # A file in eV stays as it is, to the last digit.
        return 1.0 if abs(self.scale - HARTREE) < 1e-3 else HARTREE / self.scale


@dataclass(frozen=True, eq=False)
class ExcitonTable:
    """Energies and oscillator strengths of the excitons, for one direction.

    Attributes:
        source: Path of the file, for messages.
        scale: As in `EpsilonTable`.
        shift: `E_shift`, what the third column has on top of the second: minus the gap between core and conduction
            states.
        data: Transition energy, that plus `shift`, and modulus, real and imaginary part of the oscillator strength,
            shape (n_exciton, 5).
    """

    source: Path
    scale: float
    shift: float
    data: Float[Array, "exciton 5"]


@dataclass(frozen=True, eq=False)
class LossTable:
    """The loss function for one direction.

    Attributes:
        source: Path of the file, for messages.
        unit: Unit of the energies, as the file says, e.g. `eV`.
        data: Energy in that unit, -Im 1/ε, and the dynamical structure factor times 1000, shape (n_energy, 3).
    """

    source: Path
    unit: str
    data: Float[Array, "energy 3"]


def find_table(directory: Path, kind: str, *, bse_type: str, axes: str) -> Path | None:
    """Return the table of one kind, solver type and pair of axes, of old and new names; None where there is none.

    Tables without the analytic part (`NAR`) stand for other quantities and do not count.

    Args:
        directory: Run directory.
        kind: `EPSILON`, `EXCITON` or `LOSS`.
        bse_type: `singlet`, `triplet`, `RPA` or `IP`.
        axes: Axes of the tensor, e.g. `11`.

    Raises:
        ParseError: Several fit.
    """
    for folder in (directory / kind, directory):
        found = []
        for path in sorted(folder.glob(f"{kind}_*_OC{axes}.OUT")):
            match = _NAME.fullmatch(path.name)
            if match and match["type"] == bse_type and not match["special"]:
                found.append(path)
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise ParseError(f"{folder} holds several tables of the same kind ({names}): leave those of one run")
        if found:
            return found[0]
    return None


def read_epsilon(path: Path) -> EpsilonTable:
    """Return the content of an EPSILON table.

    Raises:
        ParseError: The file is not one, or a line of it is damaged; the message names file and line.
    """
    head, data = _read(path, 4, what="a dielectric function (EPSILON) of exciting")
    _check_axis(data, path)
    return EpsilonTable(
        source=path,
        scale=_positive(_SCALE, "Energy scale", head, path),
        half_width=_positive(_HALF_WIDTH, "Used broadening", head, path),
        n_kpoints=int(_positive(_K_POINTS, "Number of k-points", head, path)),
        volume_bohr3=_positive(_VOLUME, "Unit cell volume", head, path),
        data=data,
    )


def read_exciton(path: Path) -> ExcitonTable:
    """Return the content of an EXCITON table.

    Raises:
        ParseError: The file is not one, or a line of it is damaged; the message names file and line.
    """
    head, data = _read(path, 6, what="a list of excitons (EXCITON) of exciting")
    if not np.array_equal(data[:, 0], np.arange(1, len(data) + 1)):
        raise ParseError(f"{path}: the excitons are not numbered from 1 on: run the calculation again")
    return ExcitonTable(
        source=path,
        scale=_positive(_SCALE, "Energy scale", head, path),
        shift=_value(_SHIFT, "E_shift", head, path),
        data=data[:, 1:],
    )


def read_loss(path: Path) -> LossTable:
    """Return the content of a LOSS table.

    Raises:
        ParseError: The file is not one, or a line of it is damaged; the message names file and line.
    """
    head, data = _read(path, 3, what="a loss function (LOSS) of exciting")
    _check_axis(data, path)
    unit = _LOSS_UNIT.search(head)
    if not unit or "Loss function" not in head:
        raise ParseError(f"{path} is not a loss function (LOSS) of exciting: its head names no unit of energy")
    return LossTable(source=path, unit=unit.group(1), data=data)


def _read(path: Path, n_columns: int, *, what: str) -> tuple[str, Float[Array, "row column"]]:
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    head = "\n".join(line for line in lines if line.startswith("#"))
    if not head or "Momentum transfer Q=G+q" not in head:
        raise ParseError(f"{path} is not {what}: its head is not exciting's")
    if not text.endswith("\n"):
        raise ParseError(f"{path}, line {len(lines)}: the file ends in the middle of a line; run the calculation again")
    rows = []
    for number, line in enumerate(lines, start=1):
        if line.startswith("#"):
            continue
        words = line.split()
        try:
            row = [float(word) for word in words]
        except ValueError as error:
            raise ParseError(f"{path}, line {number}: expected {n_columns} numbers, got {line.strip()!r}") from error
        if len(row) != n_columns:
            raise ParseError(f"{path}, line {number}: expected {n_columns} numbers, got {len(row)}")
        if not np.isfinite(row).all():
            raise ParseError(f"{path}, line {number}: holds NaN or infinity: {line.strip()!r}")
        rows.append(row)
    if not rows:
        raise ParseError(f"{path} holds no numbers, expected {what}: it is cut off")
    return head, np.array(rows)


def _check_axis(data: Float[Array, "row column"], path: Path) -> None:
    steps = np.diff(data[:, 0])
    if len(steps) < 2 or steps[0] <= 0 or np.abs(steps - steps[0]).max() > 1e-6 * abs(data[-1, 0]) + 1e-9:
        raise ParseError(
            f"{path}: the energies do not rise in even steps: the file is damaged, run the calculation again"
        )


def _value(pattern: re.Pattern[str], name: str, head: str, path: Path) -> float:
    match = pattern.search(head)
    if not match:
        raise ParseError(f"{path}: the head has no {name}: it is cut off, or of a version that is not supported")
    return float(match.group(1).upper().replace("D", "E"))


def _positive(pattern: re.Pattern[str], name: str, head: str, path: Path) -> float:
    value = _value(pattern, name, head, path)
    if not value > 0:
        raise ParseError(f"{path}: {name} is {value}, expected a positive number")
    return value
