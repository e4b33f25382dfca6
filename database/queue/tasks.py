"""What a campaign consists of: tasks, each known by the id under which its spectrum will be stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Campaign", "CampaignState", "Task", "TaskKind", "TaskState", "Worker"]


class TaskKind(StrEnum):
    """What a task computes: one site, the convergence series of one site, or the average of a material."""

    SITE = "site"
    SERIES = "series"
    AVERAGE = "average"


class TaskState(StrEnum):
    """How far a task is.

    `WAITING` for the tasks that it needs, `READY` to be claimed, `RUNNING` under a lease, `DONE` with a stored spectrum
    (converged or not), `FAILED` with a cause, `CANCELLED` because no campaign wants it any more.
    """

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_finished(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self in (TaskState.DONE, TaskState.FAILED, TaskState.CANCELLED)


class CampaignState(StrEnum):
    """Whether workers may claim the tasks of a campaign."""

    ACTIVE = "active"
    PAUSED = "paused"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """What was asked for at once.

    Attributes:
        name: Unique name.
        definition: Text of the campaign file, as it was given.
        definition_id: Content hash of what the file says.
        created_at: Time [s] since 1970, as all times of the queue are.
        state: Whether its tasks may be claimed.
        note: Why it is in this state, e.g. that its budget is spent; empty when a person said so.
        budget: Most core time that its tasks may take [s]; None sets no limit.
        plan: What its making found: numbers of materials and sites, price; JSON-ready.
    """

    name: str
    definition: str
    definition_id: str
    created_at: float
    state: CampaignState = CampaignState.ACTIVE
    note: str = ""
    budget: float | None = None
    plan: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One piece of work. Campaigns that want the same calculation share it.

    Attributes:
        id: Id of the document that it will store.
        kind: What it computes.
        label: Short name, e.g. `anatase Ti0 K`; unique enough for people.
        material: Name of the material.
        absorber: Element; `edge` its edge, `code` the engine, `fidelity` the level of theory, as documents have them.
        payload: What to run, JSON-ready and small; large parts are contents of the queue, named by their key.
        needs: Ids of tasks that must be finished before; they are added in the same call or before it.
        priority: Larger is sooner; among equals the task that was added first.
        cores: Cores that it takes.
        memory: Largest memory [MB]; 0 when unknown.
        estimate: Expected wall time on these cores [s]; a worker with less time left does not claim it.
        state: How far it is.
        status: Status of the stored document (`converged`, `unconverged`), empty without one.
        is_from_store: Whether the spectrum was there already and nothing was computed.
        cause: Why it failed, as `whiteline.causes` has it; `reason` says more.
        n_attempts: How often it was claimed and not finished.
        worker: Who holds or held it.
        lease_until: When whoever holds it is taken for dead.
        started_at: When it was last claimed; `ended_at` when it was finished, both 0 before.
        seconds: Wall time of the last attempt; `engine_seconds` the part of it inside the code.
    """

    id: str
    kind: TaskKind
    label: str
    material: str
    absorber: str
    edge: str
    code: str
    fidelity: str
    payload: Mapping[str, Any]
    needs: tuple[str, ...] = ()
    priority: int = 0
    cores: int = 1
    memory: float = 0.0
    estimate: float = 0.0
    state: TaskState = TaskState.READY
    status: str = ""
    is_from_store: bool = False
    cause: str = ""
    reason: str = ""
    n_attempts: int = 0
    worker: str = ""
    lease_until: float = 0.0
    started_at: float = 0.0
    ended_at: float = 0.0
    seconds: float = 0.0
    engine_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Worker:
    """One process that claims tasks of a campaign on the cores it was given.

    Attributes:
        id: Unique id.
        campaign: Whose tasks it claims.
        host: Machine; `pid` its process there.
        job: What the scheduler calls its job, e.g. `slurm 4711`; empty outside of one.
        cores: Number of cores.
        started_at: When it began; `seen_at` when it last said so, `ended_at` when it left, 0 before.
        time_limit: When its allocation ends [s since 1970]; None without an end.
        n_done: Tasks that it finished with a spectrum; `n_failed` without.
        busy_seconds: Core time inside tasks [s]; `engine_seconds` the part of it inside the codes.
        ending: Why it left, e.g. `nothing left to do`.
    """

    id: str
    campaign: str
    host: str
    pid: int
    job: str
    cores: int
    started_at: float
    seen_at: float
    ended_at: float = 0.0
    time_limit: float | None = None
    n_done: int = 0
    n_failed: int = 0
    busy_seconds: float = 0.0
    engine_seconds: float = 0.0
    ending: str = ""
