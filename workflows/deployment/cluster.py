"""What SLURM says of its partitions, and of a script before it is submitted."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from whiteline.errors import CalculationError, MissingDependencyError, ParameterError, did_you_mean
from whiteline.workflows.deployment.deployment import parse_walltime

__all__ = [
    "Partition",
    "cancel_job",
    "check_partition",
    "has_slurm",
    "header_of",
    "job_state",
    "read_partitions",
    "refusal_of",
    "submit_script",
]

_PATIENCE: Final = 60.0  # s that a command of SLURM may take; a busy controller keeps one waiting
_STATES: Final = ("JobState", "Reason", "ExitCode")


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A partition, as far as `sinfo` describes it.

    Attributes:
        name: Its name.
        is_default: Whether jobs go there that name none.
        walltime: Longest time of a job [s]; None without a limit.
        cores: Cores of its largest node.
        memory: Memory of its largest node [MB].
        has_gpu: Whether a node of it has a GPU.
    """

    name: str
    is_default: bool = False
    walltime: float | None = None
    cores: int = 0
    memory: int = 0
    has_gpu: bool = False


def has_slurm() -> bool:
    """Return whether jobs can be submitted from here."""
    return shutil.which("sbatch") is not None


def read_partitions() -> dict[str, Partition]:
    """Return the partitions by name.

    Raises:
        MissingDependencyError: There is no SLURM here.
        CalculationError: Its controller does not answer.
    """
    done = _run(["sinfo", "--noheader", "--format=%P|%l|%c|%m|%G"])
    if done.returncode:
        raise CalculationError(
            f"SLURM does not answer ({_said(done)}): wait for its controller, or ask who runs the cluster"
        )
    found: dict[str, Partition] = {}
    for line in done.stdout.splitlines():
        name, limit, cores, memory, devices = (*line.split("|"), "", "", "", "")[:5]
        plain = name.rstrip("*")
        before = found.get(plain, Partition(name=plain))
        # A partition has a line for each kind of node in it.
        found[plain] = Partition(
            name=plain,
            is_default=name.endswith("*"),
            walltime=_limit(limit),
            cores=max(before.cores, _first_number(cores)),
            memory=max(before.memory, _first_number(memory)),
            has_gpu=before.has_gpu or "gpu" in devices,
        )
    return found


def check_partition(
    partitions: Iterable[Partition], name: str, *, walltime: float | None, cores: int = 0, memory: int | None = None
) -> Partition | None:
    """Return the partition of this name, or the default one; None where SLURM names none.

    Args:
        partitions: Those that there are.
        name: The wanted one; empty takes the default.
        walltime: Time of a job [s].
        cores: Its cores, on one node.
        memory: Its memory [MB], on one node.

    Raises:
        ParameterError: There is no such partition, or the job does not fit into it.
    """
    known = {partition.name: partition for partition in partitions}
    if name and name not in known:
        raise ParameterError(f"SLURM has no partition {name!r}: {did_you_mean(name, known)}")
    found = known.get(name) or next((partition for partition in known.values() if partition.is_default), None)
    if found is None:
        return None
    for what, wanted, limit, unit in (
        ("walltime", (walltime or 0) / 3600, (found.walltime or 0) / 3600, " h"),
        ("cores", cores, found.cores, ""),
        ("memory", memory or 0, found.memory, " MB"),
    ):
        if limit and wanted > limit:
            raise ParameterError(
                f"partition {found.name!r} has {what} of at most {limit:.8g}{unit}, got {wanted:.8g}{unit}: take less, "
                "another partition"
            )
    return found


def refusal_of(script: str) -> str:
    """Return why SLURM would not take a script; empty where it would."""
    done = _run(["sbatch", "--test-only"], text=script)
    return _said(done) if done.returncode else ""


def header_of(script: str) -> dict[str, str]:
    """Return the long options that a script asks of SLURM.

    >>> header_of("#!/bin/bash\\n#SBATCH --partition=main\\n#SBATCH --requeue\\n")
    {'partition': 'main', 'requeue': ''}
    """
    return {m[1]: m[2] or "" for m in re.finditer(r"^#SBATCH\s+--([a-z-]+)(?:=(.*))?$", script, re.MULTILINE)}


def submit_script(script: str, options: Sequence[str] = ()) -> str:
    """Submit a script and return the number of its job; `options` come before those in the script.

    Raises:
        CalculationError: SLURM refuses.
    """
    done = _run(["sbatch", "--parsable", *options], text=script)
    if done.returncode:
        raise CalculationError(f"SLURM refuses the job: {_said(done)}")
    return done.stdout.strip().partition(";")[0]


def job_state(job: str) -> tuple[str, str]:
    """Return the state of a job, e.g. `PENDING`, and its reason; empty where SLURM knows nothing more of it."""
    done = _run(["scontrol", "--oneliner", "show", "job", job])
    found = dict(re.findall(rf"\b({'|'.join(_STATES)})=(\S+)", done.stdout)) if not done.returncode else {}
    return found.get("JobState", ""), found.get("Reason", "").replace("None", "")


def cancel_job(job: str) -> None:
    """Cancel a job, if it still waits or runs."""
    _run(["scancel", "--quiet", job])


def _run(command: Sequence[str], *, text: str | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=_PATIENCE, check=False, errors="replace"
        )
    except FileNotFoundError as error:
        raise MissingDependencyError(
            f"no {command[0]} on the PATH: this must run where jobs are submitted, e.g. on a login node of the cluster"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CalculationError(f"{command[0]} does not answer within {_PATIENCE:.0f} s: wait for SLURM") from error


def _said(done: subprocess.CompletedProcess[str]) -> str:
    words = [line.partition("error:")[2].strip() or line.strip() for line in done.stderr.splitlines() if line.strip()]
    return "; ".join(dict.fromkeys(words)) or f"exit status {done.returncode}"


def _limit(text: str) -> float | None:
    try:
        return parse_walltime(text)
    except ParameterError:  # "infinite"
        return None


def _first_number(text: str) -> int:
    match = re.match(r"\d+", text)
    return int(match[0]) if match else 0
