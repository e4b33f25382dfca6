"""Plans become models with a report and a record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.workflows.learning.conftest import plan_of
from tests.workflows.learning.toy import SMALL, fill_store, freeze
from whiteline.database.datasets import Dataset
from whiteline.errors import InputError, StoreError
from whiteline.models.fingerprint import model_sha256
from whiteline.models.model import SpectrumModel
from whiteline.provenance import ProvenanceRecord, content_checksum
from whiteline.workflows.learning import run_training
from whiteline.workflows.learning.plan import TrainingKind
from whiteline.workflows.learning.training import Step, work_folder


class KilledError(Exception):
    """The process ended here."""


def test_a_model_folder_holds_model_report_and_the_ids_it_learned_from(toy_home: Path, toy_model: Path) -> None:
    model = SpectrumModel.load(toy_model)
    assert [str(channel) for channel in model.channels] == ["Cu K feff:toy"]
    assert (toy_model / "report" / "report.html").is_file()
    lists = json.loads((toy_model / "spectra.json").read_text(encoding="utf-8"))
    dataset = Dataset.open(toy_home / "copper")
    assert set(lists["train"]) < set(dataset.ids("train"))
    assert set(lists["test"]) < set(dataset.ids("test"))
    assert model.card.metrics["test_median_mse"] > 0


def test_the_record_of_a_model_names_dataset_encoder_and_list_of_spectra(toy_home: Path, toy_model: Path) -> None:
    model = SpectrumModel.load(toy_model)
    record = ProvenanceRecord.from_dict(model.card.lineage["record"])
    assert record.activity == "train-expert"
    assert record.inputs == {
        "dataset": Dataset.open(toy_home / "copper").manifest.content_sha256,
        "spectra.json": content_checksum((toy_model / "spectra.json").read_bytes()),
        "encoder": "toy:1",
    }
    assert record.outputs == {"model": model_sha256(model)}
    assert record.parameters["values"]["n_epochs"] == SMALL["n_epochs"]
    assert {"torch", "safetensors"} <= set(record.libraries)
    assert record.seeds == {"member 1": 0}  # the dataset was divided when it was frozen


def test_a_killed_training_goes_on_to_the_same_model(toy_home: Path, tmp_path: Path) -> None:
    plan = plan_of(toy_home / "copper")
    whole = run_training(plan, tmp_path / "whole")

    def kill(step: Step) -> None:
        if step.detail.startswith("epoch 2"):
            raise KilledError

    with pytest.raises(KilledError):
        run_training(plan, tmp_path / "model", on_step=kill)
    with pytest.raises(InputError, match="--resume"):
        run_training(plan, tmp_path / "model")
    resumed = run_training(plan, tmp_path / "model", is_resumed=True)
    assert resumed.id == whole.id
    assert not work_folder(tmp_path / "model").exists()


def test_what_ended_before_the_first_epoch_leaves_nothing_to_resume(toy_home: Path, tmp_path: Path) -> None:
    plan = plan_of(toy_home / "copper", values={**SMALL, "n_frozen": 1})
    with pytest.raises(InputError, match="start"):
        run_training(plan, tmp_path / "model")
    assert list(tmp_path.iterdir()) == [tmp_path / "cache"] or list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_never_written_over(toy_home: Path, toy_model: Path) -> None:
    with pytest.raises(StoreError, match="never written over"):
        run_training(plan_of(toy_home / "copper"), toy_model)


def test_few_validation_spectra_carry_narrow_bands_only_and_that_is_said(toy_home: Path, tmp_path: Path) -> None:
    done = run_training(plan_of(toy_home / "copper"), tmp_path / "model")
    assert done.n_spectra["validation"] == 3  # a band of 80 % needs 4 of them, one of 95 % 19
    assert done.model.bands is not None
    assert done.model.bands.levels.tolist() == [0.5]
    assert any("a band of 95% needs 19 of them" in note for note in done.notes)


def test_nothing_is_learned_from_predictions(toy_home: Path, tmp_path: Path) -> None:
    import shutil
    from dataclasses import replace

    from whiteline.database import open_store
    from whiteline.database.query import SpectrumQuery
    from whiteline.workflows.learning import read_learning_data

    shutil.copy(toy_home / "spectra.db", tmp_path / "spectra.db")
    with open_store(str(tmp_path / "spectra.db")) as store:
        first = next(iter(store.query(SpectrumQuery(kind="site"))))
        store.put(replace(first, id="ab" * 20, code="model"))
    freeze(tmp_path / "spectra.db", tmp_path / "mixed", kind="site")
    with pytest.raises(InputError, match="must not learn from predictions"):
        read_learning_data(tmp_path / "mixed")


@pytest.fixture(scope="module")
def two_metals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("metals")
    address = fill_store(home, metals=("Cu", "Ni"))
    freeze(address, home / "both", kind="site")
    freeze(address, home / "copper", kind="site", absorber="Cu")
    dear = fill_store(home / "dear", fidelity="feff:dear")
    freeze(dear, home / "copper-dear", kind="site")
    return home


def test_fine_tuning_keeps_the_encoder_and_the_hash_of_its_parent(two_metals: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cu K feff:toy, Ni K feff:toy"):
        run_training(plan_of(two_metals / "both"), tmp_path / "expert")
    universal = run_training(plan_of(two_metals / "both", kind=TrainingKind.UNIVERSAL), tmp_path / "universal")
    small = {"n_epochs": 2, "batch_size": 8}
    plan = plan_of(
        two_metals / "copper", kind=TrainingKind.FINETUNE, parent=str(universal.folder), encoder=None, values=small
    )
    tuned = run_training(plan, tmp_path / "tuned")
    card = tuned.model.card
    assert {row["name"] for row in card.candidates} >= {"scratch", "frozen body"}
    assert tuned.model.encoder == "toy:1"
    assert card.lineage["record"]["used"]["model"]["parent model"] == universal.id
    best = min(card.candidates, key=lambda row: row["validation_geometric_mse"])
    assert best["is_chosen"]


def test_transfer_goes_to_another_fidelity(two_metals: Path, tmp_path: Path) -> None:
    cheap = run_training(plan_of(two_metals / "copper"), tmp_path / "cheap")
    plan = plan_of(
        two_metals / "copper-dear",
        kind=TrainingKind.TRANSFER,
        parent=str(cheap.folder),
        encoder=None,
        values={"n_epochs": 2, "batch_size": 8},
    )
    dear = run_training(plan, tmp_path / "dear")
    assert [str(channel) for channel in dear.model.channels] == ["Cu K feff:dear"]
    assert "delta" in {row["name"] for row in dear.model.card.candidates}
