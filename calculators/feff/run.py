"""Running FEFF: the FEFF10 wheel in a child process, or an external executable."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

from whiteline.calculators.interface import RunReport
from whiteline.calculators.process import (
    GuardedProcess,
    cause_of_end,
    describe_end,
    find_executable,
    last_words,
    run_command,
)
from whiteline.causes import Cause

__all__ = ["ELNES_STAGES", "LOG_NAME", "XANES_STAGES", "run_feff", "wheel_files"]

LOG_NAME = "feff.log"

# What a XANES spectrum needs, in order; the other modules of the wheel would only start and stop.
XANES_STAGES = ("rdinp", "atomic", "pot", "screen", "xsph", "fms", "mkgtr", "path", "genfmt", "ff2x")
ELNES_STAGES = (*XANES_STAGES, "eels")
_STAGE_WORDS = {
    "rdinp": "reading input",
    "atomic": "free atoms",
    "pot": "potentials (SCF)",
    "screen": "core-hole screening",
    "xsph": "cross-section",
    "fms": "multiple scattering",
    "mkgtr": "Green's function",
    "path": "paths",
    "genfmt": "paths",
    "ff2x": "spectrum",
    "eels": "energy loss",
}
# Of pot, when the numbers of electrons of an iteration make no sense and go on doing so.
_GAVE_UP = "Bad counts found repeatedly"
_ENVIRONMENT = {
    # FEFF allocates and frees its matrices at every energy. With glibc's defaults each time costs millions of
    # page faults (benchmarks/platform_overhead.py); keeping the memory in the process changes no result.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TOP_PAD_": str(2**26),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    # The wheel computes in a thread, whose own arena glibc limits to 64 MB: what is larger would go back to the system
    # at every energy all the same (from clusters of 175 atoms, eight times slower).
    "MALLOC_ARENA_MAX": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def run_feff(
    directory: Path,
    *,
    command: str = "",
    timeout: float,
    on_stage: Callable[[str], None],
    stages: Sequence[str] = XANES_STAGES,
) -> RunReport:
    """Run FEFF on the feff.inp in `directory`; its chatter goes to feff.log there.

    Args:
        directory: Run directory that holds feff.inp and nothing of another run.
        command: External executable with arguments, started in the directory; empty takes the wheel.
        timeout: Longest wall time [s].
        on_stage: Called with the name of each stage as it starts.
        stages: Modules of the wheel, in order; an external executable decides by itself.

    Raises:
        MissingDependencyError: The external executable does not exist.
    """
    if command:
        words = find_executable(command, variable="WHITELINE_FEFF_COMMAND", remedy="unset it to use the FEFF10 wheel")
        return _run_external(directory, words, timeout, on_stage)
    return _run_wheel(directory, timeout, on_stage, stages)


@cache
def wheel_files() -> tuple[Path, ...]:
    """Return the compiled module of the FEFF10 wheel; it is not imported here."""
    found = find_spec("feff10")
    if found is None or found.origin is None:
        return ()
    modules = Path(found.origin).parent.glob("_feff10*")
    return tuple(sorted(path for path in modules if path.name.endswith(tuple(EXTENSION_SUFFIXES))))


def _run_wheel(directory: Path, timeout: float, on_stage: Callable[[str], None], stages: Sequence[str]) -> RunReport:
    read_fd, write_fd = os.pipe()
    wheel = Path(__file__).with_name("wheel.py")
    timings: dict[str, float] = {}
    failure = ""
    with os.fdopen(read_fd, encoding="utf-8") as messages:
        try:
            process = GuardedProcess(
                [sys.executable, "-P", str(wheel), str(write_fd), *stages],
                directory=directory,
                log=directory / LOG_NAME,
                timeout=timeout,
                environment=_ENVIRONMENT,
                pass_fds=[write_fd],
            )
        finally:
            os.close(write_fd)
        with process:
            for line in messages:
                message = json.loads(line)
                if "error" in message:
                    # Behind the mark the wheel copies a note that FEFF leaves on every crash and that says nothing.
                    failure = f"{message['error_type']}: {message['error'].split('.feff.error:')[0].strip()}"
                elif message["kind"] == "starting":
                    on_stage(_STAGE_WORDS.get(message["stage"], message["stage"]))
                else:
                    timings[message["stage"]] = round(message["seconds"], 3)
            code = process.wait()
    log = directory / LOG_NAME
    failure = f"{failure} [{last_words(log)}]" if failure and not process.is_timed_out else ""
    return _report(timings, failure or describe_end(process, code, log), log)


def _run_external(directory: Path, command: list[str], timeout: float, on_stage: Callable[[str], None]) -> RunReport:
    on_stage("FEFF")
    started = time.monotonic()
    failure = run_command(
        command, directory=directory, log=directory / LOG_NAME, timeout=timeout, environment=_ENVIRONMENT
    )
    return _report({"feff": round(time.monotonic() - started, 3)}, failure, directory / LOG_NAME)


def _report(timings: dict[str, float], failure: str, log: Path) -> RunReport:
    cause = cause_of_end(failure, log)
    if cause is Cause.CRASH and _GAVE_UP in log.read_text(encoding="utf-8", errors="replace"):
        # The stage of the potentials ends as if all were well, and the one behind it finds nothing to go on from.
        return RunReport(timings, f"the potentials (SCF) came to nothing, FEFF says: {_GAVE_UP}; {failure}", Cause.SCF)
    return RunReport(timings, failure, cause)
