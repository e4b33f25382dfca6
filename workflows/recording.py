"""What records say of files: that of a structure, and those that are made of spectra."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whiteline.database.activities import keep_activity
from whiteline.provenance import Kind, ProvenanceRecord, Things, file_checksum, library_versions, utc_now

if TYPE_CHECKING:
    from whiteline.database.store import SpectrumStore

__all__ = ["keep_in_existing", "record_made", "source_file", "stored_checksum"]

_CHECKSUM: Final = "sha256:"
# Collections of structures, of which a source names a member.
_COLLECTION: Final = ".json"
# Above this number spectra are members of a record, which stores keep once each, rather than named in it.
_MOST_NAMED: Final = 20


def source_file(source: str, checksum: str) -> dict[str, str]:
    """Return the checksum of the file of a structure by its path; nothing where there is no file.

    >>> source_file("set.json#mp-390", "sha256:00"), source_file("mp-390", "")
    ({'set.json': 'sha256:00'}, {})

    Args:
        source: Where the structure came from, as documents name it.
        checksum: Of that file; empty where there is none.
    """
    path, mark, _ = source.rpartition("#")
    is_member = bool(mark) and path.lower().endswith(_COLLECTION)
    return {path if is_member else source or "structure": checksum} if checksum else {}


def stored_checksum(source: str, records: Sequence[ProvenanceRecord]) -> str:
    """Return the checksum of the file of a stored structure, as the latest record has it; empty where none has."""
    for record in reversed(records):
        files = record.used.get(Kind.SOURCE, {})
        for name in source_file(source, _CHECKSUM):
            if files.get(name, "").startswith(_CHECKSUM):
                return files[name]
    return ""


def record_made(
    store: SpectrumStore,
    activity: str,
    kind: Kind,
    paths: Iterable[Path],
    *,
    spectra: Sequence[str],
    started: str,
    parameters: Mapping[str, Any] | None = None,
    used: Things | None = None,
    libraries: Sequence[str] = (),
) -> ProvenanceRecord | None:
    """Put on record what files were made from; return the record, None where the store could not be written.

    The files stand in any case; a warning says that their origin is not on record.

    Args:
        store: Where the spectra are.
        activity: What was done, e.g. `plot`.
        kind: What the files are.
        paths: The files, which are there.
        spectra: Ids of the spectra that they were made from.
        started: When it began, ISO 8601.
        parameters: What else was asked for, JSON-ready.
        used: What was used beside the spectra.
        libraries: Libraries that mattered beside those that every record names.

    Raises:
        OSError: A file cannot be read.
    """
    versions = library_versions(*libraries)
    is_many = len(spectra) > _MOST_NAMED
    named = {} if is_many else {f"spectrum {i}": each for i, each in enumerate(spectra, start=1)}
    record = ProvenanceRecord(
        activity=activity,
        used={**(used or {}), Kind.SPECTRUM: named},
        generated={kind: {str(path.absolute()): file_checksum(path) for path in paths}},
        code="whiteline",
        code_version=versions["whiteline"],
        libraries=versions,
        parameters=dict(parameters or {}),
        started_at=started,
        ended_at=utc_now(),
    )
    return record if keep_activity(store, record, spectra if is_many else ()) else None


def keep_in_existing(database: str | Path, record: ProvenanceRecord, members: Iterable[str] = ()) -> bool:
    """Keep a record of a job that needs no store in the one of this machine, where there is one.

    Args:
        database: Address of the store.
        record: What the job used and made.
        members: Ids of the spectra that it used, where they are many.
    """
    from whiteline.database import open_store
    from whiteline.database.store import locate

    place = locate(database)
    if isinstance(place, Path) and not place.is_file():
        return False
    with open_store(database, must_exist=True) as store:
        return keep_activity(store, record, members)
