from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from jobflow import Flow

from tests.workflows.campaign.queues import DEFINITION, FakeWork, fill_queue, finish_tasks
from whiteline.database.queue import CampaignQueue, CampaignState, TaskState, UnknownCampaignError, Worker, open_queue
from whiteline.errors import InputError, MissingDependencyError, ParameterError
from whiteline.settings import Settings
from whiteline.workflows.campaign import submission
from whiteline.workflows.campaign.conclusion import Verdict
from whiteline.workflows.campaign.flows import ROLE_KEY
from whiteline.workflows.campaign.managers.interface import JobConfigs, Needs
from whiteline.workflows.campaign.requests import WorkersRequest
from whiteline.workflows.campaign.submission import Submission, Where, cancel_manager_jobs, submit


@dataclass
class FakeManager:
    """A manager that only remembers."""

    live: tuple[str, ...] = ()
    given_up: tuple[str, ...] = ()
    added: list[Flow] = field(default_factory=list)
    needs: list[Needs] = field(default_factory=list)
    has_live_workers: bool | None = None

    def configure(self, needs: Needs) -> JobConfigs:
        self.needs.append(needs)
        return JobConfigs(worker={"worker": "cpu"}, notes=("mind the gap",))

    def live_jobs(self, _: str) -> tuple[str, ...]:
        return self.live

    def revive(self, _: str, *, has_live_workers: bool) -> tuple[str, ...]:
        self.has_live_workers = has_live_workers
        return self.given_up

    def add(self, flow: Flow) -> tuple[str, ...]:
        self.added.append(flow)
        return tuple(str(i_job) for i_job, _ in enumerate(flow.jobs, start=1))

    def cancel(self, _: str) -> tuple[str, ...]:
        return self.live


@pytest.fixture
def queue(settings: Settings) -> Iterator[CampaignQueue]:
    with open_queue(settings.database) as queue:
        fill_queue(queue)
        yield queue


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> FakeManager:
    made = FakeManager()
    monkeypatch.setattr(submission, "open_manager", lambda *_, **__: made)
    return made


def roles(flow: Flow) -> list[str]:
    return [job.metadata[ROLE_KEY] for job in flow.jobs]


def send(settings: Settings, **given: int) -> Submission:
    return submit("copper", "jobflow-remote:cpu", settings=settings, **given)  # type: ignore[arg-type]  # numbers


@pytest.mark.parametrize("text", ["local", "jobflow-remote:cpu", "fireworks:", "fireworks:my_launchpad.yaml"])
def test_places_are_written_as_they_are_read(text: str) -> None:
    assert str(Where.parse(text)) == text.rstrip(":")


def test_an_unknown_place_names_the_nearest() -> None:
    with pytest.raises(ParameterError, match="got 'firework:x': did you mean 'fireworks'"):
        Where.parse("firework:x")
    with pytest.raises(ParameterError, match="needs the name of a worker"):
        Where.parse("jobflow-remote")
    with pytest.raises(ParameterError, match="local takes no name"):
        Where.parse("local:gpu")


def test_a_flow_with_the_workers_that_the_tasks_need_is_handed_over(
    queue: CampaignQueue, manager: FakeManager, settings: Settings
) -> None:
    done = send(settings)
    assert (done.n_workers, done.ids, done.is_new, done.notes) == (2, ("1", "2", "3"), True, ("mind the gap",))
    assert roles(manager.added[0]) == ["worker", "worker", "conclusion"]
    assert manager.needs[0] == Needs(cores=2, walltime=3600, memory=3000, database=settings.database)


def test_no_more_workers_than_the_tasks_can_use(queue: CampaignQueue, manager: FakeManager, settings: Settings) -> None:
    finish_tasks(queue, 3)
    assert send(settings).n_workers == 1


def test_submitted_again_nothing_is_added_while_the_manager_has_jobs(
    queue: CampaignQueue, manager: FakeManager, settings: Settings
) -> None:
    manager.live = ("7", "8")
    done = send(settings)
    assert (done.is_new, done.ids, manager.added) == (False, ("7", "8"), [])
    assert "has 2 jobs of this campaign" in done.notes[-1]


