"""A worker: claims the tasks of a campaign and computes each in a process of its own, on all cores that it was given.

Whatever ends a task's process ends that task alone. A worker that ends itself – its time is over, its campaign is
paused, a signal arrived – gives back what it holds; one that is killed is found out by its leases, and what it held
goes to others. Results are in the store of spectra before the queue hears of them, so that neither loses one.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import FrameType
from typing import Final
from uuid import uuid4

from whiteline.causes import Cause
from whiteline.database.queue import LEASE, CampaignQueue, CampaignState, Finish, Task, TaskState, Worker, open_queue
from whiteline.errors import StoreError
from whiteline.settings import Settings, load_settings
from whiteline.workflows.campaign.processes import ProcessDiedError, TaskFuture, TaskProcesses
from whiteline.workflows.campaign.worker_report import WorkerEvent, WorkerReport

__all__ = ["WorkerEvent", "WorkerReport", "work"]

_TICK: Final = 0.5  # s between looks at signals and clocks
_PAUSE: Final = 2.0  # s between looks at the queue when there is nothing to do
# Faults of this kind in a row, with nothing finished between them, say that it is the machine and not the tasks.
_MOST_FAULTS: Final = 3
# Failures that another attempt may not meet again; how many there are is bounded by the queue.
_OF_MACHINE: Final = (Cause.MEMORY, Cause.DISK_FULL, Cause.SCRATCH_LOST)
# Running tasks of other workers that one with nothing to do looks at.
_MOST_WATCHED: Final = 500
# s before the end of an allocation when running tasks are given back, at most a tenth of what is left at the start.
_MARGIN: Final = 30.0


def work(
    name: str,
    *,
    settings: Settings | None = None,
    cores: int | None = None,
    seconds: float | None = None,
    job: str = "",
    on_event: Callable[[WorkerEvent], None] = lambda _: None,
) -> WorkerReport:
    """Compute tasks of a campaign until nothing is left to do, the campaign is not active any more, or time is over.

    Args:
        name: Name of the campaign.
        settings: Facts of this machine, among them the store; read from the environment when None.
        cores: Cores to use; those that this process may run on when None.
        seconds: Time until the allocation ends [s]; None without an end.
        job: What the scheduler calls this job.
        on_event: Called with everything that happens.

    Raises:
        UnknownCampaignError: There is no such campaign.
        StoreError: The queue cannot be used.
    """
    settings = settings or load_settings()
    cores = cores or len(os.sched_getaffinity(0))
    with open_queue(settings.database) as queue:
        queue.campaign(name)
        crew = _Crew(name, queue, settings, cores=cores, seconds=seconds, job=job, on_event=on_event)
        with _signals(crew.stop):
            return crew.run()


@dataclass
class _Running:
    task: Task
    future: TaskFuture
    started: float
    is_limited: bool  # its codes may run until the allocation ends, and not as long as they otherwise could
    is_given_back: bool = False


@dataclass
class _Crew:
    """The state of one worker while it works; times are those of the monotonic clock."""

    name: str
    queue: CampaignQueue
    settings: Settings
    cores: int
    seconds: float | None
    job: str
    on_event: Callable[[WorkerEvent], None]
    id: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        now = self.queue.now()
        self.started = time.monotonic()
        margin = 0.0 if self.seconds is None else min(_MARGIN, 0.1 * self.seconds)
        self.deadline = None if self.seconds is None else self.started + self.seconds - margin
        self.running: dict[str, _Running] = {}
        self.ending = ""
        self.is_stopping = False  # running tasks are given back, too
        self.held_elsewhere: dict[str, float] | None = None
        self.n_released = self.n_faults = 0
        self.renewed = self.reclaimed = -float("inf")
        self.content = lru_cache(maxsize=64)(self.queue.content)
        self.record = Worker(
            id=self.id,
            campaign=self.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            job=self.job,
            cores=self.cores,
            started_at=now,
            seen_at=now,
            time_limit=None if self.seconds is None else now + self.seconds,
        )

    def run(self) -> WorkerReport:
        self.processes = TaskProcesses(self.cores)
        try:
            while True:
                self._look_round()
                if not self.ending:
                    self._claim()
                if not self.running:
                    if self.ending or self._has_nothing_left():
                        break
                    time.sleep(_PAUSE)
                    continue
                self.processes.wait([running.future for running in self.running.values()], _TICK)
                self._collect()
        finally:
            # On an error, too: what runs is given back, and no process stays behind. Without a queue the leases tell.
            with suppress(StoreError):
                self._give_back_all("", "its worker left")
            self.processes.stop()
            with suppress(StoreError):
                self._say(has_left=True)
        self.on_event(WorkerEvent("left", detail=self.ending))
        return WorkerReport(
            worker=self.id,
            ending=self.ending,
            n_done=self.record.n_done,
            n_failed=self.record.n_failed,
            n_released=self.n_released,
            n_left=_n_left(self.queue.counts(self.name)),
            cores=self.cores,
            seconds=time.monotonic() - self.started,
            busy_seconds=self.record.busy_seconds,
            engine_seconds=self.record.engine_seconds,
        )

    def stop(self, ending: str) -> None:
        """Leave now: claim nothing more and give back what runs."""
        self.ending, self.is_stopping = ending, True

    def _time_left(self) -> float | None:
        return None if self.deadline is None else self.deadline - time.monotonic()

    def _look_round(self) -> None:
        """Say that this worker lives, and learn what changed for it."""
        left = self._time_left()
        if left is not None and left <= 0:
            self._give_back_all(Cause.TIME_LIMIT, "the allocation of its worker ended")
            self.ending = self.ending or "its time is over"
        if self.is_stopping:
            self._give_back_all("", "")
        if time.monotonic() - self.renewed < LEASE / 6:
            return
        self.renewed = time.monotonic()
        held = self.queue.renew(self.id)
        for task_id in self.running.keys() - held:
            # Cancelled, or given to another because this worker was not heard of.
            self.running[task_id].is_given_back = True
            self.processes.cancel(self.running[task_id].future)
        self._say()
        if self.renewed - self.reclaimed > LEASE:
            self.reclaimed = self.renewed
            self.queue.reclaim(self.name)
        campaign = self.queue.campaign(self.name)
        if campaign.state is not CampaignState.ACTIVE:
            self.ending = self.ending or f"the campaign is {campaign.state}"
        elif campaign.budget is not None and self._spent() >= campaign.budget:
            note = f"its budget of {campaign.budget / 3600:.4g} core hours is spent"
            self.queue.set_state(self.name, CampaignState.PAUSED, note=note)
            self.ending = self.ending or note

    def _spent(self) -> float:
        """Return the core time that the campaign has taken, with what runs here now [s]."""
        now = time.monotonic()
        finished = sum(seconds for _, _, seconds in self.queue.group(self.name, ("state",)))
        return finished + sum(r.task.cores * (now - r.started) for r in self.running.values())

    def _claim(self) -> None:
        """Take tasks until the cores are full."""
        free = self.cores - sum(running.task.cores for running in self.running.values())
        while free > 0:
            left = self._time_left()
            task = self.queue.claim(self.name, self.id, cores=free, seconds=left)
            if task is None:
                return
            key = task.payload["structure"]
            future = self.processes.start(task, {key: self.content(key)}, self.settings, timeout=left)
            is_limited = left is not None and left < self.settings.timeout
            self.running[task.id] = _Running(task, future, time.monotonic(), is_limited)
            self.held_elsewhere = None
            self.on_event(WorkerEvent("claimed", task))
            free -= task.cores

    def _collect(self) -> None:
        """Record what has ended."""
        for task_id, running in list(self.running.items()):
            if running.future.done():
                del self.running[task_id]
                if not running.is_given_back:
                    self._record(running)

    def _record(self, running: _Running) -> None:
        task, seconds = running.task, time.monotonic() - running.started
        try:
            finish = self.processes.result(running.future)
        except StoreError as error:
            self._give_back(task, getattr(error, "cause", ""), str(error))
            self._count_fault(str(error))
            return
        except ProcessDiedError as error:
            self._give_back(task, error.cause, str(error))
            return
        except Exception as error:  # noqa: BLE001  # the boundary of the process: one task's surprise is its failure
            finish = Finish(
                state=TaskState.FAILED, cause=Cause.UNKNOWN, reason=f"{type(error).__name__}: {error}", seconds=seconds
            )
        if finish.cause == Cause.SETUP:
            self._give_back(task, Cause.SETUP, finish.reason)
            self._count_fault(finish.reason)
            return
        if finish.cause == Cause.TIME_LIMIT and running.is_limited:
            self._give_back(task, Cause.TIME_LIMIT, finish.reason, estimate=2 * seconds)
            return
        if finish.cause in _OF_MACHINE:
            self._give_back(task, finish.cause, finish.reason)
            return
        self.n_faults = 0
        self.queue.finish(task.id, self.id, finish)
        is_done = finish.state is TaskState.DONE
        self.record = replace(
            self.record,
            n_done=self.record.n_done + is_done,
            n_failed=self.record.n_failed + (not is_done),
            busy_seconds=self.record.busy_seconds + task.cores * finish.seconds,
            engine_seconds=self.record.engine_seconds + task.cores * finish.engine_seconds,
        )
        self.on_event(WorkerEvent("done" if is_done else "failed", task, finish.reason))

    def _count_fault(self, reason: str) -> None:
        """Leave a machine on which nothing works, before it spoils the whole campaign."""
        self.n_faults += 1
        if self.n_faults >= _MOST_FAULTS and not self.ending:
            self.ending = f"{self.n_faults} tasks in a row could not be computed on this machine: {reason}"

    def _give_back(self, task: Task, cause: str, reason: str, *, estimate: float | None = None) -> None:
        self.queue.release(task.id, self.id, cause=cause, reason=reason, estimate=estimate)
        self.n_released += 1
        self.on_event(WorkerEvent("released", task, reason))

    def _give_back_all(self, cause: str, reason: str) -> None:
        """Stop and give back what runs."""
        for running in self.running.values():
            if not running.is_given_back and not running.future.done():
                running.is_given_back = True
                self.processes.cancel(running.future)
                elapsed = time.monotonic() - running.started
                estimate = 2 * elapsed if cause == Cause.TIME_LIMIT else None
                self._give_back(running.task, cause, reason, estimate=estimate)

    def _has_nothing_left(self) -> bool:
        """Return whether this worker can go: not while a task may come back from a worker that died."""
        self.queue.reclaim(self.name)
        counts = self.queue.counts(self.name)
        if counts[TaskState.READY]:
            left = self._time_left()
            task = next(self.queue.tasks(self.name, states=(TaskState.READY,), limit=1), None)
            if task is None or (task.cores <= self.cores and (left is None or task.estimate <= left)):
                return False  # it came back just now
            self.ending = self._why_none_fits()
            return True
        if counts[TaskState.RUNNING] and not self._are_others_alive():
            return False
        self.ending = "what is left runs elsewhere" if counts[TaskState.RUNNING] else "nothing left to do"
        return True

    def _are_others_alive(self) -> bool:
        """Return whether every task that runs elsewhere was heard of again since this worker had nothing to do."""
        running = self.queue.tasks(self.name, states=(TaskState.RUNNING,), limit=_MOST_WATCHED)
        leases = {task.id: task.lease_until for task in running}
        if self.held_elsewhere is None:
            self.held_elsewhere = leases
        return all(leases[i] > before for i, before in self.held_elsewhere.items() if i in leases)

    def _why_none_fits(self) -> str:
        left = self._time_left()
        ready = list(self.queue.tasks(self.name, states=(TaskState.READY,), limit=200))
        cores, shortest = min(task.cores for task in ready), min(task.estimate for task in ready)
        if cores > self.cores:
            return f"the tasks that are left take {cores} cores or more, this worker has {self.cores}: give it more"
        return (
            f"the tasks that are left are expected to take {shortest:.0f} s or more, this worker has {left or 0:.0f} s "
            "left: give it a longer walltime"
        )

    def _say(self, *, has_left: bool = False) -> None:
        now = self.queue.now()
        self.record = replace(
            self.record, seen_at=now, ended_at=now if has_left else 0.0, ending=self.ending if has_left else ""
        )
        self.queue.put_worker(self.record)


def _n_left(counts: dict[TaskState, int]) -> int:
    return sum(n for state, n in counts.items() if not state.is_finished)


@contextmanager
def _signals(stop: Callable[[str], None]) -> Iterator[None]:
    """Let the signals that end a job end the worker in order; SLURM sends SIGTERM and waits some seconds."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def take(number: int, _frame: FrameType | None) -> None:
        stop(f"stopped by {signal.Signals(number).name}")

    before = {number: signal.signal(number, take) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
