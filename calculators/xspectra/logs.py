"""Reading what pw.x and xspectra.x print."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.calculators.kpoints import BOHR
from whiteline.errors import ParseError

__all__ = ["JOB_DONE", "SCF_UNCONVERGED", "XANES_DONE", "ScfLog", "XanesLog", "read_scf_log", "read_xanes_log"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

JOB_DONE: Final = "JOB DONE."
XANES_DONE: Final = "END JOB XSpectra"
SCF_UNCONVERGED: Final = "convergence NOT achieved"

_NUMBER = r"(-?\d+\.?\d*(?:[EeDd][+-]?\d+)?)"
_VERSION = re.compile(r"Program (PWSCF|XSpectra) v\.?\s*([\w.]+)")
_SCF_DONE = re.compile(r"convergence has been achieved in\s+(\d+)\s+iterations")
_SCF_FAILED = re.compile(rf"{SCF_UNCONVERGED} after\s+(\d+)\s+iterations")
_ACCURACY = re.compile(rf"estimated scf accuracy\s+<\s+{_NUMBER}")
_ENERGY = re.compile(rf"^!\s+total energy\s+=\s+{_NUMBER}", re.MULTILINE)
_LEVELS = re.compile(rf"(the Fermi energy is|highest occupied[^:\n]*:)\s+{_NUMBER}")
_SPECIES = re.compile(r"PseudoPot\. #\s*(\d+) for\s+([A-Z][a-z]?)\s")
_ALAT = re.compile(rf"lattice parameter \(alat\)\s+=\s+{_NUMBER}")
_VOLUME = re.compile(rf"unit-cell volume\s+=\s+{_NUMBER}")
_AXES = re.compile(rf"a\([123]\) = \(\s*{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s*\)")
_SPECIES_TABLE = re.compile(r"atomic species\s+valence\s+mass\s+pseudopotential\s*\n(.*?)\n\s*\n", re.DOTALL)
_SITE = re.compile(rf"^\s+\d+\s+(\S+)\s+tau\(\s*\d+\) = \(\s*{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s*\)", re.MULTILINE)
_FIELD = re.compile(rf"xepsilon\s+\[(crystallographic|cartesian) coordinates\]:\s+{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}")
_RANGE = re.compile(rf"xemin \[eV\]:\s*{_NUMBER}\s+xemax \[eV\]:\s*{_NUMBER}\s+xnepoint:\s*(\d+)")
_HOMO = re.compile(rf"ehomo \[eV\]:\s+{_NUMBER}")
_ZERO = re.compile(rf"(energy-zero of the spectrum|xe0) \[eV\]:\s+{_NUMBER}\s*$", re.MULTILINE)
_CORE = re.compile(rf"Core level energy \[eV\]:\s+-?{_NUMBER}")
_CONVERGED = re.compile(rf"=> CONVERGED at iter\s+(\d+) with error=\s*{_NUMBER}")
_UNCONVERGED = re.compile(r"XANES not converged after\s+(\d+)\s+iterations")
# The rule below the last words. What MPI or the Fortran runtime has to say may follow it.
_RULE = re.compile(r"\s*=?-{70,}=?\s*(\n|$)")
_LEVEL_TOLERANCE = 1e-3  # eV; levels are printed with four decimals


@dataclass(frozen=True)
class ScfLog:
    """What pw.x printed.

    Attributes:
        version: Version of pw.x.
        is_converged: Whether the density converged.
        n_iteration: Steps it took.
        accuracy: Estimated error of the energy at the end [Ry]; None where none is printed.
        total_energy: Total energy [Ry]; None where none is printed, as without convergence.
        level: Fermi energy or highest occupied level [eV]; None where none is printed.
        level_name: Which of the two it is.
    """

    version: str
    is_converged: bool
    n_iteration: int
    accuracy: float | None
    total_energy: float | None
    level: float | None
    level_name: str


@dataclass(frozen=True, eq=False)
class XanesLog:
    """What xspectra.x printed.

    Attributes:
        version: Version of xspectra.x.
        species: Elements by the number of the species, from 1.
        labels: Labels of the species, likewise.
        lattice: Rows are the vectors of the cell [Å].
        site_labels: Label of each atom's species.
        positions: Cartesian positions of the atoms, shape (n_atom, 3) [Å].
        volume: Volume of the cell [Å³].
        field: Direction of the electric field as it was given.
        is_cartesian: Whether that is along x, y, z and not along the vectors of the cell.
        energy_min: First energy of the spectrum [eV].
        energy_max: Last energy [eV].
        n_energy: Number of points.
        zero: Zero of the spectrum on the scale of the levels [eV].
        zero_name: What that is.
        core_energy: Tabulated binding energy of the core level that xspectra.x takes for the photon energy [eV].
        n_converged: Recursions that converged.
        n_unconverged: Recursions that did not.
        n_iteration: Most iterations of one recursion.
        error: Largest error of a converged recursion.
        is_saturated: Whether a recursion used up all plane waves.
    """

    version: str
    species: dict[int, str]
    labels: dict[int, str]
    lattice: Float[Array, "3 3"]
    site_labels: tuple[str, ...]
    positions: Float[Array, "atom 3"]
    volume: float
    field: tuple[float, float, float]
    is_cartesian: bool
    energy_min: float
    energy_max: float
    n_energy: int
    zero: float
    zero_name: str
    core_energy: float
    n_converged: int
    n_unconverged: int
    n_iteration: int
    error: float
    is_saturated: bool


def read_scf_log(path: Path) -> ScfLog:
    """Return what pw.x printed.

    Raises:
        ParseError: The file is missing, cut off, or of another program.
    """
    text = _read(path, program="PWSCF", mark=JOB_DONE)
    converged, failed = _SCF_DONE.search(text), _SCF_FAILED.search(text)
    if not converged and not failed:
        raise ParseError(f"{path} says nothing of a self-consistent density: expected a run of calculation = 'scf'")
    accuracies, energies, levels = (pattern.findall(text) for pattern in (_ACCURACY, _ENERGY, _LEVELS))
    return ScfLog(
        version=_version(text),
        is_converged=failed is None,
        n_iteration=int((failed or converged)[1]),  # type: ignore[index]  # one of them is there
        accuracy=_float(accuracies[-1]) if accuracies else None,
        total_energy=_float(energies[-1]) if energies else None,
        level=_float(levels[-1][1]) if levels else None,
        level_name="Fermi energy" if levels and "Fermi" in levels[-1][0] else "highest occupied level",
    )


def read_xanes_log(path: Path) -> XanesLog:
    """Return what xspectra.x printed.

    It tells of the recursions of the first pool, and of those that a start from a checkpoint had left to do.

    Raises:
        ParseError: The file is missing, cut off, of another program, or of a mere replot.
    """
    text = _read(path, program="XSpectra", mark=XANES_DONE)
    if "xonly_plot: TRUE" in text:
        raise ParseError(f"{path} is of a replot (xonly_plot) and knows no atoms: read the run it was made from")
    alat = _float(_find(_ALAT, text, path, "the lattice parameter")[1]) * BOHR
    axes = _AXES.findall(text)
    sites = _SITE.findall(text)
    table = _find(_SPECIES_TABLE, text, path, "the table of species")[1]
    labels = {i: line.split()[0] for i, line in enumerate(table.splitlines(), start=1)}
    field = _find(_FIELD, text, path, "the direction of the field")
    limits = _find(_RANGE, text, path, "the range of energies")
    zero = _find(_ZERO, text, path, "the zero of energy")
    homo = _HOMO.search(text)
    converged, unconverged = _CONVERGED.findall(text), _UNCONVERGED.findall(text)
    if len(axes) != 3 or not sites or "k-point" not in text:
        raise ParseError(f"{path} lacks the cell, the atoms or the k points: run xspectra.x again")
    is_homo = homo is not None and abs(_float(homo[1]) - _float(zero[2])) < _LEVEL_TOLERANCE
    zero_name = "highest occupied level" if is_homo else "Fermi energy"
    return XanesLog(
        version=_version(text),
        species={int(number): element for number, element in _SPECIES.findall(text)},
        labels=labels,
        lattice=alat * np.array(axes, dtype=float),
        site_labels=tuple(site[0] for site in sites),
        positions=alat * np.array([site[1:] for site in sites], dtype=float),
        volume=_float(_find(_VOLUME, text, path, "the volume of the cell")[1]) * BOHR**3,
        field=(_float(field[2]), _float(field[3]), _float(field[4])),
        is_cartesian=field[1] == "cartesian",
        energy_min=_float(limits[1]),
        energy_max=_float(limits[2]),
        n_energy=int(limits[3]),
        zero=_float(zero[2]),
        zero_name="xe0, set by hand" if zero[1] == "xe0" else zero_name,
        core_energy=_float(_find(_CORE, text, path, "the energy of the core level")[1]),
        n_converged=len(converged),
        n_unconverged=len(unconverged),
        n_iteration=max([*(int(n) for n, _ in converged), *(int(n) for n in unconverged)]),
        error=max((_float(error) for _, error in converged), default=0.0),
        is_saturated="Hilbert space is saturated" in text,
    )


def _read(path: Path, *, program: str, mark: str) -> str:
    """Return a log that its program ended itself, down to the rule below its last words."""
    if not path.is_file():
        raise ParseError(f"{path} is missing: {program} was not run, or its log was not kept")
    text = path.read_text(encoding="utf-8", errors="replace")
    found = _VERSION.search(text)
    if found is None or found[1] != program:
        raise ParseError(f"{path} is no output of {program}: expected 'Program {program} v.' at its top")
    end = text.rfind(mark)
    if end < 0 or not _RULE.match(text, end + len(mark)):
        raise ParseError(f"{path} is cut off: {program} did not get to {mark!r}, run it again")
    return text


def _version(text: str) -> str:
    found = _VERSION.search(text)
    return f"Quantum ESPRESSO {found[2]}" if found else ""


def _find(pattern: re.Pattern[str], text: str, path: Path, what: str) -> re.Match[str]:
    found = pattern.search(text)
    if found is None:
        raise ParseError(f"{path}: {what} is missing; expected the output of xspectra.x 5 to 7, run it again")
    return found


def _float(text: str) -> float:
    return float(re.sub("[dD]", "e", text))
