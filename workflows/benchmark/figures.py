"""Figures of a benchmark: overlaid spectra as in a paper, and how far apart the codes are."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whiteline.alignment import segment
from whiteline.errors import InputError
from whiteline.plotting import save_figure
from whiteline.spectrum import Spectrum
from whiteline.workflows.benchmark.agreement import Agreements, Scope, log_distance, prepare
from whiteline.workflows.benchmark.definition import Benchmark, Compared, Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["CODE_NAMES", "align_codes", "draw_figures"]

CODE_NAMES: Final = {
    "feff": "FEFF",
    "xspectra": "XSpectra",
    "ocean": "OCEAN",
    "vasp": "VASP",
    "exciting": "exciting",
}
# Okabe and Ito's colours, told apart by colour-blind readers: a code has the same one in every figure.
_COLOURS = {
    "xspectra": "#0072B2",
    "ocean": "#D55E00",
    "exciting": "#009E73",
    "feff": "#CC79A7",
    "vasp": "#E69F00",
}
_BEFORE, _AFTER = 6.0, 3.0  # eV shown on either side of what is compared
_N_COLUMNS = 3


def draw_figures(benchmark: Benchmark, agreements: Agreements, folder: Path) -> dict[str, Path]:
    """Write the figures as PNG, for the page, and as PDF, for papers; return the PNG files by title.

    There is one of all materials, one of the distances between codes, and one of each material, or of each of its
    sites where no two codes have the whole material.

    Args:
        benchmark: The benchmark.
        agreements: What was compared.
        folder: Where the files go.

    Raises:
        StoreError: A file cannot be written.
    """
    comparison = benchmark.comparison
    drawn = {
        scope: curves for scope in _scopes(agreements) if len(curves := align_codes(scope, agreements, comparison)) > 1
    }
    formulas = {m.name: m.structure.composition.reduced_formula for m in benchmark.materials}
    figures: dict[str, tuple[str, Figure]] = {}
    if len(drawn) > 1:
        figures["All materials"] = ("overview", _draw_overview(drawn, formulas))
    if any(row.similarity is not None for row in agreements.rows):
        figures["Distance between codes"] = ("agreement", _draw_distances(agreements, comparison))
    for scope, curves in drawn.items():
        figures[scope.label] = (re.sub(r"[^\w+-]+", "-", scope.label), _draw_one(scope, curves, formulas))
    paths = {}
    for title, (name, figure) in figures.items():
        paths[title] = folder / f"{name}.png"
        save_figure(figure, paths[title])
        save_figure(figure, paths[title].with_suffix(".pdf"))
    return paths


def align_codes(scope: Scope, agreements: Agreements, comparison: Comparison) -> dict[str, Spectrum]:
    """Return the spectra of a scope as they are compared, shifted onto the first and of the same area.

    A spectrum that cannot be compared with the first is left out. The area is that over the range that all share, at
    most the part that is compared and a little on either side.
    """
    quantity = comparison.quantities[0]
    shifts = {
        row.codes: row.similarity.shift
        for row in agreements.rows
        if row.scope == scope and row.quantity is quantity and row.similarity is not None
    }
    aligned: dict[str, Spectrum] = {}
    first = ""
    for code, spectrum in agreements.spectra[scope].items():
        if first and (first, code) not in shifts:
            continue
        try:
            ready = prepare(spectrum, quantity=quantity, broadening=comparison.broadening)
        except InputError:
            continue
        first = first or code
        aligned[code] = ready.shift_by(shifts.get((first, code), 0.0))
    if len(aligned) < 2:
        return aligned
    start = segment(aligned[first], onset=comparison.onset, window=comparison.window).start
    low = max(start - _BEFORE, *(float(s.energy[0]) for s in aligned.values()))
    high = min(start + comparison.window + _AFTER, *(float(s.energy[-1]) for s in aligned.values()))
    return {code: s.normalise("area", window=(low, high)).crop(low, high) for code, s in aligned.items()}


def _scopes(agreements: Agreements) -> list[Scope]:
    """Return materials that two codes have, and the sites of the others."""
    whole = {scope.material for scope, found in agreements.spectra.items() if scope.site is None and len(found) > 1}
    return [
        scope
        for scope, found in agreements.spectra.items()
        if len(found) > 1 and (scope.site is None or scope.material not in whole)
    ]


def _title(scope: Scope, formulas: Mapping[str, str]) -> str:
    formula = formulas[scope.material]
    return scope.label if formula in scope.label else f"{formula}, {scope.label}"


def _draw_one(scope: Scope, curves: Mapping[str, Spectrum], formulas: Mapping[str, str]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    _draw_curves(axes, curves)
    axes.set_title(_title(scope, formulas), fontsize=11, parse_math=False)
    axes.set_xlabel(f"Energy on the axis of {CODE_NAMES[next(iter(curves))]} (eV)")
    axes.set_ylabel("Intensity (area one, 1/eV)")
    axes.legend(frameon=False, fontsize=9)
    return figure


def _draw_overview(drawn: Mapping[Scope, Mapping[str, Spectrum]], formulas: Mapping[str, str]) -> Figure:
    from matplotlib.figure import Figure

    n_columns = min(_N_COLUMNS, len(drawn))
    n_rows = math.ceil(len(drawn) / n_columns)
    figure = Figure(figsize=(3.3 * n_columns, 2.5 * n_rows + 0.5), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes in grid[len(drawn) :]:
        axes.set_axis_off()
    for axes, (scope, curves) in zip(grid, drawn.items(), strict=False):
        _draw_curves(axes, curves)
        axes.set_title(_title(scope, formulas), fontsize=10, parse_math=False)
        axes.set_yticks([])
    handles = {line.get_label(): line for axes in grid for line in axes.lines}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles), frameon=False)
    figure.supxlabel("Energy (eV)", fontsize=10)
    figure.supylabel("Intensity (area one)", fontsize=10)
    return figure


def _draw_curves(axes: Axes, curves: Mapping[str, Spectrum]) -> None:
    for code, spectrum in curves.items():
        axes.plot(spectrum.energy, spectrum.intensity, color=_COLOURS[code], label=CODE_NAMES[code], linewidth=1.4)
    axes.margins(x=0.0)
    axes.set_ylim(bottom=0.0)
    axes.ticklabel_format(style="plain", useOffset=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)


def _draw_distances(agreements: Agreements, comparison: Comparison) -> Figure:
    """Return a figure of log10(1 - Spearman): a dot each material or site, and what was published."""
    from matplotlib.figure import Figure

    quantity = comparison.quantities[0]
    rows = [row for row in agreements.rows if row.quantity is quantity and row.similarity is not None]
    pairs = list(dict.fromkeys(row.codes for row in rows))
    figure = Figure(figsize=(6.4, 0.42 * len(pairs) + 1.5), layout="constrained")
    axes = figure.subplots()
    whole = {row.scope.material for row in rows if row.scope.site is None}
    dots = [
        (value, pairs.index(row.codes))
        for row in rows
        if row.similarity is not None
        and (row.scope.site is None or row.scope.material not in whole)
        and (value := log_distance(row.similarity.spearman)) is not None
    ]
    axes.scatter([x for x, _ in dots], [y for _, y in dots], s=26, color="#0072B2", alpha=0.7, label="here")
    ticks = _published_ticks(agreements, pairs, quantity)
    if ticks:
        x, y = ([tick[i] for tick in ticks] for i in (0, 1))
        axes.scatter(x, y, marker="|", s=260, color="#D55E00", label="published", linewidth=2)
    axes.set_yticks(range(len(pairs)), [" – ".join(CODE_NAMES[code] for code in pair) for pair in pairs])
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    axes.set_xlabel("log₁₀(1 − Spearman): further left is more alike")
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _published_ticks(
    agreements: Agreements, pairs: Sequence[tuple[str, str]], quantity: Compared
) -> list[tuple[float, int]]:
    places = {frozenset(pair): i for i, pair in enumerate(pairs)}
    ticks = []
    for result in agreements.published:
        number = result.number
        value = log_distance(number.value) if number.measure == "spearman" else None
        if value is None or number.quantity not in (None, quantity):
            continue
        ticks += [(value, places[frozenset(pair)]) for pair in number.pairs if frozenset(pair) in places]
    return ticks
