from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]  # ships no types

from whiteline.alignment import best_shift, segment
from whiteline.errors import InputError, ParameterError
from whiteline.polarisation import Polarisation
from whiteline.similarity import area_difference, compare, cosine, earth_mover, pearson, spearman
from whiteline.spectrum import EnergyReference, Quantity, Spectrum

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
DATA = Path(__file__).parents[1] / "data" / "ti-o-10" / "mp-1203"
XYZ = tuple(Polarisation(label, 1 / 3) for label in "xyz")
TI_K = 4966.0  # [eV]
SUPERCELL = 5873.5039 * 0.529177210903**3  # [A^3], of the XSpectra run
FILES = {
    "ocean": ("absspct_Ti.0001_1s_0{}", 2, Quantity.IM_EPSILON),
    "exciting": ("EPSILON_BSE-singlet-TDA-BAR_SCR-full_OC{0}{0}.OUT", 2, Quantity.IM_EPSILON),
    "xspectra": ("xanes_dipole{}.dat", 1, Quantity.CROSS_SECTION),
}
AXIS = np.linspace(0.0, 60.0, 601)


@cache
def published(code: str) -> Spectrum:
    name, column, quantity = FILES[code]
    tables = [np.loadtxt(DATA / name.format(i)) for i in (1, 2, 3)]
    absolute = code == "exciting"
    return Spectrum(
        tables[0][:, 0],
        np.array([table[:, column] for table in tables]),
        polarisations=XYZ,
        quantity=quantity,
        scale=1.0,
        volume=SUPERCELL,
        energy_reference=EnergyReference.ABSOLUTE if absolute else EnergyReference.FERMI,
        reference_energy=0.0 if absolute else TI_K,
    )


def white_line(e0: float = 12.0, *, height: float = 1.5, axis: Array = AXIS) -> Spectrum:
    step = 0.5 + np.arctan((axis - e0) / 0.5) / np.pi
    peaks = height * np.exp(-(((axis - e0 - 2) / 1.5) ** 2)) - 0.3 * np.exp(-(((axis - e0 - 9) / 4) ** 2))
    return Spectrum(axis, step + peaks, energy_reference=EnergyReference.FERMI)


@pytest.mark.parametrize(
    ("one", "two", "rho"),
    [
        ("ocean", "exciting", 0.99871),
        ("xspectra", "ocean", 0.98965),
        ("xspectra", "exciting", 0.99110),
        ("xspectra-epsilon", "ocean", 0.99086),
        ("xspectra-epsilon", "exciting", 0.99245),
    ],
)
def test_spearman_of_the_ti_o_10_spectra_is_that_of_the_reference_procedure(one: str, two: str, rho: float) -> None:
    first = published(one.removesuffix("-epsilon"))
    if one.endswith("-epsilon"):
        first = first.to_absolute(Quantity.IM_EPSILON)
    assert compare(first, published(two)).spearman == pytest.approx(rho, abs=1e-5)  # digits given


def test_ocean_and_exciting_agree_as_by_the_reference_procedure() -> None:
    ocean, exciting = published("ocean"), published("exciting")
    result = compare(ocean, exciting)
    onsets = segment(ocean).start - segment(exciting).start
    assert result.cosine == pytest.approx(0.99990, abs=1e-5)
    assert result.pearson == pytest.approx(0.99962, abs=1e-5)
    assert result.shift - onsets == pytest.approx(-0.51, abs=1e-6)  # given from coinciding onsets


def test_a_spectrum_is_most_like_itself() -> None:
    result = compare(white_line(), white_line())
    assert (result.shift, result.area_difference, result.earth_mover) == (0.0, 0.0, 0.0)
    correlations = (result.spearman, result.pearson, result.cosine)
    assert correlations == pytest.approx((1.0, 1.0, 1.0), abs=1e-12)  # rounding
    assert result.overlap == pytest.approx(34.9, abs=0.11)  # 35 eV, less one or two points


@given(shift=st.floats(-500.0, 500.0), factor=st.floats(1e-6, 1e6))
def test_similarity_knows_neither_the_zero_nor_the_unit(shift: float, factor: float) -> None:
    moved = white_line().shift_by(shift)
    result = compare(white_line(), replace(moved, components=factor * moved.components))
    assert result.shift == pytest.approx(-shift, abs=1e-9)  # what is added to the second axis
    assert result.spearman == pytest.approx(1.0, abs=1e-3)  # ranks of nearly equal values may swap
    assert result.cosine == pytest.approx(1.0, abs=1e-9)


def test_similarity_does_not_depend_on_the_order() -> None:
    one, two = white_line(), white_line(13.3, height=0.8)
    there, back = compare(one, two), compare(two, one)
    assert there.shift == pytest.approx(-back.shift, abs=1e-9)
    assert there.cosine == pytest.approx(back.cosine, abs=1e-12)  # rounding
    assert there.earth_mover == pytest.approx(back.earth_mover, abs=1e-12)


def test_a_shift_beyond_the_range_tried_is_not_found_but_the_nearest_is() -> None:
    one, two = white_line(20.0), white_line(25.0)
    assert best_shift(one, two, onset=0.0, window=None) == pytest.approx(-5.0, abs=0.01)
    assert best_shift(one, two, onset=0.0, window=None, max_shift=3.0) == pytest.approx(-3.0, abs=1e-9)


