"""Conventional descriptors of local surroundings, without pretraining: what pretrained features are compared with.

Both come from the package dscribe (doi:10.1016/j.cpc.2019.106949). Their length grows with the elements that there may
be, which are given and become part of the id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from dscribe.descriptors import ACSF, SOAP  # type: ignore[import-untyped]  # ships no types
from pymatgen.core import Element
from pymatgen.io.ase import AseAtomsAdaptor

from whiteline.errors import ParameterError
from whiteline.fingerprint import content_hash
from whiteline.models.features.checks import check_features, check_input
from whiteline.models.features.encoder import SiteFeatures

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["DescriptorEncoder", "make_acsf", "make_soap"]

_KINDS = {"soap": SOAP, "acsf": ACSF}
# Å, and numbers of radial and angular functions, as in arXiv:2409.19552.
_SOAP = {"r_cut": 6.0, "n_max": 3, "l_max": 3, "sigma": 1.0}
# Behler's functions (doi:10.1063/1.3553717): one count of neighbours (G1, without parameters), Gaussians (G2) from all
# of the sphere down to its first shell, and angles (G4), open and closed. Widths in 1/Å², distances in Å.
_ACSF = {
    "r_cut": 6.0,
    "g2_params": [[0.05, 0.0], [0.5, 2.0], [0.5, 3.0], [0.5, 4.0], [0.5, 5.0]],
    "g4_params": [[0.05, 1.0, 1.0], [0.05, 1.0, -1.0], [0.05, 4.0, 1.0], [0.05, 4.0, -1.0]],
}


@dataclass(frozen=True, eq=False)
class DescriptorEncoder:
    """SOAP power spectra (doi:10.1103/PhysRevB.87.184115) or atom-centred symmetry functions.

    Attributes:
        kind: `soap` or `acsf`.
        species: Symbols of the elements that there may be, by atomic number.
        parameters: As dscribe calls them.
    """

    kind: str
    species: tuple[str, ...]
    parameters: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Kind, version of dscribe, elements and a hash of the parameters."""
        return f"{self.kind}:{version('dscribe')}:{'-'.join(self.species)}:{content_hash(dict(self.parameters))[:16]}"

    @property
    def n_features(self) -> int:
        """Length of the features of a site."""
        return int(self._descriptor().get_number_of_features())

    @property
    def elements(self) -> frozenset[str]:
        """Symbols of the elements that there may be."""
        return frozenset(self.species)

    def encode(self, structures: Sequence[Structure], sites: Sequence[Sequence[int]]) -> list[SiteFeatures]:
        """Return the features of some sites of each structure, shapes (n_site, n_feature).

        Raises:
            StructureError: An element that was not given, a partially occupied site, or a site that is not there.
        """
        check_input(structures, sites, self.elements)
        descriptor, n_features = self._descriptor(), self.n_features
        features = []
        for structure, wanted in zip(structures, sites, strict=True):
            atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
            rows = descriptor.create(atoms, centers=list(wanted)) if len(wanted) else []
            features.append(np.asarray(rows, dtype=np.float32).reshape(len(wanted), n_features))
        return check_features(features, structures)

    def _descriptor(self) -> Any:
        return _KINDS[self.kind](species=list(self.species), periodic=True, **self.parameters)


def make_soap(*, elements: Sequence[str]) -> DescriptorEncoder:
    """Return SOAP power spectra for `whiteline.models.features.make_encoder`, which documents the arguments."""
    return DescriptorEncoder("soap", _in_order(elements), _SOAP)


def make_acsf(*, elements: Sequence[str]) -> DescriptorEncoder:
    """Return symmetry functions for `whiteline.models.features.make_encoder`, which documents the arguments."""
    return DescriptorEncoder("acsf", _in_order(elements), _ACSF)


def _in_order(elements: Sequence[str]) -> tuple[str, ...]:
    unknown = [symbol for symbol in elements if not Element.is_valid_symbol(symbol)]
    if unknown or not elements:
        raise ParameterError(
            f"descriptors need chemical symbols, got {', '.join(map(repr, unknown)) or 'none'}: give those that there "
            "may be, such as Cu and O"
        )
    return tuple(sorted(set(elements), key=lambda symbol: Element(symbol).Z))
