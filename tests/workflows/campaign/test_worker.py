"""Workers: every task computed once, each in a process of its own, whatever happens to tasks, processes and workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from whiteline.database import open_store
from whiteline.database.query import ANY_STATUS, SpectrumQuery
from whiteline.database.queue import CampaignState, TaskKind, TaskState, open_queue
from whiteline.settings import Settings
from whiteline.workflows.campaign.planning import create_campaign
from whiteline.workflows.campaign.worker import WorkerEvent, work

SIMULATED = Path(__file__).parents[3] / "benchmarks" / "simulated_feff.py"
N_SITES = 4


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        database=str(tmp_path / "spectra.db"),
        run_directory=tmp_path / "runs",
        feff_command=f"{sys.executable} -I -S {SIMULATED}",
        most_repairs=0,
    )


def simulating(settings: Settings, options: str) -> Settings:
    return settings.model_copy(update={"feff_command": f"{settings.feff_command} {options}"})


@pytest.fixture
def create(tmp_path: Path, settings: Settings) -> Callable[..., str]:
    """Make a campaign of copper crystals of different sizes, and return its name."""

    def make(name: str = "copper", *, n_sites: int = N_SITES, head: str = "") -> str:
        folder = tmp_path / "structures"
        folder.mkdir(exist_ok=True)
        for i in range(n_sites):
            crystal = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.55 + 0.01 * i), ["Cu"], [[0, 0, 0]])
            (folder / f"Cu-{i}.json").write_text(json.dumps(crystal.as_dict()))
        text = f"""
