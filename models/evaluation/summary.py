"""A model's errors on a set of spectra in a few numbers, in all and by absorber."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import InputError
from whiteline.models import metrics
from whiteline.models.evaluation.paired import ratio_interval

__all__ = ["Summary", "summarise", "summarise_by"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Summary:
    """Errors of a model over a set of spectra.

    Attributes:
        n_samples: Number of spectra.
        eta: Median MSE of the train mean over that of the model (arXiv:2409.19552).
        eta_low: Lower end of its 95 % bootstrap interval over materials, or over spectra where these are unknown; None
            for a single one.
        eta_high: Upper end.
        median_mse: Median of the mean squared errors [unit squared].
        mean_mse: Their mean [unit squared].
        baseline_mse: Median MSE of the train mean [unit squared].
        mae: Mean over the spectra of the mean absolute error [unit].
        rmse: Median of the root mean squared errors [unit].
        spearman: Median rank correlation; None where no spectrum has one.
        pearson: Median linear correlation.
        cosine: Median cosine of the angle.
        peak_error: Median distance of the white lines [eV].
        peak_bias: Median of predicted minus computed position [eV].
    """

    n_samples: int
    eta: float
    eta_low: float | None
    eta_high: float | None
    median_mse: float
    mean_mse: float
    baseline_mse: float
    mae: float
    rmse: float
    spearman: float | None
    pearson: float | None
    cosine: float | None
    peak_error: float
    peak_bias: float

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def summarise(
    spectra: Float[Array, "sample energy"],
    predicted: Float[Array, "sample energy"],
    train_mean: Float[Array, " energy"] | Float[Array, "sample energy"],
    points: Float[Array, " energy"],
    *,
    materials: Sequence[str] | None = None,
    peak_window: tuple[float, float] | None = None,
    seed: int = 0,
) -> Summary:
    """Return the errors of a model in a few numbers.

    Args:
        spectra: What was computed, shape (n_sample, n_energy).
        predicted: What the model says, the same shape.
        train_mean: Mean of the training spectra, shape (n_energy,); one row a sample where each absorber has its own.
        points: Axis, shape (n_energy,) [eV].
        materials: Material of every spectrum; sites of one crystal err alike, and the interval of η counts each once.
        peak_window: Where the white line is sought [eV]; everywhere when None.
        seed: Of the bootstrap.

    Raises:
        InputError: Shapes do not fit, a number is not finite, or half of the predictions equal their spectra.
    """
    eta = metrics.eta(spectra, predicted, train_mean)
    errors = metrics.mse(spectra, predicted)
    baseline = metrics.mse(spectra, np.broadcast_to(np.asarray(train_mean, dtype=float), spectra.shape))
    n_drawn = len(errors) if materials is None else len(set(materials))
    has_interval = n_drawn > 1 and float(errors.min()) > 0
    low, high = ratio_interval(baseline, errors, groups=materials, seed=seed) if has_interval else (None, None)
    shifts = metrics.peak_errors(spectra, predicted, points, window=peak_window)
    return Summary(
        n_samples=len(errors),
        eta=eta,
        eta_low=low,
        eta_high=high,
        median_mse=float(np.median(errors)),
        mean_mse=float(np.mean(errors)),
        baseline_mse=float(np.median(baseline)),
        mae=float(np.mean(metrics.mae(spectra, predicted))),
        rmse=float(np.median(metrics.rmse(spectra, predicted))),
        spearman=_median(metrics.spearman(spectra, predicted)),
        pearson=_median(metrics.pearson(spectra, predicted)),
        cosine=_median(metrics.cosine(spectra, predicted)),
        peak_error=float(np.median(np.abs(shifts))),
        peak_bias=float(np.median(shifts)),
    )


def summarise_by(
    names: Sequence[str],
    spectra: Float[Array, "sample energy"],
    predicted: Float[Array, "sample energy"],
    train_mean: Float[Array, " energy"] | Float[Array, "sample energy"],
    points: Float[Array, " energy"],
    *,
    materials: Sequence[str] | None = None,
    peak_window: tuple[float, float] | None = None,
) -> dict[str, Summary]:
    """Return one summary a name, in alphabetical order; arguments as for `summarise`.

    Args:
        names: Absorber, or whatever else divides the samples, one a sample.
        spectra: What was computed, shape (n_sample, n_energy).
        predicted: What the model says, the same shape.
        train_mean: Mean of the training spectra, shape (n_energy,) or (n_sample, n_energy).
        points: Axis, shape (n_energy,) [eV].
        materials: Material of every spectrum.
        peak_window: Where the white line is sought [eV].

    Raises:
        InputError: There is not one name a sample, or `summarise` refuses a part.
    """
    if len(names) != len(spectra):
        raise InputError(f"every spectrum has a name, got {len(spectra)} and {len(names)}")
    means = np.broadcast_to(np.asarray(train_mean, dtype=float), spectra.shape)
    found = {}
    for name in sorted(set(names)):
        rows = np.flatnonzero([own == name for own in names])
        found[name] = summarise(
            spectra[rows],
            predicted[rows],
            means[rows],
            points,
            materials=None if materials is None else [materials[int(row)] for row in rows],
            peak_window=peak_window,
        )
    return found


def _median(values: Float[Array, " sample"]) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else None
