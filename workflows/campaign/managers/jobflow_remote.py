"""Campaigns through jobflow-remote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from jobflow import Flow
from jobflow_remote import ConfigManager
from jobflow_remote.config.base import ConfigError, Project, WorkerBase
from jobflow_remote.jobs.jobcontroller import JobController
from jobflow_remote.jobs.state import RUNNING_STATES, JobState

from whiteline.errors import InputError, ParameterError, did_you_mean
from whiteline.workflows.campaign.flows import CAMPAIGN_KEY
from whiteline.workflows.campaign.managers.interface import JobConfigs, Needs, clock_text, database_errors

__all__ = ["JobflowRemote"]

_STOPPABLE: Final = [JobState.READY, *RUNNING_STATES]
# A job that only looks; short jobs find a place soon.
_CONCLUSION_SECONDS: Final = 900.0
_LOCK_PATIENCE: Final = 60  # s that the runner may hold a job that is to be stopped
# What the number of cores is asked for with; defaults of the worker that would contradict it.
_COUNTS: Final = ("nodes", "ntasks", "ntasks_per_node", "cpus_per_task")


@dataclass(frozen=True)
class JobflowRemote:
    """A worker of a project of jobflow-remote.

    Attributes:
        worker: Name of the worker.
        project: Name of the project; the only one, or that of JFREMOTE_PROJECT, when None.
    """

    worker: str
    project: str | None = None
    _settings: Project = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_settings", _read_project(self.project))
        self._known_worker(self.worker)

    def configure(self, needs: Needs) -> JobConfigs:
        """See `Manager.configure`. What the worker is configured with stays, unless the campaign says otherwise."""
        worker = self._known_worker(self.worker)
        training = self._known_worker(needs.training_worker or self.worker)
        shorter = min(needs.walltime or _CONCLUSION_SECONDS, _CONCLUSION_SECONDS)
        return JobConfigs(
            worker=self._config(self.worker, _resources(worker, needs.cores, needs.walltime, needs.memory)),
            conclusion=self._config(self.worker, _resources(worker, 1, shorter, None)),
            dataset=self._config(self.worker, _resources(worker, 1, needs.walltime, needs.memory)),
            training=self._config(needs.training_worker or self.worker, _own_resources(training)),
            notes=(*_notes_on_store(worker, self.worker, needs.database), *_notes_on_scheduler(worker, self.worker)),
        )

    def live_jobs(self, name: str) -> tuple[str, ...]:
        """See `Manager.live_jobs`. What waits for jobs that will never end does not count."""
        with self._controller() as controller:
            jobs = controller.get_jobs_info(metadata={CAMPAIGN_KEY: name}, states=[*_STOPPABLE, JobState.PAUSED])
            return tuple(job.db_id for job in jobs)

    def revive(self, name: str, *, has_live_workers: bool) -> tuple[str, ...]:  # noqa: ARG002  # it knows its losses
        """See `Manager.revive`. What it gave up goes on from the step that failed."""
        with self._controller() as controller:
            return tuple(
                controller.retry_jobs(metadata={CAMPAIGN_KEY: name}, states=JobState.REMOTE_ERROR, raise_on_error=False)
            )

    def add(self, flow: Flow) -> tuple[str, ...]:
        """See `Manager.add`."""
        # Not by `submit_flow`, which leaves its connections open.
        with self._controller() as controller:
            try:
                return tuple(controller.add_flow(flow, worker=self.worker))
            except ValueError as error:
                raise InputError(f"jobflow-remote does not take the jobs: {error}") from error

    def cancel(self, name: str) -> tuple[str, ...]:
        """See `Manager.cancel`. Jobs in the scheduler's queue are cancelled there."""
        wanted = {CAMPAIGN_KEY: name}
        with self._controller() as controller:
            waiting = controller.get_jobs_info(metadata=wanted, states=[JobState.WAITING, JobState.PAUSED])
            for flow in controller.get_flows_info(metadata=wanted):
                controller.stop_jobflow(flow_uuid=flow.flow_id)
            stopped = controller.stop_jobs(
                metadata=wanted, states=_STOPPABLE, wait=_LOCK_PATIENCE, raise_on_error=False
            )
            return tuple(sorted({*stopped, *(job.db_id for job in waiting)}, key=lambda db_id: (len(db_id), db_id)))

    def _known_worker(self, name: str) -> WorkerBase:
        workers: Mapping[str, WorkerBase] = self._settings.workers
        if name not in workers:
            hint = did_you_mean(name, workers) if workers else "it has none yet"
            raise ParameterError(f"project {self._settings.name!r} of jobflow-remote has no worker {name!r}: {hint}")
        return workers[name]

    def _config(self, worker: str, resources: Mapping[str, Any]) -> dict[str, Any]:
        return {"worker": worker, "resources": dict(resources)}

    @contextmanager
    def _controller(self) -> Iterator[JobController]:
        with database_errors("jobflow-remote"):
            controller = JobController.from_project(self._settings)
            try:
                yield controller
            finally:
                controller.close()


