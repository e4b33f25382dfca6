"""The processes of a worker: one a core, each computing one task at a time, replaced when it dies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from signal import SIGKILL
from typing import TypeAlias

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from whiteline.causes import Cause
from whiteline.database.queue import Finish, Task
from whiteline.settings import Settings
from whiteline.workflows.campaign.child import prepare_child, run_in_child

__all__ = ["ProcessDiedError", "TaskFuture", "TaskProcesses"]

TaskFuture: TypeAlias = "ProcessFuture[Finish]"


class ProcessDiedError(Exception):
    """The process of a task was ended from outside, most often for want of memory."""

    def __init__(self, status: int | None) -> None:
        self.cause = Cause.MEMORY if status == -SIGKILL else Cause.CRASH
        super().__init__(f"its process ended with status {status}")


class TaskProcesses:
    """A pool of processes that survives whatever its processes do not.

    Args:
        n_processes: How many there are.
    """

    def __init__(self, n_processes: int) -> None:
        self._n_processes = n_processes
        self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPool:
        # Spawned: what forks with threads and open connections behind it may hang.
        return ProcessPool(self._n_processes, context=get_context("spawn"), initializer=prepare_child)

    def start(
        self, task: Task, contents: Mapping[str, bytes], settings: Settings, *, timeout: float | None
    ) -> TaskFuture:
        """Start a task in a process that is free, with the large parts of its payload."""
        arguments = (task, contents, settings.model_dump(), timeout)
        try:
            return self._pool.schedule(run_in_child, args=arguments)
        except RuntimeError:  # the pool broke down with the last of its processes
            self._pool = self._new_pool()
            return self._pool.schedule(run_in_child, args=arguments)

    def result(self, future: TaskFuture) -> Finish:
        """Return how a task ended that is done.

        Raises:
            ProcessDiedError: Its process did not live to say so.
            Exception: What the task raised.
        """
        try:
            return future.result()
        except (ProcessExpired, BrokenProcessPool) as error:
            raise ProcessDiedError(getattr(error, "exitcode", None)) from error

    def wait(self, futures: Iterable[TaskFuture], seconds: float) -> None:
        """Wait until one of them is done, at most so long."""
        wait(futures, seconds, FIRST_COMPLETED)

    def cancel(self, future: TaskFuture) -> None:
        """End a task with its process, and with all that this has started."""
        future.cancel()  # type: ignore[no-untyped-call]  # pebble annotates only part

    def stop(self) -> None:
        """End all of them."""
        self._pool.stop()  # type: ignore[no-untyped-call]  # as above
        self._pool.join()
