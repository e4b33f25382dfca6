"""The test job through jobflow-remote."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any, Final

import jobflow_remote
from jobflow import Flow
from jobflow_remote.config.base import LogLevel, Project, WorkerBase
from jobflow_remote.jobs.data import JobInfo
from jobflow_remote.jobs.jobcontroller import JobController
from jobflow_remote.jobs.runner import Runner
from jobflow_remote.jobs.state import JobState
from pydantic import ValidationError
from pymongo.errors import PyMongoError
from qtoolkit.io.slurm import SlurmIO
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from whiteline.calculators.interface import Finding, Level
from whiteline.errors import ParameterError, did_you_mean
from whiteline.workflows.campaign.managers.interface import database_errors
from whiteline.workflows.deployment.deployment import GPU_WORKER
from whiteline.workflows.deployment.probe import Probe
from whiteline.workflows.deployment.trials.interface import Patience, TrialError, last_lines
from whiteline.workflows.deployment.trials.job import probe_worker

__all__ = ["JobflowRemoteTrial"]

_STEPS: Final = [
    JobState.CHECKED_OUT.value,
    JobState.UPLOADED.value,
    JobState.RUN_FINISHED.value,
    JobState.DOWNLOADED.value,
]
_WALLTIME: Final = "00:15:00"
_LOCK_PATIENCE: Final = 30  # s that a runner may hold the job that is to be removed


@dataclass(frozen=True)
class JobflowRemoteTrial:
    """A worker of the project of a deployment.

    Attributes:
        folder: Folder of the deployment.
        worker: Name of the worker.
    """

    folder: Path
    worker: str

    @property
    def name(self) -> str:
        """See `Trial.name`."""
        return "jobflow-remote"

    def prepare(self) -> Iterator[Finding]:
        """See `Trial.prepare`."""
        yield Finding("manager", Level.OK, f"jobflow-remote {version('jobflow-remote')}")
        yield Finding("project", Level.OK, f"{self._project.name}, worker {self.worker!r} ({self._file})")
        if self._worker.work_dir.is_dir() or not self._worker.is_local:
            yield Finding("work folder", Level.OK, str(self._worker.work_dir))
        else:
            yield Finding("work folder", Level.ERROR, f"no {self._worker.work_dir}", "make it, where nodes see it")
        with self._controller() as controller:
            # Its tables are made by a reset, which is harmless only where there is nothing yet.
            is_new = controller.auxiliary.find_one({"next_id": {"$exists": True}}) is None
            if is_new and not controller.jobs.count_documents({}):
                controller.reset()
            runner = controller.get_running_runner()
            made = "tables made" if is_new else "tables there"
            yield Finding("manager's database", Level.OK, f"{controller.db.name}, {made}")
        if isinstance(runner, dict):
            yield Finding("runner", Level.OK, f"on {runner.get('hostname', 'an unknown host')}")
        else:
            remedy = "jf runner start, before a campaign is submitted; this check does without"
            yield Finding("runner", Level.WARNING, "none is running", remedy)

    def script(self) -> str | None:
        """See `Trial.script`."""
        if not self._worker.is_local or self._worker.scheduler_type != "slurm":
            return None
        asked = dict(self._worker.resources or {})
        return str(SlurmIO().get_submission_script(["true"], options=asked))

    def run(self, token: str, *, patience: Patience) -> Probe:
        """See `Trial.run`. This process does what the runner would do; one that runs may do it first."""
        job = probe_worker(token, self.worker == GPU_WORKER)
        asked = {**(self._worker.resources or {})}
        if self._worker.scheduler_type == "slurm":
            asked["time"] = _WALLTIME
        is_done = False
        with self._controller() as controller, _projects(self._file.parent), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # jobflow-remote uses what others have deprecated
            flow = Flow([job], name="whiteline deploy check")
            (db_id,) = controller.add_flow(flow=flow, worker=self.worker, resources=asked)
            runner = _make_runner(self._project.name)
            try:
                self._wait(runner, db_id, job.uuid, patience)
                answer: dict[str, Any] = controller.jobstore.get_output(job.uuid, load=True)
                is_done = True
                return Probe.from_dict(answer)
            finally:
                _remove(controller, flow.uuid, with_files=is_done)
                runner.job_controller.close()

    def _wait(self, runner: Runner, db_id: str, uuid: str, patience: Patience) -> None:
        controller, mine = runner.job_controller, {"uuid": uuid}
        info: JobInfo | None = None
        for _ in patience.looks():
            controller.checkout_job(query={"db_id": db_id})
            runner.advance_state(_STEPS, filter=mine)
            runner.check_run_status(filter=mine)
            info = controller.get_job_info(db_id=db_id)
            if info is None:
                raise TrialError("the test job was removed by somebody else")
            process = f", job {info.remote.process_id}" if info.remote.process_id else ""
            patience.on_state(f"{info.state.value.lower()}{process}")
            if info.state is JobState.COMPLETED:
                return
            if info.error or info.remote.error:
                raise TrialError(_what_failed(info))
        state = info.state.value.lower() if info else "unknown"
        raise TrialError(
            f"the test job is {state} after {patience.seconds:.0f} s",
            remedy="wait longer with --timeout, or find out with `squeue` what it waits for",
        )

    @cached_property
    def _file(self) -> Path:
        return self.folder / "jobflow-remote" / "project.yaml"

    @cached_property
    def _project(self) -> Project:
        try:
            content = YAML(typ="safe").load(self._file)
            project = Project.model_validate(content)
        except OSError as error:
            raise ParameterError(
                f"cannot read {self._file} ({error.strerror}): whiteline deploy init writes it"
            ) from error
        except YAMLError as error:
            raise ParameterError(f"{self._file} is no YAML: {error}") from error
        except ValidationError as error:
            # Only places and reasons: the values may hold a password.
            said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg'].splitlines()[0]}" for e in error.errors())
            raise ParameterError(f"jobflow-remote does not take {self._file}: {said}") from None
        # As the manager does that reads it by name.
        return Project.model_validate(
            content | {"base_dir": content.get("base_dir") or str(self._file.parent / project.name)}
        )

    @property
    def _worker(self) -> WorkerBase:
        workers = self._project.workers
        if self.worker not in workers:
            raise ParameterError(f"{self._file} has no worker {self.worker!r}: {did_you_mean(self.worker, workers)}")
        found: WorkerBase = workers[self.worker]
        return found

    @contextmanager
    def _controller(self) -> Iterator[JobController]:
        with database_errors("jobflow-remote"):
            controller = JobController.from_project(self._project)
            try:
                yield controller
            finally:
                controller.close()


@contextmanager
def _projects(folder: Path) -> Iterator[None]:
    """Let jobflow-remote find its projects in a folder: it read the environment when it was imported."""
    before = jobflow_remote.SETTINGS.projects_folder
    jobflow_remote.SETTINGS.projects_folder = str(folder)
    try:
        yield
    finally:
        jobflow_remote.SETTINGS.projects_folder = before


def _make_runner(project: str) -> Runner:
    """Return a runner that writes its log into a file only."""
    with redirect_stdout(StringIO()), _loggers_kept():
        return Runner(project_name=project, log_level=LogLevel.ERROR)


@contextmanager
def _loggers_kept() -> Iterator[None]:
    """Let loggers stay as they are where jobflow-remote configures its own and silences all others."""
    loggers = [each for each in logging.Logger.manager.loggerDict.values() if isinstance(each, logging.Logger)]
    before = {each: each.disabled for each in loggers}
    try:
        yield
    finally:
        for each, is_disabled in before.items():
            each.disabled = is_disabled


def _what_failed(info: JobInfo) -> str:
    """Return the reason that the node or the manager gives, and the last words of the job."""
    text = info.error or info.remote.error or ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    logs = last_lines(*(Path(info.run_dir) / name for name in ("queue.err", "queue.out"))) if info.run_dir else ""
    said = " | ".join(dict.fromkeys(filter(None, [lines[-1] if lines else "", logs])))
    return f"the test job is {info.state.value.lower()}: {said} (in {info.run_dir})"


def _remove(controller: JobController, uuid: str, *, with_files: bool) -> None:
    """Remove the test job, also from the queue of the scheduler; the files of a failed one stay."""
    try:
        controller.delete_flow(uuid, delete_output=True, delete_files=with_files, wait=_LOCK_PATIENCE)
    except (RuntimeError, ValueError, PyMongoError) as error:
        logging.getLogger(__name__).warning("the test job %s could not be removed: %s", uuid, error)
