"""The stored spectra behind a publication, as a backup that `whiteline db restore` reads.

With it others have what the commands of `reproduce.sh` need: documents, records and raw files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from whiteline.database.administration.archive_writer import ArchiveWriter
from whiteline.database.administration.entries import Entry, Tally, Unreadable, read_entry
from whiteline.errors import CorruptStoreError
from whiteline.workflows.kept_files import may_be_kept

if TYPE_CHECKING:
    from whiteline.database.store import SpectrumStore

__all__ = ["STORE", "write_store"]

STORE = "store.tar"


def write_store(path: Path, store: SpectrumStore, spectra: Iterable[str], *, created: str) -> int:
    """Write spectra, and those that they were made from, as a backup; return how many there are.

    The same spectra give the same bytes. Raw files that no licence lets pass on are left out.

    Args:
        path: The file.
        store: Where they are; those that are not there are left out.
        spectra: Ids.
        created: Time that the backup states, ISO 8601.

    Raises:
        CorruptStoreError: One of them cannot be read.
    """
    tally = Tally()
    with path.open("wb") as file:
        writer = ArchiveWriter(file)
        for spectrum_id in sorted(_with_ancestors(store, spectra)):
            entry = _read(store, spectrum_id)
            writer.add(entry)
            tally.add(entry)
        writer.end_part()
        writer.finish(writer.describe(tally.result, created_at=created, source="a publication", revision=0))
    return tally.result.n_spectra


def _with_ancestors(store: SpectrumStore, spectra: Iterable[str]) -> set[str]:
    """Return ids of stored spectra with those of the spectra that they were made from: sites, rungs."""
    found: set[str] = set()
    border = [*spectra]
    while border:
        each = border.pop()
        if each in found or (document := store.find_by_id(each)) is None:
            continue
        found.add(each)
        border += [*document.parents, *(parent for record in store.records(each) for parent in record.parents)]
    return found


def _read(store: SpectrumStore, spectrum_id: str) -> Entry:
    entry = read_entry(store, spectrum_id)
    if entry is None or isinstance(entry, Unreadable):
        raise CorruptStoreError(
            f"spectrum {spectrum_id} in {store.address} cannot be read: `whiteline db verify` says what is wrong"
        )
    return replace(entry, files=tuple(file for file in entry.files if may_be_kept(file.name)))
