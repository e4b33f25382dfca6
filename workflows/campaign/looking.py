"""Looking at a campaign: a handful of questions to its queue, however many tasks it has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from whiteline.database.queue import CampaignQueue, TaskKind, TaskState, Worker
from whiteline.status import Status
from whiteline.workflows.campaign.status import CampaignStatus, FailureGroup, Interval, RequestStatus

__all__ = ["look_at"]

# s; lengths of intervals, and how many of them are enough.
_STEPS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
_MOST_INTERVALS: Final = 120
_FIELDS: Final = ("state", "status", "cause", "kind", "code", "fidelity", "absorber", "edge", "is_from_store")


def look_at(queue: CampaignQueue, name: str) -> CampaignStatus:
    """Return how far a campaign is.

    Raises:
        UnknownCampaignError: There is none of this name.
        StoreError: The queue cannot be read.
    """
    campaign = queue.campaign(name)
    now = queue.now()
    rows = [
        (dict(zip(_FIELDS, values, strict=True)), n_tasks, seconds)
        for values, n_tasks, seconds in queue.group(name, _FIELDS)
    ]
    requests = _requests(rows)
    workers = tuple(queue.workers(name))
    step = _step(workers)
    return CampaignStatus(
        campaign=campaign,
        address=queue.address,
        now=now,
        counts={state: sum(request.counts[state] for request in requests) for state in TaskState},
        requests=requests,
        failures=_failures(queue, name, rows),
        workers=workers,
        intervals=tuple(Interval(*interval) for interval in queue.timeline(name, step)),
        step=step,
        seconds_of_work_left=_work_left(requests, _prices(campaign.plan)),
    )


def _step(workers: Sequence[Worker]) -> float:
    """Return the length of intervals that suits the time that workers were there [s]."""
    began = min((worker.started_at for worker in workers), default=0.0)
    span = max((worker.ended_at or worker.seen_at for worker in workers), default=0.0) - began
    return next((step for step in _STEPS if span <= step * _MOST_INTERVALS), _STEPS[-1])


def _requests(rows: Sequence[tuple[dict[str, Any], int, float]]) -> tuple[RequestStatus, ...]:
    grouped: dict[tuple[str, ...], list[tuple[dict[str, Any], int, float]]] = defaultdict(list)
    for row in rows:
        grouped[tuple(row[0][name] for name in ("absorber", "edge", "fidelity", "kind"))].append(row)
    order = {kind: i for i, kind in enumerate(TaskKind)}
    found = []
    for (absorber, edge, fidelity, kind), own in grouped.items():
        counts = dict.fromkeys(TaskState, 0)
        for values, n_tasks, _ in own:
            counts[TaskState(values["state"])] += n_tasks
        done = [row for row in own if row[0]["state"] == TaskState.DONE]
        computed = [row for row in done if not row[0]["is_from_store"]]
        found.append(
            RequestStatus(
                kind=TaskKind(kind),
                fidelity=fidelity,
                absorber=absorber,
                edge=edge,
                counts=counts,
                n_stored=sum(n for values, n, _ in done if values["is_from_store"]),
                n_computed=sum(n for _, n, _ in computed),
                n_unconverged=sum(n for values, n, _ in done if values["status"] == Status.UNCONVERGED),
                core_seconds=sum(seconds for values, _, seconds in own if not values["is_from_store"]),
                done_seconds=sum(seconds for _, _, seconds in computed),
            )
        )
    return tuple(sorted(found, key=lambda each: (order[each.kind], each.label)))


def _failures(
    queue: CampaignQueue, name: str, rows: Sequence[tuple[dict[str, Any], int, float]]
) -> tuple[FailureGroup, ...]:
    numbers: dict[str, int] = defaultdict(int)
    for values, n_tasks, _ in rows:
        if values["state"] == TaskState.FAILED:
            numbers[values["cause"]] += n_tasks
    found = []
    for cause, n_tasks in sorted(numbers.items(), key=lambda item: (-item[1], item[0])):
        newest = next(
            iter(queue.tasks(name, states=[TaskState.FAILED], causes=[cause], limit=1, newest_first=True)), None
        )
        example = {} if newest is None else {"task_id": newest.id, "label": newest.label, "reason": newest.reason}
        found.append(FailureGroup(cause=cause, n_tasks=n_tasks, **example))
    return tuple(found)


def _work_left(requests: Sequence[RequestStatus], prices: Mapping[str, float]) -> float | None:
    """Return the core time that unfinished tasks are expected to take [s]; None where nothing tells.

    A task is taken to cost what those like it did, and before the first of them what the plan expected, times what the
    others turned out to cost against theirs. Half of what runs is taken to be done; averages are next to nothing.

    Args:
        requests: What there is.
        prices: Expected core time of a calculation by level of theory [s].
    """
    seen = [r for r in requests if r.n_computed and r.kind is not TaskKind.AVERAGE and prices.get(r.fidelity)]
    expected = sum(r.n_computed * prices[r.fidelity] for r in seen)
    pace = sum(r.done_seconds for r in seen) / expected if expected else 1.0
    total = 0.0
    for request in requests:
        n_open = request.n_open - 0.5 * request.counts[TaskState.RUNNING]
        price = 0.0 if request.kind is TaskKind.AVERAGE else prices.get(request.fidelity)
        each = request.mean_seconds if request.n_computed else None if price is None else pace * price
        if n_open and each is None:
            return None
        total += n_open * (each or 0.0)
    return total


def _prices(plan: Mapping[str, Any]) -> dict[str, float]:
    """Return the core time that a plan expected of a calculation by level of theory [s] (`pricing.Price.to_dict`)."""
    seconds: dict[str, float] = defaultdict(float)
    numbers: dict[str, int] = defaultdict(int)
    for request in plan.get("requests", ()):
        seconds[request["fidelity"]] += request["core_time"]["expected"]
        numbers[request["fidelity"]] += request["n_sites"] - request["n_stored"]
    return {fidelity: seconds[fidelity] / n for fidelity, n in numbers.items() if n}
