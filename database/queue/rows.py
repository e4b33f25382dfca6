"""Campaigns, tasks and workers in the form in which queues keep them: plain values, and JSON text for the rest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, TypeAlias

from whiteline.database.documents import json_text
from whiteline.database.queue.interface import MOST_ATTEMPTS, Finish, UnknownCampaignError
from whiteline.database.queue.tasks import Campaign, CampaignState, Task, TaskKind, TaskState, Worker
from whiteline.errors import InputError, ParameterError, did_you_mean

__all__ = [
    "CAMPAIGN_COLUMNS",
    "FINISHED",
    "GROUP_FIELDS",
    "READY_AGAIN",
    "TASK_COLUMNS",
    "WORKER_COLUMNS",
    "Row",
    "by_number",
    "check_group_fields",
    "finished_values",
    "other_definition",
    "pack_campaign",
    "pack_task",
    "payload_text",
    "released_values",
    "unknown_campaign",
    "unknown_content",
    "unpack_campaign",
    "unpack_task",
    "unpack_worker",
]

Row: TypeAlias = dict[str, Any]

CAMPAIGN_COLUMNS = tuple(field.name for field in fields(Campaign))
TASK_COLUMNS = tuple(field.name for field in fields(Task) if field.name not in ("payload", "needs"))
WORKER_COLUMNS = tuple(field.name for field in fields(Worker))
GROUP_FIELDS = ("state", "status", "cause", "kind", "code", "fidelity", "absorber", "edge", "is_from_store")
FINISHED = tuple(state.value for state in TaskState if state.is_finished)
# What a task forgets that is tried once more from the beginning.
READY_AGAIN: Mapping[str, Any] = {
    "status": "",
    "is_from_store": False,
    "cause": "",
    "reason": "",
    "n_attempts": 0,
    "lease_until": 0.0,
    "ended_at": 0.0,
}


def pack_campaign(campaign: Campaign) -> Row:
    """Return a campaign as plain values.

    Raises:
        ParameterError: JSON cannot hold its plan.
    """
    plan = json_text(campaign.plan, what=f"the plan of campaign {campaign.name}")
    return {**asdict(campaign), "state": campaign.state.value, "plan": plan}


def unpack_campaign(row: Mapping[str, Any]) -> Campaign:
    """Return what `pack_campaign` took."""
    values = {name: row[name] for name in CAMPAIGN_COLUMNS}
    return Campaign(**{**values, "state": CampaignState(values["state"]), "plan": json.loads(values["plan"])})


def pack_task(task: Task, *, now: float) -> Row:
    """Return the plain values of a task that is added: done, or not begun."""
    values = {name: getattr(task, name) for name in TASK_COLUMNS}
    begun = {"kind": task.kind.value, "worker": "", "lease_until": 0.0, "started_at": 0.0, "n_attempts": 0}
    if task.state is TaskState.DONE:
        return {**values, **begun, "state": TaskState.DONE.value, "ended_at": task.ended_at or now}
    # Those that need nothing are made ready at once, the others when it is known how far those are that they need.
    state = TaskState.WAITING if task.needs else TaskState.READY
    return {**values, **begun, **READY_AGAIN, "state": state.value, "seconds": 0.0, "engine_seconds": 0.0}


def payload_text(task: Task) -> str:
    """Return the payload of a task as JSON.

    Raises:
        ParameterError: JSON cannot hold it.
    """
    return json_text(task.payload, what=f"the payload of task {task.id}")


def unpack_task(row: Mapping[str, Any], *, payload: str, needs: Sequence[str]) -> Task:
    """Return a task from its plain values."""
    values = {name: row[name] for name in TASK_COLUMNS}
    values |= {"kind": TaskKind(values["kind"]), "state": TaskState(values["state"])}
    values["is_from_store"] = bool(values["is_from_store"])
    return Task(**values, payload=json.loads(payload), needs=tuple(needs))


def unpack_worker(row: Mapping[str, Any]) -> Worker:
    """Return a worker from its plain values."""
    return Worker(**{name: row[name] for name in WORKER_COLUMNS})


def finished_values(finish: Finish, *, worker: str, now: float) -> Row:
    """Return what changes in a task that ended so.

    Raises:
        ParameterError: It is no way to end.
    """
    if finish.state not in (TaskState.DONE, TaskState.FAILED):
        raise ParameterError(f"a task ends as done or failed, got {finish.state!r}: release what is to be tried again")
    return {**asdict(finish), "state": finish.state.value, "worker": worker, "lease_until": 0.0, "ended_at": now}


def released_values(*, cause: str, reason: str, n_attempts: int, now: float) -> Row:
    """Return what changes in a task that is given back after so many attempts that ended without a result."""
    if not cause:
        return {"state": TaskState.READY.value, "lease_until": 0.0}
    has_failed = n_attempts + 1 >= MOST_ATTEMPTS
    return {
        "state": (TaskState.FAILED if has_failed else TaskState.READY).value,
        "cause": str(cause),
        "reason": reason,
        "n_attempts": n_attempts + 1,
        "lease_until": 0.0,
        "ended_at": now if has_failed else 0.0,
    }


def check_group_fields(names: Sequence[str]) -> tuple[str, ...]:
    """Return `names` if tasks can be grouped by them.

    Raises:
        ParameterError: They cannot.
    """
    if isinstance(names, str) or not names:
        raise ParameterError(f"expected a list of fields to group by, got {names!r}; known: {', '.join(GROUP_FIELDS)}")
    for name in names:
        if name not in GROUP_FIELDS:
            raise ParameterError(f"cannot group tasks by {name!r}: {did_you_mean(name, GROUP_FIELDS)}")
    return tuple(names)


def by_number(
    names: Sequence[str], rows: Iterable[tuple[Sequence[Any], int, float]]
) -> list[tuple[tuple[Any, ...], int, float]]:
    """Return what a grouping found, the largest number first."""
    found = (
        (tuple(bool(v) if name == "is_from_store" else v for name, v in zip(names, values, strict=True)), n, seconds)
        for values, n, seconds in rows
    )
    return sorted(found, key=lambda group: (-group[1], group[0]))


def other_definition(name: str, address: str) -> InputError:
    """Return the error that a name is taken."""
    return InputError(
        f"the queue {address} has a campaign {name!r} with another definition: give this one another name in its file, "
        "or restore the file of that one"
    )


def unknown_campaign(name: str, known: Iterable[str], address: str) -> UnknownCampaignError:
    """Return the error that no campaign has a name."""
    names = list(known)
    hint = did_you_mean(name, names) if names else "there is none yet, make one with `whiteline campaign create FILE`"
    return UnknownCampaignError(f"no campaign {name!r} in the queue {address}: {hint}")


def unknown_content(key: str, address: str) -> UnknownCampaignError:
    """Return the error that a large part of payloads is missing."""
    return UnknownCampaignError(
        f"the queue {address} lacks the content {key!r} that a task refers to: create its campaign again"
    )
