from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from whiteline.errors import InputError, ParameterError, StoreError
from whiteline.plotting import Curve, Units, plot_spectra, save_figure
from whiteline.spectrum import EnergyReference, Quantity, Spectrum


def edge(e0: float = 10.0, *, factor: float = 1.0, **fields: Any) -> Spectrum:
    energy = np.linspace(0.0, 40.0, 401)
    fields = {"energy_reference": EnergyReference.FERMI, **fields}
    return Spectrum(energy, factor * (np.arctan(energy - e0) + 1.6), **fields)


def legend_texts(figure: Figure) -> list[str]:
    legend = figure.axes[0].get_legend() or figure.legends[0]
    return [text.get_text() for text in legend.get_texts()]


def test_absolute_units_draw_the_cross_section() -> None:
    spectrum = edge(scale=2.0)
    (axes,) = plot_spectra([Curve(spectrum, "a")]).axes
    np.testing.assert_allclose(np.asarray(axes.lines[0].get_ydata()), 2.0 * spectrum.intensity, rtol=1e-12)
    assert axes.get_ylabel() == "Cross-section (Mbarn per atom)"


def test_one_curve_without_a_scale_makes_all_arbitrary() -> None:
    figure = plot_spectra([Curve(edge(scale=2.0), "a"), Curve(edge(scale=None), "b")])
    assert figure.axes[0].get_ylabel() == "Intensity (arbitrary units)"


@pytest.mark.parametrize(
    ("quantity", "words"),
    [(Quantity.IM_EPSILON, "Im ε"), (Quantity.ENERGY_LOSS, "Energy loss (Mbarn per eV)")],
)
def test_what_has_no_cross_section_is_drawn_in_the_units_it_has(quantity: Quantity, words: str) -> None:
    spectrum = edge(scale=3.0, quantity=quantity)
    (axes,) = plot_spectra([Curve(spectrum, "a")]).axes
    np.testing.assert_allclose(np.asarray(axes.lines[0].get_ydata()), 3.0 * spectrum.intensity, rtol=1e-12)
    assert axes.get_ylabel() == words


def test_quantities_that_do_not_convert_are_drawn_as_they_are() -> None:
    curves = [Curve(edge(scale=2.0), "a"), Curve(edge(scale=2.0, quantity=Quantity.ENERGY_LOSS), "b")]
    assert plot_spectra(curves).axes[0].get_ylabel() == "Intensity (arbitrary units)"


@pytest.mark.parametrize("units", [Units.AREA, Units.MAX])
def test_normalised_curves_lose_a_common_factor(units: Units) -> None:
    (axes,) = plot_spectra([Curve(edge(), "a"), Curve(edge(factor=7.0), "b")], units=units).axes
    first, second = (np.asarray(line.get_ydata()) for line in axes.lines)
    np.testing.assert_allclose(first, second, rtol=1e-12)


def test_alignment_brings_edges_together_and_says_by_how_much() -> None:
    figure = plot_spectra([Curve(edge(10.0), "a"), Curve(edge(13.0), "b")], is_aligned=True)
    first, second = (np.asarray(line.get_xdata()) for line in figure.axes[0].lines)
    # The shift is sought in steps of 0.01 eV.
    np.testing.assert_allclose(second - first, -3.0, atol=0.011)
    assert legend_texts(figure)[1].startswith("b (−3.0")


def test_other_zeros_of_energy_need_alignment() -> None:
    curves = [Curve(edge(), "a"), Curve(edge(energy_reference=EnergyReference.CORE_LEVEL), "b")]
    with pytest.raises(InputError, match=r"different energy zeros .* plot them with --align"):
        plot_spectra(curves)
    assert len(plot_spectra(curves, is_aligned=True).axes[0].lines) == 2


@pytest.mark.parametrize(
    ("reference", "words"), [(EnergyReference.ABSOLUTE, "Photon"), (EnergyReference.FERMI, "Fermi")]
)
def test_the_axis_names_its_zero(reference: EnergyReference, words: str) -> None:
    assert words in plot_spectra([Curve(edge(energy_reference=reference), "a")]).axes[0].get_xlabel()


