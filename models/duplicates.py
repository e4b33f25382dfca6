"""Materials that are one crystal under two ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.models.samples import Samples

__all__ = ["Duplicates", "find_duplicates"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# Of the largest magnitude. Features and spectra of one crystal differ by rounding alone, those of two by far more.
_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Duplicates:
    """Which samples belong to one crystal.

    Attributes:
        rule: `crystals` or `equality`, see `find_duplicates`.
        crystals: Number of the crystal of every sample, shape (n_sample,); sites of one crystal may have several.
        materials: Materials that are one crystal, each tuple one, in alphabetical order.
    """

    rule: str
    crystals: np.ndarray[Any, np.dtype[np.int64]]
    materials: tuple[tuple[str, ...], ...]


def find_duplicates(samples: Samples) -> Duplicates:
    """Return which samples belong to one crystal.

    Where the content hashes of the crystals are known, equal hash and formula make one crystal (rule `crystals`).
    Otherwise samples of one absorber, edge, fidelity and formula do, when no feature and no intensity differs by
    more than a millionth of the largest (rule `equality`). It sees copies, but neither a crystal that was relaxed
    anew nor one whose spectrum was computed with other parameters.

    Args:
        samples: All of them; what is left out cannot be compared.
    """
    if samples.crystals:
        rule, keys = "crystals", list(zip(samples.formulas, samples.crystals, strict=True))
        _, numbers = np.unique(["\n".join(key) for key in keys], return_inverse=True)
    else:
        rule, numbers = "equality", _equal_rows(samples)
    materials: dict[int, set[str]] = {}
    for number, material in zip(numbers.tolist(), samples.materials, strict=True):
        materials.setdefault(number, set()).add(material)
    merged = sorted({tuple(sorted(group)) for group in materials.values() if len(group) > 1})
    return Duplicates(rule, np.asarray(numbers, dtype=np.int64), tuple(merged))


def _equal_rows(samples: Samples) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return numbers that samples share when they are equal, in one step or through others."""
    from scipy.sparse import csr_array  # type: ignore[import-untyped]  # ships no types; slow to load
    from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]
    from scipy.spatial import cKDTree  # type: ignore[import-untyped]

    n_sample = len(samples)
    if not n_sample:
        return np.zeros(0, dtype=np.int64)
    names = (samples.absorbers, samples.edges, samples.fidelities, samples.formulas)
    _, kind = np.unique(["\n".join(key) for key in zip(*names, strict=True)], return_inverse=True)
    # Samples of two kinds are at least one apart, far beyond the tolerance.
    rows = np.column_stack([kind.astype(float), _scaled(samples.spectra), _scaled(samples.features.astype(float))])
    pairs = cKDTree(rows).query_pairs(_TOLERANCE, p=np.inf, output_type="ndarray")
    graph = csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n_sample, n_sample))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _scaled(values: Float[Array, "sample column"]) -> Float[Array, "sample column"]:
    largest = float(np.max(np.abs(values), initial=0.0))
    return values / (largest or 1.0)
