"""Running exciting in the folder of its input.xml."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from whiteline.calculators.exciting.logs import read_ground_state_log, read_spectrum_log
from whiteline.calculators.interface import RunReport
from whiteline.calculators.parallel import is_launched
from whiteline.calculators.process import cause_of_end, find_executable, last_words, run_command

__all__ = ["LOG_NAME", "REMEDY", "VARIABLE", "run_exciting"]

LOG_NAME = "exciting.log"
VARIABLE = "WHITELINE_EXCITING_COMMAND"
REMEDY = "build exciting (https://www.exciting-code.org)"

_FULL_DISK = "No space left on device"


def run_exciting(
    directory: Path, *, command: str, timeout: float, on_stage: Callable[[str], None], cores: int = 1
) -> RunReport:
    """Run exciting on the input.xml in `directory`; its chatter goes to exciting.log there.

    exciting may end with any exit status: a run is a success when INFOXS.OUT says that the Bethe-Salpeter solver came
    to its end, and nothing else is.

    Args:
        directory: Run directory that holds input.xml and the species files, and nothing of another run.
        command: Program with arguments, e.g. `mpirun -np 16 exciting_mpismp`.
        timeout: Longest wall time [s].
        on_stage: Called with the name of the stage as it starts.
        cores: Threads, where the command does not start several processes itself.

    Raises:
        MissingDependencyError: The executable does not exist.
    """
    words = find_executable(command, variable=VARIABLE, remedy=REMEDY)
    on_stage("density and spectrum")
    started = time.monotonic()
    log = directory / LOG_NAME
    environment = {"OMP_NUM_THREADS": str(cores)} if cores > 1 and not is_launched(words) else {}
    end = run_command(words, directory=directory, log=log, timeout=timeout, environment=environment)
    timings = {"exciting": round(time.monotonic() - started, 3)}
    ground_state, spectrum = directory / "INFO.OUT", directory / "INFOXS.OUT"
    if not ground_state.is_file() and not spectrum.is_file():
        return _failed("the start, before it wrote INFO.OUT", end, log, timings)
    if ground_state.is_file():
        density = read_ground_state_log(ground_state)
        if density.wall_time is not None:
            timings["density"] = density.wall_time
        if not density.is_finished:
            return _failed(f"the density, iteration {density.n_iterations} (INFO.OUT)", end, log, timings)
    if not spectrum.is_file():
        return _failed("the start of the spectrum, before it wrote INFOXS.OUT", end, log, timings)
    tasks = read_spectrum_log(spectrum)
    timings |= tasks.timings
    if not tasks.is_finished:
        return _failed(f"task {tasks.last_task or 'unknown'} (INFOXS.OUT)", end, log, timings)
    return RunReport(timings)


def _failed(stage: str, end: str, log: Path, timings: Mapping[str, float]) -> RunReport:
    words = end or f"exit status 0, but the work is not done [{last_words(log)}]"
    remedy = "free space on the disk and run again" if _FULL_DISK in words else f"see {LOG_NAME}"
    return RunReport(timings, f"exciting ended in {stage}: {words}: {remedy}", cause_of_end(words, log))
