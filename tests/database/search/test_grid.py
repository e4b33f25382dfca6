"""Spectra on the grid: the origin, the level, and what changes neither."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from whiteline.broadening import Gaussian, broaden
from whiteline.database.search.grid import GRID, STEP, prepare_query, put_all_on_grid, put_on_grid
from whiteline.errors import InputError


def test_a_shift_of_the_axis_moves_the_origin_alone(samples: Any) -> None:
    rows = np.stack([samples.shape(i) for i in range(5)])
    here, there = put_on_grid(samples.axis, rows), put_on_grid(samples.axis + 7.3, rows)
    np.testing.assert_allclose(there.origins - here.origins, 7.3, atol=1e-9)
    np.testing.assert_allclose(there.curves, here.curves, atol=1e-9)


def test_a_factor_changes_nothing(samples: Any) -> None:
    row = samples.shape(1)[np.newaxis, :]
    one, other = put_on_grid(samples.axis, row), put_on_grid(samples.axis, 3e-5 * row)
    np.testing.assert_allclose(other.curves, one.curves, rtol=1e-9)
    assert other.origins[0] == pytest.approx(one.origins[0], abs=1e-9)


def test_the_curve_holds_the_points_of_the_spectrum_between_its_ends(samples: Any) -> None:
    put = put_on_grid(samples.axis, samples.shape(2)[np.newaxis, :])
    energy = put.origins[0] + GRID
    inside = (energy > samples.axis[0]) & (energy < samples.axis[-1])
    expected = np.interp(energy[inside], samples.axis, samples.shape(2))
    found = put.curves[0][inside] * (expected[60] / put.curves[0][inside][60])
    # Both interpolate linearly between the same points.
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_beyond_its_ends_a_spectrum_goes_on_as_a_constant(samples: Any) -> None:
    short = samples.axis < 4990.0
    put = put_on_grid(samples.axis[short], samples.shape(3)[np.newaxis, short])
    after = put.origins[0] + GRID > 4990.0
    assert np.count_nonzero(after) > 20
    assert np.ptp(put.curves[0][after]) < 1e-9


def test_broadening_and_noise_hardly_move_the_origin_of_a_spectrum_with_a_pre_edge_peak(samples: Any) -> None:
    peak = 0.6 * np.exp(-(((samples.axis - 4966.0) / 0.7) ** 2))
    curve = samples.shape(4) + peak
    noise = np.random.default_rng(0).normal(scale=0.02, size=len(curve))
    broad = broaden(samples.axis, curve[np.newaxis, :], Gaussian(1.5))[0] + noise
    put = put_on_grid(samples.axis, np.stack([curve, broad]))
    # Two steps of the grid, far within the shifts that a search tries.
    assert abs(put.origins[1] - put.origins[0]) < 2 * STEP


def test_spectra_on_an_uneven_axis_are_put_where_even_ones_are(samples: Any) -> None:
    fine = np.linspace(4960.0, 5009.0, 2000)
    uneven = np.unique(np.concatenate((fine[:800:3], fine[800:])))
    even, other = (
        put_on_grid(axis, np.interp(axis, samples.axis, samples.shape(5))[np.newaxis, :]) for axis in (fine, uneven)
    )
    np.testing.assert_allclose(other.curves, even.curves, atol=2e-3)  # of linear interpolation in coarser steps


def test_spectra_on_many_axes_are_put_where_each_alone_is(samples: Any) -> None:
    parts = [
        (samples.axis + 0.013 * i, np.stack([samples.shape(i), samples.shape(i + 50), 0.0 * samples.axis]))
        for i in range(8)
    ]
    parts += [(axis[i:], rows[:, i:]) for i, (axis, rows) in enumerate(parts)]
    together = put_all_on_grid(parts)
    alone = [put_on_grid(axis, row[np.newaxis, :]) for axis, rows in parts for row in rows]
    assert together.is_valid.tolist() == [bool(put.is_valid[0]) for put in alone] == [True, True, False] * 16
    np.testing.assert_allclose(together.curves, np.concatenate([put.curves for put in alone]), atol=1e-9)
    np.testing.assert_allclose(together.origins, np.concatenate([put.origins for put in alone]), atol=1e-9)


@pytest.mark.parametrize("level", [0.0, -1.0])
def test_a_spectrum_without_a_step_up_is_not_valid(samples: Any, level: float) -> None:
    rows = np.stack([np.full(len(samples.axis), level), samples.shape(0)])
    assert put_on_grid(samples.axis, rows).is_valid.tolist() == [False, True]
    with pytest.raises(InputError, match="no edge to search by"):
        prepare_query(samples.axis, rows[0], max_shift=1.0, broadenings=(0.0,))


def test_the_shortest_axis_is_put_on_the_grid() -> None:
    put = put_on_grid(np.array([0.0, 0.1]), np.array([[0.0, 1.0]]))
    assert put.curves.shape == (1, len(GRID))
    assert np.isfinite(put.curves).all()


def test_variants_of_a_query_are_its_curve_at_every_shift(samples: Any) -> None:
    query = prepare_query(samples.axis, samples.shape(6), max_shift=1.0, broadenings=(0.0, 1.0))
    assert query.shifts.tolist() == [s * STEP for s in range(-4, 5)] * 2
    assert query.broadenings.tolist() == [0.0] * 9 + [1.0] * 9
    np.testing.assert_allclose(query.curves[4], put_on_grid(samples.axis, samples.shape(6)[np.newaxis, :]).curves[0])
    # A step further up, each curve begins one point later.
    np.testing.assert_allclose(query.curves[5][:-1], query.curves[4][1:], atol=1e-9)
    assert np.ptp(query.curves[13]) < np.ptp(query.curves[4])
