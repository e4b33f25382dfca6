"""Whether error bars are as wide as they say: the share of points inside, and the factors that make it right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import InputError, ParameterError
from whiteline.models.conformal import conformal_quantiles

__all__ = ["LEVELS", "BandScale", "Calibration", "measure_calibration", "normal_scale", "scale_of"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

LEVELS: Final = tuple(i / 20 for i in range(1, 20))
_REPORTED: Final = (0.5, 0.8, 0.95)
# Of the median: members that agree by chance must not make a band of no width.
_FLOOR: Final = 0.01


@dataclass(frozen=True, eq=False)
class BandScale:
    """Half widths of central bands, in units of the model's standard deviation.

    Attributes:
        levels: Share of points that a band is to hold, increasing, shape (n_level,).
        factors: Half width of each band over the standard deviation, shape (n_level,), or (n_level, n_energy) where
            each point of the grid has its own.
        floor: Smaller standard deviations count as this [unit].
    """

    levels: tuple[float, ...]
    factors: Float[Array, " level"] | Float[Array, "level energy"]
    floor: float = 0.0

    def half_widths(self, sds: Float[Array, "sample energy"], level: float) -> Float[Array, "sample energy"]:
        """Return the half width of the band of a level at every point, shape (n_sample, n_energy) [unit].

        Between two levels the factor is interpolated.

        Args:
            sds: Standard deviation at every point, as the model gives it, shape (n_sample, n_energy) [unit].
            level: Share of points that the band is to hold.

        Raises:
            ParameterError: The level is outside those that are known.
            InputError: The factors are of another grid.
        """
        if not self.levels[0] - 1e-9 <= level <= self.levels[-1] + 1e-9:
            raise ParameterError(f"a level is from {self.levels[0]:g} to {self.levels[-1]:g} here, got {level:g}")
        if self.factors.ndim == 2 and self.factors.shape[1:] != sds.shape[1:]:
            raise InputError(f"the factors are of {self.factors.shape[1]} points, and the spectra of {sds.shape[1:]}")
        upper = int(np.clip(np.searchsorted(self.levels, level), 1, max(1, len(self.levels) - 1)))
        if len(self.levels) == 1:
            factor = self.factors[0]
        else:
            low, high = self.levels[upper - 1], self.levels[upper]
            weight = (level - low) / (high - low)
            factor = (1 - weight) * self.factors[upper - 1] + weight * self.factors[upper]
        return np.asarray(factor * np.maximum(sds, self.floor))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"levels": list(self.levels), "factors": self.factors.tolist(), "floor": self.floor}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BandScale:
        """Rebuild what `to_dict` wrote."""
        return cls(tuple(map(float, data["levels"])), np.array(data["factors"], dtype=float), float(data["floor"]))


@dataclass(frozen=True)
class Calibration:
    """Share of points inside central bands.

    Attributes:
        levels: Share that each band is to hold.
        inside: Share that it holds.
        lowest: The share at the point of the grid where it is smallest.
        highest: The share at the point where it is largest.
        width: Mean full width of each band [unit]: of two calibrated models the one with narrower bands knows more.
        deviation: Mean distance of `inside` from `levels`.
    """

    levels: tuple[float, ...]
    inside: tuple[float, ...]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    width: tuple[float, ...]
    deviation: float

    def at(self, level: float) -> float:
        """Return the share of points inside the band of a level, one of `levels`."""
        return self.inside[int(np.argmin(np.abs(np.array(self.levels) - level)))]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "levels": list(self.levels),
            "inside": list(self.inside),
            "lowest": list(self.lowest),
            "highest": list(self.highest),
            "width": list(self.width),
            "deviation": self.deviation,
            "bands": {f"{100 * level:g} %": self.at(level) for level in _REPORTED if level in self.levels},
        }


def measure_calibration(
    spectra: Float[Array, "sample energy"],
    mean: Float[Array, "sample energy"],
    sds: Float[Array, "sample energy"],
    *,
    scale: BandScale | None = None,
    levels: Sequence[float] = LEVELS,
) -> Calibration:
    """Return the share of points inside central bands around the predicted mean.

    Args:
        spectra: What was computed, shape (n_sample, n_energy).
        mean: What the model says, the same shape.
        sds: Standard deviation that it gives, the same shape.
        scale: Widths of the bands; those of a normal distribution when None.
        levels: Shares that the bands are to hold.

    Raises:
        InputError: Shapes differ, or a standard deviation is negative or not finite.
        ParameterError: A level is unknown to `scale`.
    """
    distances = np.abs(_checked_errors(mean - spectra, sds))
    scale = scale or normal_scale(levels)
    shares, width = [], []
    for level in levels:
        half = scale.half_widths(sds, level)
        shares.append(np.mean(distances <= half, axis=0))
        width.append(float(2 * half.mean()))
    by_energy = np.array(shares)
    inside = by_energy.mean(axis=1)
    return Calibration(
        levels=tuple(levels),
        inside=tuple(inside.tolist()),
        lowest=tuple(by_energy.min(axis=1).tolist()),
        highest=tuple(by_energy.max(axis=1).tolist()),
        width=tuple(width),
        deviation=float(np.mean(np.abs(inside - np.array(levels)))),
    )


def normal_scale(levels: Sequence[float] = LEVELS) -> BandScale:
    """Return the widths of a normal distribution.

    >>> normal_scale((0.5, 0.95)).factors.round(3).tolist()
    [0.674, 1.96]
    """
    from scipy.special import ndtri  # type: ignore[import-untyped]  # ships no types; slow to load

    return BandScale(tuple(levels), np.asarray(ndtri(0.5 + np.array(levels) / 2)))


def scale_of(
    errors: Float[Array, "sample energy"],
    sds: Float[Array, "sample energy"],
    *,
    per: Literal["energy", "all"] = "all",
    levels: Sequence[float] = LEVELS,
) -> BandScale:
    """Return the widths that make the bands right on validation data.

    They are split-conformal quantiles of abs(error) / sd (`models.conformal`), which make no assumption on the shape
    of the errors. By default all points share a factor: one at each energy is itself uncertain by
    sqrt(level (1 - level) / n), and more where spectra of one material are alike.

    Args:
        errors: Predicted minus computed on spectra that were neither trained nor tested on, shape (n_sample, n_energy).
        sds: Standard deviation that the model gives, the same shape.
        per: `all` for one factor, `energy` for one at each point of the grid: where there are thousands of spectra.
        levels: Shares that the bands are to hold.

    Raises:
        InputError: Shapes differ, or there are too few spectra for the widest band.
        ParameterError: `per` or a level is unknown.
    """
    _checked_errors(errors, sds)
    if per not in ("energy", "all"):
        raise ParameterError(f"factors are `per` energy or all, got {per!r}")
    if list(levels) != sorted(set(levels)):
        raise ParameterError(f"levels are increasing, got {tuple(levels)}: sort them, each once")
    floor = _FLOOR * float(np.median(sds))
    if not floor > 0:
        raise InputError("half of the standard deviations are zero: the members of the ensemble are copies")
    scores = np.abs(errors) / np.maximum(sds, floor)
    return BandScale(tuple(levels), conformal_quantiles(scores, levels, is_by_energy=per == "energy"), floor)


def _checked_errors(
    errors: Float[Array, "sample energy"], sds: Float[Array, "sample energy"]
) -> Float[Array, "sample energy"]:
    if errors.ndim != 2 or errors.shape != sds.shape or not errors.size:
        raise InputError(f"errors and standard deviations share one shape, got {errors.shape} and {sds.shape}")
    if not (np.all(np.isfinite(errors)) and np.all(np.isfinite(sds)) and np.min(sds) >= 0):
        raise InputError("errors and standard deviations must be finite, and the latter not below 0")
    return errors
