"""Running OCEAN: `ocean.pl ocean.in` in a fresh directory."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from whiteline.calculators.interface import RunReport
from whiteline.calculators.ocean.inputs import INPUT_NAME
from whiteline.calculators.ocean.resolved import LOG_NAME, find_cause, find_failure
from whiteline.calculators.process import find_executable, run_command
from whiteline.causes import Cause

__all__ = ["find_ocean", "run_ocean", "split_command"]

_REMEDY = "install OCEAN 3 and name its ocean.pl"
_TIME = re.compile(r"^Time (\w+): +([\d.]+)", re.MULTILINE)
# What OCEAN's programs say when they stumble, in their own logs, and what helps.
_HINTS = (
    (
        Cause.DISK_FULL,
        re.compile(r"No space left on device|Disk quota exceeded"),
        "the disk is full: free space, or move WHITELINE_RUN_DIRECTORY",
    ),
    (
        Cause.SCREENING,
        re.compile(r"malloc\(\): corrupted top size"),
        "the screening grid ends inside the augmentation radius: start screen_grid_shells_bohr with -1, 5",
    ),
    (
        Cause.SETUP,
        re.compile(r"(mpirun|mpiexec|srun)\S*: (command )?not found|not enough slots|PMIX ERROR|ORTE_ERROR"),
        "MPI did not start: correct what stands before ocean.pl in WHITELINE_OCEAN_COMMAND",
    ),
    (
        Cause.INPUT,
        re.compile(r"Failed to validate options file"),
        "the header of the UPF is not one OCEAN reads: use an ONCVPSP file with its input beside it",
    ),
    (
        Cause.INPUT,
        re.compile(r"Unrecognized input flag"),
        "this version of OCEAN does not know an input card: use OCEAN 3.0 to 3.2",
    ),
)


def split_command(command: str) -> tuple[str, str]:
    """Return what starts a parallel program, and the command of OCEAN itself.

    OCEAN starts its parallel programs on its own, with a prefix from its input.

    >>> split_command("mpirun -np 24 ocean.pl")
    ('mpirun -np 24', 'ocean.pl')
    """
    words = command.rsplit(maxsplit=1)
    return (words[0], words[1]) if len(words) > 1 else ("", command)


def find_ocean(command: str) -> list[str]:
    """Return the words of the command of OCEAN itself.

    Raises:
        MissingDependencyError: It does not exist or is not executable.
    """
    return find_executable(split_command(command)[1], variable="WHITELINE_OCEAN_COMMAND", remedy=_REMEDY)


def run_ocean(
    directory: Path,
    *,
    command: str,
    timeout: float,
    on_stage: Callable[[str], None],
    environment: Mapping[str, str] | None = None,
) -> RunReport:
    """Run OCEAN on the ocean.in in `directory`; its chatter goes to stdout.log there.

    Args:
        directory: Run directory that holds the inputs and nothing of another run: OCEAN would continue that one from
            the first stage that it takes for changed.
        command: OCEAN's ocean.pl, behind what starts a parallel program.
        timeout: Longest wall time [s].
        on_stage: Called with the name of the stage as it starts.
        environment: Variables set on top of the caller's.

    Raises:
        MissingDependencyError: The executable does not exist.
    """
    words = find_ocean(command)
    if (directory / "Common").exists():
        return RunReport(
            failure=f"{directory} holds an earlier run of OCEAN, which would be continued: use a new folder"
        )
    on_stage("OCEAN")
    started = time.monotonic()
    log = directory / LOG_NAME
    ended = run_command([*words, INPUT_NAME], directory=directory, log=log, timeout=timeout, environment=environment)
    text = log.read_text(encoding="utf-8", errors="replace")
    timings = {name: float(seconds) for name, seconds in _TIME.findall(text)}
    timings["ocean"] = round(time.monotonic() - started, 3)
    failure = "; ".join(words for words in (find_failure(directory), ended) if words)
    if not failure:
        return RunReport(timings)
    cause, hint = _hint(directory)
    return RunReport(timings, f"{failure}{hint}", cause or find_cause(directory, failure, end=ended))


def _hint(directory: Path) -> tuple[Cause | None, str]:
    """Return the cause of a failure that left its words in a log, and what helps; None and empty for no known one."""
    logs = [directory / LOG_NAME, *sorted(directory.glob("*/*.log"))]
    for path in logs:
        text = path.read_text(encoding="utf-8", errors="replace")
        for cause, pattern, remedy in _HINTS:
            if pattern.search(text):
                return cause, f" ({path.name}: {remedy})"
    return None, ""
