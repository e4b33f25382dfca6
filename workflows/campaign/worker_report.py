"""What a worker tells of itself: events while it works, and a report when it leaves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from whiteline.database.queue import Task

__all__ = ["WorkerEvent", "WorkerReport"]


@dataclass(frozen=True)
class WorkerEvent:
    """One thing that a worker did: `claimed`, `done`, `failed`, `released` a task, or `left`, with why."""

    what: str
    task: Task | None = None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class WorkerReport:
    """What a worker did until it left.

    Attributes:
        worker: Its id.
        ending: Why it left.
        n_done: Tasks with a spectrum; `n_failed` without, `n_released` given back.
        n_left: Unfinished tasks of the campaign when it left.
        cores: Its cores.
        seconds: Wall time that it was there [s].
        busy_seconds: Core time inside tasks [s]; `engine_seconds` the part of it inside the codes.
    """

    worker: str
    ending: str
    n_done: int
    n_failed: int
    n_released: int
    n_left: int
    cores: int
    seconds: float
    busy_seconds: float
    engine_seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)
