"""How far a campaign is, as one object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from whiteline.causes import Cause
from whiteline.database.queue import LEASE, Campaign, CampaignState, TaskKind, TaskState, Worker

__all__ = [
    "CampaignStatus",
    "FailureGroup",
    "Interval",
    "RequestStatus",
    "is_alive",
    "latest",
    "regroup",
    "share_in_engine",
]

# s; what counts as the present throughput.
RECENT: Final = 600.0
_OPEN: Final = (TaskState.WAITING, TaskState.READY, TaskState.RUNNING)


@dataclass(frozen=True, kw_only=True)
class RequestStatus:
    """How far the tasks of one kind, element, edge and level of theory are.

    Attributes:
        counts: Number of tasks in each state.
        n_stored: Spectra that were in the store already; `n_computed` those that were computed.
        n_unconverged: Spectra that did not converge.
        core_seconds: Core time of their last attempts [s]; `done_seconds` the part that ended with a spectrum.
    """

    kind: TaskKind
    fidelity: str
    absorber: str
    edge: str
    counts: Mapping[TaskState, int]
    n_stored: int
    n_computed: int
    n_unconverged: int
    core_seconds: float
    done_seconds: float

    @property
    def n_open(self) -> int:
        """Tasks that may still end."""
        return sum(self.counts[state] for state in _OPEN)

    @property
    def n_tasks(self) -> int:
        """All tasks."""
        return sum(self.counts.values())

    @property
    def mean_seconds(self) -> float | None:
        """Core time of one that was computed [s]; None before the first."""
        return self.done_seconds / self.n_computed if self.n_computed else None

    @property
    def label(self) -> str:
        """What was asked for, e.g. `Ti K feff:fast`."""
        return f"{self.absorber} {self.edge} {self.fidelity}"


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """Tasks that failed for one cause, with the newest of them as an example."""

    cause: str
    n_tasks: int
    task_id: str = ""
    label: str = ""
    reason: str = ""

    @property
    def is_of_machine(self) -> bool:
        """Whether trying again elsewhere may help, with nothing changed."""
        return self.cause in set(Cause) and Cause(self.cause).is_of_machine


@dataclass(frozen=True)
class Interval:
    """What ended within one interval: its start [s since 1970], tasks with and without a spectrum, core time [s]."""

    start: float
    n_done: int
    n_failed: int
    core_seconds: float


@dataclass(frozen=True, kw_only=True)
class CampaignStatus:
    """How far a campaign is.

    Attributes:
        campaign: What was asked for.
        address: Where its queue is.
        now: Time by the clock of the queue [s since 1970].
        counts: Number of tasks in each state.
        requests: The same by kind, element, edge and level of theory, in the order of their names.
        failures: What failed by cause, the most frequent first.
        workers: All that it has had, the newest first.
        intervals: What ended when; `step` is their length [s].
        seconds_of_work_left: Expected core time of what is unfinished [s]; None when nothing tells.
    """

    campaign: Campaign
    address: str
    now: float
    counts: Mapping[TaskState, int]
    requests: tuple[RequestStatus, ...]
    failures: tuple[FailureGroup, ...]
    workers: tuple[Worker, ...]
    intervals: tuple[Interval, ...]
    step: float
    seconds_of_work_left: float | None

    @property
    def n_tasks(self) -> int:
        """All tasks."""
        return sum(self.counts.values())

    @property
    def n_finished(self) -> int:
        """Tasks to which nothing more happens."""
        return sum(n for state, n in self.counts.items() if state.is_finished)

    @property
    def n_stored(self) -> int:
        """Tasks for which nothing had to be computed."""
        return sum(request.n_stored for request in self.requests)

    @property
    def n_unconverged(self) -> int:
        """Spectra that did not converge."""
        return sum(request.n_unconverged for request in self.requests)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.n_finished == self.n_tasks or self.campaign.state is CampaignState.CANCELLED

    @property
    def state_name(self) -> str:
        """State of the campaign; `finished` where nothing of an active one is left to do."""
        is_through = self.is_finished and self.campaign.state is CampaignState.ACTIVE
        return "finished" if is_through else self.campaign.state.value

    @property
    def is_complete(self) -> bool:
        """Whether every task has its spectrum."""
        return self.counts[TaskState.DONE] == self.n_tasks

    @property
    def core_seconds(self) -> float:
        """Core time of the last attempts of its tasks [s]."""
        return sum(request.core_seconds for request in self.requests)

    @property
    def priced_seconds(self) -> float | None:
        """Core time that was expected when it was made [s]."""
        found = self.campaign.plan.get("core_time")
        return None if found is None else float(found["expected"])

    @property
    def alive(self) -> tuple[Worker, ...]:
        """Workers that were heard of within a lease."""
        return tuple(worker for worker in self.workers if is_alive(worker, self.now))

    @property
    def lost(self) -> tuple[Worker, ...]:
        """Workers that were not heard of again and did not say that they leave."""
        return tuple(w for w in self.workers if not w.ended_at and not is_alive(w, self.now))

    @property
    def n_cores(self) -> int:
        """Cores of the workers that are alive."""
        return sum(worker.cores for worker in self.alive)

    @property
    def seconds_left(self) -> float | None:
        """Expected time to the end with the workers that are alive [s]; None without one."""
        if self.is_finished or not self.n_cores or self.seconds_of_work_left is None:
            return None
        return self.seconds_of_work_left / self.n_cores

    @property
    def recent_rate(self) -> float | None:
        """Tasks that ended per second in the last minutes; None where nothing ended at all."""
        return self._rate(self.now - RECENT)

    @property
    def mean_rate(self) -> float | None:
        """Tasks that ended per second from the first worker's start on; None where nothing ended at all."""
        return self._rate(0.0)

    def _rate(self, since: float) -> float | None:
        if not self.intervals:
            return None
        began = min([self.intervals[0].start, *(worker.started_at for worker in self.workers)])
        ended = self.now if not self.is_finished else self.intervals[-1].start + self.step
        start = max(began, since)
        number = sum(each.n_done + each.n_failed for each in self.intervals if each.start + self.step > start)
        return number / max(ended - start, self.step) if ended > start else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "name": self.campaign.name,
            "queue": self.address,
            "state": self.campaign.state.value,
            "note": self.campaign.note,
            "created_at": self.campaign.created_at,
            "now": self.now,
            "is_finished": self.is_finished,
            "n_tasks": self.n_tasks,
            "counts": {state.value: n for state, n in self.counts.items()},
            "n_stored": self.n_stored,
            "n_unconverged": self.n_unconverged,
            "core_seconds": self.core_seconds,
            "priced_core_seconds": self.priced_seconds,
            "budget": self.campaign.budget,
            "core_seconds_left": self.seconds_of_work_left,
            "seconds_left": self.seconds_left,
            "recent_rate": self.recent_rate,
            "mean_rate": self.mean_rate,
            "requests": [_request_dict(request) for request in self.requests],
            "failures": [_plain(failure) for failure in self.failures],
            "workers": [{**_plain(worker), "is_alive": is_alive(worker, self.now)} for worker in self.workers],
        }


