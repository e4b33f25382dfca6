"""Split-conformal quantiles: how far errors reach, whatever their distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import InputError, ParameterError

__all__ = ["conformal_quantiles", "fewest_spectra"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# A share such as 0.95 is no binary number: a rank that is whole must not be rounded up by the last bit.
_ROUNDING = 1e-9


def fewest_spectra(level: float) -> int:
    """Return how many spectra a quantile of a level needs: with fewer it is larger than every score.

    >>> [fewest_spectra(level) for level in (0.5, 0.8, 0.95)]
    [1, 4, 19]
    """
    return int(np.ceil(level / (1 - level) - _ROUNDING))


def conformal_quantiles(
    scores: Float[Array, "sample energy"], levels: Sequence[float], *, is_by_energy: bool
) -> Float[Array, "level energy"] | Float[Array, " level"]:
    """Return the scores below which those of a new spectrum lie at shares `levels` of the points or more.

    Of n spectra it is the score of rank ceil((n + 1) l): the spectrum to come counts as one more (Vovk, Gammerman and
    Shafer, doi:10.1007/b106715; arXiv:1604.04173). Where the E energies are taken together the rank among all n E
    scores is ceil((n + 1) l E), as spectra are exchangeable and the points of one spectrum are not.

    Args:
        scores: Sizes of errors in units of what a model says of them, shape (n_sample, n_energy).
        levels: Shares, above 0 and below 1.
        is_by_energy: One quantile for each energy; otherwise one for all.

    Returns:
        Shape (n_level, n_energy) by energy, (n_level,) for all.

    Raises:
        ParameterError: A level is not above 0 and below 1.
        InputError: There are too few spectra for the largest level.

    >>> conformal_quantiles(np.arange(1.0, 10.0)[:, None], (0.5, 0.9), is_by_energy=False)
    array([5., 9.])
    """
    if not len(levels) or not all(0 < level < 1 for level in levels):
        raise ParameterError(f"levels of bands are between 0 and 1, got {tuple(levels)}")
    n_sample, n_energy = scores.shape
    if n_sample < (needed := fewest_spectra(max(levels))):
        raise InputError(
            f"a band of {max(levels):.0%} needs {needed} calibration spectra or more, got {n_sample}: give more, or "
            "leave out the wide bands"
        )
    n_together = 1 if is_by_energy else n_energy
    ordered = np.sort(scores if is_by_energy else scores.reshape(-1, 1), axis=0)
    ranks = np.ceil((n_sample + 1) * n_together * np.array(levels) - _ROUNDING).astype(int)
    found = ordered[ranks - 1]
    return np.asarray(found if is_by_energy else found[:, 0])
