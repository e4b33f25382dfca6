"""Predictions made again by the model in the registry."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.workflows.learning.conftest import plan_of
from tests.workflows.learning.toy import fill_store, freeze, install_toy_encoder, leave_out_reports, rock_salt
from whiteline.database import open_store
from whiteline.database.query import SpectrumQuery
from whiteline.settings import Settings
from whiteline.structures import NamedStructure
from whiteline.workflows.learning import run_training
from whiteline.workflows.learning.keeping import store_prediction
from whiteline.workflows.learning.prediction import MaterialPrediction, Predictor
from whiteline.workflows.rerun import Ground, RerunPlace, RerunResult, Tolerance, Verdict, find_set, run_again


@dataclass(frozen=True)
class Predicted:
    """A folder with store, dataset and model, and the ids of a stored prediction and of its site."""

    home: Path
    material: str
    site: str


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predicted]:
    home = tmp_path_factory.mktemp("predictions")
    with pytest.MonkeyPatch.context() as patch:
        install_toy_encoder(patch)
        leave_out_reports(patch)
        freeze(fill_store(home), home / "copper", kind="site")
        run_training(plan_of(home / "copper"), home / "models" / "toy")
        predictor = Predictor.load(home / "models" / "toy")
        (answer,) = predictor.predict([NamedStructure(rock_salt("Cu", "I"), "CuI", "CuI.cif")], "Cu")
        assert isinstance(answer, MaterialPrediction)
        with open_store(str(home / "spectra.db")) as store:
            identity, _ = store_prediction(store, answer, predictor)
            site = store.get(identity).parents[0]
        yield Predicted(home, identity, site)
    shutil.rmtree(home)


@pytest.fixture(autouse=True)
def _toy_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    install_toy_encoder(monkeypatch)


@pytest.fixture
def settings(predicted: Predicted, tmp_path: Path) -> Settings:
    shutil.copyfile(predicted.home / "spectra.db", tmp_path / "spectra.db")
    return Settings(
        database=str(tmp_path / "spectra.db"), run_directory=tmp_path / "runs", models=predicted.home / "models"
    )


def rerun(settings: Settings, spectrum_id: str, folder: Path) -> RerunResult:
    place = RerunPlace.make(folder, settings, tolerance=Tolerance(), keeps_runs=False)
    return run_again([spectrum_id], place)[spectrum_id]


@pytest.mark.parametrize("kind", ["material", "site"])
def test_a_model_says_the_same_again(predicted: Predicted, settings: Settings, tmp_path: Path, kind: str) -> None:
    result = rerun(settings, getattr(predicted, kind), tmp_path / "again")
    assert (result.verdict, result.making, result.differences) == (Verdict.IDENTICAL, "prediction", ())


def test_a_model_that_is_gone_is_named_by_its_hash(predicted: Predicted, settings: Settings, tmp_path: Path) -> None:
    moved = (predicted.home / "models").rename(predicted.home / "moved")
    try:
        result = rerun(settings, predicted.site, tmp_path / "again")
    finally:
        moved.rename(predicted.home / "models")
    assert result.verdict is Verdict.COULD_NOT_RUN
    assert [each.ground for each in result.differences] == [Ground.MODEL]
    assert "is in no folder known here" in result.reason


def test_all_that_a_model_learned_from_is_a_set(predicted: Predicted, settings: Settings) -> None:
    with open_store(settings.database) as store:
        of_dataset = find_set(str(predicted.home / "copper"), store, settings)
        assert set(find_set("toy", store, settings)) == set(of_dataset)
        assert len(of_dataset) == store.count(SpectrumQuery(kind="site", code="feff"))


def test_a_calculation_with_parameters_of_no_code_could_not_run(
    predicted: Predicted, settings: Settings, tmp_path: Path
) -> None:
    with open_store(settings.database) as store:
        found = next(iter(store.summaries(SpectrumQuery(kind="site", code="feff", formula="CuO"))))
    result = rerun(settings, found.id, tmp_path / "again")
    assert result.verdict is Verdict.COULD_NOT_RUN
    assert "unknown parameter" in result.reason
