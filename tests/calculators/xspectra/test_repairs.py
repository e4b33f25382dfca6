"""Going on after an end in the middle, and the ladder of repairs; with pw.x and xspectra.x where they are installed."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Calculator, Outcome
from whiteline.calculators.ladders import with_values
from whiteline.calculators.parameters import build_parameters
from whiteline.calculators.repairs import Attempt, Repair
from whiteline.calculators.xspectra import XSpectraCalculator, XSpectraParameters, stages
from whiteline.calculators.xspectra.checkpoints import DensityCheckpoint
from whiteline.calculators.xspectra.repairs import SATURATED, find_repair
from whiteline.calculators.xspectra.run import can_continue, run_xspectra
from whiteline.causes import Cause
from whiteline.edges import Edge
from whiteline.status import Status

real = pytest.mark.skipif(
    shutil.which("pw.x") is None or shutil.which("xspectra.x") is None,
    reason="pw.x and xspectra.x are not installed (Debian: quantum-espresso)",
)

SMALL: Mapping[str, object] = {
    "cell": "primitive",
    "ecutwfc": 25.0,
    "scf_kpoints_length": 4.0,
    "kpoints_length": 4.0,
    "n_energy": 301,
    "cut_desmooth": 0.3,
    "xgamma": 1.0,
    "xcheck_conv": 10,
    "xerror": 1e-3,
    "core_hole": "none",
    # Smeared, the Fermi level would be anywhere in the gap, and the zero of the axis with it.
    "occupations": "fixed",
    "pseudopotential_files": {"C": "C_PBE_TM_2pj.UPF"},
}
DIAMOND = Structure.from_spacegroup("Fd-3m", Lattice.cubic(3.567), ["C"], [[0, 0, 0]])
ABSORBER = Absorber(DIAMOND, 0, Edge.K, multiplicity=8)
# A pw.x that stops in time when it starts, and hangs when it goes on, as one does that is killed then.
STOPPING = """
import pathlib, sys, time
tmp = pathlib.Path("tmp"); tmp.mkdir(exist_ok=True)
mark = tmp / "pwscf.restart_scf"
if mark.exists():
    mark.unlink(); time.sleep(60)
