"""Content hashes of crystals, sites and parameters: the same thing always gets the same name.

A crystal is named by its pointwise distance distribution (Widdowson and Kurlin, NeurIPS 2022,
https://openreview.net/forum?id=4wzB0dMsC4S; generically complete): for every atom the distances to its
neighbours by species, and how often each such row occurs. The rows do not depend on the choice of cell, on
supercells, on the order of the atoms or on the orientation, and mirror images share them, as they share
their orientation-averaged dipole spectra.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import gcd
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["CrystalFingerprint", "calculation_id", "content_hash", "fingerprint_crystal"]

# Far enough to tell polytypes apart; not a round number, so that no shell of a real crystal sits on it.
_RADIUS = 7.9137
# Distances are counted in steps of 1 mÅ; the offset keeps tabulated values off the edges of the steps.
_QUANTUM = 1.0e-3
_OFFSET = 2.71828e-4


@dataclass(frozen=True)
class CrystalFingerprint:
    """The name of a crystal and the names of its sites.

    Attributes:
        crystal_id: Content hash of the crystal, 40 hexadecimal digits.
        site_ids: One content hash a site, in the order of the structure. Equal for equivalent sites.
    """

    crystal_id: str
    site_ids: tuple[str, ...]


def content_hash(content: Any) -> str:
    """Return 40 hexadecimal digits that name JSON-ready content, whatever the order of its keys.

    >>> content_hash({"a": 1, "b": 2.0}) == content_hash({"b": 2.0, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def fingerprint_crystal(structure: Structure) -> CrystalFingerprint:
    """Return the names of a crystal and of each of its sites."""
    species = [site.species_string for site in structure]
    centers, neighbours, _, distances = structure.get_neighbor_list(_RADIUS)
    steps = np.floor((distances + _OFFSET) / _QUANTUM).astype(int).tolist()
    pairs = list(zip(centers.tolist(), neighbours.tolist(), steps, strict=True))
    rows = _rows(species, pairs)
    # Looking once more, with each neighbour named by its own row, separates the rare inequivalent sites
    # that see the same distances.
    rows = _rows(rows, pairs)
    counts = Counter(rows)
    divisor = reduce(gcd, counts.values())
    crystal_id = content_hash(["crystal-1", sorted([row, n // divisor] for row, n in counts.items())])
    return CrystalFingerprint(
        crystal_id=crystal_id,
        site_ids=tuple(content_hash(["site-1", crystal_id, row]) for row in rows),
    )


def _rows(names: Sequence[str], pairs: Sequence[tuple[int, int, int]]) -> list[str]:
    """Return for each site the hash of its name and of its neighbours' names and distances.

    Args:
        names: Name of each site.
        pairs: Site, neighbouring site and their distance in steps.
    """
    shells: list[Counter[tuple[str, int]]] = [Counter() for _ in names]
    for center, neighbour, step in pairs:
        shells[center][names[neighbour], step] += 1
    return [
        content_hash([name, sorted([*key, n] for key, n in shell.items())])
        for name, shell in zip(names, shells, strict=True)
    ]


def calculation_id(site_id: str, *, edge: str, code: str, parameters: Mapping[str, Any]) -> str:
    """Return the identity of a calculation: the same site, edge, code and parameters never run twice."""
    return content_hash(["calculation-1", site_id, edge, code, dict(parameters)])
