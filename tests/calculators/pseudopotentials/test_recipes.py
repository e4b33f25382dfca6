from __future__ import annotations

import re

import pytest

from whiteline.calculators.pseudopotentials.core_hole import CoreHole
from whiteline.calculators.pseudopotentials.recipes import (
    Functional,
    Recipe,
    generation_input,
    list_recipes,
    load_recipe,
    trial_input,
)
from whiteline.errors import ParameterError

CAPACITY = {"s": 2, "p": 6, "d": 10}


def electrons(configuration: str) -> float:
    return sum(max(float(n), 0.0) for n in re.findall(r"\d[spd](-?[\d.]+)", configuration))


@pytest.fixture(params=list_recipes())
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return load_recipe(request.param)


def test_every_recipe_is_of_a_neutral_atom_with_a_full_core(recipe: Recipe) -> None:
    assert electrons(recipe.core) + electrons(recipe.valence) == recipe.atomic_number
    for level, occupation in re.findall(r"(\d[spd])(\d+)", recipe.core):
        assert int(occupation) == CAPACITY[level[1]]


def test_every_recipe_rebuilds_the_p_channel_from_two_states_and_tests_another_charge_state(recipe: Recipe) -> None:
    assert sum(state[1] == "p" for state in recipe.reconstruction) == 2
    assert any(electrons(test) < electrons(recipe.valence) for test in recipe.tests)
    assert any(electrons(test) == electrons(recipe.valence) for test in recipe.tests)


def test_inner_radii_are_inside_outer_ones_and_all_inside_the_matching_radius(recipe: Recipe) -> None:
    for channel in recipe.channels:
        assert channel.norm_conserving_radius <= channel.ultrasoft_radius < recipe.matching_radius


def test_a_core_hole_changes_core_occupation_valence_charge_and_nothing_else() -> None:
    recipe = load_recipe("Ti")
    ground = generation_input(recipe, file_name="Ti.UPF").splitlines()
    excited = generation_input(recipe, file_name="Ti.UPF", core_hole=CoreHole("1s")).splitlines()
    changed = [(a.strip(), b.strip()) for a, b in zip(ground, excited, strict=True) if a != b]
    assert [a.replace("1s2", "1s1").replace("zval=12", "zval=13") for a, _ in changed] == [b for _, b in changed]
    assert len(changed) == 2


@pytest.mark.parametrize(("size", "occupation", "zval"), [(1.0, "2p5", "13.0"), (0.5, "2p5.5", "12.5")])
def test_full_and_half_holes_in_2p_are_written_out(size: float, occupation: str, zval: str) -> None:
    text = generation_input(load_recipe("Ti"), file_name="Ti.UPF", core_hole=CoreHole("2p", size))
    assert f"config='1s2 2s2 {occupation} " in text
    assert f"zval={zval}," in text


def test_a_bound_channel_takes_its_eigenvalue_and_another_its_energy() -> None:
    lines = generation_input(load_recipe("Ti"), file_name="Ti.UPF").splitlines()
    cards = [line.split() for line in lines if re.match(r"\d[SPD] ", line)][:6]
    assert [card[0] for card in cards] == ["3S", "4S", "3P", "4P", "3D", "3D"]
    assert [card[1] for card in cards] == ["1", "2", "2", "3", "3", "3"]  # pseudo-states are counted from l + 1
    assert [float(card[3]) for card in cards] == [2.0, 2.0, 6.0, 0.0, 2.0, 0.0]
    assert [float(card[4]) == 0.0 for card in cards] == [True, True, True, False, True, False]


def test_an_unbound_local_channel_is_flagged_to_ld1_and_comes_last() -> None:
    text = generation_input(load_recipe("O"), file_name="O.UPF")
    assert "3d-2'" in text
    assert "lloc=2" in text
    cards = [line for line in text.partition("&test")[0].splitlines() if re.match(r"\d[SPD] ", line)]
    assert cards[-1].startswith("3D 3 2 -2.00")


def test_the_test_input_names_every_configuration() -> None:
    recipe = load_recipe("O")
    text = trial_input(recipe, file_name="O.UPF", lowest_energy_ry=-2.76)
    assert f"nconf={1 + len(recipe.tests)}," in text
    for i, configuration in enumerate((recipe.valence, *recipe.tests), start=1):
        assert f"configts({i})='{configuration}'," in text


def test_a_functional_is_passed_on_and_lda_is_pz() -> None:
    assert Functional.parse("lda") is Functional.PZ
    assert "dft='PZ'" in generation_input(load_recipe("O"), file_name="O.UPF", functional=Functional.PZ)
    with pytest.raises(ParameterError, match="did you mean 'PBESOL'"):
        Functional.parse("pbe-soll")


def test_what_there_is_no_recipe_for_is_refused() -> None:
    with pytest.raises(ParameterError, match="no recipe makes a pseudopotential of 'Xe'"):
        load_recipe("Xe")
    with pytest.raises(ParameterError, match="no core level 2p"):
        generation_input(load_recipe("O"), file_name="O.UPF", core_hole=CoreHole("2p"))
