"""What exciting says about a run: INFO.OUT on the density, INFOXS.OUT on everything after it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["GroundStateLog", "SpectrumLog", "read_ground_state_log", "read_spectrum_log"]

_RULE = r"={80}\s*\Z"
_STARTED = re.compile(r"^\| EXCITING (\w+) started for task (\w+) \(\s*(\d+)\)", re.MULTILINE)
_STOPPED = re.compile(r"^= EXCITING \w+ stopped for task\s+(\d+)\s+=$", re.MULTILINE)
# Whole up to the rule below the last line: a log that is cut off is no success.
_FINISHED = re.compile(r"^= EXCITING \w+ stopped for task\s+445\s+=\n" + _RULE, re.MULTILINE)
_WALL = re.compile(r"wall time\s+:\s*([\d.]+) sec")
_GAP = re.compile(r"bsegap \(eV\):\s*(\d+\.\d+)$", re.MULTILINE)
_SOLUTIONS = re.compile(r"(\d+) eigen solutions found")
_HASH = re.compile(r"version hash id:\s*([0-9a-f]{7,40})")
_GROUND_STATE_STARTED = re.compile(r"^\| EXCITING (\w+) started\s+=$", re.MULTILINE)
_GROUND_STATE_FINISHED = re.compile(r"^\| EXCITING \w+ stopped\s+=\n" + _RULE, re.MULTILINE)
_ITERATION = re.compile(r"SCF iteration number\s*:\s*(\d+)")
_TOTAL_ENERGY = re.compile(r"^ Total energy\s+:\s*(-?\d+\.\d+)$", re.MULTILINE)
_FERMI_ENERGY = re.compile(r"^ Fermi energy\s+:\s*(-?\d+\.\d+)$", re.MULTILINE)
_GROUND_STATE_TIME = re.compile(r"Total time spent \(seconds\)\s+:\s*([\d.]+)")


@dataclass(frozen=True)
class SpectrumLog:
    """INFOXS.OUT.

    Attributes:
        version: Name of the version, e.g. `OXYGEN`; empty where it is not there.
        version_hash: Commit of the source; empty where it is not there.
        is_finished: Whether the Bethe-Salpeter solver came to its end.
        last_task: The task that was started last, e.g. `bse`; empty where there is none.
        timings: Wall time of each finished task [s].
        gap: Energy between the core level and the lowest conduction state in the Hamiltonian [eV].
        n_excitons: Number of solutions.
    """

    version: str
    version_hash: str
    is_finished: bool
    last_task: str
    timings: Mapping[str, float]
    gap: float | None
    n_excitons: int | None


@dataclass(frozen=True)
class GroundStateLog:
    """INFO.OUT.

    Attributes:
        version: Name of the version, e.g. `OXYGEN`; empty where it is not there.
        version_hash: Commit of the source; empty where it is not there.
        is_finished: Whether the log is whole.
        is_converged: Whether the density reached its targets.
        n_iterations: Iterations of the density.
        total_energy: Total energy of the cell [Hartree].
        fermi_energy: Fermi energy [Hartree].
        wall_time: Wall time [s].
    """

    version: str
    version_hash: str
    is_finished: bool
    is_converged: bool
    n_iterations: int
    total_energy: float | None
    fermi_energy: float | None
    wall_time: float | None


def read_spectrum_log(path: Path) -> SpectrumLog:
    """Return what INFOXS.OUT says."""
    text = path.read_text(encoding="utf-8", errors="replace")
    started = _STARTED.findall(text)
    stopped = set(_STOPPED.findall(text))
    walls = _WALL.findall(text)
    names = [name for _, name, number in started if number in stopped]
    solutions = _SOLUTIONS.findall(text)
    gap = _GAP.search(text)
    return SpectrumLog(
        version=started[0][0] if started else "",
        version_hash=_first(_HASH, text),
        is_finished=bool(_FINISHED.search(text)),
        last_task=started[-1][1] if started else "",
        timings=dict(zip(names, map(float, walls), strict=False)),
        gap=float(gap.group(1)) if gap else None,
        n_excitons=int(solutions[-1]) if solutions else None,
    )


def read_ground_state_log(path: Path) -> GroundStateLog:
    """Return what INFO.OUT says.

    WARNINGS.OUT is no witness: each one-shot calculation of states on another k grid leaves the same warning there,
    `Reached self-consistent loops maximum`, as a density that did not converge.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    iterations = _ITERATION.findall(text)
    energies, fermi = _TOTAL_ENERGY.findall(text), _FERMI_ENERGY.findall(text)
    time = _GROUND_STATE_TIME.search(text)
    return GroundStateLog(
        version=_first(_GROUND_STATE_STARTED, text),
        version_hash=_first(_HASH, text),
        is_finished=bool(_GROUND_STATE_FINISHED.search(text)),
        is_converged="Convergence targets achieved" in text and "Reached self-consistent loops maximum" not in text,
        n_iterations=int(iterations[-1]) if iterations else 0,
        total_energy=float(energies[-1]) if energies else None,
        fermi_energy=float(fermi[-1]) if fermi else None,
        wall_time=float(time.group(1)) if time else None,
    )


def _first(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match.group(1) if match else ""
