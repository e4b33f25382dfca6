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
        z = (vectors - self.mean) @ self.components
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
    _, axes = np.linalg.eigh(centred.T @ centred)  # by growing share of the variance
    return Basis(mean, np.ascontiguousarray(axes[:, ::-1][:, : N_REDUCED - 2]))