def _read_project(name: str | None) -> Project:
    with _config_errors():
        manager = ConfigManager()
    known = list(manager.projects)
    with _config_errors():
        chosen = manager.select_project_name(name)
    if chosen not in known:
        hint = did_you_mean(chosen, known) if known else "there is none that can be read"
        raise ParameterError(
            f"no project {chosen!r} of jobflow-remote in {manager.projects_folder}: {hint}; JFREMOTE_PROJECTS_FOLDER "
            "names the folder, and `jf project list --warn` shows what is wrong with a file"
        )
    with _config_errors():
        return manager.get_project(chosen)


@contextmanager
def _config_errors() -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ParameterError(f"configuration of jobflow-remote: {error}") from error


def _own_resources(worker: WorkerBase) -> dict[str, Any]:
    """Return what a worker is configured with, spelled out.

    A job that another one adds is given the resources of that one, unless it has some of its own. A dictionary that
    qtoolkit could take for its `QResources` loses the defaults of the worker; SLURM's `ntasks` is no field of them.
    """
    return {**({"ntasks": 1} if worker.scheduler_type == "slurm" else {}), **(worker.resources or {})}


def _resources(worker: WorkerBase, cores: int, walltime: float | None, memory: float | None) -> dict[str, Any]:
    """Return what is asked of the scheduler: the defaults of the worker, with what is wanted in their place."""
    given = dict(worker.resources or {})
    if worker.scheduler_type != "slurm":
        return given
    kept = {key: value for key, value in given.items() if key not in _COUNTS}
    # Tasks, not cores of one task: mpirun counts its slots by them.
    kept |= {"nodes": 1, "ntasks": cores}
    if walltime is not None:
        kept["time"] = clock_text(walltime)
    if memory is not None:
        kept.pop("mem_per_cpu", None)
        kept["mem"] = int(memory)
    return kept


def _notes_on_scheduler(worker: WorkerBase, name: str) -> list[str]:
    if worker.scheduler_type in ("slurm", "shell"):
        return []
    return [
        f"cores, walltime and memory of [workers] are not passed on to {worker.scheduler_type}: set `resources` of "
        f"worker {name!r} in the project"
    ]


def _notes_on_store(worker: WorkerBase, name: str, database: str) -> list[str]:
    """Refuse a file that no worker could reach, and warn of one that only one machine should write."""
    if database.startswith(("mongodb://", "mongodb+srv://")):
        return []
    if not worker.is_local:
        raise InputError(
            f"worker {name!r} is another machine, and the store {database} is a file of this one: take a MongoDB store "
            "(WHITELINE_DATABASE=mongodb://…), here and in the environment of the worker"
        )
    if worker.scheduler_type == "shell":
        return []
    return [
        f"the store {database} is a file: that is safe while all workers run on one node that has it on a disk of its "
        "own; on several nodes take a MongoDB store"
    ]
