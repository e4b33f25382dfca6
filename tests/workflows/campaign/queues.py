"""Campaigns without physics: what the tests of flows and submissions need of a queue."""

from __future__ import annotations

from typing import Any

from whiteline.database.queue import Campaign, CampaignQueue, Finish, Task, TaskKind, TaskState, open_queue
from whiteline.settings import Settings
from whiteline.workflows.campaign.worker import WorkerReport

DEFINITION = """
name = "copper"
[structures]
paths = ["*.cif"]
[[spectra]]
absorbers = ["Cu"]
[workers]
count = 2
cores = 2
walltime = "1 h"
memory = 3000
"""


def make_task(i_task: int, **changes: Any) -> Task:
    """Return a task of a site; no structure belongs to it."""
    values: dict[str, Any] = {
        "kind": TaskKind.SITE,
        "label": f"copper {i_task}",
        "material": "copper",
        "absorber": "Cu",
        "edge": "K",
        "code": "feff",
        "fidelity": "feff:fast",
        "payload": {},
        "estimate": 10.0,
    }
    return Task(id=f"{i_task:040x}", **{**values, **changes})


def fill_queue(queue: CampaignQueue, n_tasks: int = 4, definition: str = DEFINITION, **changes: Any) -> Campaign:
    """Add a campaign with tasks; `changes` are to all of them."""
    campaign = queue.add_campaign(
        Campaign(name="copper", definition=definition, definition_id="d1", created_at=queue.now())
    )
    queue.add_tasks(campaign.name, [make_task(i_task, **changes) for i_task in range(n_tasks)])
    return campaign


def finish_tasks(queue: CampaignQueue, n_tasks: int, *, state: TaskState = TaskState.DONE) -> int:
    """Claim and finish at most so many tasks; return how many."""
    for n_done in range(n_tasks):
        task = queue.claim("copper", "w", cores=8)
        if task is None:
            return n_done
        queue.finish(task.id, "w", Finish(state=state, status="converged", cause="" if state == "done" else "scf"))
    return n_tasks


class FakeWork:
    """Stands for `work`: finishes so many tasks at each call, and keeps what it was given."""

    def __init__(self, *n_tasks: int, state: TaskState = TaskState.DONE) -> None:
        self._n_tasks, self._state = list(n_tasks), state
        self.calls: list[dict[str, Any]] = []

    def __call__(self, name: str, *, settings: Settings, **given: Any) -> WorkerReport:
        self.calls.append({"name": name, **given})
        with open_queue(settings.database) as queue:
            n_done = finish_tasks(queue, self._n_tasks.pop(0) if self._n_tasks else 0, state=self._state)
            n_left = sum(n for state, n in queue.counts(name).items() if not state.is_finished)
        return WorkerReport(
            worker=f"w{len(self.calls)}",
            ending="nothing left to do",
            n_done=n_done,
            n_failed=0,
            n_released=0,
            n_left=n_left,
            cores=given.get("cores") or 1,
            seconds=1.0,
            busy_seconds=1.0,
            engine_seconds=1.0,
        )
