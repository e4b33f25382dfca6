"""Runs of a stand-in for exciting, and everything that can go wrong."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from whiteline.absorber import Absorber
from whiteline.calculators.exciting import ExcitingCalculator, ExcitingParameters
from whiteline.calculators.exciting.run import LOG_NAME, run_exciting
from whiteline.calculators.interface import Level, RunReport
from whiteline.edges import Edge
from whiteline.errors import MissingDependencyError
from whiteline.settings import Settings
from whiteline.status import Status


def stand_in(tmp_path: Path, code: str) -> str:
    """Return a command that runs a line of Python in the run directory."""
    script = tmp_path / "exciting stand-in.py"
    script.write_text(f"import pathlib, shutil, sys, time\n{code}\n")
    return shlex.join([sys.executable, str(script)])


def run(tmp_path: Path, code: str, *, timeout: float = 60) -> RunReport:
    directory = tmp_path / "run"
    directory.mkdir(exist_ok=True)
    return run_exciting(directory, command=stand_in(tmp_path, code), timeout=timeout, on_stage=lambda _: None)


def copies(data: Path, *names: str) -> str:
    """Return code that writes files of the sample, cut off where a name says so (`INFO.OUT:470`)."""
    lines = []
    for name in names:
        file, _, n_lines = name.partition(":")
        source = str(data / "exciting" / "BN" / file)
        lines.append(f"lines = pathlib.Path({source!r}).read_text().splitlines(keepends=True)")
        lines.append(f"pathlib.Path({file!r}).parent.mkdir(exist_ok=True)")
        lines.append(f"pathlib.Path({file!r}).write_text(''.join(lines[:{n_lines or 'None'}]))")
    return "\n".join(lines)


@pytest.mark.parametrize("status", [0, 1])
def test_a_run_is_a_success_by_its_log_and_not_by_its_exit_status(
    tmp_path: Path, data: Path, boron_nitride: Absorber, species: Path, status: int
) -> None:
    tables = [f"EPSILON/EPSILON_BSE-singlet-TDA-BAR_SCR-full_OC{axes}.OUT" for axes in ("11", "22", "33")]
    code = copies(data, "INFO.OUT", "INFOXS.OUT", *tables, "input.xml") + f"\nsys.exit({status})"
    settings = Settings(exciting_command=stand_in(tmp_path, code), exciting_species=species)
    calculator = ExcitingCalculator.from_settings({}, settings)
    directory = tmp_path / "run – ö"
    directory.mkdir()
    stages: list[str] = []
    report = calculator.run(directory, on_stage=stages.append)
    assert (report.failure, stages) == ("", ["density and spectrum"])
    # Seconds that the logs state.
    assert report.timings["density"] == 9.21
    assert set(report.timings) >= {"exciting", "xsgeneigvec", "screen", "bse"}
    assert calculator.parse(directory, boron_nitride).status is Status.CONVERGED


def test_an_executable_that_does_nothing_is_a_failure(tmp_path: Path) -> None:
    report = run(tmp_path, "print('hello')")
    assert report.failure == (
        "exciting ended in the start, before it wrote INFO.OUT: exit status 0, but the work is not done [hello]: "
        "see exciting.log"
    )


@pytest.mark.parametrize(
    ("names", "stage"),
    [
        (("INFO.OUT:470",), "the density, iteration 11 (INFO.OUT)"),
        (("INFO.OUT",), "the start of the spectrum, before it wrote INFOXS.OUT"),
        (("INFO.OUT", "INFOXS.OUT:120"), "task screen (INFOXS.OUT)"),
        (("INFO.OUT", "INFOXS.OUT:330"), "task bse (INFOXS.OUT)"),
    ],
)
def test_a_run_that_ends_early_names_its_stage_and_last_words(
    tmp_path: Path, data: Path, names: tuple[str, ...], stage: str
) -> None:
    report = run(tmp_path, copies(data, *names) + "\nprint('Error(zheev): no'); sys.exit(3)")
    assert report.failure == f"exciting ended in {stage}: exit status 3 [Error(zheev): no]: see exciting.log"


def test_a_full_disk_is_named_with_the_remedy(tmp_path: Path, data: Path) -> None:
    code = copies(data, "INFO.OUT", "INFOXS.OUT:200") + "\nprint('write: No space left on device'); sys.exit(2)"
    assert run(tmp_path, code).failure.endswith("free space on the disk and run again")


def test_mpi_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    code = "print('There are not enough slots available in the system'); sys.exit(1)"
    failure = run(tmp_path, code).failure
    assert "before it wrote INFO.OUT: exit status 1 [There are not enough slots" in failure


def test_a_crash_is_told_by_its_signal(tmp_path: Path) -> None:
    assert "killed by signal 6" in run(tmp_path, "import os; os.abort()").failure


def test_the_time_limit_names_its_variable_and_leaves_nothing_behind(
    tmp_path: Path, left_behind: Callable[[Path], list[int]]
) -> None:
    report = run(tmp_path, "time.sleep(60)", timeout=0.5)
    assert "stopped after 0.5 s: raise WHITELINE_TIMEOUT" in report.failure
    assert left_behind(tmp_path / "run") == []


@pytest.mark.parametrize("command", ["no-such-exciting", "/nowhere/exciting_smp", "''"])
def test_a_missing_executable_is_named_with_the_remedy(tmp_path: Path, command: str) -> None:
    with pytest.raises(MissingDependencyError, match=r"correct WHITELINE_EXCITING_COMMAND, or build exciting"):
        run_exciting(tmp_path, command=command, timeout=60, on_stage=lambda _: None)


def test_a_file_that_is_not_executable_is_no_executable(tmp_path: Path) -> None:
    (tmp_path / "exciting_smp").write_text("#!/bin/sh\n")
    with pytest.raises(MissingDependencyError, match="not executable"):
        run_exciting(tmp_path, command=str(tmp_path / "exciting_smp"), timeout=60, on_stage=lambda _: None)


def test_chatter_goes_to_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, "print('chatter')")
    assert capfd.readouterr() == ("", "")
    assert (tmp_path / "run" / LOG_NAME).read_text() == "chatter\n"


def test_a_check_finds_nothing_wrong_where_nothing_is(tmp_path: Path, rutile: Absorber, species: Path) -> None:
    calculator = ExcitingCalculator(command=stand_in(tmp_path, "pass"), species=species)
    findings = calculator.check(rutile)
    assert {f.level for f in findings} == {Level.OK}
    assert [f.subject for f in findings] == [
        "executable", "species file of Ti", "species file of O", "energy window", "cell",
    ]  # fmt: skip
    assert "the L23 level is a core state" in findings[1].detail
    assert "6 atoms" in findings[-1].detail


def test_a_check_names_all_that_is_missing(rutile: Absorber, species: Path) -> None:
    findings = ExcitingCalculator(command="no-such-exciting").check(rutile)
    assert [f.subject for f in findings if f.level is Level.ERROR] == [
        "executable", "species file of Ti", "species file of O",
    ]  # fmt: skip
    assert all(f.remedy for f in findings if f.level is Level.ERROR)
    semicore = ExcitingCalculator(species=species).check(Absorber(rutile.structure, 0, Edge.M1))
    assert "valence state" in next(f.detail for f in semicore if f.subject == "species file of Ti")


def test_a_check_says_that_the_window_cannot_hold_the_edge(rutile: Absorber, species: Path) -> None:
    parameters = ExcitingParameters(energy_window=(4849.0, 4911.0))
    findings = ExcitingCalculator(parameters, species=species).check(rutile)
    assert any(f.level is Level.ERROR and "cannot hold the L23 edge" in f.detail for f in findings)
    narrow = ExcitingCalculator(ExcitingParameters(energy_window=(436.0, 470.0)), species=species).check(rutile)
    window = next(f for f in narrow if f.subject == "energy window")
    assert window.level is Level.WARNING


def test_the_cost_grows_with_bands_and_k_points(rutile: Absorber) -> None:
    costs = [
        ExcitingCalculator(ExcitingParameters(band_energy=energy, kpoints_length=length)).estimate(rutile)
        for energy, length in ((10.0, 8.0), (30.0, 8.0), (30.0, 17.0))
    ]
    assert costs[0].cpu_time < costs[1].cpu_time < costs[2].cpu_time
    assert costs[0].memory < costs[1].memory < costs[2].memory


def test_the_species_files_go_into_the_run_directory(rutile: Absorber, species: Path) -> None:
    files = ExcitingCalculator(species=species).files(rutile)
    assert files == {"Ti.xml": species / "Ti.xml", "O.xml": species / "O.xml"}
    text = ExcitingCalculator().inputs(rutile)["input.xml"]
    assert 'speciespath="."' in text
    assert all(f'speciesfile="{name}"' in text for name in files)
