"""What only the collections of a MongoDB store show: documents that nothing refers to, and wrong lengths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pymongo.errors import PyMongoError

from whiteline.database.administration.faults import Fault
from whiteline.errors import StoreError

__all__ = ["find_faults"]

_LEFT_OVER: Final = (
    "left by a writer that was killed: run its command again; `whiteline db backup` and `whiteline db restore` into "
    "a new store leave it behind"
)
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
