"""Conformal quantiles hold what they promise, with few spectra too."""

from __future__ import annotations

import numpy as np
import pytest

from whiteline.errors import InputError, ParameterError
from whiteline.models.bands import Bands
from whiteline.models.conformal import conformal_quantiles, fewest_spectra


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_the_smallest_number_of_spectra_takes_the_largest_score(level: float) -> None:
    n_sample = fewest_spectra(level)
    scores = np.arange(1.0, n_sample + 1)[:, None]
    assert conformal_quantiles(scores, [level], is_by_energy=True).tolist() == [[n_sample]]
    if n_sample > 1:
        with pytest.raises(InputError, match=rf"{level:.0%} needs {n_sample} .*got {n_sample - 1}"):
            conformal_quantiles(scores[1:], [level], is_by_energy=True)


@pytest.mark.parametrize("is_by_energy", [True, False])
@pytest.mark.parametrize("n_sample", [19, 40])
def test_a_new_spectrum_lies_inside_at_the_level_on_average(n_sample: int, is_by_energy: bool) -> None:
    rng = np.random.default_rng(3)
    levels = (0.5, 0.8, 0.95)
    inside = []
    for _ in range(2000):
        # Points of one spectrum share a factor: they are not independent.
        scores = np.abs(rng.normal(size=(n_sample + 1, 4))) * np.exp(rng.normal(size=(n_sample + 1, 1)))
        found = conformal_quantiles(scores[1:], levels, is_by_energy=is_by_energy)
        inside.append((scores[0] <= (found if is_by_energy else found[:, None])).mean(axis=1))
    share = np.mean(inside, axis=0)
    # 2000 repetitions give a share to 0.011 or better. Above the level it is by 1/(n + 1) at most.
    assert (share > np.array(levels) - 0.025).all()
    assert (share < np.array(levels) + 1 / (n_sample + 1) + 0.025).all()


def test_bands_take_the_score_of_the_conformal_rank_and_no_larger_one() -> None:
    # Of 199 errors 1 … 199 at each energy, rank ceil(200 l).
    errors = np.repeat(np.arange(1.0, 200.0)[:, None], 2, axis=1)
    bands = Bands.of(errors, np.zeros_like(errors), np.ones(199))
    widths = bands.half_widths(np.zeros((1, 2)), np.ones(1))[:, 0]
    np.testing.assert_allclose(widths, [[100, 100], [160, 160], [190, 190]])


@pytest.mark.parametrize("levels", [(), (0.0, 0.5), (0.5, 1.0)])
def test_levels_that_are_no_shares_are_refused(levels: tuple[float, ...]) -> None:
    with pytest.raises(ParameterError, match="between 0 and 1"):
        conformal_quantiles(np.ones((50, 2)), levels, is_by_energy=True)
