"""Killed at any moment, a campaign loses no finished spectrum, stores none twice, and goes on."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from whiteline.database import open_store
from whiteline.database.query import SpectrumQuery

N_SITES = 20
N_KILLS = 10
QUICK = ["scf_radius=null", "fms_radius=2.7", "l_max=1", "core_hole=none", "energy_grid=[]", "k_step=0.2", "k_max=3"]


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    structures = {
        f"Cu-{i}": Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.55 + 0.01 * i), ["Cu"], [[0, 0, 0]]).as_dict()
        for i in range(N_SITES)
    }
    (tmp_path / "copper.json").write_text(json.dumps(structures))
    return [
        *(sys.executable, "-m", "whiteline.cli", "run", str(tmp_path / "copper.json"), "--absorber", "Cu", "-j", "2"),
        *("--db", str(tmp_path / "spectra.db"), "--run-directory", str(tmp_path / "runs")),
        *(word for value in QUICK for word in ("--set", value)),
    ]


def processes_in(folder: Path) -> list[int]:
    """Return the processes that work below the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                directory = str((entry / "cwd").readlink())
            except OSError:
                continue
            if directory.startswith(str(folder)):
                found.append(int(entry.name))
    return found


def wait_until_alone(folder: Path, seconds: float = 10.0) -> list[int]:
    deadline = time.monotonic() + seconds
    while processes_in(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    return processes_in(folder)


def wait_until_at_work(folder: Path, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not processes_in(folder) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_twenty_sites_killed_ten_times_end_as_twenty_spectra_each_once(command: list[str], tmp_path: Path) -> None:
    moments = random.Random(20)
    n_stored = []
    n_at_work = 0
    for _ in range(N_KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until_at_work(tmp_path / "runs")
        time.sleep(moments.uniform(0.0, 3.0))
        n_at_work += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert wait_until_alone(tmp_path / "runs") == [], "FEFF outlived the run that started it"
        n_stored.append(count_sites(tmp_path / "spectra.db"))
    assert n_stored == sorted(n_stored), "a finished spectrum was lost"
    assert n_at_work >= N_KILLS // 2, "most kills came when everything was done"
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open_store(str(tmp_path / "spectra.db"), must_exist=True) as store:
        documents = list(store.query(SpectrumQuery(kind="site", status="any")))
        n_records = [len(store.records(document.id)) for document in documents]
    assert len(documents) == N_SITES
    assert all(document.spectrum is not None for document in documents)
    assert n_records == [1] * N_SITES, "a stored spectrum was computed again"


def count_sites(path: Path) -> int:
    if not path.exists():
        return 0
    with open_store(str(path), must_exist=True) as store:
        return store.count(SpectrumQuery(kind="site", status="any"))


def test_ctrl_c_says_how_to_go_on_and_leaves_no_feff_behind(command: list[str], tmp_path: Path) -> None:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_until_at_work(tmp_path / "runs")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "run the same command again to go on" in errors
    assert "Traceback" not in errors
    assert wait_until_alone(tmp_path / "runs") == []


def workers_of(pid: int) -> list[int]:
    """Return the worker processes that a run has spawned."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(c) for c in children if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]


def test_a_worker_that_dies_ends_the_run_in_words_and_leaves_no_feff_behind(command: list[str], tmp_path: Path) -> None:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_until_at_work(tmp_path / "runs")
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "a worker process died" in errors
    assert "Traceback" not in errors
    assert wait_until_alone(tmp_path / "runs") == []
