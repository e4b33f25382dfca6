"""Which spectra are left out of training as outliers: none, unless a policy says so and is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from jaxtyping import Bool

from whiteline.errors import ParameterError
from whiteline.models.samples import Samples
from whiteline.models.scaling import channels_of

__all__ = ["KEEP_ALL", "PUBLISHED", "OutlierPolicy", "Outliers"]


@dataclass(frozen=True, eq=False)
class Outliers:
    """What a policy found.

    Attributes:
        policy: The policy.
        is_outlier: One truth value a sample, shape (n_sample,).
        ids: Names of the outliers.
        n_samples: Number of samples of each absorber, edge and fidelity.
        n_outliers: How many of them are outliers.
    """

    policy: OutlierPolicy
    is_outlier: Bool[np.ndarray, " sample"]
    ids: tuple[str, ...]
    n_samples: Mapping[str, int]
    n_outliers: Mapping[str, int]

    def remove(self, samples: Samples) -> Samples:
        """Return the samples without their outliers."""
        return samples.select(~self.is_outlier)

    def to_dict(self) -> dict[str, Any]:
        """Return the record of what was found, JSON-ready: it goes into the card of a model."""
        return {
            "policy": self.policy.to_dict(),
            "n_samples": dict(self.n_samples),
            "n_outliers": dict(self.n_outliers),
            "ids": list(self.ids),
        }


@dataclass(frozen=True)
class OutlierPolicy:
    """A spectrum is an outlier when any of its points is more than k standard deviations from the mean.

    Mean and standard deviation are those at that point over all samples of the same absorber, edge and fidelity, in
    one pass (arXiv:2409.19552). This looks at what is tested, too, where it is applied before the division; and the
    fifth of the data that it takes from the published Cu spectra makes models better when it is kept.

    Attributes:
        name: For records.
        k: Number of standard deviations by code, the first word of a fidelity; nothing keeps everything.

    Raises:
        ParameterError: A number is not above zero.

    >>> KEEP_ALL.to_dict()
    {'name': 'keep-all', 'k': {}}
    """

    name: str = "keep-all"
    k: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for code, k in self.k.items():
            if not (np.isfinite(k) and k > 0):
                raise ParameterError(f"a spectrum is an outlier beyond k > 0 standard deviations, got {k} for {code}")

    def find(self, samples: Samples) -> Outliers:
        """Return the outliers.

        Raises:
            ParameterError: The policy knows other fidelities, and not one of the samples'.
        """
        names = [str(channel) for channel in channels_of(samples)]
        is_outlier = np.zeros(len(samples), dtype=bool)
        n_samples, n_outliers = {}, {}
        for name in sorted(set(names)):
            rows = np.flatnonzero([own == name for own in names])
            limit = self._limit(samples.fidelities[rows[0]])
            spectra = samples.spectra[rows]
            distance = np.abs(spectra - spectra.mean(axis=0))
            is_outlier[rows] = np.any(distance > limit * spectra.std(axis=0), axis=1) if self.k else False
            n_samples[name], n_outliers[name] = len(rows), int(is_outlier[rows].sum())
        ids = tuple(samples.ids[i] for i in np.flatnonzero(is_outlier))
        return Outliers(self, is_outlier, ids, n_samples, n_outliers)

    def _limit(self, fidelity: str) -> float:
        if not self.k:
            return np.inf
        code = fidelity.partition(":")[0]
        if code not in self.k:
            raise ParameterError(
                f"the policy {self.name!r} says nothing of {fidelity!r}, it knows {', '.join(self.k)}: give a number "
                "for it, or take KEEP_ALL"
            )
        return self.k[code]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"name": self.name, "k": dict(self.k)}


KEEP_ALL: Final = OutlierPolicy()
PUBLISHED: Final = OutlierPolicy("published", {"feff": 2.5, "vasp": 5.0})
