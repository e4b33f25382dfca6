"""The picture of a convergence certificate: spectra by rung, and error against cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from whiteline.spectrum import Spectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_convergence"]

_N_COLUMNS = 2
# What is below cannot be drawn on a logarithmic axis, and is no difference.
_FLOOR = 1e-6
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def plot_convergence(certificate: Mapping[str, Any], spectra: Mapping[str, Spectrum], *, title: str = "") -> Figure:
    """Return one panel a knob with the spectra of its rungs, and one with the error of each step against its time.

    Args:
        certificate: Parameters of the provenance record of a converged spectrum.
        spectra: Spectra of its rungs by id; rungs that failed have none.
        title: Words above.
    """
    from matplotlib.figure import Figure

    points = {tuple(point["rungs"]): point for point in certificate["points"]}
    climbs = certificate["climbs"]
    n_rows = -(-(len(climbs) + 1) // _N_COLUMNS)
    figure = Figure(figsize=(10.0, 3.6 * n_rows), layout="constrained")
    panels = figure.subplots(n_rows, _N_COLUMNS, squeeze=False).ravel()
    for i, (climb, axes) in enumerate(zip(climbs, panels, strict=False)):
        _draw_rungs(axes, i, certificate["knobs"][i], climb, points, spectra, certificate)
    _draw_errors(panels[len(climbs)], certificate, points)
    for axes in panels[len(climbs) + 1 :]:
        axes.set_visible(False)
    if title:
        figure.suptitle(title, fontsize=12, parse_math=False)
    return figure


def _draw_rungs(
    axes: Axes,
    i_knob: int,
    knob: Mapping[str, Any],
    climb: Mapping[str, Any],
    points: Mapping[tuple[int, ...], Mapping[str, Any]],
    spectra: Mapping[str, Spectrum],
    certificate: Mapping[str, Any],
) -> None:
    from matplotlib import colormaps

    # In early certificates the other knobs stood on their start.
    rest = certificate.get("rest", certificate["start"])
    line = [p for p in sorted(points) if all(rung == rest[k] for k, rung in enumerate(p) if k != i_knob)]
    shades = colormaps["viridis"](np.linspace(0.0, 0.85, max(len(line), 2)))
    for point, shade in zip(line, shades, strict=False):
        spectrum = spectra.get(points[point]["id"])
        if spectrum is not None:
            taken = point[i_knob] == climb["rung"]
            label = knob["words"][point[i_knob]] + (" (taken)" if taken else "")
            width = 2.2 if taken else 1.1
            axes.plot(spectrum.energy, spectrum.intensity, color=shade, linewidth=width, label=label)
    axes.set_title(knob["name"] + ("" if climb["has_arrived"] else ": not converged"), fontsize=10, parse_math=False)
    axes.set_xlabel("Energy (eV)")
    axes.set_yticks([])
    axes.set_ylabel("Intensity")
    if axes.get_legend_handles_labels()[0]:  # none where every rung failed
        axes.legend(fontsize=7, edgecolor="none", framealpha=0.8, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_errors(
    axes: Axes, certificate: Mapping[str, Any], points: Mapping[tuple[int, ...], Mapping[str, Any]]
) -> None:
    series = [(climb["knob"], climb["comparisons"]) for climb in certificate["climbs"]]
    series.append(("all knobs, confirmed", certificate["confirmations"]))
    for (name, comparisons), colour in zip(series, _COLOURS, strict=False):
        steps = [c for c in comparisons if c["similarity"] is not None]
        if not steps:
            continue
        seconds = [max(points[tuple(c["upper"])]["seconds"], 1e-2) for c in steps]
        errors = [max(1 - c["similarity"]["spearman"], _FLOOR) for c in steps]
        line = "s" if name.startswith("all") else "o-"
        axes.plot(seconds, errors, line, color=colour, label=name, markersize=5, linewidth=1.2)
    axes.axhline(certificate["tolerance"]["spearman"], color="0.4", linestyle="--", linewidth=1.0, label="tolerance")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("Wall time of the higher rung (s)")
    axes.set_ylabel("1 - Spearman to the rung below")
    axes.set_title(f"Error against cost: {certificate['verdict']}", fontsize=10, parse_math=False)
    axes.legend(fontsize=7, frameon=False)
    axes.grid(alpha=0.25, linewidth=0.6, which="both")
    axes.spines[["top", "right"]].set_visible(False)
