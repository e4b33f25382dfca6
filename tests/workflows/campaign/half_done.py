"""A campaign in the middle: what tests of status, report and commands look at."""

from __future__ import annotations

from typing import Any

from whiteline.causes import Cause
from whiteline.database.queue import Campaign, CampaignQueue, Finish, Task, TaskKind, TaskState, Worker

NAME = "oxides"


DEFINITION = f"""
name = "{NAME}"

[structures]
paths = ["crystals"]

[[spectra]]
absorbers = ["Cu"]
preset = "fast"
"""


def task_id(i_task: int) -> str:
    return f"{i_task:040x}"


def make_task(i_task: int, **values: Any) -> Task:
    """Return a task of copper; the number is its id."""
    given: dict[str, Any] = {
        "kind": TaskKind.SITE,
        "label": f"copper-{i_task} Cu0 K",
        "fidelity": "feff:fast",
        "estimate": 10.0,
        **values,
    }
    return Task(
        id=task_id(i_task), material=f"copper-{i_task}", absorber="Cu", edge="K", code="feff", payload={}, **given
    )


def add_campaign(queue: CampaignQueue, tasks: list[Task], *, name: str = NAME, **values: Any) -> Campaign:
    campaign = queue.add_campaign(
        Campaign(
            name=name,
            definition=DEFINITION.replace(NAME, name),
            definition_id="ab" * 20,
            created_at=queue.now(),
            **values,
        )
    )
    queue.add_tasks(name, tasks)
    return campaign


def finish_next(queue: CampaignQueue, finish: Finish, *, name: str = NAME, worker: str = "w1") -> Task:
    """Claim the next task and end it."""
    task = queue.claim(name, worker, cores=8)
    assert task is not None
    assert queue.finish(task.id, worker, finish)
    return task


def fill_half(queue: CampaignQueue) -> None:
    """Make a campaign of ten sites and an average: one stored, four computed, two failed, one running, three left.

    It was priced at 10 s a site and costs 20 s.
    """
    sites = [make_task(0, state=TaskState.DONE, status="converged", is_from_store=True)]
    sites += [make_task(i) for i in range(1, 10)]
    average = make_task(
        10,
        kind=TaskKind.AVERAGE,
        label="copper Cu K average",
        needs=(task_id(9),),
        state=TaskState.WAITING,
        estimate=0.0,
    )
    add_campaign(queue, [*sites, average], budget=3600.0, plan=plan())
    good = Finish(state=TaskState.DONE, status="converged", seconds=20.0, engine_seconds=19.0)
    for _ in range(3):
        finish_next(queue, good)
    finish_next(queue, Finish(state=TaskState.DONE, status="unconverged", seconds=20.0, engine_seconds=19.0))
    for cause, reason in ((Cause.SCF, "no self-consistency\nafter 100 iterations"), (Cause.TIME_LIMIT, "killed")):
        finish_next(queue, Finish(state=TaskState.FAILED, status="failed", cause=cause, reason=reason, seconds=5.0))
    assert queue.claim(NAME, "w1", cores=8) is not None
    queue.put_worker(make_worker(queue, id="w1", n_done=4, n_failed=2, busy_seconds=90.0, engine_seconds=80.0))


def make_worker(queue: CampaignQueue, **values: Any) -> Worker:
    now = queue.now()
    given: dict[str, Any] = {
        "id": "w1",
        "campaign": NAME,
        "host": "node1",
        "pid": 4711,
        "job": "slurm 17",
        "cores": 2,
        "started_at": now - 50.0,
        "seen_at": now,
        **values,
    }
    return Worker(**given)


def plan() -> dict[str, Any]:
    """Return what `pricing.Price.to_dict` writes: nine sites of 10 s, with a band."""
    band = {"low": 45.0, "expected": 90.0, "high": 180.0}
    none = {"low": 0.0, "expected": 0.0, "high": 0.0}
    request = {
        "title": "Cu K by feff:fast",
        "fidelity": "feff:fast",
        "n_materials": 1,
        "n_sites": 10,
        "n_stored": 1,
        "n_queued": 0,
        "n_new": 9,
        "core_time": band,
        "queued_core_time": none,
        "longest": 10.0,
        "longest_at_most": 20.0,
        "longest_label": "copper-1 Cu0 K",
        "memory": 100.0,
        "most_cores": 1,
        "basis": "3 stored calculations of feff:fast",
    }
    return {
        "requests": [request],
        "n_structures": 10,
        "n_problems": 0,
        "problems": [],
        "core_time": band,
        "queued_core_time": none,
        "wall_time": band,
        "disk_bytes": 1e6,
        "warnings": [],
    }
