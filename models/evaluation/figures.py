"""Figures of a model: spectra from best to worst, distributions of errors, calibration, domain and learning curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.models import metrics
from whiteline.models.evaluation.calibration import Calibration, normal_scale
from whiteline.models.evaluation.domain import ErrorByDistance
from whiteline.models.evaluation.evaluated import Evaluated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Drawn", "draw_all"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# Okabe and Ito's colours, told apart by colour-blind readers.
_COMPUTED, _PREDICTED, _BASELINE, _RIVAL = "#000000", "#D55E00", "#56B4E9", "#009E73"
_CURVES: Final = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_BAND: Final = 0.8  # level of the band that is drawn
_N_DOTS: Final = 20_000  # more dots than this are rasterised in PDF
_ONE: Final = (5.2, 3.7)  # inches
_LONGEST_NAME: Final = 22  # letters of an id that fit above one of twelve panels

Drawn: TypeAlias = "dict[str, tuple[str, Figure]]"


def draw_all(data: Evaluated, *, calibration: Calibration | None, by_distance: ErrorByDistance | None) -> Drawn:
    """Return the figures that the data allow: title, and stem of the file name with the figure.

    Args:
        data: Spectra and predictions.
        calibration: Share of points inside the bands; None draws no calibration curve.
        by_distance: Errors in bins of the distance; None draws none.
    """
    errors = metrics.mse(data.spectra, data.predicted)
    figures = {
        "Spectra by error": ("deciles", _draw_deciles(data, errors)),
        "Distribution of errors": ("errors", _draw_histogram(data, errors)),
        "Error and rank correlation": ("spearman", _draw_spearman(data, errors)),
    }
    if calibration is not None:
        figures["Calibration"] = ("calibration", _draw_calibration(calibration))
    if by_distance is not None and data.distances is not None:
        figures["Error and distance"] = ("distance", _draw_distance(data, data.distances, errors, by_distance))
    if data.learning:
        figures["Learning curve"] = ("learning", _draw_learning(data))
    return figures


def _draw_deciles(data: Evaluated, errors: Float[Array, " sample"]) -> Figure:
    """Return twelve panels: the spectra at each decile of the error, and the legend in the last."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 7.2), layout="constrained")
    panels = figure.subplots(3, 4, sharex=True).ravel()
    half = None if data.sds is None else (data.scale or normal_scale()).half_widths(data.sds, _BAND)
    for axes, row, name in zip(panels, metrics.deciles(errors), metrics.DECILES, strict=False):
        if half is not None:
            low, high = data.predicted[row] - half[row], data.predicted[row] + half[row]
            axes.fill_between(
                data.points, low, high, color=_PREDICTED, alpha=0.2, linewidth=0, label=f"{100 * _BAND:g} % band"
            )
        axes.plot(data.points, data.baseline[row], color=_BASELINE, linewidth=1.0, label="mean of training")
        axes.plot(data.points, data.spectra[row], color=_COMPUTED, linewidth=1.4, label="computed")
        axes.plot(data.points, data.predicted[row], "--", color=_PREDICTED, linewidth=1.4, label="predicted")
        axes.set_title(f"{name}: {_short(data.ids[row])}", fontsize=9, parse_math=False)
        axes.margins(x=0.0)
        _tidy(axes)
    handles, labels = panels[0].get_legend_handles_labels()
    panels[-1].set_axis_off()
    panels[-1].legend(handles, labels, loc="center", frameon=False, fontsize=10)
    # The panel above the legend is the lowest of its column and has no numbers below it otherwise.
    panels[7].tick_params(labelbottom=True)
    figure.supxlabel("Energy from the start of the grid (eV)" if data.points[0] == 0 else "Energy (eV)", fontsize=10)
    figure.supylabel(_intensity(data), fontsize=10)
    return figure


