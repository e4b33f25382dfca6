"""The record of one job: what it used, what it made, with what and where."""

from __future__ import annotations

import hashlib
import json
import platform
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

from whiteline.errors import SchemaVersionError
from whiteline.provenance.kinds import Kind
from whiteline.provenance.machine import library_versions, scheduler_job, source_commit

__all__ = ["OWN_FIELDS", "PROVENANCE_SCHEMA_VERSION", "ProvenanceRecord", "Things", "record_id"]

PROVENANCE_SCHEMA_VERSION = 2

# Kind of a thing, its name in this job, and its content hash, checksum or stored id.
Things: TypeAlias = Mapping[str, Mapping[str, str]]

# What differs from record to record; all else is the same for thousands of them, and stores keep it once.
OWN_FIELDS = ("used", "generated", "timings", "ended_at")
_SORTED = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
_N_ID = 40  # records of schema version 1 have random ids of 32 digits
# What most records do not have; they are told without it, as those written before there was such a field.
_SELDOM = ("scheduler", "attempts", "executables", "commit", "seeds", "cores")


def record_id(started_at: str, own: Mapping[str, Any], shared: str) -> str:
    """Return the id of a record: a hash of its start, its own fields and its shared ones.

    Args:
        started_at: Start, as the record has it.
        own: `ProvenanceRecord.own_part`.
        shared: JSON text of `ProvenanceRecord.shared_part`.
    """
    text = f"{started_at}\n{_SORTED.encode(own)}\n{_canonical(shared)}"
    return hashlib.sha256(text.encode()).hexdigest()[:_N_ID]


@lru_cache(maxsize=256)  # thousands of records share one text
def _canonical(text: str) -> str:
    """Return the one JSON text of what another says, whatever the order in which a store gives its keys back."""
    return _SORTED.encode(json.loads(text))


