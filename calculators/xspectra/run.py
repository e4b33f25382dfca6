"""Running pw.x, then xspectra.x once for each direction of the field."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from whiteline.calculators.interface import RunReport
from whiteline.calculators.process import find_executable, run_command
from whiteline.calculators.xspectra.inputs import PREFIX
from whiteline.calculators.xspectra.logs import JOB_DONE, SCF_UNCONVERGED, XANES_DONE

__all__ = ["REMEDY", "run_xspectra"]

REMEDY: Final = "install Quantum ESPRESSO (Debian: `apt install quantum-espresso`)"
# The box that every program of Quantum ESPRESSO draws about its last words.
_ERROR_BOX = re.compile(r"%{20,}\s*\n(.*?)\n\s*%{20,}", re.DOTALL)


def run_xspectra(
    directory: Path, *, pw_command: str, xspectra_command: str, timeout: float, on_stage: Callable[[str], None]
) -> RunReport:
    """Run pw.x on scf.in and xspectra.x on every xanes.in below `directory`.

    Beside its input each run leaves its log, `scf.out` or `xanes.out`; the spectra are `xanes.dat`, and `xanes.sav`
    holds the Lanczos coefficients, from which xspectra.x draws the spectrum anew with another broadening
    (`xonly_plot`). Density and wavefunctions (`tmp`) are removed when all runs have ended well.

    A density that did not converge is no failure here: pw.x keeps what it has, the spectrum is computed from that,
    and its status says so.

    Args:
        directory: Run directory with the inputs.
        pw_command: Command that starts pw.x.
        xspectra_command: Command that starts xspectra.x.
        timeout: Longest wall time of one run of a program [s].
        on_stage: Called with the name of each stage as it starts.

    Raises:
        MissingDependencyError: An executable is not there.
    """
    pw = find_executable(pw_command, variable="WHITELINE_PW_COMMAND", remedy=REMEDY)
    xspectra = find_executable(xspectra_command, variable="WHITELINE_XSPECTRA_COMMAND", remedy=REMEDY)
    timings: dict[str, float] = {}
    runs = sorted(directory.rglob("xanes.in"))
    stages = [
        ("density (SCF)", pw, directory / "scf.in", JOB_DONE),
        *((f"Lanczos {path.parent.relative_to(directory)}", xspectra, path, XANES_DONE) for path in runs),
    ]
    for stage, command, path, mark in stages:
        on_stage(stage)
        started = time.monotonic()
        failure = _run_one(command, path, timeout=timeout, mark=mark)
        timings[stage] = round(time.monotonic() - started, 3)
        if failure:
            return RunReport(timings, f"{stage}: {failure}; see {path.with_suffix('.out')}")
        if command is pw:
            _complete_save(directory)
    shutil.rmtree(directory / "tmp", ignore_errors=True)
    return RunReport(timings)


def _run_one(command: list[str], path: Path, *, timeout: float, mark: str) -> str:
    """Return what went wrong with a program on one input; empty when it wrote that it did its work."""
    log = path.with_suffix(".out")
    environment = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    end = run_command(
        [*command, "-in", path.name], directory=path.parent, log=log, timeout=timeout, environment=environment
    )
    text = log.read_text(encoding="utf-8", errors="replace")
    if mark in text and (not end or SCF_UNCONVERGED in text):
        return ""
    box = _ERROR_BOX.search(text)
    words = f"{' '.join(box[1].split())} ({end or 'exit status 0'})" if box else end
    return words or f"{command[0]} ended with status 0, but did not write {mark!r}"


def _complete_save(directory: Path) -> None:
    """Put the pseudopotentials beside the density, where xspectra.x looks: pw.x does so only if that converged."""
    save = directory / "tmp" / f"{PREFIX}.save"
    for path in sorted((directory / "pseudo").glob("*")):
        if save.is_dir() and not (save / path.name).exists():
            shutil.copyfile(path, save / path.name)
