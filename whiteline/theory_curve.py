"""A computed spectrum made ready for a fit: on a fine grid, of edge jump one, and widened on demand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.broadening import (
    BroadeningRecord,
    EnergyDependentLorentzian,
    Gaussian,
    Lorentzian,
    Origin,
    Voigt,
)
from whiteline.errors import InputError
from whiteline.normalisation import steepest_rise
from whiteline.spectrum import EnergyReference, Quantity, Spectrum

__all__ = ["TheoryCurve", "prepare_theory"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_STEP: Final = 0.2  # [eV] of the grid, finer than any instrument width that a fit could tell
_MARGIN: Final = 20.0  # [eV] beyond the window, for shifts and the tails of lines
_SHORTEST: Final = 10.0  # [eV] of theory above the edge
_NARROWEST: Final = 1e-6  # [eV] for a line that grows from nothing
_N_CACHED = 16


@dataclass(frozen=True, eq=False)
class TheoryCurve:
    """A computed spectrum on a fine grid.

    Attributes:
        spectrum: Theory on its grid, one on average in the upper half of the window above the edge, not widened yet.
        edge: Its steepest rise, where the width begins to grow [eV].
        lifetime: Width that is still missing of the core level's [eV].
        lifetime_note: Why it is that.
        is_absolute: Whether the axis holds photon energies.
        last: Highest energy that was computed [eV].
    """

    spectrum: Spectrum
    edge: float
    lifetime: float
    lifetime_note: str
    is_absolute: bool
    last: float

    def widened(self, *, growth: float, gaussian: float) -> Spectrum:
        """Return the spectrum with Gamma(E) = lifetime + growth (E - edge) and a Gaussian, those that it lacks.

        Args:
            growth: Increase of the Lorentzian width per energy above the edge.
            gaussian: Full width at half maximum of the instrument's Gaussian [eV].
        """
        spectrum = self.spectrum
        if self.lifetime > 0 or growth > 0:
            # A spectrum that has its lifetime keeps it; only the growth comes on top.
            origin = Origin.LIFETIME if self.lifetime > 0 else Origin.NUMERICAL
            line = EnergyDependentLorentzian(max(self.lifetime, _NARROWEST), growth, self.edge)
            spectrum = spectrum.broaden(line, origin=origin)
        if self.has_instrument or not gaussian > 0:
            return spectrum
        return spectrum.broaden(Gaussian(gaussian), origin=Origin.INSTRUMENT)

    @property
    def has_instrument(self) -> bool:
        """Whether the theory already carries the width of an instrument."""
        return any(record.origin is Origin.INSTRUMENT for record in self.spectrum.broadening)

    def at(
        self, energy: Float[Array, " energy"], *, growth: float | None = None, gaussian: float | None = None
    ) -> Float[Array, " energy"]:
        """Return the curve at energies of its own axis, widened unless both widths are None."""
        key = None if growth is None or gaussian is None else (float(growth), float(gaussian))
        inside = np.clip(energy, self.spectrum.energy[0], self.spectrum.energy[-1])
        return np.asarray(self._spline(key)(inside), dtype=float)

    @cached_property
    def _spline(self) -> Any:
        # A step along the shift, the jump or the line needs no new convolution.
        @lru_cache(maxsize=_N_CACHED)
        def make(key: tuple[float, float] | None) -> Any:
            from scipy.interpolate import CubicSpline  # type: ignore[import-untyped]  # ships no types; slow to load

            spectrum = self.spectrum if key is None else self.widened(growth=key[0], gaussian=key[1])
            return CubicSpline(spectrum.energy, spectrum.intensity)

        return make


def prepare_theory(
    theory: Spectrum, *, lifetime: float | None, window: tuple[float, float], edge_at: float
) -> TheoryCurve:
    """Return the theory on an even grid over the window and some more.

    Below its first point it goes on as the tail of a Lorentzian-broadened step, above its last one as a constant.
    Im epsilon is multiplied by the photon energy, which makes it proportional to the cross-section.

    Args:
        theory: The computed spectrum.
        lifetime: Natural width of the core level, where it is known [eV].
        window: Range from the edge that is looked at [eV].
        edge_at: Measured energy of the edge, for axes that do not know theirs [eV].

    Raises:
        InputError: The theory has no edge, ends at it, or is an energy loss.
    """
    if theory.quantity is Quantity.ENERGY_LOSS:
        raise InputError(
            "an energy-loss spectrum does not fit onto photon absorption: it has another dependence on energy; compute "
            "the absorption spectrum of the same site"
        )
    is_absolute = theory.reference_energy is not None
    if is_absolute:
        theory = theory.to_photon_energy()
    energy, curve = theory.energy, theory.intensity
    if not (np.max(curve) > 0 and np.ptp(curve) > 0):
        raise InputError(
            f"the computed spectrum has no edge: its intensity runs from {np.min(curve):g} to {np.max(curve):g}"
        )
    edge = steepest_rise(energy, curve)
    last = float(energy[-1])
    if last - edge < _SHORTEST:
        raise InputError(
            f"the computed spectrum ends {last - edge:.1f} eV above its edge at {edge:.1f} eV, expected at least "
            f"{_SHORTEST:g} eV: compute it over a wider range"
        )
    if theory.quantity is Quantity.IM_EPSILON:
        curve = curve * (energy + (0.0 if is_absolute else edge_at - edge)) / edge_at
    grid = np.arange(edge + window[0] - _MARGIN, edge + window[1] + _MARGIN, _STEP)
    values = _on_grid(energy, curve, grid, edge)
    top = min(window[1], last - edge)
    level = float(np.mean(values[(grid >= edge + top / 2) & (grid <= edge + top)]))
    if not level > 0:
        raise InputError(f"the computed spectrum is {level:g} on average above its edge, expected a positive step")
    missing, note = _missing_lifetime(theory.broadening, lifetime)
    spectrum = Spectrum(
        grid,
        values / level,
        energy_reference=EnergyReference.ABSOLUTE,
        broadening=theory.broadening,
        shift=theory.shift,
    )
    return TheoryCurve(spectrum, edge, missing, note, is_absolute, last)


def _on_grid(
    energy: Float[Array, " energy"], curve: Float[Array, " energy"], grid: Float[Array, " grid"], edge: float
) -> Float[Array, " grid"]:
    from scipy.interpolate import PchipInterpolator  # ships no types; slow to load

    inside = np.clip(grid, energy[0], energy[-1])
    values = np.asarray(PchipInterpolator(energy, curve)(inside), dtype=float)
    is_below = grid < min(float(energy[0]), edge - _STEP)
    values[is_below] *= (edge - min(float(energy[0]), edge - _STEP)) / (edge - grid[is_below])
    return values


def _missing_lifetime(records: tuple[BroadeningRecord, ...], lifetime: float | None) -> tuple[float, str]:
    """Return how much of the natural width the theory lacks [eV], and why."""
    carried = sum(_lorentzian_width(record) for record in records)
    if any(record.origin is Origin.LIFETIME for record in records):
        return 0.0, f"the theory already carries its lifetime, {carried:.2f} eV"
    if lifetime is None:
        return 0.0, "no natural width is known"
    if carried > 0:
        return max(lifetime - carried, 0.0), f"{lifetime:.2f} eV less the {carried:.2f} eV that the theory carries"
    return lifetime, "tabulated natural width"


def _lorentzian_width(record: BroadeningRecord) -> float:
    profile = record.profile
    if isinstance(profile, Lorentzian):
        return profile.fwhm
    if isinstance(profile, Voigt):
        return profile.lorentzian_fwhm
    return profile.lifetime_fwhm if isinstance(profile, EnergyDependentLorentzian) else 0.0
