"""Whether one model is better than another on the same spectra, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import InputError

__all__ = ["PairedTest", "compare_errors", "ratio_interval"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Indices: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

# Resamples that scipy holds in memory at once; a hundred thousand spectra then take 100 MB.
_BATCH: Final = 100


@dataclass(frozen=True)
class PairedTest:
    """A model beside its rival, error by error.

    Attributes:
        n: Number of pairs.
        ratio: Median error of the model over that of the rival: below one, the model is better.
        low: Lower end of the confidence interval of the ratio.
        high: Upper end.
        confidence: Of the interval.
        p_value: Of the one-sided Wilcoxon signed-rank test; small where the model's errors are smaller.
        share_better: Fraction of the pairs in which the model's error is the smaller one.
    """

    n: int
    ratio: float
    low: float
    high: float
    confidence: float
    p_value: float
    share_better: float

    def to_dict(self) -> dict[str, float]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def compare_errors(
    errors: Float[Array, " sample"],
    rival: Float[Array, " sample"],
    *,
    groups: Sequence[str] | None = None,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> PairedTest:
    """Return how a model's errors compare with a rival's on the same spectra.

    Args:
        errors: Error of each spectrum, e.g. `metrics.mse`, shape (n_sample,).
        rival: The rival's, in the same order, shape (n_sample,).
        groups: Material of each sample. Errors are averaged within a group first: sites of one crystal are not
            independent, and counting each makes the interval too narrow and the p-value too small.
        confidence: Of the interval, between 0 and 1.
        n_resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        InputError: Lengths differ, there are fewer than two pairs, or a number is not finite.
    """
    from scipy.stats import wilcoxon  # type: ignore[import-untyped]  # ships no types; slow to load

    _check(errors, rival)
    if groups is not None:
        errors, rival = _means(errors, groups), _means(rival, groups)
    low, high = ratio_interval(errors, rival, confidence=confidence, n_resamples=n_resamples, seed=seed)
    # scipy has no p-value for pairs that are all equal.
    is_equal = bool(np.all(errors == rival))
    p_value = 1.0 if is_equal else float(wilcoxon(errors, rival, alternative="less").pvalue)
    return PairedTest(
        n=len(errors),
        ratio=float(_ratio(errors, rival)),
        low=low,
        high=high,
        confidence=confidence,
        p_value=p_value,
        share_better=float(np.mean(errors < rival)),
    )


def ratio_interval(
    errors: Float[Array, " sample"],
    rival: Float[Array, " sample"],
    *,
    groups: Sequence[str] | None = None,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the ratio of medians, pairs drawn together.

    Args:
        errors: One error a pair, shape (n_pair,).
        rival: The rival's, shape (n_pair,).
        groups: Material of each pair: materials are drawn, with all of their pairs, as sites of one crystal are not
            independent. Pairs are drawn when None.
        confidence: Of the interval, between 0 and 1.
        n_resamples: Number of bootstrap samples.
        seed: Of the draws.

    Raises:
        InputError: Lengths differ, there are fewer than two pairs, or a number is not finite.
    """
    from scipy.stats import bootstrap

    _check(errors, rival)
    rng = np.random.default_rng(seed)
    if groups is not None:
        ratios = _ratios_of_groups(errors, rival, _numbers(errors, groups), n_resamples, rng)
        low, high = np.quantile(ratios, [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(low), float(high)
    result = bootstrap(
        (errors, rival),
        _ratio,
        paired=True,
        vectorized=True,
        method="percentile",
        confidence_level=confidence,
        n_resamples=n_resamples,
        batch=_BATCH,
        rng=rng,
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def _ratio(errors: Any, rival: Any, axis: int = -1) -> Any:
    return np.median(errors, axis=axis) / np.median(rival, axis=axis)


def _check(errors: Float[Array, " sample"], rival: Float[Array, " sample"]) -> None:
    if errors.ndim != 1 or errors.shape != rival.shape or len(errors) < 2:
        raise InputError(f"pairs are two rows of at least 2 errors, got shapes {errors.shape} and {rival.shape}")
    if not (np.all(np.isfinite(errors)) and np.all(np.isfinite(rival)) and np.min(rival) > 0):
        raise InputError("errors must be finite, and those of the rival above 0: leave out what has none")


def _ratios_of_groups(
    errors: Float[Array, " sample"],
    rival: Float[Array, " sample"],
    numbers: Indices,
    n_resamples: int,
    rng: np.random.Generator,
) -> Float[Array, " resample"]:
    """Return the ratio of each resample of whole groups, `numbers` being the group of every sample."""
    n_group, rows = int(numbers.max()) + 1, np.arange(len(errors))
    ratios = np.empty(n_resamples)
    for i in range(n_resamples):
        times = np.bincount(rng.integers(n_group, size=n_group), minlength=n_group)
        chosen = np.repeat(rows, times[numbers])
        ratios[i] = _ratio(errors[chosen], rival[chosen])
    return ratios


def _means(errors: Float[Array, " sample"], groups: Sequence[str]) -> Float[Array, " group"]:
    numbers = _numbers(errors, groups)
    return np.asarray(np.bincount(numbers, weights=errors) / np.bincount(numbers))


def _numbers(errors: Float[Array, " sample"], groups: Sequence[str]) -> Indices:
    if len(groups) != len(errors):
        raise InputError(f"every error has a group, got {len(errors)} and {len(groups)}")
    return np.asarray(np.unique(np.asarray(groups), return_inverse=True)[1], dtype=np.int64)
