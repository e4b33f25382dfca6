"""What a report is made of: a model's predictions beside the spectra, as plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import InputError
from whiteline.models.evaluation.calibration import BandScale

__all__ = ["Evaluated", "LearningPoint", "Rival"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class LearningPoint:
    """Error of a model that was trained on part of the data.

    Attributes:
        n_train: Number of training spectra.
        error: Median MSE on the spectra of the report [unit squared].
        label: Curve that the point belongs to, e.g. `from scratch`.
    """

    n_train: int
    error: float
    label: str = "model"


@dataclass(frozen=True, eq=False)
class Rival:
    """Another model's predictions of the same spectra.

    Attributes:
        name: Its name.
        predicted: Shape (n_sample, n_energy) [unit].
    """

    name: str
    predicted: Float[Array, "sample energy"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluated:
    """Spectra that a model did not see, and what it says of them.

    Attributes:
        spectra: What was computed, shape (n_sample, n_energy) [`unit`].
        predicted: What the model says, the same shape.
        train_mean: Mean of the training spectra, shape (n_energy,); one row a sample where each absorber has its own.
        points: Axis, shape (n_energy,) [eV].
        ids: Name of every sample.
        absorbers: Absorbing element of every sample.
        unit: Of the spectra.
        materials: Material of every sample, for tests that count each once; nothing where unknown.
        sds: Standard deviation that the model gives, shape (n_sample, n_energy) [unit]; None where it gives none.
        scale: What makes bands of them, from validation data; those of a normal distribution when None.
        distances: Distance of every sample from the training set, shape (n_sample,); None where unknown.
        learning: Errors of models trained on parts of the data.
        rival: Another model to compare with.
        peak_window: Where the white line is sought [eV]; everywhere when None.
        title: Of the report.
        facts: What to say of model and data, by name: split, encoder, number of training spectra.

    Raises:
        InputError: Parts do not fit together, or a number is not finite.
    """

    spectra: Float[Array, "sample energy"]
    predicted: Float[Array, "sample energy"]
    train_mean: Float[Array, " energy"] | Float[Array, "sample energy"]
    points: Float[Array, " energy"]
    ids: tuple[str, ...]
    absorbers: tuple[str, ...]
    unit: str
    materials: tuple[str, ...] = ()
    sds: Float[Array, "sample energy"] | None = None
    scale: BandScale | None = None
    distances: Float[Array, " sample"] | None = None
    learning: tuple[LearningPoint, ...] = ()
    rival: Rival | None = None
    peak_window: tuple[float, float] | None = None
    title: str = "Spectrum model"
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape, n_sample = self.spectra.shape, len(self.ids)
        if len(shape) != 2 or shape[0] != n_sample or not n_sample or self.points.shape != shape[1:]:
            raise InputError(
                f"spectra have one row an id and one column a point, got shape {shape}, {n_sample} ids and "
                f"{self.points.size} points"
            )
        others = {"predicted": self.predicted, "sds": self.sds}
        others["rival"] = None if self.rival is None else self.rival.predicted
        for name, values in others.items():
            if values is not None and (values.shape != shape or not np.all(np.isfinite(values))):
                raise InputError(f"{name} has the shape of the spectra, {shape}, and is finite; got {values.shape}")
        if not np.all(np.isfinite(self.spectra)):
            row = int(np.flatnonzero(~np.all(np.isfinite(self.spectra), axis=1))[0])
            raise InputError(f"the spectrum of {self.ids[row]!r} is not finite everywhere: leave it out")
        if self.train_mean.shape not in {shape, shape[1:]} or not np.all(np.isfinite(self.train_mean)):
            raise InputError(f"the train mean has shape {shape[1:]} or {shape}, got {self.train_mean.shape}")
        lengths = {"absorbers": len(self.absorbers), "materials": len(self.materials) or n_sample}
        lengths["distances"] = n_sample if self.distances is None else len(self.distances)
        if set(lengths.values()) != {n_sample}:
            raise InputError(f"every part has one entry for each of {n_sample} samples, got {lengths}")

    @property
    def baseline(self) -> Float[Array, "sample energy"]:
        """The train mean, one row a sample, shape (n_sample, n_energy)."""
        return np.asarray(np.broadcast_to(self.train_mean, self.spectra.shape))