def is_alive(worker: Worker, now: float) -> bool:
    """Return whether a worker has not left and was heard of within a lease."""
    return not worker.ended_at and now - worker.seen_at <= LEASE


def share_in_engine(workers: Iterable[Worker]) -> float | None:
    """Return which share of the core time that workers had was spent inside the codes; None without workers."""
    had = used = 0.0
    for worker in workers:
        had += worker.cores * max((worker.ended_at or worker.seen_at) - worker.started_at, 0.0)
        used += worker.engine_seconds
    return used / had if had else None


def regroup(intervals: Sequence[Interval], step: float) -> list[Interval]:
    """Return intervals of another length, those without an end included."""
    if not intervals:
        return []
    first = intervals[0].start
    sums = [[0.0, 0.0, 0.0] for _ in range(int((intervals[-1].start - first) // step) + 1)]
    for each in intervals:
        found = sums[int((each.start - first) // step)]
        for i, value in enumerate((each.n_done, each.n_failed, each.core_seconds)):
            found[i] += value
    return [Interval(first + i * step, int(a), int(b), c) for i, (a, b, c) in enumerate(sums)]


def latest(status: CampaignStatus, n_intervals: int) -> list[int]:
    """Return how many tasks ended in each of the last intervals, the present one last."""
    last = int(status.now // status.step)
    found = {int(each.start // status.step): each.n_done + each.n_failed for each in status.intervals}
    return [found.get(i, 0) for i in range(last - n_intervals + 1, last + 1)]


def _request_dict(request: RequestStatus) -> dict[str, Any]:
    return {
        **_plain(request),
        "counts": {state.value: n for state, n in request.counts.items()},
        "mean_core_seconds": request.mean_seconds,
    }


def _plain(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}
