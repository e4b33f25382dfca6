"""The figure of a prediction: the material's spectrum with its bands, beside the nearest calculation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from whiteline.errors import UnitError
from whiteline.plotting import Curve, plot_spectra
from whiteline.units import EnergyReference

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from whiteline.spectrum import Spectrum
    from whiteline.workflows.learning.nearest import NearestCalculation
    from whiteline.workflows.learning.prediction import MaterialPrediction

__all__ = ["plot_prediction"]

# Wider bands are fainter.
_SHADES: Final = {0.5: 0.35, 0.8: 0.2, 0.95: 0.1}
_SITE_COLOUR: Final = "0.55"


def plot_prediction(prediction: MaterialPrediction, *, model: str, nearest: NearestCalculation | None = None) -> Figure:
    """Return the figure of a material: mean, bands, sites as thin lines, and a calculation to compare with.

    Args:
        prediction: What a model says.
        model: Name of the model.
        nearest: A stored calculation; shifted onto the prediction only where their zeros differ.
    """
    spectrum = prediction.spectrum
    absorber = prediction.sites[0].absorber
    curves = [Curve(spectrum, f"predicted by {model}", prediction.is_inside is False)]
    beside = None if nearest is None else _comparable(nearest, spectrum)
    if nearest is not None and beside is not None:
        document = nearest.document
        curves.append(Curve(beside, f"{nearest.relation}: {document.formula}, {document.fidelity} ({document.id[:7]})"))
    far = "" if prediction.is_inside is not False else ", far from the training set"
    figure = plot_spectra(
        curves,
        title=f"{prediction.name}: {absorber.element} {absorber.edge}, {prediction.fidelity}{far}",
        is_aligned=beside is not None and beside.energy_reference is not spectrum.energy_reference,
        window=(float(spectrum.energy[0]), float(spectrum.energy[-1])),
    )
    axes = figure.axes[0]
    colour = axes.lines[0].get_color()
    mean = spectrum.intensity * (spectrum.scale or 1.0)
    shown = []
    for level, half in sorted(prediction.half_widths.items(), reverse=True):
        shade = min(_SHADES.items(), key=lambda each: abs(each[0] - level))[1]
        label = f"{level:.0%} of the points"
        shown.append(
            axes.fill_between(spectrum.energy, mean - half, mean + half, color=colour, alpha=shade, lw=0, label=label)
        )
    if len(prediction.sites) > 1:
        for site in prediction.sites:
            axes.plot(
                site.spectrum.energy,
                site.spectrum.intensity,
                color=_SITE_COLOUR,
                linewidth=0.7,
                zorder=1,
                label="_site",
            )
    if prediction.half_widths:
        widest = prediction.half_widths[max(prediction.half_widths)]
        axes.set_ylim(top=max(axes.get_ylim()[1], 1.02 * float((mean + widest).max())))
    if shown:
        old = axes.get_legend()
        names = [text.get_text() for text in old.get_texts()] if old is not None else []
        handles = [*axes.lines[: len(names)], *shown]
        legend = axes.legend(handles, [*names, *(str(each.get_label()) for each in shown)], frameon=False, fontsize=9)
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure


def _comparable(nearest: NearestCalculation, spectrum: Spectrum) -> Spectrum | None:
    """Return the calculation in the units of the prediction, None where it has none to share."""
    found = nearest.document.spectrum
    if found is None:
        return None
    try:
        if spectrum.scale is not None:
            found = found.to_absolute()
        if spectrum.energy_reference is EnergyReference.ABSOLUTE:
            found = found.to_photon_energy()
    except UnitError:
        return None if spectrum.scale is not None and found.scale is None else found
    return replace(found)
