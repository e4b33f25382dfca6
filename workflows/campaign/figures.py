"""Figures of a campaign: what ended when, how long it took against what was expected, and its spectra."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.spectrum import EnergyReference, Spectrum
from whiteline.workflows.campaign.status import CampaignStatus, Interval, regroup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Picture", "draw_gallery", "draw_progress", "draw_times", "png"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# Okabe and Ito's colours, told apart by colour-blind readers.
_DONE, _FAILED, _CORES, _UNSURE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
_N_BARS = 80  # bars of the time axis
_STEPS: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400, 7 * 86400)  # s
_N_COLUMNS = 5
_RATIOS = (0.001, 0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10, 100, 1000)
# More dots than this are drawn as a density.
_N_DOTS = 3000
_N_TITLE = 30  # characters above a small picture


@dataclass(frozen=True)
class Picture:
    """One small picture of the gallery: a spectrum under its name, and whether it did not converge."""

    title: str
    spectrum: Spectrum
    is_uncertain: bool = False


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file, drawn for sharp screens."""
    content = BytesIO()
    figure.savefig(content, format="png", dpi=160)
    return content.getvalue()


def draw_progress(status: CampaignStatus) -> Figure | None:
    """Return a figure of what ended per interval, of the sum of it, and of the cores at work; None before any."""
    if not status.intervals:
        return None
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    start = min([status.intervals[0].start, *(worker.started_at for worker in status.workers)])
    span = status.intervals[-1].start + status.step - start
    length = max(next((s for s in _STEPS if span <= s * _N_BARS), _STEPS[-1]), status.step)
    intervals = regroup(status.intervals, length)
    unit, name = _time_unit(span)
    figure = Figure(figsize=(7.6, 5.4), layout="constrained")
    rate, total, cores = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1.4))
    _draw_rate(rate, intervals, start=start, length=length, unit=unit)
    ends = [(each.start + length - start) / unit for each in intervals]
    for values, colour, label in (
        ([each.n_done for each in intervals], _DONE, "with a spectrum"),
        ([each.n_failed for each in intervals], _FAILED, "failed"),
    ):
        if sum(values):
            x = [max((intervals[0].start - start) / unit, 0.0), *ends]
            total.plot(x, [0, *np.cumsum(values)], color=colour, linewidth=1.6, label=label)
    total.set_ylabel("Tasks computed")
    total.set_ylim(bottom=0)
    total.yaxis.set_major_locator(MaxNLocator(integer=True))
    _draw_cores(cores, status, start=start, unit=unit)
    cores.set_xlabel(f"Time since the first worker ({name})")
    cores.set_xlim(0.0, span / unit)
    for axes in (rate, total, cores):
        _tidy(axes)
    if rate.get_legend_handles_labels()[1]:
        rate.legend(frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    figure.align_ylabels()
    return figure


def _draw_rate(axes: Axes, intervals: Sequence[Interval], *, start: float, length: float, unit: float) -> None:
    x = [(each.start - start) / unit for each in intervals]
    # Per minute, or per hour where a minute sees less than one.
    per, name = (
        (60.0, "minute")
        if sum(i.n_done + i.n_failed for i in intervals) * 60 >= length * len(x)
        else (
            3600.0,
            "hour",
        )
    )
    done = np.array([each.n_done for each in intervals]) * per / length
    failed = np.array([each.n_failed for each in intervals]) * per / length
    axes.bar(x, done, width=length / unit, align="edge", color=_DONE, label="with a spectrum")
    if failed.any():
        axes.bar(x, failed, width=length / unit, align="edge", bottom=done, color=_FAILED, label="failed")
    axes.set_ylabel(f"Tasks per {name}")


def _draw_cores(axes: Axes, status: CampaignStatus, *, start: float, unit: float) -> None:
    changes: dict[float, int] = {}
    for worker in status.workers:
        changes[worker.started_at] = changes.get(worker.started_at, 0) + worker.cores
        end = worker.ended_at or worker.seen_at
        changes[end] = changes.get(end, 0) - worker.cores
    moments = sorted(changes)
    if moments:
        x = [(moment - start) / unit for moment in moments]
        axes.step(x, np.cumsum([changes[moment] for moment in moments]), where="post", color=_CORES, linewidth=1.4)
    axes.set_ylabel("Cores")
    axes.set_ylim(bottom=0)


def _time_unit(span: float) -> tuple[float, str]:
    if span < 300:
        return 1.0, "s"
    if span < 3 * 3600:
        return 60.0, "min"
    return (3600.0, "h") if span < 4 * 86400 else (86400.0, "d")


def draw_times(expected: Float[Array, " task"], measured: Float[Array, " task"]) -> Figure | None:
    """Return a figure of measured against expected wall times, and of their ratio; None without any.

    Args:
        expected: What was expected of each task [s], shape (n_task,).
        measured: What each took [s], shape (n_task,).
    """
    is_known = (expected > 0) & (measured > 0)
    expected, measured = expected[is_known], measured[is_known]
    if not expected.size:
        return None
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    figure = Figure(figsize=(7.6, 3.3), layout="constrained")
    times, ratios = figure.subplots(1, 2)
    low = 0.8 * min(expected.min(), measured.min())
    high = 1.25 * max(expected.max(), measured.max())
    if expected.size > _N_DOTS:
        limits = (math.log10(low), math.log10(high)) * 2
        times.hexbin(
            expected,
            measured,
            xscale="log",
            yscale="log",
            gridsize=40,
            mincnt=1,
            cmap="Blues",
            extent=limits,
            bins="log",
        )
    else:
        times.scatter(expected, measured, s=12, color=_DONE, alpha=0.5, linewidth=0)
        times.set_xscale("log")
        times.set_yscale("log")
    times.plot([low, high], [low, high], color="0.4", linewidth=0.8)
    for axis in (times.xaxis, times.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    times.set_xlim(low, high)
    times.set_ylim(low, high)
    times.set_xlabel("Expected (s)")
    times.set_ylabel("Measured (s)")
    ratio = np.log10(measured / expected)
    edge = max(0.3, float(np.abs(ratio).max()))
    ratios.hist(10 ** np.clip(ratio, -edge, edge), bins=list(np.logspace(-edge, edge, 33)), color=_DONE)
    ratios.set_xscale("log")
    ticks = [tick for tick in _RATIOS if abs(math.log10(tick)) <= edge]
    ratios.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ratios.minorticks_off()
    ratios.axvline(1.0, color="0.4", linewidth=0.8)
    ratios.set_xlabel("Measured / expected")
    ratios.set_ylabel("Tasks")
    ratios.yaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (times, ratios):
        _tidy(axes)
    return figure


def draw_gallery(pictures: Sequence[Picture]) -> Figure:
    """Return small pictures side by side, each with axes of its own; what did not converge is dashed."""
    from matplotlib.figure import Figure

    n_rows = math.ceil(len(pictures) / _N_COLUMNS)
    figure = Figure(figsize=(2.45 * _N_COLUMNS, 1.7 * n_rows + 0.35), layout="constrained")
    grid = figure.subplots(n_rows, _N_COLUMNS, squeeze=False).ravel()
    for axes in grid[len(pictures) :]:
        axes.set_axis_off()
    for axes, picture in zip(grid, pictures, strict=False):
        spectrum = picture.spectrum
        style = ("--", _UNSURE) if picture.is_uncertain else ("-", _DONE)
        axes.plot(spectrum.energy, spectrum.intensity, linestyle=style[0], color=style[1], linewidth=1.2)
        axes.margins(x=0.0)
        axes.set_ylim(bottom=min(0.0, float(spectrum.intensity.min())))
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=4)
        axes.tick_params(labelsize=7)
        axes.set_title(_short(picture.title), fontsize=8, pad=3, parse_math=False)
        _tidy(axes)
    zeros = {picture.spectrum.energy_reference for picture in pictures}
    is_photon = zeros == {EnergyReference.ABSOLUTE}
    figure.supxlabel("Photon energy (eV)" if is_photon else "Energy (eV), each on the axis of its code", fontsize=9)
    return figure


def _short(title: str) -> str:
    """Return a title that fits; the end of a name tells more than its middle."""
    if len(title) <= _N_TITLE:
        return title
    return f"{title[: _N_TITLE // 2 - 1]}…{title[-_N_TITLE // 2 :]}"


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    if axes.get_xscale() == "linear":
        axes.ticklabel_format(style="plain", useOffset=False)
