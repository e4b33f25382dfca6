"""The index of records by what they name, in the embedded store.

A row of `links` says that a record of `subject`, the key of a spectrum or, below zero, of an activity, names an
`entity`. Entities are the first eight bytes of an id, so that a million spectra stay quick and ids are found by their
beginning; which of the records it was, and whether it names the whole id, is read from these. Each record is linked to
a hash of its context, too.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from whiteline.database.ancestry import CHECKSUM, is_hexadecimal, known_ids
from whiteline.database.rows import DECODING_ERRORS, content_hash
from whiteline.errors import SchemaVersionError
from whiteline.provenance import ProvenanceRecord

__all__ = ["RecordReader", "context_entity", "entity_of", "entity_range", "remove_links", "write_links"]

_N_BYTES: Final = 8
_N_DIGITS: Final = 2 * _N_BYTES
_N_CONTEXTS = 1000  # kept decoded; those of batch jobs are as many as records
# What a record has for itself, where only its context matters.
_NOTHING = '{"used":{},"generated":{},"timings":{},"ended_at":""}'
_INSERT = "INSERT OR IGNORE INTO links (entity, subject) VALUES (?, ?)"
_DELETE = "DELETE FROM links WHERE entity = ? AND subject = ?"


@lru_cache(maxsize=16384)  # crystals, programs and pseudopotentials come again and again
def entity_of(text: str) -> bytes:
    """Return the entity of an id: its first bytes, or those of its hash where it is no hexadecimal number.

    >>> entity_of("sha256:00ff").hex(), entity_of("00ff").hex(), len(entity_of("mp-149"))
    ('00ff', '00ff', 8)
    """
    digits = text[len(CHECKSUM) :] if text.startswith(CHECKSUM) else text
    if not is_hexadecimal(digits):
        return hashlib.sha256(text.encode()).digest()[:_N_BYTES]
    digits = digits[:_N_DIGITS]
    return bytes.fromhex(digits if len(digits) % 2 == 0 else f"{digits}0")


def entity_range(prefix: str) -> tuple[bytes, bytes]:
    """Return the least and the largest entity of ids that begin with hexadecimal digits.

    >>> [bound.hex() for bound in entity_range("00f")]
    ['00f0', '00ffffffffffffff']
    """
    digits = prefix[:_N_DIGITS]
    return entity_of(digits) if digits else b"", bytes.fromhex(digits.ljust(_N_DIGITS, "f"))


def context_entity(shared: Mapping[str, Any]) -> bytes:
    """Return the entity of what many records share, whatever the order of its keys and its schema version.

    Args:
        shared: `ProvenanceRecord.shared_part`.
    """
    return content_hash(json.dumps(shared, sort_keys=True, separators=(",", ":")).encode())[:_N_BYTES]


class RecordReader:
    """Makes records of rows; each context is decoded once.

    What its methods raise: `SchemaVersionError` for records of a newer Whiteline, one of `rows.DECODING_ERRORS` for
    damaged ones.
    """

    def __init__(self) -> None:
        self._contexts: dict[str, Mapping[str, Any]] = {}
        self._entities: dict[str, bytes] = {}

    def read(self, record_id: str, started_at: str, own: str, context: str) -> ProvenanceRecord:
        """Return a record from what it has for itself and from the text of its context."""
        if context not in self._contexts:
            _make_room(self._contexts)
            self._contexts[context] = json.loads(context)
        values = {**self._contexts[context], **json.loads(own), "id": record_id, "started_at": started_at}
        return ProvenanceRecord.from_dict(values)

    def entity(self, context: str) -> bytes:
        """Return the entity of a context."""
        if context not in self._entities:
            _make_room(self._entities)
            self._entities[context] = context_entity(self.read("", "", _NOTHING, context).shared_part())
        return self._entities[context]

    def links(self, spectrum_id: str, row: Sequence[str]) -> set[bytes]:
        """Return the entities under which a record is found.

        Args:
            spectrum_id: Whose it is; empty where a job made no spectrum.
            row: What `read` takes.
        """
        ids = known_ids(self.read(*row), row[0], spectrum_id=spectrum_id)
        return {self.entity(row[-1]), *map(entity_of, ids)}


def _make_room(known: dict[str, Any]) -> None:
    if len(known) >= _N_CONTEXTS:
        known.clear()


def write_links(connection: sqlite3.Connection, links: Iterable[tuple[bytes, int]]) -> None:
    """Write pairs of entity and subject inside a transaction."""
    # In the order of the table: neighbours are written to the same page.
    connection.executemany(_INSERT, sorted(links))


def remove_links(connection: sqlite3.Connection, spectrum_key: int, spectrum_id: str) -> None:
    """Remove the links of the records of a spectrum, before these, inside a transaction."""
    sql = (
        "SELECT r.id, r.started_at, r.content, c.content FROM records AS r "
        "LEFT JOIN contexts AS c ON c.key = r.context_key WHERE r.spectrum_key = ?"
    )
    reader = RecordReader()
    try:
        rows = connection.execute(sql, (spectrum_key,)).fetchall()
        entities = set().union(*(reader.links(spectrum_id, row) for row in rows))
    except (SchemaVersionError, *DECODING_ERRORS):
        # What it names cannot be read any more: all links are looked at.
        connection.execute("DELETE FROM links WHERE subject = ?", (spectrum_key,))
        return
    connection.executemany(_DELETE, [(entity, spectrum_key) for entity in entities])
