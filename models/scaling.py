"""How features and spectra are scaled for a network, kept with the model and undone on prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from whiteline.errors import InputError
from whiteline.models.samples import Samples

__all__ = ["Channel", "Conditions", "Scaling", "channels_of", "is_constant"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Array32: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
Codes: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

# A feature that varies less than this, relative to its size, is constant: dividing by its spread would blow up noise.
_CONSTANT: Final = 1e-6
# A feature smaller than this, relative to the largest of all, has that size in the comparison.
_NEGLIGIBLE: Final = 1e-3


class Channel(NamedTuple):
    """What a spectrum is of: absorber, edge and fidelity.

    >>> str(Channel("Cu", "K", "feff"))
    'Cu K feff'
    """

    absorber: str
    edge: str
    fidelity: str

    @property
    def subject(self) -> str:
        """Absorber and edge, e.g. `Cu K`."""
        return f"{self.absorber} {self.edge}"

    def __str__(self) -> str:
        return f"{self.subject} {self.fidelity}"


def channels_of(samples: Samples) -> list[Channel]:
    """Return the channel of every sample."""
    return [Channel(*each) for each in zip(samples.absorbers, samples.edges, samples.fidelities, strict=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Scaling:
    """x' = (x - mean) / sd for each feature, and y' = (y - offset_c) / scale_c for the spectra of channel c.

    Attributes:
        feature_mean: Mean of each feature over the training part, shape (n_feature,).
        feature_sd: Standard deviation, 1 for constant features, shape (n_feature,).
        channels: What the model predicts.
        zeros: What the axis of each channel is counted from, the median of its spectra, shape (n_channel,) [eV].
        zero_spreads: Range of it: 0 where all spectra of a channel share it, shape (n_channel,) [eV].
        offsets: Subtracted from spectra: the mean spectrum of the channel, or zero, shape (n_channel, n_energy).
        scales: Spectra are divided by: their spread or mean, one number a channel, shape (n_channel,).
    """

    feature_mean: Float[Array, " feature"]
    feature_sd: Float[Array, " feature"]
    channels: tuple[Channel, ...]
    zeros: Float[Array, " channel"]
    zero_spreads: Float[Array, " channel"]
    offsets: Float[Array, "channel energy"]
    scales: Float[Array, " channel"]

    @classmethod
    def of(
        cls,
        samples: Samples,
        spectra: Float[Array, "sample energy"],
        *,
        is_positive: bool,
        like: Scaling | None = None,
    ) -> Self:
        """Return the scaling of a training part.

        Args:
            samples: The training part.
            spectra: What is learned: its spectra, or their difference from other ones, shape (n_sample, n_energy).
            is_positive: Scale the spectra by their mean and subtract nothing; otherwise subtract the mean spectrum of
                the channel and divide by the root mean square of what is left.
            like: A scaling whose features are kept, and whose channels where it has them: that of the model which a
                fine-tuning starts from.
        """
        features = samples.features.astype(np.float64)
        mean, sd = features.mean(0), features.std(0)
        sd[is_constant(features)] = 1.0
        of_samples = channels_of(samples)
        channels = tuple(sorted(set(of_samples)))
        zeros, spreads, offsets, scales = [], [], [], []
        for channel in channels:
            mask = np.array([each == channel for each in of_samples])
            if like is not None and channel in like.channels:
                i_channel = like.channels.index(channel)
                offset, scale = like.offsets[i_channel], float(like.scales[i_channel])
            else:
                offset, scale = _scale(spectra[mask], is_positive=is_positive)
            zeros.append(float(np.median(samples.zeros[mask])))
            spreads.append(float(np.ptp(samples.zeros[mask])))
            offsets.append(offset)
            scales.append(scale)
        return cls(
            feature_mean=mean if like is None else like.feature_mean,
            feature_sd=sd if like is None else like.feature_sd,
            channels=channels,
            zeros=np.array(zeros),
            zero_spreads=np.array(spreads),
            offsets=np.array(offsets),
            scales=np.array(scales),
        )

    def index(self, wanted: Sequence[Channel]) -> Codes:
        """Return the position of each channel, shape (n_sample,).

        Raises:
            InputError: The model was not trained on one of them.
        """
        known = {channel: i_channel for i_channel, channel in enumerate(self.channels)}
        unknown = sorted({str(each) for each in wanted if each not in known})
        if unknown:
            raise InputError(
                f"the model was trained on {', '.join(map(str, self.channels))}, not on {', '.join(unknown)}: "
                "take a model of that absorber, edge and fidelity, or train one"
            )
        return np.array([known[each] for each in wanted], dtype=np.int64)

    def scale_features(self, features: Float32[Array32, "sample feature"]) -> Float32[Array32, "sample feature"]:
        """Return standardised features.

        Raises:
            InputError: There are more or fewer than the model was trained on, or one is not finite.
        """
        if features.ndim != 2 or features.shape[1] != len(self.feature_mean):
            raise InputError(f"expected features of shape (n, {len(self.feature_mean)}), got {features.shape}")
        if not np.isfinite(features).all():
            row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
            raise InputError(
                f"features of row {row} are not all finite: look at what the encoder made of its structure"
            )
        return ((features - self.feature_mean) / self.feature_sd).astype(np.float32)

    def scale_spectra(
        self, spectra: Float[Array, "sample energy"], channels: Int[Codes, " sample"]
    ) -> Float32[Array32, "sample energy"]:
        """Return what the network learns."""
        return ((spectra - self.offsets[channels]) / self.scales[channels, None]).astype(np.float32)

    def unscale_spectra(
        self, scaled: Float32[Array32, "*member sample energy"], channels: Int[Codes, " sample"]
    ) -> Float[Array, "*member sample energy"]:
        """Return spectra from what the network says."""
        return np.asarray(scaled.astype(np.float64) * self.scales[channels, None] + self.offsets[channels])


@dataclass(frozen=True)
class Conditions:
    """What a conditional network tells apart, in the order of its embeddings.

    Attributes:
        subjects: Absorber and edge, e.g. `Cu K`.
        fidelities: E.g. `feff`.
    """

    subjects: tuple[str, ...]
    fidelities: tuple[str, ...]

    @classmethod
    def of(cls, scaling: Scaling, *, like: Conditions | None = None) -> Self:
        """Return those of the channels; what `like` has already keeps its place, new ones come after."""
        subjects = dict.fromkeys((*(like.subjects if like else ()), *sorted({c.subject for c in scaling.channels})))
        fidelities = dict.fromkeys(
            (*(like.fidelities if like else ()), *sorted({c.fidelity for c in scaling.channels}))
        )
        return cls(tuple(subjects), tuple(fidelities))

    def codes(self, scaling: Scaling) -> Codes:
        """Return subject and fidelity of every channel as numbers, shape (n_channel, 2)."""
        return np.array([(self.subjects.index(c.subject), self.fidelities.index(c.fidelity)) for c in scaling.channels])


def is_constant(features: Float[Array, "sample feature"]) -> Bool[Mask, " feature"]:
    """Return which features vary by no more than rounding, shape (n_feature,).

    Descriptors have features that are next to nothing for all training sites, and large for one that is unlike them:
    divided by such a spread it would drown all others.
    """
    size = np.maximum(np.abs(features.mean(0)), _NEGLIGIBLE * np.abs(features).max(initial=0.0))
    return np.asarray(features.std(0) <= _CONSTANT * size)


def _scale(spectra: Float[Array, "sample energy"], *, is_positive: bool) -> tuple[Float[Array, " energy"], float]:
    mean = spectra.mean(0)
    if is_positive:
        return np.zeros_like(mean), float(np.abs(mean).mean())
    spread = float(np.sqrt(np.mean((spectra - mean) ** 2)))
    # A single spectrum has no spread; its own size is as good a unit as any.
    return mean, spread if spread > _CONSTANT * np.abs(mean).mean() else float(np.abs(mean).mean())
