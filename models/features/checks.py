"""Refusing what an encoder cannot see, and what it could not see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from whiteline.errors import StructureError
from whiteline.models.features.encoder import SiteFeatures
from whiteline.structures import element_symbol

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["check_features", "check_input"]


def check_input(structures: Sequence[Structure], sites: Sequence[Sequence[int]], elements: frozenset[str]) -> None:
    """Refuse what an encoder cannot see, naming the structure by its place and formula.

    Raises:
        StructureError: An element that is not among `elements`, a partially occupied site, a site that is not there,
            or another number of structures than of lists of sites.
    """
    if len(structures) != len(sites):
        raise StructureError(f"{len(structures)} structures and sites of {len(sites)}: give one list for each")
    for i, (structure, wanted) in enumerate(zip(structures, sites, strict=True)):
        name = f"structure {i} ({structure.composition.reduced_formula})"
        for k, site in enumerate(structure):
            if not site.is_ordered:
                raise StructureError(
                    f"{name}: site {k} is partially occupied ({site.species_string}), and features are those of "
                    "ordered crystals: order the cell first, e.g. by pymatgen's OrderDisorderedStructureTransformation"
                )
        unknown = sorted({element_symbol(site.specie) for site in structure} - elements)
        if unknown:
            raise StructureError(
                f"{name}: the encoder does not know {', '.join(unknown)}: take another encoder, or leave it out"
            )
        for site_index in wanted:
            if not 0 <= site_index < len(structure):
                raise StructureError(
                    f"{name}: there is no site {site_index}, sites count from 0 to {len(structure) - 1}"
                )


def check_features(features: list[SiteFeatures], structures: Sequence[Structure]) -> list[SiteFeatures]:
    """Return the features, all of which are finite.

    Raises:
        StructureError: Those of a structure are not.
    """
    for i, (rows, structure) in enumerate(zip(features, structures, strict=True)):
        if not np.isfinite(rows).all():
            raise StructureError(
                f"structure {i} ({structure.composition.reduced_formula}): its features are not finite: atoms may lie "
                "on one another, or a coordinate is none; check the structure"
            )
    return features