name = "{name}"
{head}
[structures]
paths = ["structures/*.json"]
[[spectra]]
absorbers = ["Cu"]
edges = ["K"]
engine = "feff"
preset = "fast"
set = {{ fms_radius = 2.7, scf_radius = 2.7 }}
"""
        (tmp_path / f"{name}.toml").write_text(text)
        create_campaign(tmp_path / f"{name}.toml", settings=settings)
        return name

    return make


def states(settings: Settings, name: str = "copper") -> dict[str, int]:
    with open_queue(settings.database) as queue:
        return {state.value: n for state, n in queue.counts(name).items() if n}


def n_stored(settings: Settings, *, kind: str = "site") -> int:
    with open_store(settings.database) as store:
        return store.count(SpectrumQuery(kind=kind, status=ANY_STATUS))


def test_every_site_and_every_average_is_computed_once(create: Callable[..., str], settings: Settings) -> None:
    name = create()
    report = work(name, settings=settings, cores=2)
    assert (report.n_done, report.n_failed, report.n_left) == (2 * N_SITES, 0, 0)
    assert report.ending == "nothing left to do"
    assert states(settings) == {"done": 2 * N_SITES}
    assert (n_stored(settings), n_stored(settings, kind="material")) == (N_SITES, N_SITES)
    with open_store(settings.database) as store:
        ids = [s.id for s in store.summaries(SpectrumQuery(kind="site", status=ANY_STATUS))]
        assert [len(store.records(i)) for i in ids] == [1] * N_SITES


def test_a_second_campaign_of_the_same_sites_computes_nothing(create: Callable[..., str], settings: Settings) -> None:
    work(create(), settings=settings, cores=2)
    report = work(create("again"), settings=settings, cores=2)
    assert report.engine_seconds == 0
    assert n_stored(settings) == N_SITES


def test_a_crash_is_one_failed_site_and_its_average(create: Callable[..., str], settings: Settings) -> None:
    name = create()
    report = work(name, settings=simulating(settings, "--failures crash=0.5"), cores=2)
    assert 0 < report.n_failed < 2 * N_SITES
    with open_queue(settings.database) as queue:
        failed = list(queue.tasks(name, states=(TaskState.FAILED,)))
    assert {task.cause for task in failed if task.kind is TaskKind.SITE} == {"crash"}
    assert {task.cause for task in failed if task.kind is TaskKind.AVERAGE} == {"sites"}


def test_what_failed_is_computed_after_a_retry(create: Callable[..., str], settings: Settings) -> None:
    name = create()
    work(name, settings=simulating(settings, "--failures crash=0.5"), cores=2)
    with open_queue(settings.database) as queue:
        assert queue.retry(name, causes=("crash",)) > 0
    work(name, settings=settings, cores=2)
    assert states(settings) == {"done": 2 * N_SITES}
    assert n_stored(settings, kind="material") == N_SITES


def test_a_process_that_is_killed_costs_its_task_one_attempt(create: Callable[..., str], settings: Settings) -> None:
    name = create()
    killed: list[bool] = []

    def kill_first_child(event: WorkerEvent) -> None:
        if event.what == "claimed" and not killed:
            threading.Timer(6.0, lambda: os.kill(child_at_work(), signal.SIGKILL)).start()
            killed.append(True)

    def child_at_work() -> int:
        return int(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[1])

    work(name, settings=simulating(settings, "--seconds 8"), cores=2, on_event=kill_first_child)
    assert states(settings) == {"done": 2 * N_SITES}


def test_a_paused_campaign_is_left(create: Callable[..., str], settings: Settings) -> None:
    name = create()
    with open_queue(settings.database) as queue:
        queue.set_state(name, CampaignState.PAUSED)
    report = work(name, settings=settings, cores=2)
    assert (report.n_done, report.ending) == (0, "the campaign is paused")


def test_a_spent_budget_pauses_the_campaign(create: Callable[..., str], settings: Settings) -> None:
    name = create(head='budget = "0.001 core minutes"')
    work(name, settings=settings, cores=1)
    report = work(name, settings=settings, cores=1)
    assert report.n_done == 0
    assert "budget" in report.ending
    with open_queue(settings.database) as queue:
        assert queue.campaign(name).state is CampaignState.PAUSED


def test_no_task_is_begun_that_cannot_end_in_time(create: Callable[..., str], settings: Settings) -> None:
    name = create()
    report = work(name, settings=settings, cores=2, seconds=1.0)
    assert report.n_done == 0
    assert "give it a longer walltime" in report.ending
    assert states(settings)["ready"] == N_SITES


def test_a_machine_without_the_engine_leaves_the_tasks_to_others(
    create: Callable[..., str], settings: Settings
) -> None:
    name = create()
    report = work(name, settings=settings.model_copy(update={"feff_command": "/no/such/feff"}), cores=1)
    assert report.n_done == 0
    assert "/no/such/feff" in report.ending
    assert work(name, settings=settings, cores=2).n_left == 0


def run_worker(settings: Settings, name: str, tmp_path: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "WHITELINE_DATABASE": settings.database,
        "WHITELINE_RUN_DIRECTORY": str(settings.run_directory),
        "WHITELINE_FEFF_COMMAND": settings.feff_command,
        "WHITELINE_MOST_REPAIRS": "0",
    }
    code = f"from whiteline.workflows.campaign.worker import work; work({name!r}, cores=2)"
    return subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=tmp_path, start_new_session=True)


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert condition()


def test_a_worker_that_is_told_to_stop_gives_back_what_it_holds(
    create: Callable[..., str], settings: Settings, tmp_path: Path
) -> None:
    name, slow = create(), simulating(settings, "--seconds 60")
    process = run_worker(slow, name, tmp_path)
    wait_for(lambda: states(settings).get("running", 0) == 2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert states(settings) == {"ready": N_SITES, "waiting": N_SITES}
    with open_queue(settings.database) as queue:
        assert {task.n_attempts for task in queue.tasks(name)} == {0}


def test_what_a_killed_worker_held_goes_to_another_when_its_lease_is_over(
    create: Callable[..., str], settings: Settings, tmp_path: Path, left_behind: Callable[[Path], list[int]]
) -> None:
    name, slow = create(), simulating(settings, "--seconds 60")
    process = run_worker(slow, name, tmp_path)
    wait_for(lambda: states(settings).get("running", 0) == 2)
    process.kill()
    process.wait()
    assert left_behind(tmp_path / "runs") == []
    with open_queue(settings.database) as queue:
        (dead,) = {task.worker for task in queue.tasks(name, states=(TaskState.RUNNING,))}
        queue.renew(dead, lease=-1.0)  # instead of waiting for two minutes
    work(name, settings=settings, cores=2)
    assert states(settings) == {"done": 2 * N_SITES}
    assert n_stored(settings) == N_SITES
