"""Vectors of few numbers in place of long ones, with a bound on how alike the long ones are.

Principal components keep most of a vector v: z = B^T (v - mean). Distances shrink by leaving numbers out, so that
|z - z'| <= |v - v'|. A reduced row holds (z, -|z|^2/2, 1); its product with (z', 1, -|z'|^2/2) is -|z - z'|^2/2, and
one matrix product bounds all rows by all variants of a query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.database.search.metrics import MAX_PRODUCT

__all__ = ["N_REDUCED", "Basis", "fit_basis"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Single: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

N_REDUCED: Final = 48  # numbers of a reduced row, two of them for the lengths


@dataclass(frozen=True, eq=False)
class Basis:
    """Mean and principal components of the vectors of one metric.

    Attributes:
        mean: Shape (n_grid,).
        components: Orthonormal columns, shape (n_grid, n_reduced - 2).
    """

    mean: Float[Array, " grid"]
    components: Float[Array, "grid component"]

    def rows(self, vectors: Float[Array, "row grid"]) -> Float[Single, "row reduced"]:
        """Return reduced rows of stored vectors, shape (n_row, n_reduced)."""
        return self._reduced(vectors, lengths_first=True)

    def columns(self, vectors: Float[Array, "variant grid"]) -> Float[Single, "variant reduced"]:
        """Return the counterparts of `rows` for a query, shape (n_variant, n_reduced)."""
        return self._reduced(vectors, lengths_first=False)

    def _reduced(self, vectors: Float[Array, "row grid"], *, lengths_first: bool) -> Float[Single, "row reduced"]:
        z = _product(vectors - self.mean, self.components)
        lengths = -0.5 * np.einsum("rc,rc->r", z, z)
        ones = np.ones_like(lengths)
        tail = (lengths, ones) if lengths_first else (ones, lengths)
        return np.column_stack((z, *tail)).astype(np.float32)

    def to_array(self) -> Float[Array, "rows grid"]:
        """Return mean and components as the rows of one array."""
        return np.vstack((self.mean, self.components.T))

    @classmethod
    def from_array(cls, array: Float[Array, "rows grid"]) -> Basis:
        """Rebuild what `to_array` returned."""
        return cls(array[0], np.ascontiguousarray(array[1:].T))


def fit_basis(vectors: Float[Array, "sample grid"]) -> Basis:
    """Return the principal components of a sample, shape (n_sample, n_grid)."""
    mean = vectors.mean(axis=0)
    centred = vectors - mean
    _, axes = np.linalg.eigh(_squares(centred))  # by growing share of the variance
    return Basis(mean, np.ascontiguousarray(axes[:, ::-1][:, : N_REDUCED - 2]))


def _product(rows: Float[Array, "row grid"], matrix: Float[Array, "grid column"]) -> Float[Array, "row column"]:
    """Return `rows @ matrix` in pieces for which BLAS starts no threads; see `MAX_PRODUCT`."""
    n_block = max(1, MAX_PRODUCT // matrix.size)
    n_whole = len(rows) // n_block * n_block
    pieces = np.matmul(rows[:n_whole].reshape(-1, n_block, rows.shape[1]), matrix)
    return np.concatenate((pieces.reshape(n_whole, matrix.shape[1]), rows[n_whole:] @ matrix))


def _squares(rows: Float[Array, "row grid"]) -> Float[Array, "grid grid"]:
    """Return `rows.T @ rows`, likewise."""
    n_grid = rows.shape[1]
    n_block = max(1, MAX_PRODUCT // n_grid**2)
    # A copy: of an array and its own transpose BLAS makes another product, with threads.
    columns = np.ascontiguousarray(rows.T)
    total, piece = np.zeros((n_grid, n_grid)), np.empty((n_grid, n_grid))
    for start in range(0, len(rows), n_block):
        part = slice(start, start + n_block)
        total += np.matmul(columns[:, part], rows[part], out=piece)
    return total
