"""Spectra on one axis that begins at their edges, so that any two can be compared point by point.

The origin of a curve is where it, smoothed, first reaches half of its level: its mean from 8 to 35 eV above the origin.
Smoothing by 4.5 eV takes sharp lines in front of the edge below that half, so that noise, a broadening or a pre-edge
peak hardly move the origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from whiteline.broadening import FWHM_PER_SIGMA
from whiteline.errors import InputError

__all__ = ["GRID", "STEP", "EdgeCurves", "QueryCurve", "prepare_query", "put_all_on_grid", "put_on_grid"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
Indices: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

STEP: Final = 0.25  # [eV]
LOWEST, HIGHEST = -10.0, 35.0  # [eV] from the origin
GRID: Final = np.arange(round((HIGHEST - LOWEST) / STEP) + 1, dtype=float) * STEP + LOWEST
_SMOOTHING: Final = 4.5  # FWHM [eV]
_LEVEL_FROM: Final = 8.0  # [eV]: beyond most white lines
_N_ROUNDS = 3  # after which the origin moves by less than the step
_N_END: Final = round(2.0 / STEP)  # points whose mean a curve goes on with beyond its end
_LONGEST: Final = 4000.0  # [eV] of a scan that are looked at


@dataclass(frozen=True, eq=False)
class EdgeCurves:
    """Curves on the grid, of level one.

    Attributes:
        curves: One row a spectrum, shape (n_spectrum, n_grid); beyond its ends a spectrum goes on as a constant,
            the mean of its last 2 eV.
        origins: Energy of the origin on the axis of each, shape (n_spectrum,) [eV].
        is_valid: Whether a spectrum has an edge, shape (n_spectrum,); rows of the others mean nothing.
    """

    curves: Float[Array, "spectrum grid"]
    origins: Float[Array, " spectrum"]
    is_valid: Bool[Mask, " spectrum"]


def put_on_grid(energy: Float[Array, " energy"], rows: Float[Array, "spectrum energy"]) -> EdgeCurves:
    """Return spectra that share an axis on the grid.

    Args:
        energy: Strictly increasing axis, shape (n_energy,) [eV].
        rows: Intensity without its pre-edge background, shape (n_spectrum, n_energy).
    """
    return put_all_on_grid([(energy, rows)])


def put_all_on_grid(parts: Sequence[tuple[Float[Array, " energy"], Float[Array, "spectrum energy"]]]) -> EdgeCurves:
    """Return spectra on several axes on the grid, one part after the other, each an axis and rows as `put_on_grid`'s.

    Parts of about the same length are worked on together, so that an axis for each spectrum costs little.
    """
    n_rows = sum(len(rows) for _, rows in parts)
    put = EdgeCurves(np.zeros((n_rows, len(GRID))), np.zeros(n_rows), np.zeros(n_rows, dtype=bool))
    groups: dict[int, list[tuple[Indices, float, Array]]] = {}
    first = 0
    for energy, rows in parts:
        start, fine = _resample(energy, rows)
        groups.setdefault(fine.shape[1], []).append((np.arange(first, first + len(rows)), start, fine))
        first += len(rows)
    for group in groups.values():
        places = np.concatenate([place for place, _, _ in group])
        starts = np.concatenate([np.full(len(place), start) for place, start, _ in group])
        fine = np.concatenate([each for _, _, each in group])
        origins, levels = _find_origins(fine)
        is_valid = np.isfinite(origins) & (levels > 0)
        origins = np.where(is_valid, origins, 0.0)
        put.curves[places] = _sample(fine, origins) / np.where(is_valid, levels, 1.0)[:, np.newaxis]
        put.origins[places] = starts + STEP * origins
        put.is_valid[places] = is_valid
    return put


@dataclass(frozen=True, eq=False)
class QueryCurve:
    """A spectrum that is looked for, on the grid at several shifts and broadenings.

    Attributes:
        curves: Shape (n_variant, n_grid).
        shifts: Distance by which the grid was moved up on the axis of the spectrum, shape (n_variant,) [eV].
        broadenings: FWHM of the Gaussian that was put on it, shape (n_variant,) [eV].
        origin: Energy of the origin on the axis of the spectrum [eV].
        level: What the intensity was divided by.
    """

    curves: Float[Array, "variant grid"]
    shifts: Float[Array, " variant"]
    broadenings: Float[Array, " variant"]
    origin: float
    level: float


def prepare_query(
    energy: Float[Array, " energy"],
    intensity: Float[Array, " energy"],
    *,
    max_shift: float,
    broadenings: tuple[float, ...],
) -> QueryCurve:
    """Return a spectrum at all shifts up to `max_shift` in steps of the grid, for each broadening.

    Args:
        energy: Strictly increasing axis, shape (n_energy,) [eV].
        intensity: Intensity without its pre-edge background, shape (n_energy,).
        max_shift: Largest shift either way [eV].
        broadenings: FWHM of the Gaussians that are tried, 0 for none [eV].

    Raises:
        InputError: The spectrum has no edge.
    """
    start, fine = _resample(energy, intensity[np.newaxis, :])
    origins, levels = _find_origins(fine)
    if not (np.isfinite(origins[0]) and levels[0] > 0):
        raise InputError(
            f"the spectrum from {energy[0]:g} to {energy[-1]:g} eV has no edge to search by: expected intensity that "
            "rises to a positive level; choose another signal or column, or a scan with the edge in it"
        )
    n_shift = round(max_shift / STEP)
    shifts = np.arange(-n_shift, n_shift + 1, dtype=float)
    curves = [
        _sample(np.repeat(_smooth(fine, width), len(shifts), axis=0), origins[0] + shifts) / levels[0]
        for width in broadenings
    ]
    return QueryCurve(
        curves=np.concatenate(curves),
        shifts=np.tile(shifts * STEP, len(broadenings)),
        broadenings=np.repeat(np.array(broadenings, dtype=float), len(shifts)),
        origin=float(start + STEP * origins[0]),
        level=float(levels[0]),
    )


def _resample(
    energy: Float[Array, " energy"], rows: Float[Array, "spectrum energy"]
) -> tuple[float, Float[Array, "spectrum fine"]]:
    """Return the first energy and the curves from there in steps of the grid, one step further at either end."""
    start = float(energy[0])
    n_fine = max(2, int(min(float(energy[-1]) - start, _LONGEST) / STEP + 0.5) + 1)
    axis = start + STEP * np.arange(n_fine, dtype=float)
    upper = np.clip(np.searchsorted(energy, axis), 1, len(energy) - 1)
    share = np.clip((axis - energy[upper - 1]) / (energy[upper] - energy[upper - 1]), 0.0, 1.0)
    fine = rows[:, upper - 1] * (1.0 - share) + rows[:, upper] * share
    # The end that a curve goes on from is a mean: held far, the noise of one point would weigh more than all others.
    ends = [end.mean(axis=1, keepdims=True) for end in (fine[:, :_N_END], fine[:, -_N_END:])]
    return start - STEP, np.concatenate((ends[0], fine, ends[1]), axis=1)


def _smooth(fine: Float[Array, "spectrum fine"], width: float) -> Float[Array, "spectrum fine"]:
    if not width > 0:
        return fine
    from scipy.ndimage import gaussian_filter1d  # type: ignore[import-untyped]  # ships no types; slow to load

    return np.asarray(gaussian_filter1d(fine, width / FWHM_PER_SIGMA / STEP, axis=1, mode="nearest"), dtype=float)


def _find_origins(fine: Float[Array, "spectrum fine"]) -> tuple[Float[Array, " spectrum"], Float[Array, " spectrum"]]:
    """Return the place of each origin in steps, nan where there is none, and the level."""
    smooth = _smooth(fine, _SMOOTHING)
    n_row, n_fine = smooth.shape
    sums = np.concatenate((np.zeros((n_row, 1)), np.cumsum(fine, axis=1)), axis=1)
    each = np.arange(n_row)
    levels = smooth.max(axis=1)
    for _ in range(_N_ROUNDS):
        half = levels / 2
        place = np.argmax(smooth >= half[:, np.newaxis], axis=1)
        # Of a curve shorter than that, the upper half above the edge says what its level is.
        low = np.minimum(place + round(_LEVEL_FROM / STEP), (place + n_fine) // 2)
        high = np.minimum(place + round(HIGHEST / STEP) + 1, n_fine)
        levels = (sums[each, high] - sums[each, low]) / np.maximum(high - low, 1)
    half = levels / 2
    is_above = smooth >= half[:, np.newaxis]
    place = np.argmax(is_above, axis=1)
    before, after = smooth[each, np.maximum(place - 1, 0)], smooth[each, place]
    rise = after - before
    part = np.where(rise > 0, (after - half) / np.where(rise > 0, rise, 1.0), 0.0)
    return np.where(is_above.any(axis=1), place - part, np.nan), levels


def _sample(fine: Float[Array, "spectrum fine"], origins: Float[Array, " spectrum"]) -> Float[Array, "spectrum grid"]:
    """Return each curve on the grid around its own origin in steps, held constant beyond its ends."""
    n_grid, n_fine = len(GRID), fine.shape[1]
    whole = np.floor(origins)
    # The grid is one of whole steps: all its points lie at the same share of the way from one point to the next.
    share = (origins - whole)[:, np.newaxis]
    first = whole.astype(np.int64) + round(LOWEST / STEP)
    before, after = max(0, -int(first.min())), max(0, int(first.max()) + n_grid + 1 - n_fine)
    padded = np.pad(fine, ((0, 0), (before, after)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_grid + 1, axis=1)
    points = windows[np.arange(len(fine)), first + before]
    return np.asarray(points[:, :-1] * (1.0 - share) + points[:, 1:] * share, dtype=float)
