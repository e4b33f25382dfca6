"""Figures of spectra."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import InputError, ParameterError, StoreError, UnitError
from whiteline.spectrum import EnergyReference, Quantity, Spectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Curve", "Units", "plot_spectra", "save_figure"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

FORMATS = ("png", "svg", "pdf")
# Okabe and Ito's colours, told apart by colour-blind readers, darkest first.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# One for each round of colours; dashes are kept for what did not converge.
_LINES = ("-", "-.", ":")
# Characters in a line of the title.
_N_TITLE = 72
# More curves than this leave no room for a legend among them.
_N_INSIDE = 7


_HEIGHT_NAMES: Mapping[str, str] = {
    Quantity.CROSS_SECTION: "Cross-section (Mbarn per atom)",
    Quantity.IM_EPSILON: "Im ε",
    Quantity.ENERGY_LOSS: "Energy loss (Mbarn per eV)",
    "absolute": "Intensity (arbitrary units)",
    "area": "Intensity (area one, 1/eV)",
    "max": "Intensity (maximum one)",
}


class Units(StrEnum):
    """What the vertical axis shows."""

    ABSOLUTE = "absolute"
    AREA = "area"
    MAX = "max"


@dataclass(frozen=True, eq=False)
class Curve:
    """One line of a figure.

    Attributes:
        spectrum: What is drawn.
        label: Words in the legend.
        is_uncertain: Draw dashed: the calculation did not converge.
    """

    spectrum: Spectrum
    label: str
    is_uncertain: bool = False


def plot_spectra(
    curves: Sequence[Curve],
    *,
    title: str = "",
    is_aligned: bool = False,
    offset: float = 0.0,
    units: Units = Units.ABSOLUTE,
    window: tuple[float, float] | None = None,
) -> Figure:
    """Return a figure of the curves over one axis.

    Args:
        curves: What is drawn, in this order.
        title: Title of the figure.
        is_aligned: Shift every curve by its best rigid shift onto the first; the shifts stand in the legend.
        offset: Distance by which each curve is raised above the one before, in units of the axis.
        units: Mbarn per atom where known, or divided by area or maximum.
        window: Part of the axis shown [eV]; the vertical axis fits what it shows.

    Raises:
        InputError: Nothing to draw, axes with different zeros without alignment, a window without a curve, or an
            offset that is no number.
    """
    from matplotlib.figure import Figure

    if not curves:
        raise InputError("nothing to plot: give at least one spectrum id")
    if not math.isfinite(offset):
        raise InputError(f"the offset must be a finite number, got {offset}")
    zeros = {curve.spectrum.energy_reference for curve in curves}
    if len(zeros) > 1 and not is_aligned:
        raise InputError(
            f"the spectra have different energy zeros ({', '.join(sorted(zeros))}): plot them with --align"
        )
    drawn = _align(curves) if is_aligned else list(curves)
    shown = _range(drawn, window)
    spectra = [curve.spectrum for curve in drawn]
    scale = _scale(spectra) if units is Units.ABSOLUTE else None
    figure = Figure(figsize=(7.0, 4.4), layout="constrained")
    axes = figure.subplots()
    heights = [_heights(c.spectrum, units, scale) + i * offset for i, c in enumerate(drawn)]
    for i, (curve, height) in enumerate(zip(drawn, heights, strict=True)):
        line = "--" if curve.is_uncertain else _LINES[i // len(_COLOURS) % len(_LINES)]
        axes.plot(curve.spectrum.energy, height, color=_COLOURS[i % len(_COLOURS)], linestyle=line, linewidth=1.6)
    axes.set_xlabel(_axis_name(drawn[0].spectrum.energy_reference))
    axes.set_ylabel(_HEIGHT_NAMES[scale or units])
    axes.set_xlim(*shown)
    axes.set_ylim(*_extent(drawn, heights, shown))
    # A factor above the axis would stand in the title's place.
    axes.ticklabel_format(style="plain", useOffset=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    # Dollar signs in names of files are no formulas.
    axes.set_title(textwrap.fill(title, _N_TITLE), fontsize=11, pad=10, parse_math=False)
    _add_legend(figure, axes, [curve.label for curve in drawn])
    return figure


def _add_legend(figure: Figure, axes: Axes, labels: list[str]) -> None:
    # matplotlib leaves out what begins with an underscore; a space in front of it does not show.
    names = [f" {label}" if label.startswith("_") else label for label in labels]
    if len(names) > _N_INSIDE:
        figure.set_size_inches(7.0 + 0.06 * max(map(len, names)), max(4.4, 0.24 * len(names) + 0.4))
        legend = figure.legend(axes.lines, names, loc="outside right upper", frameon=False, fontsize=9)
    else:
        legend = axes.legend(axes.lines, names, frameon=False, fontsize=9)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _range(curves: Sequence[Curve], window: tuple[float, float] | None) -> tuple[float, float]:
    """Return the part of the energy axis to show [eV]."""
    low = min(float(curve.spectrum.energy[0]) for curve in curves)
    high = max(float(curve.spectrum.energy[-1]) for curve in curves)
    if window is None:
        return low, high
    if not (math.isfinite(window[0]) and math.isfinite(window[1]) and window[0] < window[1]):
        raise InputError(f"a window is its lower and its upper end in eV, got {window[0]:g} and {window[1]:g}")
    if window[1] <= low or window[0] >= high:
        raise InputError(
            f"the window {window[0]:g} to {window[1]:g} eV shows nothing: the spectra reach from {low:.1f} to "
            f"{high:.1f} eV"
        )
    return window


def _extent(
    curves: Sequence[Curve], heights: Sequence[Float[Array, " energy"]], shown: tuple[float, float]
) -> tuple[float, float]:
    """Return the ends of the vertical axis: zero or the lowest, and a little above the highest that is shown."""
    seen = []
    for curve, height in zip(curves, heights, strict=True):
        energy = curve.spectrum.energy
        is_shown = (energy >= shown[0]) & (energy <= shown[1])
        ends = np.interp(np.clip(shown, energy[0], energy[-1]), energy, height)
        if energy[-1] >= shown[0] and energy[0] <= shown[1]:
            seen.append(np.concatenate((height[is_shown], ends)))
    low, high = min(0.0, *(float(h.min()) for h in seen)), max(0.0, *(float(h.max()) for h in seen))
    return (low, high + 0.05 * (high - low)) if high > low else (low, low + 1.0)


def _align(curves: Sequence[Curve]) -> list[Curve]:
    """Return the curves shifted onto the first one."""
    from whiteline.similarity import compare

    first, *others = curves
    aligned = [first]
    for curve in others:
        shift = compare(first.spectrum, curve.spectrum).shift
        aligned.append(
            Curve(curve.spectrum.shift_by(shift), f"{curve.label} ({_signed(shift)} eV)", curve.is_uncertain)
        )
    return aligned


def _signed(shift: float) -> str:
    return f"{shift:+.2f}".replace("-", "−")


def _scale(spectra: Sequence[Spectrum]) -> Quantity | None:
    """Return the absolute units that all spectra have: Mbarn where they can, or Im ε, or those of an energy loss."""
    for quantity in Quantity:
        try:
            for spectrum in spectra:
                spectrum.to_absolute(quantity)
        except UnitError:
            continue
        return quantity
    return None


def _heights(spectrum: Spectrum, units: Units, scale: Quantity | None) -> Float[Array, " energy"]:
    if scale is not None:
        return spectrum.to_absolute(scale).intensity
    if units is Units.ABSOLUTE:
        return spectrum.intensity
    return spectrum.normalise("area" if units is Units.AREA else "max").intensity


def _axis_name(reference: EnergyReference) -> str:
    return {
        EnergyReference.ABSOLUTE: "Photon energy (eV)",
        EnergyReference.FERMI: "Energy from the Fermi level (eV)",
        EnergyReference.CONDUCTION_BAND_MINIMUM: "Energy from the conduction-band minimum (eV)",
        EnergyReference.CORE_LEVEL: "Energy from the core level (eV)",
    }[reference]


def save_figure(figure: Figure, path: str | Path, *, ids: Sequence[str] = ()) -> None:
    """Write a figure in the format that the file name asks for.

    Args:
        figure: The figure.
        path: The file.
        ids: Ids of the stored spectra that it shows, which the file names in its metadata.

    Raises:
        ParameterError: The name ends in none of the known formats.
        StoreError: The file cannot be written.
    """
    path = Path(path)
    extension = path.suffix.lstrip(".").lower()
    if extension not in FORMATS:
        raise ParameterError(f"cannot write {path}: the name of a figure ends in .png, .svg or .pdf")
    content = BytesIO()
    words = f"Whiteline spectra {' '.join(ids)}"
    metadata = {"Keywords" if extension == "pdf" else "Description": words} if ids else None
    figure.savefig(content, format=extension, dpi=160, metadata=metadata)
    try:
        path.write_bytes(content.getvalue())
    except OSError as error:
        raise StoreError(f"cannot write {path} ({error.strerror}): choose a writable place with -o") from error
