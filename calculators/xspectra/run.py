"""Running pw.x, then xspectra.x once for each direction of the field."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from whiteline.calculators.interface import RunReport
from whiteline.calculators.parallel import MPI_ENVIRONMENT, can_launch, is_launched, launch
from whiteline.calculators.process import find_executable
from whiteline.calculators.xspectra.inputs import PREFIX
from whiteline.calculators.xspectra.layout import Layout, choose_layout, read_size
from whiteline.calculators.xspectra.programs import REMEDY, is_parallel
from whiteline.calculators.xspectra.stages import Stage, density_stage, lanczos_stage, run_stage

__all__ = ["can_continue", "run_xspectra"]


def run_xspectra(
    directory: Path,
    *,
    pw_command: str,
    xspectra_command: str,
    timeout: float,
    on_stage: Callable[[str], None],
    cores: int = 1,
    memory: float | None = None,
) -> RunReport:
    """Run pw.x on scf.in and xspectra.x on every xanes.in below `directory`.

    Beside its input each run leaves its log, `scf.out` or `xanes.out`; the spectra are `xanes.dat`, and `xanes.sav`
    holds the Lanczos coefficients, from which xspectra.x draws the spectrum anew with another broadening
    (`xonly_plot`). Density and wavefunctions (`tmp`) are removed when all runs have ended well.

    What an interrupted run on the same inputs left in `directory` is gone on from; what is not of the same inputs is
    removed.

    A density that did not converge is no failure here: pw.x keeps what it has, the spectrum is computed from that,
    and its status says so.

    Args:
        directory: Run directory with the inputs.
        pw_command: Command that starts pw.x.
        xspectra_command: Command that starts xspectra.x.
        timeout: Longest wall time of one run of a program [s].
        on_stage: Called with the name of each stage as it starts.
        cores: Cores to use, where the commands do not start several processes themselves.
        memory: Memory of these cores [MB]; None where that is no matter.

    Raises:
        MissingDependencyError: An executable is not there.
    """
    pw = find_executable(pw_command, variable="WHITELINE_PW_COMMAND", remedy=REMEDY)
    xspectra = find_executable(xspectra_command, variable="WHITELINE_XSPECTRA_COMMAND", remedy=REMEDY)
    environment = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    layouts: tuple[Layout, ...] = (Layout(), Layout())
    if cores > 1 and can_launch() and all(_may_be_spread(words) for words in (pw, xspectra)):
        size = read_size(directory)
        counts = (size.n_scf_kpoints, size.n_kpoints)
        layouts = tuple(choose_layout(n, cores=cores, memory=size.memory, available=memory) for n in counts)
        environment |= MPI_ENVIRONMENT
    density, *spectra = _stages(directory, _spread(pw, layouts[0]), _spread(xspectra, layouts[1]), layout=layouts[0])
    timings: dict[str, float] = {}
    if not density.is_done and not _are_done(density, spectra):
        for stage in spectra:
            # Coefficients that belong to another density are of no use to this one.
            stage.part.unlink(missing_ok=True)
        spectra = [density, *spectra]
    for stage in spectra:
        if stage.is_done:
            continue
        on_stage(stage.name)
        started = time.monotonic()
        failure, cause = run_stage(stage, timeout=timeout, environment=environment)
        timings[stage.name] = round(time.monotonic() - started, 3)
        if failure:
            return RunReport(timings, f"{stage.name}: {failure}", cause)
        if stage is density:
            _complete_save(directory)
    shutil.rmtree(directory / "tmp", ignore_errors=True)
    return RunReport(timings)


def can_continue(directory: Path) -> bool:
    """Return whether an interrupted run left what `run_xspectra` goes on from."""
    if not (directory / "scf.in").is_file():
        return False
    density, *spectra = _stages(directory, [], [], layout=None)
    return density.is_done or density.can_go_on or _are_done(density, spectra)


def _are_done(density: Stage, spectra: list[Stage]) -> bool:
    """Return whether all spectra are there, after which the density may be gone."""
    return bool(spectra) and density.is_of_input and all(stage.is_done for stage in spectra)


def _stages(directory: Path, pw: list[str], xspectra: list[str], *, layout: Layout | None) -> list[Stage]:
    runs = sorted(directory.rglob("xanes.in"))
    density = density_stage(directory, pw, layout="" if layout is None else str(layout))
    return [density, *(lanczos_stage(directory, path, xspectra) for path in runs)]


def _may_be_spread(words: list[str]) -> bool:
    return len(words) == 1 and not is_launched(words) and is_parallel(words[0])


def _spread(words: list[str], layout: Layout) -> list[str]:
    return [*launch(words, n_processes=layout.n_processes), *layout.arguments]


def _complete_save(directory: Path) -> None:
    """Put the pseudopotentials beside the density, where xspectra.x looks: pw.x does so only if that converged."""
    save = directory / "tmp" / f"{PREFIX}.save"
    for path in sorted((directory / "pseudo").glob("*")):
        if save.is_dir() and not (save / path.name).exists():
            shutil.copyfile(path, save / path.name)
