"""Documents and records as MongoDB keeps them, and writing groups of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from bson import Binary
from pymongo import ReplaceOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError
from pymongo.write_concern import WriteConcern

from whiteline.database.ancestry import known_ids, minimal_record
from whiteline.database.blobs import PackedFile, pack_files
from whiteline.database.documents import SpectrumDocument, json_text
from whiteline.database.mongo_files import write_files
from whiteline.database.mongo_filter import facts
from whiteline.database.mongo_meta import Revisions
from whiteline.database.rows import PLAIN_COLUMNS, pack_spectrum, pack_structure
from whiteline.database.store import Item
from whiteline.provenance import ProvenanceRecord
from whiteline.provenance.record import record_id

__all__ = ["PackedGroup", "insert_missing", "journaled", "pack", "pack_record", "replace_rows", "write"]

Stored: TypeAlias = dict[str, Any]

_DUPLICATE = 11000  # MongoDB's code for a key that is already there


@dataclass(frozen=True)
class PackedGroup:
    """Documents, records and files as they are stored; what is shared stands there once, by its id.

    Attributes:
        minimal: Records for documents that came without one, by their ids; stored where a spectrum has none.
    """

    structures: dict[str, Stored] = field(default_factory=dict)
    grids: dict[str, Stored] = field(default_factory=dict)
    records: list[Stored] = field(default_factory=list)
    minimal: dict[str, Stored] = field(default_factory=dict)
    files: list[tuple[str, tuple[PackedFile, ...]]] = field(default_factory=list)
    spectra: dict[str, Stored] = field(default_factory=dict)


def pack(group: Sequence[Item]) -> PackedGroup:
    """Return a group as it is stored.

    Raises:
        ParameterError: JSON cannot hold a document or record, or a file cannot be stored.
    """
    packed = PackedGroup()
    structures: dict[tuple[int, str], Stored] = {}
    for document, record, *files in group:
        known_as = (id(document.structure), document.structure_id)
        if known_as not in structures:
            structures[known_as] = _pack_structure(document)
        structure = structures[known_as]
        packed.structures[structure["_id"]] = structure
        spectrum, energy = _pack_spectrum(document, structure["_id"])
        # Last of its id, as if the documents had come one by one.
        packed.spectra.pop(document.id, None)
        packed.spectra[document.id] = spectrum
        if energy is not None:
            packed.grids[spectrum["grid"]] = {"_id": spectrum["grid"], "energy": Binary(energy)}
        if record is not None:
            packed.records.append(pack_record(record, document.id))
        else:
            packed.minimal[document.id] = pack_record(minimal_record(document, document.parents), document.id)
        if files and files[0]:
            packed.files.append((document.id, pack_files(files[0], spectrum_id=document.id)))
    return packed


def _pack_structure(document: SpectrumDocument) -> Stored:
    packed = pack_structure(document)
    return {"_id": packed.key, "structure_id": packed.structure_id, "structure": json.loads(packed.text)}


def _pack_spectrum(document: SpectrumDocument, structure_key: str) -> tuple[Stored, bytes | None]:
    metadata = document.metadata()
    described, arrays = pack_spectrum(document)
    # Through JSON, so that tuples and enumerations are kept as every other store keeps them.
    what = f"the parameters of document {document.id}"
    parameters = json.loads(json_text(metadata["parameters"], what=what))
    stored = {
        "_id": document.id,
        **{name: metadata[name] for name in PLAIN_COLUMNS[1:]},
        "elements": metadata["elements"],
        "parameters": parameters,
        "facts": list(facts(parameters)),
        "details": {name: metadata[name] for name in ("schema_version", "checks", "parents", "licence", "citation")}
        | {"spectrum": described},
        "structure_key": structure_key,
        "n_points": arrays.n_points if arrays else 0,
        "energy_min": arrays.energy_min if arrays else None,
        "energy_max": arrays.energy_max if arrays else None,
        "grid": arrays.grid if arrays else None,
        "components": Binary(arrays.components) if arrays else None,
        "weights": Binary(arrays.weights) if arrays and arrays.weights else None,
    }
    return stored, arrays.energy if arrays else None


def pack_record(record: ProvenanceRecord, spectrum_id: str) -> Stored:
    """Return a record as it is stored, with the ids under which it is found.

    Raises:
        ParameterError: JSON cannot hold it.
    """
    whose = f"the provenance record of document {spectrum_id}" if spectrum_id else "the provenance record of a job"
    own_part = record.own_part()
    own, shared = (json_text(part, what=whose) for part in (own_part, record.shared_part()))
    # Not `record.id`, which would write the shared text anew.
    identity = record.given_id or record_id(record.started_at, own_part, shared)
    return {
        "spectrum_id": spectrum_id,
        "record_id": identity,
        "started_at": record.started_at,
        "record": {**json.loads(shared), **json.loads(own), "started_at": record.started_at, "id": identity},
        "links": sorted(known_ids(record, identity, spectrum_id=spectrum_id)),
    }


def write(database: Any, group: PackedGroup) -> None:
    """Write a group, spectra last; to do so again, after a fault, changes nothing but their revisions."""
    _share(database["structures"], group.structures)
    _share(database["grids"], group.grids)
    # Copies: the driver adds an `_id` to what it inserts.
    insert_missing(database["records"], [dict(record) for record in _needed(database, group)])
    for spectrum_id, files in group.files:
        write_files(database, spectrum_id, files)
    with Revisions(database["meta"]).taking(len(group.spectra)) as first:
        spectra = {i: {**s, "revision": first + n} for n, (i, s) in enumerate(group.spectra.items())}
        suspect = find_suspect(database, spectra)
        for i in suspect:
            spectra[i]["suspect"] = True
        collection = journaled(database["spectra"])
        old = {row["_id"] for row in collection.find({"_id": {"$in": list(spectra)}}, {"_id": 1})}
        # Another writer may have inserted some since the look: those are there to be replaced, too.
        old.update(insert_missing(collection, [s for i, s in spectra.items() if i not in old]))
        replace_rows(collection, [spectra[spectrum_id] for spectrum_id in old])
        # Marked since the look, before the spectrum was there to be changed.
        fresh = sorted(find_suspect(database, spectra) - suspect)
        if fresh:
            collection.update_many({"_id": {"$in": fresh}}, {"$set": {"suspect": True}})


def _needed(database: Any, group: PackedGroup) -> list[Stored]:
    """Return the records to be stored: those that came with documents, and one for each spectrum that has none."""
    bare = sorted(group.minimal.keys() - {record["spectrum_id"] for record in group.records})
    if not bare:
        return group.records
    rows = database["records"].find({"spectrum_id": {"$in": bare}}, {"spectrum_id": 1})
    recorded = {row["spectrum_id"] for row in rows}
    return [*group.records, *(group.minimal[i] for i in bare if i not in recorded)]


def find_suspect(database: Any, ids: Iterable[str]) -> set[str]:
    """Return which of these ids are marked."""
    return {row["_id"] for row in database["marks"].find({"_id": {"$in": list(ids)}}, {"_id": 1})}


def _share(collection: Any, rows: dict[str, Stored]) -> None:
    """Write what is named by its content; what is there already is the same, unless it was damaged."""
    old = insert_missing(collection, list(rows.values()))
    stored = collection.find({"_id": {"$in": old}}) if old else ()
    replace_rows(collection, [rows[row["_id"]] for row in stored if row != rows[row["_id"]]])


def journaled(collection: Any) -> Any:
    """Return a collection whose writes, and those before them, are on the server's disk when they return."""
    said = getattr(collection.write_concern, "document", {})
    return collection.with_options(write_concern=WriteConcern(**{**said, "j": True}))


