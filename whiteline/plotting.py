"""Figures of spectra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from whiteline.errors import InputError, ParameterError, StoreError, did_you_mean
from whiteline.spectrum import EnergyReference, Spectrum

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Curve", "plot_spectra", "save_figure"]

FORMATS = ("png", "svg", "pdf")
# Okabe and Ito's colours, told apart by colour-blind readers, darkest first.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


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
    units: Literal["absolute", "area", "max"] = "absolute",
    window: tuple[float, float] | None = None,
) -> Figure:
    """Return a figure of the curves over one axis.

    Args:
        curves: What is drawn, in this order.
        title: Title of the figure.
        is_aligned: Shift every curve by its best rigid shift onto the first; the shifts stand in the legend.
        offset: Distance by which each curve is raised above the one before, in units of the axis.
        units: Mbarn per atom where known, or divided by area or maximum.
        window: Part of the axis shown [eV].

    Raises:
        InputError: Nothing to draw, or axes with different zeros without alignment.
    """
    from matplotlib.figure import Figure

    if not curves:
        raise InputError("nothing to plot: give at least one spectrum id")
    zeros = {curve.spectrum.energy_reference for curve in curves}
    if len(zeros) > 1 and not is_aligned:
        raise InputError(
            f"the spectra have different energy zeros ({', '.join(sorted(zeros))}): plot them with --align"
        )
    drawn = _align(curves) if is_aligned else list(curves)
    is_absolute = units == "absolute" and all(curve.spectrum.scale is not None for curve in drawn)
    figure = Figure(figsize=(7.0, 4.4), layout="constrained")
    axes = figure.subplots()
    for i, curve in enumerate(drawn):
        spectrum = curve.spectrum
        intensity = spectrum.cross_section() if is_absolute else _scaled(spectrum, units)
        axes.plot(
            spectrum.energy,
            intensity + i * offset,
            color=_COLOURS[i % len(_COLOURS)],
            linestyle="--" if curve.is_uncertain else "-",
            linewidth=1.6,
            label=curve.label,
        )
    axes.set_xlabel(_axis_name(drawn[0].spectrum.energy_reference))
    axes.set_ylabel("Cross-section (Mbarn per atom)" if is_absolute else "Intensity (arbitrary units)")
    axes.set_xlim(*(window or (min(c.spectrum.energy[0] for c in drawn), max(c.spectrum.energy[-1] for c in drawn))))
    axes.set_ylim(bottom=0)
    axes.ticklabel_format(axis="x", useOffset=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_title(title, fontsize=11)
    axes.legend(frameon=False, fontsize=9)
    return figure


def _align(curves: Sequence[Curve]) -> list[Curve]:
    """Return the curves shifted onto the first one."""
    from whiteline.similarity import compare

    first, *others = curves
    aligned = [first]
    for curve in others:
        shift = compare(first.spectrum, curve.spectrum).shift
        aligned.append(Curve(curve.spectrum.shift_by(shift), f"{curve.label} ({shift:+.2f} eV)", curve.is_uncertain))
    return aligned


def _scaled(spectrum: Spectrum, units: str):  # type: ignore[no-untyped-def]  # array of shape (n_energy,)
    return spectrum.intensity if units == "absolute" else spectrum.normalise(units).intensity  # type: ignore[arg-type]


def _axis_name(reference: EnergyReference) -> str:
    return {
        EnergyReference.ABSOLUTE: "Photon energy (eV)",
        EnergyReference.FERMI: "Energy from the Fermi level (eV)",
        EnergyReference.CONDUCTION_BAND_MINIMUM: "Energy from the conduction-band minimum (eV)",
        EnergyReference.CORE_LEVEL: "Energy from the core level (eV)",
    }[reference]


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the file name asks for.

    Raises:
        ParameterError: The name ends in none of the known formats.
        StoreError: The file cannot be written.
    """
    extension = path.suffix.lstrip(".").lower()
    if extension not in FORMATS:
        raise ParameterError(f"cannot write {path.name}: {did_you_mean(extension, FORMATS)}")
    try:
        figure.savefig(path, dpi=160)
    except OSError as error:
        raise StoreError(f"cannot write {path} ({error.strerror}): choose a writable place with -o") from error
