"""From files and folders into a store."""

from __future__ import annotations

import os
import platform
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

from whiteline.database.blobs import check_file_name
from whiteline.database.ingest.entry import AddressReader, Entry, FileReader, FolderReader, IngestOptions, Skipped
from whiteline.database.ingest.report import IngestReport, PathReport
from whiteline.database.ingest.walk import walk
from whiteline.database.store import SpectrumStore
from whiteline.errors import InputError, ParameterError, StoreError, WhitelineError, did_you_mean
from whiteline.provenance import Kind, ProvenanceRecord, library_versions, utc_now

__all__ = ["ingest_with"]

# Entries, and bytes of raw files with them, that are held before they are written.
_BATCH = 200
_BATCH_BYTES = 64 * 2**20


@dataclass
class _Tally:
    """Counts of one path while it is read."""

    path: str
    taken: Counter[str] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    n_present: int = 0
    n_ignored: int = 0

    def skip(self, one: Skipped) -> None:
        self.skipped.append(Skipped(_legible(one.source), _legible(one.reason)))

    def report(self, *, is_missing: bool = False) -> PathReport:
        return PathReport(
            self.path,
            dict(sorted(self.taken.items())),
            self.n_present,
            tuple(self.skipped),
            self.n_ignored,
            is_missing,
            tuple(self.ids),
        )


def ingest_with(
    paths: Sequence[str | PathLike[str]],
    store: SpectrumStore | None,
    *,
    folder_readers: Sequence[FolderReader] = (),
    file_readers: Sequence[FileReader] = (),
    address_readers: Sequence[AddressReader] = (),
    options: IngestOptions | None = None,
    kind: str | None = None,
    is_dry_run: bool = False,
    on_path: Callable[[str], None] = lambda _: None,
) -> IngestReport:
    """Read files and folders and store what they hold; the same spectrum is stored once.

    Files in a folder are read where a reader recognises them; a file that is named itself, or whose kind is given, is
    skipped with a reason where none does.

    Args:
        paths: Files and folders, and addresses of what has no path.
        store: Where spectra go; None, in a dry run, for a store that is not there yet.
        folder_readers: What recognises calculations.
        file_readers: What reads single files, the first that claims one.
        address_readers: What reads addresses, each those of its scheme.
        options: What the user says of the files.
        kind: Use only the reader of this kind.
        is_dry_run: Read everything and write nothing.
        on_path: Called with each folder and file before it is read.

    Raises:
        InputError: The kind is unknown, or there is no store to write to.
        StoreError: The store cannot be written.
    """
    kinds = (reader.kind for readers in (folder_readers, file_readers, address_readers) for reader in readers)
    known = list(dict.fromkeys(kinds))
    if kind is not None and kind not in known:
        raise InputError(f"unknown kind of data {kind!r}: {did_you_mean(kind, known)}")
    if store is None and not is_dry_run:
        raise InputError("expected a store to write to: open one, or ask for a dry run")
    reading = _Reading(
        folder_readers=tuple(r for r in folder_readers if kind in (None, r.kind)),
        file_readers=tuple(r for r in file_readers if kind in (None, r.kind)),
        address_readers=tuple(r for r in address_readers if kind in (None, r.kind)),
        options=options or IngestOptions(),
        is_forced=kind is not None,
        on_path=on_path,
    )
    seen: dict[str, bool] = {}
    reports = []
    for path in paths:
        tally = _Tally(str(path))
        # Not `Path.exists`: it raises where a folder may not be looked into.
        is_there = os.path.exists(path)  # noqa: PTH110
        is_missing = not is_there and reading.address_reader(tally.path) is None
        if is_missing:
            tally.skip(Skipped(str(path), "no such file or folder, or none that may be read: check the path"))
        else:
            _store(_whole(reading, Path(path), tally), None if is_dry_run else store, store, seen, tally)
        reports.append(tally.report(is_missing=is_missing))
    return IngestReport(tuple(reports), is_dry_run)


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What reads, and what the user said."""

    folder_readers: tuple[FolderReader, ...]
    file_readers: tuple[FileReader, ...]
    address_readers: tuple[AddressReader, ...]
    options: IngestOptions
    is_forced: bool
    on_path: Callable[[str], None]

    def address_reader(self, path: str) -> AddressReader | None:
        """Return what reads an address; None where it is a path."""
        return next((reader for reader in self.address_readers if path.startswith(reader.scheme)), None)


def _whole(reading: _Reading, path: Path, tally: _Tally) -> Iterator[Entry]:
    """Yield every entry of a path, and count what is not one."""
    address_reader = reading.address_reader(str(path))
    if address_reader is not None and not path.exists():
        reading.on_path(str(path))
        yield from _sorted_out(address_reader.read(path, reading.options), str(path), tally)
        return
    if not path.is_dir():
        yield from _file(reading, path, tally, is_named=True)
        return
    for found in walk(path):
        if isinstance(found, Skipped):
            tally.skip(found)
            continue
        folder, below = found
        try:
            run = next((run for run in (r.find(folder) for r in reading.folder_readers) if run is not None), None)
        except OSError as error:
            tally.skip(_unreadable(str(folder.path), error))
            continue
        if run is not None:
            if run.takes_subfolders:
                below.clear()
            reading.on_path(str(folder.path))
            yield from _sorted_out(run.read(reading.options), str(folder.path), tally)
            continue
        for name in sorted(folder.files):
            yield from _file(reading, folder.path / name, tally, is_named=False)


def _file(reading: _Reading, path: Path, tally: _Tally, *, is_named: bool) -> Iterator[Entry]:
    if not path.is_file():
        tally.skip(Skipped(str(path), f"{path} is a pipe or device, no file: save what it gives to a file first"))
        return
    reader = next((r for r in reading.file_readers if r.claims(path)), None)
    if reader is None and reading.is_forced and len(reading.file_readers) == 1:
        reader = reading.file_readers[0] if is_named else None
    if reader is None:
        if is_named:
            kinds = ", ".join(r.kind for r in reading.file_readers) or "none: calculations are given as folders"
            tally.skip(
                Skipped(str(path), f"of no known kind of file ({kinds}): name its kind with --as, or give its folder")
            )
        else:
            tally.n_ignored += 1
        return
    reading.on_path(str(path))
    yield from _sorted_out(reader.read(path, reading.options), str(path), tally)


def _sorted_out(found: Iterator[Entry | Skipped], source: str, tally: _Tally) -> Iterator[Entry]:
    """Yield the entries of one file or run; its errors are reasons, those of the store are not caught."""
    try:
        for one in found:
            if isinstance(one, Entry):
                yield _with_legible_names(one)
            else:
                tally.skip(one)
    except StoreError:
        raise
    except WhitelineError as error:
        tally.skip(Skipped(source, str(error)))
    except OSError as error:
        tally.skip(_unreadable(source, error))


def _unreadable(source: str, error: OSError) -> Skipped:
    place = f" {error.filename}" if error.filename else ""
    return Skipped(source, f"cannot be read ({error.strerror or error}{place}): check permissions and disk")


def _legible(text: str) -> str:
    """Return a text on one line, with codes in place of what would steer a terminal or is no Unicode."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _with_legible_names(entry: Entry) -> Entry:
    """Return an entry whose paths any store takes: names of files need not be Unicode."""
    names = (entry.document.source, *entry.inputs)
    if all(map(_is_unicode, names)):
        return entry
    inputs = {_as_unicode(name): checksum for name, checksum in entry.inputs.items()}
    return replace(entry, document=replace(entry.document, source=_as_unicode(entry.document.source)), inputs=inputs)


