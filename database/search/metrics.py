"""How alike two curves on the grid are: four measures, each an inner product or a distance of two vectors.

| metric | vector of a curve y | score |
|---|---|---|
| cosine | y / \\|y\\| | inner product, 1 for alike |
| pearson | (y - mean y) / \\|...\\| | inner product |
| spearman | ranks of y, treated as in pearson | inner product |
| earth-mover | integral of y / area up to each point, times the step | sum of absolute differences [eV], 0 for alike |

They are those of `whiteline.similarity` on one grid.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from whiteline.database.search.grid import STEP

__all__ = ["MAX_PRODUCT", "Metric", "best_scores", "vectors"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Indices: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

_TINY: Final = 1e-300
# Multiplications of one matrix product: below 2^18 BLAS starts no threads of its own, which wait for one another in
# busy loops and are ten times slower on a machine that does other work, too.
MAX_PRODUCT: Final = 250_000


class Metric(StrEnum):
    """How alike two spectra are."""

    COSINE = "cosine"
    PEARSON = "pearson"
    SPEARMAN = "spearman"
    EARTH_MOVER = "earth-mover"

    @property
    def is_distance(self) -> bool:
        """Whether the smallest score is the best."""
        return self is Metric.EARTH_MOVER


def vectors(metric: Metric, curves: Float[Array, "curve grid"]) -> Float[Array, "curve grid"]:
    """Return the vectors whose inner products or distances are the scores, shape (n_curve, n_grid).

    >>> y = np.array([[0.0, 1.0, 2.0, 2.0]])
    >>> (vectors(Metric.SPEARMAN, y) * np.sqrt(4.5)).round(6).tolist()
    [[-1.5, -0.5, 1.0, 1.0]]
    """
    if metric is Metric.EARTH_MOVER:
        steps = (curves[:, 1:] + curves[:, :-1]) / 2
        cumulative = np.concatenate((np.zeros((len(curves), 1)), np.cumsum(steps, axis=1)), axis=1)
        # Noise may make an area negative; nothing is then alike.
        return np.asarray(cumulative * (STEP / np.maximum(cumulative[:, -1:], _TINY)), dtype=float)
    y = curves
    if metric is Metric.SPEARMAN:
        from scipy.stats import rankdata  # type: ignore[import-untyped]  # ships no types; slow to load

        y = np.asarray(rankdata(curves, axis=1), dtype=float)
    if metric is not Metric.COSINE:
        y = y - y.mean(axis=1, keepdims=True)
    return np.asarray(y / np.maximum(np.linalg.norm(y, axis=1, keepdims=True), _TINY), dtype=float)


def best_scores(
    metric: Metric, candidates: Float[Array, "curve grid"], query: Float[Array, "variant grid"]
) -> tuple[Float[Array, " curve"], Int[Indices, " curve"]]:
    """Return the best score of each candidate over the variants of the query, and the variant that has it.

    Args:
        metric: The measure.
        candidates: Vectors of stored curves, shape (n_curve, n_grid).
        query: Vectors of the variants, shape (n_variant, n_grid).
    """
    scores, variants = np.empty(len(candidates)), np.empty(len(candidates), dtype=np.int64)
    n_block = max(1, MAX_PRODUCT // query.size)
    for start in range(0, len(candidates), n_block):
        part = slice(start, start + n_block)
        block = candidates[part]
        costs = _distances(block, query) if metric.is_distance else -(block @ query.T)
        best = np.argmin(costs, axis=1)
        scores[part], variants[part] = costs[np.arange(len(best)), best], best
    # Rounding may pass one by an ulp.
    return (scores if metric.is_distance else np.clip(-scores, -1.0, 1.0)), variants


def _distances(
    candidates: Float[Array, "curve grid"], query: Float[Array, "variant grid"]
) -> Float[Array, "curve variant"]:
    from scipy.spatial.distance import cdist  # type: ignore[import-untyped]  # ships no types; slow to load

    return np.asarray(cdist(candidates, query, "cityblock"), dtype=float)
