"""What a MongoDB store says of itself: its schema version, its indexes and its revisions.

The collection `meta` holds two documents: `{"_id": "schema", "version": n}` and `{"_id": "revision", "value": n,
"writing": [...]}`. A writer takes the revisions of a group before it writes the group, and is on the list `writing`
until it has: whoever reads changes goes no further than the first revision that is still being written, so that
none is overlooked when writers overtake each other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError, OperationFailure

from whiteline.database.store import IndexStatus
from whiteline.errors import SchemaVersionError, StoreError

__all__ = [
    "MONGO_SCHEMA_VERSION",
    "Revisions",
    "check_not_newer",
    "check_version",
    "find_indexes",
    "insert_new",
    "make_missing",
    "note_version",
    "read_size",
    "read_version",
]

MONGO_SCHEMA_VERSION = 3
# After so long [s] a writer that is still on the list has been killed: a group is written within seconds.
_LONGEST_WRITE = 600.0
_N_ATTEMPTS = 1000
_INDEXES: dict[str, tuple[str, tuple[str, ...]]] = {
    "spectra_by_time": ("spectra", ("created_at", "_id")),
    "spectra_by_edge": ("spectra", ("absorber", "edge", "created_at", "_id")),
    "spectra_by_fidelity": ("spectra", ("fidelity", "absorber", "edge", "created_at", "_id")),
    "spectra_by_space_group": ("spectra", ("space_group", "absorber", "created_at", "_id")),
    "spectra_by_system": ("spectra", ("chemical_system", "created_at", "_id")),
    "spectra_by_formula": ("spectra", ("formula", "created_at", "_id")),
    "spectra_by_element": ("spectra", ("elements", "created_at", "_id")),
    "spectra_by_site": ("spectra", ("site_id",)),
    "spectra_by_structure": ("spectra", ("structure_id",)),
    "spectra_by_status": ("spectra", ("status", "created_at", "_id")),
    "spectra_by_parameter": ("spectra", ("facts.k", "facts.v")),
    "spectra_by_revision": ("spectra", ("revision",)),
    "spectra_suspect": ("spectra", ("suspect",)),
    "records_by_spectrum": ("records", ("spectrum_id", "record_id")),
    "records_by_link": ("records", ("links",)),
    "activities_by_link": ("activities", ("links",)),
    "members_by_activity": ("members", ("activity", "start")),
    "members_by_spectrum": ("members", ("spectra",)),
    "files_by_spectrum": ("files", ("spectrum_id",)),
    "files_by_content": ("files", ("packed",)),
}
_UNIQUE = frozenset({"records_by_spectrum"})
_SPARSE = frozenset({"spectra_suspect"})  # few are


def read_version(database: Any) -> int:
    """Return the schema version of a database; 0 if nothing is stored in it."""
    found = database["meta"].find_one({"_id": "schema"})
    if found is not None:
        return int(found["version"])
    return 0 if database["spectra"].find_one({}, {"_id": 1}) is None else 1


def check_version(version: int, address: str) -> None:
    """Raise if a store of this schema version needs another Whiteline or a migration.

    Raises:
        SchemaVersionError: It does; the message says which.
    """
    check_not_newer(version, address)
    if 0 < version < MONGO_SCHEMA_VERSION:
        raise SchemaVersionError(
            f"the store {address} has schema version {version} of an older Whiteline, this one reads "
            f"{MONGO_SCHEMA_VERSION}; it was left as it is: make a backup, then run `whiteline db migrate`"
        )


def check_not_newer(version: int, address: str) -> None:
    """Raise if a newer Whiteline wrote a store.

    Raises:
        SchemaVersionError: It did.
    """
    if version > MONGO_SCHEMA_VERSION:
        raise SchemaVersionError(
            f"the store {address} has schema version {version}, this Whiteline reads up to {MONGO_SCHEMA_VERSION}: "
            "upgrade with `pip install -U whiteline`"
        )


def make_missing(database: Any) -> tuple[str, ...]:
    """Make the indexes and notes that are not there; return the names of what was made."""
    made = [status.name for status in find_indexes(database) if not status.is_present]
    for name in made:
        collection, fields = _INDEXES[name]
        keys = [(field, ASCENDING) for field in fields]
        database[collection].create_index(keys, name=name, unique=name in _UNIQUE, sparse=name in _SPARSE)
    for note in (
        {"_id": "revision", "value": 0, "writing": []},
        {"_id": "schema", "version": MONGO_SCHEMA_VERSION},
    ):
        if database["meta"].find_one({"_id": note["_id"]}) is None:
            made.append(f"meta.{note['_id']}")
            insert_new(database["meta"], note)
    return tuple(made)


def note_version(database: Any) -> None:
    """Note that a database has the present schema version."""
    change = {"$set": {"version": MONGO_SCHEMA_VERSION}}
    database["meta"].update_one({"_id": "schema"}, change, upsert=True)


def find_indexes(database: Any) -> tuple[IndexStatus, ...]:
    """Return every index that the store should have, present under whatever name."""
    there: dict[str, list[tuple[str, ...]]] = {}
    for collection in sorted({collection for collection, _ in _INDEXES.values()}):
        known = database[collection].index_information().values()
        there[collection] = [tuple(field for field, _ in index["key"]) for index in known]
    return tuple(
        IndexStatus(name, fields, fields in there[collection]) for name, (collection, fields) in _INDEXES.items()
    )


def read_size(database: Any) -> int:
    """Return what a database takes on disk [bytes]; 0 where its server does not say."""
    try:
        said = database.command("dbStats")
    except (OperationFailure, NotImplementedError):
        return 0
    return int(said.get("storageSize", 0) + said.get("indexSize", 0))


def insert_new(collection: Any, row: dict[str, Any]) -> None:
    """Insert a document unless one with its id is there, perhaps since a moment ago."""
    try:
        collection.insert_one(row)
    except DuplicateKeyError:
        return


class Revisions:
    """The counter of what was written, shared by all writers of a database."""

    def __init__(self, meta: Any) -> None:
        self._meta = meta

    @contextmanager
    def taking(self, n_revisions: int) -> Iterator[int]:
        """Reserve so many revisions while a block writes them; yield the first."""
        first = self._take(n_revisions)
        try:
            yield first
        finally:
            self._meta.update_one({"_id": "revision"}, {"$pull": {"writing": {"first": first}}})

    def newest(self) -> int:
        """Return the newest revision below which everything has been written."""
        found = self._meta.find_one({"_id": "revision"})
        if found is None:
            return 0
        alive = [w["first"] for w in found["writing"] if w["since"] > time.time() - _LONGEST_WRITE]
        return int(min(alive) - 1 if alive else found["value"])

    def _take(self, n_revisions: int) -> int:
        for _ in range(_N_ATTEMPTS):
            found = self._meta.find_one({"_id": "revision"}, {"value": 1})
            if found is None:
                insert_new(self._meta, {"_id": "revision", "value": 0, "writing": []})
                continue
            first = int(found["value"]) + 1
            # Only if no other writer took revisions meanwhile; then look again.
            done = self._meta.update_one(
                {"_id": "revision", "value": first - 1},
                {
                    "$set": {"value": first - 1 + n_revisions},
                    "$push": {"writing": {"first": first, "since": time.time()}},
                },
            )
            if done.modified_count:
                return first
        raise StoreError(
            f"{_N_ATTEMPTS} times other writers were faster in taking a revision: see that the server is not "
            "overloaded, and run again"
        )