def insert_missing(collection: Any, rows: list[Stored]) -> list[Any]:
    """Insert the rows that are not there yet; return the ids of those that are."""
    if not rows:
        return []
    try:
        collection.insert_many(rows, ordered=False)
    except BulkWriteError as error:
        faults = error.details["writeErrors"]
        if any(fault["code"] != _DUPLICATE for fault in faults):
            raise
        return [fault["op"]["_id"] for fault in faults]
    return []


def replace_rows(collection: Any, rows: Sequence[Stored]) -> None:
    """Put rows in the place of those of their ids, or where there is none."""
    # Twins of MongoDB's collection that live in memory take no bulk replacement from every driver.
    if rows and isinstance(collection, Collection):
        try:
            collection.bulk_write([ReplaceOne({"_id": row["_id"]}, row, upsert=True) for row in rows], ordered=False)
        except BulkWriteError as error:
            faults = error.details["writeErrors"]
            if any(fault["code"] != _DUPLICATE for fault in faults):
                raise
            rows = [rows[fault["index"]] for fault in faults]
        else:
            return
    for row in rows:
        _replace_one(collection, row)


def _replace_one(collection: Any, row: Stored) -> None:
    try:
        collection.replace_one({"_id": row["_id"]}, row, upsert=True)
    except DuplicateKeyError:
        # Another writer inserted it between this one's look and insertion: now it is there to be replaced.
        collection.replace_one({"_id": row["_id"]}, row, upsert=True)
