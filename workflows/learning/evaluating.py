"""How good a trained model is on spectra that it did not learn from: numbers for the card, arrays for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.models.bands import PER_ENERGY
from whiteline.models.evaluation import BandScale, Evaluated, scale_of, summarise
from whiteline.models.metrics import mse
from whiteline.models.scaling import channels_of

if TYPE_CHECKING:
    from whiteline.models.model import SpectrumModel
    from whiteline.models.samples import Samples

__all__ = ["Evaluation", "evaluate"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# Spectra of the validation part that error bars are drawn from; of fewer, quantiles say too little.
_FEWEST = 20
_NUMBERS = ("eta", "median_mse", "mean_mse", "baseline_mse", "mae", "spearman", "peak_error")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What is said of a model.

    Attributes:
        metrics: For its card, by name of the part and of the number, e.g. `test_eta`.
        evaluated: For its report.
        notes: What the user should know.
    """

    metrics: Mapping[str, float]
    evaluated: Evaluated | None
    notes: tuple[str, ...] = field(default=())


def evaluate(model: SpectrumModel, train: Samples, validation: Samples, test: Samples) -> Evaluation:
    """Return how good a model is on the test part, or where there is none, on the validation part.

    Args:
        model: Trained, with its error bars and domain.
        train: What it learned from; its mean spectra are what η compares with.
        validation: What chose the epoch.
        test: What nothing was chosen by.
    """
    part, name = (test, "test") if len(test) else (validation, "validation")
    notes = () if len(test) else ("there is no test part: the report is about the validation part, which flatters",)
    predicted = model.predict_samples(part)
    means = _train_means(train, part)
    summary = summarise(part.spectra, predicted.mean, means, part.points, materials=part.materials).to_dict()
    numbers = {f"{name}_{key}": float(summary[key]) for key in _NUMBERS if summary[key] is not None}
    numbers["validation_median_mse"] = float(np.median(mse(validation.spectra, model.predict_samples(validation).mean)))
    if model.bands is not None:
        errors = np.abs(predicted.mean - part.spectra)
        for level, half in zip(predicted.levels, predicted.half_widths, strict=True):
            numbers[f"{name}_inside_{round(100 * float(level))}"] = float(np.mean(errors <= half))
    distances = None
    if model.domain is not None:
        report = model.domain.check(part.features, part.absorbers)
        numbers[f"{name}_outside_domain"] = float(np.mean(report.is_outside))
        distances = report.distances if np.all(np.isfinite(report.distances)) else None
    sds, scale = _errors_bars(model, validation, part)
    evaluated = Evaluated(
        spectra=part.spectra,
        predicted=predicted.mean,
        train_mean=means,
        points=part.points,
        ids=part.ids,
        absorbers=part.absorbers,
        unit=part.unit,
        materials=part.materials,
        sds=sds,
        scale=scale,
        distances=distances,
        title=f"{model.card.name or 'model'}: {', '.join(map(str, model.channels))}",
        facts={
            "part": f"{name}, {len(part)} spectra of {len(set(part.materials))} materials",
            "training spectra": f"{len(train)} of {len(set(train.materials))} materials",
            "members": str(model.n_member),
            "encoder": model.encoder or "unknown",
            "architecture": str(model.architecture.to_dict()["name"]),
            "split": model.card.split,
        },
    )
    return Evaluation(numbers, evaluated, notes)


def _train_means(train: Samples, part: Samples) -> Float[Array, "sample energy"]:
    """Return the mean training spectrum of the channel of every sample."""
    of_train = channels_of(train)
    means = {
        channel: train.spectra[np.array([own == channel for own in of_train])].mean(0) for channel in set(of_train)
    }
    return np.array([means[channel] for channel in channels_of(part)])


def _errors_bars(
    model: SpectrumModel, validation: Samples, part: Samples
) -> tuple[Float[Array, "sample energy"] | None, BandScale | None]:
    """Return σ of every point as the model's bands have it, and the factors of many levels, from validation data."""
    if model.bands is None or len(validation) < _FEWEST:
        return None, None

    def sigma(samples: Samples) -> Float[Array, "sample energy"]:
        scales = model.scaling.scales[model.scaling.index(channels_of(samples))]
        floor = 0.0 if model.bands is None else model.bands.floor
        return np.asarray(np.hypot(model.predict_samples(samples).spread, floor * scales[:, None]))

    errors = model.predict_samples(validation).mean - validation.spectra
    scale = scale_of(errors, sigma(validation), per="energy" if len(validation) >= PER_ENERGY else "all")
    return sigma(part), scale