def _is_unicode(text: str) -> bool:
    return _as_unicode(text) == text


def _as_unicode(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _store(
    entries: Iterator[Entry],
    target: SpectrumStore | None,
    known: SpectrumStore | None,
    seen: dict[str, bool],
    tally: _Tally,
) -> None:
    """Write what is new in groups; count only what is written.

    Args:
        entries: What was read.
        target: Where it goes; None in a dry run.
        known: What is there already.
        seen: Ids of this run, and whether there was a spectrum.
        tally: Counts.
    """
    machine = _machine()
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        identity, has_spectrum = entry.document.id, entry.document.status.has_spectrum
        # A failure gives way to a spectrum, here as in the store.
        is_seen = identity in seen and (seen[identity] or not has_spectrum)
        if is_seen or (known is not None and _is_known(entry, known)):
            tally.n_present += 1
            continue
        seen[identity] = has_spectrum
        batch.append(entry)
        size += sum(map(len, entry.files.values()))
        if len(batch) >= _BATCH or size >= _BATCH_BYTES:
            _write(batch, target, tally, machine)
            batch, size = [], 0
    _write(batch, target, tally, machine)


def _is_known(entry: Entry, store: SpectrumStore) -> bool:
    """Return whether a store has the spectrum; a failure that it has gives way to a spectrum."""
    found = store.status_of(entry.document.id)
    return found is not None and (found.has_spectrum or not entry.document.status.has_spectrum)


def _write(batch: list[Entry], target: SpectrumStore | None, tally: _Tally, machine: dict[str, Any]) -> None:
    """Write a group and count it; where it holds something that the store refuses, one by one."""
    if target is not None and batch:
        try:
            target.put_many((entry.document, _record(entry, machine), _named_safely(entry.files)) for entry in batch)
        except ParameterError as error:
            if len(batch) == 1:
                tally.skip(Skipped(batch[0].document.source, str(error)))
                return
            for entry in batch:
                _write([entry], target, tally, machine)
            return
    for entry in batch:
        tally.taken[f"{entry.document.code}, {entry.document.status.value}"] += 1
        tally.ids.append(entry.document.id)


def _named_safely(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files under names that a store takes."""
    found = {}
    for i, (name, content) in enumerate(files.items(), start=1):
        try:
            found[check_file_name(name)] = content
        except ParameterError:
            found[f"file-{i}"] = content
    return found


def _record(entry: Entry, machine: dict[str, Any]) -> ProvenanceRecord:
    if entry.record is not None:
        return entry.record
    document, now = entry.document, utc_now()
    return ProvenanceRecord(
        activity="ingest",
        used={
            Kind.SOURCE: dict(entry.inputs),
            Kind.STRUCTURE: {"structure": document.structure_id},
            Kind.SITE: {"site": document.site_id},
            Kind.SPECTRUM: {f"spectrum {i}": each for i, each in enumerate(document.parents, start=1)},
        },
        generated={Kind.SPECTRUM: {"spectrum": document.id}},
        code=document.code,
        code_version=document.code_version,
        parameters=document.parameters,
        started_at=now,
        ended_at=now,
        **machine,
    )


def _machine() -> dict[str, Any]:
    """Return what is the same in all records, looked up once."""
    return {
        "libraries": library_versions(),
        "host": socket.gethostname(),
        "system": f"{platform.platform()}, Python {platform.python_version()}",
    }
