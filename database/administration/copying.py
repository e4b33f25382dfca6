"""Copying spectra with their history and raw files from one place to a store, in steps that may be cut anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whiteline.database.administration.comparison import Comparison, compare, differences, pair
from whiteline.database.administration.entries import Entry, OnProgress, Source, Unreadable
from whiteline.errors import CorruptStoreError, ParameterError

if TYPE_CHECKING:
    from whiteline.database.blobs import StoredFile
    from whiteline.database.store import Item, SpectrumStore

__all__ = ["CopyReport", "copy"]

_GROUP = 200
# Raw files held in memory at a time [bytes].
_GROUP_BYTES = 32 * 1024**2


@dataclass(frozen=True, kw_only=True)
class CopyReport:
    """What copying did.

    Attributes:
        n_new: Spectra that the target did not have.
        n_completed: Spectra that it had without some record or file; these were added.
        n_replaced: Spectra that it had otherwise, or damaged, and that were replaced.
        n_same: Spectra that it had already, bit for bit.
        n_activities: Records of jobs that made no spectrum, and that the target did not have.
        n_marks: Marks of suspicion that it did not have.
        comparison: Both sides, read anew after the last write.
    """

    n_new: int
    n_completed: int
    n_replaced: int
    n_same: int
    n_activities: int
    n_marks: int
    comparison: Comparison


def copy(
    source: Source, target: SpectrumStore, *, replace: bool = False, on_progress: OnProgress | None = None
) -> CopyReport:
    """Copy what the target does not have yet, then compare both sides.

    The records of datasets, models and files, and the marks of what is suspect, go along whatever the query: what the
    target holds may rest on them.

    What is there already with the same checksum is left alone, so that running it again after a kill goes on where it
    ended. What is there with another checksum, or damaged, stays, unless `replace`, and is among the differences of the
    report; the contents of raw files in the target are looked at with `replace` only.

    Args:
        source: A store (`StoreSource`) or a backup (`Archive`).
        target: Where to.
        replace: Put documents and raw files of the source in the place of others, or damaged ones, of the same id and
            name.
        on_progress: Called with the share that is done and what is being done.

    Raises:
        ParameterError: Source and target are the same.
        StoreError: One of them cannot be read or written; what was copied so far stays.
    """
    if source.address == target.address:
        raise ParameterError(f"source and target are the same store, {target.address}: give two different addresses")
    target.check_writable()
    writer = _Writer(target)
    counts = {"new": 0, "completed": 0, "replaced": 0, "same": 0}
    n_expected = max(source.count(), 1)
    for i, (entry, other) in enumerate(pair(source, target), start=1):
        if other is None:
            writer.add(entry, other)
            counts["new"] += 1
        elif isinstance(other, Unreadable):
            counts["replaced"] += replace and writer.add(entry, None)
        elif (replace or other.checksum == entry.checksum) and writer.add(entry, other, replace=replace):
            counts["completed" if other.checksum == entry.checksum else "replaced"] += 1
        elif next(differences(entry, other), None) is None:
            counts["same"] += 1
        if on_progress:
            on_progress(min(i / n_expected, 1.0), f"copying {i} of {n_expected}")
    writer.flush()
    n_activities, n_marks = _copy_activities(source, target), _copy_marks(source, target)
    return CopyReport(
        n_new=counts["new"],
        n_completed=counts["completed"],
        n_replaced=counts["replaced"],
        n_same=counts["same"],
        n_activities=n_activities,
        n_marks=n_marks,
        comparison=compare(source, target, on_progress=on_progress),
    )


def _copy_activities(source: Source, target: SpectrumStore) -> int:
    """Copy the records of jobs that made no spectrum, and their members; return how many records were new."""
    known = {record.id for record in target.activities()}
    n_new = 0
    for activity in source.activities():
        # Also one that is there: some of its members may have come with this copy.
        target.put_activity(activity.record, activity.members)
        n_new += activity.record.id not in known
    return n_new


def _copy_marks(source: Source, target: SpectrumStore) -> int:
    """Copy the marks of what nobody has marked in the target; return how many there were."""
    known = target.marks()
    groups: dict[tuple[str, str], list[str]] = {}
    for each, mark in source.marks().items():
        if each not in known:
            groups.setdefault((mark.reason, mark.marked_at), []).append(each)
    return sum(target.mark(ids, reason, marked_at=since) for (reason, since), ids in groups.items())


class _Writer:
    """Collects what is to be written, and writes it in groups."""

    def __init__(self, target: SpectrumStore) -> None:
        self._target = target
        self._items: list[Item] = []
        self._n_bytes = 0

    def add(self, entry: Entry, other: Entry | None, *, replace: bool = False) -> bool:
        """Write what `other` lacks of an entry; return whether there is anything to write."""
        known = {} if other is None else other.record_checksums
        records = [record for record in entry.records if record.id not in known]
        files = _read_files(entry, other, replace=replace)
        is_document_there = other is not None and other.checksum == entry.checksum
        if is_document_there and not records and not files:
            return False
        self._items.append((entry.document, records[0] if records else None, files or None))
        self._items += [(entry.document, record, None) for record in records[1:]]
        self._n_bytes += sum(map(len, files.values()))
        if len(self._items) >= _GROUP or self._n_bytes >= _GROUP_BYTES:
            self.flush()
        return True

    def flush(self) -> None:
        """Write what was collected."""
        if self._items:
            self._target.put_many(self._items)
        self._items, self._n_bytes = [], 0


def _read_files(entry: Entry, other: Entry | None, *, replace: bool) -> dict[str, bytes]:
    """Return the raw files that are missing there or, with `replace`, others or damaged there."""
    there = {} if other is None else {file.name: file for file in other.files}
    return {
        file.name: entry.content(file)
        for file in entry.files
        if file.name not in there or (replace and not _is_there(file, there[file.name], other))
    }


def _is_there(file: StoredFile, found: StoredFile, other: Entry | None) -> bool:
    """Return whether `other` has the content of a file, whole."""
    if other is None or found.sha256 != file.sha256:
        return False
    try:
        other.content(found)
    except CorruptStoreError:
        return False
    return True
