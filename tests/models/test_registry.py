"""Models in a folder are listed, found, and exported whole."""

from __future__ import annotations

import logging
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from whiteline.errors import CorruptStoreError, InputError, ParameterError, StoreError
from whiteline.models.architectures import XASBlock
from whiteline.models.folder import CARD, CONFIG, WEIGHTS
from whiteline.models.model import SpectrumModel
from whiteline.models.registry import add_model, export_model, find_model, list_models
from whiteline.models.samples import Samples
from whiteline.models.training import Hardware, TrainingParameters, fit

pytestmark = pytest.mark.usefixtures("one_thread")

MakeSamples = Callable[..., Samples]


def train(make: MakeSamples, absorber: str) -> SpectrumModel:
    return fit(
        make(20, absorber=absorber),
        make(20, absorber=absorber, seed=1),
        architecture=XASBlock(widths=(4,)),
        parameters=TrainingParameters(n_epochs=1),
        hardware=Hardware(accelerator="cpu"),
    )


@pytest.fixture
def registry(make_samples: MakeSamples, tmp_path: Path) -> Path:
    for absorber in ("Ti", "Cu"):
        add_model(tmp_path / "models", train(make_samples, absorber), name=f"{absorber.lower()}-k")
    return tmp_path / "models"


def test_models_are_listed_by_name_and_by_what_they_predict(registry: Path) -> None:
    assert [entry.name for entry in list_models(registry)] == ["cu-k", "ti-k"]
    assert [entry.channels for entry in list_models(registry, absorber="Ti", edge="K")] == [("Ti K feff",)]
    assert list_models(registry, absorber="Ti", fidelity="vasp") == []
    assert list_models(registry / "nowhere") == []


def test_a_model_is_found_by_name_id_and_folder(registry: Path) -> None:
    entry = find_model(registry, "cu-k")
    assert find_model(registry, entry.id[:8]) == entry
    assert find_model(Path("nowhere"), str(registry / "cu-k")).id == entry.id
    assert entry.load().sha256 == entry.id


def test_what_is_not_there_is_named_with_the_nearest(registry: Path) -> None:
    with pytest.raises(ParameterError, match=r"no model 'cuk'.*did you mean 'cu-k'"):
        find_model(registry, "cuk")
    with pytest.raises(ParameterError, match="has none, train one"):
        find_model(registry / "nowhere", "cu-k")


def test_a_damaged_model_is_left_out_with_a_warning(registry: Path, caplog: pytest.LogCaptureFixture) -> None:
    (registry / "ti-k" / CONFIG).write_text("{")
    with caplog.at_level(logging.WARNING):
        assert [entry.name for entry in list_models(registry)] == ["cu-k"]
    assert "ti-k" in caplog.text


def test_a_card_that_was_edited_is_not_shown(registry: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = registry / "cu-k" / CARD
    path.write_text(path.read_text().replace('"licence": ""', '"licence": "CC0-1.0"'))
    with pytest.raises(CorruptStoreError, match=f"{CARD} was changed or cut off"):
        find_model(registry, str(registry / "cu-k"))
    with caplog.at_level(logging.WARNING):
        assert [entry.name for entry in list_models(registry)] == ["ti-k"]
    assert f"{CARD} was changed" in caplog.text


def test_a_name_is_taken_once_and_is_no_path(registry: Path, make_samples: MakeSamples) -> None:
    model = train(make_samples, "V")
    with pytest.raises(StoreError, match="is not empty"):
        add_model(registry, model, name="cu-k")
    for name in ("", "../v", "a/b", ".v"):
        with pytest.raises(ParameterError, match="plain folder name"):
            add_model(registry, model, name=name)


def test_an_exported_model_is_the_same_elsewhere(registry: Path, tmp_path: Path) -> None:
    entry = find_model(registry, "cu-k")
    first = export_model(entry, tmp_path / "a.tar.gz")
    (entry.path / "notes").write_text("not for others")
    (entry.path / "link").symlink_to(tmp_path)
    (entry.path / WEIGHTS).chmod(0o600)
    assert first.read_bytes() == export_model(entry, tmp_path / "b.tar.gz").read_bytes()
    with tarfile.open(first) as archive:
        assert archive.getnames() == [f"cu-k/{n}" for n in (CARD, CONFIG, "domain.safetensors", WEIGHTS)]
        archive.extractall(tmp_path / "elsewhere", filter="data")
    assert SpectrumModel.load(tmp_path / "elsewhere" / "cu-k").sha256 == entry.id
    with pytest.raises(StoreError, match="exists"):
        export_model(entry, first)
    with pytest.raises(InputError, match=r"NAME.tar.gz"):
        export_model(entry, tmp_path / "a.zip")


def test_a_damaged_model_is_not_exported(registry: Path, tmp_path: Path) -> None:
    (registry / "cu-k" / WEIGHTS).write_bytes(b"0")
    with pytest.raises(CorruptStoreError, match="changed or cut off"):
        export_model(find_model(registry, "cu-k"), tmp_path / "a.tar.gz")
    assert not (tmp_path / "a.tar.gz").exists()
