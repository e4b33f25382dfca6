"""The embedded store: one SQLite file, nothing to install or to start.

Several processes and threads may use one file at once, on one machine: SQLite's write-ahead log needs shared
memory, which network file systems do not give to several machines. A campaign over many nodes wants MongoDB.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from jaxtyping import Float
from numpy import dtype, float64, ndarray

from whiteline.database.documents import SpectrumDocument, json_text
from whiteline.database.matrix import assemble, check_grid
from whiteline.database.query import SpectrumQuery
from whiteline.database.rows import (
    PLAIN_COLUMNS,
    SpectrumArrays,
    StoredStructure,
    grid_key,
    pack_spectrum,
    pack_structure,
    read_summary,
    unpack_document,
)
from whiteline.database.sqlite_file import connect, explained, transaction
from whiteline.database.sqlite_filter import order_and_window, where
from whiteline.database.store import SpectrumSummary, UnknownIdError, resolve_id
from whiteline.errors import StoreError
from whiteline.provenance import ProvenanceRecord
from whiteline.status import Status

__all__ = ["SQLiteStore"]

Array: TypeAlias = ndarray[Any, dtype[float64]]

_WRITE_GROUP = 500
_READ_GROUP = 200
_MATRIX_GROUP = 1000
_EXTENT_COLUMNS = ("n_points", "energy_min", "energy_max")
_COLUMNS = (*PLAIN_COLUMNS, *_EXTENT_COLUMNS, "parameters", "details", "structure_key")
_SUMMARY_COLUMNS = (*PLAIN_COLUMNS, *_EXTENT_COLUMNS)
_MARKS = ", ".join("?" * len(_COLUMNS))
# Every name in these statements is a constant of this module; values are always bound.
_INSERT = f"INSERT INTO spectra ({', '.join(_COLUMNS)}) VALUES ({_MARKS})"  # noqa: S608
_UPDATE = f"UPDATE spectra SET ({', '.join(_COLUMNS)}) = ({_MARKS}) WHERE key = ?"  # noqa: S608
_SELECT = (
    f"SELECT s.key, {', '.join(f's.{name}' for name in PLAIN_COLUMNS)}, s.parameters, s.details, "  # noqa: S608
    "s.structure_key, t.structure, g.energy, c.data FROM spectra AS s "
    "JOIN structures AS t ON t.key = s.structure_key "
    "LEFT JOIN components AS c ON c.key = s.key LEFT JOIN grids AS g ON g.hash = c.grid"
)
_SUMMARY = f"SELECT s.key, {', '.join(f's.{name}' for name in _SUMMARY_COLUMNS)}, s.parameters FROM spectra AS s"  # noqa: S608


@dataclass(frozen=True)
class _Packed:
    """A document and its record, ready to be bound."""

    id: str
    elements: tuple[str, ...]
    chemical_system: str
    row: tuple[Any, ...]
    structure: StoredStructure
    arrays: SpectrumArrays | None
    record: tuple[str, str, str, str] | None


class SQLiteStore:
    """A store in one file; see `SpectrumStore` for what the methods do.

    Args:
        path: The file. It is made, with its folder, unless `must_exist`.
        must_exist: Whether to refuse a file that is not there yet.

    Raises:
        StoreError: The file cannot be used; `CorruptStoreError` if it is damaged or somebody else's,
            `SchemaVersionError` if a newer Whiteline wrote it.
    """

    def __init__(self, path: str | Path, *, must_exist: bool = False) -> None:
        self.path = Path(path).absolute()
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
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
                self._opened.append(connection)
            self._local.connection = connection
            self._local.owner = os.getpid()
        found: sqlite3.Connection = self._local.connection
        return found

    def check_writable(self) -> None:
        """Make sure that results can be stored."""
        with explained(self.path), transaction(self._connection()) as connection:
            connection.execute("DELETE FROM spectra WHERE id = ''")  # no document has an empty id

    def put(self, document: SpectrumDocument, record: ProvenanceRecord | None = None) -> None:
        """Store a document in place of an earlier one with its id, and add the record to its history."""
        self.put_many([(document, record)])

    def put_many(self, items: Iterable[tuple[SpectrumDocument, ProvenanceRecord | None]]) -> int:
        """Store many documents, each group of 500 in one transaction; return how many there were."""
        stream = iter(items)
        n_stored = 0
        while group := list(islice(stream, _WRITE_GROUP)):
            packed = _pack(group)
            with explained(self.path), transaction(self._connection()) as connection:
                _write(connection, packed)
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
        rows = self._rows(f"{_SELECT} WHERE s.id = ?", [spectrum_id])
        return _unpack(rows[0], {}) if rows else None

    def has(self, spectrum_id: str) -> bool:
        """Return whether a document has exactly this id."""
        return self.status_of(spectrum_id) is not None

    def status_of(self, spectrum_id: str) -> Status | None:
        """Return how the calculation ended, or None if it is not stored."""
        rows = self._rows("SELECT status FROM spectra WHERE id = ?", [spectrum_id])
        return Status(rows[0][0]) if rows else None

    def query(self, query: SpectrumQuery) -> Iterator[SpectrumDocument]:
        """Stream the documents that a query finds."""
        structures: dict[str, dict[str, Any]] = {}
        for row in self._stream(_SELECT, query):
            if len(structures) > _READ_GROUP:
                structures.clear()
            yield _unpack(row, structures)

    def summaries(self, query: SpectrumQuery) -> Iterator[SpectrumSummary]:
        """Stream what a query finds, without arrays."""
        for row in self._stream(_SUMMARY, query):
            values = dict(zip(_SUMMARY_COLUMNS, row[1:-1], strict=True))
            yield read_summary(values, parameters=row[-1])

    def count(self, query: SpectrumQuery) -> int:
        """Return how many documents a query finds, whatever its `limit` and `skip`."""
        condition, values = where(query)
        sql = f"SELECT count(*) FROM spectra AS s WHERE {condition}"  # noqa: S608  # built from constants
        return int(self._rows(sql, values)[0][0])

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
            return assemble(
                [spectrum_id for _, spectrum_id in found],
                _read_components(connection, [key for key, _ in found]),
                axis,
                key=grid_key(axis.tobytes()),
                read_energy=lambda _, grid: _read_energy(connection, grid),
            )

    def records(self, spectrum_id: str) -> list[ProvenanceRecord]:
        """Return how a spectrum came about, the job that started first at the front."""
        sql = "SELECT record FROM records WHERE spectrum_id = ? ORDER BY started_at, key"
        return [ProvenanceRecord.from_dict(json.loads(text)) for (text,) in self._rows(sql, [spectrum_id])]

    def delete(self, spectrum_id: str) -> None:
        """Remove the document with exactly this id, and its records."""
        with explained(self.path), transaction(self._connection()) as connection:
            found = _find_stored(connection, spectrum_id)
            if found is None:
                raise UnknownIdError(f"no spectrum in {self.address} has the id {spectrum_id!r}")
            key, grid, structure_key = found
            connection.execute("DELETE FROM components WHERE key = ?", (key,))
            connection.execute("DELETE FROM spectra WHERE key = ?", (key,))
            connection.execute("DELETE FROM records WHERE spectrum_id = ?", (spectrum_id,))
            _remove_orphans(connection, grid, structure_key)

    def close(self) -> None:
        """Close the connections of all threads."""
        self._is_closed = True
        with self._lock:
            for connection in self._opened:
                connection.close()
            self._opened.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _rows(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        with explained(self.path):
            return self._connection().execute(sql, values).fetchall()

    def _stream(self, select: str, query: SpectrumQuery) -> Iterator[tuple[Any, ...]]:
        """Yield rows in the order of the query; no lock is held between two groups."""
        condition, values = where(query)
        sql = f"SELECT s.key FROM spectra AS s WHERE {condition}{order_and_window(query)}"  # noqa: S608  # constants
        keys = [key for (key,) in self._rows(sql, values)]
        for start in range(0, len(keys), _READ_GROUP):
            group = keys[start : start + _READ_GROUP]
            found = {row[0]: row for row in self._rows(f"{select} WHERE s.key IN ({_numbers(group)})", ())}
            yield from (found[key] for key in group if key in found)


def _numbers(keys: Sequence[int]) -> str:
    return ", ".join(f"{key:d}" for key in keys)


def _pack(group: Sequence[tuple[SpectrumDocument, ProvenanceRecord | None]]) -> list[_Packed]:
    # Sites of one material share one structure, so that its text is made once a group.
    structures: dict[tuple[int, str], StoredStructure] = {}
    packed = []
    for document, record in group:
        known_as = (id(document.structure), document.structure_id)
        if known_as not in structures:
            structures[known_as] = pack_structure(document)
        packed.append(_pack_one(document, record, structures[known_as]))
    return packed


def _pack_one(document: SpectrumDocument, record: ProvenanceRecord | None, structure: StoredStructure) -> _Packed:
    metadata = document.metadata()
    described, arrays = pack_spectrum(document)
    details = {
        name: metadata[name] for name in ("schema_version", "checks", "elements", "parents", "licence", "citation")
    }
    extent = (arrays.n_points, arrays.energy_min, arrays.energy_max) if arrays else (0, None, None)
    what = f"document {document.id}"
    return _Packed(
        id=document.id,
        elements=document.elements,
        chemical_system=document.chemical_system,
        row=(
            *(metadata[name] for name in PLAIN_COLUMNS),
            *extent,
            json_text(metadata["parameters"], what=f"the parameters of {what}"),
            json_text({**details, "spectrum": described}, what=what),
            structure.key,
        ),
        structure=structure,
        arrays=arrays,
        record=None if record is None else _pack_record(document.id, record),
    )


def _pack_record(spectrum_id: str, record: ProvenanceRecord) -> tuple[str, str, str, str]:
    text = json_text(record.to_dict(), what=f"the provenance record of document {spectrum_id}")
    return spectrum_id, record.id, record.started_at, text


def _write(connection: sqlite3.Connection, group: Iterable[_Packed]) -> None:
    """Write documents inside a transaction; structures, axes and element sets once each."""
    written: set[str] = set()
    for packed in group:
        structure, arrays = packed.structure, packed.arrays
        if structure.key not in written:
            row = (structure.key, structure.structure_id, structure.text)
            connection.execute("INSERT OR IGNORE INTO structures VALUES (?, ?, ?)", row)
        if packed.chemical_system not in written:
            pairs = [(element, packed.chemical_system) for element in packed.elements]
            connection.executemany("INSERT OR IGNORE INTO elements VALUES (?, ?)", pairs)
        if arrays and arrays.grid not in written:
            connection.execute("INSERT OR IGNORE INTO grids VALUES (?, ?)", (arrays.grid, arrays.energy))
        orphaned = _write_row(connection, packed)
        written.update((structure.key, packed.chemical_system))
        if arrays:
            written.add(arrays.grid)
        written.difference_update(orphaned)
        if packed.record:
            columns = "(spectrum_id, record_id, started_at, record)"
            sql = f"INSERT OR IGNORE INTO records {columns} VALUES (?, ?, ?, ?)"  # noqa: S608  # a constant
            connection.execute(sql, packed.record)


def _write_row(connection: sqlite3.Connection, packed: _Packed) -> tuple[str | None, ...]:
    """Write one row and its components; return what an earlier row held and may be gone now."""
    arrays = packed.arrays
    found = _find_stored(connection, packed.id)
    if found is None:
        key = connection.execute(_INSERT, packed.row).lastrowid
    else:
        key = found[0]
        connection.execute(_UPDATE, (*packed.row, key))
        connection.execute("DELETE FROM components WHERE key = ?", (key,))
    if arrays:
        row = (key, arrays.grid, arrays.weights, arrays.components)
        connection.execute("INSERT INTO components VALUES (?, ?, ?, ?)", row)
    if found is None:
        return ()
    _remove_orphans(connection, found[1], found[2])
    return found[1:]


def _find_stored(connection: sqlite3.Connection, spectrum_id: str) -> tuple[int, str | None, str] | None:
    sql = (
        "SELECT s.key, c.grid, s.structure_key FROM spectra AS s "
        "LEFT JOIN components AS c ON c.key = s.key WHERE s.id = ?"
    )
    found: tuple[int, str | None, str] | None = connection.execute(sql, (spectrum_id,)).fetchone()
    return found


def _remove_orphans(connection: sqlite3.Connection, grid: str | None, structure_key: str) -> None:
    """Delete an axis and a structure if no spectrum refers to them any more."""
    unused_grid = "DELETE FROM grids WHERE hash = ?1 AND NOT EXISTS (SELECT 1 FROM components WHERE grid = ?1)"
    connection.execute(unused_grid, (grid,))
    unused_structure = (
        "DELETE FROM structures WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM spectra WHERE structure_key = ?1)"
    )
    connection.execute(unused_structure, (structure_key,))


def _read_components(
    connection: sqlite3.Connection, keys: Sequence[int]
) -> Iterator[tuple[list[int], list[tuple[str, bytes | None, bytes]]]]:
    """Yield positions in `keys` and what is stored there, in the order of the file: a disk reads ahead."""
    order = sorted(range(len(keys)), key=keys.__getitem__)
    for start in range(0, len(order), _MATRIX_GROUP):
        positions = order[start : start + _MATRIX_GROUP]
        group = [keys[i] for i in positions]
        is_gapless = group[-1] - group[0] == len(group) - 1
        wanted = f"BETWEEN {group[0]:d} AND {group[-1]:d}" if is_gapless else f"IN ({_numbers(group)})"
        sql = f"SELECT grid, weights, data FROM components WHERE key {wanted} ORDER BY key"  # noqa: S608  # numbers
        yield positions, connection.execute(sql).fetchall()


def _read_energy(connection: sqlite3.Connection, grid: str) -> bytes:
    energy: bytes = connection.execute("SELECT energy FROM grids WHERE hash = ?", (grid,)).fetchone()[0]
    return energy


def _unpack(row: tuple[Any, ...], structures: dict[str, dict[str, Any]]) -> SpectrumDocument:
    *plain, parameters, details, structure_key, structure, energy, components = row[1:]
    if structure_key not in structures:
        structures[structure_key] = json.loads(structure)
    stored = json.loads(details)
    described = stored.pop("spectrum")
    return unpack_document(
        {**dict(zip(PLAIN_COLUMNS, plain, strict=True)), **stored, "parameters": json.loads(parameters)},
        structure=structures[structure_key],
        described=described,
        energy=energy,
        components=components,
    )
