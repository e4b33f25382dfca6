from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.workflows.campaign.half_done import (
    NAME,
    add_campaign,
    fill_half,
    finish_next,
    make_task,
    make_worker,
)
from whiteline.database.queue import (
    LEASE,
    CampaignQueue,
    CampaignState,
    Finish,
    TaskState,
    UnknownCampaignError,
    open_queue,
)
from whiteline.workflows.campaign.looking import look_at
from whiteline.workflows.campaign.pricing import Price
from whiteline.workflows.campaign.status import Interval, latest, regroup, share_in_engine

from .half_done import plan

GOOD = Finish(state=TaskState.DONE, status="converged", seconds=20.0, engine_seconds=19.0)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[CampaignQueue]:
    with open_queue(tmp_path / "spectra.db") as opened:
        yield opened


def test_counts_are_those_of_the_queue_by_state_and_by_what_was_asked_for(queue: CampaignQueue) -> None:
    fill_half(queue)
    status = look_at(queue, NAME)
    assert status.counts == queue.counts(NAME)
    assert (status.n_tasks, status.n_finished, status.n_stored, status.n_unconverged) == (11, 7, 1, 1)
    site, average = status.requests
    assert (site.label, site.n_tasks, site.n_computed, site.n_open) == ("Cu K feff:fast", 10, 4, 3)
    assert (average.kind, average.counts[TaskState.WAITING]) == ("average", 1)


def test_a_cause_comes_with_its_latest_task_as_example(queue: CampaignQueue) -> None:
    fill_half(queue)
    failures = {each.cause: each for each in look_at(queue, NAME).failures}
    assert failures.keys() == {"scf", "time-limit"}
    assert failures["scf"].reason == "no self-consistency\nafter 100 iterations"
    assert (failures["scf"].is_of_machine, failures["time-limit"].is_of_machine) == (False, True)


def test_what_is_left_costs_what_those_like_it_did(queue: CampaignQueue) -> None:
    fill_half(queue)
    status = look_at(queue, NAME)
    # Two ready and half of the one that runs, at the measured 20 s and not at the priced 10 s; two cores.
    assert status.seconds_of_work_left == pytest.approx(2.5 * 20.0)
    assert status.seconds_left == pytest.approx(25.0)


def test_before_the_first_result_the_price_tells_what_is_left(queue: CampaignQueue) -> None:
    add_campaign(queue, [make_task(i) for i in range(4)], plan=plan())
    status = look_at(queue, NAME)
    assert status.seconds_of_work_left == pytest.approx(40.0)
    assert status.seconds_left is None  # nobody works


def test_what_was_not_computed_yet_is_scaled_by_what_was(queue: CampaignQueue) -> None:
    tasks = [make_task(0), make_task(1, fidelity="feff:standard")]
    prices = plan()
    prices["requests"] = [prices["requests"][0], {**prices["requests"][0], "fidelity": "feff:standard"}]
    add_campaign(queue, tasks, plan=prices)
    finish_next(queue, GOOD)  # 20 s, where 10 s were expected
    assert look_at(queue, NAME).seconds_of_work_left == pytest.approx(20.0)


def test_without_price_and_results_nothing_is_said_about_what_is_left(queue: CampaignQueue) -> None:
    add_campaign(queue, [make_task(0)])
    assert look_at(queue, NAME).seconds_of_work_left is None


def test_the_plan_of_a_campaign_is_what_pricing_writes() -> None:
    assert Price.from_dict(plan()).to_dict() == plan() | {
        "problems": (),
        "requests": (plan()["requests"][0],),
        "warnings": (),
    }


def test_workers_are_alive_for_a_lease_and_then_lost(queue: CampaignQueue) -> None:
    add_campaign(queue, [make_task(0)])
    now = queue.now()
    queue.put_worker(make_worker(queue, id="alive"))
    queue.put_worker(make_worker(queue, id="lost", seen_at=now - LEASE - 60.0))
    queue.put_worker(make_worker(queue, id="left", seen_at=now - 1000.0, ended_at=now - 1000.0))
    status = look_at(queue, NAME)
    assert [worker.id for worker in status.alive] == ["alive"]
    assert [worker.id for worker in status.lost] == ["lost"]
    assert status.n_cores == 2


def test_the_pace_is_what_ended_over_the_time_of_the_workers(queue: CampaignQueue) -> None:
    fill_half(queue)
    status = look_at(queue, NAME)
    # Six tasks since the worker began 50 s ago; what was served from the store does not count.
    assert status.mean_rate == pytest.approx(6 / 50.0, rel=0.1)  # the clock goes on while the test runs
    assert sum(latest(status, 40)) == 6


def test_a_campaign_is_finished_when_nothing_more_happens_and_complete_when_all_have_spectra(
    queue: CampaignQueue,
) -> None:
    add_campaign(queue, [make_task(0), make_task(1)])
    finish_next(queue, GOOD)
    assert not look_at(queue, NAME).is_finished
    finish_next(queue, replace(GOOD, state=TaskState.FAILED, status="failed", cause="crash", reason="signal 11"))
    status = look_at(queue, NAME)
    assert (status.is_finished, status.is_complete, status.state_name) == (True, False, "finished")
    assert queue.retry(NAME) == 1
    finish_next(queue, GOOD)
    assert look_at(queue, NAME).is_complete


def test_a_paused_campaign_is_not_finished(queue: CampaignQueue) -> None:
    add_campaign(queue, [make_task(0)])
    queue.set_state(NAME, CampaignState.PAUSED, note="its budget is spent")
    status = look_at(queue, NAME)
    assert (status.is_finished, status.state_name, status.campaign.note) == (False, "paused", "its budget is spent")


def test_the_dictionary_is_json(queue: CampaignQueue) -> None:
    fill_half(queue)
    data = json.loads(json.dumps(look_at(queue, NAME).to_dict()))
    assert data["counts"] == {"waiting": 1, "ready": 2, "running": 1, "done": 5, "failed": 2, "cancelled": 0}
    assert (data["priced_core_seconds"], data["budget"]) == (90.0, 3600.0)
    assert data["workers"][0]["is_alive"]


def test_an_empty_campaign_has_a_status(queue: CampaignQueue) -> None:
    add_campaign(queue, [])
    status = look_at(queue, NAME)
    assert (status.n_tasks, status.is_finished, status.mean_rate) == (0, True, None)


def test_an_unknown_campaign_names_the_nearest(queue: CampaignQueue) -> None:
    add_campaign(queue, [])
    with pytest.raises(UnknownCampaignError, match="oxides"):
        look_at(queue, "oxide")


def test_intervals_of_another_length_hold_the_same_and_leave_no_gap() -> None:
    intervals = [Interval(0.0, 2, 0, 4.0), Interval(10.0, 1, 1, 2.0), Interval(50.0, 1, 0, 2.0)]
    assert regroup(intervals, 20.0) == [
        Interval(0.0, 3, 1, 6.0),
        Interval(20.0, 0, 0, 0.0),
        Interval(40.0, 1, 0, 2.0),
    ]


def test_the_share_inside_the_codes_counts_the_cores(queue: CampaignQueue) -> None:
    # 2 cores for 50 s, 80 s of them in the code.
    assert share_in_engine([make_worker(queue, engine_seconds=80.0)]) == pytest.approx(0.8)
    assert share_in_engine([]) is None