(tmp / "pwscf.mix1").write_text("history"); mark.write_text("step 7")
print("Program PWSCF v.6.7\\n     Maximum CPU time exceeded\\n     JOB DONE."); sys.exit(2)
"""


def write(directory: Path, calculator: Calculator) -> Path:
    texts, files = calculator.inputs(ABSORBER), calculator.files(ABSORBER)
    for name in {*texts, *files}:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
    for name, path in files.items():
        shutil.copyfile(path, directory / name)
    return directory


def compute(directory: Path, calculator: Calculator) -> Outcome:
    report = calculator.run(write(directory, calculator), on_stage=lambda _: None)
    assert report.failure == ""
    return calculator.parse(directory, ABSORBER)


def correlation(one: Outcome, other: Outcome) -> float:
    assert one.spectrum is not None
    assert other.spectrum is not None
    return float(np.corrcoef(one.spectrum.intensity.ravel(), other.spectrum.intensity.ravel())[0, 1])


def make(carbon: Path, **values: object) -> XSpectraCalculator:
    return XSpectraCalculator(build_parameters(XSpectraParameters, {**SMALL, **values}), pseudo_directory=str(carbon))


def attempt(cause: Cause | None, repair: Repair | None = None, reason: str = "") -> Attempt:
    return Attempt(repair, "unconverged", cause, reason, 1.0)


def ladder(cause: Cause, reason: str = "", **values: object) -> list[Repair]:
    parameters = build_parameters(XSpectraParameters, values)
    attempts = [attempt(cause, reason=reason)]
    while (repair := find_repair(parameters, attempts, cutoff=40.0)) is not None:
        attempts.append(attempt(cause, repair, reason))
        assert len(attempts) < 20
    return [a.repair for a in attempts if a.repair is not None]


def test_a_density_is_mixed_ever_more_gently_before_its_physics_is_touched() -> None:
    found = ladder(Cause.SCF)
    assert [(r.changes["mixing_beta"], r.is_physical) for r in found] == [
        (0.2, False),
        (0.1, False),
        (0.1, False),
        (0.1, True),
    ]
    assert all(r.changes["electron_maxstep"] == 400 for r in found)
    assert found[-1].changes["degauss"] == 0.02
    assert len(ladder(Cause.SCF, occupations="fixed")) == 3


def test_more_iterations_come_before_more_plane_waves_and_only_where_there_are_some() -> None:
    assert [r.name for r in ladder(Cause.LANCZOS)] == ["xniter 20000", "ecutwfc 50", "ecutwfc 60"]
    assert [r.name for r in ladder(Cause.LANCZOS, f"raise ecutwfc, {SATURATED}")] == ["ecutwfc 50", "ecutwfc 60"]
    assert [r.is_physical for r in ladder(Cause.LANCZOS)] == [False, True, True]


def test_a_second_trouble_is_mended_on_top_of_the_first() -> None:
    gentle = ladder(Cause.SCF)[0]
    attempts = [attempt(Cause.SCF), attempt(Cause.LANCZOS, gentle)]
    found = find_repair(XSpectraParameters(), attempts, cutoff=40.0)
    assert found is not None
    assert found.changes == {**gentle.changes, "xniter": 20000}


def test_the_rungs_change_what_runs_and_nothing_of_what_was_asked_for(carbon: Path) -> None:
    asked = make(carbon)
    for cause in (Cause.SCF, Cause.LANCZOS, Cause.MEMORY):
        for repair in ladder(cause):
            assert with_values(asked, repair.changes).inputs(ABSORBER) != asked.inputs(ABSORBER)
    assert not {"mixing_mode", "mixing_ndim", "diagonalization"} & set(asked.identity(ABSORBER))
    assert find_repair(asked.parameters, [attempt(None)], cutoff=40.0) is None
    assert find_repair(asked.parameters, [attempt(Cause.CRASH)], cutoff=40.0) is None


def test_a_run_that_is_killed_goes_on_where_its_last_part_ended(tmp_path: Path) -> None:
    (tmp_path / "scf.in").write_text("&control\n/\n")
    assert not can_continue(tmp_path)
    command = shlex.join([sys.executable, "-c", STOPPING])
    report = run_xspectra(tmp_path, pw_command=command, xspectra_command=command, timeout=4.0, on_stage=lambda _: None)
    assert report.cause is Cause.TIME_LIMIT
    assert not (tmp_path / "tmp" / "pwscf.restart_scf").exists()
    assert can_continue(tmp_path)
    assert DensityCheckpoint(tmp_path).take()
    assert (tmp_path / "tmp" / "pwscf.restart_scf").read_text() == "step 7"
    assert "restart_mode = 'restart'" in (tmp_path / "scf.part.in").read_text()
    (tmp_path / "scf.in").write_text("&control\n  tstress = .true.\n/\n")
    assert not can_continue(tmp_path)  # the density of another input


def test_what_was_half_written_when_it_was_killed_is_not_gone_on_from(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp" / "pwscf.restart_scf").write_text("step 7")
    (tmp_path / "tmp" / "pwscf.mix1").write_text("history")
    checkpoint = DensityCheckpoint(tmp_path)
    assert checkpoint.take()
    (tmp_path / "tmp" / "pwscf.restart_scf").unlink()
    assert checkpoint.is_there()
    later = (tmp_path / "restart" / "pwscf.restart_scf").stat().st_mtime_ns + 10**9
    os.utime(tmp_path / "tmp" / "pwscf.mix1", ns=(later, later))
    assert not checkpoint.is_there()


@real
def test_a_run_in_parts_is_a_run_in_one_piece(tmp_path: Path, carbon: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pw.x is stopped between two k points of a step, xspectra.x behind a k point; both go on."""
    hard = {"cell": "image_distance", "supercell_distance": 3.5, "mixing_beta": 0.1, "ecutwfc": 40.0, "xgamma": 0.8}
    # Whether the highest occupied level itself is cut out hangs on its last digit, which the two need not share.
    calculator = make(carbon, **hard, scf_kpoints_length=12.0, conv_thr=1e-9, cut_occ_states=False)
    whole = write(tmp_path / "whole", calculator)
    seconds = calculator.run(whole, on_stage=lambda _: None).timings["density (SCF)"]
    parts, steps = tmp_path / "parts", ""
    for share in (3, 6, 12, 24):  # whatever else the machine does meanwhile
        monkeypatch.setattr(stages, "CHECKPOINT", seconds / share)
        assert calculator.run(write(parts, calculator), on_stage=lambda _: None).failure == ""
        steps = (parts / "scf.out").read_text()
        if "Calculation restarted from scf iteration" in steps:
            break
        shutil.rmtree(parts)
    assert steps.count("iteration #") < (whole / "scf.out").read_text().count("iteration #")
    one, other = (calculator.parse(folder, ABSORBER) for folder in (whole, parts))
    assert one.status is other.status is Status.CONVERGED
    # The density is converged to 1e-9 Ry an atom, and so much the two may differ.
    assert correlation(one, other) > 0.99999


@real
@pytest.mark.parametrize(
    ("broken", "cause", "name"),
    [({"electron_maxstep": 2}, Cause.SCF, "mixing_beta 0.2"), ({"xniter": 50}, Cause.LANCZOS, "xniter 200")],
)
def test_what_does_not_converge_is_repaired(
    tmp_path: Path, carbon: Path, broken: dict[str, object], cause: Cause, name: str
) -> None:
    good, asked = make(carbon, ecutwfc=40.0), make(carbon, ecutwfc=40.0, **broken)
    failed = compute(tmp_path / "asked", asked)
    assert (failed.status, failed.cause) == (Status.UNCONVERGED, cause)
    repair = asked.repair(ABSORBER, [Attempt(None, failed.status, failed.cause, failed.reason, 1.0)])
    assert repair is not None
    assert repair.name == name
    repaired = compute(tmp_path / "repaired", with_values(asked, repair.changes))
    expected = compute(tmp_path / "good", good)
    assert (repaired.status, repaired.cause) == (Status.CONVERGED, None)
    assert correlation(repaired, expected) > 0.99999


@real
@pytest.mark.skipif(shutil.which("mpirun") is None, reason="mpirun is not installed")
def test_two_processes_give_the_spectrum_of_one_and_count_all_its_recursions(tmp_path: Path, carbon: Path) -> None:
    calculator = make(carbon, conv_thr=1e-11, xerror=1e-3, ecutwfc=40.0)
    alone, together = compute(tmp_path / "one", calculator), compute(tmp_path / "two", calculator.with_cores(2))
    assert (tmp_path / "two" / "x" / "xanes.out").read_text().count("npool=")
    assert correlation(alone, together) > 0.99999
    assert [c.detail.split(",")[0] for c in together.checks][1] == [c.detail.split(",")[0] for c in alone.checks][1]
