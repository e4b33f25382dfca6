from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflows.campaign.queues import fill_queue, finish_tasks
from whiteline.database.queue import CampaignQueue, CampaignState, TaskState, open_queue
from whiteline.workflows.campaign.conclusion import Conclusion, Verdict, conclude


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[CampaignQueue]:
    with open_queue(tmp_path / "spectra.db") as queue:
        yield queue


def look(queue: CampaignQueue, **given: int) -> Conclusion:
    values = {"n_finished_before": 0, "cores": 2, "seconds": 3600, **given}
    return conclude(queue, "copper", **values)  # type: ignore[arg-type]  # all of them are numbers


def test_all_tasks_finished_is_the_end_whether_they_failed_or_not(queue: CampaignQueue) -> None:
    fill_queue(queue)
    finish_tasks(queue, 3)
    finish_tasks(queue, 1, state=TaskState.FAILED)
    found = look(queue)
    assert (found.verdict, found.reason) == (Verdict.FINISHED, "all 4 tasks are finished, 1 failed")


def test_tasks_that_are_left_go_to_as_many_workers_as_can_use_them(queue: CampaignQueue) -> None:
    fill_queue(queue)
    finish_tasks(queue, 1)
    found = look(queue)
    assert (found.verdict, found.n_workers, found.n_fruitless, found.n_finished) == (Verdict.GOES_ON, 2, 0, 1)


def test_one_worker_waits_for_what_dead_ones_hold(queue: CampaignQueue) -> None:
    fill_queue(queue, n_tasks=1)
    queue.claim("copper", "dead", cores=2)
    found = look(queue)
    assert (found.verdict, found.n_workers) == (Verdict.GOES_ON, 1)


def test_a_third_generation_in_a_row_without_progress_is_the_last(queue: CampaignQueue) -> None:
    fill_queue(queue)
    assert look(queue, n_fruitless_before=1).verdict is Verdict.GOES_ON
    found = conclude(
        queue,
        "copper",
        n_finished_before=0,
        n_fruitless_before=2,
        cores=2,
        seconds=3600,
        endings=["no space left", "no space left"],
    )
    assert found.verdict is Verdict.STOPPED
    assert "3 generations of workers in a row finished none of the 4 tasks" in found.reason
    assert "(no space left)" in found.reason


def test_progress_forgets_what_was_fruitless_before(queue: CampaignQueue) -> None:
    fill_queue(queue)
    finish_tasks(queue, 1)
    assert look(queue, n_fruitless_before=2).n_fruitless == 0


def test_tasks_longer_than_a_worker_lives_stop_it_with_both_times(queue: CampaignQueue) -> None:
    fill_queue(queue, estimate=7200.0)
    found = look(queue)
    assert found.verdict is Verdict.STOPPED
    assert "a worker of 2 cores and 3600 s: they are expected to take 7200 to 7200 s; raise `walltime`" in found.reason


def test_tasks_wider_than_a_worker_stop_it_with_both_numbers(queue: CampaignQueue) -> None:
    fill_queue(queue, cores=4)
    assert "a worker of 2 cores: they take 4 cores or more; raise `cores`" in look(queue).reason


def test_a_paused_campaign_says_why_and_how_it_goes_on(queue: CampaignQueue) -> None:
    fill_queue(queue)
    queue.set_state("copper", CampaignState.PAUSED, note="its budget is spent")
    found = look(queue)
    assert found.verdict is Verdict.STOPPED
    assert found.reason.startswith("paused (its budget is spent), 4 tasks are left: `whiteline campaign resume copper`")


def test_a_cancelled_campaign_is_not_finished(queue: CampaignQueue) -> None:
    fill_queue(queue)
    queue.cancel("copper")
    assert look(queue).verdict is Verdict.STOPPED
