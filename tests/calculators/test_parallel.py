"""How many cores a calculation gets, and how its program is started on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from whiteline.calculators.interface import Estimate
from whiteline.calculators.parallel import (
    choose_cores,
    cores_needed,
    cores_started,
    cores_taken,
    is_launched,
    launch,
    programs_started,
)

DAY = 86400.0


@pytest.mark.parametrize(
    ("command", "cores"),
    [
        ("vasp_std", 1),
        ("mpirun -np 4 vasp_std", 4),
        ("mpiexec -n 8 pw.x -nk 4", 8),
        ("srun --ntasks=12 vasp_std", 12),
        ("srun vasp_std", 16),
        ("/opt/openmpi/bin/mpirun --bind-to none -np 64 vasp_std", 16),
        ("apptainer exec qe.sif mpirun -np 2 pw.x", 2),
    ],
)
def test_a_command_that_starts_processes_says_how_many(command: str, cores: int) -> None:
    assert cores_started(command.split(), available=16) == cores
    assert is_launched(command.split()) == (command != "vasp_std")
    if command != "vasp_std":
        assert choose_cores(command, Estimate(1.0), available=16, memory=None, timeout=DAY) == cores


@pytest.mark.parametrize(
    ("cpu_time", "memory", "cores"),
    [
        (60.0, 100.0, 1),  # many at once waste nothing
        (60.0, 4000.0, 4),  # the memory of four
        (DAY, 100.0, 2),  # to end in half a day
        (1e9, 1e9, 16),
        (0.0, 0.0, 1),
    ],
)
def test_the_fewest_cores_that_do_well_are_taken(cpu_time: float, memory: float, cores: int) -> None:
    estimate = Estimate(cpu_time, memory)
    assert cores_needed(estimate, available=16, memory=16000.0, timeout=DAY) == cores
    assert cores_needed(Estimate(60.0, memory), available=16, memory=None, timeout=DAY) == 1


def test_one_process_needs_no_launcher() -> None:
    assert launch(["pw.x"], n_processes=1) == ["pw.x"]
    assert launch(["pw.x"], n_processes=4) == ["mpirun", "-np", "4", "pw.x"]


def test_a_launcher_that_is_told_a_number_decides_on_the_cores() -> None:
    assert cores_taken("vasp_std", given=3) == 3
    assert cores_taken("mpirun -np 1 vasp_std", given=3) == 1


def test_what_is_spread_over_processes_is_started_by_a_launcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mpirun", "srun", "vasp_std"):
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [path.name for path in programs_started("vasp_std", n_processes=1)] == ["vasp_std"]
    assert [path.name for path in programs_started("vasp_std", n_processes=2)] == ["mpirun", "vasp_std"]
    assert [path.name for path in programs_started("srun vasp_std", n_processes=2)] == ["srun", "vasp_std"]
