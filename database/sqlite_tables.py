"""The tables and indexes of the embedded store, version 3.

What many spectra share – structures, axes, parameters, raw files – is kept once, named by its content hash and
referred to by a small integer. `descriptions` and `contexts` hold what documents and records share beside; contexts
stay when their last record is deleted. Indexes end in the fields that queries filter and sort by, so that the rows of a
large table are read only for what is found.

`activities` are records of jobs that made no spectrum, and `members` the spectra that they used beside those that they
name. `links` is an index of records by what they name; see `sqlite_links`.
"""

from __future__ import annotations

import sqlite3

from whiteline.database.store import IndexStatus

__all__ = ["STORE_SCHEMA_VERSION", "find_indexes", "make_missing"]

STORE_SCHEMA_VERSION = 3

_TABLES = {
    "meta": "(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "structures": """(
  key INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, content BLOB NOT NULL, structure_id TEXT NOT NULL)""",
    "grids": "(key INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, content BLOB NOT NULL)",
    "parameters": "(key INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, content TEXT NOT NULL)",
    "descriptions": "(key INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, content TEXT NOT NULL)",
    "contexts": "(key INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, content TEXT NOT NULL)",
    "elements": "(element TEXT, chemical_system TEXT, PRIMARY KEY (element, chemical_system)) WITHOUT ROWID",
    "spectra": """(
  key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,
  absorber TEXT NOT NULL, edge TEXT NOT NULL, code TEXT NOT NULL, code_version TEXT NOT NULL, fidelity TEXT NOT NULL,
  structure_id TEXT NOT NULL, formula TEXT NOT NULL, chemical_system TEXT NOT NULL, space_group INTEGER NOT NULL,
  space_group_symbol TEXT NOT NULL, site_id TEXT NOT NULL, site_index INTEGER, multiplicity INTEGER NOT NULL,
  source TEXT NOT NULL, created_at TEXT NOT NULL, n_points INTEGER NOT NULL, energy_min REAL, energy_max REAL,
  details TEXT NOT NULL, structure_key INTEGER NOT NULL, parameters_key INTEGER NOT NULL,
  description_key INTEGER NOT NULL, revision INTEGER NOT NULL)""",
    "components": "(key INTEGER PRIMARY KEY, grid_key INTEGER NOT NULL, weights BLOB, data BLOB NOT NULL)",
    "records": """(
  spectrum_key INTEGER NOT NULL, id TEXT NOT NULL, started_at TEXT NOT NULL, content TEXT NOT NULL,
  context_key INTEGER NOT NULL, PRIMARY KEY (spectrum_key, id)) WITHOUT ROWID""",
    "blobs": "(key INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, size INTEGER NOT NULL, content BLOB NOT NULL)",
    "files": """(
  spectrum_key INTEGER NOT NULL, name TEXT NOT NULL, blob_key INTEGER NOT NULL,
  PRIMARY KEY (spectrum_key, name)) WITHOUT ROWID""",
    "links": "(entity BLOB NOT NULL, subject INTEGER NOT NULL, PRIMARY KEY (entity, subject)) WITHOUT ROWID",
    "activities": """(
  key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, started_at TEXT NOT NULL, content TEXT NOT NULL,
  context_key INTEGER NOT NULL)""",
    "members": """(
  activity_key INTEGER NOT NULL, position INTEGER NOT NULL, spectrum_key INTEGER NOT NULL,
  PRIMARY KEY (activity_key, position)) WITHOUT ROWID""",
    "marks": "(id TEXT PRIMARY KEY, reason TEXT NOT NULL, marked_at TEXT NOT NULL) WITHOUT ROWID",
}
# Name: table and fields. A condition, where there is one, stands in `_CONDITIONS`.
_INDEXES = {
    "spectra_by_time": ("spectra", ("created_at", "id", "status", "n_points", "code", "chemical_system")),
    "spectra_by_absorber": (
        "spectra",
        (
            *("absorber", "created_at", "id", "status", "edge", "code", "fidelity"),
            *("chemical_system", "parameters_key", "n_points"),
        ),
    ),
    "spectra_by_fidelity": (
        "spectra",
        ("fidelity", "absorber", "edge", "created_at", "id", "status", "code", "n_points"),
    ),
    "spectra_by_space_group": ("spectra", ("space_group", "absorber", "created_at", "id", "status")),
    "spectra_by_system": ("spectra", ("chemical_system", "status", "created_at")),
    "spectra_by_formula": ("spectra", ("formula", "status", "created_at")),
    "spectra_by_site": ("spectra", ("site_id",)),
    "spectra_by_structure": ("spectra", ("structure_key",)),
    "spectra_by_parameters": ("spectra", ("parameters_key",)),
    "spectra_by_description": ("spectra", ("description_key",)),
    "spectra_by_revision": ("spectra", ("revision",)),
    "spectra_not_converged": ("spectra", ("status", "created_at", "id")),
    "structures_by_id": ("structures", ("structure_id",)),
    "components_by_grid": ("components", ("grid_key",)),
    "files_by_blob": ("files", ("blob_key",)),
    "members_by_spectrum": ("members", ("spectrum_key",)),
}
_CONDITIONS = {"spectra_not_converged": " WHERE status <> 'converged'"}


def make_missing(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Make the tables and indexes that are not there, inside a transaction; return their names."""
    there = _names(connection)
    statements = {name: f"CREATE TABLE {name} {columns}" for name, columns in _TABLES.items()}
    for name, (table, fields) in _INDEXES.items():
        statements[name] = f"CREATE INDEX {name} ON {table} ({', '.join(fields)}){_CONDITIONS.get(name, '')}"
    missing = tuple(name for name in statements if name not in there)
    for name in missing:
        connection.execute(statements[name])
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('revision', 0)")
    return missing


def find_indexes(connection: sqlite3.Connection) -> tuple[IndexStatus, ...]:
    """Return every index that the store should have."""
    there = _names(connection)
    return tuple(IndexStatus(name, fields, name in there) for name, (_, fields) in _INDEXES.items())


def _names(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
