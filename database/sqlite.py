"""The embedded store: one SQLite file, nothing to install or to start.

Several processes and threads may use one file at once, on one machine: SQLite's write-ahead log needs shared
memory, which network file systems do not give to several machines. A campaign over many nodes wants MongoDB.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from jaxtyping import Float
from numpy import dtype, float64, ndarray

from whiteline.database.ancestry import check_reason, in_portions
from whiteline.database.blobs import StoredFile, pack_files, unpack_file
from whiteline.database.curves import N_BLOCK, CurveBlock
from whiteline.database.documents import SpectrumDocument
from whiteline.database.linked import LinkedRecord, Mark, RecordCondition
from whiteline.database.matrix import check_grid
from whiteline.database.query import SpectrumQuery
from whiteline.database.rows import (
    DECODING_ERRORS,
    PLAIN_COLUMNS,
    by_size,
    check_plain_columns,
    damaged_spectrum,
    decompress,
    in_groups,
    read_summary,
    unpack_document,
)
from whiteline.database.sqlite_file import connect, explained, transaction
from whiteline.database.sqlite_filter import order_and_window, where
from whiteline.database.sqlite_lineage import (
    LineageReader,
    list_members,
    mark,
    read_marks,
    unmark,
)
from whiteline.database.sqlite_matrix import read_curves, read_matrix
from whiteline.database.sqlite_pack import EXTENT_COLUMNS, pack, pack_record
from whiteline.database.sqlite_plan import make_plan
from whiteline.database.sqlite_tables import find_indexes, make_missing
from whiteline.database.sqlite_write import remove, write, write_activity, write_files
from whiteline.database.store import Item, SpectrumSummary, StoreStatus, UnknownIdError, resolve_id, unknown_file
from whiteline.errors import StoreError
from whiteline.provenance import ProvenanceRecord
from whiteline.status import Status

__all__ = ["SQLiteStore"]

Array: TypeAlias = ndarray[Any, dtype[float64]]

_WRITE_GROUP = 1000
_READ_GROUP = 200
_SUMMARY_COLUMNS = (*PLAIN_COLUMNS, *EXTENT_COLUMNS)
# Every name in these statements is a constant of this module; values are always bound.
_SELECT = (
    f"SELECT s.key, {', '.join(f's.{name}' for name in PLAIN_COLUMNS)}, p.content, s.details, "  # noqa: S608
    "d.content, s.structure_key, t.content, g.content, c.data FROM spectra AS s "
    "JOIN structures AS t ON t.key = s.structure_key JOIN parameters AS p ON p.key = s.parameters_key "
    "JOIN descriptions AS d ON d.key = s.description_key "
    "LEFT JOIN components AS c ON c.key = s.key LEFT JOIN grids AS g ON g.key = c.grid_key"
)
_SUMMARY = (
    f"SELECT s.key, {', '.join(f's.{name}' for name in _SUMMARY_COLUMNS)}, p.content "  # noqa: S608
    "FROM spectra AS s JOIN parameters AS p ON p.key = s.parameters_key"
)
_FILES = "FROM spectra AS s JOIN files AS f ON f.spectrum_key = s.key JOIN blobs AS b ON b.key = f.blob_key"


class SQLiteStore:
    """A store in one file; see `SpectrumStore` for what the methods do.

    Args:
        path: The file. It is made, with its folder, unless `must_exist`.
        must_exist: Whether to refuse a file that is not there yet.

    Raises:
        StoreError: The file cannot be used; `CorruptStoreError` if it is damaged or somebody else's,
            `SchemaVersionError` if a newer Whiteline wrote it, or an older one and it must be migrated.
    """

    def __init__(self, path: str | Path, *, must_exist: bool = False) -> None:
        self.path = Path(path).absolute()
        self._local = threading.local()
        self._opened: list[tuple[int, sqlite3.Connection]] = []  # with the process that opened it
        self._lock = threading.Lock()
        self._is_closed = False
        self._must_exist = must_exist
        self._connection()
        self._must_exist = True

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self.path)!r})"

    @property
    def address(self) -> str:
        """Where the store is."""
        return f"sqlite:///{self.path}"

    def _connection(self) -> sqlite3.Connection:
        """Return this thread's own connection; one made before a fork stays with the parent process."""
        if self._is_closed:
            raise StoreError(f"the store {self.path} has been closed: open it again with open_store")
        if getattr(self._local, "owner", None) != os.getpid():
            connection = connect(self.path, must_exist=self._must_exist)
            with self._lock:
                self._opened.append((os.getpid(), connection))
            self._local.connection = connection
            self._local.owner = os.getpid()
        found: sqlite3.Connection = self._local.connection
        return found

    def check_writable(self) -> None:
        """Make sure that results can be stored."""
        with explained(self.path), transaction(self._connection()) as connection:
            connection.execute("DELETE FROM spectra WHERE id = ''")  # no document has an empty id

    def put(
        self,
        document: SpectrumDocument,
        record: ProvenanceRecord | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        """Store a document in place of an earlier one with its id, and add record and files to what it has."""
        self.put_many([(document, record, files)])

    def put_many(self, items: Iterable[Item]) -> int:
        """Store many documents, each group of up to 1000 in one transaction; return how many there were."""
        n_stored = 0
        for group in in_groups(items, _WRITE_GROUP):
            packed = pack(group)
            with explained(self.path), transaction(self._connection()) as connection:
                write(connection, packed)
            n_stored += len(group)
        return n_stored

    def put_files(self, spectrum_id: str, files: Mapping[str, bytes]) -> None:
        """Add raw files to the document with exactly this id; those of the same name are replaced."""
        packed = pack_files(files, spectrum_id=spectrum_id)
        with explained(self.path), transaction(self._connection()) as connection:
            found = connection.execute("SELECT key FROM spectra WHERE id = ?", (spectrum_id,)).fetchone()
            if found is None:
                raise UnknownIdError(f"no spectrum in {self.address} has the id {spectrum_id!r}: store it first")
            write_files(connection, found[0], packed)

    def files(self, spectrum_id: str) -> list[StoredFile]:
        """Return the raw files of a spectrum by name; none if it is not stored."""
        sql = f"SELECT f.name, b.size, b.hash {_FILES} WHERE s.id = ? ORDER BY f.name"
        return [StoredFile(name, size, digest.hex()) for name, size, digest in self._rows(sql, [spectrum_id])]

    def read_file(self, spectrum_id: str, name: str) -> bytes:
        """Return the content of a raw file."""
        sql = f"SELECT b.size, b.hash, b.content {_FILES} WHERE s.id = ? AND f.name = ?"
        rows = self._rows(sql, [spectrum_id, name])
        if not rows:
            raise unknown_file(self, spectrum_id, name)
        ((size, digest, content),) = rows
        return unpack_file(StoredFile(name, size, digest.hex()), content, spectrum_id=spectrum_id)

    def get(self, id_or_prefix: str) -> SpectrumDocument:
        """Return the document with this id, or the only one whose id begins so."""
        document = self.find_by_id(id_or_prefix) or self.find_by_id(resolve_id(self, id_or_prefix))
        if document is None:
            raise UnknownIdError(f"spectrum {id_or_prefix} was deleted from {self.address} while it was read")
        return document

    def find_by_id(self, spectrum_id: str) -> SpectrumDocument | None:
        """Return the document with exactly this id, or None."""
        rows = self._rows(f"{_SELECT} WHERE s.id = ?", [spectrum_id])
        return self._unpack(rows[0], {}) if rows else None

    def has(self, spectrum_id: str) -> bool:
        """Return whether a document has exactly this id."""
        return self.status_of(spectrum_id) is not None

    def status_of(self, spectrum_id: str) -> Status | None:
        """Return how the calculation ended, or None if it is not stored."""
        rows = self._rows("SELECT status FROM spectra WHERE id = ?", [spectrum_id])
        return Status(rows[0][0]) if rows else None

    def query(self, query: SpectrumQuery) -> Iterator[SpectrumDocument]:
        """Stream the documents that a query finds."""
        structures: dict[int, dict[str, Any]] = {}
        for row in self._stream(_SELECT, query):
            if len(structures) > _READ_GROUP:
                structures.clear()
            yield self._unpack(row, structures)

    def summaries(self, query: SpectrumQuery) -> Iterator[SpectrumSummary]:
        """Stream what a query finds, without arrays."""
        for row in self._stream(_SUMMARY, query):
            values = dict(zip(_SUMMARY_COLUMNS, row[1:-1], strict=True))
            try:
                summary = read_summary(values, parameters=row[-1])
            except DECODING_ERRORS as error:
                raise damaged_spectrum(values["id"], self.address, error) from error
            yield summary

    def count(self, query: SpectrumQuery) -> int:
        """Return how many documents a query finds, whatever its `limit` and `skip`."""
        condition, values = where(query)
        sql = f"SELECT count(*) FROM spectra AS s WHERE {condition}"  # noqa: S608  # built from constants
        return int(self._rows(sql, values)[0][0])

    def group(self, query: SpectrumQuery, names: Sequence[str]) -> list[tuple[tuple[Any, ...], int]]:
        """Return how many documents have each combination of values, the largest number first."""
        columns = ", ".join(f"s.{name}" for name in check_plain_columns(names))
        condition, values = where(query)
        sql = f"SELECT {columns}, count(*) FROM spectra AS s WHERE {condition} GROUP BY {columns}"  # noqa: S608  # checked
        return by_size((tuple(found), int(n_found)) for *found, n_found in self._rows(sql, values))

    def changes(self, since: int = 0) -> tuple[list[str], int]:
        """Return the ids written or rewritten after revision `since`, oldest first, and the newest revision."""
        sql = "SELECT id FROM spectra WHERE revision > ? ORDER BY revision"
        with explained(self.path), transaction(self._connection(), is_writing=False) as connection:
            (newest,) = connection.execute("SELECT value FROM meta WHERE name = 'revision'").fetchone()
            return [spectrum_id for (spectrum_id,) in connection.execute(sql, [since])], int(newest)

    def matrix(
        self, query: SpectrumQuery, grid: Float[Array, " energy"]
    ) -> tuple[list[str], Float[Array, "spectrum energy"]]:
        """Return ids and raw powder intensities on a common axis, shape (n_spectrum, n_energy)."""
        axis = check_grid(grid)
        condition, values = where(query)
        sql = (
            "SELECT s.key, s.id FROM spectra AS s "  # noqa: S608  # built from constants
            f"WHERE s.n_points > 0 AND {condition}{order_and_window(query)}"
        )
        with explained(self.path), transaction(self._connection(), is_writing=False) as connection:
            found = connection.execute(sql, values).fetchall()
            return read_matrix(connection, found, axis)

    def curves(self, ids: Sequence[str]) -> Iterator[CurveBlock]:
        """Stream spectra as blocks of arrays, with what is said of each."""
        for start in range(0, len(ids), N_BLOCK):
            with explained(self.path), transaction(self._connection(), is_writing=False) as connection:
                block = read_curves(connection, ids[start : start + N_BLOCK], address=self.address)
            if len(block):
                yield block

    def records(self, spectrum_id: str) -> list[ProvenanceRecord]:
        """Return how a spectrum came about, the job that started first at the front."""
        with self._reading() as reader:
            return [linked.record for linked in reader.of_spectrum(spectrum_id)]

    def put_activity(self, record: ProvenanceRecord, members: Iterable[str] = ()) -> None:
        """Add the record of a job that made something other than a spectrum."""
        packed, named = pack_record(record), list(members)
        with explained(self.path), transaction(self._connection()) as connection:
            write_activity(connection, packed, named)

    def activities(self) -> Iterator[ProvenanceRecord]:
        """Stream the records of jobs that made no spectrum, those that started first at the front."""
        with self._reading() as reader:
            jobs = reader.activities()
        for group in in_portions(jobs, _READ_GROUP):
            with self._reading() as reader:
                found = list(reader.of_subjects(group))
            yield from (linked.record for linked in found)

    def members(self, record_id: str) -> list[str]:
        """Return the ids of the members that were given with such a record and are still stored, in their order."""
        with explained(self.path):
            return list_members(self._connection(), record_id)

    def linked(self, ids: Sequence[str]) -> list[LinkedRecord]:
        """Return every record that is, used or made one of these things, or has one as a member; oldest first."""
        with self._reading() as reader:
            return reader.linked(ids)

    def linked_ids(self, prefix: str, limit: int = 10) -> list[str]:
        """Return ids of things that records name and that begin so, in their order; `sha256:` may be left out."""
        with self._reading() as reader:
            return reader.ids_like(prefix, limit)

    def find_records(self, condition: RecordCondition) -> Iterator[LinkedRecord]:
        """Stream the records that meet a condition, of spectra and of other jobs."""
        with self._reading() as reader:
            subjects = reader.matching(condition)
        for group in in_portions(subjects, _READ_GROUP):
            with self._reading() as reader:
                found = list(reader.of_subjects(group))
            yield from (linked for linked in found if condition.holds_for(linked.record.shared_part()))

    def mark(self, ids: Sequence[str], reason: str, *, marked_at: str = "") -> int:
        """Mark things as suspect; return how many were not yet for this reason."""
        check_reason(reason)
        with explained(self.path), transaction(self._connection()) as connection:
            return mark(connection, ids, reason, marked_at)

    def unmark(self, ids: Sequence[str]) -> int:
        """Take the marks of things away; return how many had one."""
        with explained(self.path), transaction(self._connection()) as connection:
            return unmark(connection, ids)

    def marks(self, ids: Sequence[str] | None = None) -> dict[str, Mark]:
        """Return the marks of these things, or all there are, by id."""
        with explained(self.path):
            return read_marks(self._connection(), ids)

    def delete(self, spectrum_id: str) -> None:
        """Remove the document with exactly this id, its records and its files."""
        with explained(self.path), transaction(self._connection()) as connection:
            if not remove(connection, spectrum_id):
                raise UnknownIdError(f"no spectrum in {self.address} has the id {spectrum_id!r}")

    def status(self) -> StoreStatus:
        """Return what the store holds, and whether its indexes are there."""
        tables = ("spectra", "structures", "records", "files", "activities", "marks")
        with explained(self.path), transaction(self._connection(), is_writing=False) as connection:
            sizes = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]  # noqa: S608
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            indexes = find_indexes(connection)
        files = (self.path, Path(f"{self.path}-wal"))
        return StoreStatus(
            address=self.address,
            schema_version=version,
            **{f"n_{table}": size for table, size in zip(tables, sizes, strict=True)},
            size_bytes=sum(file.stat().st_size for file in files if file.exists()),
            indexes=indexes,
        )

    def prepare(self) -> tuple[str, ...]:
        """Make the tables and indexes that are missing; return the names of what was made."""
        with explained(self.path), transaction(self._connection()) as connection:
            return make_missing(connection)

    def close(self) -> None:
        """Close the connections of all threads; those of a parent process are its own to close."""
        self._is_closed = True
        with self._lock:
            for owner, connection in self._opened:
                if owner == os.getpid():
                    connection.close()
            self._opened = [(owner, connection) for owner, connection in self._opened if owner != os.getpid()]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[LineageReader]:
        with explained(self.path), transaction(self._connection(), is_writing=False) as connection:
            yield LineageReader(connection, self.address)

    def _unpack(self, row: tuple[Any, ...], structures: dict[int, dict[str, Any]]) -> SpectrumDocument:
        try:
            return _unpack(row, structures)
        except DECODING_ERRORS as error:
            raise damaged_spectrum(row[1], self.address, error) from error

    def _rows(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        with explained(self.path):
            return self._connection().execute(sql, values).fetchall()

    def _stream(self, select: str, query: SpectrumQuery) -> Iterator[tuple[Any, ...]]:
        """Yield rows in the order of the query; no lock is held between two groups."""
        with explained(self.path):
            plan = make_plan(self._connection(), query)
        sql = f"SELECT s.key FROM {plan.table} WHERE {plan.condition}{order_and_window(query)}"  # noqa: S608  # constants
        keys = [key for (key,) in self._rows(sql, plan.values)]
        for start in range(0, len(keys), _READ_GROUP):
            group = keys[start : start + _READ_GROUP]
            found = {row[0]: row for row in self._rows(f"{select} WHERE s.key IN ({_numbers(group)})", ())}
            yield from (found[key] for key in group if key in found)


def _numbers(keys: Sequence[int]) -> str:
    return ", ".join(f"{key:d}" for key in keys)


def _unpack(row: tuple[Any, ...], structures: dict[int, dict[str, Any]]) -> SpectrumDocument:
    *plain, parameters, details, description, structure_key, structure, energy, components = row[1:]
    if structure_key not in structures:
        structures[structure_key] = json.loads(decompress(structure))
    shared, own = json.loads(description), json.loads(details)
    described = shared.pop("spectrum")
    values = {**dict(zip(PLAIN_COLUMNS, plain, strict=True)), **shared, **own, "parameters": json.loads(parameters)}
    values.pop("spectrum", None)
    return unpack_document(
        {**values, "elements": [symbol for symbol in values["chemical_system"].split("-") if symbol]},
        structure=structures[structure_key],
        described=None if described is None else {**described, **own["spectrum"]},
        energy=energy,
        components=components,
    )
