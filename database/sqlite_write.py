"""Writing groups of documents into the tables of the embedded store."""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import count, repeat
from typing import NamedTuple

from whiteline.database.blobs import PackedFile
from whiteline.database.rows import PLAIN_COLUMNS
from whiteline.database.sqlite_links import remove_links, write_links
from whiteline.database.sqlite_pack import EXTENT_COLUMNS, PackedItem, PackedRecord, Shared

__all__ = ["remove", "write", "write_activity", "write_files", "write_records"]

_COLUMNS = (
    *(*PLAIN_COLUMNS, *EXTENT_COLUMNS, "details"),
    *("structure_key", "parameters_key", "description_key", "revision"),
)
_MARKS = ", ".join("?" * len(_COLUMNS))
# Every name in these statements is a constant of this module; values are always bound.
_INSERT = f"INSERT INTO spectra ({', '.join(_COLUMNS)}, key) VALUES ({_MARKS}, ?)"  # noqa: S608
_UPDATE = f"UPDATE spectra SET ({', '.join(_COLUMNS)}) = ({_MARKS}) WHERE key = ?"  # noqa: S608
# A record that is there stays as it is, unless nobody can read it any more.
_INSERT_RECORD = (
    "INSERT INTO records (spectrum_key, id, started_at, content, context_key) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (spectrum_key, id) DO UPDATE SET content = excluded.content, context_key = excluded.context_key "
    "WHERE NOT json_valid(CAST(records.content AS TEXT)) OR NOT EXISTS "
    "(SELECT 1 FROM contexts AS c WHERE c.key = records.context_key AND json_valid(CAST(c.content AS TEXT)))"
)
_INSERT_ACTIVITY = (
    "INSERT INTO activities (id, started_at, content, context_key) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET content = excluded.content, context_key = excluded.context_key "
    "WHERE NOT json_valid(CAST(activities.content AS TEXT)) OR NOT EXISTS "
    "(SELECT 1 FROM contexts AS c WHERE c.key = activities.context_key AND json_valid(CAST(c.content AS TEXT)))"
)
# What is named by its content is the same, unless it was damaged.
_INSERT_BLOB = (
    "INSERT INTO blobs (hash, size, content) VALUES (?, ?, ?) ON CONFLICT (hash) DO UPDATE "
    "SET size = excluded.size, content = excluded.content WHERE size <> excluded.size OR content <> excluded.content"
)
# Tables of shared content, and where it is referred to.
_REFERENCES = {
    "structures": ("spectra", "structure_key"),
    "parameters": ("spectra", "parameters_key"),
    "descriptions": ("spectra", "description_key"),
    "grids": ("components", "grid_key"),
    "blobs": ("files", "blob_key"),
}


class _Stored(NamedTuple):
    """Keys of a spectrum that is there already, and of what it shares with others."""

    key: int
    structures: int
    parameters: int
    descriptions: int
    grids: int | None


def write(connection: sqlite3.Connection, group: Sequence[PackedItem]) -> None:
    """Write documents inside a transaction: what they share first, each statement once a group."""
    latest = {item.id: item for item in group}
    items = latest.values()
    arrays = {item.id: item.arrays for item in items if item.arrays}
    stored = _find_stored(connection, list(latest))
    structures = _intern(connection, "structures", (item.structure for item in items))
    parameters = _intern(connection, "parameters", (item.parameters for item in items))
    descriptions = _intern(connection, "descriptions", (item.description for item in items))
    axes = {a.grid: a.energy for a in arrays.values()}
    grids = _intern(connection, "grids", (Shared(bytes.fromhex(grid), energy) for grid, energy in axes.items()))
    systems = {item.chemical_system: item.elements for item in items}
    pairs = [(element, system) for system, elements in systems.items() for element in elements]
    connection.executemany("INSERT OR IGNORE INTO elements VALUES (?, ?)", pairs)
    keys = _take_keys(connection, latest, stored)
    first = _take_revisions(connection, len(latest))
    rows = {
        item.id: (
            *item.row,
            structures[item.structure.hash],
            parameters[item.parameters.hash],
            descriptions[item.description.hash],
            revision,
            keys[item.id],
        )
        for revision, item in enumerate(items, first)
    }
    connection.executemany(_UPDATE, [rows[i] for i in stored])
    connection.executemany(_INSERT, [row for i, row in rows.items() if i not in stored])
    connection.executemany("DELETE FROM components WHERE key = ?", [(found.key,) for found in stored.values()])
    grid_keys = {grid: grids[bytes.fromhex(grid)] for grid in axes}
    components = [(keys[i], grid_keys[a.grid], a.weights, a.components) for i, a in arrays.items()]
    connection.executemany("INSERT INTO components VALUES (?, ?, ?, ?)", components)
    records = [(keys[item.id], item.record) for item in _needed(connection, group, stored)]
    write_records(connection, records, known={found.key for found in stored.values()})
    for item in group:
        write_files(connection, keys[item.id], item.files)
    for table in ("structures", "parameters", "descriptions", "grids"):
        _remove_unused(connection, table, {getattr(found, table) for found in stored.values()})


