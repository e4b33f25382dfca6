"""What custodian finds in a failed run of VASP, and what becomes of it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pymatgen.core import Lattice
from pymatgen.io.vasp.inputs import Incar

from whiteline.calculators.parameters import build_parameters
from whiteline.calculators.repairs import Attempt, Repair
from whiteline.calculators.vasp.diagnosis import Diagnosis, diagnose, read_diagnosis
from whiteline.calculators.vasp.parameters import VaspParameters
from whiteline.calculators.vasp.repairs import find_repair
from whiteline.calculators.vasp.run import LOG_NAME, run_vasp
from whiteline.causes import Cause

pytest.importorskip("custodian", reason="custodian is not installed: pip install 'whiteline[vasp]'")

# What VASP prints, each in a log with lines before and after it.
BRMIX = "BRMIX: very serious problems\n the old and the new charge density differ"
EDDRMM = "WARNING in EDDRMM: call to ZHEGV failed, returncode =   6  3     10"
ZHEEV = "ERROR EDDIAG: Call to routine ZHEEV failed! 77"
ZBRENT = "ZBRENT: fatal error in bracketing\n     please rerun with smaller EDIFF, or copy CONTCAR"
ZPOTRF = "LAPACK: Routine ZPOTRF failed!           8"
BANDS = "TOO FEW BANDS"
MEMORY = "forrtl: severe (41): insufficient virtual memory\nAllocation would exceed memory limit"


@pytest.fixture
def run(tmp_path: Path, data: Path) -> Path:
    """A run directory with the inputs of a real run."""
    for name in ("INCAR", "KPOINTS", "POSCAR"):
        shutil.copyfile(data / "vasp" / "Li7P3S11" / name, tmp_path / name)
    return tmp_path


def found(folder: Path, words: str) -> Diagnosis:
    (folder / LOG_NAME).write_text(f" running on   16 total cores\n entering main loop\n {words}\n DAV:   1\n")
    diagnosis = diagnose(folder, log=LOG_NAME)
    assert diagnosis is not None
    return diagnosis


def climb(words: str, cause: Cause = Cause.SCF, **values: object) -> list[Repair]:
    """Return the ladder where every attempt fails with the same words."""
    attempts = [Attempt(None, "failed", cause, words, 1.0)]
    while (repair := find_repair(build_parameters(VaspParameters, values), attempts)) is not None:
        attempts.append(Attempt(repair, "failed", cause, words, 1.0))
        assert len(attempts) < 10
    return [attempt.repair for attempt in attempts if attempt.repair]


@pytest.mark.parametrize(
    ("words", "error", "first", "cause"),
    [
        (BRMIX, "brmix", {"IMIX": 1}, Cause.SCF),
        (EDDRMM, "eddrmm", {"ALGO": "Normal"}, Cause.SCF),
        (ZHEEV, "zheev", {"ALGO": "Normal"}, Cause.SCF),
        (ZPOTRF, "zpotrf", {"ISYM": 0}, Cause.SCF),
        (BANDS, "too_few_bands", {"NBANDS": 774}, None),
        (ZBRENT, "zbrent", {"EDIFF": 1e-06, "NELMIN": 8}, Cause.SCF),
    ],
)
def test_custodian_names_the_error_and_what_it_would_change(
    run: Path, words: str, error: str, first: dict[str, Any], cause: Cause | None
) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    diagnosis = found(run, words)
    assert diagnosis.errors == (error,)
    assert diagnosis.ladder[0] == first
    assert diagnosis.cause is cause
    assert {name: (run / name).read_bytes() for name in before} == before  # it worked on a copy
    assert read_diagnosis(f"vasp: core hole: exit status 1; {diagnosis.words} (see /run)") == diagnosis


def test_a_healthy_log_has_no_diagnosis(run: Path) -> None:
    (run / LOG_NAME).write_text(" running on   16 total cores\n DAV:   1\n")
    assert diagnose(run, log=LOG_NAME) is None
    assert read_diagnosis("the density did not converge") is None


def test_out_of_memory_has_its_cause(run: Path) -> None:
    assert found(run, MEMORY).cause is Cause.MEMORY


def test_a_density_at_its_last_step_gets_another_algorithm(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """vasprun.xml is stood in for: only those of VASP itself would do."""
    (run / "INCAR").write_text((run / "INCAR").read_text().replace("ALGO = Fast", "ALGO = Normal"))
    incar = Incar.from_file(run / "INCAR")
    shape = SimpleNamespace(lattice=Lattice.cubic(10.0))
    vasprun = SimpleNamespace(converged=False, converged_electronic=False, incar=incar, final_structure=shape)
    monkeypatch.setattr("custodian.vasp.handlers.load_vasprun", lambda _: vasprun)
    diagnosis = diagnose(run, log=LOG_NAME)
    assert diagnosis is not None
    assert (diagnosis.errors, diagnosis.cause) == (("Unconverged",), Cause.SCF)
    (rung,) = climb(diagnosis.words)
    assert rung.changes == {"algo": "All", "incar": {"ISEARCH": 1}}
    assert not rung.is_physical


def test_the_ladder_climbs_what_custodian_would_do_next(run: Path) -> None:
    diagnosis = found(run, ZHEEV)
    assert [tags["ALGO"] for tags in diagnosis.ladder] == ["Normal", "All"]
    asked = climb(diagnosis.words, algo="VeryFast", incar={"NCORE": 4})
    assert [(r.changes, r.is_physical) for r in asked] == [
        ({"algo": "Normal"}, False),
        ({"algo": "All", "incar": {"NCORE": 4, "ISEARCH": 1}}, False),
    ]


def test_more_bands_are_another_calculation_and_ions_do_not_move() -> None:
    bands = Diagnosis(("too_few_bands",), ({"NBANDS": 774},))
    assert [(r.changes, r.is_physical) for r in climb(bands.words)] == [({"nbands": 774}, True)]
    motion = Diagnosis(("brions",), ({"POTIM": 0.1}, {"IBRION": 1}, {"ISPIN": 2}, {"ALGO": "Damped"}))
    assert climb(motion.words) == []


def test_what_is_compared_with_the_neutral_cell_is_changed_there_too() -> None:
    words = Diagnosis(("brmix",), ({"IMIX": 1},)).words
    (rung,) = climb(words, site_alignment="total_energy", ground_state_incar={"NCORE": 2})
    assert rung.changes == {"incar": {"IMIX": 1}, "ground_state_incar": {"NCORE": 2, "IMIX": 1}}


def test_a_failed_run_says_it_and_without_custodian_how_to_get_it(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whiteline.calculators.vasp.run._check_inputs", lambda _: "")
    command = f"{sys.executable} -c \"print('{ZHEEV}'); raise SystemExit(1)\""
    report = run_vasp(run, command=command, timeout=60.0, on_stage=lambda _: None)
    assert report.cause is Cause.SCF
    assert 'custodian finds {"zheev": [{"ALGO": "Normal"}' in report.failure
    monkeypatch.setitem(sys.modules, "custodian.vasp", None)
    report = run_vasp(run, command=command, timeout=60.0, on_stage=lambda _: None)
    assert "pip install 'whiteline[vasp]'" in report.failure
    assert climb(report.failure, Cause.CRASH) == []
