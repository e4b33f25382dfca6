"""What only the tables of the embedded store show: damaged pages, rows that nothing refers to, wrong lengths."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from whiteline.database.administration.faults import Fault
from whiteline.database.rows import DECODING_ERRORS, content_hash
from whiteline.database.sqlite_file import connect, explained
from whiteline.database.sqlite_links import RecordReader
from whiteline.errors import CorruptStoreError, SchemaVersionError

__all__ = ["find_faults"]

_SAVE: Final = (
    "restore a backup into a new store (`whiteline db restore BACKUP --db NEW`), or save what can be read with "
    "`sqlite3 FILE .recover`"
)
_LEFT_OVER: Final = "harmless; `whiteline db backup` and `whiteline db restore` into a new store leave it behind"
_NEW_STORE: Final = "`whiteline db backup` and `whiteline db restore` into a new store make all links anew"
_WRONG: Final = (
    "replace the spectrum from a backup (`whiteline db restore BACKUP --into-existing --replace`); where that leaves "
    "it, store it again (`store.put(store.get(ID))` in Python)"
)

# Table, its column that names a row, its column that refers to another table, that table, and what is wrong without.
_REFERRING: Final = (
    ("components", "key", "key", "spectra", "arrays belong to no spectrum", _LEFT_OVER),
    ("records", "id", "spectrum_key", "spectra", "provenance record belongs to no spectrum", _LEFT_OVER),
    ("files", "name", "spectrum_key", "spectra", "raw file belongs to no spectrum", _LEFT_OVER),
    ("files", "name", "blob_key", "blobs", "the content of this raw file is missing", _WRONG),
    ("records", "id", "context_key", "contexts", "a part of this provenance record is missing", _WRONG),
)
# Table of shared content, and the table and column that refer to it. Contexts stay when their last record is deleted.
_SHARED: Final = (
    ("structures", "spectra", "structure_key"),
    ("parameters", "spectra", "parameters_key"),
    ("descriptions", "spectra", "description_key"),
    ("grids", "components", "grid_key"),
    ("blobs", "files", "blob_key"),
)
# Table of shared content, and which of its rows are read again to be hashed.
_HASHED: Final = {
    "grids": "1",
    "parameters": "1",
    "descriptions": "1",
    "contexts": "key IN (SELECT context_key FROM records UNION SELECT context_key FROM activities)",
}
_LENGTHS: Final = """
SELECT s.id, s.n_points, length(g.content), length(c.data) FROM spectra AS s
LEFT JOIN components AS c ON c.key = s.key LEFT JOIN grids AS g ON g.key = c.grid_key
WHERE (s.n_points > 0 AND (c.key IS NULL OR g.key IS NULL OR length(g.content) <> 8 * s.n_points
  OR length(c.data) = 0 OR length(c.data) % length(g.content) <> 0)) OR (s.n_points = 0 AND c.key IS NOT NULL)"""
_ELEMENTS: Final = """
SELECT id, chemical_system FROM spectra
WHERE chemical_system <> '' AND chemical_system NOT IN (SELECT chemical_system FROM elements)"""


# Rows that belong to nothing: what names them, and what they are.
_ORPHANED: Final = (
    (
        "SELECT position, activity_key FROM members WHERE activity_key NOT IN (SELECT key FROM activities)",
        "members {} of job {}",
        "the record of this job is missing",
    ),
    (
        "SELECT m.position, a.id FROM members AS m JOIN activities AS a ON a.key = m.activity_key "
        "WHERE m.spectrum_key NOT IN (SELECT key FROM spectra)",
        "members {} of record {}",
        "this member is no stored spectrum",
    ),
    (
        "SELECT key, id FROM activities WHERE context_key NOT IN (SELECT key FROM contexts)",
        "activities {}, record {}",
        "a part of this record is missing",
    ),
)
_RECORDS: Final = (
    "SELECT r.spectrum_key, s.id, r.id, r.started_at, r.content, c.content FROM records AS r "
    "JOIN spectra AS s ON s.key = r.spectrum_key LEFT JOIN contexts AS c ON c.key = r.context_key "
    "UNION ALL SELECT -a.key, '', a.id, a.started_at, a.content, c.content FROM activities AS a "
    "LEFT JOIN contexts AS c ON c.key = a.context_key"
)


def find_faults(path: Path) -> Iterator[Fault]:
    """Yield the faults of the file of a store.

    Raises:
        StoreError: The file cannot be opened at all.
    """
    with closing(connect(path, must_exist=True)) as connection:
        try:
            with explained(path):
                yield from _page_faults(connection)
                yield from _row_faults(connection)
                yield from _content_faults(connection)
                yield from _lineage_faults(connection)
        except CorruptStoreError as error:
            yield Fault(str(path), str(error), _SAVE)


def _page_faults(connection: sqlite3.Connection) -> Iterator[Fault]:
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield Fault("the file", f"SQLite's integrity check: {line}", _SAVE)


def _row_faults(connection: sqlite3.Connection) -> Iterator[Fault]:
    # Every name in these statements is a constant of this module.
    for table, name, column, wanted, what, remedy in _REFERRING:
        owner = "key" if table == "components" else "spectrum_key"
        sql = (
            f"SELECT t.{name}, s.id FROM {table} AS t LEFT JOIN spectra AS s ON s.key = t.{owner} "  # noqa: S608
            f"WHERE t.{column} NOT IN (SELECT key FROM {wanted})"
        )
        for found, spectrum_id in connection.execute(sql):
            yield Fault(f"{table} {found}" + (f" of {spectrum_id}" if spectrum_id else ""), what, remedy)
    for table, referring, column in _SHARED:
        sql = f"SELECT key FROM {table} WHERE key NOT IN (SELECT {column} FROM {referring})"  # noqa: S608
        for (found,) in connection.execute(sql):
            yield Fault(f"{table} {found}", "no spectrum refers to it any more", _LEFT_OVER)
    for spectrum_id, n_points, *lengths in connection.execute(_LENGTHS):
        axis, components = (0 if length is None else length // 8 for length in lengths)
        what = f"states {n_points} points, its axis has {axis} and its components {components} numbers"
        yield Fault(spectrum_id, what, _WRONG)
    for spectrum_id, system in connection.execute(_ELEMENTS):
        yield Fault(spectrum_id, f"queries by element miss it: {system} is not in the table of elements", _WRONG)


def _content_faults(connection: sqlite3.Connection) -> Iterator[Fault]:
    """Yield shared contents that are not what their hash says."""
    for table, condition in _HASHED.items():
        sql = f"SELECT key, hash, content FROM {table} WHERE {condition}"  # noqa: S608  # constants
        for key, digest, content in connection.execute(sql):
            data = content.encode() if isinstance(content, str) else content
            if content_hash(data) != digest:
                what = "its content is not what its hash says; so are all spectra that share it"
                yield Fault(f"{table} {key}", what, _WRONG)


def _lineage_faults(connection: sqlite3.Connection) -> Iterator[Fault]:
    """Yield members that belong to nothing, and where links and records differ."""
    for sql, name, what in _ORPHANED:
        for found in connection.execute(sql):
            yield Fault(name.format(*found), what, _LEFT_OVER)
    connection.execute("CREATE TEMP TABLE expected (entity, subject, PRIMARY KEY (entity, subject)) WITHOUT ROWID")
    connection.execute("CREATE TEMP TABLE unreadable (subject INTEGER PRIMARY KEY)")
    reader = RecordReader()
    for subject, spectrum_id, *row in connection.execute(_RECORDS):
        try:
            rows = [(entity, subject) for entity in reader.links(spectrum_id, row)]
        except (SchemaVersionError, *DECODING_ERRORS):  # told of where each spectrum is read
            connection.execute("INSERT OR IGNORE INTO unreadable VALUES (?)", (subject,))
            continue
        connection.executemany("INSERT OR IGNORE INTO expected VALUES (?, ?)", rows)
    for first, second, what in (
        ("main.links", "temp.expected", "{} links that no record of it has"),
        ("temp.expected", "main.links", "{} links are missing, so that it is not found by what its records name"),
    ):
        sql = (
            "SELECT d.subject, s.id, count(*) FROM "  # noqa: S608  # constants
            f"(SELECT entity, subject FROM {first} EXCEPT SELECT entity, subject FROM {second}) AS d "
            "LEFT JOIN spectra AS s ON s.key = d.subject WHERE d.subject NOT IN (SELECT subject FROM unreadable) "
            "GROUP BY d.subject"
        )
        for subject, spectrum_id, n_links in connection.execute(sql).fetchall():
            yield Fault(spectrum_id or f"links of {subject}", what.format(n_links), _NEW_STORE)
