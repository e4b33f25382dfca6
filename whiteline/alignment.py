"""The rigid shift that brings one spectrum onto another.

The procedure is that of the Ti-O-10 benchmark (doi:10.1103/PhysRevMaterials.8.013801) in its later public
form: each curve is cut from its onset over a window, and one is moved against the other until their cosine is
largest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import InputError, ParameterError
from whiteline.spectrum import Spectrum

__all__ = ["Segment", "best_shift", "overlap_penalty", "sample_overlap", "segment"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_PENALTY = 0.9
_MIN_POINTS = 4  # what a cubic needs


@dataclass(frozen=True, eq=False)
class Segment:
    """The part of a curve that is compared.

    Attributes:
        energy: Strictly increasing axis, shape (n_energy,) [eV].
        curve: Intensity, shape (n_energy,).
    """

    energy: Float[Array, " energy"]
    curve: Float[Array, " energy"]

    @property
    def start(self) -> float:
        """First energy [eV]."""
        return float(self.energy[0])

    @property
    def length(self) -> float:
        """Range covered [eV]."""
        return float(self.energy[-1] - self.energy[0])


def segment(spectrum: Spectrum, *, onset: float = 0.02, window: float | None = 35.0) -> Segment:
    """Return the intensity from where it first exceeds a fraction of its maximum, over a window.

    Args:
        spectrum: The spectrum; its raw powder average is used.
        onset: Fraction of the maximum, from 0 to below 1.
        window: Range from the onset [eV]; to the end of the axis when None.

    Raises:
        InputError: The intensity is nowhere above zero, or fewer than four points are left.
        ParameterError: `onset` or `window` is out of range.
    """
    if not 0 <= onset < 1:
        raise ParameterError(f"onset must be a fraction of the maximum, at least 0 and below 1, got {onset}")
    if window is not None and not window > 0:
        raise ParameterError(f"window must be above 0 eV, or None for the whole curve, got {window}")
    energy, curve = spectrum.energy, spectrum.intensity
    highest = float(np.max(curve))
    if not highest > 0:
        raise InputError(f"the intensity has no value above 0 (maximum {highest:g}): there is no edge to align")
    start = int(np.argmax(curve > onset * highest))
    stop = len(energy)
    if window is not None:
        # The last point below the end of the window is left out, as the published numbers have it.
        stop = int(np.searchsorted(energy, energy[start] + window)) - 1
    if stop - start < _MIN_POINTS:
        raise InputError(
            f"at least {_MIN_POINTS} points are needed from the onset at {energy[start]:g} eV, got "
            f"{max(stop - start, 0)}: widen the window or use a finer axis"
        )
    return Segment(energy[start:stop], curve[start:stop])


def best_shift(
    a: Spectrum,
    b: Spectrum,
    *,
    max_shift: float = 12.0,
    step: float = 0.01,
    onset: float = 0.02,
    window: float | None = 35.0,
    n_grid: int = 300,
    edge_tolerance: float | None = 2.0,
) -> float:
    """Return the shift [eV] that is added to the axis of `b` to bring it onto `a`.

    The onsets are put together first; from there the shift with the largest cosine is sought. If it leaves
    the steepest rises more than `edge_tolerance` apart, the local maximum nearest to their coincidence is taken
    instead.

    Args:
        a: Spectrum that stays.
        b: Spectrum that moves.
        max_shift: Largest shift tried either way from coinciding onsets [eV].
        step: Distance of the shifts tried [eV].
        onset: Fraction of the maximum where a curve starts.
        window: Range compared from the onset [eV]; everything when None.
        n_grid: Points of the common grid in the overlap.
        edge_tolerance: Largest distance of the steepest rises [eV]; None does not look at them. Spectra with sharp
            lines may have their steepest rise at any of them.

    Raises:
        InputError: A spectrum has no edge or too few points.
        ParameterError: A range or a number of points is out of range.
    """
    if not (max_shift >= 0 and step > 0 and n_grid >= _MIN_POINTS):
        raise ParameterError(
            f"max_shift must be at least 0, step above 0 and n_grid at least {_MIN_POINTS}, "
            f"got {max_shift} eV, {step} eV and {n_grid}"
        )
    one, two = (segment(s, onset=onset, window=window) for s in (a, b))
    n_step = round(max_shift / step)
    offsets: Array = step * np.arange(-n_step, n_step + 1, dtype=float)
    shifts = offsets + (one.start - two.start)
    # Curves that do not overlap have no cosine.
    shifts = shifts[(offsets > -two.length) & (offsets < one.length)]
    _, y_one, y_two, overlap = sample_overlap(one, two, shifts, n_grid=n_grid)
    norms = np.linalg.norm(y_one, axis=1) * np.linalg.norm(y_two, axis=1)
    score = np.einsum("sg,sg->s", y_one, y_two) / np.maximum(norms, np.finfo(float).tiny)
    score *= overlap_penalty(one, two, overlap)
    best = int(np.argmax(score))
    by_edge = _steepest(one) - _steepest(two)
    if edge_tolerance is not None and abs(shifts[best] - by_edge) > edge_tolerance:
        inner = np.flatnonzero((score[1:-1] >= score[:-2]) & (score[1:-1] >= score[2:])) + 1
        if inner.size:
            best = int(inner[np.argmin(np.abs(shifts[inner] - by_edge))])
    return float(shifts[best])


def sample_overlap(
    one: Segment, two: Segment, shifts: Float[Array, " shift"], *, n_grid: int = 300
) -> tuple[Float[Array, "shift grid"], Float[Array, "shift grid"], Float[Array, "shift grid"], Float[Array, " shift"]]:
    """Return common grids, both curves on them, and the overlaps, one row a shift of the second curve.

    Both curves are interpolated by cubic splines on one even grid over the overlap: neither is favoured.

    Args:
        one: Curve that stays.
        two: Curve that moves.
        shifts: Shifts added to the axis of `two`, shape (n_shift,) [eV].
        n_grid: Points of each grid.

    Raises:
        InputError: The curves do not overlap at some shift.
    """
    low = np.maximum(one.energy[0], two.energy[0] + shifts)
    high = np.minimum(one.energy[-1], two.energy[-1] + shifts)
    overlap = high - low
    if np.any(overlap <= 0):
        raise InputError(
            f"the spectra do not overlap: {one.energy[0]:g} to {one.energy[-1]:g} eV and "
            f"{two.energy[0]:g} to {two.energy[-1]:g} eV, the latter shifted by "
            f"{shifts[np.argmin(overlap)]:g} eV: align them, or put both on the same energy reference"
        )
    grid = low[:, np.newaxis] + overlap[:, np.newaxis] * np.linspace(0.0, 1.0, n_grid)
    from scipy.interpolate import CubicSpline  # type: ignore[import-untyped]  # ships no types; slow to load

    y_one = CubicSpline(one.energy, one.curve)(grid)
    y_two = CubicSpline(two.energy, two.curve)(grid - shifts[:, np.newaxis])
    return grid, y_one, y_two, overlap


def overlap_penalty(one: Segment, two: Segment, overlap: Float[Array, " shift"]) -> Float[Array, " shift"]:
    """Return the factor 0.9^(w / overlap) for overlaps below w, half the shorter curve, and one for others.

    Args:
        one: One curve.
        two: The other curve.
        overlap: Range that they share, shape (n_shift,) [eV].
    """
    half = min(one.length, two.length) / 2
    return np.where(overlap < half, _PENALTY ** (half / overlap), 1.0)


def _steepest(part: Segment) -> float:
    return float(part.energy[np.argmax(np.gradient(part.curve, part.energy))])