def _needed(
    connection: sqlite3.Connection, group: Sequence[PackedItem], stored: Mapping[str, _Stored]
) -> Iterator[PackedItem]:
    """Yield the items whose records are to be written: those that came with one, or whose spectrum has none."""
    recorded = {item.id for item in group if item.has_record}
    unrecorded = {item.id: item for item in group if item.id not in recorded}
    yield from (item for item in group if item.has_record)
    for i, item in unrecorded.items():
        sql = "SELECT 1 FROM records WHERE spectrum_key = ? LIMIT 1"
        if i not in stored or connection.execute(sql, (stored[i].key,)).fetchone() is None:
            yield item


def write_records(
    connection: sqlite3.Connection, records: Sequence[tuple[int, PackedRecord]], *, known: Container[int]
) -> None:
    """Write records of the spectra with these keys, and their links, inside a transaction.

    Args:
        connection: To the store.
        records: Key of the spectrum, and its record.
        known: Keys of spectra that were there before, perhaps with some of these records.
    """
    contexts = _intern(connection, "contexts", (record.context for _, record in records))
    rows = [(key, record, (key, *record.row, contexts[record.context.hash])) for key, record in records]
    fresh = [(key, record) for key, record, _ in rows if key not in known]
    connection.executemany(_INSERT_RECORD, [row for key, _, row in rows if key not in known])
    fresh += [
        (key, record)
        for key, record, row in rows
        # What is there already has its links, perhaps of an earlier schema version.
        if key in known and connection.execute(_INSERT_RECORD, row).rowcount
    ]
    write_links(connection, ((entity, key) for key, record in fresh for entity in record.links))


def write_activity(connection: sqlite3.Connection, record: PackedRecord, members: Iterable[str]) -> None:
    """Write the record of a job that made no spectrum, and those of its members that are stored, in a transaction."""
    contexts = _intern(connection, "contexts", (record.context,))
    row = (*record.row, contexts[record.context.hash])
    is_fresh = connection.execute(_INSERT_ACTIVITY, row).rowcount
    (key,) = connection.execute("SELECT key FROM activities WHERE id = ?", row[:1]).fetchone()
    write_links(connection, ((entity, -key) for entity in record.links if is_fresh))
    sql = "SELECT spectrum_key, position FROM members WHERE activity_key = ?"
    known = dict(connection.execute(sql, (key,)))
    fresh = [member for member in dict.fromkeys(_find_keys(connection, members)) if member not in known]
    rows = zip(repeat(key), count(max(known.values(), default=-1) + 1), fresh, strict=False)
    connection.executemany("INSERT INTO members (activity_key, position, spectrum_key) VALUES (?, ?, ?)", rows)


def _find_keys(connection: sqlite3.Connection, ids: Iterable[str]) -> Iterator[int]:
    for spectrum_id in ids:
        yield from (key for (key,) in connection.execute("SELECT key FROM spectra WHERE id = ?", (spectrum_id,)))


def write_files(connection: sqlite3.Connection, key: int, files: Sequence[PackedFile]) -> None:
    """Write the raw files of the spectrum with this key inside a transaction."""
    for file in files:
        digest = bytes.fromhex(file.sha256)
        row = (digest, file.size, file.data)
        connection.execute(_INSERT_BLOB, row)
        old = connection.execute("SELECT blob_key FROM files WHERE spectrum_key = ? AND name = ?", (key, file.name))
        replaced = {blob_key for (blob_key,) in old}
        sql = "INSERT OR REPLACE INTO files SELECT ?, ?, key FROM blobs WHERE hash = ?"
        connection.execute(sql, (key, file.name, digest))
        _remove_unused(connection, "blobs", replaced)


