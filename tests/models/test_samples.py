from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from whiteline.errors import InputError
from whiteline.models.samples import Samples


def make(n: int = 4, **changes: Any) -> Samples:
    rng = np.random.default_rng(0)
    values: dict[str, Any] = {
        "ids": tuple(f"s{i}" for i in range(n)),
        "features": rng.normal(size=(n, 3)),
        "spectra": 1.0 + rng.random((n, 5)),
        "points": np.arange(5.0),
        "zeros": np.full(n, 8983.173),
        "absorbers": ("Cu",) * n,
        "edges": ("K",) * n,
        "fidelities": ("feff",) * n,
        "materials": tuple(f"m{i // 2}" for i in range(n)),
        "formulas": ("CuO",) * n,
        "unit": "Mbarn",
    }
    return Samples(**{**values, **changes})


def test_features_are_single_and_spectra_double_precision() -> None:
    samples = make()
    assert [str(a.dtype) for a in (samples.features, samples.spectra, samples.zeros)] == ["float32", *["float64"] * 2]
    assert (len(samples), samples.n_features, samples.n_energies, samples.elements) == (4, 3, 5, ("Cu",))
    assert repr(samples) == "<Samples: 4 of Cu, 3 features, 5 points [Mbarn]>"


def test_a_mask_and_its_indices_select_the_same_rows() -> None:
    samples = make(sites=(0, 1, 0, 1), n_atoms=(4, 4, 8, 8))
    by_mask, by_index = samples.select(np.array([False, True, False, True])), samples.select([1, 3])
    assert by_mask.ids == by_index.ids == ("s1", "s3")
    assert (by_mask.materials, by_mask.sites, by_mask.n_atoms, by_mask.crystals) == (("m0", "m1"), (1, 1), (4, 8), ())
    np.testing.assert_array_equal(by_mask.spectra, samples.spectra[[1, 3]])
    np.testing.assert_array_equal(by_index.features, samples.features[[1, 3]])


def test_nothing_selected_is_no_error_and_rows_may_come_twice() -> None:
    assert len(make().select([])) == 0
    assert make().select([2, 2]).ids == ("s2", "s2")


@pytest.mark.parametrize("chosen", [np.array([True]), [4], [-5], [0.5], np.array([[0]])])
def test_a_selection_that_does_not_fit_is_refused(chosen: Any) -> None:
    with pytest.raises(InputError):
        make().select(chosen)


def test_where_names_what_there_is_when_nothing_fits() -> None:
    samples = make(absorbers=("Cu", "Ti", "Cu", "Ti"))
    assert samples.where(absorber="Ti", fidelity="feff").ids == ("s1", "s3")
    with pytest.raises(InputError, match="no sample of V: there are Cu K feff, Ti K feff"):
        samples.where(absorber="V")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"formulas": ("CuO",)}, "one entry a sample.*'formulas': 1"),
        ({"crystals": ("a",)}, "one entry a sample.*'crystals': 1"),
        ({"zeros": np.zeros(3)}, "'zeros': 3"),
        ({"points": np.arange(4.0)}, "one value a point"),
        ({"points": np.array([0.0, 1.0, 1.0, 2.0, 3.0])}, "strictly increasing"),
        ({"features": np.zeros(4)}, "two dimensions"),
        ({"spectra": np.zeros((4, 5))}, "spectrum of sample 's0' is zero everywhere \\(and 3 more\\)"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**changes)


@pytest.mark.parametrize("name", ["spectra", "features", "zeros"])
def test_a_number_that_is_none_names_its_sample(name: str) -> None:
    values = np.array(getattr(make(), name))
    values[2, ...] = np.nan
    with pytest.raises(InputError, match="sample 's2' is not finite"):
        replace(make(), **{name: values})  # type: ignore[arg-type]  # one of three fields, all arrays


def test_a_join_keeps_rows_and_what_all_parts_know() -> None:
    one = make(source="a", n_atoms=(1, 2, 3, 4), sites=(0, 0, 0, 0))
    two = replace(make(2), source="b", sites=(1, 1))
    both = Samples.join([one, two])
    assert (len(both), both.source, both.n_atoms, both.sites) == (6, "a+b", (), (0, 0, 0, 0, 1, 1))
    np.testing.assert_array_equal(both.spectra[4:], two.spectra)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": "bohr2"}, "share their unit"),
        ({"encoder": "chgnet"}, "share their encoder"),
        ({"points": np.arange(5.0) + 0.1}, "share their grid"),
    ],
)
def test_samples_that_differ_are_not_joined(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Samples.join([make(), make(**changes)])
    with pytest.raises(InputError, match=re.escape("give at least one")):
        Samples.join([])


def test_other_features_need_one_row_a_sample() -> None:
    assert make().with_features(np.ones((4, 7), dtype=np.float32), encoder="soap").n_features == 7
    with pytest.raises(InputError, match="'features': 3"):
        make().with_features(np.ones((3, 7), dtype=np.float32), encoder="soap")
