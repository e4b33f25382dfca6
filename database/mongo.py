"""The store for groups and clusters: a MongoDB database, reached by many machines at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeAlias

from bson import Binary
from bson.errors import BSONError
from jaxtyping import Float
from numpy import dtype, float64, ndarray
from pymongo import ASCENDING, MongoClient
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    DuplicateKeyError,
    InvalidName,
    InvalidURI,
    PyMongoError,
)

from whiteline.database.documents import SpectrumDocument, json_text
from whiteline.database.matrix import assemble, check_grid
from whiteline.database.mongo_filter import facts, filter_of, sort_of
from whiteline.database.query import SpectrumQuery
from whiteline.database.rows import (
    PLAIN_COLUMNS,
    grid_key,
    pack_spectrum,
    pack_structure,
    read_summary,
    unpack_document,
)
from whiteline.database.store import SpectrumSummary, UnknownIdError, resolve_id
from whiteline.errors import ParameterError, StoreError
from whiteline.provenance import ProvenanceRecord
from whiteline.status import Status

__all__ = ["MongoStore", "mask", "open_mongo"]

Array: TypeAlias = ndarray[Any, dtype[float64]]
Stored: TypeAlias = dict[str, Any]

DEFAULT_DATABASE = "whiteline"
_TIMEOUT_MS = 5000
_GROUP = 200
_DUPLICATE = 11000  # MongoDB's code for a key that is already there
_EXTENT = ("n_points", "energy_min", "energy_max")
_NOT_SUMMARY = {"energy": 0, "components": 0, "weights": 0, "facts": 0, "details": 0}
_INDEXES: tuple[tuple[str, ...], ...] = (
    ("created_at",),
    ("absorber", "edge", "created_at"),
    ("chemical_system", "created_at"),
    ("formula", "created_at"),
    ("elements",),
    ("site_id",),
    ("structure_id",),
    ("status",),
    ("facts.k", "facts.v"),
)


def mask(address: str) -> str:
    """Return a MongoDB address without user, password and options.

    >>> mask("mongodb://me:secret@host:27017/spectra?authSource=admin")
    'mongodb://***@host:27017/spectra'
    """
    return re.sub(r"//.*@", "//***@", address.split("?", 1)[0])


def open_mongo(address: str, *, must_exist: bool = False) -> MongoStore:
    """Return the store at a `mongodb://` or `mongodb+srv://` address; without a database it is `whiteline`.

    Raises:
        ParameterError: The address is malformed.
        StoreError: No server answers, or there is no store yet and there must be one.
    """
    try:
        client: MongoClient[Stored] = MongoClient(address, serverSelectionTimeoutMS=_TIMEOUT_MS)
        database = client.get_default_database(DEFAULT_DATABASE)
    except (InvalidURI, ConfigurationError, InvalidName, ValueError):
        # Not chained: the text of these errors may repeat the password.
        raise ParameterError(
            f"cannot use the address {mask(address)}: expected mongodb://USER:PASSWORD@HOST:PORT/DATABASE "
            "with a host that exists and special characters of user and password escaped as by "
            "urllib.parse.quote_plus"
        ) from None
    try:
        return MongoStore(database, address=mask(address), client=client, must_exist=must_exist)
    except BaseException:
        client.close()
        raise


class MongoStore:
    """A store in a MongoDB database; see `SpectrumStore` for what the methods do.

    A document is written structure first, then record, then spectrum: wherever a writer is killed, no
    spectrum stands without its history. Structures stay when their last spectrum is deleted.

    Args:
        database: A `pymongo` database, or its like.
        address: What messages call it.
        client: Closed together with the store.
        must_exist: Whether to refuse a database without spectra.

    Raises:
        StoreError: The server does not answer or refuses.
    """

    def __init__(self, database: Any, *, address: str = "", client: Any = None, must_exist: bool = False) -> None:
        self._address = address or f"MongoDB database {database.name}"
        self._client = client
        self._spectra, self._structures, self._records = (
            database[name] for name in ("spectra", "structures", "records")
        )
        with self._explained():
            if must_exist and "spectra" not in database.list_collection_names():
                raise StoreError(
                    f"there is no store at {self._address} yet: compute a spectrum to make one, or give the "
                    "address of another"
                )
            for names in _INDEXES:
                self._spectra.create_index([(name, ASCENDING) for name in names])
            self._records.create_index([("spectrum_id", ASCENDING), ("record_id", ASCENDING)], unique=True)

    def __repr__(self) -> str:
        return f"MongoStore({self._address!r})"

    @property
    def address(self) -> str:
        """Where the store is, without credentials."""
        return self._address

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (PyMongoError, BSONError, OverflowError) as error:
            raise StoreError(
                f"the store {self._address} cannot be used ({str(error)[:200]}): check that the server runs, "
                "that this machine may reach it, and that user and password are right"
            ) from error

    def check_writable(self) -> None:
        """Make sure that results can be stored."""
        with self._explained():
            self._spectra.delete_one({"_id": ""})  # no document has an empty id

    def put(self, document: SpectrumDocument, record: ProvenanceRecord | None = None) -> None:
        """Store a document in place of an earlier one with its id, and add the record to its history."""
        structure, spectrum = _pack_structure(document), _pack_spectrum(document)
        with self._explained():
            _write_new(self._structures, [structure])
            if record is not None:
                _write_new(self._records, [_pack_record(document.id, record)])
            _replace(self._spectra, spectrum)

    def put_many(self, items: Iterable[tuple[SpectrumDocument, ProvenanceRecord | None]]) -> int:
        """Store many documents, 200 a round trip; return how many there were."""
        stream = iter(items)
        n_stored = 0
        while group := list(islice(stream, _GROUP)):
            structures = {s["_id"]: s for s in (_pack_structure(document) for document, _ in group)}
            records = [_pack_record(document.id, record) for document, record in group if record is not None]
            spectra = {document.id: _pack_spectrum(document) for document, _ in group}
            with self._explained():
                _write_new(self._structures, list(structures.values()))
                _write_new(self._records, records)
                found = self._spectra.find({"_id": {"$in": list(spectra)}}, {"_id": 1})
                old = {row["_id"] for row in found}
                for spectrum_id in old:
                    _replace(self._spectra, spectra[spectrum_id])
                for spectrum_id in _write_new(self._spectra, [s for i, s in spectra.items() if i not in old]):
                    _replace(self._spectra, spectra[spectrum_id])
            n_stored += len(group)
        return n_stored

    def get(self, id_or_prefix: str) -> SpectrumDocument:
        """Return the document with this id, or the only one whose id begins so."""
        document = self.find_by_id(id_or_prefix) or self.find_by_id(resolve_id(self, id_or_prefix))
        if document is None:
            raise UnknownIdError(f"spectrum {id_or_prefix} was deleted from {self.address} while it was read")
        return document

    def find_by_id(self, spectrum_id: str) -> SpectrumDocument | None:
        """Return the document with exactly this id, or None."""
        with self._explained():
            stored = self._spectra.find_one({"_id": spectrum_id})
            return None if stored is None else _unpack(stored, self._read_structures([stored], {}))

    def has(self, spectrum_id: str) -> bool:
        """Return whether a document has exactly this id."""
        return self.status_of(spectrum_id) is not None

    def status_of(self, spectrum_id: str) -> Status | None:
        """Return how the calculation ended, or None if it is not stored."""
        with self._explained():
            stored = self._spectra.find_one({"_id": spectrum_id}, {"status": 1})
        return None if stored is None else Status(stored["status"])

    def query(self, query: SpectrumQuery) -> Iterator[SpectrumDocument]:
        """Stream the documents that a query finds."""
        structures: dict[str, Stored] = {}
        for group in self._read(self._find_ids(query, filter_of(query)), {"facts": 0}):
            with self._explained():
                structures = self._read_structures(group, structures)
            for stored in group:
                yield _unpack(stored, structures)

    def summaries(self, query: SpectrumQuery) -> Iterator[SpectrumSummary]:
        """Stream what a query finds, without arrays."""
        for group in self._read(self._find_ids(query, filter_of(query)), _NOT_SUMMARY):
            for stored in group:
                values = {name: stored[name] for name in (*PLAIN_COLUMNS[1:], *_EXTENT)}
                yield read_summary({"id": stored["_id"], **values}, parameters=stored["parameters"])

    def count(self, query: SpectrumQuery) -> int:
        """Return how many documents a query finds, whatever its `limit` and `skip`."""
        with self._explained():
            return int(self._spectra.count_documents(filter_of(query)))

    def matrix(
        self, query: SpectrumQuery, grid: Float[Array, " energy"]
    ) -> tuple[list[str], Float[Array, "spectrum energy"]]:
        """Return ids and raw powder intensities on a common axis, shape (n_spectrum, n_energy)."""
        axis = check_grid(grid)
        condition = {"$and": [{"n_points": {"$gt": 0}}, filter_of(query)]}
        ids = self._find_ids(query, condition)
        place = {spectrum_id: i for i, spectrum_id in enumerate(ids)}
        fields = {"grid": 1, "weights": 1, "components": 1}
        return assemble(
            ids,
            (
                (
                    [place[s["_id"]] for s in group],
                    [(s["grid"], s["weights"], s["components"]) for s in group],
                )
                for group in self._read(ids, fields)
            ),
            axis,
            key=grid_key(axis.tobytes()),
            read_energy=self._read_energy,
        )

    def records(self, spectrum_id: str) -> list[ProvenanceRecord]:
        """Return how a spectrum came about, the job that started first at the front."""
        with self._explained():
            found = list(self._records.find({"spectrum_id": spectrum_id}))
        found.sort(key=lambda stored: (stored["started_at"], stored["_id"]))
        return [ProvenanceRecord.from_dict(stored["record"]) for stored in found]

    def delete(self, spectrum_id: str) -> None:
        """Remove the document with exactly this id, and its records."""
        with self._explained():
            if not self._spectra.delete_one({"_id": spectrum_id}).deleted_count:
                raise UnknownIdError(f"no spectrum in {self.address} has the id {spectrum_id!r}")
            self._records.delete_many({"spectrum_id": spectrum_id})

    def close(self) -> None:
        """Close the connection to the server, if the store opened it."""
        if self._client is not None:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _find_ids(self, query: SpectrumQuery, condition: Stored) -> list[str]:
        with self._explained():
            cursor = self._spectra.find(condition, {"_id": 1}).sort(sort_of(query)).skip(query.skip)
            return [stored["_id"] for stored in (cursor.limit(query.limit) if query.limit else cursor)]

    def _read(self, ids: Sequence[str], fields: Stored) -> Iterator[list[Stored]]:
        """Yield groups in the order of `ids`; no cursor stays open between two groups."""
        for start in range(0, len(ids), _GROUP):
            group = ids[start : start + _GROUP]
            with self._explained():
                rows = self._spectra.find({"_id": {"$in": group}}, fields)
                found = {stored["_id"]: stored for stored in rows}
            yield [found[spectrum_id] for spectrum_id in group if spectrum_id in found]

    def _read_structures(self, group: Sequence[Stored], known: dict[str, Stored]) -> dict[str, Stored]:
        """Return the structures of a group by their keys, those in `known` without reading them again."""
        keys = {stored["structure_key"] for stored in group}
        missing = self._structures.find({"_id": {"$in": sorted(keys - known.keys())}})
        return {key: known[key] for key in keys & known.keys()} | {s["_id"]: s["structure"] for s in missing}

    def _read_energy(self, spectrum_id: str, grid: str) -> bytes:
        with self._explained():
            stored = self._spectra.find_one({"_id": spectrum_id, "grid": grid}, {"energy": 1})
        if stored is None:
            raise StoreError(f"spectrum {spectrum_id} was changed in {self.address} while it was read: read again")
        return bytes(stored["energy"])


def _pack_structure(document: SpectrumDocument) -> Stored:
    packed = pack_structure(document)
    return {"_id": packed.key, "structure_id": packed.structure_id, "structure": json.loads(packed.text)}


def _pack_spectrum(document: SpectrumDocument) -> Stored:
    metadata = document.metadata()
    described, arrays = pack_spectrum(document)
    # Through JSON, so that tuples and enumerations are kept as every other store keeps them.
    what = f"the parameters of document {document.id}"
    parameters = json.loads(json_text(metadata["parameters"], what=what))
    return {
        "_id": document.id,
        **{name: metadata[name] for name in PLAIN_COLUMNS[1:]},
        "elements": metadata["elements"],
        "parameters": parameters,
        "facts": list(facts(parameters)),
        "details": {name: metadata[name] for name in ("schema_version", "checks", "parents", "licence", "citation")}
        | {"spectrum": described},
        "structure_key": pack_structure(document).key,
        "n_points": arrays.n_points if arrays else 0,
        "energy_min": arrays.energy_min if arrays else None,
        "energy_max": arrays.energy_max if arrays else None,
        "grid": arrays.grid if arrays else None,
        "energy": Binary(arrays.energy) if arrays else None,
        "components": Binary(arrays.components) if arrays else None,
        "weights": Binary(arrays.weights) if arrays and arrays.weights else None,
    }


def _pack_record(spectrum_id: str, record: ProvenanceRecord) -> Stored:
    text = json_text(record.to_dict(), what=f"the provenance record of document {spectrum_id}")
    return {
        "spectrum_id": spectrum_id,
        "record_id": record.id,
        "started_at": record.started_at,
        "record": json.loads(text),
    }


def _write_new(collection: Any, rows: list[Stored]) -> list[str]:
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


def _replace(collection: Any, row: Stored) -> None:
    try:
        collection.replace_one({"_id": row["_id"]}, row, upsert=True)
    except DuplicateKeyError:
        # Another writer inserted it between this one's look and insertion: now it is there to be replaced.
        collection.replace_one({"_id": row["_id"]}, row, upsert=True)


def _unpack(stored: Stored, structures: dict[str, Stored]) -> SpectrumDocument:
    details = dict(stored["details"])
    described = details.pop("spectrum")
    plain = {name: stored[name] for name in PLAIN_COLUMNS[1:]}
    return unpack_document(
        {
            **plain,
            **details,
            "id": stored["_id"],
            "elements": stored["elements"],
            "parameters": stored["parameters"],
        },
        structure=structures[stored["structure_key"]],
        described=described,
        energy=stored["energy"],
        components=stored["components"],
    )
