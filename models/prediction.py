"""What a model says about sites: spectra of every member, their mean, and bands around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import InputError, ParameterError

__all__ = ["Prediction"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Prediction:
    """Predicted spectra.

    Attributes:
        mean: Mean of the members, shape (n_sample, n_energy) [`unit`].
        members: Each member, shape (n_member, n_sample, n_energy) [`unit`].
        points: Axis, shape (n_energy,) [eV].
        zeros: What it is counted from, shape (n_sample,) [eV].
        unit: Of the spectra.
        levels: Shares of the points inside each band, shape (n_level,); none before calibration.
        half_widths: Of the bands, shape (n_level, n_sample, n_energy) [`unit`].
    """

    mean: Float[Array, "sample energy"]
    members: Float[Array, "member sample energy"]
    points: Float[Array, " energy"]
    zeros: Float[Array, " sample"]
    unit: str
    levels: Float[Array, " level"]
    half_widths: Float[Array, "level sample energy"]

    @property
    def spread(self) -> Float[Array, "sample energy"]:
        """Standard deviation of the members, zero if there is one; not calibrated [`unit`]."""
        return np.asarray(self.members.std(0))

    def band(self, level: float) -> tuple[Float[Array, "sample energy"], Float[Array, "sample energy"]]:
        """Return the lower and the upper end of the band with a share `level` of the points inside.

        Raises:
            InputError: The model was not calibrated.
            ParameterError: It was calibrated for other levels.
        """
        if not len(self.levels):
            raise InputError("the model gives no bands: calibrate it on a validation part first (models.calibrate)")
        found = np.flatnonzero(np.isclose(self.levels, level))
        if not found.size:
            raise ParameterError(
                f"the model has bands of {', '.join(f'{each:g}' for each in self.levels)}, got {level}: take one"
            )
        half = self.half_widths[found[0]]
        return self.mean - half, self.mean + half
