"""How alike two spectra are, by the measures of the Ti-O-10 benchmark and by an earth mover's distance.

All measures are free of a common factor, so that curves in arbitrary units compare.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.alignment import best_shift, overlap_penalty, sample_overlap, segment
from whiteline.errors import InputError
from whiteline.spectrum import Spectrum

__all__ = ["Similarity", "area_difference", "compare", "cosine", "earth_mover", "pearson", "spearman"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Similarity:
    """How alike two spectra are on their overlap.

    Where less than half of the shorter curve overlaps, the three correlations are lowered by the factor of
    `whiteline.alignment.overlap_penalty`.

    Attributes:
        spearman: Rank correlation, -1 to 1.
        pearson: Linear correlation, -1 to 1.
        cosine: Cosine of the angle between the intensities, -1 to 1.
        area_difference: Half the area between the curves, each of area one; 0 to 1 where none is negative.
        earth_mover: Mean distance over which area is moved to turn one curve into the other [eV].
        shift: Shift added to the axis of the second spectrum to bring it onto the first [eV].
        overlap: Range compared [eV].
    """

    spearman: float
    pearson: float
    cosine: float
    area_difference: float
    earth_mover: float
    shift: float
    overlap: float

    def to_dict(self) -> dict[str, float]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def compare(
    a: Spectrum,
    b: Spectrum,
    *,
    align: bool = True,
    window: float | None = 35.0,
    onset: float = 0.02,
    max_shift: float = 12.0,
    step: float = 0.01,
    n_grid: int = 300,
    edge_tolerance: float | None = 2.0,
) -> Similarity:
    """Return how alike two spectra are, after the best rigid shift.

    Each curve is cut from its onset over `window`; the second is shifted (`whiteline.alignment.best_shift`);
    both are interpolated on one even grid over the overlap. The raw powder averages are compared: to compare
    Im epsilon with Im epsilon, give `spectrum.to_absolute(Quantity.IM_EPSILON)`.

    Args:
        a: Spectrum that stays.
        b: Spectrum that moves.
        align: Whether to seek the shift; without, the axes are taken as they are.
        window: Range compared from the onset [eV]; everything when None.
        onset: Fraction of the maximum where a curve starts.
        max_shift: Largest shift tried either way from coinciding onsets [eV].
        step: Distance of the shifts tried [eV].
        n_grid: Points of the common grid.
        edge_tolerance: Largest distance of the steepest rises after the shift [eV]; None does not look at them.

    Raises:
        InputError: A spectrum is zero, constant or too short, or the two do not overlap.

    >>> from whiteline.spectrum import EnergyReference
    >>> axis = np.linspace(0.0, 30.0, 301)
    >>> edge = Spectrum(axis, np.arctan(axis - 9) + 1.5, energy_reference=EnergyReference.FERMI)
    >>> result = compare(edge, edge.shift_by(3.0))
    >>> round(result.shift, 2), round(result.spearman, 6)
    (-3.0, 1.0)
    """
    shift = 0.0
    if align:
        shift = best_shift(
            a,
            b,
            max_shift=max_shift,
            step=step,
            onset=onset,
            window=window,
            n_grid=n_grid,
            edge_tolerance=edge_tolerance,
        )
    one, two = (segment(s, onset=onset, window=window) for s in (a, b))
    grids, ones, twos, overlaps = sample_overlap(one, two, np.array([shift]), n_grid=n_grid)
    factor = float(overlap_penalty(one, two, overlaps)[0])
    grid, y_one, y_two = grids[0], ones[0], twos[0]
    return Similarity(
        spearman=factor * spearman(y_one, y_two),
        pearson=factor * pearson(y_one, y_two),
        cosine=factor * cosine(y_one, y_two),
        area_difference=area_difference(grid, y_one, y_two),
        earth_mover=earth_mover(grid, y_one, y_two),
        shift=shift,
        overlap=float(overlaps[0]),
    )


def spearman(a: Float[Array, " energy"], b: Float[Array, " energy"]) -> float:
    """Return the rank correlation of two curves on the same grid, ties sharing their mean rank.

    Args:
        a: One curve, shape (n_energy,).
        b: The other curve, shape (n_energy,).

    Raises:
        InputError: A curve is constant, or the shapes differ.

    >>> round(spearman(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 8.0])), 12)
    1.0
    """
    return pearson(_ranks(a), _ranks(b))


def pearson(a: Float[Array, " energy"], b: Float[Array, " energy"]) -> float:
    """Return the linear correlation of two curves on the same grid.

    Args:
        a: One curve, shape (n_energy,).
        b: The other curve, shape (n_energy,).

    Raises:
        InputError: A curve is constant, or the shapes differ.
    """
    for name, curve in (("first", a), ("second", b)):
        if np.ptp(curve) == 0:
            raise InputError(f"the {name} curve is constant at {curve[0]:g}: it has no correlation")
    return cosine(a - np.mean(a), b - np.mean(b))


def cosine(a: Float[Array, " energy"], b: Float[Array, " energy"]) -> float:
    """Return the cosine of the angle between two curves on the same grid.

    Args:
        a: One curve, shape (n_energy,).
        b: The other curve, shape (n_energy,).

    Raises:
        InputError: A curve is zero everywhere, or the shapes differ.
    """
    if a.shape != b.shape:
        raise InputError(f"curves on one grid have the same shape, got {a.shape} and {b.shape}: resample one")
    norms = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if not min(norms) > 0:
        raise InputError("a curve is zero everywhere: it has no angle with another")
    # Rounding may pass one by an ulp.
    return float(np.clip((a / norms[0]) @ (b / norms[1]), -1.0, 1.0))


def area_difference(energy: Float[Array, " energy"], a: Float[Array, " energy"], b: Float[Array, " energy"]) -> float:
    """Return half the area between two curves of area one: 0 when alike, 1 when they share nothing.

    d = 1/2 integral |a/A - b/B| dE, by the trapezoid rule.

    Args:
        energy: Common axis, shape (n_energy,) [eV].
        a: One curve, shape (n_energy,).
        b: The other curve, shape (n_energy,).

    Raises:
        InputError: An area is not above zero.
    """
    difference = _of_area_one(energy, a) - _of_area_one(energy, b)
    return float(np.trapezoid(np.abs(difference), energy) / 2)


def earth_mover(energy: Float[Array, " energy"], a: Float[Array, " energy"], b: Float[Array, " energy"]) -> float:
    """Return the least mean distance [eV] over which area is moved to turn one curve into the other.

    In one dimension that is integral |C_a - C_b| dE, with C the integral of a curve of area one up to E.

    Args:
        energy: Common axis, shape (n_energy,) [eV].
        a: One curve, shape (n_energy,).
        b: The other curve, shape (n_energy,).

    Raises:
        InputError: An area is not above zero.
    """
    difference = _of_area_one(energy, a) - _of_area_one(energy, b)
    steps = (difference[1:] + difference[:-1]) / 2 * np.diff(energy)
    cumulative = np.concatenate(([0.0], np.cumsum(steps)))
    return float(np.trapezoid(np.abs(cumulative), energy))


def _of_area_one(energy: Float[Array, " energy"], curve: Float[Array, " energy"]) -> Float[Array, " energy"]:
    total = float(np.trapezoid(curve, energy))
    if not total > 0:
        raise InputError(f"the area under a curve must be above 0 to compare areas, got {total:g}")
    return curve / total


def _ranks(curve: Float[Array, " energy"]) -> Float[Array, " energy"]:
    _, place, counts = np.unique(curve, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(mean_rank[place], dtype=float)
