"""A small campaign of a simulated engine, and what the tests of its managers ask of queue and store."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymatgen.core import Lattice, Structure

from whiteline.database import open_store
from whiteline.database.query import SpectrumQuery
from whiteline.database.queue import Task, TaskState, Worker, open_queue
from whiteline.settings import load_settings
from whiteline.workflows.campaign.planning import create_campaign

SIMULATED = Path(__file__).parents[2] / "benchmarks" / "simulated_feff.py"
CAMPAIGN = """
name = "copper"
[structures]
paths = ["copper.json"]
[[spectra]]
absorbers = ["Cu"]
preset = "fast"
[workers]
count = {n_workers}
cores = 1
walltime = "10 min"
memory = 900
"""


def feff_command(seconds: float) -> str:
    """Return a command that stands for FEFF and takes so long [s]."""
    return f"{sys.executable} -I -S {SIMULATED} --seconds {seconds}"


def create(folder: Path, *, n_sites: int, n_workers: int = 2, more: str = "") -> str:
    """Create a campaign of fcc copper at several lattice constants; return its name."""
    crystals = {
        f"Cu-{i}": Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.55 + 0.01 * i), ["Cu"], [[0, 0, 0]]).as_dict()
        for i in range(n_sites)
    }
    (folder / "copper.json").write_text(json.dumps(crystals), encoding="utf-8")
    file = folder / "campaign.toml"
    file.write_text(CAMPAIGN.format(n_workers=n_workers) + more, encoding="utf-8")
    return create_campaign(file).name


def tasks(name: str, *states: TaskState) -> list[Task]:
    with open_queue(load_settings().database) as queue:
        return list(queue.tasks(name, states=states))


def workers(name: str) -> list[Worker]:
    with open_queue(load_settings().database) as queue:
        return queue.workers(name)


def n_runs_of_each_site() -> list[int]:
    """Return how often each stored site spectrum was computed."""
    with open_store(load_settings().database, must_exist=True) as store:
        return [len(store.records(found.id)) for found in store.summaries(SpectrumQuery(kind="site", status="any"))]


def ask_slurm(command: str, *words: str) -> str:
    """Run a command of SLURM and return what it prints."""
    program = shutil.which(command)
    assert program is not None
    return subprocess.run([program, *words], check=True, capture_output=True, text=True, timeout=60).stdout


def wait_until(is_so: Callable[[], Any], seconds: float = 240.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.3)
