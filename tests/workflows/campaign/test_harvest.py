from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflows.learning.toy import GRID, fill_store, install_toy_encoder, leave_out_reports
from whiteline.database import open_store
from whiteline.database.datasets import Dataset
from whiteline.errors import InputError, StoreError
from whiteline.provenance import Kind
from whiteline.settings import Settings
from whiteline.workflows.campaign.definition import CampaignDefinition, parse_definition
from whiteline.workflows.campaign.harvest import freeze_dataset, train_once
from whiteline.workflows.learning.training import work_folder

Make = Callable[..., CampaignDefinition]
HEAD = """
name = "copper"
[structures]
paths = ["*.cif"]
[[spectra]]
absorbers = ["Cu"]
preset = "fast"
"""
DATASET = f"""
[dataset]
name = "cu-k"
grid = "{GRID}"
"""
TRAINING = """
[training]
folder = "model"
encoder = "toy"
device = "cpu"
values = { width = 8, n_block = 1, n_epochs = 3, batch_size = 8 }
"""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    install_toy_encoder(monkeypatch)
    leave_out_reports(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def definition(*tables: str) -> CampaignDefinition:
        return parse_definition("".join((HEAD, *tables)), base=tmp_path, source="campaign.toml")

    return definition


@pytest.fixture
def filled(tmp_path: Path) -> Settings:
    return Settings(database=str(fill_store(tmp_path, fidelity="feff:fast")))


def test_the_dataset_is_beside_the_campaign_file(make: Make, filled: Settings, tmp_path: Path) -> None:
    found = freeze_dataset(make(DATASET), filled)
    assert found["folder"] == str(tmp_path / "cu-k")
    manifest = Dataset.open(tmp_path / "cu-k").manifest
    assert (found["content_sha256"], found["n_spectra"]) == (manifest.content_sha256, manifest.n_spectra)


def test_freezing_again_finds_the_same_dataset(make: Make, filled: Settings, tmp_path: Path) -> None:
    first = freeze_dataset(make(DATASET), filled)
    (tmp_path / ".cu-k.again").mkdir()  # as a job that was killed leaves it
    assert freeze_dataset(make(DATASET), filled) == first
    assert sorted(path.name for path in tmp_path.glob("*cu-k*")) == ["cu-k"]


def test_another_dataset_is_not_written_over(make: Make, filled: Settings) -> None:
    freeze_dataset(make(DATASET), filled)
    with pytest.raises(InputError, match=r"cu-k holds another dataset \(\d+ spectra\) than this campaign makes now"):
        freeze_dataset(make(DATASET, "seed = 1\n"), filled)


def test_a_campaign_without_the_tables_makes_nothing(make: Make, filled: Settings) -> None:
    with pytest.raises(InputError, match="makes no dataset"):
        freeze_dataset(make(), filled)
    with pytest.raises(InputError, match="trains nothing"):
        train_once(make(DATASET), {})


def test_a_model_is_trained_once_and_never_written_over(make: Make, filled: Settings, tmp_path: Path) -> None:
    definition = make(DATASET, TRAINING)
    dataset = freeze_dataset(definition, filled)
    trained = train_once(definition, dataset, database=filled.database)
    with open_store(filled.database) as store:
        (found,) = store.linked([trained["model"]])
        (frozen,) = (each for each in store.linked([dataset["content_sha256"]]) if each.record.activity == "dataset")
        assert store.members(frozen.record.id)
    assert found.record.used[Kind.DATASET] == {"dataset": dataset["content_sha256"]}
    assert trained["folder"] == str(tmp_path / "model")
    # A job that its scheduler runs again after it had finished.
    again = train_once(definition, dataset)
    assert (again["model"], again["metrics"], again["notes"]) == (
        trained["model"],
        trained["metrics"],
        ["was there already"],
    )
    with pytest.raises(StoreError, match="holds a model of another dataset"):
        train_once(definition, {**dataset, "content_sha256": "0" * 64})


def test_a_training_that_was_ended_goes_on(make: Make, filled: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    definition = make(DATASET, TRAINING)
    dataset = freeze_dataset(definition, filled)
    with monkeypatch.context() as patch:

        def killed(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr("whiteline.workflows.learning.training.evaluate", killed)
        with pytest.raises(KeyboardInterrupt):
            train_once(definition, dataset)
    assert definition.training is not None
    assert work_folder(Path(definition.training.folder)).is_dir()
    assert train_once(definition, dataset)["metrics"]
