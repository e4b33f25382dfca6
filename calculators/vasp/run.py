"""Running VASP in a directory whose inputs are whole and in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from whiteline.calculators.interface import RunReport
from whiteline.calculators.parallel import MPI_ENVIRONMENT, can_launch, is_launched, launch
from whiteline.calculators.process import cause_of_end, find_executable, last_words, run_command
from whiteline.calculators.vasp.diagnosis import diagnose
from whiteline.calculators.vasp.inputs import GROUND_STATE
from whiteline.calculators.vasp.matching import poscar_elements
from whiteline.calculators.vasp.potentials import read_potcars
from whiteline.causes import Cause
from whiteline.errors import MissingDependencyError, ParameterError

__all__ = ["LOG_NAME", "run_vasp"]

LOG_NAME = "vasp.log"

_VARIABLE = "WHITELINE_VASP_COMMAND"
_REMEDY = "install VASP 6 (https://www.vasp.at); it needs a licence"
_TAIL = 20_000  # bytes; VASP's timings are shorter


def run_vasp(
    directory: Path, *, command: str, timeout: float, on_stage: Callable[[str], None], cores: int = 1
) -> RunReport:
    """Run VASP on the neutral cell, where there is one, and on the core-hole cell.

    Args:
        directory: Run directory with INCAR, KPOINTS, POSCAR and POTCAR.
        command: Command that starts VASP, e.g. `mpirun -np 32 vasp_std`.
        timeout: Longest wall time of one of the two runs [s].
        on_stage: Called with the name of each stage as it starts.
        cores: MPI processes, where the command does not start several itself.

    Raises:
        MissingDependencyError: VASP is not there, or the directory has no POTCAR.
    """
    words = find_executable(command, variable=_VARIABLE, remedy=_REMEDY)
    environment = {}
    if cores > 1 and not is_launched(words) and can_launch():
        words, environment = launch(words, n_processes=cores), dict(MPI_ENVIRONMENT)
    stages = {"core hole": directory}
    if (directory / GROUND_STATE).is_dir():
        stages = {"ground state": directory / GROUND_STATE, **stages}
    # All inputs are looked at before anything takes hours.
    for stage, folder in stages.items():
        problem = _check_inputs(folder)
        if problem:
            return RunReport(failure=f"{stage}: {problem}", cause=Cause.INPUT)
    timings: dict[str, float] = {}
    for stage, folder in stages.items():
        on_stage(stage)
        started = time.monotonic()
        failure = run_command(words, directory=folder, log=folder / LOG_NAME, timeout=timeout, environment=environment)
        timings[stage] = round(time.monotonic() - started, 3)
        failure = failure or _check_end(folder)
        if failure:
            return _failed(folder, f"{stage}: {failure}", timings)
    return RunReport(timings)


def _failed(folder: Path, failure: str, timings: Mapping[str, float]) -> RunReport:
    """Return the report of a failed run, with its cause and what custodian makes of it."""
    cause = cause_of_end(failure, folder / LOG_NAME)
    if cause is not None and cause.is_of_machine and cause is not Cause.MEMORY:
        return RunReport(timings, failure, cause)
    diagnosis = diagnose(folder, log=LOG_NAME)
    if diagnosis is None:
        return RunReport(timings, failure, cause)
    return RunReport(timings, f"{failure}; {diagnosis.words}", diagnosis.cause or cause)


def _check_inputs(folder: Path) -> str:
    """Return what is wrong with the inputs; empty when nothing is."""
    potcar = folder / "POTCAR"
    if not potcar.is_file():
        raise MissingDependencyError(
            f"{folder} has no POTCAR: set WHITELINE_VASP_POTCARS and write the inputs again, or put the potentials "
            "that POTCAR.spec lists there, in its order"
        )
    absent = [name for name in ("INCAR", "KPOINTS", "POSCAR") if not (folder / name).is_file()]
    if absent:
        return f"{folder} lacks {', '.join(absent)}: write the inputs again"
    try:
        found = [
            p.element for p in read_potcars(potcar.read_text(encoding="utf-8", errors="replace"), source=str(potcar))
        ]
    except ParameterError as error:
        return str(error)
    expected = poscar_elements((folder / "POSCAR").read_text(encoding="utf-8", errors="replace"))
    if expected is None:
        return f"{folder / 'POSCAR'} does not name its species in line 6: write the inputs again"
    if found != expected:
        return (
            f"{potcar} holds {' '.join(found)}, but the POSCAR has the species {' '.join(expected)}: put the "
            "potentials in the order of the POSCAR, the absorber's first"
        )
    return ""


def _check_end(folder: Path) -> str:
    """Return why a run that ended with status 0 is none; VASP leaves many of its errors without a status."""
    log = last_words(folder / LOG_NAME)
    outcar = folder / "OUTCAR"
    if not outcar.is_file():
        return f"VASP wrote no OUTCAR [{log}]"
    with outcar.open("rb") as file:
        file.seek(max(outcar.stat().st_size - _TAIL, 0))
        is_whole = b"General timing and accounting" in file.read()
    return "" if is_whole else f"VASP stopped before its end, {outcar} is cut off [{log}]"
