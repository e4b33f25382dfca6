"""The test job through FireWorks."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any, Final

from fireworks import FWorker, LaunchPad  # type: ignore[import-untyped]  # it comes without types
from fireworks.queue.queue_adapter import QueueAdapterBase  # type: ignore[import-untyped]
from fireworks.queue.queue_launcher import launch_rocket_to_queue  # type: ignore[import-untyped]
from fireworks.utilities.fw_serializers import load_object_from_file  # type: ignore[import-untyped]
from jobflow import Flow, JobStore
from jobflow.managers.fireworks import flow_to_workflow
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from whiteline.calculators.interface import Finding, Level
from whiteline.errors import ParameterError
from whiteline.workflows.campaign.managers.interface import database_errors
from whiteline.workflows.deployment.cluster import cancel_job, job_state
from whiteline.workflows.deployment.deployment import CPU_WORKER, GPU_WORKER
from whiteline.workflows.deployment.probe import Probe
from whiteline.workflows.deployment.trials.interface import Patience, TrialError, last_lines
from whiteline.workflows.deployment.trials.job import probe_worker

__all__ = ["FireWorksTrial"]

_WALLTIME: Final = "00:15:00"
_WAITING: Final = ("PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "REQUEUED")


@dataclass(frozen=True)
class FireWorksTrial:
    """A FireWorker of a deployment.

    Attributes:
        folder: Folder of the deployment.
        worker: `cpu` or `gpu`.
        work_directory: Folder in which the test job runs.
    """

    folder: Path
    worker: str
    work_directory: Path

    @property
    def name(self) -> str:
        """See `Trial.name`."""
        return "FireWorks"

    def prepare(self) -> Iterator[Finding]:
        """See `Trial.prepare`."""
        yield Finding("manager", Level.OK, f"FireWorks {version('FireWorks')}")
        for name in (self._fworker_file, self._adapter_file, "jobflow.yaml"):
            self._read(name)
        yield Finding("configuration", Level.OK, str(self._home))
        with self._launchpad() as pad, redirect_stdout(StringIO()):
            # Its tables are made by a reset, which is harmless only where there is nothing yet.
            is_new = pad.fw_id_assigner.find_one() is None and not pad.fireworks.count_documents({})
            if is_new:
                pad.reset("", require_password=False)
        made = "tables made" if is_new else "tables there"
        yield Finding("launchpad", Level.OK, f"database {pad.name}, {made}")

    def script(self) -> str | None:
        """See `Trial.script`."""
        return str(self._adapter.get_script_str(str(self.work_directory)))

    def run(self, token: str, *, patience: Patience) -> Probe:
        """See `Trial.run`."""
        job = probe_worker(token, self.worker == GPU_WORKER)
        job.config.manager_config = {"_queueadapter": {"walltime": _WALLTIME}}
        if self.worker == GPU_WORKER:
            job.config.manager_config |= {"_category": GPU_WORKER, "_fworker": GPU_WORKER}
        folder = self.work_directory / f"check-{token}"
        folder.mkdir(parents=True)
        with self._launchpad() as pad:
            with redirect_stdout(StringIO()):
                workflow = flow_to_workflow(Flow([job], name="whiteline deploy check"))
                (fw_id,) = pad.add_wf(workflow).values()
            reservation = ""
            try:
                reservation = self._launch(pad, fw_id, folder)
                self._wait(pad, fw_id, reservation, folder, patience)
                answer = self._take_output(job.uuid)
            finally:
                if reservation:
                    cancel_job(reservation)
                with redirect_stdout(StringIO()):
                    pad.delete_wf(fw_id)
        shutil.rmtree(folder, ignore_errors=True)
        return Probe.from_dict(answer)

    def _launch(self, pad: LaunchPad, fw_id: int, folder: Path) -> str:
        with redirect_stdout(StringIO()) as said, warnings.catch_warnings():
            # FireWorks uses what others have deprecated, and leaves the pipes from sbatch open.
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", ResourceWarning)
            reservation = launch_rocket_to_queue(
                pad, self._fworker, self._adapter, str(folder), reserve=True, fw_id=fw_id, strm_lvl="ERROR"
            )
        if not reservation:
            words = " | ".join(line.strip() for line in said.getvalue().splitlines()[-3:] if line.strip())
            raise TrialError(f"FireWorks could not submit the test job: {words or 'see the log in ' + str(self._home)}")
        return str(reservation)

    def _wait(self, pad: LaunchPad, fw_id: int, reservation: str, folder: Path, patience: Patience) -> None:
        state, n_ended = "", 0
        for _ in patience.looks():
            firework = pad.get_fw_by_id(fw_id)
            queued, reason = job_state(reservation)
            state = firework.state
            patience.on_state(f"{state.lower()}, job {reservation} {queued.lower()} {reason}".rstrip())
            if state == "COMPLETED":
                return
            if state == "FIZZLED":
                raise TrialError(f"the test job fizzled: {_exception(firework)} (in {folder})")
            n_ended = 0 if queued in _WAITING else n_ended + 1
            if n_ended > 10:
                said = last_lines(*sorted(folder.glob("*.error")), *sorted(folder.glob("*.out")))
                raise TrialError(f"job {reservation} ended and its rocket did not: {said or queued} (in {folder})")
        raise TrialError(
            f"the test job is {state.lower()} after {patience.seconds:.0f} s",
            remedy="wait longer with --timeout, or find out with `squeue` what it waits for",
        )

    def _take_output(self, uuid: str) -> dict[str, Any]:
        store = JobStore.from_dict_spec(self._read("jobflow.yaml")["JOB_STORE"])
        store.connect()
        try:
            answer: dict[str, Any] = store.get_output(uuid, load=True)
            store.remove_docs({"uuid": uuid})
        finally:
            store.close()  # type: ignore[no-untyped-call]  # jobflow has no annotation there
        return answer

    def _read(self, name: str) -> dict[str, Any]:
        path = self._home / name
        try:
            content = YAML(typ="safe").load(path)
        except OSError as error:
            raise ParameterError(f"cannot read {path} ({error.strerror}): whiteline deploy init writes it") from error
        except YAMLError as error:
            raise ParameterError(f"{path} is no YAML: {error}") from error
        if not isinstance(content, dict):
            raise ParameterError(f"{path} is empty: whiteline deploy init --force writes it anew")
        return content

    @property
    def _home(self) -> Path:
        return self.folder / "fireworks"

    @property
    def _suffix(self) -> str:
        if self.worker not in (CPU_WORKER, GPU_WORKER):
            raise ParameterError(f"there is no worker {self.worker!r}: with FireWorks they are cpu and gpu")
        return "-gpu" if self.worker == GPU_WORKER else ""

    @property
    def _fworker_file(self) -> str:
        return f"my_fworker{self._suffix}.yaml"

    @property
    def _adapter_file(self) -> str:
        return f"my_qadapter{self._suffix}.yaml"

    @cached_property
    def _fworker(self) -> FWorker:
        return FWorker.from_dict(self._read(self._fworker_file))

    @cached_property
    def _adapter(self) -> QueueAdapterBase:
        self._read(self._adapter_file)
        return load_object_from_file(str(self._home / self._adapter_file))

    @contextmanager
    def _launchpad(self) -> Iterator[LaunchPad]:
        with database_errors("FireWorks"):
            pad = LaunchPad.from_dict(self._read("my_launchpad.yaml"))
            try:
                yield pad
            finally:
                pad.connection.close()


def _exception(firework: Any) -> str:
    """Return the last line of what a rocket raised."""
    for launch in reversed(firework.launches):
        stored = getattr(launch.action, "stored_data", None) or {}
        trace = stored.get("_exception", {}).get("_stacktrace", "")
        lines = [line.strip() for line in trace.splitlines() if line.strip()]
        if lines:
            return str(lines[-1])
    return "no reason given"
