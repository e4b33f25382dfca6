"""Where a workflow computes and stores: the machine facts that makers hand to their jobs."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from monty.json import MSONable

from whiteline.errors import StoreError
from whiteline.settings import Settings
from whiteline.workflows.run_folders import RunFolders

__all__ = ["NO_ROOM", "DiskFullError", "Workspace"]

# What the operating system says of a disk, or of a share of one, that is used up.
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
_LONGEST_NAME = 80
# Bytes; a run that failed with less room than its shortest output files is taken to have failed for that.
_FULL = 256 * 1024


class DiskFullError(StoreError):
    """The disk of the run directory is full: no fault of the calculation that found it out."""


@dataclass(frozen=True)
class Workspace(MSONable):
    """Store and scratch of a workflow.

    Attributes:
        database: Address of the store.
        run_directory: Folder in which run directories are made.
        keep_runs: Keep the run directories of finished calculations; those of failed ones always stay.
        is_forced: Compute again what the store already has.
        most_repairs: How often a calculation that failed or did not converge is tried again with other parameters.
    """

    database: str
    run_directory: str
    keep_runs: bool = False
    is_forced: bool = False
    most_repairs: int = 4

    @classmethod
    def from_settings(cls, settings: Settings, *, is_forced: bool = False) -> Workspace:
        """Return the workspace of this machine."""
        return cls(
            database=settings.database,
            run_directory=str(settings.run_directory),
            keep_runs=settings.keep_runs,
            is_forced=is_forced,
            most_repairs=settings.most_repairs,
        )

    def run_folders(self, name: str, calculation_id: str) -> RunFolders:
        """Return the folders in which the attempts of a calculation run; none is made yet."""
        # The name comes from a file name or from a key inside a file: it must not lead out of the run directory.
        words = re.sub(r"[^\w+-]+", "_", name)[:_LONGEST_NAME]
        home = Path(self.run_directory) / f"{words}-{calculation_id[:12]}"
        return RunFolders(home, calculation_id, is_forced=self.is_forced)

    @property
    def has_full_disk(self) -> bool:
        """Whether the disk of the run directory has no room for the output of a run."""
        try:
            return shutil.disk_usage(self.run_directory).free < _FULL
        except OSError:
            return False

    @contextmanager
    def usable(self) -> Iterator[None]:
        """Tell what the run directory itself does not allow from what happens in a run.

        Raises:
            DiskFullError: The disk of the run directory is full.
            StoreError: Nothing can be written there.
        """
        try:
            yield
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            kind = DiskFullError if error.errno in NO_ROOM else StoreError
            raise kind(
                f"cannot make a run directory in {self.run_directory} ({error.strerror}): choose a writable one with "
                "--run-directory or WHITELINE_RUN_DIRECTORY"
            ) from error

    def refuse_full_disk(self) -> None:
        """Tell a run that failed for want of room from one that failed for its physics.

        Raises:
            DiskFullError: The disk of the run directory is full.
        """
        if self.has_full_disk:
            raise DiskFullError(
                f"the disk of the run directory {self.run_directory} is full: make room or choose another place with "
                "--run-directory or WHITELINE_RUN_DIRECTORY, and run the same command again"
            )
