"""The figure of a search: the spectrum that was looked for over each of its best matches."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.database.search.curves import curve_of_measured, curve_of_spectrum, document_curve
from whiteline.database.search.grid import GRID, HIGHEST, LOWEST, prepare_query, put_on_grid
from whiteline.errors import InputError
from whiteline.measured import MeasuredSpectrum
from whiteline.spectrum import Spectrum

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from whiteline.database.documents import SpectrumDocument
    from whiteline.database.search.searching import Match

__all__ = ["Shown", "plot_matches"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# Okabe and Ito's colours, told apart by colour-blind readers.
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_N_TITLE = 72
_DISTANCE = 0.8  # from one pair of curves to the next, in steps of the edge
_MARGIN = 5.0  # [eV] of the spectrum shown beyond what is compared


@dataclass(frozen=True, eq=False)
class Shown:
    """One match in the figure: how it matches, what it is, and its words in the legend."""

    match: Match
    document: SpectrumDocument
    label: str


def plot_matches(
    spectrum: Spectrum | MeasuredSpectrum, shown: Sequence[Shown], *, title: str = "", name: str = "searched"
) -> Figure:
    """Return a figure: from the top down the best matches in colour, each under the spectrum that was looked for.

    All are scaled to level one above the edge. Matches are shifted as they were found, and drawn where they have
    points of their own.

    Args:
        spectrum: What was looked for.
        shown: Its matches, the best first.
        title: Title of the figure.
        name: What the spectrum is called in the legend.

    Raises:
        InputError: There is no match to draw.
    """
    from matplotlib.figure import Figure

    if not shown:
        raise InputError("nothing to draw: the search found no match; ask for fewer conditions")
    if isinstance(spectrum, MeasuredSpectrum):
        energy, intensity = curve_of_measured(spectrum)
    else:
        energy, intensity = curve_of_spectrum(spectrum)
    query = prepare_query(energy, intensity, max_shift=0.0, broadenings=(0.0,))
    low, high = query.origin + LOWEST - _MARGIN, query.origin + HIGHEST + _MARGIN
    keep = (energy >= low) & (energy <= high)
    figure = Figure(figsize=(7.6, 2.4 + 0.75 * len(shown)), layout="constrained")
    axes = figure.subplots()
    for i, one in enumerate(shown):
        raised = _DISTANCE * (len(shown) - 1 - i)
        match_energy, height = _match_curve(one)
        colour = _COLOURS[i % len(_COLOURS)]
        axes.plot(match_energy, height + raised, color=colour, linewidth=2.2, label=one.label)
        label = name if i == len(shown) - 1 else None
        axes.plot(energy[keep], intensity[keep] / query.level + raised, "k-", linewidth=0.9, label=label)
    axes.set_xlim(max(low, float(energy[0])), min(high, float(energy[-1])))
    axes.set_xlabel("Energy on the axis of the spectrum searched (eV)")
    axes.set_ylabel("Intensity (level one above the edge, raised)")
    axes.set_title(textwrap.fill(title, _N_TITLE), fontsize=11, pad=10, parse_math=False)
    # A factor above the axis would stand in the title's place.
    axes.ticklabel_format(style="plain", useOffset=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    legend = figure.legend(loc="outside lower center", frameon=False, fontsize=9)
    for text in legend.get_texts():
        # Dollar signs in names of files are no formulas.
        text.set_parse_math(False)
    return figure


def _match_curve(one: Shown) -> tuple[Float[Array, " point"], Float[Array, " point"]]:
    """Return the points that a match has of its own, shifted, and their heights at level one."""
    found = document_curve(one.document)
    put = None if found is None else put_on_grid(found[0], found[1][np.newaxis, :])
    if found is None or put is None or not put.is_valid[0]:
        raise InputError(f"spectrum {one.document.id} has no edge any more: it was stored anew; search again")
    energy = put.origins[0] + GRID
    inside = (energy >= found[0][0]) & (energy <= found[0][-1])
    return energy[inside] + one.match.shift, put.curves[0][inside]
