"""Zeros and norms of the spherical Bessel functions that make a radial basis on a sphere."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from scipy.optimize import brentq  # type: ignore[import-untyped]  # ships no types
from scipy.special import spherical_jn  # type: ignore[import-untyped]  # ships no types

__all__ = ["bessel_norms", "bessel_roots"]

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


@cache
def bessel_roots(n_l: int, n_n: int) -> Floats:
    """Return the first positive zeros z_ln of j_l for l = 0, …, n_l - 1, shape (n_l, n_n).

    Between two neighbouring zeros of j_(l-1) lies one of j_l, and those of j_0 are the multiples of π.

    >>> bessel_roots(2, 2).round(4).tolist()
    [[3.1416, 6.2832], [4.4934, 7.7253]]
    """
    roots = np.pi * np.arange(1, n_n + n_l)
    rows = [roots[:n_n]]
    for degree in range(1, n_l):
        roots = np.array([brentq(lambda x, n=degree: spherical_jn(n, x), a, b, xtol=1e-15) for a, b in pairwise(roots)])
        rows.append(roots[:n_n])
    return np.array(rows)


@cache
def bessel_norms(n_l: int, n_n: int, radius: float) -> Floats:
    """Return what makes j_l(z_ln r / R) orthonormal on a sphere: √(2/R³) / |j_(l+1)(z_ln)|, shape (n_l, n_n).

    Args:
        n_l: Number of angular momenta.
        n_n: Zeros of each.
        radius: R [Å]; the norms are in 1/Å^1.5.
    """
    next_degree = np.arange(1, n_l + 1)[:, np.newaxis]
    norms: Floats = np.sqrt(2.0 / radius**3) / np.abs(spherical_jn(next_degree, bessel_roots(n_l, n_n)))
    return norms
