from __future__ import annotations

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]  # ships no types

from whiteline.errors import InputError
from whiteline.models import metrics

RNG = np.random.default_rng(3)
SPECTRA = RNG.random((7, 31))
PREDICTED = SPECTRA + 0.1 * RNG.normal(size=SPECTRA.shape)


def test_errors_of_a_spectrum_are_those_of_numpy_row_by_row() -> None:
    difference = PREDICTED - SPECTRA
    np.testing.assert_allclose(metrics.mse(SPECTRA, PREDICTED), [np.mean(row**2) for row in difference])
    np.testing.assert_allclose(metrics.mae(SPECTRA, PREDICTED), [np.mean(np.abs(row)) for row in difference])
    np.testing.assert_allclose(metrics.rmse(SPECTRA, PREDICTED) ** 2, metrics.mse(SPECTRA, PREDICTED))


def test_correlations_are_those_of_scipy_ties_included() -> None:
    tied = np.round(SPECTRA, 1)
    expected = [stats.spearmanr(a, b).statistic for a, b in zip(tied, PREDICTED, strict=True)]
    # Two sums in another order differ by rounding.
    np.testing.assert_allclose(metrics.spearman(tied, PREDICTED), expected, atol=1e-12)
    expected = [stats.pearsonr(a, b).statistic for a, b in zip(SPECTRA, PREDICTED, strict=True)]
    np.testing.assert_allclose(metrics.pearson(SPECTRA, PREDICTED), expected, atol=1e-12)


def test_cosine_knows_no_factor_and_correlations_no_offset_either() -> None:
    np.testing.assert_allclose(metrics.cosine(SPECTRA, 3 * SPECTRA), 1.0, atol=1e-12)
    np.testing.assert_allclose(metrics.pearson(SPECTRA, 3 * SPECTRA + 5), 1.0, atol=1e-12)
    np.testing.assert_allclose(metrics.spearman(SPECTRA, np.exp(SPECTRA)), 1.0, atol=1e-12)


def test_a_constant_prediction_has_no_correlation() -> None:
    constant = np.ones_like(SPECTRA)
    assert np.all(np.isnan(metrics.spearman(SPECTRA, constant)))
    assert np.all(np.isnan(metrics.pearson(SPECTRA, constant)))
    assert np.all(np.isnan(metrics.cosine(SPECTRA, 0 * constant)))


def test_eta_of_the_train_mean_is_one_and_of_half_its_error_four() -> None:
    mean = SPECTRA.mean(axis=0)
    assert metrics.eta(SPECTRA, np.tile(mean, (7, 1)), mean) == pytest.approx(1.0)
    assert metrics.eta(SPECTRA, (SPECTRA + mean) / 2, mean) == pytest.approx(4.0)
    assert metrics.eta(SPECTRA, (SPECTRA + mean) / 2, np.tile(mean, (7, 1))) == pytest.approx(4.0)


def test_eta_has_no_unit() -> None:
    mean = SPECTRA.mean(axis=0)
    assert metrics.eta(28 * SPECTRA, 28 * PREDICTED, 28 * mean) == pytest.approx(metrics.eta(SPECTRA, PREDICTED, mean))


def test_eta_of_a_perfect_model_is_refused() -> None:
    with pytest.raises(InputError, match="equal their spectra"):
        metrics.eta(SPECTRA, SPECTRA, SPECTRA.mean(axis=0))
    with pytest.raises(InputError, match="train mean has shape"):
        metrics.eta(SPECTRA, PREDICTED, np.zeros(3))


def test_deciles_go_from_the_best_through_the_median_to_the_worst() -> None:
    errors = RNG.permutation(1001).astype(float)
    np.testing.assert_array_equal(errors[metrics.deciles(errors)], np.arange(11) * 100)
    assert len(metrics.deciles(np.array([1.0]))) == len(metrics.DECILES) == 11


@pytest.mark.parametrize("centre", [3.1, 10.0, 17.03])
def test_a_peak_is_found_between_the_points_of_the_grid(centre: float) -> None:
    points = np.arange(0.0, 20.0, 0.25)
    curves = np.exp(-((points - centre) ** 2) / 8)[None]
    # A parabola through points half a step off the top of a Gaussian of width 2 eV misses by under 1 meV.
    assert metrics.peak_positions(curves, points)[0] == pytest.approx(centre, abs=1e-3)


def test_a_peak_is_sought_in_its_window_alone() -> None:
    points = np.arange(0.0, 20.0, 0.25)
    curves = (np.exp(-((points - 5) ** 2)) + 2 * np.exp(-((points - 15) ** 2)))[None]
    assert metrics.peak_positions(curves, points, window=(0, 9))[0] == pytest.approx(5.0, abs=1e-3)
    assert metrics.peak_positions(curves, points)[0] == pytest.approx(15.0, abs=1e-3)
    # At the end of a window the point itself is taken, even where the curve rises beyond it.
    assert metrics.peak_positions(curves, points, window=(9, 13))[0] == 13.0


def test_a_shifted_prediction_is_off_by_its_shift() -> None:
    points = np.arange(0.0, 20.0, 0.25)
    spectrum, shifted = (np.exp(-((points - c) ** 2) / 8)[None] for c in (9.0, 9.6))
    assert metrics.peak_errors(spectrum, shifted, points)[0] == pytest.approx(0.6, abs=2e-3)


def test_a_grid_need_not_be_even() -> None:
    points = np.sort(RNG.random(400)) * 20
    parabola = (100 - (points - 9.3) ** 2)[None]
    # Three points of a parabola give its vertex exactly, but for rounding of close points.
    assert metrics.peak_positions(parabola, points)[0] == pytest.approx(9.3, abs=1e-6)


def test_shapes_that_differ_and_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match="one row a sample"):
        metrics.mse(SPECTRA, PREDICTED[:3])
    broken = PREDICTED.copy()
    broken[4, 2] = np.nan
    with pytest.raises(InputError, match="row 4"):
        metrics.mae(SPECTRA, broken)
    with pytest.raises(InputError, match="finite errors"):
        metrics.deciles(np.array([]))
    with pytest.raises(InputError, match="at least 3"):
        metrics.peak_positions(SPECTRA, np.arange(31.0), window=(40, 50))
