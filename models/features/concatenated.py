"""Features of several encoders side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from whiteline.models.features.encoder import Encoder, SiteFeatures

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["ConcatenatedEncoder"]


@dataclass(frozen=True)
class ConcatenatedEncoder:
    """Several encoders as one; it knows the elements that all of them know.

    Attributes:
        encoders: In the order of their features.
    """

    encoders: tuple[Encoder, ...]

    @property
    def id(self) -> str:
        """The ids of the encoders, in their order."""
        return "|".join(encoder.id for encoder in self.encoders)

    @property
    def n_features(self) -> int:
        """Length of the features of a site."""
        return sum(encoder.n_features for encoder in self.encoders)

    @property
    def elements(self) -> frozenset[str]:
        """Symbols of the elements that every encoder knows."""
        return frozenset.intersection(*(encoder.elements for encoder in self.encoders))

    def encode(self, structures: Sequence[Structure], sites: Sequence[Sequence[int]]) -> list[SiteFeatures]:
        """Return the features of some sites of each structure, shapes (n_site, n_feature).

        Raises:
            StructureError: One of the encoders cannot see one of the structures.
        """
        parts = [encoder.encode(structures, sites) for encoder in self.encoders]
        return [np.concatenate(rows, axis=1) for rows in zip(*parts, strict=True)]
