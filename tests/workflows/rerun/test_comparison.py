"""Bitwise, within a tolerance, or different."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from whiteline.broadening import Lorentzian, Origin
from whiteline.errors import ParameterError
from whiteline.spectrum import EnergyReference, Spectrum
from whiteline.workflows.rerun import Tolerance, compare_spectra
from whiteline.workflows.rerun.comparison import Comparison

AXIS = np.linspace(-10.0, 40.0, 201)


@pytest.fixture
def edge() -> Spectrum:
    return Spectrum(AXIS, np.arctan(AXIS) + 2 + np.exp(-((AXIS - 3) ** 2)), energy_reference=EnergyReference.FERMI)


def scaled(spectrum: Spectrum, factor: float) -> Spectrum:
    return replace(spectrum, components=spectrum.components * factor)


def test_a_spectrum_is_identical_to_itself(edge: Spectrum) -> None:
    found = compare_spectra(edge, Spectrum.from_dict(edge.to_dict()), Tolerance())
    assert (found.is_identical, found.largest, found.energy) == (True, 0.0, 0.0)


def test_the_last_bit_of_one_value_makes_equal_of_identical(edge: Spectrum) -> None:
    rows = edge.components.copy()
    rows[0, 7] = np.nextafter(rows[0, 7], 9)
    found = compare_spectra(edge, replace(edge, components=rows), Tolerance())
    assert (found.is_identical, found.is_within) == (False, True)


@pytest.mark.parametrize(("factor", "is_within"), [(1 + 0.9e-6, True), (1 + 1.1e-6, False)])
def test_the_tolerance_is_relative_to_the_largest_value(edge: Spectrum, factor: float, is_within: bool) -> None:
    found = compare_spectra(edge, scaled(edge, factor), Tolerance())
    assert found.is_within is is_within
    assert found.largest == pytest.approx(factor - 1, rel=1e-6)


def test_a_shift_is_told_apart_from_another_shape(edge: Spectrum) -> None:
    found = compare_spectra(edge, edge.shift_by(-1.5), Tolerance())
    assert not found.is_within
    assert found.energy == pytest.approx(1.5)
    assert found.shift == pytest.approx(1.5, abs=0.02)
    assert found.spearman_distance is not None
    assert found.spearman_distance < 1e-3


def test_another_unit_is_a_difference_though_the_numbers_agree(edge: Spectrum) -> None:
    found = compare_spectra(replace(edge, scale=1.0), replace(edge, scale=1.1), Tolerance())
    assert (found.is_within, found.units) == (False, "scale 1.0 -> 1.1")


def test_another_number_of_points_is_a_difference(edge: Spectrum) -> None:
    found = compare_spectra(edge, edge.crop(-10, 30), Tolerance())
    assert (found.energy, found.n_points, found.n_points_now) == (None, 201, 161)
    assert "161 points instead of 201" in found.words
    assert found.largest == pytest.approx(0.0, abs=1e-12)


def test_axes_that_share_nothing_have_no_largest_difference(edge: Spectrum) -> None:
    found = compare_spectra(edge, edge.shift_by(100.0), Tolerance())
    assert (found.largest, found.is_within) == (None, False)


def test_another_broadening_is_a_difference(edge: Spectrum) -> None:
    broad = edge.broaden(Lorentzian(1.0), origin=Origin.LIFETIME)
    found = compare_spectra(broad, replace(broad, broadening=()), Tolerance())
    assert "broadening" in found.units


def test_it_comes_back_from_json(edge: Spectrum) -> None:
    found = compare_spectra(edge, scaled(edge, 1.1), Tolerance())
    assert Comparison.from_dict(found.to_dict()) == found


@pytest.mark.parametrize("value", [-1e-6, 1.0, float("nan")])
def test_a_tolerance_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(ParameterError, match="tolerance of the intensity"):
        Tolerance(intensity=value)
