from __future__ import annotations

import json
from typing import Literal

import numpy as np
import pytest

from whiteline.errors import InputError, ParameterError
from whiteline.models.evaluation import BandScale, measure_calibration, normal_scale, scale_of

RNG = np.random.default_rng(11)
N, ENERGIES = 2000, 6
SDS = 0.5 + RNG.random((N, ENERGIES))
NORMAL = RNG.normal(size=(N, ENERGIES))
ZERO = np.zeros((N, ENERGIES))
# Sampling error of a share of 12 000 points is 0.0046 at most; three of them.
NEAR = 0.015


def test_normal_errors_are_inside_the_bands_of_a_normal_distribution() -> None:
    found = measure_calibration(ZERO, SDS * NORMAL, SDS)
    assert found.inside == pytest.approx(found.levels, abs=NEAR)
    assert found.deviation < NEAR
    assert found.to_dict()["bands"]["95 %"] == pytest.approx(0.95, abs=NEAR)
    assert all(low <= mean <= high for low, mean, high in zip(found.lowest, found.inside, found.highest, strict=True))


def test_error_bars_that_are_half_as_wide_hold_too_few_points() -> None:
    # Half of 1.96 standard deviations holds 67.3 %.
    assert measure_calibration(ZERO, SDS * NORMAL, SDS / 2).at(0.95) == pytest.approx(0.673, abs=NEAR)


@pytest.mark.parametrize("per", ["all", "energy"])
@pytest.mark.parametrize("kind", ["half", "laplace"])
def test_scaled_bands_are_right_whatever_the_shape_of_the_errors(per: Literal["all", "energy"], kind: str) -> None:
    shape = NORMAL / 2 if kind == "half" else RNG.laplace(size=(N, ENERGIES))
    errors, half = SDS * shape, N // 2
    scale = scale_of(errors[:half], SDS[:half], per=per)
    found = measure_calibration(ZERO[half:], errors[half:], SDS[half:], scale=scale)
    # Both halves err, and 1000 rows are fewer than all points.
    assert found.inside == pytest.approx(found.levels, abs=3 * NEAR)


def test_a_factor_at_each_energy_mends_what_one_for_all_cannot() -> None:
    errors = SDS * NORMAL * np.array([0.2, 0.5, 1.0, 1.0, 2.0, 4.0])
    half = N // 2
    spread = {}
    for per in ("all", "energy"):
        scale = scale_of(errors[:half], SDS[:half], per=per)
        found = measure_calibration(ZERO[half:], errors[half:], SDS[half:], scale=scale)
        spread[per] = found.highest[9] - found.lowest[9]
    assert spread["all"] > 0.5 > 0.1 > spread["energy"]


def test_the_conformal_quantile_is_that_of_the_rank() -> None:
    # Of 9 scores 1 … 9 the median band is the one of rank ceil(10 * 0.5), and 0.9 takes the last.
    errors = np.arange(1.0, 10.0)[:, None]
    scale = scale_of(errors, np.ones((9, 1)), levels=(0.5, 0.9))
    np.testing.assert_array_equal(scale.factors, [5.0, 9.0])
    with pytest.raises(InputError, match="needs 19 calibration spectra or more, got 9"):
        scale_of(errors, np.ones((9, 1)), levels=(0.5, 0.95))


def test_between_two_levels_the_factor_is_interpolated() -> None:
    scale = BandScale((0.4, 0.6), np.array([1.0, 2.0]))
    np.testing.assert_allclose(scale.half_widths(np.full((1, 2), 3.0), 0.5), 4.5)
    with pytest.raises(ParameterError, match=r"a level is from 0\.4 to 0\.6"):
        scale.half_widths(np.ones((1, 2)), 0.9)
    np.testing.assert_allclose(BandScale((0.5,), np.array([2.0])).half_widths(np.ones((1, 1)), 0.5), 2.0)


def test_members_that_agree_by_chance_have_a_band_all_the_same() -> None:
    sds = SDS.copy()
    sds[:40] = 0.0
    scale = scale_of(SDS * NORMAL, sds)
    assert np.all(scale.half_widths(sds, 0.5) > 0)
    with pytest.raises(InputError, match="copies"):
        scale_of(SDS * NORMAL, ZERO)


@pytest.mark.parametrize("per", ["all", "energy"])
def test_a_scale_comes_back_from_json(per: Literal["all", "energy"]) -> None:
    scale = scale_of(SDS * NORMAL, SDS, per=per)
    again = BandScale.from_dict(json.loads(json.dumps(scale.to_dict())))
    np.testing.assert_array_equal(scale.half_widths(SDS, 0.8), again.half_widths(SDS, 0.8))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="share one shape"):
        measure_calibration(ZERO, ZERO, SDS[:3])
    with pytest.raises(InputError, match="not below 0"):
        measure_calibration(ZERO, ZERO, -SDS)
    with pytest.raises(ParameterError, match="between 0 and 1"):
        scale_of(NORMAL, SDS, levels=(0.5, 1.0))
    with pytest.raises(ParameterError, match="per"):
        scale_of(NORMAL, SDS, per="point")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(InputError, match="factors are of 6 points"):
        scale_of(NORMAL, SDS, per="energy").half_widths(SDS[:, :3], 0.5)
    assert normal_scale((0.5,)).levels == (0.5,)
