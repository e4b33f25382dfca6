"""Where a result came from: one record a job, stored beside what the job made."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from uuid import uuid4

from whiteline.errors import SchemaVersionError

__all__ = [
    "PROVENANCE_SCHEMA_VERSION",
    "ProvenanceRecord",
    "content_checksum",
    "library_versions",
    "scheduler_job",
    "utc_now",
]

PROVENANCE_SCHEMA_VERSION = 1
_LIBRARIES = ("whiteline", "feff10-rs", "pymatgen", "spglib", "jobflow", "numpy", "scipy")
_SCHEDULER_VARIABLES = (
    "SLURM_CLUSTER_NAME",
    "SLURM_JOB_ID",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_JOB_NODELIST",
    "SLURM_RESTART_COUNT",
)


def utc_now() -> str:
    """Return the present time as ISO 8601 text in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def content_checksum(content: bytes) -> str:
    """Return the checksum of a file's content as records, site files and parameters name it.

    >>> content_checksum(b"")[:19]
    'sha256:e3b0c44298fc'
    """
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def library_versions(*extra: str) -> dict[str, str]:
    """Return the installed versions of the libraries that shape a result.

    >>> "numpy" in library_versions()
    True
    """
    found = ((name, _version(name)) for name in (*_LIBRARIES, *extra))
    return {name: text for name, text in found if text}


@cache  # metadata are parsed anew each time: ten milliseconds a record
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def scheduler_job() -> dict[str, str]:
    """Return what a batch system says of the job that this runs in, by its own names; empty outside of one."""
    return {name: os.environ[name] for name in _SCHEDULER_VARIABLES if os.environ.get(name)}


@dataclass(frozen=True)
class ProvenanceRecord:
    """What one job used and made.

    Attributes:
        activity: What was done, e.g. `feff-site` or `material-average`.
        inputs: Name of each input and its content hash or stored id.
        outputs: Name of each output and its content hash or stored id.
        parents: Ids of the stored spectra that this job read.
        code: Program that did the work, and `code_version` as that program reports it.
        libraries: Versions of the libraries around it.
        parameters: Complete parameters, defaults included: those of the run that made the result, which after a repair
            are not those that were asked for.
        timings: Wall time by stage [s].
        host: Machine name; `system` is its operating system and Python.
        scheduler: Its job in a batch system, by that system's names of variables; empty outside of one.
        attempts: What was tried, in order, where the first attempt was not all: `repair` and its `changes`, `status`,
            `cause`, `reason`, `seconds`, `adopted` where the run was that of a process that died after it, `continued`
            where it went on from what an interrupted one had left.
        started_at: Start in ISO 8601, UTC; `ended_at` likewise.
        id: Unique id of this record.
    """

    activity: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    parents: tuple[str, ...]
    code: str
    code_version: str
    parameters: Mapping[str, Any]
    started_at: str
    ended_at: str
    timings: Mapping[str, float] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=library_versions)
    host: str = field(default_factory=socket.gethostname)
    system: str = field(default_factory=lambda: f"{platform.platform()}, Python {platform.python_version()}")
    scheduler: Mapping[str, str] = field(default_factory=scheduler_job)
    attempts: tuple[Mapping[str, Any], ...] = ()
    id: str = field(default_factory=lambda: uuid4().hex)

    @property
    def wall_time(self) -> float:
        """Seconds from start to end."""
        return (datetime.fromisoformat(self.ended_at) - datetime.fromisoformat(self.started_at)).total_seconds()

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        # Not `asdict`, whose deep copies are half the cost of storing many records.
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        mappings = {name: dict(value) for name, value in data.items() if isinstance(value, Mapping)}
        whole = {
            "schema_version": PROVENANCE_SCHEMA_VERSION,
            **data,
            **mappings,
            "parents": list(self.parents),
            "attempts": [dict(attempt) for attempt in self.attempts],
        }
        # Most records have neither, and those written before there were such fields are told in the same words.
        return {name: value for name, value in whole.items() if value or name not in ("scheduler", "attempts")}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ProvenanceRecord:
        """Rebuild what `to_dict` wrote.

        Raises:
            SchemaVersionError: The record was written by a newer Whiteline.
        """
        found = data.get("schema_version", 1)
        if found > PROVENANCE_SCHEMA_VERSION:
            raise SchemaVersionError(
                f"provenance record has schema version {found}, this Whiteline reads up to "
                f"{PROVENANCE_SCHEMA_VERSION}: upgrade with `pip install -U whiteline`"
            )
        known = {f.name for f in fields(cls)}
        values = {key: value for key, value in data.items() if key in known}
        parents, attempts = (tuple(values.get(name, ())) for name in ("parents", "attempts"))
        return cls(**{"scheduler": {}, **values, "parents": parents, "attempts": attempts})
