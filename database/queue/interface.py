"""What every queue of campaigns does, and how one is opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from whiteline.database.queue.tasks import Campaign, CampaignState, Task, TaskState, Worker
from whiteline.database.store import locate
from whiteline.errors import InputError

__all__ = ["LEASE", "MOST_ATTEMPTS", "CampaignQueue", "Finish", "UnknownCampaignError", "open_queue"]

# s; a worker says every sixth of it that it is alive.
LEASE: Final = 120.0
# Claims of one task that may end without a result before it counts as failed: it may be what kills its workers.
MOST_ATTEMPTS: Final = 3


class UnknownCampaignError(InputError, LookupError):
    """No campaign has this name."""


@dataclass(frozen=True, kw_only=True)
class Finish:
    """How a task ended.

    Attributes:
        state: `DONE` or `FAILED`.
        status: Status of the stored document; empty without one.
        is_from_store: Whether nothing had to be computed.
        cause: Why it failed, and `reason` more of it.
        seconds: Wall time [s]; `engine_seconds` the part of it inside the code.
    """

    state: TaskState
    status: str = ""
    is_from_store: bool = False
    cause: str = ""
    reason: str = ""
    seconds: float = 0.0
    engine_seconds: float = 0.0


class CampaignQueue(Protocol):
    """Campaigns, their tasks and the workers on them; safe for many processes at once, and against their death.

    Times are seconds since 1970 by the clock of the queue (`now`), so that machines whose clocks differ agree on who
    is alive.
    """

    @property
    def address(self) -> str:
        """Where the queue is, for messages; without credentials."""
        ...

    def now(self) -> float:
        """Return the time by the clock of the queue [s since 1970]."""
        ...

    def add_campaign(self, campaign: Campaign) -> Campaign:
        """Store a campaign and return what is stored.

        One of the same name and definition keeps its state; its text, in which comments and what is asked of a
        manager may have changed, becomes the new one.

        Raises:
            InputError: There is one of this name with another definition.
        """
        ...

    def campaigns(self) -> list[Campaign]:
        """Return all campaigns, the newest first."""
        ...

    def campaign(self, name: str) -> Campaign:
        """Return a campaign.

        Raises:
            UnknownCampaignError: There is none of this name; the nearest is named.
        """
        ...

    def set_state(self, name: str, state: CampaignState, *, note: str = "") -> None:
        """Let the tasks of a campaign be claimed, or not."""
        ...

    def add_contents(self, contents: Mapping[str, bytes]) -> None:
        """Keep the large parts of payloads; a key that is there already is left as it is."""
        ...

    def content(self, key: str) -> bytes:
        """Return a large part of payloads.

        Raises:
            UnknownCampaignError: There is none of this key.
        """
        ...

    def add_tasks(self, name: str, tasks: Iterable[Task]) -> int:
        """Make tasks part of a campaign; return how many were new to the queue.

        A task that is there already is shared: its priority becomes the higher one, its state stays, but a cancelled
        one is ready (or waiting) again. A task given as done, because its spectrum is stored, marks one that is there
        and not running as done.
        """
        ...

    def claim(
        self, name: str, worker: str, *, cores: int, seconds: float | None = None, lease: float = LEASE
    ) -> Task | None:
        """Take the next ready task of an active campaign that fits into so many cores and so much time.

        Whatever processes do this at once, each task goes to one of them.
        """
        ...

    def renew(self, worker: str, *, lease: float = LEASE) -> set[str]:
        """Extend the leases of all tasks that a worker runs; return their ids: others have been given away."""
        ...

    def finish(self, task_id: str, worker: str, finish: Finish) -> bool:
        """Record how a task ended, and make ready what waited only for it; return whether it was recorded.

        A result counts whoever brings it; a failure counts only from the worker that holds the task.
        """
        ...

    def release(
        self, task_id: str, worker: str, *, cause: str, reason: str = "", estimate: float | None = None
    ) -> None:
        """Give a task back unfinished; after `MOST_ATTEMPTS` it has failed with the cause.

        With `cause` empty it is given back without counting: it was not begun, or its campaign was paused.

        Args:
            estimate: Replaces the expected wall time [s] where it is larger.
        """
        ...

    def reclaim(self, name: str) -> int:
        """Give back the tasks whose lease is over (cause `worker-lost`), and return how many tasks changed.

        Where no other task is ready, what waits for nothing more is made ready: whoever should have done so at the end
        of a task may have been killed.
        """
        ...

    def retry(self, name: str, *, causes: Sequence[str] = (), ids: Sequence[str] = ()) -> int:
        """Make failed tasks ready again, and what failed only because it needs them; return how many.

        Args:
            causes: Only those that failed for these; all when empty.
            ids: Only these; all when empty.
        """
        ...

    def cancel(self, name: str) -> int:
        """Cancel a campaign: its unfinished tasks that no other campaign wants; return how many.

        Running ones are not stopped here; their workers learn of it from `renew`.
        """
        ...

    def counts(self, name: str) -> dict[TaskState, int]:
        """Return how many tasks of a campaign are in each state; all states are there."""
        ...

    def group(self, name: str, fields: Sequence[str]) -> list[tuple[tuple[Any, ...], int, float]]:
        """Return, for each combination of values, how many tasks have it and their sum of `cores * seconds`.

        Args:
            fields: Of `state`, `status`, `cause`, `kind`, `code`, `fidelity`, `absorber`, `edge`, `is_from_store`.
        """
        ...

    def tasks(
        self,
        name: str,
        *,
        states: Sequence[TaskState] = (),
        causes: Sequence[str] = (),
        kinds: Sequence[str] = (),
        limit: int = 0,
        newest_first: bool = False,
    ) -> Iterator[Task]:
        """Stream tasks of a campaign in the order of their adding, or of their ending, the newest first."""
        ...

    def task(self, task_id: str) -> Task | None:
        """Return one task, or None."""
        ...

    def timeline(self, name: str, step: float) -> list[tuple[float, int, int, float]]:
        """Return start [s], done, failed and core time [s] of every interval of `step` seconds with an end in it.

        Done are those with a spectrum. What was served from the store is left out.
        """
        ...

    def put_worker(self, worker: Worker) -> None:
        """Record what a worker says of itself, in place of what it said before."""
        ...

    def workers(self, name: str) -> list[Worker]:
        """Return the workers that a campaign has had, the newest first."""
        ...

    def close(self) -> None:
        """Let go of files and connections; afterwards the queue cannot be used."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def open_queue(address: str | Path) -> CampaignQueue:
    """Return the queue that belongs to the store at an address, made if it is not there.

    That of an embedded store is a file beside it, `spectra.queue.db` beside `spectra.db`: what is to do is rewritten
    all the time and nothing of it is a result. That of a MongoDB store is in the same database.

    Raises:
        ParameterError: No such kind of address.
        StoreError: The queue cannot be opened; the message says why and what to do.
    """
    place = locate(address)
    if isinstance(place, Path):
        from whiteline.database.queue.sqlite import SQLiteQueue

        return SQLiteQueue(place.with_suffix(".queue.db"))
    from whiteline.database.queue.mongo import open_mongo_queue

    return open_mongo_queue(place)