def test_extra_workers_join_without_a_conclusion_of_their_own(
    queue: CampaignQueue, manager: FakeManager, settings: Settings
) -> None:
    manager.live = ("7",)
    send(settings, extra_workers=2)
    assert roles(manager.added[0]) == ["worker", "worker"]


def test_what_the_manager_gave_up_goes_on(queue: CampaignQueue, manager: FakeManager, settings: Settings) -> None:
    manager.live = manager.given_up = ("7",)
    assert any("had given up or lost 1 of its jobs, which go on: 7" in note for note in send(settings).notes)
    assert manager.has_live_workers is False


def test_workers_elsewhere_are_known_to_live(queue: CampaignQueue, manager: FakeManager, settings: Settings) -> None:
    now = queue.now()
    alive = Worker(id="w", campaign="copper", host="h", pid=1, job="", cores=1, started_at=now, seen_at=now)
    queue.put_worker(alive)
    send(settings)
    assert manager.has_live_workers is True


def test_a_finished_campaign_is_not_submitted(queue: CampaignQueue, manager: FakeManager, settings: Settings) -> None:
    finish_tasks(queue, 4)
    assert "nothing is left to do" in send(settings).notes[-1]
    assert manager.added == []


def test_a_finished_campaign_still_makes_its_dataset(manager: FakeManager, settings: Settings) -> None:
    with open_queue(settings.database) as queue:
        fill_queue(queue, definition=f'{DEFINITION}[dataset]\nname = "cu-k"\n')
        finish_tasks(queue, 4)
    done = send(settings)
    assert (done.is_new, done.n_workers, roles(manager.added[0])) == (True, 0, ["conclusion"])


def test_other_workers_than_those_of_the_file_may_be_asked_for(
    queue: CampaignQueue, manager: FakeManager, settings: Settings
) -> None:
    workers = WorkersRequest.model_validate({"count": 1, "cores": 4, "walltime": "2 h"})
    submit("copper", "jobflow-remote:cpu", settings=settings, workers=workers)
    assert (manager.needs[0].cores, manager.needs[0].walltime, len(manager.added[0].jobs)) == (4, 7200, 2)


def test_a_paused_or_cancelled_campaign_is_refused_with_the_way_on(
    queue: CampaignQueue, manager: FakeManager, settings: Settings
) -> None:
    queue.set_state("copper", CampaignState.PAUSED, note="its budget is spent")
    with pytest.raises(InputError, match=r"is paused \(its budget is spent\): `whiteline campaign resume copper`"):
        send(settings)
    queue.set_state("copper", CampaignState.CANCELLED)
    with pytest.raises(InputError, match="was cancelled"):
        send(settings)


def test_an_unknown_campaign_is_refused(queue: CampaignQueue, settings: Settings) -> None:
    with pytest.raises(UnknownCampaignError, match="copper"):
        submit("coper", settings=settings)


def test_locally_the_work_is_done_here(
    queue: CampaignQueue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = FakeWork(4)
    monkeypatch.setattr(submission, "work", work)
    done = submit("copper", settings=settings, cores=1)
    assert work.calls[0]["cores"] == 1
    assert done.conclusion is not None
    assert (done.conclusion.verdict, done.conclusion.counts[TaskState.DONE]) == (Verdict.FINISHED, 4)
    assert (done.dataset, done.model) == (None, None)


def test_a_worker_here_that_was_stopped_leaves_the_rest(
    queue: CampaignQueue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "work", FakeWork(1))
    done = submit("copper", settings=settings)
    assert done.conclusion is not None
    assert (done.conclusion.verdict, done.conclusion.reason) == (Verdict.GOES_ON, "3 tasks are left")


def test_jobs_are_cancelled_where_there_is_a_manager(manager: FakeManager) -> None:
    manager.live = ("7",)
    assert cancel_manager_jobs("copper", "fireworks:") == ("7",)
    assert cancel_manager_jobs("copper", "local") == ()


def test_a_manager_that_is_not_installed_says_how_to_get_it(
    queue: CampaignQueue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: str) -> None:
        raise ModuleNotFoundError("No module named 'jobflow_remote'", name="jobflow_remote")

    monkeypatch.setattr(submission, "import_module", missing)
    with pytest.raises(MissingDependencyError, match=r'jobflow-remote is not installed .*pip install "whiteline\[rem'):
        send(settings)
