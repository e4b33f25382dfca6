from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from whiteline.errors import InputError, ParameterError
from whiteline.models.duplicates import find_duplicates
from whiteline.models.samples import Samples
from whiteline.models.splits import SplitKind, fold_samples, split_samples, subset_samples
from whiteline.splitting import SPLITS, order_by_hash

FORMULAS = ("CuO", "Cu2O", "CuS", "CuFeS2", "La2CuO4", "CuCl", "CuBr", "CuAl2", "Cu3N", "CuZn", "YCuO2", "CuI")
GROUPED = (SplitKind.MATERIAL, SplitKind.FORMULA, SplitKind.SYSTEM, SplitKind.SIZE)


def make(materials: tuple[int, ...], **changes: Any) -> Samples:
    """Return one sample a number, which names its material; every second material shares its formula."""
    n = len(materials)
    rng = np.random.default_rng(1)
    values: dict[str, Any] = {
        "ids": tuple(f"s{i}" for i in range(n)),
        "features": rng.normal(size=(n, 4)),
        "spectra": 1 + rng.random((n, 6)),
        "points": np.arange(6.0),
        "zeros": np.zeros(n),
        "absorbers": ("Cu",) * n,
        "edges": ("K",) * n,
        "fidelities": ("feff",) * n,
        "materials": tuple(f"mp-{m}" for m in materials),
        "formulas": tuple(FORMULAS[(m // 2) % len(FORMULAS)] for m in materials),
        "unit": "Mbarn",
        "n_atoms": tuple(2 + m for m in materials),
    }
    return Samples(**{**values, **changes})


MANY = make(tuple(np.random.default_rng(0).integers(0, 60, size=300).tolist()))


@pytest.mark.parametrize("kind", SplitKind)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_sample_is_in_one_set(kind: SplitKind, seed: int) -> None:
    division = split_samples(MANY, by=kind, seed=seed)
    together = np.concatenate([division.indices[name] for name in SPLITS])
    assert sorted(together.tolist()) == list(range(len(MANY)))
    assert all(len(division.indices[name]) for name in SPLITS)


@pytest.mark.parametrize("kind", (*GROUPED, SplitKind.GREEDY))
def test_no_material_is_in_two_sets(kind: SplitKind) -> None:
    train, val, test = (set(part.materials) for part in split_samples(MANY, by=kind).parts(MANY))
    assert not (train & val or train & test or val & test)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 25), min_size=12, max_size=80), st.integers(0, 5))
def test_no_formula_and_no_material_crosses_the_default_split(materials: list[int], seed: int) -> None:
    samples = make(tuple(materials))
    assume(len(set(samples.formulas)) >= 3)
    parts = split_samples(samples, seed=seed).parts(samples)
    for name in ("formulas", "materials"):
        counts = Counter(value for part in parts for value in set(getattr(part, name)))
        assert set(counts.values()) == {1}


def test_a_split_by_chemical_system_keeps_oxides_of_one_metal_together() -> None:
    train, val, test = split_samples(MANY, by="chemical_system", fractions=(0.6, 0.2, 0.2)).parts(MANY)
    for part in (train, val, test):
        assert ("CuO" in part.formulas) == ("Cu2O" in part.formulas)


def test_seeds_differ_and_are_reproducible() -> None:
    one, again, two = (split_samples(MANY, seed=seed).indices["test"].tolist() for seed in (1, 1, 2))
    assert one == again != two


def test_the_largest_cells_are_tested_when_split_by_size() -> None:
    train, val, test = split_samples(MANY, by="size").parts(MANY)
    assert max(train.n_atoms) <= min(val.n_atoms) <= max(val.n_atoms) <= min(test.n_atoms)


def test_a_split_by_site_leaks_materials_and_says_that_it_ignores_duplicates() -> None:
    division = split_samples(MANY, by="site")
    train, _, test = division.parts(MANY)
    assert set(train.materials) & set(test.materials)
    assert division.duplicates == "ignored"


def test_the_greedy_split_is_that_of_the_released_code() -> None:
    # Worked through by hand: 30 samples, targets 24, 3 and 3. The large ones and the first seven of one site go to
    # training, which is farthest from its target; then k and n, l and o take turns with it at equal distances.
    materials = tuple("a" * 6 + "b" * 5 + "c" * 4 + "defghijklmnopqr")
    division = split_samples(replace(make(tuple(range(30))), materials=materials), by="greedy")
    test, val = ({materials[i] for i in division.indices[name]} for name in ("test", "val"))
    assert (val, test) == ({"k", "n"}, {"l", "o"})


def test_the_greedy_split_can_leave_a_set_empty() -> None:
    materials = tuple("a" * 5 + "b" * 4 + "c" * 4 + "d" * 3 + "efgh")
    with pytest.raises(InputError, match="by greedy leave test empty"):
        split_samples(replace(make(tuple(range(20))), materials=materials), by="greedy")


def test_the_greedy_split_of_many_small_materials_comes_near_its_targets() -> None:
    division = split_samples(make(tuple(range(200))), by="greedy")
    # Distance counts either way, so that the last ones overshoot.
    assert [len(division.indices[name]) for name in SPLITS] == [162, 19, 19]


def test_a_seed_of_the_greedy_split_shuffles_rows_and_moves_none() -> None:
    one, two = (split_samples(MANY, by="greedy", seed=seed).indices["train"] for seed in (0, 1))
    assert one.tolist() != two.tolist()
    assert sorted(one.tolist()) == sorted(two.tolist())


