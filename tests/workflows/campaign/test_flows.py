from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jobflow import Flow, Job, JobStore, OnMissing, run_locally
from maggma.stores import MemoryStore
from monty.json import MontyDecoder, MontyEncoder

from tests.workflows.campaign.queues import DEFINITION, FakeWork, fill_queue
from whiteline.database.queue import open_queue
from whiteline.errors import StoreError
from whiteline.settings import Settings
from whiteline.workflows.campaign import jobs
from whiteline.workflows.campaign.flows import CAMPAIGN_KEY, ROLE_KEY, CampaignMaker

pytestmark = pytest.mark.filterwarnings(
    # jobflow 0.4 enters its folder with a function that monty will drop in 2028.
    "ignore:cd is deprecated:FutureWarning",
    "ignore:Some jobs are not connected:UserWarning",
)
HARVEST = '[dataset]\nname = "cu-k"\n[training]\nfolder = "model"\nworker = "gpu"\n'


@pytest.fixture
def maker() -> CampaignMaker:
    return CampaignMaker(
        campaign="copper",
        definition_id="d1",
        n_workers=2,
        cores=2,
        walltime=3600.0,
        worker_config={"worker": "cpu"},
        conclusion_config={"worker": "short"},
        dataset_config={"worker": "cpu"},
        training_config={"worker": "gpu"},
    )


@pytest.fixture
def here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that the jobs find in their environment."""
    monkeypatch.setenv("WHITELINE_DATABASE", settings.database)
    return settings


def run(flow: Flow, monkeypatch: pytest.MonkeyPatch, work: FakeWork) -> tuple[Flow, list[dict[str, Any]]]:
    """Run a flow as a manager does, from JSON, and return the documents of its jobs in the order of their end."""
    monkeypatch.setattr(jobs, "work", work)
    store = JobStore(MemoryStore())
    run_locally(json.loads(json.dumps(flow, cls=MontyEncoder), cls=MontyDecoder), store=store, ensure_success=True)
    return flow, sorted(store.query(load=True), key=lambda doc: doc["completed_at"])


def jobs_of(flow: Flow) -> list[Job]:
    return [job for job in flow.jobs if isinstance(job, Job)]


def test_a_flow_is_workers_side_by_side_and_one_job_that_waits_for_all(maker: CampaignMaker) -> None:
    *workers, conclusion = jobs_of(maker.make())
    assert [job.name for job in workers] == ["copper worker 1.1", "copper worker 1.2"]
    assert set(conclusion.input_uuids) == {job.uuid for job in workers}


def test_jobs_can_be_found_and_are_sent_where_they_belong(maker: CampaignMaker) -> None:
    flow = maker.make()
    assert flow.metadata == {CAMPAIGN_KEY: "copper"}
    assert [job.metadata[ROLE_KEY] for job in jobs_of(flow)] == ["worker", "worker", "conclusion"]
    assert [job.config.manager_config["worker"] for job in jobs_of(flow)] == ["cpu", "cpu", "short"]
    harvest = maker.make_harvest(has_training=True)
    assert [job.config.manager_config["worker"] for job in jobs_of(harvest)] == ["cpu", "gpu"]


def test_jobs_can_follow_jobs_that_were_killed(maker: CampaignMaker) -> None:
    assert {job.config.on_missing_references for job in jobs_of(maker.make())} == {OnMissing.NONE}


def test_nothing_of_the_store_is_in_a_flow(maker: CampaignMaker, here: Settings) -> None:
    assert here.database not in json.dumps(maker.make(), cls=MontyEncoder)


def test_generations_follow_one_another_until_all_is_done(
    maker: CampaignMaker, here: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_queue(here.database) as queue:
        fill_queue(queue, n_tasks=5)
    flow, done = run(maker.make(), monkeypatch, FakeWork(2, 1, 2))
    assert [doc["metadata"][ROLE_KEY] for doc in done] == ["worker", "worker", "conclusion", "worker", "conclusion"]
    first, last = done[2], done[-1]
    assert first["uuid"] == last["uuid"] == flow.jobs[-1].uuid
    assert (first["index"], last["index"]) == (1, 2)
    assert (first["output"]["verdict"], last["output"]["verdict"]) == ("goes-on", "finished")
    assert last["output"]["counts"]["done"] == 5
    assert [report["n_done"] for report in last["output"]["reports"]] == [2]


def test_workers_take_the_cores_that_were_asked_for_where_no_scheduler_gives_any(
    maker: CampaignMaker, here: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_queue(here.database) as queue:
        fill_queue(queue, n_tasks=1)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    work = FakeWork(1)
    run(maker.make(n_workers=1), monkeypatch, work)
    assert (work.calls[0]["seconds"], work.calls[0]["job"]) == (None, "")
    assert work.calls[0]["cores"] <= 2


def test_a_campaign_without_progress_ends_with_its_reason(
    maker: CampaignMaker, here: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_queue(here.database) as queue:
        fill_queue(queue, n_tasks=1)
    _, done = run(maker.make(n_workers=1), monkeypatch, FakeWork())
    assert done[-1]["output"]["verdict"] == "stopped"
    assert done[-1]["output"]["generation"] == 3
    assert "3 generations of workers in a row finished none" in done[-1]["output"]["reason"]


def test_a_worker_with_another_store_says_so(maker: CampaignMaker, here: Settings) -> None:
    with open_queue(here.database) as queue:
        fill_queue(queue)
    worker = jobs.campaign_worker.original  # type: ignore[attr-defined]  # the function that jobflow wraps
    with pytest.raises(StoreError, match=r"no campaign iron in .*: this machine uses another store than"):
        worker("iron", "d1", 1)
    with pytest.raises(StoreError, match="has another definition: this machine uses another store than"):
        worker("copper", "d2", 1)


def test_dataset_and_training_follow_the_last_generation(
    maker: CampaignMaker, here: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_queue(here.database) as queue:
        fill_queue(queue, n_tasks=1, definition=DEFINITION + HARVEST)
    monkeypatch.setattr(jobs, "freeze_dataset", lambda definition, _: {"folder": definition.dataset.folder})
    monkeypatch.setattr(jobs, "train_once", lambda _, data, **_kept: {"model": "m", "on": data["folder"]})
    _, done = run(maker.make(n_workers=1), monkeypatch, FakeWork(1))
    assert [doc["metadata"][ROLE_KEY] for doc in done] == ["worker", "conclusion", "dataset", "training"]
    assert done[-1]["output"]["on"].endswith("cu-k")
