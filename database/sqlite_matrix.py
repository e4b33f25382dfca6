"""Many stored spectra as arrays, read in the order of the file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from whiteline.database.curves import CURVE_COLUMNS, CurveBlock, StoredCurve, assemble_block
from whiteline.database.matrix import assemble
from whiteline.database.rows import content_hash

__all__ = ["read_curves", "read_matrix"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Keys: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

_GROUP = 1000
_N_COLUMNS = len(CURVE_COLUMNS)
_CURVES = (
    f"SELECT {', '.join(f's.{name}' for name in CURVE_COLUMNS)}, "  # noqa: S608  # constants
    "json_extract(d.content, '$.spectrum.quantity'), json_extract(s.details, '$.spectrum.reference_energy'), "
    "c.grid_key, c.weights, c.data FROM components AS c JOIN spectra AS s ON s.key = c.key "
    "JOIN descriptions AS d ON d.key = s.description_key"
)


def read_matrix(
    connection: sqlite3.Connection, found: Sequence[tuple[int, str]], grid: Float[Array, " energy"]
) -> tuple[list[str], Float[Array, "spectrum energy"]]:
    """Return ids and raw powder intensities, shape (n_spectrum, n_energy), inside a transaction.

    Args:
        connection: Where to read.
        found: Keys and ids of spectra, in the order of the rows.
        grid: Axis of the matrix, shape (n_energy,) [eV], as `matrix.check_grid` returns it.

    Raises:
        InputError: A spectrum does not cover the grid.
    """
    ids = [spectrum_id for _, spectrum_id in found]
    keys = np.fromiter((key for key, _ in found), dtype=np.int64, count=len(found))
    row = connection.execute("SELECT key FROM grids WHERE hash = ?", (content_hash(grid.tobytes()),)).fetchone()
    if row is not None:
        matrix = _read_alike(connection, keys, grid_key=row[0], n_energy=grid.size)
        if matrix is not None:
            return ids, matrix
    return assemble(
        ids,
        _read_any(connection, keys),
        grid,
        key=str(row[0]) if row else "",
        read_energy=lambda _, grid_key: _read_energy(connection, grid_key),
    )


def read_curves(connection: sqlite3.Connection, ids: Sequence[str], *, address: str) -> CurveBlock:
    """Return those of the spectra that have arrays, in the order of the file, inside a transaction.

    Args:
        connection: Where to read.
        ids: Ids of spectra.
        address: Of the store, for messages.

    Raises:
        CorruptStoreError: The arrays of a spectrum do not fit its axis.
    """
    sql = "SELECT key FROM spectra WHERE id IN (SELECT value FROM json_each(?))"
    keys = np.array([key for (key,) in connection.execute(sql, [json.dumps(list(ids))])], dtype=np.int64)
    stored = [
        StoredCurve(row[:_N_COLUMNS], *row[_N_COLUMNS:])
        for _, wanted in _groups(keys)
        for row in connection.execute(f"{_CURVES} WHERE c.key {wanted} ORDER BY c.key")
    ]
    grids = json.dumps(sorted({one.grid for one in stored}))
    sql = "SELECT key, content FROM grids WHERE key IN (SELECT value FROM json_each(?))"
    return assemble_block(stored, dict(connection.execute(sql, [grids])), address=address)


def _read_alike(
    connection: sqlite3.Connection, keys: Int[Keys, " spectrum"], *, grid_key: int, n_energy: int
) -> Float[Array, "spectrum energy"] | None:
    """Return the rows if all have this axis and one component; None at the first group that has others."""
    matrix = np.empty((len(keys), n_energy))
    for positions, wanted in _groups(keys):
        sql = (
            f"SELECT data FROM components WHERE key {wanted} "  # noqa: S608  # numbers
            f"AND grid_key = {grid_key:d} AND weights IS NULL ORDER BY key"
        )
        rows = np.frombuffer(b"".join(chain.from_iterable(connection.execute(sql))), dtype="<f8")
        if rows.size != len(positions) * n_energy:
            return None
        matrix[positions] = rows.reshape(-1, n_energy)
    return matrix


def _read_any(
    connection: sqlite3.Connection, keys: Int[Keys, " spectrum"]
) -> Iterator[tuple[list[int], list[tuple[str, bytes | None, bytes]]]]:
    for positions, wanted in _groups(keys):
        # The axis as text, as `assemble` names axes in every store.
        sql = f"SELECT CAST(grid_key AS TEXT), weights, data FROM components WHERE key {wanted} ORDER BY key"  # noqa: S608
        yield positions.tolist(), connection.execute(sql).fetchall()


def _groups(keys: Int[Keys, " spectrum"]) -> Iterator[tuple[Int[Keys, " group"], str]]:
    """Yield positions in `keys`, and the condition that finds them, in the order of the file: a disk reads ahead."""
    order = np.argsort(keys, kind="stable")
    for start in range(0, len(order), _GROUP):
        positions = order[start : start + _GROUP]
        group = keys[positions]
        is_gapless = group[-1] - group[0] == len(group) - 1
        yield (
            positions,
            (
                f"BETWEEN {group[0]:d} AND {group[-1]:d}"
                if is_gapless
                else f"IN ({', '.join(map(str, group.tolist()))})"
            ),
        )


def _read_energy(connection: sqlite3.Connection, grid_key: str) -> bytes:
    energy: bytes = connection.execute("SELECT content FROM grids WHERE key = ?", (int(grid_key),)).fetchone()[0]
    return energy
