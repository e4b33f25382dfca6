from __future__ import annotations

import numpy as np
import pytest

from whiteline.errors import InputError
from whiteline.models.evaluation import auroc, bin_by_distance

RNG = np.random.default_rng(2)


def test_bins_hold_as_many_samples_each_and_errors_grow_with_distance() -> None:
    distances = RNG.random(400)
    found = bin_by_distance(distances, distances**2, n_bins=8)
    assert found.n_samples == (50,) * 8
    assert list(found.median_error) == sorted(found.median_error)
    assert len(found.edges) == 9
    assert found.spearman == pytest.approx(1.0)


def test_equal_distances_share_a_bin() -> None:
    found = bin_by_distance(np.array([0.0] * 90 + [1.0] * 10), np.arange(100.0), n_bins=4)
    assert sum(found.n_samples) == 100
    single = bin_by_distance(np.ones(5), np.arange(5.0))
    assert (single.n_samples, single.spearman) == ((5,), None)
    assert single.to_dict()["median_error"] == [2.0]


def test_a_score_that_knows_nothing_has_half_the_area() -> None:
    is_outside = np.arange(2000) % 2 == 0
    # The sampling error is about 0.013.
    assert auroc(RNG.random(2000), is_outside) == pytest.approx(0.5, abs=0.05)
    assert auroc(np.ones(2000), is_outside) == 0.5


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    scores, is_outside = RNG.random(60), RNG.random(60) < 0.3
    pairs = [(a, b) for a in scores[is_outside] for b in scores[~is_outside]]
    assert auroc(scores, is_outside) == pytest.approx(np.mean([a > b for a, b in pairs]))


def test_one_side_alone_has_no_area() -> None:
    with pytest.raises(InputError, match="both are needed"):
        auroc(np.ones(3), np.ones(3, dtype=bool))
    with pytest.raises(InputError, match="a distance and an error"):
        bin_by_distance(np.ones(3), np.ones(2))
    with pytest.raises(InputError, match="must be finite"):
        bin_by_distance(np.array([1.0, np.inf]), np.ones(2))
