"""What a manager of jobs does for a campaign."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from jobflow import Flow

from whiteline.errors import StoreError

__all__ = ["JobConfigs", "Manager", "Needs", "clock_text", "database_errors"]


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What the jobs of a campaign ask for.

    Attributes:
        cores: Cores of a worker.
        walltime: How long it may take [s]; None leaves it to the manager.
        memory: Memory of a worker [MB]; None leaves it to the manager.
        training_worker: The manager's worker for the training; empty for the one of the campaign.
        database: Address of the store here, without which no worker finds its tasks.
    """

    cores: int = 1
    walltime: float | None = None
    memory: float | None = None
    training_worker: str = ""
    database: str = ""


@dataclass(frozen=True, kw_only=True)
class JobConfigs:
    """What a manager is told about each kind of job (`JobConfig.manager_config`), and what a person should know."""

    worker: Mapping[str, Any] = field(default_factory=dict)
    conclusion: Mapping[str, Any] = field(default_factory=dict)
    dataset: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Manager(Protocol):
    """Where the jobs of campaigns wait and run."""

    def configure(self, needs: Needs) -> JobConfigs:
        """Return what jobs with these needs are told.

        Raises:
            ParameterError: There is no such worker; the nearest is named.
            InputError: It could not reach the store.
        """
        ...

    def live_jobs(self, name: str) -> tuple[str, ...]:
        """Return the ids of the jobs of a campaign that wait to run, or run.

        Raises:
            StoreError: The manager's database does not answer.
        """
        ...

    def revive(self, name: str, *, has_live_workers: bool) -> tuple[str, ...]:
        """Let jobs of a campaign go on whose manager gave them up, or lost them; return their ids.

        Args:
            has_live_workers: Whether the campaign hears of any worker.

        Raises:
            StoreError: The manager's database does not answer.
        """
        ...

    def add(self, flow: Flow) -> tuple[str, ...]:
        """Hand a flow over; return the ids of its jobs.

        Raises:
            StoreError: The manager's database does not answer.
        """
        ...

    def cancel(self, name: str) -> tuple[str, ...]:
        """Stop all jobs of a campaign, also in the scheduler's queue; return their ids.

        Raises:
            StoreError: The manager's database does not answer.
        """
        ...


def clock_text(seconds: float) -> str:
    """Return a time as schedulers write it, in full minutes: SLURM knows nothing shorter.

    >>> clock_text(7210), clock_text(30)
    ('02:01:00', '00:01:00')
    """
    minutes = max(1, -(-int(seconds) // 60))
    return f"{minutes // 60:02d}:{minutes % 60:02d}:00"


@contextmanager
def database_errors(manager: str) -> Iterator[None]:
    """Say of what goes wrong with the database of a manager whose it is, and what to do."""
    from pymongo.errors import PyMongoError

    try:
        yield
    except PyMongoError as error:
        # The first line names server and cause; what follows is a dump of the topology.
        said = str(error).split(", Timeout:")[0].splitlines()[0]
        raise StoreError(
            f"the database of {manager} does not answer ({said}): start it, or set its address right in the "
            "configuration of the manager; `whiteline deploy check` looks at each part"
        ) from error
