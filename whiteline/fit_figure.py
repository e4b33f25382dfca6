"""The figure of a computed spectrum on a measured one."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from whiteline.fitting import Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_fit"]

# Okabe and Ito's colours, told apart by colour-blind readers.
_MEASURED, _FITTED, _RAW = "#000000", "#D55E00", "#0072B2"
_N_TITLE = 72


def plot_fit(fit: Fit, *, title: str = "", theory: str = "theory", measured: str = "measured") -> Figure:
    """Return a figure: measurement, shifted theory and fitted theory above, what is left of them below.

    Args:
        fit: The fit.
        title: Title of the figure.
        theory: Name of the computed spectrum in the legend.
        measured: Name of the measurement in the legend.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 5.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1.0))
    shift = f"{fit.values['shift'].value:+.2f}".replace("-", "−")
    upper.plot(fit.energy, fit.measured, ".-", color=_MEASURED, markersize=3.5, linewidth=0.8, label=measured)
    upper.plot(fit.energy, fit.raw, ":", color=_RAW, linewidth=1.3, label=f"{theory}, shifted by {shift} eV")
    upper.plot(fit.energy, fit.fitted, "-", color=_FITTED, linewidth=1.8, label=f"{theory}, fitted")
    lower.axhline(0.0, color=_FITTED, linewidth=0.8)
    lower.plot(fit.energy, fit.measured - fit.fitted, ".-", color=_MEASURED, markersize=2.5, linewidth=0.8)
    upper.set_ylabel("Absorption (edge jump one)")
    lower.set_ylabel("Residual")
    lower.set_xlabel("Photon energy (eV)")
    lower.set_xlim(*fit.window)
    # Dollar signs in names of files are no formulas.
    upper.set_title(textwrap.fill(title, _N_TITLE), fontsize=11, pad=10, parse_math=False)
    for axes in (upper, lower):
        _tidy(axes)
    legend = upper.legend(frameon=False, fontsize=9, loc="lower right")
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _tidy(axes: Axes) -> None:
    # A factor above the axis would stand in the title's place.
    axes.ticklabel_format(style="plain", useOffset=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
