"""Campaigns through jobflow-remote and a real SLURM."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cluster.campaigns import ask_slurm, create, feff_command, n_runs_of_each_site, tasks, wait_until, workers
from tests.cluster.conftest import CampaignEnvironment
from whiteline.database.queue import CampaignState, TaskState, open_queue
from whiteline.errors import InputError, ParameterError, StoreError
from whiteline.workflows.campaign.flows import ROLE_KEY
from whiteline.workflows.campaign.managers.interface import Needs
from whiteline.workflows.campaign.submission import cancel_manager_jobs, submit

pytest.importorskip("jobflow_remote", reason='jobflow-remote is not installed: pip install "whiteline[remote]"')
# jobflow-remote 1.0.1 uses functions that monty will drop in 2028.
pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated, and will be removed:FutureWarning")
BIN = Path(sys.executable).parent
CPU = "jobflow-remote:cpu"


@pytest.fixture
def project(campaign_environment: CampaignEnvironment, slurm: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of a project with a worker `cpu`, and `gpu` for what a GPU is wanted for."""
    import jobflow_remote
    from jobflow_remote.jobs.jobcontroller import JobController

    folder, address = campaign_environment.folder, urlsplit(campaign_environment.database)
    store = {"type": "MongoStore", "host": f"mongodb://{address.netloc}", "database": f"{address.path[1:]}-jobs"}
    resources: dict[str, Any] = {"partition": "main", "time": "00:05:00", "ntasks_per_node": 1, "mem": 900}
    worker = {
        "type": "local",
        "scheduler_type": "slurm",
        "work_dir": str(folder / "jobs"),
        "pre_run": f"export PATH={BIN}:$PATH",
    }
    content = {
        "name": "tests",
        "base_dir": str(folder / "base"),
        "runner": {"delay_checkout": 1, "delay_check_run_status": 1, "delay_advance_status": 1},
        "workers": {
            "cpu": {**worker, "resources": resources},
            "gpu": {**worker, "resources": {"nodes": 1, "partition": "gpu", "gres": "gpu:1", "time": "00:05:00"}},
            "far": {**worker, "type": "remote", "host": "nowhere.invalid"},
        },
        "queue": {"store": {**store, "collection_name": "jobs"}},
        "jobstore": {"docs_store": {**store, "collection_name": "outputs"}},
    }
    (folder / "jobs").mkdir()
    (folder / "projects").mkdir()
    file = folder / "projects" / "tests.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.setenv("JFREMOTE_PROJECTS_FOLDER", str(file.parent))  # of the runner, and of this process:
    monkeypatch.setattr(jobflow_remote.SETTINGS, "projects_folder", str(file.parent))
    controller = JobController.from_project_name("tests")
    controller.reset()
    controller.close()
    return file