@pytest.mark.parametrize("kind", GROUPED)
def test_one_crystal_under_two_ids_stays_in_one_set(kind: SplitKind) -> None:
    names = [f"hash-{m // 2 * 2}" for m in range(40)]
    samples = make(tuple(range(40)), crystals=tuple(names))
    for seed in range(3):
        division = split_samples(samples, by=kind, seed=seed)
        crystals = [set(part.crystals) for part in division.parts(samples)]
        assert not (crystals[0] & crystals[1] or crystals[0] & crystals[2] or crystals[1] & crystals[2])
    assert division.duplicates == "crystals"
    assert len(division.merged) == 20
    assert division.merged[0] == ("mp-0", "mp-1")


def test_copies_are_found_by_their_numbers_where_no_hash_is_known() -> None:
    samples = make(tuple(range(20)))
    noise = 1 + 1e-8 * np.random.default_rng(0).normal(size=samples.spectra.shape)
    copies = make(
        tuple(range(100, 120)),
        spectra=samples.spectra * noise,
        features=samples.features,
        formulas=samples.formulas,
        ids=tuple(f"copy{i}" for i in range(20)),
    )
    found = find_duplicates(Samples.join([samples, copies]))
    assert found.rule == "equality"
    assert {tuple(sorted(pair)) for pair in found.materials} == {
        tuple(sorted((f"mp-{100 + i}", f"mp-{i}"))) for i in range(20)
    }
    # A thousandth is a difference, and so is another formula or fidelity.
    changed = make(tuple(range(100, 120)), spectra=1.001 * samples.spectra, features=samples.features)
    assert not find_duplicates(Samples.join([samples, changed])).materials
    other = make(tuple(range(100, 120)), spectra=samples.spectra, features=samples.features, fidelities=("vasp",) * 20)
    assert not find_duplicates(Samples.join([samples, other])).materials


def test_a_chain_of_shared_names_is_one_group() -> None:
    # mp-0 shares a crystal with mp-1, which was given a second formula in another table: all three stay together.
    samples = make(
        (0, 1, 1, 2, *range(3, 12)),
        formulas=("CuO", "CuO", "Cu2O", "Cu2O", "CuS", "CuCl", "CuBr", "CuI", "Cu3N", "CuZn", "CuAl2", "YCuO2", "CuF"),
    )
    for seed in range(8):
        places = {
            m: i for i, part in enumerate(split_samples(samples, seed=seed).parts(samples)) for m in part.materials
        }
        assert places["mp-0"] == places["mp-1"] == places["mp-2"]


def test_an_empty_set_names_its_numbers() -> None:
    with pytest.raises(
        InputError, match=r"4 samples in 1 group\(s\) by formula leave val and test empty.*train 4, val 0"
    ):
        split_samples(make((0, 0, 1, 1)))
    assert len(split_samples(make((0, 0, 1, 1)), fractions=(1.0, 0.0, 0.0)).indices["train"]) == 4


def test_a_split_says_what_it_lacks() -> None:
    nameless = make(tuple(range(6)), formulas=("",) * 6, n_atoms=())
    with pytest.raises(InputError, match=r"6 of 6 samples have none.*split by material"):
        split_samples(nameless)
    with pytest.raises(InputError, match="number of atoms"):
        split_samples(nameless, by="size")
    with pytest.raises(ParameterError, match="did you mean 'formula'"):
        split_samples(nameless, by="formul")
    with pytest.raises(ParameterError, match="three fractions"):
        split_samples(nameless, fractions=(0.5, 0.1, 0.1))


def test_folds_validate_every_sample_once_and_keep_formulas_together() -> None:
    folds = fold_samples(MANY, 4)
    validated = np.concatenate([fold.indices["val"] for fold in folds])
    assert sorted(validated.tolist()) == list(range(len(MANY)))
    for fold in folds:
        train, val, test = fold.parts(MANY)
        assert not set(train.formulas) & set(val.formulas)
        assert len(test) == 0


def test_folds_need_groups_enough_even_where_one_is_huge() -> None:
    huge = make((0,) * 50 + (2, 4, 6))
    assert all(len(fold.indices["val"]) for fold in fold_samples(huge, 4))
    with pytest.raises(InputError, match="number of groups, 4 here, got 5"):
        fold_samples(huge, 5)
    with pytest.raises(ParameterError, match="has no folds"):
        fold_samples(huge, 2, by="greedy")


def test_a_smaller_subset_is_part_of_a_larger_one() -> None:
    small, large = (set(subset_samples(MANY, n, seed=2).tolist()) for n in (25, 100))
    assert (len(small), len(large)) == (25, 100)
    assert small < large
    with pytest.raises(InputError, match="1 to 300"):
        subset_samples(MANY, 301)


def test_a_division_is_recorded_and_belongs_to_its_samples() -> None:
    division = split_samples(MANY, seed=3)
    record = division.to_dict()
    assert (record["kind"], record["seed"], sum(record["n_samples"].values())) == ("formula", 3, len(MANY))
    with pytest.raises(InputError, match="300 samples were divided"):
        division.parts(MANY.select([0, 1]))


def test_the_order_of_groups_does_not_depend_on_what_else_is_there() -> None:
    few, many = order_by_hash("abc", seed=4), order_by_hash("abcdefgh", seed=4)
    assert [name for name in many if name in "abc"] == few
