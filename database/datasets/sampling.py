"""One stored spectrum on the grid of a dataset, or the reason why it cannot be put there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.database.datasets.grid import DatasetGrid
from whiteline.database.documents import SpectrumDocument
from whiteline.errors import UnitError
from whiteline.units import Quantity

__all__ = ["Exclusion", "Intensity", "Sample", "sample"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# A point this near outside the axis [eV] is on its end: sums of decimal steps miss it by rounding.
_ROUNDING = 1e-6


class Intensity(StrEnum):
    """What a dataset holds of each spectrum: the cross-section, or the powder average as the code wrote it."""

    CROSS_SECTION = "cross_section"
    RAW = "raw"

    @property
    def unit(self) -> str:
        """Its unit."""
        return "Mbarn per absorbing atom" if self is Intensity.CROSS_SECTION else "1/scale, see quantity and scale"


class Exclusion(StrEnum):
    """Why a spectrum is not in a dataset."""

    FAILED = "the calculation failed"
    NO_ENERGY = "its absolute energy is unknown"
    NO_UNITS = "it has no cross-section in Mbarn"
    NOT_COVERED = "it does not cover the grid"

    @property
    def remedy(self) -> str:
        """What would let such spectra in."""
        return _REMEDIES[self]


_REMEDIES = {
    Exclusion.FAILED: "compute them again",
    Exclusion.NO_ENERGY: "take a grid `as-stored`, for spectra that count from the same zero",
    Exclusion.NO_UNITS: "take `--intensity raw`",
    Exclusion.NOT_COVERED: "take a narrower grid, or hold their end values with `--extrapolate`",
}


@dataclass(frozen=True)
class Sample:
    """A spectrum on the grid.

    Attributes:
        intensity: Shape (n_points,).
        zero: Photon energy at the zero of the grid [eV]; None where points are as stored.
        quantity: What `intensity` is proportional to, and `scale` its factor, as `Spectrum` has them.
        n_extrapolated: How many points lie outside the axis and hold the value of its end.
    """

    intensity: Float[Array, " energy"]
    zero: float | None
    quantity: str
    scale: float | None
    n_extrapolated: int


def sample(
    document: SpectrumDocument, grid: DatasetGrid, *, intensity: Intensity, is_extrapolated: bool = False
) -> Sample | Exclusion:
    """Return a spectrum on the grid, interpolated linearly, or why it cannot be put there.

    Args:
        document: The spectrum.
        grid: Where it is wanted.
        intensity: What of it.
        is_extrapolated: Hold the values of the ends where the axis does not cover the grid.

    Raises:
        ParameterError: The grid has no zero for this absorber and edge.
    """
    spectrum = document.spectrum
    if spectrum is None:
        return Exclusion.FAILED
    zero = grid.zero(document.absorber, document.edge)
    axis = spectrum.energy
    if zero is not None:
        if spectrum.reference_energy is None:
            return Exclusion.NO_ENERGY
        axis = axis + (spectrum.reference_energy - zero)
    if intensity is Intensity.RAW:
        curve, quantity, scale = spectrum.intensity, spectrum.quantity, spectrum.scale
    else:
        try:
            curve, quantity, scale = spectrum.cross_section(), Quantity.CROSS_SECTION, 1.0
        except UnitError:
            return Exclusion.NO_UNITS
    points = grid.points
    is_outside = (points < axis[0] - _ROUNDING) | (points > axis[-1] + _ROUNDING)
    n_outside = int(np.count_nonzero(is_outside))
    if n_outside and not is_extrapolated:
        return Exclusion.NOT_COVERED
    return Sample(np.interp(points, axis, curve), zero, quantity.value, scale, n_outside)
