"""Which tasks of a campaign are done, queued or new, and a file that holds them until all are priced."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import IO, Final

from whiteline.database.queue.interface import CampaignQueue
from whiteline.database.queue.tasks import Task, TaskKind, TaskState
from whiteline.database.store import SpectrumStore
from whiteline.status import Status
from whiteline.workflows.campaign.analysis import Analysis, Draft
from whiteline.workflows.campaign.pricing import Price, Tally

__all__ = ["CampaignPlan", "TaskSorter"]

# Tasks that are added to the queue at once.
_GROUP: Final = 500


@dataclass(frozen=True)
class CampaignPlan:
    """The tasks of a campaign, on disk until they are queued, and what they cost.

    Attributes:
        price: What it comes to.
        n_tasks: Number of tasks.
    """

    price: Price
    n_tasks: int
    _file: IO[bytes]

    def groups(self) -> Iterator[tuple[dict[str, bytes], list[Task]]]:
        """Yield contents and tasks in groups; what a task needs is in its group or one before."""
        self._file.seek(0)
        contents: dict[str, bytes] = {}
        tasks: list[Task] = []
        for line in self._file:
            data = json.loads(line)
            contents |= {key: base64.b85decode(text) for key, text in data["contents"].items()}
            tasks += [_task_of(values) for values in data["tasks"]]
            if len(tasks) >= _GROUP:
                yield contents, tasks
                contents, tasks = {}, []
        yield contents, tasks


class TaskSorter:
    """Looks up which tasks are done, and writes each once; ids are kept in half of their length."""

    def __init__(self, store: SpectrumStore, queue: CampaignQueue, tallies: list[Tally], file: IO[bytes]) -> None:
        self._store = store
        self._queue = queue
        self._tallies = tallies
        self._file = file
        # Id, and whether the store has it.
        self._seen: dict[bytes, bool] = {}

    @property
    def n_tasks(self) -> int:
        """Tasks that were written."""
        return len(self._seen)

    @property
    def n_sites(self) -> int:
        """Sites among them."""
        return sum(tally.n_sites for tally in self._tallies)

    def take(self, analysis: Analysis) -> None:
        """Count and write what is new."""
        tasks = [task for draft in analysis.drafts if (task := self._sorted(draft)) is not None]
        wanted = {str(task.payload["structure"]) for task in tasks if task.state is not TaskState.DONE}
        contents = {
            key: base64.b85encode(content).decode() for key, content in analysis.contents.items() if key in wanted
        }
        if tasks:
            line = json.dumps({"contents": contents, "tasks": [asdict(task) for task in tasks]})
            self._file.write(line.encode() + b"\n")

    def _sorted(self, draft: Draft) -> Task | None:
        """Return a task as the queue takes it, or None where it went by before."""
        task, key = draft.task, bytes.fromhex(draft.task.id)
        if key in self._seen:
            return None
        status = self._stored_status(task)
        self._seen[key] = status is not None
        tally = self._tallies[draft.i_request]
        is_queued = status is None and self._queue.task(task.id) is not None
        tally.add(draft, is_stored=status is not None, is_queued=is_queued)
        if status is not None:
            return replace(task, state=TaskState.DONE, status=status.value, is_from_store=True)
        if task.kind is TaskKind.AVERAGE:
            is_ready = all(self._seen[bytes.fromhex(need)] for need in task.needs)
            return replace(task, state=TaskState.READY if is_ready else TaskState.WAITING)
        return replace(task, estimate=tally.wall_time(draft).expected)

    def _stored_status(self, task: Task) -> Status | None:
        """Return the status of the spectrum that makes a task needless; None where there is something to do."""
        status = self._store.status_of(task.id)
        if status is None or not status.has_spectrum:
            return None
        if task.kind is TaskKind.SERIES and status is not Status.CONVERGED:
            return None
        if task.kind is TaskKind.AVERAGE and not all(self._seen[bytes.fromhex(need)] for need in task.needs):
            return None
        return status


def _task_of(values: Mapping[str, object]) -> Task:
    given = {**values, "kind": TaskKind(str(values["kind"])), "state": TaskState(str(values["state"]))}
    return Task(**{**given, "needs": tuple(given["needs"])})  # type: ignore[arg-type]  # as `asdict` wrote it
