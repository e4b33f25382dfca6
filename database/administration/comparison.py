"""Whether everything of one place is in another, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whiteline.database.administration.entries import (
    Activity,
    Entry,
    OnProgress,
    Source,
    Tally,
    TallyResult,
    Unreadable,
    read_each,
    read_entry,
)

if TYPE_CHECKING:
    from whiteline.database.store import SpectrumStore

__all__ = ["Comparison", "Difference", "compare", "differences", "pair"]

_REPORT_EVERY = 100


@dataclass(frozen=True)
class Difference:
    """One thing of the source that the target does not have as it is.

    Attributes:
        id: Id of the spectrum.
        what: What differs, and what to do.
    """

    id: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What there is on both sides of what the source has.

    Attributes:
        source: Counts and checksums of the source.
        target: The same of the target, for the spectra, records and files that the source has.
        differences: What the target lacks or has otherwise.
    """

    source: TallyResult
    target: TallyResult
    differences: tuple[Difference, ...]

    @property
    def is_equal(self) -> bool:
        """Whether the target has everything that the source has, bit for bit."""
        return not self.differences and self.source == self.target


def pair(source: Source, target: SpectrumStore) -> Iterator[tuple[Entry, Entry | Unreadable | None]]:
    """Yield each entry of the source with the one of the same id in the target, whole or damaged, or None."""
    if not source.is_everything:
        for entry in source.entries():
            yield entry, read_entry(target, entry.id)
        return
    # Both in the order of their ids: reading in groups is many times faster than asking for one id after another.
    theirs = read_each(target)
    other = next(theirs, None)
    for entry in source.entries():
        while other is not None and other.id < entry.id:
            other = next(theirs, None)
        yield entry, other if other is not None and other.id == entry.id else None


def differences(entry: Entry, other: Entry | Unreadable | None) -> Iterator[Difference]:
    """Yield what `other` lacks of an entry, or has otherwise."""
    if other is None:
        yield Difference(entry.id, "is missing: run the same command again")
        return
    if isinstance(other, Unreadable):
        yield Difference(entry.id, f"is damaged there ({other.why}): --replace puts this one in its place")
        return
    if entry.checksum != other.checksum:
        yield Difference(entry.id, "is another document there: --replace puts this one in its place")
    for record_id, checksum in entry.record_checksums.items():
        found = other.record_checksums.get(record_id)
        if found is None:
            yield Difference(entry.id, f"lacks the provenance record {record_id}: run the same command again")
        elif found != checksum:
            yield Difference(
                entry.id,
                f"has another provenance record {record_id}: `whiteline db verify` both sides, records never change",
            )
    for name, checksum in entry.file_checksums.items():
        found = other.file_checksums.get(name)
        if found is None:
            yield Difference(entry.id, f"lacks the raw file {name}: run the same command again")
        elif found != checksum:
            yield Difference(entry.id, f"has another raw file {name}: --replace puts this one in its place")


def compare(source: Source, target: SpectrumStore, *, on_progress: OnProgress | None = None) -> Comparison:
    """Return counts, checksums and differences, read anew from both sides."""
    ours, theirs = Tally(), Tally()
    found: list[Difference] = []
    n_expected = max(source.count(), 1)
    for i, (entry, other) in enumerate(pair(source, target), start=1):
        ours.add(entry)
        if isinstance(other, Entry):
            theirs.add(other, like=entry)
        found += differences(entry, other)
        if on_progress and i % _REPORT_EVERY == 0:
            on_progress(min(i / n_expected, 1.0), f"comparing {i} of {n_expected}")
    found += _compare_lineage(source, target, ours, theirs)
    return Comparison(source=ours.result, target=theirs.result, differences=tuple(found))


def _compare_lineage(source: Source, target: SpectrumStore, ours: Tally, theirs: Tally) -> Iterator[Difference]:
    """Yield what the target lacks of records of jobs that made no spectrum, and of marks; count both sides."""
    there = {record.id: record for record in target.activities()}
    for activity in source.activities():
        ours.add_activity(activity)
        record = there.get(activity.record.id)
        if record is None:
            yield Difference(activity.record.id, "this record of a job is missing: run the same command again")
            continue
        members = target.members(record.id)
        theirs.add_activity(Activity(record, tuple(members)))
        n_lacking = sum(target.has(each) for each in set(activity.members) - set(members))
        if n_lacking:
            yield Difference(record.id, f"this job lacks {n_lacking} of its spectra: run the same command again")
    marks = target.marks()
    for each, mark in sorted(source.marks().items()):
        ours.add_mark(each, mark)
        if each not in marks:
            yield Difference(each, "is not marked as suspect there: run the same command again")
            continue
        # For whatever reason: what was found out in the target stays.
        theirs.add_mark(each, mark)
