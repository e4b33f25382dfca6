"""Everything that can go wrong while pw.x and xspectra.x run; small scripts stand for the programs."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pymatgen.core import Structure

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Level, RunReport
from whiteline.calculators.xspectra.run import run_xspectra
from whiteline.edges import Edge
from whiteline.errors import MissingDependencyError
from whiteline.settings import load_settings
from whiteline.workflows.engines import make_calculator

if TYPE_CHECKING:
    from tests.calculators.xspectra.conftest import Make

RULE = "=" + "-" * 78 + "="
BOX = "%" * 80

DONE_PW = f"print('Program PWSCF v.6.7'); print('JOB DONE.'); print('{RULE}')"
DONE_XS = f"print('END JOB XSpectra'); print('{RULE}')"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A run directory with empty inputs, and what a run leaves in tmp."""
    folder = tmp_path / "run"
    for name in ("scf.in", "x/xanes.in", "z/xanes.in", "tmp/pwscf.save/wfc1.dat"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return folder


def program(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def run(directory: Path, pw: str, xspectra: str = DONE_XS, *, timeout: float = 60.0) -> tuple[RunReport, list[str]]:
    stages: list[str] = []
    report = run_xspectra(
        directory,
        pw_command=program(pw),
        xspectra_command=program(xspectra),
        timeout=timeout,
        on_stage=stages.append,
    )
    return report, stages


def test_each_stage_is_named_and_timed_and_the_wavefunctions_are_removed(directory: Path) -> None:
    report, stages = run(directory, DONE_PW)
    assert report.failure == ""
    assert stages == list(report.timings) == ["density (SCF)", "Lanczos x", "Lanczos z"]
    assert not (directory / "tmp").exists()
    assert (directory / "z" / "xanes.out").is_file()


@pytest.mark.parametrize(
    ("pw", "words"),
    [
        (
            f"print('{BOX}\\n Error in routine readpp (1):\\n file Ti.UPF not found\\n{BOX}'); raise SystemExit(1)",
            "Error in routine readpp (1): file Ti.UPF not found (exit status 1",
        ),
        ("print('There are not enough slots available'); raise SystemExit(213)", "not enough slots available"),
        (
            "print('forrtl: No space left on device'); raise SystemExit(29)",
            "exit status 29 [forrtl: No space left on device]",
        ),
        ("import os; os.abort()", "killed by signal 6"),
        ("print('hello')", "ended with status 0, but did not write 'JOB DONE.'"),
    ],
)
def test_a_failure_of_pw_names_the_stage_its_words_and_the_log(directory: Path, pw: str, words: str) -> None:
    report, stages = run(directory, pw)
    assert stages == ["density (SCF)"]
    assert report.failure.startswith("density (SCF): ")
    assert words in report.failure
    assert report.failure.endswith(f"see {directory / 'scf.out'}")


def test_a_failure_of_xspectra_names_the_direction(directory: Path) -> None:
    box = f"print('{BOX}\\n Error in routine  main program (2):\\n Wrong xiabs!!!\\n{BOX}')"
    report, stages = run(directory, f"import os; os.makedirs('tmp'); {DONE_PW}", box)
    assert stages == ["density (SCF)", "Lanczos x"]
    assert report.failure.startswith("Lanczos x: Error in routine main program (2): Wrong xiabs!!! (exit status 0)")
    assert (directory / "tmp").is_dir()  # what a second try can start from


def test_an_unconverged_density_goes_on_to_its_spectrum(directory: Path) -> None:
    pw = f"print('convergence NOT achieved after 3 iterations: stopping'); {DONE_PW}; raise SystemExit(2)"
    report, stages = run(directory, pw)
    assert (report.failure, len(stages)) == ("", 3)


def test_the_time_limit_is_a_failure_and_leaves_no_program_behind(
    directory: Path, left_behind: Callable[[Path], list[int]]
) -> None:
    report, _ = run(directory, "import time; time.sleep(60)", timeout=0.5)
    assert "stopped after 0.5 s: raise WHITELINE_TIMEOUT" in report.failure
    assert left_behind(directory) == []


def test_programs_are_looked_for_before_anything_starts(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "xspectra.x").write_text("#!/bin/sh\n")
    for command in ("no-such-program", str(tmp_path / "xspectra.x")):
        with pytest.raises(MissingDependencyError, match=r"correct WHITELINE_XSPECTRA_COMMAND, or install Quantum"):
            run_xspectra(
                directory,
                pw_command=program("open('started', 'w')"),
                xspectra_command=command,
                timeout=60,
                on_stage=lambda _: None,
            )
    assert not (directory / "started").exists()


def findings(make: Make, absorber: Absorber, **values: object) -> dict[str, tuple[Level, str]]:
    return {f.subject: (f.level, f.detail) for f in make(**values).check(absorber)}


def executable(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\necho '{text}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_the_check_says_versions_cell_pseudopotentials_and_cost(
    make: Make, tmp_path: Path, ti_o_10: dict[str, Structure]
) -> None:
    good = executable(tmp_path / "good", "Program PWSCF v.6.7MaX starts")
    new = executable(tmp_path / "new", "Program XSpectra v.7.3 starts")
    found = findings(
        make, Absorber(ti_o_10["mp-390"], 0, Edge.K), cell="primitive", pw_command=good, xspectra_command=new
    )
    assert found["pw.x"] == (Level.OK, "version 6.7MaX")
    assert found["xspectra.x"] == (Level.WARNING, "version 7.3 was not tried")
    assert found["cell"][1].startswith("6 atoms in 1 primitive cells, nearest image of the absorber 3.80 Å")
    assert found["pseudopotential of the excited Ti"] == (Level.OK, "Ti.star1s.pbe-gipaw.UPF")
    assert found["core wavefunction"][1] == "1s, 2s, 2p of Ti.pbe-gipaw.UPF"
    # 2 Ti of 12 and 4 O of 6 electrons; the core hole's 13th is made up for by the charge.
    assert "48 electrons" in found["cost"][1]


def test_the_check_never_raises_and_names_what_is_wrong(make: Make, tmp_path: Path, copper: Structure) -> None:
    other = executable(tmp_path / "other", "Bonjour")
    commands = {"pw_command": "nowhere", "xspectra_command": other}
    found = findings(make, Absorber(copper, 0, Edge.M1), core_hole_pseudopotential="none.UPF", xgamma=0.01, **commands)
    assert {name for name, (level, _) in found.items() if level is Level.ERROR} == {
        "pw.x",
        "xspectra.x",
        "cell",
        "pseudopotentials",
    }
    assert "does not say its version" in found["xspectra.x"][1]
    assert found["energies"][0] is Level.WARNING


def test_a_pseudopotential_that_failed_its_tests_is_a_warning(make: Make, pseudo: Path, copper: Structure) -> None:
    check = {"name": "ghost states", "is_passed": False, "detail": "d at -9 Ry"}
    report = {"wavefunction_cutoff_ry": 40.0, "density_cutoff_ry": 160.0, "checks": [check]}
    checksum = hashlib.sha256((pseudo / "Cu.pbe-gipaw.UPF").read_bytes()).hexdigest()
    entry = {"sha256": checksum, "inputs": {}, "ld1_version": "6.7", "report": report}
    record = {"schema_version": 1, "files": {"Cu.pbe-gipaw.UPF": entry}}
    (pseudo / "Cu.pbe-gipaw.json").write_text(json.dumps(record))
    found = findings(make, Absorber(copper, 0, Edge.K), cell="primitive")
    level, detail = found["pseudopotential of Cu"]
    assert level is Level.WARNING and "failed tests: ghost states: d at -9 Ry" in detail
    assert found["pseudopotential of the excited Cu"][0] is Level.OK


def test_one_program_in_place_of_the_other_is_an_error(make: Make, tmp_path: Path, copper: Structure) -> None:
    scf = executable(tmp_path / "scf", "Program PWSCF v.6.7MaX starts")
    found = findings(make, Absorber(copper, 0, Edge.K), cell="primitive", pw_command=scf, xspectra_command=scf)
    assert found["pw.x"][0] is Level.OK
    assert found["xspectra.x"] == (Level.ERROR, f"{scf} is PWSCF, expected XSpectra: it is no xspectra.x")


def test_fixed_occupations_with_spin_are_an_error(make: Make, magnetite_like: Structure) -> None:
    values = {"cell": "primitive", "core_hole": "none", "occupations": "fixed"}
    found = findings(make, Absorber(magnetite_like, 0, Edge.K), **values)["occupations"]
    assert found[0] is Level.ERROR and "with spin" in found[1]


def test_fixed_occupations_of_an_odd_number_of_electrons_are_an_error(make: Make, copper: Structure) -> None:
    values = {"cell": "primitive", "core_hole": "full", "occupations": "fixed"}
    assert findings(make, Absorber(copper, 0, Edge.K), **values)["occupations"][0] is Level.ERROR


def test_settings_and_preset_make_the_calculator(tmp_path: Path) -> None:
    settings = load_settings(pseudo_directory=tmp_path, pw_command="mpirun -np 2 pw.x", timeout=7.0)
    calculator = make_calculator("xspectra", preset="fast", values={"ecutwfc": 50.0}, settings=settings)
    assert calculator.code == "xspectra"
    assert (calculator.parameters_dict["ecutwfc"], calculator.parameters_dict["cell"]) == (50.0, "primitive")
    again = type(calculator).from_dict(calculator.as_dict())  # type: ignore[attr-defined]  # every engine is MSONable
    assert again == calculator


def test_a_folder_of_any_name_will_do(tmp_path: Path, directory: Path) -> None:
    folder = tmp_path / "Lauf 1 – ö"
    shutil.move(directory, folder)
    report, _ = run(folder, DONE_PW)
    assert report.failure == ""
