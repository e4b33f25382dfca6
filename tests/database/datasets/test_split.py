from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whiteline.database.datasets import Split, SplitBy
from whiteline.database.datasets.split import SPLITS
from whiteline.errors import ParameterError

SIZES = st.dictionaries(st.text(max_size=5), st.integers(1, 50), min_size=3, max_size=40)


@given(SIZES, st.integers(0, 10))
def test_every_group_has_a_place_and_no_wanted_set_is_empty(sizes: dict[str, int], seed: int) -> None:
    places = Split(seed=seed).assign(sizes)
    assert places.keys() == sizes.keys()
    assert set(places.values()) == set(SPLITS)


@given(SIZES, st.integers(0, 10))
def test_set_of_fraction_zero_is_empty(sizes: dict[str, int], seed: int) -> None:
    assert set(Split(fractions=(1.0, 0.0, 0.0), seed=seed).assign(sizes).values()) == {"train"}
    assert "test" not in Split(fractions=(0.5, 0.5, 0.0), seed=seed).assign(sizes).values()
    assert "val" not in Split(fractions=(0.5, 0.0, 0.5), seed=seed).assign(sizes).values()


def test_many_groups_come_near_the_fractions_and_depend_on_the_seed() -> None:
    sizes = {f"g{i}": 1 + i % 4 for i in range(1000)}
    places = Split().assign(sizes)
    total = sum(sizes.values())
    shares = [sum(sizes[g] for g, place in places.items() if place == name) / total for name in SPLITS]
    # A group is at most 4 of 2500 spectra, and a cut misses by less than one.
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.002)
    assert places != Split(seed=1).assign(sizes)


def test_most_groups_stay_where_they_are_when_a_dataset_grows() -> None:
    before = Split().assign({f"g{i}": 1 for i in range(1000)})
    after = Split().assign({f"g{i}": 1 for i in range(1100)})
    # A tenth more groups moves the cuts by their sampling error only, about one in a hundred.
    assert sum(before[group] != after[group] for group in before) < 50


@pytest.mark.parametrize("sizes", [{"a": 1}, {"a": 1, "b": 5}, {}])
def test_too_few_groups_are_divided_without_a_fuss(sizes: dict[str, int]) -> None:
    assert Split().assign(sizes).keys() == sizes.keys()


@pytest.mark.parametrize("text", ["0.8,0.2", "0.8,0.1,0.2", "1.2,-0.1,-0.1", "a,b,c", "nan,0.5,0.5"])
def test_fractions_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ParameterError):
        Split.parse(text)


def test_what_keeps_together_is_named_when_misspelt() -> None:
    with pytest.raises(ParameterError, match="did you mean 'formula'"):
        Split.parse("0.8,0.1,0.1", by="formul")
    assert Split.from_dict(Split(SplitBy.STRUCTURE, (0.5, 0.25, 0.25), 3).to_dict()).seed == 3