class Runner:
    """The runner of jobflow-remote in a process of its own."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([str(BIN / "jf"), "runner", "run"], stdout=log, stderr=log)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def runner(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    monkeypatch.setenv("WHITELINE_FEFF_COMMAND", feff_command(2.0))
    made = Runner(project.with_suffix(".log"))
    yield made
    made.kill()
    ask_slurm("scancel", "--user", str(os.getuid()))


def manager_jobs() -> list[Any]:
    from jobflow_remote.jobs.jobcontroller import JobController

    controller = JobController.from_project_name("tests")
    try:
        return controller.get_jobs_info(sort=[("_id", 1)])
    finally:
        controller.close()


def states(role: str) -> list[str]:
    return [job.state.name for job in manager_jobs() if (job.metadata or {}).get(ROLE_KEY) == role]


def output(role: str) -> dict[str, Any]:
    """Return what the last job of a role returned."""
    from jobflow_remote import get_jobstore

    store = get_jobstore("tests")
    store.connect()
    try:
        found = list(store.query({f"metadata.{ROLE_KEY}": role}, sort={"completed_at": -1}, limit=1))
    finally:
        store.close()  # type: ignore[no-untyped-call]  # jobflow annotates only part
    return dict(found[0]["output"]) if found else {}


def is_concluded() -> bool:
    return output("conclusion").get("verdict") in ("finished", "stopped")


def test_every_site_is_computed_once_though_worker_and_runner_are_killed(
    campaign_environment: CampaignEnvironment, runner: Runner
) -> None:
    name = create(campaign_environment.folder, n_sites=6, n_workers=1)
    submission = submit(name, CPU)
    assert (submission.n_workers, len(submission.ids)) == (1, 2)
    wait_until(lambda: tasks(name, TaskState.DONE))
    runner.kill()
    ask_slurm("scancel", workers(name)[0].job.removeprefix("slurm "))
    assert not submit(name, CPU).is_new
    runner.start()
    wait_until(is_concluded)
    assert output("conclusion")["generation"] == 2
    assert {task.state for task in tasks(name)} == {TaskState.DONE}
    assert n_runs_of_each_site() == [1] * 6
    assert len({worker.job for worker in workers(name)}) == 2
    assert states("worker")[-1] == "COMPLETED"
    assert "nothing is left to do" in submit(name, CPU).notes[-1]


def test_cancelling_empties_the_queue_of_the_scheduler(
    campaign_environment: CampaignEnvironment, runner: Runner
) -> None:
    name = create(campaign_environment.folder, n_sites=6)
    submit(name, CPU)
    wait_until(lambda: tasks(name, TaskState.RUNNING))
    with open_queue(campaign_environment.database) as queue:
        queue.cancel(name)
        assert queue.campaign(name).state is CampaignState.CANCELLED
    assert len(cancel_manager_jobs(name, CPU)) == 3
    wait_until(lambda: not ask_slurm("squeue", "--noheader"))
    assert set(states("worker")) == {"USER_STOPPED"}
    assert states("conclusion") == ["STOPPED"]


def test_a_worker_that_slurm_runs_again_goes_on(campaign_environment: CampaignEnvironment, runner: Runner) -> None:
    name = create(campaign_environment.folder, n_sites=4, n_workers=1)
    submit(name, CPU)
    wait_until(lambda: tasks(name, TaskState.DONE))
    job = workers(name)[0].job.removeprefix("slurm ")
    ask_slurm("scontrol", "requeue", job)
    # SLURM would wait two minutes before it starts the job again.
    wait_until(lambda: "PENDING" in ask_slurm("squeue", "--noheader", "--format=%T"))
    ask_slurm("scontrol", "update", f"jobid={job}", "starttime=now")
    wait_until(is_concluded)
    assert {task.state for task in tasks(name)} == {TaskState.DONE}
    assert n_runs_of_each_site() == [1] * 4


def test_jobs_ask_for_what_the_campaign_wants_and_else_for_what_the_worker_has(project: Path) -> None:
    from whiteline.workflows.campaign.managers.jobflow_remote import JobflowRemote

    needs = Needs(cores=4, walltime=7200, memory=2000, training_worker="gpu", database="mongodb://somewhere/spectra")
    found = JobflowRemote("cpu").configure(needs)
    wide = {"partition": "main", "nodes": 1, "ntasks": 4, "time": "02:00:00", "mem": 2000}
    assert found.worker == {"worker": "cpu", "resources": wide}
    assert found.conclusion["resources"] == {**wide, "ntasks": 1, "time": "00:15:00", "mem": 900}
    own = {"nodes": 1, "ntasks": 1, "partition": "gpu", "gres": "gpu:1", "time": "00:05:00"}
    assert found.training == {"worker": "gpu", "resources": own}
    assert found.notes == ()


def test_bad_places_are_refused_with_the_nearest_name(
    campaign_environment: CampaignEnvironment, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = create(campaign_environment.folder, n_sites=1)
    with pytest.raises(ParameterError, match="'tests' of jobflow-remote has no worker 'cpus': did you mean 'cpu'"):
        submit(name, "jobflow-remote:cpus")
    with pytest.raises(ParameterError, match=r"no project 'test' of jobflow-remote in .*: did you mean 'tests'"):
        submit(name, CPU, project="test")
    monkeypatch.setenv("WHITELINE_DATABASE", str(campaign_environment.folder / "spectra.db"))
    create(campaign_environment.folder, n_sites=1)
    with pytest.raises(InputError, match=r"worker 'far' is another machine, and the store .* is a file of this one"):
        submit(name, "jobflow-remote:far")
    assert any("safe while all workers run on one node" in note for note in submit(name, CPU).notes)


def test_a_manager_without_its_database_says_so(campaign_environment: CampaignEnvironment, project: Path) -> None:
    name = create(campaign_environment.folder, n_sites=1)
    content = json.loads(project.read_text(encoding="utf-8"))
    content["queue"]["store"]["host"] = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=300"
    project.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(StoreError, match=r"the database of jobflow-remote does not answer \(127.0.0.1:9: .*refused"):
        submit(name, CPU)