def remove(connection: sqlite3.Connection, spectrum_id: str) -> bool:
    """Remove a document with all that only it refers to, inside a transaction; return whether it was there."""
    found = _find_stored(connection, [spectrum_id]).get(spectrum_id)
    if found is None:
        return False
    shared: dict[str, set[int | None]] = {
        table: {getattr(found, table)} for table in ("structures", "parameters", "descriptions", "grids")
    }
    remove_links(connection, found.key, spectrum_id)
    sql = "SELECT blob_key FROM files WHERE spectrum_key = ?"
    shared["blobs"] = {key for (key,) in connection.execute(sql, (found.key,))}
    for table, column in (
        ("components", "key"),
        ("records", "spectrum_key"),
        ("files", "spectrum_key"),
        ("members", "spectrum_key"),
        ("spectra", "key"),
    ):
        connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (found.key,))  # noqa: S608  # constants
    for table, keys in shared.items():
        _remove_unused(connection, table, keys)
    return True


def _find_stored(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, _Stored]:
    sql = (
        "SELECT s.id, s.key, s.structure_key, s.parameters_key, s.description_key, c.grid_key FROM spectra AS s "  # noqa: S608  # marks
        f"LEFT JOIN components AS c ON c.key = s.key WHERE s.id IN ({_marks(len(ids))})"
    )
    return {spectrum_id: _Stored(*keys) for spectrum_id, *keys in connection.execute(sql, ids)}


def _intern(connection: sqlite3.Connection, table: str, shared: Iterable[Shared]) -> dict[bytes, int]:
    """Return the keys of shared contents by their hashes; what is not there yet, or was damaged, is written."""
    contents = {one.hash: one for one in shared}
    sql = f"SELECT hash, key, content FROM {table} WHERE hash IN ({_marks(len(contents))})"  # noqa: S608  # a constant
    found = connection.execute(sql, list(contents)).fetchall()
    keys: dict[bytes, int] = {digest: key for digest, key, _ in found}
    changed = [(contents[digest].content, key) for digest, key, content in found if content != contents[digest].content]
    connection.executemany(f"UPDATE {table} SET content = ? WHERE key = ?", changed)  # noqa: S608  # a constant
    missing = [one for digest, one in contents.items() if digest not in keys]
    if missing:
        fresh = dict(zip((one.hash for one in missing), count(_last_key(connection, table) + 1), strict=False))
        names = ("key", "hash", "content", *(name for name, _ in missing[0].more))
        rows = [(fresh[one.hash], one.hash, one.content, *(value for _, value in one.more)) for one in missing]
        insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({_marks(len(names))})"  # noqa: S608  # constants
        connection.executemany(insert, rows)
        keys |= fresh
    return keys


def _last_key(connection: sqlite3.Connection, table: str) -> int:
    # To count on from here is safe inside a writing transaction: nobody else adds rows meanwhile.
    (last,) = connection.execute(f"SELECT coalesce(max(key), 0) FROM {table}").fetchone()  # noqa: S608  # a constant
    return int(last)


def _marks(n_values: int) -> str:
    return ", ".join("?" * n_values)


def _take_keys(connection: sqlite3.Connection, ids: Iterable[str], stored: Mapping[str, _Stored]) -> dict[str, int]:
    fresh = count(_last_key(connection, "spectra") + 1)
    return {i: stored[i].key if i in stored else next(fresh) for i in ids}


def _take_revisions(connection: sqlite3.Connection, n_revisions: int) -> int:
    """Return the first of so many fresh revisions; one is never given twice, whatever is deleted."""
    connection.execute("UPDATE meta SET value = value + ? WHERE name = 'revision'", (n_revisions,))
    (last,) = connection.execute("SELECT value FROM meta WHERE name = 'revision'").fetchone()
    return int(last) - n_revisions + 1


def _remove_unused(connection: sqlite3.Connection, table: str, keys: Iterable[int | None]) -> None:
    """Delete shared contents that nothing refers to any more."""
    referring, column = _REFERENCES[table]
    sql = (
        f"DELETE FROM {table} WHERE key = ?1 "  # noqa: S608  # constants
        f"AND NOT EXISTS (SELECT 1 FROM {referring} WHERE {column} = ?1)"
    )
    connection.executemany(sql, [(key,) for key in keys if key is not None])
