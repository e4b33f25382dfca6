"""Migration of the file of the embedded store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from whiteline.database.ancestry import minimal_record
from whiteline.database.migration import MigrationReport
from whiteline.database.rows import (
    DECODING_ERRORS,
    PLAIN_COLUMNS,
    compress,
    content_hash,
    read_summary,
)
from whiteline.database.sqlite_file import check_not_newer, explained, open_existing, transaction
from whiteline.database.sqlite_links import RecordReader, write_links
from whiteline.database.sqlite_pack import EXTENT_COLUMNS, PackedRecord, pack_record, split_details, split_record
from whiteline.database.sqlite_tables import STORE_SCHEMA_VERSION, make_missing
from whiteline.database.sqlite_write import write_records
from whiteline.errors import StoreError

__all__ = ["migrate_file"]

_N_LINKS = 1_000_000  # in memory at a time: sorted, they are written many times faster
_COUNTED = ("spectra", "structures", "records", "components", "grids")


def migrate_file(path: Path) -> MigrationReport:
    """Bring a file to the present schema version, a copy of it beside it; see `migration.migrate`."""
    with explained(path), closing(open_existing(path)) as connection:
        old_version = check_not_newer(connection, path)
        backup = None
        if old_version < STORE_SCHEMA_VERSION:
            # The copy is made under the lock, so that nothing is written between the two.
            with transaction(connection):
                old_version = check_not_newer(connection, path)
                if old_version < STORE_SCHEMA_VERSION:
                    backup = _copy(path, old_version)
                    _migrate(connection, path, old_version, backup)
            # What later opens the file sees its version without the log.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        counts = _count(connection)
    return MigrationReport(
        address=f"sqlite:///{path.absolute()}",
        old_version=old_version,
        new_version=STORE_SCHEMA_VERSION,
        backup=backup,
        n_spectra=counts["spectra"],
        n_structures=counts["structures"],
        n_records=counts["records"],
    )


def _copy(path: Path, version: int) -> Path:
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    backup = path.with_name(f"{path.name}.v{version}-{moment}.bak")
    if backup.exists():
        raise StoreError(f"the backup {backup} is there already: move it away, then migrate again")
    with explained(backup), closing(open_existing(path)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
        # A copy that stands alone: no log beside it.
        target.execute("PRAGMA journal_mode = DELETE")
    return backup


def _migrate(connection: sqlite3.Connection, path: Path, version: int, backup: Path) -> None:
    before = _count(connection)
    n_made = 0
    for step in range(version, STORE_SCHEMA_VERSION):
        n_made += _STEPS[step](connection)
    connection.execute(f"PRAGMA user_version = {STORE_SCHEMA_VERSION}")
    after = _count(connection)
    before["records"] += n_made
    if before != after:
        raise StoreError(
            f"the store {path} was left as it is: after its migration it would hold {after} instead of {before}, so "
            f"that something in it refers to what is not there; restore an earlier copy and migrate that, or report "
            f"this with the copy {backup}"
        )


def _count(connection: sqlite3.Connection) -> dict[str, int]:
    return {
        table: int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608  # constants
        for table in _COUNTED
    }


def _to_version_2(connection: sqlite3.Connection) -> int:
    """Keep shared contents once under integer keys, compress structures, and number what was written."""
    functions: dict[str, Callable[[str], bytes | str]] = {
        "from_hex": bytes.fromhex,
        "hash_of": lambda text: content_hash(text.encode()),
        "compressed": compress,
        "description_of": lambda text: _part(split_details, text, 0),
        "details_of": lambda text: _part(split_details, text, 1),
        "context_of": lambda text: _part(split_record, text, 0),
        "record_of": lambda text: _part(split_record, text, 1),
    }
    for name, function in functions.items():
        connection.create_function(name, 1, function, deterministic=True)
    found = connection.execute("SELECT type, name FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    for kind, name in found:
        statement = f"DROP INDEX {name}" if kind == "index" else f"ALTER TABLE {name} RENAME TO old_{name}"
        connection.execute(statement)
    make_missing(connection)
    for statement in filter(str.strip, _FROM_1_TO_2.split(";")):
        connection.execute(statement)
    for kind, name in found:
        if kind == "table":
            connection.execute(f"DROP TABLE old_{name}")
    return 0


def _to_version_3(connection: sqlite3.Connection) -> int:
    """Link records to what they name, and give spectra without one a record; return how many."""
    make_missing(connection)
    sql = (
        "SELECT r.spectrum_key, s.id, r.id, r.started_at, r.content, c.content FROM records AS r "
        "JOIN spectra AS s ON s.key = r.spectrum_key JOIN contexts AS c ON c.key = r.context_key"
    )
    links: list[tuple[bytes, int]] = []
    reader = RecordReader()
    for key, spectrum_id, *row in connection.execute(sql):
        try:
            links += ((entity, key) for entity in reader.links(spectrum_id, row))
        except DECODING_ERRORS:
            continue  # what nobody can read stays as it is: `whiteline db verify` names it
        if len(links) > _N_LINKS:
            write_links(connection, links)
            links.clear()
    write_links(connection, links)
    made = list(_made_records(connection))
    write_records(connection, made, known=())
    return len(made)


def _made_records(connection: sqlite3.Connection) -> Iterator[tuple[int, PackedRecord]]:
    """Yield a record for each spectrum that has none."""
    names = (*PLAIN_COLUMNS, *EXTENT_COLUMNS)
    columns = ", ".join(f"s.{name}" for name in names)
    sql = (
        f"SELECT s.key, p.content, s.details, {columns} FROM spectra AS s "  # noqa: S608  # constants
        "JOIN parameters AS p ON p.key = s.parameters_key WHERE s.key NOT IN (SELECT spectrum_key FROM records)"
    )
    for key, parameters, details, *values in connection.execute(sql):
        summary = read_summary(dict(zip(names, values, strict=True)), parameters=parameters)
        record = minimal_record(summary, json.loads(details)["parents"])
        yield key, pack_record(record, summary.id)


def _part(split: Callable[[Mapping[str, Any]], tuple[dict[str, Any], dict[str, Any]]], text: str, part: int) -> str:
    stored = json.loads(text)
    stored.pop("elements", None)  # the chemical system says the same
    return json.dumps(split(stored)[part], separators=(",", ":"))


_FROM_1_TO_2 = """
INSERT INTO elements SELECT element, chemical_system FROM old_elements;
INSERT INTO structures (hash, content, structure_id)
  SELECT from_hex(key), compressed(structure), structure_id FROM old_structures;
