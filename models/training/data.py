"""Training and validation part as tensors that stay on the device, and the content hash that names them."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from whiteline.errors import InputError
from whiteline.models.samples import Samples
from whiteline.models.scaling import Conditions, Scaling, channels_of

__all__ = ["Part", "check_parts", "sha256_of"]

logger = logging.getLogger(__name__)

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Part:
    """One part of the data as a network sees it, on one device.

    Attributes:
        features: Standardised, shape (n_sample, n_feature).
        targets: Scaled spectra, shape (n_sample, n_energy).
        codes: Subject and fidelity, shape (n_sample, 2).
    """

    features: Tensor
    targets: Tensor
    codes: Tensor

    @classmethod
    def of(
        cls,
        samples: Samples,
        *,
        scaling: Scaling,
        conditions: Conditions,
        device: torch.device,
        base: Float[Array, "sample energy"] | None = None,
    ) -> Self:
        """Return samples as tensors.

        Args:
            samples: They.
            scaling: Of features and spectra.
            conditions: What the network tells apart.
            device: Where the tensors live.
            base: Spectra that the network learns the difference from, shape (n_sample, n_energy) [unit of the spectra].
        """
        channels = scaling.index(channels_of(samples))
        spectra = samples.spectra if base is None else samples.spectra - base
        return cls(
            torch.from_numpy(scaling.scale_features(samples.features)).to(device),
            torch.from_numpy(scaling.scale_spectra(spectra, channels)).to(device),
            torch.from_numpy(conditions.codes(scaling)[channels]).to(device),
        )

    def __len__(self) -> int:
        return len(self.features)


def check_parts(train: Samples, validation: Samples) -> None:
    """Look whether two parts belong together; a material that is in both is warned of.

    Raises:
        InputError: One is empty or has no features, a sample is in both, the validation part has a channel that the
            training part lacks, or encoder, grid or unit differ.
    """
    for name, part in (("training", train), ("validation", validation)):
        if not len(part):
            raise InputError(f"the {name} part is empty: a split needs samples in both parts")
        if not part.features.shape[1]:
            raise InputError(f"the {name} part has no features: encode its structures first")
    for what, one, other in (
        ("encoder", train.encoder, validation.encoder),
        ("number of features", train.features.shape[1], validation.features.shape[1]),
        ("unit", train.unit, validation.unit),
        ("number of energies", len(train.points), len(validation.points)),
    ):
        if one != other:
            raise InputError(f"training and validation part differ in {what}: {one!r} and {other!r}")
    if not np.allclose(train.points, validation.points, atol=1e-6, rtol=0):
        raise InputError("training and validation part are on different grids: bring them onto one grid first")
    if both := set(zip(train.ids, channels_of(train), strict=True)) & set(
        zip(validation.ids, channels_of(validation), strict=True)
    ):
        raise InputError(f"{len(both)} sample(s) are in both parts, first {min(both)[0]!r}: split them again")
    if unknown := sorted({*map(str, channels_of(validation))} - {*map(str, channels_of(train))}):
        raise InputError(
            f"the validation part has spectra of {', '.join(unknown)} and the training part has none of them: split "
            "each absorber, edge and fidelity, or leave them out"
        )
    if shared := set(train.materials) & set(validation.materials):
        logger.warning(
            "%d material(s) are in both parts, such as %s: the validation error is too small and chooses weights that "
            "know these materials; split by formula or material",
            len(shared),
            min(shared),
        )


def sha256_of(samples: Samples) -> str:
    """Return the content hash of samples: names, features, spectra and axis."""
    digest = hashlib.sha256()
    for array in (samples.features, samples.spectra, samples.points, samples.zeros):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    for names in (samples.ids, samples.absorbers, samples.edges, samples.fidelities, samples.materials):
        digest.update("\n".join(names).encode() + b"\0")
    digest.update(f"{samples.unit}\0{samples.encoder}".encode())
    return digest.hexdigest()
