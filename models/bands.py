"""Calibrated uncertainty: how far to each side of a prediction the spectrum lies, for stated shares of the points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.models.conformal import conformal_quantiles

__all__ = ["LEVELS", "PER_ENERGY", "Bands"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# Shares of the points inside the bands.
LEVELS: Final = (0.5, 0.8, 0.95)
# Fewer spectra than this say too little about one energy by itself; all energies are then taken together.
PER_ENERGY = 100
# Share of the typical error that stands below every spread: members that agree by chance are not certain, and a single
# member, which has no spread, gets a band of constant width.
_FLOOR = 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class Bands:
    """Half widths q_l(E) σ(x, E) with σ² = s² + (f c)², s the spread of the members and c the scale of the channel.

    The factors q are split-conformal quantiles of abs(error)/σ on a calibration part (arXiv:1604.04173, section 5): on
    data of the same kind a share l of the points lies inside, whatever the distribution of the errors. They are not
    valid for materials unlike the calibration part; the domain check is there to tell.

    Attributes:
        levels: Shares l, shape (n_level,).
        factors: q, shape (n_level, n_energy).
        floor: f.
        n_sample: Spectra of the calibration part.
    """

    levels: Float[Array, " level"]
    factors: Float[Array, "level energy"]
    floor: float
    n_sample: int

    @classmethod
    def of(
        cls,
        errors: Float[Array, "sample energy"],
        spreads: Float[Array, "sample energy"],
        scales: Float[Array, " sample"],
        *,
        levels: Sequence[float] = LEVELS,
    ) -> Self:
        """Return the bands that hold on a calibration part.

        Args:
            errors: Prediction minus spectrum, shape (n_sample, n_energy).
            spreads: Standard deviation of the members, shape (n_sample, n_energy).
            scales: Scale of the channel of each sample, shape (n_sample,).
            levels: Shares of the points, above 0 and below 1.

        Raises:
            ParameterError: A level is not above 0 and below 1.
            InputError: There are too few samples for the largest level.
        """
        n_sample, n_energy = errors.shape
        floor = _FLOOR * float(np.sqrt(np.mean((errors / scales[:, None]) ** 2)))
        scores = np.abs(errors) / np.hypot(spreads, floor * scales[:, None] + np.finfo(float).tiny)
        is_by_energy = n_sample >= PER_ENERGY
        quantiles = conformal_quantiles(scores, levels, is_by_energy=is_by_energy)
        factors = quantiles if is_by_energy else np.repeat(quantiles[:, None], n_energy, axis=1)
        return cls(levels=np.array(levels), factors=factors, floor=floor, n_sample=n_sample)

    def half_widths(
        self, spreads: Float[Array, "sample energy"], scales: Float[Array, " sample"]
    ) -> Float[Array, "level sample energy"]:
        """Return the half width of every band, shape (n_level, n_sample, n_energy) [unit of the spectra]."""
        return np.asarray(self.factors[:, None, :] * np.hypot(spreads, self.floor * scales[:, None]))
