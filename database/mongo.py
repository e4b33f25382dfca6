"""The store for groups and clusters: a MongoDB database, reached by many machines at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

from jaxtyping import Float
from numpy import dtype, float64, ndarray
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, ConfigurationError, InvalidName, InvalidURI

from whiteline.database.ancestry import check_reason
from whiteline.database.blobs import StoredFile, pack_files, unpack_file
from whiteline.database.curves import N_BLOCK, CurveBlock, assemble_block
from whiteline.database.documents import SpectrumDocument
from whiteline.database.linked import LinkedRecord, Mark, RecordCondition
from whiteline.database.matrix import assemble, check_grid
from whiteline.database.mongo_curves import read_curves
from whiteline.database.mongo_errors import explained, mask
from whiteline.database.mongo_files import list_files, read_content, remove_files, write_files
from whiteline.database.mongo_filter import filter_of, sort_of
from whiteline.database.mongo_lineage import MongoLineage, mark, read_marks, unmark, write_activity
from whiteline.database.mongo_meta import Revisions, check_version, find_indexes, make_missing, read_size, read_version
from whiteline.database.mongo_read import read_energies, read_structures, unpack
from whiteline.database.mongo_write import pack, write
from whiteline.database.query import SpectrumQuery
from whiteline.database.rows import (
    DECODING_ERRORS,
    PLAIN_COLUMNS,
    by_size,
    check_plain_columns,
    damaged_spectrum,
    grid_key,
    in_groups,
    read_summary,
)
from whiteline.database.store import Item, SpectrumSummary, StoreStatus, UnknownIdError, resolve_id, unknown_file
from whiteline.errors import ParameterError, StoreError
from whiteline.provenance import ProvenanceRecord
from whiteline.status import Status

__all__ = ["MongoStore", "connect_database", "explained", "mask", "open_mongo"]

Array: TypeAlias = ndarray[Any, dtype[float64]]
Stored: TypeAlias = dict[str, Any]
_T = TypeVar("_T")

DEFAULT_DATABASE = "whiteline"
_TIMEOUT_MS = 5000
_GROUP = 200
_EXTENT = ("n_points", "energy_min", "energy_max")
_NOT_SUMMARY = {"components": 0, "weights": 0, "facts": 0, "details": 0}


def open_mongo(address: str, *, must_exist: bool = False) -> MongoStore:
    """Return the store at a `mongodb://` or `mongodb+srv://` address; without a database it is `whiteline`.

    Raises:
        ParameterError: The address is malformed.
        StoreError: No server answers, or there is no store yet and there must be one.
    """
    client, database = connect_database(address)
    try:
        return MongoStore(database, address=mask(address), client=client, must_exist=must_exist)
    except BaseException:
        client.close()
        raise


def connect_database(address: str) -> tuple[MongoClient[Stored], Any]:
    """Return a client, to be closed by the caller, and the database at an address.

    Raises:
        ParameterError: The address is malformed.
    """
    try:
        client: MongoClient[Stored] = MongoClient(address, serverSelectionTimeoutMS=_TIMEOUT_MS)
        return client, client.get_default_database(DEFAULT_DATABASE)
    except (InvalidURI, ConfigurationError, InvalidName, ValueError):
        # Not chained: the text of these errors may repeat the password.
        raise ParameterError(
            f"cannot use the address {mask(address)}: expected mongodb://USER:PASSWORD@HOST:PORT/DATABASE "
            "with a host that exists and special characters of user and password escaped as by "
            "urllib.parse.quote_plus"
        ) from None


class MongoStore:
    """A store in a MongoDB database; see `SpectrumStore` for what the methods do.

    A document is written structure first, then record and files, then spectrum: wherever a writer is killed, no
    spectrum stands without its history. Structures and axes stay when their last spectrum is deleted.

    Args:
        database: A `pymongo` database, or its like.
        address: What messages call it.
        client: Closed together with the store.
        must_exist: Whether to refuse a database that is not a store yet.

    Raises:
        StoreError: The server does not answer or refuses; `SchemaVersionError` if a newer Whiteline wrote the
            database, or an older one and it must be migrated.
    """

    def __init__(self, database: Any, *, address: str = "", client: Any = None, must_exist: bool = False) -> None:
        self._address = address or f"MongoDB database {database.name}"
        self._client = client
        self._database = database
        self._spectra, self._structures = database["spectra"], database["structures"]
        self._lineage = MongoLineage(database, self._address)
        with self._explained():
            version = read_version(database)
            check_version(version, self._address)
            if must_exist and not version:
                raise StoreError(
                    f"there is no store at {self._address} yet: compute a spectrum to make one, or give the "
                    "address of another"
                )
            if not version:
                make_missing(database)

    def __repr__(self) -> str:
        return f"MongoStore({self._address!r})"

    @property
    def address(self) -> str:
        """Where the store is, without credentials."""
        return self._address

    @property
    def database(self) -> Any:
        """The `pymongo` database, for those who look after it."""
        return self._database

    def _explained(self) -> AbstractContextManager[None]:
        return explained(self._address)

    def check_writable(self) -> None:
        """Make sure that results can be stored."""
        with self._explained():
            self._spectra.delete_one({"_id": ""})  # no document has an empty id

    def put(
        self,
        document: SpectrumDocument,
        record: ProvenanceRecord | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        """Store a document in place of an earlier one with its id, and add record and files to what it has."""
        self.put_many([(document, record, files)])

    def put_many(self, items: Iterable[Item]) -> int:
        """Store many documents, up to 200 a round trip; return how many there were."""
        n_stored = 0
        for group in in_groups(items, _GROUP):
            packed = pack(group)
            with self._explained():
                try:
                    write(self._database, packed)
                except AutoReconnect:
                    # The connection was lost, and perhaps is back; what has been written is written once.
                    write(self._database, packed)
            n_stored += len(group)
        return n_stored

    def put_files(self, spectrum_id: str, files: Mapping[str, bytes]) -> None:
        """Add raw files to the document with exactly this id; those of the same name are replaced."""
        packed = pack_files(files, spectrum_id=spectrum_id)
        if not self.has(spectrum_id):
            raise UnknownIdError(f"no spectrum in {self.address} has the id {spectrum_id!r}: store it first")
        with self._explained():
            write_files(self._database, spectrum_id, packed)

    def files(self, spectrum_id: str) -> list[StoredFile]:
        """Return the raw files of a spectrum by name; none if it is not stored."""
        with self._explained():
            return list_files(self._database, spectrum_id)

    def read_file(self, spectrum_id: str, name: str) -> bytes:
        """Return the content of a raw file."""
        with self._explained():
            found = read_content(self._database, spectrum_id, name)
        if found is None:
            raise unknown_file(self, spectrum_id, name)
        stored, content = found
        return unpack_file(stored, content, spectrum_id=spectrum_id)

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
            if stored is None:
                return None
            structures, energies = read_structures(self._database, [stored], {}), self._read_energies({stored["grid"]})
        return self._unpack(stored, structures, energies)

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
        energies: dict[str, bytes] = {}
        for group in self._read(self._find_ids(query, filter_of(query)), {"facts": 0}):
            with self._explained():
                structures = read_structures(self._database, group, structures)
                energies |= self._read_energies({stored["grid"] for stored in group} - energies.keys())
            for stored in group:
                yield self._unpack(stored, structures, energies)

    def summaries(self, query: SpectrumQuery) -> Iterator[SpectrumSummary]:
        """Stream what a query finds, without arrays."""
        for group in self._read(self._find_ids(query, filter_of(query)), _NOT_SUMMARY):
            for stored in group:
                try:
                    values = {name: stored[name] for name in (*PLAIN_COLUMNS[1:], *_EXTENT)}
                    summary = read_summary({"id": stored["_id"], **values}, parameters=stored["parameters"])
                except DECODING_ERRORS as error:
                    raise damaged_spectrum(stored["_id"], self.address, error) from error
                yield summary

    def count(self, query: SpectrumQuery) -> int:
        """Return how many documents a query finds, whatever its `limit` and `skip`."""
        with self._explained():
            return int(self._spectra.count_documents(filter_of(query)))

    def group(self, query: SpectrumQuery, names: Sequence[str]) -> list[tuple[tuple[Any, ...], int]]:
        """Return how many documents have each combination of values, the largest number first."""
        columns = check_plain_columns(names)
        key = {name: "$_id" if name == "id" else f"${name}" for name in columns}
        stages = [{"$match": filter_of(query)}, {"$group": {"_id": key, "n": {"$sum": 1}}}]
        with self._explained():
            found = list(self._spectra.aggregate(stages, allowDiskUse=True))
        return by_size((tuple(row["_id"].get(name) for name in columns), int(row["n"])) for row in found)

    def changes(self, since: int = 0) -> tuple[list[str], int]:
        """Return the ids written or rewritten after revision `since`, oldest first, and the newest revision."""
        with self._explained():
            newest = Revisions(self._database["meta"]).newest()
            condition = {"revision": {"$gt": since, "$lte": newest}}
            found = self._spectra.find(condition, {"_id": 1}).sort([("revision", 1)])
            return [stored["_id"] for stored in found], newest

    def matrix(
        self, query: SpectrumQuery, grid: Float[Array, " energy"]
    ) -> tuple[list[str], Float[Array, "spectrum energy"]]:
        """Return ids and raw powder intensities on a common axis, shape (n_spectrum, n_energy)."""
        axis = check_grid(grid)
        condition = {**filter_of(query), "n_points": {"$gt": 0}}
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
            read_energy=lambda _, grid: self._read_energies({grid})[grid],
        )

    def curves(self, ids: Sequence[str]) -> Iterator[CurveBlock]:
        """Stream spectra as blocks of arrays, with what is said of each."""
        for start in range(0, len(ids), N_BLOCK):
            with self._explained():
                stored = read_curves(self._spectra, ids[start : start + N_BLOCK])
            if stored:
                yield assemble_block(stored, self._read_energies({s.grid for s in stored}), address=self._address)

    def records(self, spectrum_id: str) -> list[ProvenanceRecord]:
        """Return how a spectrum came about, the job that started first at the front."""
        with self._explained():
            return self._lineage.of_spectrum(spectrum_id)

    def put_activity(self, record: ProvenanceRecord, members: Iterable[str] = ()) -> None:
        """Add the record of a job that made something other than a spectrum."""
        named = list(members)
        with self._explained():
            write_activity(self._database, record, named)

    def activities(self) -> Iterator[ProvenanceRecord]:
        """Stream the records of jobs that made no spectrum, those that started first at the front."""
        yield from self._one_by_one(self._lineage.activities())

    def members(self, record_id: str) -> list[str]:
        """Return the ids of the members that were given with such a record and are still stored, in their order."""
        with self._explained():
            return self._lineage.members(record_id)

    def linked(self, ids: Sequence[str]) -> list[LinkedRecord]:
        """Return every record that is, used or made one of these things, or has one as a member; oldest first."""
        with self._explained():
            return self._lineage.linked(ids)

    def linked_ids(self, prefix: str, limit: int = 10) -> list[str]:
        """Return ids of things that records name and that begin so, in their order; `sha256:` may be left out."""
        with self._explained():
            return self._lineage.ids_like(prefix, limit)

    def find_records(self, condition: RecordCondition) -> Iterator[LinkedRecord]:
        """Stream the records that meet a condition, of spectra and of other jobs."""
        yield from self._one_by_one(self._lineage.matching(condition))

    def mark(self, ids: Sequence[str], reason: str, *, marked_at: str = "") -> int:
        """Mark things as suspect; return how many were not yet for this reason."""
        check_reason(reason)
        with self._explained():
            return mark(self._database, ids, reason, marked_at)

    def unmark(self, ids: Sequence[str]) -> int:
        """Take the marks of things away; return how many had one."""
        with self._explained():
            return unmark(self._database, ids)

    def marks(self, ids: Sequence[str] | None = None) -> dict[str, Mark]:
        """Return the marks of these things, or all there are, by id."""
        with self._explained():
            return read_marks(self._database, ids)

    def delete(self, spectrum_id: str) -> None:
        """Remove the document with exactly this id, its records and its files."""
        with self._explained():
            if not self._spectra.delete_one({"_id": spectrum_id}).deleted_count:
                raise UnknownIdError(f"no spectrum in {self.address} has the id {spectrum_id!r}")
            self._database["records"].delete_many({"spectrum_id": spectrum_id})
            remove_files(self._database, spectrum_id)
            self._database["members"].update_many({"spectra": spectrum_id}, {"$pull": {"spectra": spectrum_id}})

    def status(self) -> StoreStatus:
        """Return what the store holds, and whether its indexes are there."""
        with self._explained():
            names = ("spectra", "structures", "records", "files", "activities", "marks")
            return StoreStatus(
                address=self._address,
                schema_version=read_version(self._database),
                **{f"n_{name}": int(self._database[name].count_documents({})) for name in names},
                size_bytes=read_size(self._database),
                indexes=find_indexes(self._database),
            )

    def prepare(self) -> tuple[str, ...]:
        """Make the collections and indexes that are missing; return the names of what was made."""
        with self._explained():
            return make_missing(self._database)

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

    def _one_by_one(self, groups: Iterator[list[_T]]) -> Iterator[_T]:
        """Yield what comes in groups; only reading them is explained, not what is done with them."""
        while True:
            with self._explained():
                group = next(groups, None)
            if group is None:
                return
            yield from group

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

    def _unpack(
        self, stored: Stored, structures: Mapping[str, Stored], energies: Mapping[str, bytes]
    ) -> SpectrumDocument:
        try:
            return unpack(stored, structures, energies)
        except DECODING_ERRORS as error:
            raise damaged_spectrum(stored["_id"], self.address, error) from error

    def _read_energies(self, grids: set[str]) -> dict[str, bytes]:
        with self._explained():
            return read_energies(self._database, grids, address=self._address)
