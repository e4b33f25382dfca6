"""How far predicted spectra are from computed ones: one number a spectrum, and η over a set.

Every array has one row a spectrum and one column a point of the grid.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import InputError

__all__ = [
    "DECILES",
    "cosine",
    "deciles",
    "eta",
    "mae",
    "mse",
    "peak_errors",
    "peak_positions",
    "pearson",
    "rmse",
    "spearman",
]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Indices: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

# Names of what `deciles` returns.
DECILES: Final = ("best", *(f"{i}0 %" for i in range(1, 5)), "median", *(f"{i}0 %" for i in range(6, 10)), "worst")


def mse(spectra: Float[Array, "sample energy"], predicted: Float[Array, "sample energy"]) -> Float[Array, " sample"]:
    """Return the mean squared error of each spectrum, shape (n_sample,) [unit squared].

    Args:
        spectra: What was computed, shape (n_sample, n_energy).
        predicted: What the model says, the same shape.

    Raises:
        InputError: The shapes differ, there is no spectrum, or a number is not finite.

    >>> mse(np.array([[0.0, 2.0]]), np.array([[1.0, 2.0]])).tolist()
    [0.5]
    """
    difference = _difference(spectra, predicted)
    return np.asarray(np.mean(difference**2, axis=1))


def mae(spectra: Float[Array, "sample energy"], predicted: Float[Array, "sample energy"]) -> Float[Array, " sample"]:
    """Return the mean absolute error of each spectrum, shape (n_sample,) [unit]; arguments as for `mse`."""
    return np.asarray(np.mean(np.abs(_difference(spectra, predicted)), axis=1))


def rmse(spectra: Float[Array, "sample energy"], predicted: Float[Array, "sample energy"]) -> Float[Array, " sample"]:
    """Return the root of the mean squared error of each spectrum, shape (n_sample,) [unit]; arguments as for `mse`."""
    return np.asarray(np.sqrt(mse(spectra, predicted)))


def cosine(spectra: Float[Array, "sample energy"], predicted: Float[Array, "sample energy"]) -> Float[Array, " sample"]:
    """Return the cosine of the angle between each spectrum and its prediction, shape (n_sample,).

    It is NaN where one of the two is zero everywhere. Arguments as for `mse`.
    """
    _difference(spectra, predicted)
    return _cosines(spectra, predicted)


def pearson(
    spectra: Float[Array, "sample energy"], predicted: Float[Array, "sample energy"]
) -> Float[Array, " sample"]:
    """Return the linear correlation of each spectrum with its prediction, shape (n_sample,).

    It is NaN where one of the two is constant. Arguments as for `mse`.
    """
    _difference(spectra, predicted)
    return _cosines(_centred(spectra), _centred(predicted))


def spearman(
    spectra: Float[Array, "sample energy"], predicted: Float[Array, "sample energy"]
) -> Float[Array, " sample"]:
    """Return the rank correlation of each spectrum with its prediction, shape (n_sample,); ties share a mean rank.

    It is NaN where one of the two is constant. Arguments as for `mse`.

    >>> spearman(np.array([[0.0, 1.0, 2.0]]), np.array([[0.0, 1.0, 8.0]])).round(12).tolist()
    [1.0]
    """
    from scipy.stats import rankdata  # type: ignore[import-untyped]  # scipy ships no types

    _difference(spectra, predicted)
    return _cosines(_centred(rankdata(spectra, axis=1)), _centred(rankdata(predicted, axis=1)))


def eta(
    spectra: Float[Array, "sample energy"],
    predicted: Float[Array, "sample energy"],
    train_mean: Float[Array, " energy"] | Float[Array, "sample energy"],
) -> float:
    """Return how many times smaller the typical error is than that of the mean training spectrum.

    η = median_i MSE_i(train mean) / median_i MSE_i(model), arXiv:2409.19552. It depends on the split more than on
    the model: values of two splits do not compare.

    Args:
        spectra: What was computed, shape (n_sample, n_energy).
        predicted: What the model says, the same shape.
        train_mean: Mean of the training spectra, shape (n_energy,); one row a sample where each absorber has its own.

    Raises:
        InputError: Shapes do not fit, or the median error of the model is zero.

    >>> eta(np.array([[2.0, 2.0]]), np.array([[1.0, 1.0]]), np.array([0.0, 0.0]))
    4.0
    """
    baseline = np.asarray(train_mean, dtype=float)
    if baseline.shape not in {spectra.shape, spectra.shape[1:]}:
        raise InputError(
            f"the train mean has shape {spectra.shape[1:]}, or {spectra.shape} with one row a sample, got "
            f"{baseline.shape}"
        )
    own = float(np.median(mse(spectra, predicted)))
    if own == 0:
        raise InputError("half of the predictions equal their spectra: test on spectra that were not trained on")
    return float(np.median(mse(spectra, np.broadcast_to(baseline, spectra.shape)))) / own


def deciles(errors: Float[Array, " sample"]) -> Indices:
    """Return the samples at 0, 10, …, 100 % of the errors: the best first, the median sixth, the worst last.

    Args:
        errors: One error a sample, shape (n_sample,).

    Returns:
        Indices, shape (11,).

    >>> deciles(np.arange(21.0)[::-1]).tolist()
    [20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0]
    """
    if errors.ndim != 1 or errors.size == 0 or not np.all(np.isfinite(errors)):
        raise InputError(f"deciles need finite errors, one a sample, got shape {errors.shape}")
    order = np.argsort(errors, kind="stable")
    # Adding a half before cutting takes the upper of two samples equally near; rint would take the even one.
    places: Indices = np.floor(np.linspace(0.0, 1.0, 11) * (len(order) - 1) + 0.5).astype(np.int64)
    return np.asarray(order[places], dtype=np.int64)


def peak_positions(
    curves: Float[Array, "sample energy"],
    points: Float[Array, " energy"],
    *,
    window: tuple[float, float] | None = None,
) -> Float[Array, " sample"]:
    """Return where each curve is highest, shape (n_sample,) [eV].

    The vertex of the parabola through the highest point and its neighbours is taken, so that the answer is finer than
    the grid; at an end of the window it is the point itself.

    Args:
        curves: Intensities, shape (n_sample, n_energy).
        points: Axis, shape (n_energy,) [eV].
        window: Part of the axis that is searched [eV]; all of it when None. Where later oscillations are higher than
            the white line, it has to end before them.

    Raises:
        InputError: Fewer than three points are in the window, or shapes do not fit.
    """
    low, high = (-np.inf, np.inf) if window is None else window
    inside = np.flatnonzero((points >= low) & (points <= high))
    if curves.ndim != 2 or points.shape != curves.shape[1:] or inside.size < 3:
        raise InputError(
            f"a peak is sought on at least 3 of {points.size} points, got {inside.size} from {low:g} to {high:g} eV "
            f"and curves of shape {curves.shape}"
        )
    x, y = points[inside], curves[:, inside]
    top = np.argmax(y, axis=1)
    middle = np.clip(top, 1, len(x) - 2)
    rows: Indices = np.arange(len(y))
    left, centre, right = (y[rows, middle + step] for step in (-1, 0, 1))
    before, after = x[middle] - x[middle - 1], x[middle + 1] - x[middle]
    # Vertex of the parabola through three points that need not be evenly spaced.
    slope_before, slope_after = (centre - left) / before, (right - centre) / after
    bend = slope_before - slope_after
    is_inner = (top == middle) & (bend > 0)
    vertex = (x[middle - 1] + x[middle]) / 2 + np.divide(
        slope_before * (x[middle + 1] - x[middle - 1]) / 2, bend, out=np.zeros_like(bend), where=bend > 0
    )
    return np.asarray(np.where(is_inner, vertex, x[top]))


def peak_errors(
    spectra: Float[Array, "sample energy"],
    predicted: Float[Array, "sample energy"],
    points: Float[Array, " energy"],
    *,
    window: tuple[float, float] | None = None,
) -> Float[Array, " sample"]:
    """Return predicted minus computed position of the white line, shape (n_sample,) [eV]; see `peak_positions`.

    Args:
        spectra: What was computed, shape (n_sample, n_energy).
        predicted: What the model says, the same shape.
        points: Axis, shape (n_energy,) [eV].
        window: Part of the axis that is searched [eV].
    """
    _difference(spectra, predicted)
    return np.asarray(peak_positions(predicted, points, window=window) - peak_positions(spectra, points, window=window))


def _difference(
    spectra: Float[Array, "sample energy"], predicted: Float[Array, "sample energy"]
) -> Float[Array, "sample energy"]:
    if spectra.ndim != 2 or spectra.shape != predicted.shape or spectra.size == 0:
        raise InputError(
            f"spectra and predictions have one row a sample and one column a point, got {spectra.shape} and "
            f"{predicted.shape}"
        )
    difference: Array = np.asarray(predicted, dtype=float) - np.asarray(spectra, dtype=float)
    if not np.all(np.isfinite(difference)):
        row = int(np.flatnonzero(~np.all(np.isfinite(difference), axis=1))[0])
        raise InputError(f"spectra and predictions must be finite, got row {row} that is not")
    return difference


def _centred(curves: Float[Array, "sample energy"]) -> Float[Array, "sample energy"]:
    return np.asarray(curves - np.mean(curves, axis=1, keepdims=True))


def _cosines(a: Float[Array, "sample energy"], b: Float[Array, "sample energy"]) -> Float[Array, " sample"]:
    products = np.einsum("se,se->s", a, b)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    result = np.divide(products, norms, out=np.full(len(products), np.nan), where=norms > 0)
    return np.asarray(np.clip(result, -1.0, 1.0))