def _short(name: str) -> str:
    """Return a name that fits above a small panel; a few digits of an id say which it is."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _draw_histogram(data: Evaluated, errors: Float[Array, " sample"]) -> Figure:
    figure, axes = _one()
    curves = [("mean of training", metrics.mse(data.spectra, data.baseline), _BASELINE)]
    if data.rival is not None:
        curves.append((data.rival.name, metrics.mse(data.spectra, data.rival.predicted), _RIVAL))
    curves.append(("model", errors, _PREDICTED))
    logs = [(name, np.log10(_above_zero(values)), colour) for name, values, colour in curves]
    low, high = min(float(v.min()) for _, v, _ in logs), max(float(v.max()) for _, v, _ in logs)
    n_bins = int(np.clip(np.sqrt(len(errors)) * 1.5, 8, 60))
    bins = np.linspace(low, high if high > low else low + 1.0, n_bins + 1).tolist()
    for name, values, colour in logs:
        axes.hist(values, bins=bins, color=colour, alpha=0.35)
        axes.hist(values, bins=bins, color=colour, histtype="step", linewidth=1.3, label=name)
        axes.axvline(float(np.median(values)), color=colour, linestyle="--", linewidth=1.2)
    axes.set_xlabel(f"log₁₀ MSE [{_squared(data)}]; dashed: medians")
    axes.set_ylabel("Spectra")
    _legend(axes)
    return figure


def _draw_spearman(data: Evaluated, errors: Float[Array, " sample"]) -> Figure:
    figure, axes = _one()
    # A perfect correlation has no logarithm; the spacing of numbers below one stands for it.
    distance = np.maximum(1.0 - metrics.spearman(data.spectra, data.predicted), 1e-6)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for i, absorber in enumerate(sorted(set(data.absorbers))):
        rows = np.array([own == absorber for own in data.absorbers])
        _scatter(axes, errors[rows], distance[rows], colour=_CURVES[i % len(_CURVES)], label=absorber)
    axes.set_xlabel(f"MSE [{_squared(data)}]")
    axes.set_ylabel("1 − Spearman correlation")
    _legend(axes)
    return figure


def _draw_calibration(calibration: Calibration) -> Figure:
    figure, axes = _one((4.4, 4.2))
    axes.plot([0, 1], [0, 1], color=_COMPUTED, linewidth=0.9, label="right")
    axes.fill_between([0, 1], [-0.05, 0.95], [0.05, 1.05], color=_COMPUTED, alpha=0.12, linewidth=0, label="± 5 points")
    spread = (calibration.levels, calibration.lowest, calibration.highest)
    axes.fill_between(*spread, color=_PREDICTED, alpha=0.2, linewidth=0, label="range over energies")
    axes.plot(calibration.levels, calibration.inside, "o-", color=_PREDICTED, markersize=4, label="mean")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.set_xlabel("Share of points that a band is to hold")
    axes.set_ylabel("Share that it holds")
    _legend(axes, place="upper left")
    return figure


def _draw_distance(
    data: Evaluated, distances: Float[Array, " sample"], errors: Float[Array, " sample"], bins: ErrorByDistance
) -> Figure:
    figure, axes = _one()
    axes.set_yscale("log")
    _scatter(axes, distances, _above_zero(errors), colour=_BASELINE, label="spectra")
    axes.plot(bins.median_distance, bins.median_error, "o-", color=_PREDICTED, label="medians of bins")
    axes.set_xlabel("Distance from the training set")
    axes.set_ylabel(f"MSE [{_squared(data)}]")
    _legend(axes)
    return figure


def _draw_learning(data: Evaluated) -> Figure:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    figure, axes = _one()
    axes.set_xscale("log")
    axes.set_yscale("log")
    labels = list(dict.fromkeys(point.label for point in data.learning))
    for i, label in enumerate(labels):
        own = sorted((point.n_train, point.error) for point in data.learning if point.label == label)
        sizes = sorted({n for n, _ in own})
        colour = _CURVES[i % len(_CURVES)]
        # Several points of one size are seeds: dots, and a line through their medians.
        axes.plot(*zip(*own, strict=True), "o", color=colour, markersize=4, alpha=0.5)
        middle = [float(np.median([error for n, error in own if n == size])) for size in sizes]
        axes.plot(sizes, middle, "-", color=colour, label=label)
    sizes = sorted({point.n_train for point in data.learning})
    # Where sizes are close, every other one would overlap the next.
    shown = sizes[:: -max(1, len(sizes) // 6)][::-1]
    axes.set_xticks(shown, [str(size) for size in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    # Errors seldom span a decade, and powers of ten alone would leave the axis bare.
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(_scientific))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("Training spectra")
    axes.set_ylabel(f"Median MSE [{_squared(data)}]")
    _legend(axes)
    return figure


def _scientific(value: float, _: int | None = None) -> str:
    mantissa, exponent = f"{value:.0e}".split("e")
    return rf"${mantissa} \times 10^{{{int(exponent)}}}$"


def _one(size: tuple[float, float] = _ONE) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    _tidy(axes)
    return figure, axes


def _scatter(axes: Axes, x: Float[Array, " dot"], y: Float[Array, " dot"], *, colour: str, label: str) -> None:
    faint = float(np.clip(300 / max(1, len(x)), 0.15, 0.7))
    axes.scatter(x, y, s=12, color=colour, alpha=faint, linewidths=0, label=label, rasterized=len(x) > _N_DOTS)


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)


def _legend(axes: Axes, *, place: Literal["best", "upper left"] = "best") -> None:
    from matplotlib.collections import PathCollection

    legend = axes.legend(frameon=False, fontsize=9, loc=place)
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_alpha(1.0)  # dots are faint where there are many
    for text in legend.get_texts():
        text.set_parse_math(False)


def _above_zero(values: Float[Array, " sample"]) -> Float[Array, " sample"]:
    smallest = float(values[values > 0].min()) if np.any(values > 0) else 1.0
    return np.asarray(np.maximum(values, smallest))


def _intensity(data: Evaluated) -> str:
    return "Cross-section (Mbarn per atom)" if data.unit == "Mbarn" else f"Intensity ({data.unit or 'no unit'})"


def _squared(data: Evaluated) -> str:
    return f"{data.unit}²" if data.unit else "unit²"
