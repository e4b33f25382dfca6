"""Where a workflow computes and stores: the machine facts that makers hand to their jobs."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from monty.json import MSONable

from whiteline.errors import StoreError
from whiteline.settings import Settings

__all__ = ["Workspace"]

_LONGEST_NAME = 80
# Bytes; a run that failed with less room than its shortest output files is taken to have failed for that.
_FULL = 256 * 1024


@dataclass(frozen=True)
class Workspace(MSONable):
    """Store and scratch of a workflow.

    Attributes:
        database: Address of the store.
        run_directory: Folder in which run directories are made.
        keep_runs: Keep the run directories of finished calculations; those of failed ones always stay.
        is_forced: Compute again what the store already has.
    """

    database: str
    run_directory: str
    keep_runs: bool = False
    is_forced: bool = False

    @classmethod
    def from_settings(cls, settings: Settings, *, is_forced: bool = False) -> Workspace:
        """Return the workspace of this machine."""
        return cls(
            database=settings.database,
            run_directory=str(settings.run_directory),
            keep_runs=settings.keep_runs,
            is_forced=is_forced,
        )

    @contextmanager
    def run_folder(self, name: str, calculation_id: str) -> Iterator[Path]:
        """Yield a fresh, empty folder for one run; what dead runs of the same calculation left is removed first.

        Raises:
            StoreError: The folder cannot be made.
        """
        # The name comes from a file name or from a key inside a file: it must not lead out of the run directory.
        words = re.sub(r"[^\w+-]+", "_", name)[:_LONGEST_NAME]
        home = Path(self.run_directory) / f"{words}-{calculation_id[:12]}"
        folder = home / f"run-{socket.gethostname()}-{os.getpid()}"
        try:
            for old in home.glob(f"run-{socket.gethostname()}-*"):
                if old == folder or not _is_alive(int(old.name.rpartition("-")[2])):
                    shutil.rmtree(old)
            folder.mkdir(parents=True)
        except OSError as error:
            raise StoreError(
                f"cannot make the run directory {folder} ({error.strerror}): choose a writable one with "
                "--run-directory or WHITELINE_RUN_DIRECTORY"
            ) from error
        yield folder

    def refuse_full_disk(self, folder: Path) -> None:
        """Tell a run that failed for want of room from one that failed for its physics.

        Raises:
            StoreError: The disk of the run directory is full.
        """
        if shutil.disk_usage(folder).free < _FULL:
            raise StoreError(
                f"the disk of the run directory {folder} is full: make room or choose another place with "
                "--run-directory or WHITELINE_RUN_DIRECTORY, and run the same command again"
            )

    def discard(self, folder: Path) -> None:
        """Remove the folder of a stored run, unless runs are kept."""
        if self.keep_runs:
            return
        shutil.rmtree(folder, ignore_errors=True)
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
