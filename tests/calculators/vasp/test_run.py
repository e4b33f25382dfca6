"""Running VASP, with scripts in its place: the order of the stages, and everything that can go wrong."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pymatgen.core.structure import Structure

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Finding, Level, RunReport
from whiteline.calculators.vasp import VaspCalculator, VaspParameters
from whiteline.calculators.vasp.run import LOG_NAME
from whiteline.edges import Edge
from whiteline.errors import MissingDependencyError
from whiteline.settings import Settings
from whiteline.status import Status

SMALL = VaspParameters(supercell_distance=7.0, kpoints_length=9.0)
ALIGNED = SMALL.model_copy(update={"site_alignment": "total_energy"})


def script(path: Path, body: str) -> str:
    """Return the command of a script that stands for VASP."""
    path.write_text(f"import pathlib, shutil, sys, time\nprint('running on 1 total cores')\n{body}\n")
    return shlex.join([sys.executable, str(path)])


def write(folder: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def inputs(tmp_path: Path, potcars: Path, magnetite: Structure) -> Callable[[VaspParameters], Path]:
    """A function that writes the inputs of a calculation."""

    def make(parameters: VaspParameters) -> Path:
        calculator = VaspCalculator(parameters, potcars=str(potcars))
        return write(tmp_path / "run", calculator.inputs(Absorber(magnetite, 1, Edge.K)))

    return make


def run(folder: Path, command: str, timeout: float = 60.0) -> tuple[RunReport, list[str]]:
    stages: list[str] = []
    report = VaspCalculator(SMALL, command=command, timeout=timeout).run(folder, on_stage=stages.append)
    return report, stages


FINISHED = "pathlib.Path('OUTCAR').write_text(' General timing and accounting informations for this job:\\n')"


def test_the_real_output_of_a_run_becomes_a_spectrum(
    run_folder: Path, tmp_path: Path, sulfur: Absorber, potcars: Path
) -> None:
    (run_folder / "OUTCAR").rename(tmp_path / "OUTCAR")
    folder = potcars / "POT_GGA_PAW_PBE_54"
    order = ["S_GW", "Li_GW", "P_GW", "S_GW"]
    (run_folder / "POTCAR").write_text("".join((folder / f"POTCAR.{symbol}").read_text() for symbol in order))
    command = script(tmp_path / "vasp.py", f"shutil.copyfile({str(tmp_path / 'OUTCAR')!r}, 'OUTCAR')")
    report, stages = run(run_folder, command)
    assert (report.failure, stages, set(report.timings)) == ("", ["core hole"], {"core hole"})
    assert VaspCalculator().parse(run_folder, sulfur).status is Status.CONVERGED


def test_the_neutral_cell_runs_first(inputs: Callable[[VaspParameters], Path], tmp_path: Path) -> None:
    folder = inputs(ALIGNED)
    report, stages = run(folder, script(tmp_path / "vasp.py", FINISHED))
    assert (report.failure, stages) == ("", ["ground state", "core hole"])
    assert (folder / "ground-state" / LOG_NAME).read_text() == "running on 1 total cores\n"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("sys.exit('ORTE was unable to reliably start one or more daemons')", "unable to reliably start"),
        ("sys.exit('forrtl: No space left on device')", "exit status 1 .*No space left on device"),
        ("print('ERROR: charge density could not be read')", "VASP wrote no OUTCAR .*charge density could not be read"),
        ("pathlib.Path('OUTCAR').write_text('vasp.6.4.2')", "VASP stopped before its end, .*OUTCAR is cut off"),
        ("import os; os.abort()", "killed by signal 6"),
    ],
)
def test_a_run_that_breaks_down_is_a_failure_with_stage_and_last_words(
    inputs: Callable[[VaspParameters], Path], tmp_path: Path, body: str, words: str
) -> None:
    report, _ = run(inputs(SMALL), script(tmp_path / "vasp.py", body))
    assert report.failure.startswith("core hole: ")
    assert re.search(words, report.failure)


def test_a_neutral_cell_that_fails_stops_the_rest(inputs: Callable[[VaspParameters], Path], tmp_path: Path) -> None:
    report, stages = run(inputs(ALIGNED), script(tmp_path / "vasp.py", "sys.exit('EDDDAV failed')"))
    assert stages == ["ground state"]
    assert report.failure == "ground state: exit status 1 [running on 1 total cores | EDDDAV failed]"


def test_the_time_limit_is_a_failure_in_words(inputs: Callable[[VaspParameters], Path], tmp_path: Path) -> None:
    report, _ = run(inputs(SMALL), script(tmp_path / "vasp.py", "time.sleep(600)"), timeout=0.5)
    assert report.failure == "core hole: stopped after 0.5 s: raise WHITELINE_TIMEOUT"


def test_a_folder_without_potcar_is_refused_before_anything_starts(
    inputs: Callable[[VaspParameters], Path], tmp_path: Path
) -> None:
    folder = inputs(ALIGNED)
    (folder / "POTCAR").unlink()
    with pytest.raises(MissingDependencyError, match=r"has no POTCAR: set WHITELINE_VASP_POTCARS"):
        run(folder, script(tmp_path / "vasp.py", "pathlib.Path('started').touch()"))
    assert not list(folder.rglob("started"))


def test_potentials_in_the_wrong_order_are_refused(inputs: Callable[[VaspParameters], Path], tmp_path: Path) -> None:
    folder = inputs(SMALL)
    parts = (folder / "POTCAR").read_text().split("End of Dataset\n")[:-1]
    (folder / "POTCAR").write_text("".join(f"{part}End of Dataset\n" for part in reversed(parts[:3])))
    report, stages = run(folder, script(tmp_path / "vasp.py", FINISHED))
    assert stages == []
    assert "holds O Fe Ti, but the POSCAR has the species Ti Fe O Ti" in report.failure


@pytest.mark.parametrize("name", ["INCAR", "POSCAR", "KPOINTS"])
def test_missing_inputs_are_named(inputs: Callable[[VaspParameters], Path], tmp_path: Path, name: str) -> None:
    folder = inputs(SMALL)
    (folder / name).unlink()
    report, _ = run(folder, script(tmp_path / "vasp.py", FINISHED))
    assert report.failure == f"core hole: {folder} lacks {name}: write the inputs again"


def test_an_executable_that_is_not_there_or_no_executable_is_named(
    inputs: Callable[[VaspParameters], Path], tmp_path: Path
) -> None:
    (tmp_path / "vasp_std").write_text("#!/bin/sh\n")
    for command in ("no-such-vasp", str(tmp_path / "vasp_std")):
        with pytest.raises(MissingDependencyError, match="correct WHITELINE_VASP_COMMAND, or install VASP 6"):
            run(inputs(SMALL), command)


def findings(calculator: VaspCalculator, structure: Structure, index: int = 1) -> dict[str, Finding]:
    return {f.subject: f for f in calculator.check(Absorber(structure, index, Edge.K))}


def test_a_check_names_the_potcars_that_are_missing(magnetite: Structure) -> None:
    found = findings(VaspCalculator(SMALL), magnetite)
    for subject in ("executable", "POTCAR of Ti", "POTCAR of Fe", "POTCAR of O"):
        assert found[subject].level is Level.ERROR
        assert found[subject].remedy
    assert found["cell"].detail.startswith("48 atoms (Ti16 Fe16 O16), images of the absorber 8.20 Å")
    assert "core hours" in found["cost"].detail


def test_a_check_is_content_where_all_is_there(magnetite: Structure, potcars: Path) -> None:
    settings = Settings(vasp_command=sys.executable, vasp_potcars=potcars)
    calculator = VaspCalculator.from_settings({"supercell_distance": 8.5, "kpoints_length": 9.0}, settings)
    found = findings(calculator, magnetite)
    assert {f.level for f in found.values()} == {Level.OK}
    assert found["POTCAR of Ti"].detail == "PAW_PBE Ti_sv_GW 01Jan2000"


def test_a_check_warns_of_a_small_cell_and_of_potentials_that_are_no_gw_ones(
    magnetite: Structure, potcars: Path
) -> None:
    text = (potcars / "POT_GGA_PAW_PBE_54" / "POTCAR.O_GW").read_text()
    (potcars / "POT_GGA_PAW_PBE_54" / "POTCAR.O").write_text(text.replace("O_GW", "O"))
    parameters = SMALL.model_copy(update={"potcars": {"O": "O"}, "supercell_distance": 5.0})
    found = findings(VaspCalculator(parameters, potcars=str(potcars)), magnetite)
    assert found["cell"].level is found["POTCAR of O"].level is Level.WARNING


def test_a_check_says_what_is_wrong_with_the_edge_and_raises_nothing(copper: Structure) -> None:
    found = VaspCalculator(SMALL).check(Absorber(copper, 0, Edge.L3))
    assert [f.subject for f in found if f.level is Level.ERROR] == ["executable", "edge", "input"]


def test_the_estimate_is_that_of_the_run_it_was_fitted_to(sulfur: Absorber) -> None:
    # 14 of 27 k points, 704 bands, 16 steps of the density instead of 20: 5727 s on 32 cores, 10.3 GB.
    parameters = VaspParameters(nbands=704, encut=400.0, kpoints_length=30.0)
    estimate = VaspCalculator(parameters).estimate(sulfur)
    assert estimate.cpu_time == pytest.approx(5727 * 32 * 20 / 16, rel=0.1)
    assert estimate.memory == pytest.approx(10300, rel=0.1)
