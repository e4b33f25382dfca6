"""Learning as jobs that a queue runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jobflow import Flow
from monty.json import MontyDecoder, MontyEncoder

from tests.workflows.learning.conftest import plan_of
from tests.workflows.learning.toy import rock_salt
from whiteline.database import open_store
from whiteline.errors import InputError
from whiteline.workflows.learning import FineTuneMaker, PredictMaker, TrainMaker
from whiteline.workflows.learning.plan import TrainingKind
from whiteline.workflows.local import run_flow


def test_a_flow_trains_and_predicts_and_passes_on_paths_ids_and_numbers(toy_home: Path, tmp_path: Path) -> None:
    rock_salt("Cu", "I").to(str(tmp_path / "CuI.cif"), fmt="cif")
    train = TrainMaker(plan_of("unknown"), str(tmp_path / "model")).make(str(toy_home / "copper"))  # type: ignore[arg-type]  # any text
    predict = PredictMaker("Cu", str(tmp_path / "predictions.db")).make(train.output, [str(tmp_path / "CuI.cif")])
    outputs = run_flow(Flow([train, predict]))
    trained, predicted = outputs[train.uuid], outputs[predict.uuid]
    assert trained["folder"] == str(tmp_path / "model")
    assert predicted["model"] == trained["model"]
    assert len(json.dumps(outputs)) < 5000
    (identity,) = predicted["ids"].values()
    with open_store(tmp_path / "predictions.db") as store:
        assert store.get(identity).formula == "CuI"


def test_a_learning_job_survives_json(tmp_path: Path) -> None:
    task = TrainMaker(plan_of(tmp_path), "model").make()
    restored = json.loads(json.dumps(task, cls=MontyEncoder), cls=MontyDecoder)
    assert restored.function_args[0] == plan_of(tmp_path)


def test_each_maker_takes_the_plans_that_are_its_own(tmp_path: Path) -> None:
    tuning = plan_of(tmp_path, kind=TrainingKind.FINETUNE, parent="universal")
    with pytest.raises(InputError, match="FineTuneMaker"):
        TrainMaker(tuning, "model").make()
    with pytest.raises(InputError, match="TrainMaker"):
        FineTuneMaker(plan_of(tmp_path), "model").make()
    assert FineTuneMaker(tuning, "model").make().name == "fine-tune"
