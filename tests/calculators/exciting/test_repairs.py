"""Why exciting failed, and what is tried; the words are those of real logs."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import pytest

from whiteline.absorber import Absorber
from whiteline.calculators.exciting import ExcitingCalculator, ExcitingParameters
from whiteline.calculators.exciting.repairs import find_repair
from whiteline.calculators.exciting.run import run_exciting
from whiteline.calculators.ladders import with_values
from whiteline.calculators.parameters import build_parameters
from whiteline.calculators.repairs import Attempt, Repair
from whiteline.causes import Cause
from whiteline.status import Status


def ladder(cause: Cause, **values: object) -> list[Repair]:
    parameters = build_parameters(ExcitingParameters, values)
    attempts = [Attempt(None, "failed", cause, "", 1.0)]
    while (repair := find_repair(parameters, attempts)) is not None:
        attempts.append(Attempt(repair, "failed", cause, "", 1.0))
        assert len(attempts) < 20
    return [attempt.repair for attempt in attempts if attempt.repair]


def test_the_density_is_given_time_then_other_mixers() -> None:
    found = ladder(Cause.SCF)
    assert [r.name for r in found] == ["scf_max_iterations 400", "scf_mixer pulay", "scf_mixer lin, scf_mixing 0.1"]
    assert not any(r.is_physical for r in found)


def test_the_hamiltonian_is_spread_then_cut_into_pieces() -> None:
    assert [r.changes for r in ladder(Cause.MEMORY)] == [
        {"distribute": True},
        {"distribute": True, "storage": 100},
    ]
    assert ladder(Cause.MEMORY, distribute=True, storage=50) == []
    assert ladder(Cause.CRASH) == []


def test_the_mixer_is_written_and_changes_no_identity_where_it_is_the_usual(boron_nitride: Absorber) -> None:
    usual = ExcitingCalculator()
    assert not {"scf_mixer", "scf_mixing"} & set(usual.parameters_dict)
    assert "mixer" not in usual.inputs(boron_nitride)["input.xml"]
    gentle = with_values(usual, ladder(Cause.SCF)[-1].changes)
    assert 'mixer="lin" beta0="0.1"' in gentle.inputs(boron_nitride)["input.xml"]


@pytest.mark.parametrize(
    ("words", "status", "cause"),
    [
        ("forrtl: severe (41): insufficient virtual memory", 41, Cause.MEMORY),
        ("Fortran runtime error: No space left on device", 2, Cause.DISK_FULL),
        ("Error(charge): invalid", 1, Cause.CRASH),
    ],
)
def test_the_cause_is_in_the_last_words(tmp_path: Path, words: str, status: int, cause: Cause) -> None:
    command = shlex.join([sys.executable, "-c", f"print({words!r}); raise SystemExit({status})"])
    report = run_exciting(tmp_path, command=command, timeout=60.0, on_stage=lambda _: None)
    assert report.cause is cause


def test_a_density_without_convergence_has_its_cause(data: Path, tmp_path: Path, boron_nitride: Absorber) -> None:
    folder = Path(shutil.copytree(data / "exciting" / "BN", tmp_path / "run"))
    info = folder / "INFO.OUT"
    info.write_text(info.read_text().replace("Convergence targets achieved", "Reached self-consistent loops maximum"))
    outcome = ExcitingCalculator().parse(folder, boron_nitride)
    assert (outcome.status, outcome.cause) == (Status.UNCONVERGED, Cause.SCF)


def test_cores_are_threads_unless_the_command_starts_processes(tmp_path: Path) -> None:
    command = shlex.join([sys.executable, "-c", "import os; print(os.environ['OMP_NUM_THREADS'])"])
    run_exciting(tmp_path, command=command, timeout=60.0, on_stage=lambda _: None, cores=3)
    assert (tmp_path / "exciting.log").read_text().strip() == "3"
