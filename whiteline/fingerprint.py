"""Content hashes of crystals, sites and parameters: the same thing always gets the same name.

A site is named by smooth sums over its neighbours, radial symmetry functions (Behler, J. Chem. Phys. 134, 074106
(2011), doi:10.1063/1.3553717) weighted by species, and by the same sums over the neighbours' own sums, which reach
twice as far and see what distances alone do not. The numbers do not depend on the choice of cell, on supercells, on
the order of the atoms or on the orientation; mirror images share them, as they share their orientation-averaged
dipole spectra. They are smooth, so that the last digits of a file almost never change a name, and few, so that
rounding them seldom meets an edge.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from math import gcd
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.structures import species_labels

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["CrystalFingerprint", "calculation_id", "content_hash", "fingerprint_crystal", "orientation_id"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# Å; the second sums reach twice as far, beyond any cluster that matters for a spectrum near its edge.
_RADIUS = 8.0
# Å; no two atoms are this close.
_SAME_POSITION = 1.0e-3
# Centres [Å] and widths [Å] of the radial functions: near shell, middle distance, far.
_CENTRES = np.array([2.0, 3.0, 4.5, 6.0])
_WIDTHS = np.array([0.8, 1.0, 1.2, 1.2])
# Moving one near neighbour by 5 mÅ changes a sum by more than one step; noise of 1 µÅ changes it by a thousandth.
_STEP = 1.0e-3
# Keeps tabulated values, which are round, off the edges of the steps.
_OFFSET = 0.271828


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
    species = species_labels(structure)
    numbers = _site_numbers(structure, species)
    counts = Counter(species)
    divisor = reduce(gcd, counts.values())
    composition = sorted([name, n // divisor] for name, n in counts.items())
    means = np.concatenate([numbers.mean(axis=0), np.sqrt(np.square(numbers).mean(axis=0))])
    crystal_id = content_hash(["crystal-1", composition, _steps(means)])
    return CrystalFingerprint(
        crystal_id=crystal_id,
        site_ids=tuple(
            content_hash(["site-1", crystal_id, name, _steps(row)]) for name, row in zip(species, numbers, strict=True)
        ),
    )


def _site_numbers(structure: Structure, species: list[str]) -> Float[Array, "site number"]:
    """Return the sums that describe each site.

    s_ik = sum_j w_jk g_k(d_ij),  v_ik = |sum_j w_jk g_k(d_ij) r_ij / d_ij|,
    t_ik = sum_j w_jk g_k(d_ij) (tanh(s_jk / 4) + v_jk) / 8,
    g_k(d) = exp(-(d - c_k)² / (2 b_k²)) (1 + cos(pi d / R)) / 2

    A site that leaves a centre of inversion changes s only in second order, v in first.

    | symbol | variable |
    |---|---|
    | c_k, b_k, R | `_CENTRES`, `_WIDTHS`, `_RADIUS` |
    | w_jk | `weights`, one for each species and radial function |
    """
    centers, neighbours, images, distances = structure.get_neighbor_list(_RADIUS)
    weights = np.array([_species_weights(name) for name in species])
    d = distances[:, np.newaxis]
    cutoff = 0.5 * (1.0 + np.cos(np.pi * d / _RADIUS))
    terms = weights[neighbours] * np.exp(-0.5 * np.square((d - _CENTRES) / _WIDTHS)) * cutoff
    steps = structure.frac_coords[neighbours] + images - structure.frac_coords[centers]
    directions = (steps @ structure.lattice.matrix) / d
    first = _sum_by_site(centers, terms, len(species))
    sums = [_sum_by_site(centers, terms * axis[:, np.newaxis], len(species)) for axis in directions.T]
    vectors = np.sqrt(np.square(sums).sum(axis=0))
    beyond = (np.tanh(first[neighbours] / 4.0) + vectors[neighbours]) / 8.0
    second = _sum_by_site(centers, terms * beyond, len(species))
    return np.concatenate([first, vectors, second], axis=1)


def _sum_by_site(
    centers: np.ndarray[Any, np.dtype[np.int64]], terms: Float[Array, "pair number"], n_sites: int
) -> Float[Array, "site number"]:
    # An atom without neighbours: numpy counts nothing in integers.
    return np.array([np.bincount(centers, weights=column, minlength=n_sites) for column in terms.T], dtype=float).T


def orientation_id(structure: Structure, site_index: int) -> str:
    """Return a content hash of how the surroundings of a site lie in space: part of what a polarised calculation is.

    Dipole spectra are a tensor of second rank, and so is what is hashed: T_k = sum_j w_jk g_k(d_j) r_j r_j^T / d_j²,
    with the weights and functions of the site's name. A site of cubic symmetry has one orientation only.
    """
    species = species_labels(structure)
    _, neighbours, images, distances = structure.get_neighbor_list(_RADIUS, sites=[structure[site_index]])
    # A list around some sites only counts each as its own neighbour, unless it is the first.
    is_other = distances > _SAME_POSITION
    neighbours, images, distances = neighbours[is_other], images[is_other], distances[is_other]
    weights = np.array([_species_weights(name) for name in species])
    steps = structure.frac_coords[neighbours] + images - structure.frac_coords[site_index]
    directions = (steps @ structure.lattice.matrix) / distances[:, np.newaxis]
    d = distances[:, np.newaxis]
    terms = weights[neighbours] * np.exp(-0.5 * np.square((d - _CENTRES) / _WIDTHS))
    terms = terms * 0.5 * (1.0 + np.cos(np.pi * d / _RADIUS))
    tensors = np.einsum("nk,na,nb->kab", terms, directions, directions)
    rows, columns = np.triu_indices(3)
    return content_hash(["orientation-1", _steps(tensors[:, rows, columns].ravel())])


def _species_weights(species: str) -> list[float]:
    """Return weights between 0.5 and 1.5 that tell species apart, one for each radial function."""
    digest = hashlib.sha256(species.encode()).digest()
    return [0.5 + int.from_bytes(digest[4 * k : 4 * k + 4], "big") / 2**32 for k in range(len(_CENTRES))]


def _steps(numbers: Float[Array, " number"]) -> list[int]:
    return [int(n) for n in np.floor(numbers / _STEP + _OFFSET)]


def calculation_id(site_id: str, *, edge: str, code: str, parameters: Mapping[str, Any]) -> str:
    """Return the identity of a calculation: the same site, edge, code and parameters never run twice."""
    return content_hash(["calculation-1", site_id, edge, code, dict(parameters)])
