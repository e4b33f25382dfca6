from __future__ import annotations

import numpy as np
from scipy.integrate import quad  # type: ignore[import-untyped]  # ships no types
from scipy.special import spherical_jn  # type: ignore[import-untyped]  # ships no types

from whiteline.models.features.bessel import bessel_norms, bessel_roots


def test_the_radial_functions_are_orthonormal_on_the_sphere() -> None:
    radius, degree = 5.0, 2
    roots, norms = bessel_roots(3, 3)[degree], bessel_norms(3, 3, radius)[degree]

    def product(i: int, k: int) -> float:
        def integrand(r: float) -> float:
            factors = [norms[n] * spherical_jn(degree, roots[n] * r / radius) for n in (i, k)]
            return float(factors[0] * factors[1] * r**2)

        return float(quad(integrand, 0.0, radius)[0])

    overlaps = np.array([[product(i, k) for k in range(3)] for i in range(3)])
    np.testing.assert_allclose(overlaps, np.eye(3), atol=1e-8)  # the integral's own error


def test_the_zeros_of_j1_solve_x_equals_tan_x() -> None:
    roots = bessel_roots(2, 4)[1]
    np.testing.assert_allclose(np.tan(roots), roots, rtol=1e-9)
