"""Stored spectra as the rows of one matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import InputError

__all__ = ["MatrixRow", "assemble", "check_grid", "interpolate"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


class MatrixRow(NamedTuple):
    """One stored spectrum: content hash of its axis, weights of its components, and these, as bytes."""

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
    ids: Sequence[str],
    groups: Iterable[tuple[Sequence[int], Sequence[tuple[str, bytes | None, bytes]]]],
    grid: Float[Array, " energy"],
    *,
    key: str,
    read_energy: Callable[[str, str], bytes],
) -> tuple[list[str], Float[Array, "spectrum energy"]]:
    """Return ids and raw powder intensities, shape (n_spectrum, n_energy), in the order of `ids`.

    Args:
        ids: Ids of the wanted spectra; one that no group holds has no row.
        groups: Positions in `ids`, and the spectra there, each with the fields of `MatrixRow`.
        grid: Axis of the matrix, shape (n_energy,) [eV], as `check_grid` returns it.
        key: Content hash of `grid`; a row with this hash is copied, every other one is interpolated.
        read_energy: Returns the axis of a spectrum from its id and its hash; called once an axis.

    Raises:
        InputError: A spectrum does not cover the grid.
    """
    matrix = np.empty((len(ids), grid.size))
    is_found = np.zeros(len(ids), dtype=bool)
    axes: dict[str, Array] = {key: grid}
    for positions, rows in groups:
        if not rows:
            continue
        is_found[positions] = True
        grids, weights, components = zip(*rows, strict=True)
        # Plain rows are joined and copied at once: most of the time of a large matrix is spent here.
        if grids.count(key) == weights.count(None) == len(rows):
            matrix[positions] = np.frombuffer(b"".join(components), dtype="<f8").reshape(-1, grid.size)
            continue
        for i_row, row in zip(positions, map(MatrixRow._make, rows), strict=True):
            if row.grid not in axes:
                axes[row.grid] = np.frombuffer(read_energy(ids[i_row], row.grid), dtype="<f8")
            powder = _powder(row, axes[row.grid].size)
            if row.grid != key:
                powder = interpolate(ids[i_row], axes[row.grid], powder, grid)
            matrix[i_row] = powder
    if is_found.all():
        return list(ids), matrix
    return [name for name, found in zip(ids, is_found, strict=True) if found], matrix[is_found]


def _powder(row: MatrixRow, n_energy: int) -> Float[Array, " axis"]:
    components = np.frombuffer(row.components, dtype="<f8").reshape(-1, n_energy)
    weights = np.ones(1) if row.weights is None else np.frombuffer(row.weights, dtype="<f8")
    powder: Array = weights @ components
    return powder


def interpolate(
    name: str, energy: Float[Array, " axis"], curve: Float[Array, " axis"], grid: Float[Array, " energy"]
) -> Float[Array, " energy"]:
    """Return a curve between its points, linearly; at its points it keeps its values to the bit.

    Args:
        name: Id of the spectrum, for the message.
        energy: Axis of the curve, shape (n_axis,) [eV].
        curve: Intensity, shape (n_axis,).
        grid: Where it is wanted, shape (n_energy,) [eV].

    Raises:
        InputError: The axis does not cover the grid.
    """
    if grid[0] < energy[0] or grid[-1] > energy[-1]:
        raise InputError(
            f"spectrum {name} covers {energy[0]:g} to {energy[-1]:g} eV and the grid asks for {grid[0]:g} "
            f"to {grid[-1]:g} eV: choose a grid that all spectra cover, or narrow the query"
        )
    interpolated: Array = np.interp(grid, energy, curve)
    return interpolated
