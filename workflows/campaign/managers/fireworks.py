"""Campaigns through FireWorks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, Final

from fireworks import LaunchPad  # type: ignore[import-untyped]  # it comes without types
from fireworks.fw_config import LAUNCHPAD_LOC  # type: ignore[import-untyped]
from fireworks.utilities.exceptions import (  # type: ignore[import-untyped]
    FWFormatError,
    FWSerializationError,
)
from jobflow import SETTINGS as JOBFLOW_SETTINGS
from jobflow import Flow
from jobflow.managers.fireworks import flow_to_workflow
from maggma.stores import MemoryStore
from pymongo.errors import PyMongoError
from ruamel.yaml.error import YAMLError

from whiteline.database.queue import LEASE
from whiteline.errors import ParameterError
from whiteline.workflows.campaign.flows import CAMPAIGN_KEY, ROLE_KEY
from whiteline.workflows.campaign.managers.interface import JobConfigs, Needs, clock_text, database_errors

__all__ = ["FireWorks"]

_LIVE: Final = ["READY", "RESERVED", "RUNNING", "PAUSED"]
_UNFINISHED: Final = [*_LIVE, "WAITING"]
_CONCLUSION_SECONDS: Final = 900.0


@dataclass(frozen=True)
class FireWorks:
    """A launchpad of FireWorks.

    Attributes:
        file: File that says where the launchpad is; the one of the FireWorks configuration when empty.
    """

    file: str = ""

    def __post_init__(self) -> None:
        with self._launchpad():  # that it is one is said before anything is done
            pass

    def configure(self, needs: Needs) -> JobConfigs:
        """See `Manager.configure`. What is asked of a scheduler counts where `qlaunch` reserves (`-r`)."""
        shorter = min(needs.walltime or _CONCLUSION_SECONDS, _CONCLUSION_SECONDS)
        training: dict[str, Any] = {}
        if needs.training_worker:
            # The category keeps the jobs of others from it, the name keeps it from other FireWorkers.
            training = {"_category": needs.training_worker, "_fworker": needs.training_worker}
        return JobConfigs(
            worker=_queue(needs.cores, needs.walltime, needs.memory),
            conclusion=_queue(1, shorter, None),
            dataset=_queue(1, needs.walltime, needs.memory),
            training=training,
            notes=tuple(_notes(needs)),
        )

    def live_jobs(self, name: str) -> tuple[str, ...]:
        """See `Manager.live_jobs`."""
        with self._launchpad() as pad:
            return tuple(map(str, _find(pad, name, _LIVE)))

    def revive(self, name: str, *, has_live_workers: bool) -> tuple[str, ...]:
        """See `Manager.revive`. FireWorks takes hours to miss a worker; the campaign knows after two leases."""
        if has_live_workers:
            return ()
        lost = []
        with self._launchpad() as pad:
            for fw_id in _find(pad, name, ["RUNNING"], role="worker"):
                launch = pad.get_fw_by_id(fw_id).launches[-1]
                if _age(launch.time_start) > 2 * LEASE:
                    pad.mark_fizzled(launch.launch_id)
                    lost.append(str(fw_id))
        return tuple(lost)

    def add(self, flow: Flow) -> tuple[str, ...]:
        """See `Manager.add`."""
        workflow = flow_to_workflow(flow, metadata=dict(flow.metadata))
        with self._launchpad() as pad, redirect_stdout(StringIO()):
            return tuple(str(fw_id) for fw_id in sorted(pad.add_wf(workflow).values()))

    def cancel(self, name: str) -> tuple[str, ...]:
        """See `Manager.cancel`. Jobs that are in the scheduler's queue find nothing to do and end; those that run
        learn from the queue of the campaign that it is cancelled.
        """
        with self._launchpad() as pad:
            ids = _find(pad, name, _UNFINISHED)
            for fw_id in ids:
                pad.defuse_fw(fw_id)
        return tuple(map(str, ids))

    @contextmanager
    def _launchpad(self) -> Iterator[LaunchPad]:
        pad = _open_launchpad(self.file)
        try:
            with database_errors("FireWorks"):
                yield pad
        finally:
            pad.connection.close()


def _find(pad: LaunchPad, name: str, states: list[str], *, role: str | None = None) -> list[int]:
    """Return the ids of the jobs of a campaign that are in one of these states."""
    query: dict[str, Any] = {f"spec.{CAMPAIGN_KEY}": name, "state": {"$in": states}}
    if role is not None:
        query[f"spec.{ROLE_KEY}"] = role
    return sorted(pad.get_fw_ids(query))


def _open_launchpad(file: str) -> LaunchPad:
    chosen = file or LAUNCHPAD_LOC
    if not chosen:
        raise ParameterError(
            "no launchpad: name its file, e.g. --where fireworks:my_launchpad.yaml; `whiteline deploy init` writes one"
        )
    if not Path(chosen).is_file():
        raise ParameterError(f"no launchpad file {chosen}: `whiteline deploy init --manager fireworks` writes one")
    try:
        return LaunchPad.from_file(str(chosen))
    except (FWFormatError, FWSerializationError, YAMLError, PyMongoError, TypeError, ValueError) as error:
        raise ParameterError(f"{chosen} is no launchpad file of FireWorks: {error}") from error


def _queue(cores: int, walltime: float | None, memory: float | None) -> dict[str, Any]:
    asked: dict[str, Any] = {"nodes": 1, "ntasks": cores}
    if walltime is not None:
        asked["walltime"] = clock_text(walltime)
    if memory is not None:
        asked["mem"] = int(memory)
    return {"_queueadapter": asked}


def _notes(needs: Needs) -> list[str]:
    found = []
    if not needs.database.startswith(("mongodb://", "mongodb+srv://")):
        found.append(
            f"the store {needs.database} is a file: that is safe while all workers run on one node that has it on a "
            "disk of its own; on several nodes take a MongoDB store"
        )
    if isinstance(JOBFLOW_SETTINGS.JOB_STORE.docs_store, MemoryStore):
        found.append(
            "Jobflow's job store is in memory here: set JOBFLOW_CONFIG_FILE where rockets are launched, or the "
            "training does not learn where its dataset is"
        )
    return found


def _age(moment: datetime | str | None) -> float:
    """Return the time since then [s]; FireWorks keeps UTC without saying so."""
    if moment is None:
        return 0.0
    given = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return time.time() - given.replace(tzinfo=UTC).timestamp()
