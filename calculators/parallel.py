"""How many cores a calculation takes, and starting its program as several processes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import Final

from whiteline.calculators.interface import Estimate
from whiteline.calculators.process import program_files

__all__ = [
    "MPI_ENVIRONMENT",
    "can_launch",
    "choose_cores",
    "cores_needed",
    "cores_started",
    "cores_taken",
    "is_launched",
    "launch",
    "programs_started",
]

_LAUNCHERS: Final = ("mpirun", "mpiexec", "mpiexec.hydra", "orterun", "prterun", "srun", "aprun", "jsrun", "ibrun")
_COUNTS: Final = ("-np", "-n", "--np", "--n", "--ntasks")
# Estimates are right within a factor of two or so.
_MARGIN: Final = 2.0

# What makes one `mpirun -np N` on one node right inside a container and inside an allocation of SLURM that several
# tasks share. Without it Open MPI asks SLURM for slots (one, in a job of one task with many cores) and starts through
# srun, which waits for a step that is taken; binds the processes of every mpirun to the same first cores; and refuses
# to run as root. Intel MPI and MPICH have variables of their own for the same, and each leaves the others' alone.
MPI_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_hwloc_base_binding_policy": "none",
        "OMPI_MCA_mpi_yield_when_idle": "1",
        "OMPI_MCA_plm": "isolated",
        "OMPI_MCA_ras": "^slurm",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        "PRTE_ALLOW_RUN_AS_ROOT": "1",
        "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_hwloc_default_binding_policy": "none",
        "PRTE_MCA_ras": "^slurm",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "I_MPI_HYDRA_BOOTSTRAP": "fork",
        "I_MPI_PIN": "off",
        "HYDRA_LAUNCHER": "fork",
        "HYDRA_RMK": "user",
    }
)


def is_launched(command: Sequence[str]) -> bool:
    """Return whether a command starts its program through a launcher of its own.

    >>> is_launched(["mpirun", "-np", "4", "pw.x"]), is_launched(["/opt/qe/bin/pw.x"])
    (True, False)
    """
    return any(Path(word).name in _LAUNCHERS for word in command)


def cores_started(command: Sequence[str], *, available: int) -> int:
    """Return on how many cores a command runs: what its launcher is told, all where that is told nothing, else one.

    >>> cores_started(["mpirun", "-np", "4", "vasp_std"], available=16), cores_started(["srun", "vasp"], available=16)
    (4, 16)
    """
    if not is_launched(command):
        return 1
    for word, following in zip(command, [*command[1:], ""], strict=True):
        name, _, value = word.partition("=")
        number = value or following
        if name in _COUNTS and number.isdecimal():
            return max(1, min(int(number), available))
    return available


def cores_taken(command: str, *, given: int) -> int:
    """Return on how many cores a command runs on this machine: what its launcher is told, else what it was given."""
    words = command.split()
    return cores_started(words, available=os.cpu_count() or 1) if is_launched(words) else given


def programs_started(*commands: str, n_processes: int) -> tuple[Path, ...]:
    """Return the files of the programs that commands start, where needed as several MPI processes, by `mpirun`."""
    needs_launcher = n_processes > 1 and not any(is_launched(command.split()) for command in commands)
    return program_files(*(["mpirun"] if needs_launcher else []), *commands)


def can_launch() -> bool:
    """Return whether this machine has an `mpirun`."""
    return shutil.which("mpirun") is not None


def launch(command: Sequence[str], *, n_processes: int) -> list[str]:
    """Return the command that starts a program as several MPI processes, by `mpirun`."""
    return list(command) if n_processes == 1 else ["mpirun", "-np", str(n_processes), *command]


def choose_cores(command: str, estimate: Estimate, *, available: int, memory: float | None, timeout: float) -> int:
    """Return the cores that a command takes by itself, else what `cores_needed` says."""
    words = command.split()
    if is_launched(words):
        return cores_started(words, available=available)
    return cores_needed(estimate, available=available, memory=memory, timeout=timeout)


def cores_needed(estimate: Estimate, *, available: int, memory: float | None, timeout: float) -> int:
    """Return the fewest cores that a calculation should get.

    Many calculations at once, a core each, waste none. One takes more where it needs the memory of more, and where
    one core would not end in half of the time limit.

    >>> cores_needed(Estimate(cpu_time=3600.0, memory=3000.0), available=16, memory=16000.0, timeout=86400.0)
    3

    Args:
        estimate: Its cost.
        available: Cores of the worker.
        memory: Memory of the worker [MB]; None where that is no matter.
        timeout: Longest wall time of the calculation [s].
    """
    by_memory = ceil(estimate.memory * available / memory) if memory else 1
    by_time = ceil(_MARGIN * estimate.cpu_time / timeout)
    return max(1, min(available, max(by_memory, by_time)))
