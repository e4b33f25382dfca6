"""What came of files that were given to a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from whiteline.database.ingest.entry import Skipped

__all__ = ["IngestReport", "PathReport"]


@dataclass(frozen=True)
class PathReport:
    """What came of one path.

    Attributes:
        path: File or folder, as it was given.
        taken: Number of spectra that were stored, or in a dry run would be, by code and status: `feff, converged`.
        n_present: Number of spectra that the store had already, or that occurred before.
        skipped: What could not be taken, and why.
        n_ignored: Number of files that are of no known kind.
        is_missing: Whether there is no such file or folder.
        ids: Ids of the spectra that were taken.
    """

    path: str
    taken: Mapping[str, int] = field(default_factory=dict)
    n_present: int = 0
    skipped: tuple[Skipped, ...] = ()
    n_ignored: int = 0
    is_missing: bool = False
    ids: tuple[str, ...] = ()

    @property
    def n_taken(self) -> int:
        """Number of spectra that were stored."""
        return sum(self.taken.values())

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "path": self.path,
            "n_taken": self.n_taken,
            "taken": dict(self.taken),
            "n_present": self.n_present,
            "n_skipped": len(self.skipped),
            "skipped": [{"source": one.source, "reason": one.reason} for one in self.skipped],
            "n_ignored": self.n_ignored,
            "is_missing": self.is_missing,
            "ids": list(self.ids),
        }


@dataclass(frozen=True)
class IngestReport:
    """What came of all paths.

    Attributes:
        paths: One report a path, in the order in which they were given.
        is_dry_run: Whether nothing was written.
    """

    paths: tuple[PathReport, ...]
    is_dry_run: bool = False

    @property
    def n_taken(self) -> int:
        """Number of spectra that were stored."""
        return sum(path.n_taken for path in self.paths)

    @property
    def n_present(self) -> int:
        """Number of spectra that the store had already."""
        return sum(path.n_present for path in self.paths)

    @property
    def taken(self) -> dict[str, int]:
        """Number of spectra that were stored, by code and status."""
        total: Counter[str] = Counter()
        for path in self.paths:
            total.update(path.taken)
        return dict(sorted(total.items()))

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What could not be taken, and why."""
        return tuple(one for path in self.paths for one in path.skipped)

    @property
    def is_success(self) -> bool:
        """Whether every path is there and something was taken or already stored."""
        return self.n_taken + self.n_present > 0 and not any(path.is_missing for path in self.paths)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "is_dry_run": self.is_dry_run,
            "n_taken": self.n_taken,
            "n_present": self.n_present,
            "n_skipped": len(self.skipped),
            "taken": self.taken,
            "paths": [path.to_dict() for path in self.paths],
        }
