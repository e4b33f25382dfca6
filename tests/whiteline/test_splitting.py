from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteline.errors import ParameterError
from whiteline.splitting import SPLITS, check_fractions, cut_row, order_by_hash, parse_fractions


@given(st.lists(st.integers(1, 50), min_size=3, max_size=40))
def test_a_row_is_cut_in_order_and_no_wanted_set_is_empty(sizes: list[int]) -> None:
    places = cut_row(sizes, (0.8, 0.1, 0.1))
    assert places == sorted(places, key=SPLITS.index)
    assert set(places) == set(SPLITS)


def test_a_row_too_short_for_all_sets_is_cut_all_the_same() -> None:
    assert cut_row([], (0.8, 0.1, 0.1)) == []
    assert len(cut_row([5], (0.8, 0.1, 0.1))) == 1
    assert cut_row([1, 1], (0.0, 0.0, 1.0)) == ["test", "test"]


def test_an_order_is_that_of_its_seed_whatever_comes_first() -> None:
    names = [f"g{i}" for i in range(30)]
    assert order_by_hash(names, seed=1) == order_by_hash(reversed(names), seed=1) != order_by_hash(names, seed=2)


@pytest.mark.parametrize("text", ["0.8,0.2", "1.2,-0.1,-0.1", "a,b,c", "nan,0.5,0.5"])
def test_fractions_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ParameterError):
        parse_fractions(text)
    with pytest.raises(ParameterError, match="sum to 1"):
        check_fractions((0.5, 0.4, 0.2))
