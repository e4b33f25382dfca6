"""Grids of k points by effective length: the shortest period that a grid can tell from infinity.

A grid of N_i points along each reciprocal vector is that of a supercell of N_i cells; its effective length is
R = min_i N_i / |b_i|, with b_i the reciprocal vectors without 2 pi [1/Å]. Grids chosen by it are equally dense in
every material and cell (Meng et al., Phys. Rev. Materials 8, 013801 (2024), doi:10.1103/PhysRevMaterials.8.013801).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import ParameterError

__all__ = ["BOHR", "Grid", "distinct_grids", "effective_length", "grid_for_length", "grid_within"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Grid: TypeAlias = tuple[int, int, int]

BOHR = 0.529177210544  # Å; CODATA 2022

# What Lightshow steps its trial lengths by, in its own units (2 pi Å), and where it ends.
_TRIAL_STEP, _TRIAL_END = 0.2, 10.0


def effective_length(lattice: Float[Array, "3 3"], grid: Grid) -> float:
    """Return the effective length of a grid [Å].

    >>> round(effective_length(4.0 * np.eye(3), (3, 3, 2)), 6)
    8.0
    """
    return float(np.min(np.array(grid) / _reciprocal_lengths(lattice)))


def grid_for_length(lattice: Float[Array, "3 3"], length: float) -> Grid:
    """Return the smallest grid whose effective length exceeds `length` [Å].

    Args:
        lattice: Rows are the vectors of the cell [Å].
        length: Effective length [Å].

    >>> grid_for_length(4.0 * np.eye(3), 10.0)
    (3, 3, 3)
    """
    if not 0 < length < 1e4:
        raise ParameterError(f"the effective length of a k grid must lie between 0 and 10000 Å, got {length}")
    return _grid(np.floor(length * _reciprocal_lengths(lattice)) + 1)


def distinct_grids(lattice: Float[Array, "3 3"], length: float) -> Iterator[Grid]:
    """Yield all different grids of `grid_for_length` below `length` [Å], coarsest first."""
    reciprocal = _reciprocal_lengths(lattice)
    # A grid changes where length * |b_i| passes a whole number.
    turns = sorted({n / b for b in reciprocal for n in range(1, ceil(length * b - 1e-9))})
    grids = [
        grid_for_length(lattice, (low + high) / 2) for low, high in zip([0.0, *turns], [*turns, length], strict=True)
    ]
    yield from dict.fromkeys(grids)


def grid_within(lattice: Float[Array, "3 3"], cutoff: float, longest: float) -> Grid:
    """Return Lightshow's grid: the first whose length, min_i 2 pi N_i / b_i, exceeds `cutoff`.

    Trial grids floor(x b_i) + 1 are made at x = 0, 0.2 … 10 Å; where the first beyond `cutoff` is also beyond
    `longest`, one point is taken, as the published inputs do.

    Args:
        lattice: Rows are the vectors of the cell [Å].
        cutoff: Length to exceed [Å].
        longest: Length not to exceed [Å].
    """
    b = 2 * np.pi * _reciprocal_lengths(lattice)
    for x in np.arange(0.0, _TRIAL_END, _TRIAL_STEP):
        numbers = np.floor(x * b) + 1
        reached = float(np.min(2 * np.pi / b * numbers))
        if reached > longest:
            break
        if reached > cutoff:
            return _grid(numbers)
    return (1, 1, 1)


def _reciprocal_lengths(lattice: Float[Array, "3 3"]) -> Float[Array, " 3"]:
    """Return |b_i| without 2 pi [1/Å]."""
    return np.asarray(np.linalg.norm(np.linalg.inv(lattice), axis=0))


def _grid(numbers: Float[Array, " 3"]) -> Grid:
    first, second, third = (int(n) for n in numbers)
    return (first, second, third)
