"""Why OCEAN failed, and what is tried; the words are those of real logs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pymatgen.core import Structure

from whiteline.absorber import Absorber
from whiteline.calculators.ladders import with_values
from whiteline.calculators.ocean import OceanCalculator
from whiteline.calculators.ocean.parameters import OceanParameters
from whiteline.calculators.ocean.repairs import find_repair
from whiteline.calculators.ocean.resolved import find_cause, find_failure
from whiteline.calculators.parameters import build_parameters
from whiteline.calculators.repairs import Attempt, Repair
from whiteline.causes import Cause
from whiteline.edges import Edge
from whiteline.status import Status

HALF = 3.57 / 2
CELL = [[0, HALF, HALF], [HALF, 0, HALF], [HALF, HALF, 0]]
DIAMOND = Absorber(Structure(CELL, ["C", "C"], [[0.0] * 3, [0.25] * 3]), 0, Edge.K)


def ladder(cause: Cause, **values: object) -> list[Repair]:
    parameters = build_parameters(OceanParameters, values)
    attempts = [Attempt(None, "failed", cause, "", 1.0)]
    while (repair := find_repair(parameters, attempts)) is not None:
        with_values(OceanCalculator(parameters), repair.changes)
        attempts.append(Attempt(repair, "failed", cause, "", 1.0))
        assert len(attempts) < 20
    return [attempt.repair for attempt in attempts if attempt.repair]


def test_the_screening_is_joined_further_out() -> None:
    found = ladder(Cause.SCREENING)
    assert [r.changes["screen_radius_bohr"] for r in found] == [6.0, 6.5, 7.0]
    assert all(r.is_physical and r.changes["screen_radius_bohr"] in r.changes["screen_shells_bohr"] for r in found)


def test_a_grid_inside_the_augmentation_radius_is_the_first_suspect() -> None:
    first = ladder(Cause.SCREENING, screen_grid_shells_bohr=(-1.0, 4.0, 6.0, 8.0, 10.0))[0]
    assert first.changes == {"screen_grid_shells_bohr": [-1.0, 5.0, 6.0, 8.0, 10.0]}


def test_density_and_recursion_change_numbers_and_no_physics() -> None:
    assert [r.name for r in ladder(Cause.SCF)] == ["scf_mixing 0.1", "scf_mixing 0.05"]
    assert [r.changes for r in ladder(Cause.LANCZOS)] == [{"haydock_iterations": 4000}]
    assert not any(r.is_physical for cause in (Cause.SCF, Cause.LANCZOS) for r in ladder(cause))
    assert ladder(Cause.LANCZOS, solver="gmres", gmres_energies=(0.0, 10.0, 1.0)) == []
    assert ladder(Cause.CRASH) == []


@pytest.mark.parametrize(
    ("stage", "file", "words", "cause"),
    [
        ("SCREEN", "SCREEN/screen.log", "Segmentation fault (core dumped)", Cause.SCREENING),
        ("DFT", "DFT/scf.out", "convergence NOT achieved after 50 iterations: stopping", Cause.SCF),
        ("DFT", "DFT/scf.out", "forrtl: severe (41): insufficient virtual memory", Cause.MEMORY),
        ("CNBSE", "CNBSE/cm.log", "forrtl: No space left on device", Cause.DISK_FULL),
        ("CNBSE", "CNBSE/cm.log", "At line 12 of file x.f90", Cause.CRASH),
    ],
)
def test_the_cause_is_what_the_logs_say_and_else_the_stage(
    tmp_path: Path, stage: str, file: str, words: str, cause: Cause
) -> None:
    (tmp_path / "stdout.log").write_text(f"Version 3.2.1\nEntering {stage} stage\n{stage} stage failed\n")
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(words)
    assert find_cause(tmp_path, find_failure(tmp_path)) is cause


def test_the_time_limit_and_hints_have_their_causes(tmp_path: Path) -> None:
    program = tmp_path / "ocean.pl"

    def run(body: str, *, timeout: float) -> Cause | None:
        program.write_text(f"#!{sys.executable}\nimport time\n{body}\n")
        program.chmod(0o755)
        (tmp_path / "run").mkdir(exist_ok=True)
        calculator = OceanCalculator(OceanParameters(), command=str(program), timeout=timeout)
        return calculator.run(tmp_path / "run", on_stage=lambda _: None).cause

    assert run("print('Entering DFT stage', flush=True); time.sleep(60)", timeout=1.0) is Cause.TIME_LIMIT
    crash = "print('Entering SCREEN stage\\nmalloc(): corrupted top size\\nSCREEN stage failed'); raise SystemExit(134)"
    assert run(crash, timeout=60.0) is Cause.SCREENING


def test_a_recursion_that_stopped_early_is_repaired_by_more_of_it(data: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(data / "ocean" / "diamond", tmp_path / "run"))
    calculator = OceanCalculator(build_parameters(OceanParameters, {"haydock_threshold": 1e-6}))
    outcome = calculator.parse(folder, DIAMOND)
    assert (outcome.status, outcome.cause) == (Status.UNCONVERGED, Cause.LANCZOS)
    attempt = Attempt(None, outcome.status, outcome.cause, outcome.reason, 1.0)
    repair = calculator.repair(DIAMOND, [attempt])
    assert repair is not None
    assert repair.name == "haydock_iterations 4000"


def test_cores_become_the_prefix_of_its_parallel_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whiteline.calculators.parallel.shutil.which", lambda _: "/usr/bin/mpirun")
    text: Callable[[OceanCalculator], str] = lambda c: c.inputs(DIAMOND)["ocean.in"]  # noqa: E731
    assert "para_prefix { mpirun -np 4 }" in text(OceanCalculator(OceanParameters()).with_cores(4))
    own = OceanCalculator(OceanParameters(), command="srun -n 24 ocean.pl")
    assert text(own.with_cores(4)) == text(own)
    assert own.cores_for(DIAMOND, 32) == 24
