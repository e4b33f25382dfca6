"""Records of the embedded store found by what they name, those of jobs that made no spectrum, and marks.

Every function works inside a transaction of its caller.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from whiteline.database.ancestry import (
    CHECKSUM,
    by_digits,
    in_portions,
    is_hexadecimal,
    is_like,
    known_ids,
    oldest_first,
)
from whiteline.database.linked import LinkedRecord, Mark, RecordCondition
from whiteline.database.rows import DECODING_ERRORS, damaged_record
from whiteline.database.sqlite_links import RecordReader, entity_of, entity_range
from whiteline.provenance import utc_now

__all__ = ["LineageReader", "list_members", "mark", "read_marks", "unmark"]

_GROUP: Final = 500
# So many spectra of one entity are looked at for whole ids that begin like it.
_N_LOOKED_AT: Final = 100
_OF_SPECTRA: Final = (
    "SELECT s.id, r.id, r.started_at, r.content, c.content FROM records AS r JOIN spectra AS s "
    "ON s.key = r.spectrum_key LEFT JOIN contexts AS c ON c.key = r.context_key"
)
_OF_JOBS: Final = (
    "SELECT '', a.id, a.started_at, a.content, c.content FROM activities AS a "
    "LEFT JOIN contexts AS c ON c.key = a.context_key"
)


class LineageReader:
    """Reads records; each context is decoded once.

    Args:
        connection: To the store.
        address: What messages call the store.
    """

    def __init__(self, connection: sqlite3.Connection, address: str) -> None:
        self._connection = connection
        self._address = address
        self._reader = RecordReader()

    def of_spectrum(self, spectrum_id: str) -> Iterator[LinkedRecord]:
        """Yield the records of a spectrum, the job that started first at the front."""
        return self._read(f"{_OF_SPECTRA} WHERE s.id = ? ORDER BY r.started_at, r.id", [spectrum_id])

    def of_subjects(self, subjects: Iterable[int]) -> Iterator[LinkedRecord]:
        """Yield the records of spectra by their keys, and those of jobs by theirs, below zero, in groups."""
        for group in in_portions(list(subjects), _GROUP):
            spectra, jobs = [key for key in group if key > 0], [-key for key in group if key < 0]
            yield from self._read(f"{_OF_SPECTRA} WHERE r.spectrum_key IN ({_numbers(spectra)})")
            yield from self._read(f"{_OF_JOBS} WHERE a.key IN ({_numbers(jobs)}) ORDER BY a.started_at, a.id")

    def linked(self, ids: Iterable[str]) -> list[LinkedRecord]:
        """Return the records that are, used or made one of these things, or have one as a member; oldest first."""
        wanted = set(ids)
        named: set[int] = set()
        for entities in in_portions(sorted({entity_of(each) for each in wanted}), _GROUP):
            sql = f"SELECT subject FROM links WHERE entity IN ({_marks(entities)})"  # noqa: S608  # question marks
            named.update(self._integers(sql, entities))
        owned: set[int] = set()
        for group in in_portions(sorted(wanted), _GROUP):
            sql = f"SELECT key FROM spectra WHERE id IN ({_marks(group)})"  # noqa: S608  # likewise
            owned.update(self._integers(sql, group))
        joined: set[int] = set()
        for keys in in_portions(sorted(owned), _GROUP):
            sql = f"SELECT DISTINCT -activity_key FROM members WHERE spectrum_key IN ({_numbers(keys)})"  # noqa: S608
            joined.update(self._integers(sql, ()))
        found = [each for each in self.of_subjects(sorted(named | owned)) if _is_linked(each, wanted)]
        return oldest_first([*found, *self.of_subjects(sorted(joined))])

    def ids_like(self, prefix: str, limit: int) -> list[str]:
        """Return ids of what records name, and of records, that begin so, in their order."""
        digits = prefix.removeprefix(CHECKSUM)
        if digits and not is_hexadecimal(digits):
            return [prefix] if self.linked([prefix]) else []  # known by its hash alone
        least, largest = entity_range(digits)
        found: set[str] = set()
        sql = "SELECT entity FROM links WHERE entity >= ? AND entity <= ? ORDER BY entity LIMIT 1"
        row = self._connection.execute(sql, (least, largest)).fetchone()
        while row and len(found) < limit:
            found.update(self._ids_of(row[0], prefix))
            row = self._connection.execute(sql.replace(">=", ">"), (row[0], largest)).fetchone()
        if digits == prefix:
            # Every spectrum has a record that made it, which its own id is not linked to.
            spectra = "SELECT id FROM spectra WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
            found.update(each for (each,) in self._connection.execute(spectra, (prefix, f"{prefix}g", limit)))
        return by_digits(found, limit)

    def _ids_of(self, entity: bytes, prefix: str) -> Iterator[str]:
        """Yield the whole ids of an entity that begin so; none where it is that of a context or of a hashed name."""
        sql = "SELECT subject FROM links WHERE entity = ? LIMIT ?"
        for linked in self.of_subjects(self._integers(sql, (entity, _N_LOOKED_AT))):
            for each in known_ids(linked.record, linked.record.id):
                if is_like(each, prefix) and entity_of(each) == entity:
                    yield each

    def matching(self, condition: RecordCondition) -> list[int]:
        """Return the spectra, and the jobs below zero, that may have records of which a condition holds."""
        subjects: set[int] = set()
        for (content,) in self._connection.execute("SELECT content FROM contexts").fetchall():
            try:
                entity = self._reader.entity(content) if condition.holds_for(json.loads(content)) else None
            except DECODING_ERRORS:
                continue  # whoever reads its records is told
            if entity is not None:
                subjects.update(self._integers("SELECT subject FROM links WHERE entity = ?", (entity,)))
        return sorted(subjects)

    def activities(self) -> list[int]:
        """Return the jobs that made no spectrum, below zero, those that started first at the front."""
        return self._integers("SELECT -key FROM activities ORDER BY started_at, id", ())

    def _integers(self, sql: str, values: Sequence[object]) -> list[int]:
        return [int(found) for (found,) in self._connection.execute(sql, values)]

    def _read(self, sql: str, values: Sequence[object] = ()) -> Iterator[LinkedRecord]:
        # All rows at once: no cursor stays open while others write.
        for spectrum_id, *row in self._connection.execute(sql, values).fetchall():
            try:
                record = self._reader.read(*row)
            except DECODING_ERRORS as error:
                raise damaged_record(row[0], spectrum_id, self._address, error) from error
            yield LinkedRecord(record, spectrum_id)


def list_members(connection: sqlite3.Connection, record_id: str) -> list[str]:
    """Return the ids of the members of a job that are stored, in their order."""
    sql = (
        "SELECT s.id FROM activities AS a JOIN members AS m ON m.activity_key = a.key "
        "JOIN spectra AS s ON s.key = m.spectrum_key WHERE a.id = ? ORDER BY m.position"
    )
    return [spectrum_id for (spectrum_id,) in connection.execute(sql, (record_id,))]


def mark(connection: sqlite3.Connection, ids: Iterable[str], reason: str, marked_at: str = "") -> int:
    """Mark things; return how many were not yet for this reason."""
    sql = (
        "INSERT INTO marks (id, reason, marked_at) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE "
        "SET reason = excluded.reason, marked_at = excluded.marked_at WHERE reason <> excluded.reason"
    )
    since = marked_at or utc_now()
    return connection.executemany(sql, [(each, reason, since) for each in dict.fromkeys(ids)]).rowcount


def unmark(connection: sqlite3.Connection, ids: Iterable[str]) -> int:
    """Take the marks of things away; return how many had one."""
    return connection.executemany("DELETE FROM marks WHERE id = ?", [(each,) for each in dict.fromkeys(ids)]).rowcount


def read_marks(connection: sqlite3.Connection, ids: Sequence[str] | None) -> dict[str, Mark]:
    """Return the marks of these things, or all there are, by id."""
    sql = "SELECT id, reason, marked_at FROM marks"
    if ids is None:
        rows = connection.execute(f"{sql} ORDER BY id").fetchall()
    else:
        groups = in_portions(sorted(set(ids)), _GROUP)
        rows = [row for group in groups for row in connection.execute(f"{sql} WHERE id IN ({_marks(group)})", group)]
    return {each: Mark(reason, marked_at) for each, reason, marked_at in sorted(rows)}


def _is_linked(found: LinkedRecord, wanted: set[str]) -> bool:
    return found.spectrum_id in wanted or not wanted.isdisjoint(known_ids(found.record, found.record.id))


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _numbers(keys: Iterable[int]) -> str:
    return ", ".join(f"{key:d}" for key in keys)
