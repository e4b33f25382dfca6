"""Migration of a MongoDB database."""

from __future__ import annotations

from typing import Any

from pymongo.errors import PyMongoError

from whiteline.database.ancestry import known_ids, minimal_record
from whiteline.database.migration import MigrationReport
from whiteline.database.mongo import connect_database, mask
from whiteline.database.mongo_meta import (
    MONGO_SCHEMA_VERSION,
    Revisions,
    check_not_newer,
    insert_new,
    make_missing,
    note_version,
    read_version,
)
from whiteline.database.mongo_write import insert_missing, pack_record
from whiteline.database.rows import DECODING_ERRORS, PLAIN_COLUMNS, read_summary
from whiteline.errors import ParameterError, StoreError
from whiteline.provenance import ProvenanceRecord

__all__ = ["migrate_database"]

_EXTENT = ("n_points", "energy_min", "energy_max")
_SUMMARY = {"components": 0, "weights": 0, "facts": 0, "energy": 0}


def migrate_database(address: str, *, is_backed_up: bool) -> MigrationReport:
    """Bring a database to the present schema version; see `migration.migrate`."""
    client, database = connect_database(address)
    try:
        return migrate_collections(database, address=mask(address), is_backed_up=is_backed_up)
    except PyMongoError as error:
        raise StoreError(
            f"the migration of {mask(address)} was interrupted ({str(error)[:200]}): nothing is lost; call again"
        ) from error
    finally:
        client.close()


def migrate_collections(database: Any, *, address: str, is_backed_up: bool) -> MigrationReport:
    """Bring the collections of a database, or of its like, to the present schema version.

    Raises:
        ParameterError: There is no backup.
        StoreError: There is no store, or a count differs afterwards.
    """
    old_version = read_version(database)
    check_not_newer(old_version, address)
    if not old_version:
        raise StoreError(f"there is no store at {address}: give the address of one")
    if old_version < MONGO_SCHEMA_VERSION and not is_backed_up:
        raise ParameterError(
            f"the migration of {address} changes every document, and nobody but its operator can undo it: make a "
            "backup with `mongodump`, then say so with is_backed_up=True or --i-have-a-backup"
        )
    before = _count(database)
    if old_version < 2:
        _to_version_2(database)
    if old_version < 3:
        before["records"] += _to_version_3(database)
        make_missing(database)
        note_version(database)  # last, so that a kill before repeats all this
    after = _count(database)
    if before != after:
        raise StoreError(f"{address} held {before} before its migration and holds {after} after: restore the backup")
    return MigrationReport(
        address=address,
        old_version=old_version,
        new_version=MONGO_SCHEMA_VERSION,
        backup=None,
        n_spectra=after["spectra"],
        n_structures=after["structures"],
        n_records=after["records"],
    )


def _count(database: Any) -> dict[str, int]:
    return {name: int(database[name].count_documents({})) for name in ("spectra", "structures", "records")}


def _to_version_2(database: Any) -> None:
    """Keep each axis once and number what was written; a kill repeats this."""
    spectra = database["spectra"]
    insert_new(database["meta"], {"_id": "revision", "value": 0, "writing": []})
    missing = {"revision": {"$exists": False}}
    with Revisions(database["meta"]).taking(spectra.count_documents(missing)) as first:
        rows = spectra.find(missing, {"grid": 1, "energy": 1}).sort([("_id", 1)])
        for revision, row in enumerate(rows, first):
            if row.get("energy") is not None:
                insert_new(database["grids"], {"_id": row["grid"], "energy": row["energy"]})
            spectra.update_one({"_id": row["_id"]}, {"$set": {"revision": revision}, "$unset": {"energy": ""}})


def _to_version_3(database: Any) -> int:
    """Link records to what they name, and give spectra without one a record; return how many."""
    records = database["records"]
    ids = [row["_id"] for row in records.find({"links": {"$exists": False}}, {"_id": 1})]
    for each in ids:
        row = records.find_one({"_id": each})
        try:
            record = ProvenanceRecord.from_dict(row["record"])
            links = sorted(known_ids(record, row["record_id"], spectrum_id=row["spectrum_id"]))
        except DECODING_ERRORS:
            links = []  # what nobody can read stays as it is: `whiteline db verify` names it
        records.update_one({"_id": each}, {"$set": {"links": links}})
    recorded = {row["spectrum_id"] for row in records.find({}, {"spectrum_id": 1})}
    made = [_minimal_row(row) for row in database["spectra"].find({}, _SUMMARY) if row["_id"] not in recorded]
    insert_missing(records, made)
    return len(made)


def _minimal_row(row: dict[str, Any]) -> dict[str, Any]:
    values = {name: row[name] for name in (*PLAIN_COLUMNS[1:], *_EXTENT)}
    summary = read_summary({"id": row["_id"], **values}, parameters=row["parameters"])
    return pack_record(minimal_record(summary, row["details"]["parents"]), summary.id)
