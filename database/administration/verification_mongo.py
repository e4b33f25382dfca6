"""What only the collections of a MongoDB store show: documents that nothing refers to, and wrong lengths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pymongo.errors import PyMongoError

from whiteline.database.administration.faults import Fault
from whiteline.database.ancestry import known_ids
from whiteline.database.rows import DECODING_ERRORS
from whiteline.errors import SchemaVersionError, StoreError
from whiteline.provenance import ProvenanceRecord

__all__ = ["find_faults"]

_LEFT_OVER: Final = (
    "left by a writer that was killed: run its command again; `whiteline db backup` and `whiteline db restore` into "
    "a new store leave it behind"
)
_NEW_STORE: Final = "`whiteline db backup` and `whiteline db restore` into a new store make all links anew"
_WRONG: Final = (
    "replace the spectrum from a backup (`whiteline db restore BACKUP --into-existing --replace`); where that leaves "
    "it, store it again (`store.put(store.get(ID))` in Python)"
)


def find_faults(database: Any) -> Iterator[Fault]:
    """Yield the faults of a database; structures and axes that nothing refers to are none.

    Raises:
        StoreError: The server cannot be reached.
    """
    try:
        yield from _left_over(database)
        yield from _wrong_lengths(database)
        yield from _wrong_links(database)
        yield from _wrong_members(database)
        yield from _wrong_marks(database)
    except PyMongoError as error:
        raise StoreError(f"the store cannot be verified ({str(error)[:200]}): check that the server runs") from error


def _left_over(database: Any) -> Iterator[Fault]:
    # Written before the spectra, so that what is listed first cannot lack a spectrum that is being written.
    for collection, name, what in (
        ("records", "record_id", "provenance record belongs to no spectrum"),
        ("files", "name", "raw file belongs to no spectrum"),
    ):
        rows = [(row["spectrum_id"], row[name]) for row in database[collection].find({}, {"spectrum_id": 1, name: 1})]
        ids = {row["_id"] for row in database["spectra"].find({}, {"_id": 1})}
        for spectrum_id, row_name in rows:
            if spectrum_id not in ids:
                yield Fault(f"{collection} {row_name} of {spectrum_id}", what, _LEFT_OVER)
    blobs = {row["_id"] for row in database["blobs"].find({}, {"_id": 1})}
    wanted = {
        f"{row['packed']}/{i}"
        for row in database["files"].find({}, {"packed": 1, "n_chunks": 1})
        for i in range(row["n_chunks"])
    }
    for name in sorted(blobs - wanted):
        yield Fault(f"blobs {name}", "no spectrum refers to this content", _LEFT_OVER)


def _wrong_lengths(database: Any) -> Iterator[Fault]:
    lengths = {row["_id"]: len(row["energy"]) // 8 for row in database["grids"].find({})}
    fields = {"n_points": 1, "grid": 1, "components": 1}
    for row in database["spectra"].find({}, fields):
        n_points, n_axis = row["n_points"], lengths.get(row["grid"], 0)
        n_numbers = len(row["components"] or b"") // 8
        is_whole = n_points == n_axis and (n_numbers % n_points == 0 and n_numbers > 0 if n_points else not n_numbers)
        if not is_whole:
            what = f"states {n_points} points, its axis has {n_axis} and its components {n_numbers} numbers"
            yield Fault(row["_id"], what, _WRONG)


def _wrong_links(database: Any) -> Iterator[Fault]:
    """Yield the records that are not found by what they name."""
    for collection in ("records", "activities"):
        for row in database[collection].find({}, {"spectrum_id": 1, "record_id": 1, "record": 1, "links": 1}):
            try:
                ids = known_ids(
                    ProvenanceRecord.from_dict(row["record"]), row["record_id"], spectrum_id=row["spectrum_id"]
                )
            except (SchemaVersionError, *DECODING_ERRORS):
                continue  # told of where each spectrum is read
            if sorted(ids) != row.get("links"):
                where = f"{collection} {row['record_id']}" + (f" of {row['spectrum_id']}" if row["spectrum_id"] else "")
                yield Fault(where, "its links are not what it names", _NEW_STORE)


def _wrong_members(database: Any) -> Iterator[Fault]:
    jobs = {row["_id"] for row in database["activities"].find({}, {"_id": 1})}
    ids = {row["_id"] for row in database["spectra"].find({}, {"_id": 1})}
    for row in database["members"].find({}):
        if row["activity"] not in jobs:
            yield Fault(f"members {row['_id']}", "the record of this job is missing", _LEFT_OVER)
        if missing := set(row["spectra"]) - ids:
            what = f"{len(missing)} of its members are no stored spectra, e.g. {min(missing)}"
            yield Fault(f"members {row['_id']}", what, _LEFT_OVER)


def _wrong_marks(database: Any) -> Iterator[Fault]:
    marked = {row["_id"] for row in database["marks"].find({}, {"_id": 1})}
    shown = {row["_id"] for row in database["spectra"].find({"suspect": True}, {"_id": 1})}
    stored = {row["_id"] for row in database["spectra"].find({}, {"_id": 1})}
    for spectrum_id in sorted((marked & stored) ^ shown):
        what = "is marked, and queries do not show it" if spectrum_id in marked else "queries show a mark that is gone"
        yield Fault(spectrum_id, what, "mark it again, or take the mark away once more")