@dataclass(frozen=True)
class ProvenanceRecord:
    """What one job used and made: an activity of PROV with its links.

    Things without an id are left out of `used` and `generated`.

    Attributes:
        activity: What was done, e.g. `feff-site` or `material-average`.
        used: What it was made from: kind, name, and content hash, checksum or stored id.
        generated: What it made, likewise.
        code: Program that did the work, and `code_version` as that program reports it.
        parameters: Complete parameters, defaults included: those of the run that made the result, which after a repair
            are not those that were asked for.
        started_at: Start in ISO 8601, UTC; `ended_at` likewise.
        timings: Wall time by stage [s].
        libraries: Versions of the libraries around it.
        executables: Checksum of each program that ran, by its name.
        commit: Commit of Whiteline where it ran from a checkout.
        seeds: Seeds of random numbers, by what they were for.
        cores: Cores that the work had; 0 where nobody knows.
        host: Machine name; `system` is its operating system and Python.
        scheduler: Its job in a batch system, by that system's names of variables; empty outside of one.
        attempts: What was tried, in order, where the first attempt was not all: `repair` and its `changes`, `status`,
            `cause`, `reason`, `seconds`, `adopted` where the run was that of a process that died after it, `continued`
            where it went on from what an interrupted one had left.
        given_id: Id that a record was read with; empty in one that has just been made.
    """

    activity: str
    used: Things
    generated: Things
    code: str
    code_version: str
    parameters: Mapping[str, Any]
    started_at: str
    ended_at: str
    timings: Mapping[str, float] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=library_versions)
    executables: Mapping[str, str] = field(default_factory=dict)
    commit: str = field(default_factory=source_commit)
    seeds: Mapping[str, int] = field(default_factory=dict)
    cores: int = 0
    host: str = field(default_factory=socket.gethostname)
    system: str = field(default_factory=lambda: f"{platform.platform()}, Python {platform.python_version()}")
    scheduler: Mapping[str, str] = field(default_factory=scheduler_job)
    attempts: tuple[Mapping[str, Any], ...] = ()
    given_id: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for name in ("used", "generated"):
            things = {str(kind): {n: e for n, e in named.items() if e} for kind, named in getattr(self, name).items()}
            object.__setattr__(self, name, {kind: named for kind, named in things.items() if named})

    @cached_property
    def id(self) -> str:
        """The id of the record: a hash of all that it says."""
        return self.given_id or self.content_id

    @property
    def content_id(self) -> str:
        """The id that the content gives: another than `id` in a record that was edited, or is of schema version 1."""
        return record_id(self.started_at, self.own_part(), json.dumps(self.shared_part(), allow_nan=False))

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of the stored spectra that the job read."""
        return tuple(self.used.get(Kind.SPECTRUM, {}).values())

    @property
    def inputs(self) -> dict[str, str]:
        """Names of all that was used, whatever its kind, and the ids."""
        return {name: each for named in self.used.values() for name, each in named.items()}

    @property
    def outputs(self) -> dict[str, str]:
        """Names of all that was made, whatever its kind, and the ids."""
        return {name: each for named in self.generated.values() for name, each in named.items()}

    @property
    def wall_time(self) -> float:
        """Seconds from start to end."""
        return (datetime.fromisoformat(self.ended_at) - datetime.fromisoformat(self.started_at)).total_seconds()

    def linked_ids(self) -> Iterator[str]:
        """Yield the ids of all that was used or made, programs included; some may come more than once."""
        for things in (self.used, self.generated):
            for named in things.values():
                yield from named.values()
        yield from self.executables.values()

    def own_part(self) -> dict[str, Any]:
        """Return what differs from record to record, JSON-ready, but id and start."""
        return {
            "used": self.used,
            "generated": self.generated,
            "timings": dict(self.timings),
            "ended_at": self.ended_at,
        }

    def shared_part(self) -> dict[str, Any]:
        """Return what is the same for thousands of records, JSON-ready."""
        shared = {
            "schema_version": PROVENANCE_SCHEMA_VERSION,
            "activity": self.activity,
            "code": self.code,
            "code_version": self.code_version,
            "parameters": dict(self.parameters),
            "libraries": dict(self.libraries),
            "executables": dict(self.executables),
            "commit": self.commit,
            "seeds": dict(self.seeds),
            "cores": self.cores,
            "host": self.host,
            "system": self.system,
            "scheduler": dict(self.scheduler),
            "attempts": [dict(attempt) for attempt in self.attempts],
        }
        return {name: value for name, value in shared.items() if value or name not in _SELDOM}

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        own = {**self.own_part(), "used": _copied(self.used), "generated": _copied(self.generated)}
        return {**self.shared_part(), **own, "started_at": self.started_at, "id": self.id}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ProvenanceRecord:
        """Rebuild what `to_dict` wrote, in this or an earlier schema version.

        Raises:
            SchemaVersionError: The record was written by a newer Whiteline.
        """
        found = data.get("schema_version", 1)
        if found > PROVENANCE_SCHEMA_VERSION:
            raise SchemaVersionError(
                f"provenance record has schema version {found}, this Whiteline reads up to "
                f"{PROVENANCE_SCHEMA_VERSION}: upgrade with `pip install -U whiteline`"
            )
        values = dict(data)
        for version in range(found, PROVENANCE_SCHEMA_VERSION):
            values = _UPGRADES[version](values)
        known = {f.name for f in fields(cls)}
        rest = {key: value for key, value in values.items() if key in known}
        attempts = tuple(rest.pop("attempts", ()))
        return cls(**{"scheduler": {}, "commit": "", **rest, "attempts": attempts, "given_id": values.get("id", "")})


def _copied(things: Things) -> dict[str, dict[str, str]]:
    return {kind: dict(named) for kind, named in things.items()}


_NAMED_IN_VERSION_1 = {
    "structure": Kind.STRUCTURE,
    "site": Kind.SITE,
    "model": Kind.MODEL,
    "parent model": Kind.MODEL,
    "encoder": Kind.ENCODER,
    "dataset": Kind.DATASET,
    "spectra.json": Kind.SPECTRA,
    "spectrum": Kind.SPECTRUM,
}


def _sort_by_kind(named: Mapping[str, str], file: Kind) -> dict[str, dict[str, str]]:
    things: dict[str, dict[str, str]] = {}
    for name, each in named.items():
        is_file = each.startswith("sha256:") and name != "spectra.json"
        kind = file if is_file else _NAMED_IN_VERSION_1.get(name, Kind.SPECTRUM)
        things.setdefault(kind.value, {})[name] = each
    return things


def _to_version_2(data: dict[str, Any]) -> dict[str, Any]:
    """Say of what kind each thing is that a record names; version 1 told by the name alone."""
    inputs, outputs, parents = (
        data.pop(name, empty) for name, empty in (("inputs", {}), ("outputs", {}), ("parents", ()))
    )
    is_from_files = data["activity"] == "ingest" or data["activity"].endswith("-import")
    used = _sort_by_kind(inputs, Kind.SOURCE if is_from_files else Kind.INPUT)
    spectra = used.get(Kind.SPECTRUM.value, {})
    unnamed = [each for each in parents if each not in spectra.values()]
    if unnamed:
        used[Kind.SPECTRUM.value] = {**spectra, **{f"spectrum {i}": each for i, each in enumerate(unnamed, start=1)}}
    potentials = data.get("parameters", {}).get("pseudopotentials")
    if isinstance(potentials, Mapping) and all(str(each).startswith("sha256:") for each in potentials.values()):
        used[Kind.PSEUDOPOTENTIAL.value] = dict(potentials)
    return {**data, "schema_version": 2, "used": used, "generated": _sort_by_kind(outputs, Kind.OUTPUT)}


# One function a step: the entry at `n` turns a dictionary of schema version n into one of version n + 1.
_UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _to_version_2}
