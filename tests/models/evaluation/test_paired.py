from __future__ import annotations

import numpy as np
import pytest

from whiteline.errors import InputError
from whiteline.models.evaluation import compare_errors

RNG = np.random.default_rng(5)
RIVAL = np.exp(RNG.normal(size=200))


def test_a_model_with_smaller_errors_is_found_better() -> None:
    test = compare_errors(0.7 * RIVAL * np.exp(0.1 * RNG.normal(size=200)), RIVAL)
    assert test.ratio == pytest.approx(0.7, rel=0.1)
    assert test.low <= test.ratio <= test.high < 1
    assert test.p_value < 1e-10
    assert test.share_better > 0.95


def test_the_test_has_a_side() -> None:
    assert compare_errors(1.5 * RIVAL, RIVAL).p_value > 0.999


def test_a_model_is_not_better_than_itself() -> None:
    test = compare_errors(RIVAL, RIVAL)
    assert (test.ratio, test.low, test.high, test.p_value, test.share_better) == (1.0, 1.0, 1.0, 1.0, 0.0)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rival = np.exp(rng.normal(size=120))
        errors = 0.8 * np.exp(rng.normal(size=120))  # medians are 0.8 and 1
        test = compare_errors(errors, rival, confidence=0.8, n_resamples=300)
        covered.append(test.low <= 0.8 <= test.high)
    # 60 draws of 0.8 have a standard deviation of 0.05; three of them.
    assert np.mean(covered) == pytest.approx(0.8, abs=0.15)


def test_sites_of_one_material_count_once() -> None:
    errors, rival = np.repeat(RIVAL[:20] * 0.9, 50), np.repeat(RIVAL[:20], 50)
    alone = compare_errors(errors, rival)
    grouped = compare_errors(errors, rival, groups=[f"m{i // 50}" for i in range(1000)])
    assert (alone.n, grouped.n) == (1000, 20)
    assert grouped.p_value > alone.p_value
    assert grouped.ratio == pytest.approx(0.9)


def test_a_seed_gives_the_same_interval_again() -> None:
    errors = np.exp(RNG.normal(size=200))
    assert compare_errors(errors, RIVAL, seed=3) == compare_errors(errors, RIVAL, seed=3)
    assert compare_errors(errors, RIVAL).to_dict()["n"] == 200


@pytest.mark.parametrize("errors", [np.ones(3), np.full(200, np.nan), np.ones((200, 2))])
def test_errors_that_do_not_pair_are_refused(errors: np.ndarray) -> None:
    with pytest.raises(InputError):
        compare_errors(errors, RIVAL)
    with pytest.raises(InputError, match="every error has a group"):
        compare_errors(RIVAL, RIVAL, groups=["a"])
