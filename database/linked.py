"""What a store knows of lineage beside its spectra: records found by what they name, and marks of suspicion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from whiteline.errors import ParameterError
from whiteline.provenance import ProvenanceRecord

__all__ = ["LinkedRecord", "Mark", "RecordCondition"]


@dataclass(frozen=True)
class LinkedRecord:
    """A record, and the id of the stored spectrum whose it is; empty where the job made something else."""

    record: ProvenanceRecord
    spectrum_id: str


@dataclass(frozen=True)
class Mark:
    """Why nobody should rest on something, and since when, ISO 8601, UTC."""

    reason: str
    marked_at: str


@dataclass(frozen=True, kw_only=True)
class RecordCondition:
    """Which records are wanted, by what stood behind the job; every condition that is given must hold.

    Texts may have `*` and `?` in them, as names of files do in a shell.

    Attributes:
        code: Program, e.g. `feff`, and `code_version` as it reports it.
        libraries: Version by name of the library.
        commit: Commit of Whiteline, or its beginning.
        host: Machine.
    """

    code: str = ""
    code_version: str = ""
    libraries: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    host: str = ""

    def __post_init__(self) -> None:
        if not any((self.code, self.code_version, self.libraries, self.commit, self.host)):
            raise ParameterError("a condition on records needs something to look for: a code, a version, a library …")

    def holds_for(self, shared: Mapping[str, Any]) -> bool:
        """Return whether it holds for the shared part of a record (`ProvenanceRecord.shared_part`)."""
        versions = shared.get("libraries", {})
        return (
            all(
                not wanted or fnmatchcase(str(shared.get(name, "")), wanted)
                for name, wanted in (("code", self.code), ("code_version", self.code_version), ("host", self.host))
            )
            and str(shared.get("commit", "")).startswith(self.commit)
            and all(fnmatchcase(versions.get(name, ""), wanted) for name, wanted in self.libraries.items())
        )
