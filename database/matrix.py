"""Stored spectra as the rows of one matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import InputError

__all__ = ["MatrixRow", "assemble", "check_grid"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


class MatrixRow(NamedTuple):
    """One stored spectrum: id, content hash of its axis, weights of its components, and these, as bytes."""

    id: str
    grid: str
    weights: bytes | None
    components: bytes


def check_grid(grid: Float[Array, " energy"]) -> Float[Array, " energy"]:
    """Return `grid` as stored axes are: little-endian float64, shape (n_energy,) [eV].

    Raises:
        InputError: It is not a strictly increasing, finite axis of two points or more.
    """
    axis = np.ascontiguousarray(grid, dtype="<f8")
    if axis.ndim != 1 or axis.size < 2 or not np.all(np.isfinite(axis)) or np.any(np.diff(axis) <= 0):
        raise InputError(
            "a grid is a strictly increasing, finite axis of 2 points or more in eV, "
            f"got an array of shape {axis.shape}"
        )
    return axis


def assemble(
    groups: Iterable[Sequence[tuple[str, str, bytes | None, bytes]]],
    grid: Float[Array, " energy"],
    *,
    key: str,
    n_rows: int,
    read_energy: Callable[[MatrixRow], bytes],
) -> tuple[list[str], Float[Array, "spectrum energy"]]:
    """Return ids and raw powder intensities, shape (n_spectrum, n_energy).

    Args:
        groups: Stored spectra, some at a time, each with the fields of `MatrixRow`.
        grid: Axis of the matrix, shape (n_energy,) [eV], as `check_grid` returns it.
        key: Content hash of `grid`; a row with this hash is copied, every other one is interpolated.
        n_rows: At most so many rows.
        read_energy: Returns the axis of a row; called once an axis.

    Raises:
        InputError: A spectrum does not cover the grid.
    """
    ids: list[str] = []
    matrix = np.empty((n_rows, grid.size))
    axes: dict[str, Array] = {key: grid}
    for group in groups:
        start, rows = len(ids), group[: n_rows - len(ids)]
        ids.extend([row[0] for row in rows])
        # Plain rows are joined and copied at once: most of the time of a large matrix is spent here.
        if all(row[1] == key and row[2] is None for row in rows):
            joined = np.frombuffer(b"".join([row[3] for row in rows]), dtype="<f8")
            matrix[start : len(ids)] = joined.reshape(len(rows), grid.size)
            continue
        for i_row, row in enumerate(map(MatrixRow._make, rows), start):
            if row.grid not in axes:
                axes[row.grid] = np.frombuffer(read_energy(row), dtype="<f8")
            matrix[i_row] = _on_grid(row, axes[row.grid], grid, is_on_grid=row.grid == key)
    return ids, matrix[: len(ids)]


def _on_grid(
    row: MatrixRow, energy: Float[Array, " axis"], grid: Float[Array, " energy"], *, is_on_grid: bool
) -> Float[Array, " energy"]:
    components = np.frombuffer(row.components, dtype="<f8").reshape(-1, energy.size)
    weights = np.ones(1) if row.weights is None else np.frombuffer(row.weights, dtype="<f8")
    powder: Array = weights @ components
    if is_on_grid:
        return powder
    if grid[0] < energy[0] or grid[-1] > energy[-1]:
        raise InputError(
            f"spectrum {row.id} covers {energy[0]:g} to {energy[-1]:g} eV and the grid asks for {grid[0]:g} "
            f"to {grid[-1]:g} eV: choose a grid that all spectra cover, or narrow the query"
        )
    interpolated: Array = np.interp(grid, energy, powder)
    return interpolated