def test_the_steepest_rises_decide_between_equal_peaks() -> None:
    axis = np.linspace(0.0, 40.0, 801)

    def comb(heights: tuple[float, ...]) -> Spectrum:
        peaks = [h * np.exp(-(((axis - e) / 0.8) ** 2)) for e, h in zip((8.0, 16.0, 24.0), heights, strict=True)]
        return Spectrum(axis, 0.001 + np.sum(peaks, axis=0), energy_reference=EnergyReference.FERMI)

    one, two = comb((0.7, 1.0, 0.95)), comb((1.0, 0.95, 0.3))
    # The rises alone put peak 2 of the first on peak 1 of the second, 8 eV apart.
    assert best_shift(one, two, onset=0.0, window=None) == pytest.approx(8.0, abs=0.1)


def test_without_alignment_the_axes_are_taken_as_they_are() -> None:
    result = compare(white_line(), white_line(13.0), align=False)
    assert result.shift == 0.0
    assert result.spearman < compare(white_line(), white_line(13.0)).spearman


def test_a_small_overlap_lowers_the_correlations() -> None:
    flat = Spectrum(AXIS, 1.0 + 1e-9 * AXIS, energy_reference=EnergyReference.FERMI)
    part = flat.crop(45.0, 60.0)  # of 60 eV, 15 eV are shared: all of the shorter
    other = flat.shift_by(45.0)  # as much, but a quarter of either
    whole, quarter = (compare(flat, s, align=False, window=None).cosine for s in (part, other))
    assert whole == pytest.approx(1.0, abs=1e-12)
    assert quarter == pytest.approx(0.9 ** (30.0 / 15.0), abs=1e-12)  # half the curve over the overlap


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (np.zeros(601), "no value above 0"),
        (-np.ones(601), "no value above 0"),
        (np.ones(601), "constant at 1"),
    ],
)
def test_spectra_without_features_are_refused(change: Array, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare(white_line(), replace(white_line(), components=change))


def test_spectra_that_do_not_overlap_are_refused() -> None:
    with pytest.raises(InputError, match=r"do not overlap.*same energy reference"):
        compare(white_line(), white_line().shift_by(4966.0), align=False)


def test_parameters_out_of_range_are_refused() -> None:
    with pytest.raises(ParameterError, match="step above 0"):
        compare(white_line(), white_line(), step=0.0)
    with pytest.raises(ParameterError, match="onset must be"):
        compare(white_line(), white_line(), onset=1.0)
    with pytest.raises(InputError, match="at least 4 points"):
        compare(white_line(), white_line(), window=0.3)


@given(values=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=5, max_size=40))
def test_spearman_with_ties_is_that_of_scipy(values: list[Any]) -> None:
    a, b = np.array(values, dtype=float).T
    if np.ptp(a) and np.ptp(b):
        assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)  # rounding


def test_correlations_have_their_textbook_values() -> None:
    a, b = np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])
    assert pearson(a, b) == pytest.approx(0.5)
    assert cosine(a, b) == pytest.approx(13 / 14)
    assert spearman(a, -(a**3)) == pytest.approx(-1.0)


def test_area_difference_is_one_for_curves_that_share_nothing() -> None:
    one, two = (AXIS < 20).astype(float), (AXIS > 40).astype(float)
    assert area_difference(AXIS, one, two) == pytest.approx(1.0, abs=1e-12)
    assert area_difference(AXIS, one, 3 * one) == pytest.approx(0.0, abs=1e-12)


def test_earth_mover_is_the_distance_between_equal_peaks() -> None:
    one, two = (np.exp(-((AXIS - e) ** 2)) for e in (20.0, 27.5))
    assert earth_mover(AXIS, one, two) == pytest.approx(7.5, abs=1e-9)  # trapezoids of a smooth peak


def test_curves_without_area_or_of_other_length_are_refused() -> None:
    with pytest.raises(InputError, match="area under a curve must be above 0"):
        earth_mover(AXIS, AXIS, -AXIS)
    with pytest.raises(InputError, match="same shape"):
        cosine(AXIS, AXIS[1:])
    with pytest.raises(InputError, match="zero everywhere"):
        cosine(AXIS, 0 * AXIS)


def test_lines_of_equal_steepness_do_not_move_spectra_that_lie_on_one_another() -> None:
    """A little noise decides which of many lines is the steepest; the cosine still knows where they lie."""
    axis = np.linspace(-5.0, 45.0, 1001)

    def lines(steepest: int) -> Spectrum:
        heights = [1.05 if i == steepest else 1.0 for i in range(8)]
        mu = sum(h * np.exp(-(((axis - 4.3 * i - 0.2 * i**2) / 0.4) ** 2)) for i, h in enumerate(heights))
        return Spectrum(axis, 0.05 * np.arctan(axis) + 0.1 + mu, energy_reference=EnergyReference.FERMI)

    checked = compare(lines(1), lines(5))
    unchecked = compare(lines(1), lines(5), edge_tolerance=None)
    assert abs(checked.shift) > 2
    assert abs(unchecked.shift) < 0.05
    assert unchecked.spearman > 0.999 > checked.spearman
