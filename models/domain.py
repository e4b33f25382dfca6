"""The domain check: how far a site is from everything that a model was trained on, and what is nearest.

A model says something about every site, also about chemistry it never saw. The distance here is the mean distance to
the k nearest training sites with the same absorber, after whitening: features are standardised and turned onto their
principal components, each divided by its spread over the training part. Plain nearest neighbours and the
Mahalanobis distance part left-out chemistry less well from new formulas of known chemistry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float32

from whiteline.errors import InputError
from whiteline.models.samples import Samples
from whiteline.models.scaling import is_constant

__all__ = ["Domain", "DomainReport"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Array32: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

_N_NEIGHBOUR: Final = 5
# Share of the variance that the principal components keep; what is left is noise, which whitening would raise.
_VARIANCE: Final = 0.99
# Share of validation sites that count as inside.
_INSIDE: Final = 0.95
# Pairs of sites compared at once: 64 MB of distances.
_PAIRS: Final = 8_000_000


@dataclass(frozen=True, eq=False, kw_only=True)
class DomainReport:
    """How far sites are from the training part.

    Attributes:
        distances: Mean distance to the nearest training sites, infinite for an absorber that has none, shape (n_site,).
        threshold: Distance within which 95 % of the validation sites lie.
        nearest: Materials of the nearest training sites, nearest first, a tuple a site.
    """

    distances: Float[Array, " site"]
    threshold: float
    nearest: tuple[tuple[str, ...], ...]

    @property
    def is_outside(self) -> Bool[Mask, " site"]:
        """Which sites are farther from the training part than 95 % of the validation sites, shape (n_site,)."""
        return np.asarray(self.distances > self.threshold)


@dataclass(frozen=True, eq=False, kw_only=True)
class Domain:
    """Training sites in whitened space.

    Attributes:
        mean: Mean of each feature, shape (n_feature,).
        projection: Whitened components are (features - mean) projection, shape (n_feature, n_component).
        sites: Training sites there, shape (n_site, n_component).
        absorbers: Their absorbing elements.
        materials: Their materials.
        threshold: Distance within which 95 % of the validation sites lie.
    """

    mean: Float32[Array32, " feature"]
    projection: Float32[Array32, "feature component"]
    sites: Float32[Array32, "site component"]
    absorbers: tuple[str, ...]
    materials: tuple[str, ...]
    threshold: float

    @classmethod
    def of(cls, train: Samples, validation: Samples) -> Self:
        """Return the domain of a training part, with the threshold that a validation part sets."""
        features = train.features.astype(np.float64)
        mean, sd = features.mean(0), features.std(0)
        sd[is_constant(features)] = np.inf  # they say nothing about distance
        variances, axes = np.linalg.eigh(np.cov((features - mean) / sd, rowvar=False).reshape(len(sd), len(sd)))
        order = np.argsort(variances)[::-1]
        variances, axes = np.maximum(variances[order], 0), axes[:, order]
        shares = np.cumsum(variances) / max(variances.sum(), np.finfo(float).tiny)
        n_component = max(1, min(int(np.searchsorted(shares, _VARIANCE)) + 1, int((variances > 1e-10).sum())))
        spreads = np.sqrt(np.maximum(variances[:n_component], 1e-10))
        projection = (axes[:, :n_component] / sd[:, None] / spreads).astype(np.float32)
        domain = cls(
            mean=mean.astype(np.float32),
            projection=projection,
            sites=(train.features - mean.astype(np.float32)) @ projection,
            absorbers=train.absorbers,
            materials=train.materials,
            threshold=np.inf,
        )
        distances = domain.check(validation.features, validation.absorbers).distances
        known = distances[np.isfinite(distances)]
        threshold = float(np.quantile(known, _INSIDE)) if known.size else np.inf
        return cls(**{**vars(domain), "threshold": threshold})

    def check(self, features: Float32[Array32, "site feature"], absorbers: Sequence[str]) -> DomainReport:
        """Return how far sites are from the training part.

        Args:
            features: From the encoder of the model, shape (n_site, n_feature).
            absorbers: Absorbing element of each.

        Raises:
            InputError: The features are of another size, or one is not finite.
        """
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise InputError(f"expected features of shape (n, {len(self.mean)}), got {features.shape}")
        if len(absorbers) != len(features):
            raise InputError(f"one absorber a row of features is expected, got {len(absorbers)} for {len(features)}")
        if not np.isfinite(features).all():
            row = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
            # Their distance would be no number, which is not above any threshold: such a site would count as inside.
            raise InputError(
                f"features of row {row} are not all finite: look at what the encoder made of its structure"
            )
        wanted = np.asarray(absorbers, dtype=str)
        distances = np.full(len(features), np.inf)
        nearest: list[tuple[str, ...]] = [()] * len(features)
        points = (np.asarray(features, dtype=np.float32) - self.mean) @ self.projection
        of_sites = np.asarray(self.absorbers, dtype=str)
        for element in np.unique(wanted):
            known = np.flatnonzero(of_sites == element)
            if not known.size:
                continue
            for rows in _chunks(np.flatnonzero(wanted == element), max(1, _PAIRS // known.size)):
                square = _squares(points[rows], self.sites[known])
                n_found = min(_N_NEIGHBOUR, known.size)
                found = np.argpartition(square, n_found - 1, axis=1)[:, :n_found]
                near = np.sqrt(np.take_along_axis(square, found, axis=1))
                distances[rows] = near.mean(1)
                for row, columns, lengths in zip(rows, found, near, strict=True):
                    materials = (self.materials[known[i]] for i in columns[np.argsort(lengths, kind="stable")])
                    nearest[row] = tuple(dict.fromkeys(materials))
        return DomainReport(distances=distances, threshold=self.threshold, nearest=tuple(nearest))

    def to_arrays(self) -> dict[str, Any]:
        """Return the arrays to store."""
        return {name: np.ascontiguousarray(getattr(self, name)) for name in ("mean", "projection", "sites")}

    def to_dict(self) -> dict[str, Any]:
        """Return the rest as a JSON-ready dictionary."""
        threshold = self.threshold if np.isfinite(self.threshold) else None
        return {"absorbers": list(self.absorbers), "materials": list(self.materials), "threshold": threshold}

    @classmethod
    def from_parts(cls, arrays: Mapping[str, Any], data: Mapping[str, Any]) -> Self:
        """Rebuild what `to_arrays` and `to_dict` gave."""
        return cls(
            mean=arrays["mean"],
            projection=arrays["projection"],
            sites=arrays["sites"],
            absorbers=tuple(data["absorbers"]),
            materials=tuple(data["materials"]),
            threshold=np.inf if data["threshold"] is None else float(data["threshold"]),
        )


def _squares(
    one: Float32[Array32, "one component"], other: Float32[Array32, "other component"]
) -> Float[Array, "one other"]:
    """Return the squares of all distances, shape (n_one, n_other)."""
    product = one.astype(np.float64) @ other.astype(np.float64).T
    lengths = [np.einsum("ij,ij->i", each, each, dtype=np.float64) for each in (one, other)]
    return np.asarray(np.maximum(lengths[0][:, None] + lengths[1] - 2 * product, 0.0))


def _chunks(rows: np.ndarray[Any, np.dtype[np.int64]], size: int) -> Iterator[np.ndarray[Any, np.dtype[np.int64]]]:
    for begin in range(0, len(rows), size):
        yield rows[begin : begin + size]
