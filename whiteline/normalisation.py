"""Numbers that a spectrum is divided by: its area and its edge jump."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import InputError

__all__ = ["area", "edge_step", "steepest_rise"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


def area(energy: Float[Array, " energy"], curve: Float[Array, " energy"], lo: float, hi: float) -> float:
    """Return the trapezoid integral of a curve from `lo` to `hi`, in units of the curve times eV.

    Args:
        energy: Strictly increasing axis, shape (n_energy,) [eV].
        curve: Intensity, shape (n_energy,).
        lo: Lower end, need not be a point of the axis [eV].
        hi: Upper end [eV].

    Raises:
        InputError: The range is empty or leaves the axis.

    >>> area(np.array([0.0, 2.0]), np.array([0.0, 2.0]), 1.0, 2.0)
    1.5
    """
    if not energy[0] <= lo < hi <= energy[-1]:
        raise InputError(f"a window must lie within {energy[0]:g} to {energy[-1]:g} eV, got {lo:g} to {hi:g} eV")
    inside = energy[(energy > lo) & (energy < hi)]
    grid = np.concatenate(([lo], inside, [hi]))
    return float(np.trapezoid(np.interp(grid, energy, curve), grid))


def steepest_rise(energy: Float[Array, " energy"], curve: Float[Array, " energy"]) -> float:
    """Return the energy [eV] where the derivative of a curve is largest.

    >>> steepest_rise(np.arange(5.0), np.array([0.0, 0.1, 1.0, 1.9, 2.0]))
    2.0
    """
    return float(energy[np.argmax(np.gradient(curve, energy))])


def edge_step(
    energy: Float[Array, " energy"],
    components: Float[Array, "component energy"],
    weights: Float[Array, " component"],
    *,
    e0: float,
    pre_edge: tuple[float, float] | None,
    post_edge: tuple[float, float] | None,
    post_order: int,
) -> tuple[float, Float[Array, "component energy"]]:
    """Return the jump of the weighted sum at `e0`, and the pre-edge line of every component.

    Args:
        energy: Strictly increasing axis, shape (n_energy,) [eV].
        components: Intensity, shape (n_component, n_energy).
        weights: Share of each component in the sum, shape (n_component,).
        e0: Edge energy on the axis [eV].
        pre_edge: Fit range of the line, from `e0` [eV].
        post_edge: Fit range of the polynomial, from `e0` [eV].
        post_order: Degree of the polynomial.

    Raises:
        InputError: A fit range holds too few points.
    """
    x = energy - e0
    below = pre_edge if pre_edge is not None else (float(x[0]), float(x[0]) / 3)
    above = post_edge if post_edge is not None else (float(x[-1]) / 3, float(x[-1]))
    line = _fit(x, components, below, 1, "pre-edge line")
    post = _fit(x, components, above, post_order, "post-edge polynomial")
    jump = float(weights @ (post[-1] - line[-1]))
    return jump, np.multiply.outer(line[0], x) + line[1][:, np.newaxis]


def _fit(
    x: Float[Array, " energy"],
    components: Float[Array, "component energy"],
    window: tuple[float, float],
    order: int,
    name: str,
) -> Float[Array, "coefficient component"]:
    """Return polynomial coefficients, highest power first, one column a component."""
    inside = (x >= window[0]) & (x <= window[1])
    if np.count_nonzero(inside) <= order:
        raise InputError(
            f"the {name} of degree {order} needs at least {order + 1} points, got "
            f"{np.count_nonzero(inside)} between {window[0]:g} and {window[1]:g} eV from e0: widen "
            "the range, or give e0"
        )
    return np.asarray(np.polyfit(x[inside], components[:, inside].T, order), dtype=float)
