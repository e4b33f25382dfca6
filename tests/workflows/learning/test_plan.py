"""What a training is, before it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from monty.json import MontyDecoder, MontyEncoder

from tests.workflows.learning.conftest import plan_of
from whiteline.errors import InputError, ParameterError
from whiteline.workflows.learning import EncoderChoice, TrainingPlan, read_learning_data
from whiteline.workflows.learning.plan import TrainingKind


def test_a_plan_survives_json_so_that_a_remote_worker_can_run_it(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, kind=TrainingKind.ENSEMBLE, seeds=(1, 2), encoder=EncoderChoice("soap", elements=("Cu",)))
    assert json.loads(json.dumps(plan, cls=MontyEncoder), cls=MontyDecoder) == plan


@pytest.mark.parametrize(("name", "nearest"), [("n_epoch", "n_epochs"), ("widht", "width")])
def test_a_misspelt_hyper_parameter_names_the_nearest_of_network_and_training(name: str, nearest: str) -> None:
    with pytest.raises(ParameterError, match=f"did you mean '{nearest}'"):
        TrainingPlan(data="x", values={name: 1}).make_parameters()


def test_values_go_to_network_or_training_by_their_names() -> None:
    plan = TrainingPlan(data="x", values={"width": 8, "n_epochs": 3})
    assert plan.make_architecture().to_dict()["width"] == 8
    assert plan.make_parameters().n_epochs == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "ensemble"}, "2 members or more"),
        ({"kind": "finetune"}, "needs a model to begin with"),
        ({"parent": "universal"}, "begins with no model"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        TrainingPlan(data="x", **changes)


def test_an_expert_of_several_channels_says_how_to_choose(toy_home: Path) -> None:
    samples = read_learning_data(toy_home / "copper").samples
    TrainingPlan(data="x").check_channels(samples)
    with pytest.raises(InputError, match="holds only Cu K feff:toy: train an expert"):
        TrainingPlan(data="x", kind=TrainingKind.UNIVERSAL).check_channels(samples)
