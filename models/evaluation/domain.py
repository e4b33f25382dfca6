"""Whether a model knows where it does not know: errors against the distance from what it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float

from whiteline.errors import InputError

__all__ = ["ErrorByDistance", "auroc", "bin_by_distance"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class ErrorByDistance:
    """Errors in bins of the distance from the training set, each with about as many samples.

    Attributes:
        edges: Ends of the bins, one more than there are bins [of the distance].
        n_samples: Number of samples in each.
        median_distance: Median distance in each.
        median_error: Median error in each.
        spearman: Rank correlation of distance and error over all samples; None where all distances are equal.
    """

    edges: tuple[float, ...]
    n_samples: tuple[int, ...]
    median_distance: tuple[float, ...]
    median_error: tuple[float, ...]
    spearman: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}


def bin_by_distance(
    distances: Float[Array, " sample"], errors: Float[Array, " sample"], *, n_bins: int = 8
) -> ErrorByDistance:
    """Return the errors against the distance from the training set.

    Args:
        distances: Distance of each sample from the training set, shape (n_sample,).
        errors: Error of each sample, e.g. `metrics.mse`, shape (n_sample,).
        n_bins: Number of bins; fewer where many distances are equal.

    Raises:
        InputError: Lengths differ, there is nothing to bin, or a number is not finite.
    """
    if distances.ndim != 1 or distances.shape != errors.shape or not distances.size or n_bins < 1:
        raise InputError(f"every sample has a distance and an error, got {distances.shape} and {errors.shape}")
    if not (np.all(np.isfinite(distances)) and np.all(np.isfinite(errors))):
        raise InputError("distances and errors must be finite: leave out what has none")
    edges = np.unique(np.quantile(distances, np.linspace(0, 1, min(n_bins, len(distances)) + 1)))
    bins = np.clip(np.searchsorted(edges, distances, side="right") - 1, 0, max(0, len(edges) - 2))
    chosen = [np.flatnonzero(bins == i) for i in range(max(1, len(edges) - 1))]
    chosen = [rows for rows in chosen if rows.size]
    return ErrorByDistance(
        edges=tuple(edges.tolist()),
        n_samples=tuple(len(rows) for rows in chosen),
        median_distance=tuple(float(np.median(distances[rows])) for rows in chosen),
        median_error=tuple(float(np.median(errors[rows])) for rows in chosen),
        spearman=_spearman(distances, errors),
    )


def auroc(scores: Float[Array, " sample"], is_outside: Bool[np.ndarray, " sample"]) -> float:
    """Return the probability that a sample from outside has the larger score; ties count half.

    It is the area under the receiver operating characteristic, by the rank sum (Hanley and McNeil,
    doi:10.1148/radiology.143.1.7063747): 0.5 is chance, 1 a perfect separation.

    Args:
        scores: How far a sample seems from the training set, shape (n_sample,).
        is_outside: Whether it is, e.g. because its chemistry was left out, shape (n_sample,).

    Raises:
        InputError: Lengths differ, or all samples are on one side.

    >>> auroc(np.array([0.1, 0.2, 0.9]), np.array([False, False, True]))
    1.0
    """
    from scipy.stats import rankdata  # type: ignore[import-untyped]  # ships no types; slow to load

    outside = np.asarray(is_outside, dtype=bool)
    n_outside, n_inside = int(outside.sum()), int((~outside).sum())
    if scores.shape != outside.shape or not n_outside or not n_inside:
        raise InputError(
            f"a score tells samples outside from those inside: both are needed, got {n_outside} and {n_inside} for "
            f"{scores.size} scores"
        )
    rank_sum = float(rankdata(scores)[outside].sum())
    return (rank_sum - n_outside * (n_outside + 1) / 2) / (n_outside * n_inside)


def _spearman(a: Float[Array, " sample"], b: Float[Array, " sample"]) -> float | None:
    from whiteline.similarity import spearman

    return spearman(a, b) if np.ptp(a) > 0 and np.ptp(b) > 0 else None