INSERT INTO grids (hash, content) SELECT from_hex(hash), energy FROM old_grids;
INSERT INTO parameters (hash, content) SELECT hash_of(parameters), parameters FROM old_spectra GROUP BY parameters;
INSERT INTO descriptions (hash, content) SELECT hash_of(shared), shared
  FROM (SELECT DISTINCT description_of(details) AS shared FROM old_spectra);
INSERT INTO contexts (hash, content) SELECT hash_of(shared), shared
  FROM (SELECT DISTINCT context_of(record) AS shared FROM old_records);
INSERT INTO spectra (
  key, id, kind, status, reason, absorber, edge, code, code_version, fidelity, structure_id, formula,
  chemical_system, space_group, space_group_symbol, site_id, site_index, multiplicity, source, created_at,
  n_points, energy_min, energy_max, details, structure_key, parameters_key, description_key, revision)
SELECT
  s.key, s.id, s.kind, s.status, s.reason, s.absorber, s.edge, s.code, s.code_version, s.fidelity, s.structure_id,
  s.formula, s.chemical_system, s.space_group, s.space_group_symbol, s.site_id, s.site_index, s.multiplicity,
  s.source, s.created_at, s.n_points, s.energy_min, s.energy_max,
  details_of(s.details),
  (SELECT key FROM structures WHERE hash = from_hex(s.structure_key)),
  (SELECT key FROM parameters WHERE hash = hash_of(s.parameters)),
  (SELECT key FROM descriptions WHERE hash = hash_of(description_of(s.details))),
  row_number() OVER (ORDER BY s.key)
FROM old_spectra AS s;
UPDATE meta SET value = (SELECT count(*) FROM spectra) WHERE name = 'revision';
INSERT INTO components SELECT c.key, g.key, c.weights, c.data FROM old_components AS c
  JOIN grids AS g ON g.hash = from_hex(c.grid);
INSERT INTO records SELECT s.key, r.record_id, r.started_at, record_of(r.record),
  (SELECT key FROM contexts WHERE hash = hash_of(context_of(r.record)))
  FROM old_records AS r JOIN spectra AS s ON s.id = r.spectrum_id;
"""
# One function a step: the entry at `n` turns a file of schema version n into one of version n + 1.
# It returns how many records it made.
_STEPS: dict[int, Callable[[sqlite3.Connection], int]] = {1: _to_version_2, 2: _to_version_3}
