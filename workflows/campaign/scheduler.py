"""What the job of a scheduler gives to the process in it: cores, memory, and when it ends."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

__all__ = ["Allocation", "read_allocation"]

_PATIENCE: Final = 10.0  # s that squeue may take to answer


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """What this process may use.

    Attributes:
        job: What the scheduler calls its job, e.g. `slurm 4711`; empty outside of one.
        cores: Cores of this node that belong to it.
        memory: Memory of this node that belongs to it [MB]; None without a limit that is known.
        ends_at: When it ends [s since 1970, by the clock of this machine]; None without an end.
    """

    job: str = ""
    cores: int = 1
    memory: float | None = None
    ends_at: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """Time until it ends [s], at least 0; None without an end."""
        return None if self.ends_at is None else max(0.0, self.ends_at - time.time())


def read_allocation(environment: Mapping[str, str] | None = None) -> Allocation:
    """Return what SLURM gave to this process, or the cores that it may run on where it is in no job.

    >>> slurm = {"SLURM_JOB_ID": "4711", "SLURM_CPUS_ON_NODE": "1", "SLURM_JOB_END_TIME": "1767225600"}
    >>> read_allocation(slurm)
    Allocation(job='slurm 4711', cores=1, memory=None, ends_at=1767225600.0)

    Args:
        environment: Environment variables; those of this process when None.
    """
    given = os.environ if environment is None else environment
    # Never more than the cores that this process may run on, whatever the scheduler says it gave.
    allowed = len(os.sched_getaffinity(0))
    job_id = given.get("SLURM_JOB_ID", "")
    if not job_id:
        return Allocation(cores=allowed)
    cores = max(1, min(_cores(given) or allowed, allowed))
    return Allocation(job=_label(given), cores=cores, memory=_memory(given, cores), ends_at=_end(given, job_id))


def _label(given: Mapping[str, str]) -> str:
    array, task = given.get("SLURM_ARRAY_JOB_ID"), given.get("SLURM_ARRAY_TASK_ID")
    return f"slurm {array}_{task}" if array and task else f"slurm {given['SLURM_JOB_ID']}"


def _cores(given: Mapping[str, str]) -> int | None:
    """Return the cores of one task of `srun`, of which a node may run several, else all that the job has here."""
    if given.get("SLURM_STEP_ID", "").isdigit():
        return _whole(given, "SLURM_CPUS_PER_TASK") or 1
    return _whole(given, "SLURM_CPUS_ON_NODE")


def _memory(given: Mapping[str, str], cores: int) -> float | None:
    """Return the memory [MB]; SLURM writes 0 for all that the node has."""
    if per_core := _whole(given, "SLURM_MEM_PER_CPU"):
        return float(per_core * cores)
    of_node = _whole(given, "SLURM_MEM_PER_NODE")
    return float(of_node) if of_node else None


def _end(given: Mapping[str, str], job_id: str) -> float | None:
    """Return the end of the job [s since 1970]; SLURM before version 22.05 has to be asked for it."""
    if end := _whole(given, "SLURM_JOB_END_TIME"):
        return float(end)
    if not job_id.isdigit():
        return None
    try:
        answer = subprocess.run(
            ["squeue", "--noheader", "--jobs", job_id, "--format", "%e"],  # noqa: S607  # where it is differs by site
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    # "NONE", "N/A" and "UNLIMITED" stand for no end; times are local.
    found = re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", answer)
    return datetime.fromisoformat(found.group()).timestamp() if found else None


def _whole(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name, "")
    return int(text) if text.isdigit() else None
