"""What every queue of campaigns must do, run against each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from tests.database.queue.conftest import campaign_of, task_of
from whiteline.database.queue import (
    MOST_ATTEMPTS,
    CampaignQueue,
    CampaignState,
    Finish,
    Task,
    TaskState,
    UnknownCampaignError,
    Worker,
    open_queue,
)
from whiteline.errors import InputError, ParameterError

if TYPE_CHECKING:
    from tests.database.queue.conftest import TaskMaker

DONE = Finish(state=TaskState.DONE, status="converged", seconds=20.0, engine_seconds=18.0)
FAILED = Finish(state=TaskState.FAILED, cause="scf", reason="no convergence after 100 iterations", seconds=5.0)
FROM_STORE = {"state": TaskState.DONE, "status": "converged", "is_from_store": True}


def claim(queue: CampaignQueue, name: str = "oxides", worker: str = "w1", **options: Any) -> str | None:
    task = queue.claim(name, worker, **{"cores": 1, **options})
    return None if task is None else task.id


def drain(queue: CampaignQueue, name: str = "oxides") -> list[str]:
    return list(iter(lambda: claim(queue, name), None))


def state_of(queue: CampaignQueue, task_id: str) -> TaskState:
    task = queue.task(task_id)
    assert task is not None
    return task.state


def numbers(queue: CampaignQueue, name: str = "oxides") -> dict[str, int]:
    return {state.value: n for state, n in queue.counts(name).items() if n}


# Campaigns


def test_a_campaign_comes_back_as_it_was_stored(empty: CampaignQueue) -> None:
    campaign = campaign_of(budget=3600.0, note="priced", plan={"n_sites": 40, "by_code": {"feff": 40}})
    assert empty.add_campaign(campaign) == campaign
    assert empty.campaign("oxides") == campaign
    assert empty.campaigns() == [campaign]


def test_a_campaign_of_the_same_definition_keeps_its_state_and_takes_over_the_text(queue: CampaignQueue) -> None:
    queue.set_state("oxides", CampaignState.PAUSED, note="the disk is full")
    again = queue.add_campaign(campaign_of(created_at=99.0, definition="# other [workers]"))
    assert (again.state, again.note, again.created_at) == (CampaignState.PAUSED, "the disk is full", 1.0)
    assert again.definition == queue.campaign("oxides").definition == "# other [workers]"


def test_a_name_is_not_given_to_another_definition(queue: CampaignQueue) -> None:
    with pytest.raises(InputError, match="'oxides' with another definition"):
        queue.add_campaign(campaign_of(definition_id="other"))


def test_an_unknown_campaign_is_refused_with_the_nearest(queue: CampaignQueue) -> None:
    for ask in (queue.campaign, queue.counts, queue.workers, queue.cancel, queue.retry):
        with pytest.raises(UnknownCampaignError, match="did you mean 'oxides'"):
            ask("oxide")
    with pytest.raises(UnknownCampaignError):
        queue.set_state("oxide", CampaignState.PAUSED)
    with pytest.raises(UnknownCampaignError):
        queue.add_tasks("oxide", [task_of()])


def test_campaigns_are_listed_from_the_newest(queue: CampaignQueue) -> None:
    queue.add_campaign(campaign_of("later", created_at=2.0))
    assert [campaign.name for campaign in queue.campaigns()] == ["later", "oxides"]


def test_contents_are_kept_once_and_as_they_were_first(queue: CampaignQueue) -> None:
    queue.add_contents({"structure:1": b"\x1f\x8b one", "structure:2": b""})
    queue.add_contents({"structure:1": b"other"})
    assert queue.content("structure:1") == b"\x1f\x8b one"
    assert queue.content("structure:2") == b""
    with pytest.raises(UnknownCampaignError, match="lacks the content 'structure:3'"):
        queue.content("structure:3")


# Tasks


def test_a_task_comes_back_as_it_was_added(queue: CampaignQueue, make_task: TaskMaker) -> None:
    site = make_task("s", priority=3, cores=2, memory=512.5, estimate=40.5, payload={"set": {"a": [1, None]}, "µ": "Å"})
    average = make_task("a", needs=("s", "other"), state=TaskState.WAITING)
    assert queue.add_tasks("oxides", [site, average]) == 2
    assert queue.task("s") == site
    assert queue.task("a") == average
    assert list(queue.tasks("oxides")) == [site, average]
    assert queue.task("none") is None


def test_adding_again_adds_nothing(queue: CampaignQueue, make_task: TaskMaker) -> None:
    tasks = [make_task(str(i)) for i in range(5)]
    assert queue.add_tasks("oxides", iter(tasks)) == 5
    assert queue.add_tasks("oxides", [*tasks, make_task("new"), make_task("new")]) == 1
    assert numbers(queue) == {"ready": 6}


def test_more_tasks_than_one_group_are_streamed_in_order(queue: CampaignQueue, make_task: TaskMaker) -> None:
    names = [f"{i:04d}" for i in range(1203)]
    assert queue.add_tasks("oxides", (make_task(name) for name in names)) == 1203
    assert [task.id for task in queue.tasks("oxides")] == names
    assert [task.id for task in queue.tasks("oxides", limit=501)] == names[:501]


def test_a_task_whose_spectrum_is_stored_is_done_at_once(queue: CampaignQueue, make_task: TaskMaker) -> None:
    queue.add_tasks("oxides", [make_task("s", **FROM_STORE), make_task("a", needs=("s",))])
    assert claim(queue) == "a"
    assert numbers(queue) == {"done": 1, "running": 1}


@pytest.mark.parametrize("before", ["ready", "failed", "running"])
def test_a_task_is_done_when_it_is_added_once_more_with_its_spectrum(
    queue: CampaignQueue, make_task: TaskMaker, before: str
) -> None:
    queue.add_tasks("oxides", [make_task("s"), make_task("a", needs=("s",))])
    if before != "ready":
        assert claim(queue) == "s"
    if before == "failed":
        assert queue.finish("s", "w1", FAILED)
    queue.add_tasks("oxides", [make_task("s", **FROM_STORE)])
    task = queue.task("s")
    assert task is not None
    if before == "running":
        assert task.state is TaskState.RUNNING
    else:
        assert (task.state, task.status, task.is_from_store, task.cause) == (TaskState.DONE, "converged", True, "")
        assert state_of(queue, "a") is TaskState.READY


def test_a_payload_that_json_cannot_hold_is_refused(queue: CampaignQueue, make_task: TaskMaker) -> None:
    with pytest.raises(ParameterError, match="payload of task s cannot be stored as JSON"):
        queue.add_tasks("oxides", [make_task("s", payload={"set": {1, 2}})])


# Claiming


def test_tasks_are_claimed_by_priority_and_then_in_the_order_of_adding(
    queue: CampaignQueue, make_task: TaskMaker
) -> None:
    order = {"a": 0, "b": 5, "c": -1, "d": 5, "e": 0}
    queue.add_tasks("oxides", [make_task(name, priority=priority) for name, priority in order.items()])
    assert drain(queue) == ["b", "d", "a", "e", "c"]


def test_a_claimed_task_says_who_holds_it_and_until_when(queue: CampaignQueue, make_task: TaskMaker) -> None:
    queue.add_tasks("oxides", [make_task("s")])
    before = queue.now()
    task = queue.claim("oxides", "w1", cores=1, lease=50.0)
    assert task is not None
    assert task == queue.task("s")
    assert (task.state, task.worker, task.n_attempts) == (TaskState.RUNNING, "w1", 0)
    assert before <= task.started_at <= queue.now()
    assert task.lease_until == pytest.approx(task.started_at + 50.0)


def test_a_worker_takes_only_what_fits_its_cores_and_its_time(queue: CampaignQueue, make_task: TaskMaker) -> None:
    queue.add_tasks(
        "oxides", [make_task("wide", cores=4), make_task("long", estimate=900.0), make_task("short", estimate=60.0)]
    )
    assert claim(queue, cores=2, seconds=100.0) == "short"
    assert claim(queue, cores=2, seconds=100.0) is None
    assert claim(queue, cores=2, seconds=900.0) == "long"
    assert claim(queue, cores=4) == "wide"


def test_many_that_do_not_fit_do_not_change_the_order_of_the_others(queue: CampaignQueue, make_task: TaskMaker) -> None:
    wide = [make_task(f"wide{i}", cores=4, priority=1) for i in range(10)]
    narrow = [make_task(f"s{i}", estimate=float(100 * (i % 2))) for i in range(20)]
    queue.add_tasks("oxides", [*wide, *narrow])
    claimed = [claim(queue, cores=2, seconds=50.0) for _ in range(11)]
    assert claimed == [*(f"s{i}" for i in range(0, 20, 2)), None]
    assert claim(queue, cores=4) == "wide0"


@pytest.mark.parametrize("state", [CampaignState.PAUSED, CampaignState.CANCELLED])
def test_nothing_is_claimed_of_a_campaign_that_is_not_active(
    queue: CampaignQueue, make_task: TaskMaker, state: CampaignState
) -> None:
    queue.add_tasks("oxides", [make_task("s")])
    queue.set_state("oxides", state)
    assert claim(queue) is None
    queue.set_state("oxides", CampaignState.ACTIVE)
    assert claim(queue) == "s"
    assert claim(queue, "unknown") is None


def test_a_task_that_became_more_urgent_is_claimed_first(queue: CampaignQueue, make_task: TaskMaker) -> None:
    queue.add_tasks("oxides", [make_task("a"), make_task("b")])
    queue.add_tasks("oxides", [make_task("b", priority=1), make_task("a", priority=-1)])
    assert drain(queue) == ["b", "a"]


def _claim_all(address: str, worker: str) -> list[str]:
    with open_queue(address) as queue:
        found = []
        while task := queue.claim("oxides", worker, cores=1):
            found.append(task.id)
            assert queue.finish(task.id, worker, DONE)
        return found


def test_eight_processes_claim_each_of_two_hundred_tasks_once(queue: CampaignQueue, address: str) -> None:
    queue.add_tasks("oxides", [task_of(f"s{i}") for i in range(200)])
    with ProcessPoolExecutor(8, mp_context=get_context("spawn")) as pool:
        claimed = list(pool.map(_claim_all, [address] * 8, [f"w{i}" for i in range(8)]))
    assert Counter(task_id for part in claimed for task_id in part) == {f"s{i}": 1 for i in range(200)}
    assert numbers(queue) == {"done": 200}


def test_threads_share_a_queue(queue: CampaignQueue) -> None:
    queue.add_tasks("oxides", [task_of(f"s{i}") for i in range(40)])
    claimed: list[str] = []
    threads = [Thread(target=lambda: claimed.extend(drain(queue))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(f"s{i}" for i in range(40))


# Finishing


def test_a_finished_task_keeps_how_it_ended(queue: CampaignQueue, make_task: TaskMaker) -> None:
    queue.add_tasks("oxides", [make_task("s"), make_task("t")])
    drain(queue)
    assert queue.finish("s", "w1", DONE)
    assert queue.finish("t", "w1", FAILED)
    done, failed = queue.task("s"), queue.task("t")
    assert done is not None
    assert failed is not None
    assert (done.state, done.status, done.seconds, done.engine_seconds) == (TaskState.DONE, "converged", 20.0, 18.0)
    assert (failed.state, failed.cause, failed.reason) == (TaskState.FAILED, FAILED.cause, FAILED.reason)
    assert done.started_at <= done.ended_at <= failed.ended_at
    assert done.lease_until == 0.0


def test_a_result_counts_once_whoever_brings_it(queue: CampaignQueue, make_task: TaskMaker) -> None:
    queue.add_tasks("oxides", [make_task("s")])
    assert claim(queue, worker="first", lease=-1.0) == "s"
    queue.reclaim("oxides")
    assert claim(queue, worker="second") == "s"
    assert queue.finish("s", "first", DONE)
    assert not queue.finish("s", "second", DONE)
    assert not queue.finish("s", "second", FAILED)
    assert queue.renew("second") == set()
    assert state_of(queue, "s") is TaskState.DONE


def test_a_failure_counts_only_from_who_holds_the_task(queue: CampaignQueue, make_task: TaskMaker) -> None:
    queue.add_tasks("oxides", [make_task("s")])
    assert claim(queue, worker="w1") == "s"
    assert not queue.finish("s", "w2", FAILED)
    assert not queue.finish("none", "w1", DONE)
    assert state_of(queue, "s") is TaskState.RUNNING


def test_a_task_ends_as_done_or_failed(queue: CampaignQueue) -> None:
    with pytest.raises(ParameterError, match="ends as done or failed"):
        queue.finish("s", "w1", Finish(state=TaskState.READY))


def test_an_average_is_ready_when_all_it_needs_is_finished(queue: CampaignQueue, make_task: TaskMaker) -> None:
    queue.add_tasks("oxides", [make_task("s"), make_task("t"), make_task("a", needs=("s", "t"))])
    drain(queue)
    queue.finish("s", "w1", DONE)
    assert state_of(queue, "a") is TaskState.WAITING
    queue.finish("t", "w1", FAILED)
    assert claim(queue) == "a"


# Giving back


def test_a_task_given_back_with_a_cause_fails_at_the_last_attempt(queue: CampaignQueue, make_task: TaskMaker) -> None:
    queue.add_tasks("oxides", [make_task("s"), make_task("a", needs=("s",))])
    for i in range(MOST_ATTEMPTS):
        assert claim(queue) == "s"
        queue.release("s", "w1", cause="crash", reason=f"signal {i}")
    task = queue.task("s")
    assert task is not None
    assert (task.state, task.cause, task.n_attempts) == (TaskState.FAILED, "crash", MOST_ATTEMPTS)
    assert task.reason == f"signal {MOST_ATTEMPTS - 1}"
    assert claim(queue) == "a"


def test_a_task_given_back_unbegun_counts_no_attempt(queue: CampaignQueue, make_task: TaskMaker) -> None:
    queue.add_tasks("oxides", [make_task("s")])
    for _ in range(MOST_ATTEMPTS + 1):
        assert claim(queue) == "s"
        queue.release("s", "w1", cause="")
    task = queue.task("s")
    assert task is not None
    assert (task.state, task.n_attempts, task.cause) == (TaskState.READY, 0, "")


def test_only_the_holder_gives_a_task_back(queue: CampaignQueue, make_task: TaskMaker) -> None:
    queue.add_tasks("oxides", [make_task("s")])
    assert claim(queue, worker="w1") == "s"
    queue.release("s", "w2", cause="crash")
    assert state_of(queue, "s") is TaskState.RUNNING


def test_a_larger_estimate_keeps_the_task_from_workers_with_less_time(
    queue: CampaignQueue, make_task: TaskMaker
) -> None:
    queue.add_tasks("oxides", [make_task("s", estimate=60.0)])
    assert claim(queue, seconds=100.0) == "s"
    queue.release("s", "w1", cause="time-limit", estimate=200.0)
    assert claim(queue, seconds=100.0) is None
    assert claim(queue, seconds=300.0) == "s"
    queue.release("s", "w1", cause="", estimate=10.0)
    assert claim(queue, seconds=100.0) is None


def test_a_lease_that_ran_out_is_given_to_another_and_counted(queue: CampaignQueue, make_task: TaskMaker) -> None:
    queue.add_tasks("oxides", [make_task("s"), make_task("t")])
    assert claim(queue, worker="dead", lease=-1.0) == "s"
    assert claim(queue, worker="alive") == "t"
    assert queue.reclaim("oxides") == 1
    task = queue.task("s")
    assert task is not None
    assert (task.state, task.cause, task.n_attempts) == (TaskState.READY, "worker-lost", 1)
    assert "worker dead" in task.reason
    assert queue.renew("dead") == set()
    assert queue.reclaim("oxides") == 0


def test_a_renewed_lease_is_not_taken_away(queue: CampaignQueue, make_task: TaskMaker) -> None:
    queue.add_tasks("oxides", [make_task("s"), make_task("t")])
    assert [claim(queue, lease=-1.0), claim(queue, lease=-1.0)] == ["s", "t"]
    assert queue.renew("w1") == {"s", "t"}
    assert queue.reclaim("oxides") == 0


def test_the_last_lost_worker_makes_a_task_fail_and_its_average_ready(
    queue: CampaignQueue, make_task: TaskMaker
) -> None:
    queue.add_tasks("oxides", [make_task("s"), make_task("a", needs=("s",))])
    for _ in range(MOST_ATTEMPTS):
        assert claim(queue, lease=-1.0) == "s"
        assert queue.reclaim("oxides") >= 1
    assert numbers(queue) == {"failed": 1, "ready": 1}


# Retrying and cancelling


@pytest.fixture
def failed(queue: CampaignQueue, make_task: TaskMaker) -> CampaignQueue:
    """Site `s` failed by its SCF, `t` by a crash, `u` is done; the averages of the first and of the last are ended."""
    sites = [make_task(name) for name in "stu"]
    averages = [make_task("su", needs=("s", "u")), make_task("ut", needs=("u", "t")), make_task("uu", needs=("u",))]
    queue.add_tasks("oxides", [*sites, *averages])
    drain(queue)
    queue.finish("s", "w1", FAILED)
    queue.finish("t", "w1", Finish(state=TaskState.FAILED, cause="crash"))
    queue.finish("u", "w1", DONE)
    assert sorted(drain(queue)) == ["su", "ut", "uu"]
    queue.finish("su", "w1", Finish(state=TaskState.FAILED, cause="unknown"))
    queue.finish("ut", "w1", Finish(state=TaskState.FAILED, cause="unknown"))
    queue.finish("uu", "w1", DONE)
    return queue


@pytest.mark.parametrize("chosen", [{"causes": ["scf"]}, {"ids": ["s"]}, {"causes": ["scf", "crash"], "ids": ["s"]}])
def test_a_retry_of_some_takes_only_those_and_what_needs_them(failed: CampaignQueue, chosen: dict[str, Any]) -> None:
    assert failed.retry("oxides", **chosen) == 2
    states = {task.id: task.state.value for task in failed.tasks("oxides")}
    assert states == {"s": "ready", "t": "failed", "u": "done", "su": "waiting", "ut": "failed", "uu": "done"}
    task = failed.task("s")
    assert task is not None
    assert (task.cause, task.reason, task.n_attempts, task.ended_at) == ("", "", 0, 0.0)


def test_a_retry_of_all_runs_sites_before_their_averages(failed: CampaignQueue) -> None:
    assert failed.retry("oxides") == 4
    assert drain(failed) == ["s", "t"]
    failed.finish("s", "w1", DONE)
    assert drain(failed) == ["su"]
    assert failed.retry("oxides") == 0


def test_a_cancelled_campaign_leaves_what_another_wants(queue: CampaignQueue, make_task: TaskMaker) -> None:
    queue.add_campaign(campaign_of("other"))
    queue.add_tasks("oxides", [make_task(name) for name in ("done", "running", "mine", "shared")])
    queue.add_tasks("other", [make_task("shared")])
    assert [claim(queue), claim(queue)] == ["done", "running"]
    queue.finish("done", "w1", DONE)
    assert queue.cancel("oxides") == 2
    assert queue.campaign("oxides").state is CampaignState.CANCELLED
    assert numbers(queue) == {"done": 1, "cancelled": 2, "ready": 1}
    assert queue.renew("w1") == set()
    assert claim(queue, "other") == "shared"
    assert queue.finish("running", "w1", DONE)  # it had just been computed: a result counts
    assert queue.cancel("other") == 1


def test_a_cancelled_task_is_ready_again_when_a_campaign_wants_it(queue: CampaignQueue, make_task: TaskMaker) -> None:
    tasks = [make_task("s"), make_task("a", needs=("s",))]
    queue.add_tasks("oxides", tasks)
    queue.cancel("oxides")
    queue.add_campaign(campaign_of("other"))
    assert queue.add_tasks("other", tasks) == 0
    assert numbers(queue, "other") == {"ready": 1, "waiting": 1}
    assert claim(queue, "other") == "s"
    queue.finish("s", "w1", DONE)
    assert claim(queue, "other") == "a"


def test_a_shared_task_runs_once_and_is_done_in_both_campaigns(queue: CampaignQueue, make_task: TaskMaker) -> None:
    queue.add_campaign(campaign_of("other"))
    tasks = [make_task("s"), make_task("a", needs=("s",))]
    assert queue.add_tasks("oxides", tasks) == 2
    assert queue.add_tasks("other", tasks) == 0
    queue.set_state("oxides", CampaignState.PAUSED)
    assert claim(queue, "other") == "s"
    queue.set_state("oxides", CampaignState.ACTIVE)
    assert claim(queue, "oxides") is None
    queue.finish("s", "w1", DONE)
    assert numbers(queue, "oxides") == numbers(queue, "other") == {"done": 1, "ready": 1}


# Looking


def test_counts_name_every_state(queue: CampaignQueue) -> None:
    assert queue.counts("oxides") == dict.fromkeys(TaskState, 0)


def test_groups_add_up_core_time(failed: CampaignQueue) -> None:
    failed.add_tasks("oxides", [task_of("stored", absorber="Cu", **FROM_STORE)])
    assert failed.group("oxides", ["state", "cause"]) == [
        (("done", ""), 3, 40.0),
        (("failed", "unknown"), 2, 0.0),
        (("failed", "crash"), 1, 0.0),
        (("failed", "scf"), 1, 5.0),
    ]
    assert failed.group("oxides", ["is_from_store", "absorber"]) == [
        ((False, "Ti"), 6, 45.0),
        ((True, "Cu"), 1, 0.0),
    ]
    with pytest.raises(ParameterError, match="did you mean 'cause'"):
        failed.group("oxides", ["causes"])


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"states": [TaskState.FAILED]}, ["s", "t", "su", "ut"]),
        ({"states": [TaskState.FAILED], "newest_first": True, "limit": 3}, ["ut", "su", "t"]),
        ({"causes": ["scf", "crash"]}, ["s", "t"]),
        ({"kinds": ["average"], "states": [TaskState.DONE, TaskState.RUNNING]}, ["uu"]),
    ],
)
def test_tasks_are_chosen_by_state_cause_and_kind(
    failed: CampaignQueue, chosen: dict[str, Any], expected: Sequence[str]
) -> None:
    assert [task.id for task in failed.tasks("oxides", **chosen)] == expected


def test_the_newest_are_streamed_over_more_than_one_group(queue: CampaignQueue, make_task: TaskMaker) -> None:
    ended: list[Task] = [make_task(f"{i:04d}", **FROM_STORE, ended_at=1000.0 + i // 3) for i in range(1100)]
    queue.add_tasks("oxides", ended)
    assert [task.id for task in queue.tasks("oxides", newest_first=True)] == [task.id for task in reversed(ended)]


def test_the_timeline_counts_what_was_computed_in_each_interval(failed: CampaignQueue) -> None:
    failed.add_tasks("oxides", [task_of("stored", **FROM_STORE)])
    rows = failed.timeline("oxides", 3600.0)
    assert all(start % 3600.0 == 0.0 for start, *_ in rows)
    assert rows[0][0] <= failed.now() < rows[-1][0] + 3600.0
    assert [sum(column) for column in list(zip(*rows, strict=True))[1:]] == [2, 4, 45.0]


def test_a_worker_is_what_it_said_last(queue: CampaignQueue) -> None:
    first = Worker(
        id="w1",
        campaign="oxides",
        host="n1",
        pid=7,
        job="slurm 11",
        cores=2,
        started_at=1.0,
        seen_at=2.0,
        time_limit=9.0,
    )
    queue.put_worker(first)
    queue.put_worker(Worker(**{**vars(first), "seen_at": 5.0, "n_done": 3, "ending": "nothing left to do"}))
    queue.put_worker(Worker(**{**vars(first), "id": "w2", "started_at": 4.0, "time_limit": None}))
    queue.put_worker(Worker(**{**vars(first), "id": "w3", "campaign": "other"}))
    newest, oldest = queue.workers("oxides")
    assert (newest.id, newest.time_limit) == ("w2", None)
    assert oldest == Worker(**{**vars(first), "seen_at": 5.0, "n_done": 3, "ending": "nothing left to do"})
