"""A trained model: weights of all members with everything a prediction needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import numpy as np
from jaxtyping import Float, Float32

from whiteline.errors import InputError
from whiteline.models.architectures import Architecture, Network, NetworkSizes
from whiteline.models.bands import LEVELS, Bands
from whiteline.models.card import Card
from whiteline.models.fingerprint import model_sha256
from whiteline.models.prediction import Prediction
from whiteline.models.samples import Samples
from whiteline.models.scaling import Channel, Conditions, Scaling, channels_of

if TYPE_CHECKING:
    from torch import Tensor

    from whiteline.models.domain import Domain

__all__ = ["Delta", "SpectrumModel", "calibrate"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Array32: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

# Rows predicted at once: a few megabytes of activations, which stay in the cache of a processor.
_ROWS: Final = 1024


@dataclass(frozen=True, eq=False, kw_only=True)
class SpectrumModel:
    """One model or an ensemble, from the features of a site to its spectrum.

    Attributes:
        architecture: Hyper-parameters of the network.
        weights: By name, the member as first axis, on the CPU.
        scaling: Of features and spectra, by channel.
        conditions: What a conditional network tells apart.
        points: Axis of the spectra, shape (n_energy,) [eV].
        unit: Of the spectra.
        encoder: Id of what made the features; "" where unknown.
        card: What it was made from.
        bands: Calibrated uncertainty, once there is one.
        domain: Training set for the domain check, once there is one.
        delta: The model whose predictions are added, if there is one.
    """

    architecture: Architecture
    weights: Mapping[str, Tensor]
    scaling: Scaling
    conditions: Conditions
    points: Float[Array, " energy"]
    unit: str
    encoder: str
    card: Card = field(default_factory=Card)
    bands: Bands | None = None
    domain: Domain | None = None
    delta: Delta | None = None

    @property
    def n_member(self) -> int:
        """Number of members."""
        return len(next(iter(self.weights.values())))

    @cached_property
    def sha256(self) -> str:
        """Content hash that names the model; see `models.fingerprint`."""
        return model_sha256(self)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What it predicts: absorber, edge and fidelity."""
        return self.scaling.channels

    @property
    def elements(self) -> tuple[str, ...]:
        """Absorbing elements it was trained on."""
        return tuple(sorted({channel.absorber for channel in self.channels}))

    @property
    def sizes(self) -> NetworkSizes:
        """Sizes of its network."""
        return NetworkSizes(
            n_feature=len(self.scaling.feature_mean),
            n_energy=len(self.points),
            n_subject=len(self.conditions.subjects),
            n_fidelity=len(self.conditions.fidelities),
        )

    @cached_property
    def network(self) -> Network:
        """The network with its weights."""
        network = self.architecture.build(self.sizes, [0] * self.n_member)
        network.load_state_dict(dict(self.weights))
        return network.eval().requires_grad_(requires_grad=False)

    def predict(
        self,
        features: Float32[Array32, "sample feature"],
        absorbers: Sequence[str],
        *,
        edges: Sequence[str] | None = None,
        fidelities: Sequence[str] | None = None,
        encoder: str | None = None,
    ) -> Prediction:
        """Return the spectra of sites.

        Args:
            features: One row a site, shape (n_sample, n_feature).
            absorbers: Symbol of the absorbing element, one a site.
            edges: Edge, one a site; not needed where the model knows one edge.
            fidelities: What to predict, one a site; not needed where the model knows one fidelity.
            encoder: Id of what made the features; compared with that of the model if both are known.

        Raises:
            InputError: The model was not trained on an absorber, edge or fidelity, or on such features.
        """
        self.check_encoder(encoder or "")
        edges = edges or self._only("edges", {c.edge for c in self.channels}, len(features))
        fidelities = fidelities or self._only("fidelities", {c.fidelity for c in self.channels}, len(features))
        if not len(features) == len(absorbers) == len(edges) == len(fidelities):
            raise InputError(
                f"one absorber, edge and fidelity a row of features is expected, got {len(features)} rows, "
                f"{len(absorbers)} absorbers, {len(edges)} edges and {len(fidelities)} fidelities"
            )
        channels = self.scaling.index([Channel(*each) for each in zip(absorbers, edges, fidelities, strict=True)])
        members = self.scaling.unscale_spectra(self._forward(features, channels), channels)
        if self.delta is not None:
            members = members + self.delta.predict(features, [self.channels[i] for i in channels])
        spread, scales = members.std(0), self.scaling.scales[channels]
        return Prediction(
            mean=members.mean(0),
            members=members,
            points=self.points,
            zeros=self.scaling.zeros[channels],
            unit=self.unit,
            levels=np.zeros(0) if self.bands is None else self.bands.levels,
            half_widths=(
                np.zeros((0, *spread.shape)) if self.bands is None else self.bands.half_widths(spread, scales)
            ),
        )

    def predict_samples(self, samples: Samples) -> Prediction:
        """Return the spectra of samples, in the place of the ones they have.

        Raises:
            InputError: Encoder, grid, unit or a channel is another one than the model's.
        """
        self.check_samples(samples)
        return self.predict(samples.features, samples.absorbers, edges=samples.edges, fidelities=samples.fidelities)

    def check_encoder(self, encoder: str) -> None:
        """Look whether features come from the encoder that the model was trained with, as far as both are known.

        Raises:
            InputError: They do not.
        """
        if encoder and self.encoder and encoder != self.encoder:
            raise InputError(
                f"the model was trained on features of {self.encoder}, got features of {encoder}: encode again with "
                "the model's encoder"
            )

    def check_samples(self, samples: Samples) -> None:
        """Look whether spectra of samples can be compared with those of the model.

        Raises:
            InputError: Encoder, grid or unit is another one.
        """
        self.check_encoder(samples.encoder)
        if samples.unit != self.unit:
            raise InputError(f"the model predicts in {self.unit!r}, the samples are in {samples.unit!r}: convert them")
        self.check_grid(samples)
        for channel, zero, spread in zip(self.channels, self.scaling.zeros, self.scaling.zero_spreads, strict=True):
            theirs = samples.zeros[np.array([each == channel for each in channels_of(samples)], dtype=bool)]
            if theirs.size and spread < 1e-6 and np.abs(theirs - zero).max() > 1e-6:
                raise InputError(
                    f"{channel}: the grid of the model is counted from {zero:.3f} eV, that of the samples from "
                    f"{theirs.min():.3f} to {theirs.max():.3f} eV: bring the samples onto the grid of the model"
                )

    def check_grid(self, samples: Samples) -> None:
        """Look whether samples have the axis of the model.

        Raises:
            InputError: They have not.
        """
        if len(samples.points) != len(self.points) or not np.allclose(samples.points, self.points, atol=1e-6, rtol=0):
            raise InputError(
                f"the grid of the model has {_described(self.points)}, that of the samples {_described(samples.points)}"
                ": bring the samples onto the grid of the model"
            )

    def save(self, folder: str | Path) -> Path:
        """Write the model into a new folder; see `models.folder`.

        Raises:
            StoreError: The folder is not empty, or cannot be written.
        """
        from whiteline.models.folder import save_model

        return save_model(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> SpectrumModel:
        """Return the model in a folder, after looking whether it is whole; see `models.folder`.

        Raises:
            InputError: There is no model.
            CorruptStoreError: A file was changed or cut off.
            SchemaVersionError: A newer Whiteline wrote it.
        """
        from whiteline.models.folder import load_model

        return load_model(Path(folder))

    def with_card(self, card: Card) -> Self:
        """Return the model with another card."""
        return replace(self, card=card)

    def _forward(self, features: Float32[Array32, "sample feature"], channels: Any) -> Any:
        import torch

        rows = torch.from_numpy(self.scaling.scale_features(np.asarray(features, dtype=np.float32)))
        codes = torch.from_numpy(self.conditions.codes(self.scaling)[channels])
        n_member = self.n_member
        with torch.no_grad():
            pieces = [
                self.network(piece.expand(n_member, -1, -1), code.expand(n_member, -1, -1))
                for piece, code in zip(torch.split(rows, _ROWS), torch.split(codes, _ROWS), strict=True)
            ]
        return torch.cat(pieces, 1).numpy()

    def _only(self, what: str, known: set[str], n_sample: int) -> list[str]:
        if len(known) > 1:
            raise InputError(f"the model knows several {what}: name one a site of {', '.join(sorted(known))}")
        return [*known] * n_sample


@dataclass(frozen=True, eq=False, kw_only=True)
class Delta:
    """Predictions of another model that are added to those of a network: corrected by it, or in a weighted mean.

    Attributes:
        source: The other model.
        fidelity: What it predicts.
        slopes: Its spectra are multiplied by, one a channel of the correcting model.
    """

    source: SpectrumModel
    fidelity: str
    slopes: Mapping[Channel, float]

    def predict(
        self, features: Float32[Array32, "sample feature"], channels: Sequence[Channel]
    ) -> Float[Array, "sample energy"]:
        """Return what is added to the correction, shape (n_sample, n_energy) [unit of the correcting model].

        Raises:
            InputError: A channel has no slope, or the source does not predict its absorber and edge.
        """
        if unknown := sorted({str(channel) for channel in channels if channel not in self.slopes}):
            raise InputError(
                f"the correction is of {', '.join(map(str, self.slopes))}, not of {', '.join(unknown)}: make it from "
                "samples of all of them (delta_of)"
            )
        predicted = self.source.predict(
            features,
            [channel.absorber for channel in channels],
            edges=[channel.edge for channel in channels],
            fidelities=[self.fidelity] * len(channels),
        )
        return np.asarray(predicted.mean * np.array([self.slopes[channel] for channel in channels])[:, None])


def calibrate(model: SpectrumModel, calibration: Samples, *, levels: Sequence[float] = LEVELS) -> SpectrumModel:
    """Return the model with bands of which the stated shares hold on a calibration part.

    The validation part that chose the epoch serves well enough where data are few; a part of its own is cleaner.

    Args:
        model: A model.
        calibration: Samples that it was not trained on.
        levels: Shares of the points inside each band.

    Raises:
        InputError: The samples do not fit the model, or are too few.
    """
    predicted = model.predict_samples(calibration)
    scales = model.scaling.scales[model.scaling.index(channels_of(calibration))]
    bands = Bands.of(predicted.mean - calibration.spectra, predicted.spread, scales, levels=levels)
    return replace(model, bands=bands)


def _described(points: Float[Array, " energy"]) -> str:
    return f"{len(points)} points from {points[0]:g} to {points[-1]:g} eV"