def test_what_did_not_converge_is_dashed() -> None:
    (axes,) = plot_spectra([Curve(edge(), "a"), Curve(edge(), "b", is_uncertain=True)]).axes
    assert [line.get_linestyle() for line in axes.lines] == ["-", "--"]


def test_the_offset_raises_each_curve_above_the_one_before() -> None:
    (axes,) = plot_spectra([Curve(edge(), str(i)) for i in range(3)], offset=0.5).axes
    heights = [float(np.asarray(line.get_ydata())[0]) for line in axes.lines]
    np.testing.assert_allclose(np.diff(heights), 0.5, rtol=1e-12)


def test_curves_below_zero_stay_in_sight() -> None:
    (axes,) = plot_spectra([Curve(edge(), "a"), Curve(edge(), "b")], offset=-5.0).axes
    assert axes.get_ylim()[0] <= float(np.asarray(axes.lines[1].get_ydata()).min())


def test_the_vertical_axis_fits_the_window() -> None:
    spectrum = edge()
    (axes,) = plot_spectra([Curve(spectrum, "a")], window=(0.0, 5.0)).axes
    highest = spectrum.intensity[spectrum.energy <= 5.0].max()
    # A twentieth of room is left above the curve.
    np.testing.assert_allclose(axes.get_ylim()[1], 1.05 * highest, rtol=1e-12)


@pytest.mark.parametrize("window", [(5.0, 5.0), (9.0, 2.0), (float("nan"), 5.0), (50.0, 60.0), (-9.0, -1.0)])
def test_a_window_without_a_curve_is_refused(window: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="window"):
        plot_spectra([Curve(edge(), "a")], window=window)


def test_nothing_to_plot_is_refused() -> None:
    with pytest.raises(InputError, match="nothing to plot"):
        plot_spectra([])


@pytest.mark.parametrize("label", ["a[b]", "_hidden", "$x_{", r"100% $\frac"])
def test_any_name_stands_in_legend_and_title_as_it_is(label: str, tmp_path: Path) -> None:
    figure = plot_spectra([Curve(edge(), label)], title=label)
    save_figure(figure, tmp_path / "x.png")
    assert [text.strip() for text in legend_texts(figure)] == [label]
    assert figure.axes[0].get_title() == label


def test_small_values_put_no_factor_where_the_title_is(tmp_path: Path) -> None:
    figure = plot_spectra([Curve(edge(factor=1e-7), "a")], title="small")
    save_figure(figure, tmp_path / "x.png")
    assert figure.axes[0].yaxis.get_offset_text().get_text() == ""


def test_the_title_touches_neither_axis_nor_edge() -> None:
    words = random.Random(0).choices(["edge", "anatase", "spectrum"], k=25)
    figure = plot_spectra([Curve(edge(), "a")], title=" ".join(words))
    figure.draw_without_rendering()
    title = figure.axes[0].title.get_window_extent()
    assert title.y0 > figure.axes[0].get_window_extent().y1
    assert 0 <= title.x0 < title.x1 <= figure.bbox.x1
    assert title.y1 <= figure.bbox.y1


def test_many_curves_move_the_legend_beside_the_axes() -> None:
    figure = plot_spectra([Curve(edge(5.0 + i), f"structure {i}") for i in range(20)])
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert legend.x0 >= figure.axes[0].get_window_extent().x1
    assert legend.y0 >= 0
    styles = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(styles) == 20


def test_a_format_it_cannot_write_is_named_with_those_it_can(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"x\.jpg: the name of a figure ends in \.png, \.svg or \.pdf"):
        save_figure(plot_spectra([Curve(edge(), "a")]), tmp_path / "x.jpg")


def test_a_place_it_cannot_write_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"missing.*choose a writable place with -o"):
        save_figure(plot_spectra([Curve(edge(), "a")]), tmp_path / "missing" / "x.png")
