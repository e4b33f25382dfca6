"""Making a backup of a store, and filling a store from one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from uuid import uuid4

from whiteline.database.administration.archive import Archive
from whiteline.database.administration.archive_format import Manifest
from whiteline.database.administration.archive_writer import ArchiveWriter
from whiteline.database.administration.copying import CopyReport, copy
from whiteline.database.administration.entries import EVERYTHING, OnProgress, StoreSource, Tally
from whiteline.database.administration.verification import verify_archive
from whiteline.errors import CorruptStoreError, ParameterError, StoreError
from whiteline.provenance import utc_now

if TYPE_CHECKING:
    from whiteline.database.store import SpectrumStore

__all__ = ["BackupReport", "backup", "restore"]


@dataclass(frozen=True)
class BackupReport:
    """A finished backup.

    Attributes:
        path: Where it is.
        size: Its length [bytes].
        checksum: SHA-256 of its manifest, which holds those of everything else in it.
        manifest: What it holds.
    """

    path: Path
    size: int
    checksum: str
    manifest: Manifest


def backup(store: SpectrumStore, path: str | Path, *, on_progress: OnProgress | None = None) -> BackupReport:
    """Write all that a store holds into one tar file; see `archive_format.README_TEXT` for what is in it.

    The file takes its name when it is complete and on the disk; an interrupted backup never has it. What is stored
    while it is made may or may not be in it.

    Args:
        store: What to save.
        path: A name that ends in `.tar` and is not taken yet.
        on_progress: Called with the share that is done and what is being done.

    Raises:
        ParameterError: The name does not end in `.tar`.
        StoreError: The file is there already or cannot be written, or the store cannot be read.
    """
    target = Path(path).expanduser().absolute()
    if target.suffix != ".tar":
        raise ParameterError(f"a backup is a tar file: expected a name such as spectra-2026-11.tar, got {path}")
    source = StoreSource(store)
    created_at, revision, n_expected = utc_now(), store.changes()[1], max(store.count(EVERYTHING), 1)
    tally = Tally()
    with _new_file(target) as file:
        writer = ArchiveWriter(file)
        for i, entry in enumerate(source.entries(), start=1):
            writer.add(entry)
            tally.add(entry)
            if on_progress:
                on_progress(min(i / n_expected, 1.0), f"saving {i} of {n_expected}")
        writer.end_part()
        activities, marks = list(source.activities()), source.marks()
        writer.add_lineage(activities, marks)
        for activity in activities:
            tally.add_activity(activity)
        for each, mark in sorted(marks.items()):
            tally.add_mark(each, mark)
        manifest = writer.describe(tally.result, created_at=created_at, source=store.address, revision=revision)
        checksum = writer.finish(manifest)
    return BackupReport(target, target.stat().st_size, checksum, manifest)


def restore(
    path: str | Path,
    store: SpectrumStore,
    *,
    is_into_existing: bool = False,
    replace: bool = False,
    on_progress: OnProgress | None = None,
) -> CopyReport:
    """Fill a store from a backup, after all of the backup has been verified.

    Killed at any moment, it goes on where it ended when it runs again with `is_into_existing`.

    Args:
        path: The backup.
        store: The store to fill.
        is_into_existing: Whether the store may hold spectra already; see `copy` for what happens to them.
        replace: Put what the backup has in the place of others of the same id and name.
        on_progress: Called with the share that is done and what is being done.

    Raises:
        CorruptStoreError: The backup is damaged; nothing was written.
        ParameterError: The store holds spectra and `is_into_existing` does not allow that.
    """
    with Archive(path) as archive:
        n_stored = store.count(EVERYTHING)
        if n_stored and not is_into_existing:
            raise ParameterError(
                f"the store {store.address} holds {n_stored} spectra already: give an empty one, or add "
                "--into-existing to fill this one up"
            )
        report = verify_archive(archive, on_progress=on_progress)
        if report.faults:
            raise CorruptStoreError(
                f"the backup {archive.path} is damaged, nothing was restored: {report.faults[0].where}: "
                f"{report.faults[0].what}; `whiteline db verify {archive.path}` lists all {len(report.faults)} faults"
            )
        return copy(archive, store, replace=replace, on_progress=on_progress)


@contextmanager
def _new_file(target: Path) -> Iterator[BinaryIO]:
    """Yield a file that becomes `target` when the block ends well, and vanishes otherwise."""
    if target.exists():
        raise StoreError(f"{target} is there already, and a backup never replaces one: choose another name")
    partial = target.with_name(f".{target.name}-{uuid4().hex[:8]}.partial")
    try:
        file = partial.open("xb")
    except OSError as error:
        raise StoreError(f"cannot write {target} ({error.strerror}): choose a writable place") from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _give_name(partial, target)
    except StoreError:
        raise  # it is about what was read, or says all there is to say
    except OSError as error:
        raise StoreError(f"cannot write {target} ({error.strerror or error}): make room or choose another") from error
    finally:
        partial.unlink(missing_ok=True)


def _give_name(partial: Path, target: Path) -> None:
    try:
        # A link, unlike a renaming, never replaces what somebody made in the meantime.
        os.link(partial, target)
    except FileExistsError as error:
        raise StoreError(f"{target} was made by somebody else in the meantime: choose another name") from error
    except OSError:  # a file system without links
        partial.rename(target)
