"""The part of a measurement around its edge, scaled for a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.broadening import Gaussian, broaden
from whiteline.errors import InputError
from whiteline.measured import MeasuredSpectrum
from whiteline.normalisation import steepest_rise

__all__ = ["MeasuredWindow", "measured_edge", "select_window"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_NEAR_EDGE: Final = 50.0  # [eV] from the tabulated energy: chemical shifts, and monochromators out by 35 eV
_SMOOTHING: Final = Gaussian(1.0)  # to find the edge in noise
_MIN_BELOW, _MIN_ABOVE = 3, 10


@dataclass(frozen=True, eq=False)
class MeasuredWindow:
    """Points of a measurement, its smallest value at 0 and its largest at 1.

    Attributes:
        source: Name of the measurement in messages.
        energy: Photon energy, shape (n_energy,) [eV].
        y: Scaled absorption, shape (n_energy,); mu is `floor + height * y`.
        x: Energy from the edge over `span`, shape (n_energy,).
        weight: Square root of the width of each point's cell over the mean one, shape (n_energy,).
        e0: Steepest rise [eV].
        floor: Smallest absorption, and `height` how far the largest lies above it.
        height: See `floor`.
        span: Length of the window [eV].
    """

    source: str
    energy: Float[Array, " energy"]
    y: Float[Array, " energy"]
    x: Float[Array, " energy"]
    weight: Float[Array, " energy"]
    e0: float
    floor: float
    height: float
    span: float


def measured_edge(measured: MeasuredSpectrum, *, near: float | None = None) -> float:
    """Return the photon energy [eV] of the steepest rise of the slightly smoothed measurement.

    Args:
        measured: The measurement.
        near: Tabulated energy of the edge, around which it is sought; everywhere when None [eV].

    Raises:
        InputError: The measurement does not reach the edge.
    """
    energy, name = measured.energy, _name(measured)
    low, high = float(energy[0]), float(energy[-1])
    if near is not None and not low <= near <= high:
        raise InputError(
            f"{name} covers {low:.1f} to {high:.1f} eV and the edge lies at {near:.1f} eV: they do not overlap; is it "
            "the same element and edge, and in eV?"
        )
    smooth = broaden(energy, measured.mu[np.newaxis, :], _SMOOTHING)[0]
    is_near = np.ones(len(energy), dtype=bool) if near is None else np.abs(energy - near) <= _NEAR_EDGE
    if np.count_nonzero(is_near) < _MIN_ABOVE:
        place = f" within {_NEAR_EDGE:g} eV of the edge at {near:.1f} eV" if near is not None else ""
        raise InputError(
            f"{name} has {np.count_nonzero(is_near)} points{place}, expected at least {_MIN_ABOVE}: use a scan with "
            "the edge in it"
        )
    return steepest_rise(energy[is_near], smooth[is_near])


def select_window(measured: MeasuredSpectrum, e0: float, *, window: tuple[float, float], last: float) -> MeasuredWindow:
    """Return the points in a window around the edge, up to where the theory ends.

    Args:
        measured: The measurement.
        e0: Its edge [eV].
        window: Range from the edge [eV].
        last: Photon energy at which the theory ends [eV].

    Raises:
        InputError: Too few points lie there, or the measurement is constant.
    """
    name = _name(measured)
    low, high = e0 + window[0], min(e0 + window[1], last)
    keep = (measured.energy >= low) & (measured.energy <= high)
    energy, mu = measured.energy[keep], measured.mu[keep]
    n_below, n_above = int(np.count_nonzero(energy < e0)), int(np.count_nonzero(energy >= e0))
    if n_below < _MIN_BELOW or n_above < _MIN_ABOVE:
        raise InputError(
            f"{name} has {n_below} points below and {n_above} above its edge at {e0:.1f} eV in the window {low:.1f} to "
            f"{high:.1f} eV (the theory ends at {last:.1f} eV there), expected {_MIN_BELOW} and {_MIN_ABOVE}: widen "
            "the window, or use a finer or longer scan"
        )
    height = float(np.ptp(mu))
    if not height > 0:
        raise InputError(f"{name} is constant from {low:.1f} to {high:.1f} eV: it has no edge there")
    cells = np.gradient(energy)
    floor, span = float(np.min(mu)), float(energy[-1] - energy[0])
    return MeasuredWindow(
        source=name,
        energy=energy,
        y=(mu - floor) / height,
        x=(energy - e0) / span,
        weight=np.sqrt(cells / np.mean(cells)),
        e0=e0,
        floor=floor,
        height=height,
        span=span,
    )


def _name(measured: MeasuredSpectrum) -> str:
    return measured.source or "the measurement"
