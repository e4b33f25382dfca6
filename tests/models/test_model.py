"""A model predicts, refuses what it cannot, and is the same after it was saved and loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from whiteline.errors import CorruptStoreError, InputError, ParameterError, SchemaVersionError, StoreError
from whiteline.models.architectures import ResidualMLP, XASBlock
from whiteline.models.bands import Bands
from whiteline.models.card import Card
from whiteline.models.folder import CARD, CONFIG, WEIGHTS, files_of
from whiteline.models.model import SpectrumModel, calibrate
from whiteline.models.samples import Samples
from whiteline.models.training import Hardware, TrainingParameters, fit
from whiteline.models.transfer import delta_of

pytestmark = pytest.mark.usefixtures("one_thread")

MakeSamples = Callable[..., Samples]
CPU = Hardware(accelerator="cpu")
RESIDUAL = ResidualMLP(width=16, n_block=1)


@pytest.fixture(scope="module")
def model(make_samples: MakeSamples) -> SpectrumModel:
    trained = fit(
        make_samples(80),
        make_samples(40, seed=1),
        architecture=XASBlock(widths=(16,)),
        parameters=TrainingParameters(n_epochs=3),
        seeds=(0, 1, 2),
        card=Card(name="small", licence="CC0-1.0", split="by made-up material"),
        hardware=CPU,
    )
    return calibrate(trained, make_samples(120, seed=2))


def test_mean_and_spread_are_those_of_the_members(make_samples: MakeSamples, model: SpectrumModel) -> None:
    predicted = model.predict_samples(make_samples(5, seed=3))
    assert predicted.members.shape == (3, 5, 12)
    np.testing.assert_allclose(predicted.mean, predicted.members.mean(0))
    np.testing.assert_allclose(predicted.spread, predicted.members.std(0))
    assert (predicted.spread > 0).all()
    assert predicted.zeros.tolist() == [102.0] * 5


def test_many_rows_are_predicted_as_each_by_itself(make_samples: MakeSamples, model: SpectrumModel) -> None:
    samples = make_samples(2500, seed=4)
    many, few = model.predict_samples(samples), model.predict_samples(samples.select([0, 1023, 1024, 2499]))
    # Sums in another order; single precision.
    np.testing.assert_allclose(many.mean[[0, 1023, 1024, 2499]], few.mean, rtol=1e-5)


def test_what_a_model_was_not_made_for_is_refused(make_samples: MakeSamples, model: SpectrumModel) -> None:
    features = make_samples(2).features
    refusals: list[tuple[Callable[[], object], str]] = [
        (lambda: model.predict(features, ["Cu", "Ti"]), "trained on Cu K feff, not on Ti K feff"),
        (lambda: model.predict(features, ["Cu", "Cu"], edges=["K", "L3"]), "not on Cu L3 feff"),
        (
            lambda: model.predict(features, ["Cu"] * 2, encoder="other:6"),
            "features of made-up:6, got features of other:6",
        ),
        (lambda: model.predict(features[:, :5], ["Cu"] * 2), r"shape \(n, 6\), got \(2, 5\)"),
        (lambda: model.predict(features, ["Cu"]), "got 2 rows, 1 absorbers"),
        (lambda: model.predict(features * np.float32(np.nan), ["Cu"] * 2), "features of row 0 are not all finite"),
        (
            lambda: model.predict_samples(replace(make_samples(2), unit="1/bohr2")),
            "'Mbarn', the samples are in '1/bohr2'",
        ),
        (
            lambda: model.predict_samples(replace(make_samples(2), points=np.linspace(0, 11, 12))),
            "12 points from 0 to 10 eV, that of the samples 12 points from 0 to 11 eV",
        ),
        (lambda: model.predict_samples(replace(make_samples(2), zeros=np.full(2, 99.0))), "from 102.000 eV.*99.000"),
    ]
    for refused, message in refusals:
        with pytest.raises(InputError, match=message):
            refused()


def test_calibrated_bands_hold_on_new_samples(make_samples: MakeSamples, model: SpectrumModel) -> None:
    samples = make_samples(400, seed=5)
    predicted = model.predict_samples(samples)
    for level in (0.5, 0.8, 0.95):
        low, high = predicted.band(level)
        inside = ((samples.spectra >= low) & (samples.spectra <= high)).mean()
        # 120 calibration spectra: the standard deviation of one energy's share is 0.045 at most, of the mean less.
        assert inside == pytest.approx(level, abs=0.05)
    with pytest.raises(ParameterError, match=r"bands of 0.5, 0.8, 0.95, got 0.9"):
        predicted.band(0.9)


def test_a_single_member_and_few_samples_are_calibrated_over_all_energies(make_samples: MakeSamples) -> None:
    trained = fit(
        make_samples(80),
        make_samples(40, seed=1),
        architecture=RESIDUAL,
        parameters=TrainingParameters(n_epochs=3),
        hardware=CPU,
    )
    calibrated = calibrate(trained, make_samples(60, seed=2))
    assert calibrated.bands is not None
    assert np.ptp(calibrated.bands.factors, axis=1).tolist() == [0, 0, 0]
    samples = make_samples(300, seed=5)
    low, high = calibrated.predict_samples(samples).band(0.8)
    assert ((samples.spectra >= low) & (samples.spectra <= high)).mean() == pytest.approx(0.8, abs=0.05)
    with pytest.raises(InputError, match="calibrate it"):
        trained.predict_samples(samples).band(0.8)
    with pytest.raises(InputError, match="needs 19 calibration spectra or more, got 7"):
        calibrate(trained, make_samples(7, seed=2))


def test_the_band_of_a_normal_error_is_its_quantile() -> None:
    errors = np.random.default_rng(0).normal(size=(4000, 3))
    bands = Bands.of(errors, np.ones((4000, 3)), np.ones(4000))
    widths = bands.half_widths(np.ones((1, 3)), np.ones(1))[:, 0]
    # Quantiles of abs(normal); 4000 draws give them to about 0.03.
    np.testing.assert_allclose(widths, np.array([[0.6745], [1.2816], [1.9600]]) * np.ones(3), atol=0.1)


def test_a_saved_model_is_the_same_model(make_samples: MakeSamples, model: SpectrumModel, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "models" / "small")
    loaded = SpectrumModel.load(folder)
    features = make_samples(7, seed=3).features
    one, other = model.predict(features, ["Cu"] * 7), loaded.predict(features, ["Cu"] * 7)
    np.testing.assert_array_equal(one.members, other.members)
    np.testing.assert_array_equal(one.half_widths, other.half_widths)
    assert loaded.sha256 == model.sha256
    assert loaded.card == model.card
    assert loaded.domain is not None
    assert model.domain is not None
    np.testing.assert_array_equal(
        loaded.domain.check(features, ["Cu"] * 7).distances, model.domain.check(features, ["Cu"] * 7).distances
    )
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["small"]
    with pytest.raises(StoreError, match="is not empty"):
        model.save(folder)


def test_a_model_that_corrects_another_is_saved_with_it(make_samples: MakeSamples, tmp_path: Path) -> None:
    source = fit(
        make_samples(60),
        make_samples(30, seed=1),
        architecture=RESIDUAL,
        parameters=TrainingParameters(n_epochs=2),
        hardware=CPU,
    )
    train, validation = (make_samples(40, seed=seed, fidelity="vasp", height=2.0) for seed in (2, 3))
    correcting = fit(
        train,
        validation,
        architecture=RESIDUAL,
        parameters=TrainingParameters(n_epochs=2),
        hardware=CPU,
        delta=delta_of(source, train, fidelity="feff"),
    )
    assert correcting.card.lineage["parents"] == [source.sha256]
    loaded = SpectrumModel.load(correcting.save(tmp_path / "delta"))
    np.testing.assert_array_equal(loaded.predict_samples(validation).mean, correcting.predict_samples(validation).mean)
    assert set(files_of(tmp_path / "delta")) == {path for path in (tmp_path / "delta").rglob("*") if path.is_file()}
    (tmp_path / "delta" / "delta" / WEIGHTS).write_bytes(b"")
    with pytest.raises(CorruptStoreError, match="changed or cut off"):
        SpectrumModel.load(tmp_path / "delta")


@pytest.mark.parametrize("name", [WEIGHTS, CARD, "domain.safetensors"])
def test_a_changed_file_is_found_by_its_checksum(model: SpectrumModel, tmp_path: Path, name: str) -> None:
    folder = model.save(tmp_path / "small")
    content = bytearray((folder / name).read_bytes())
    content[-9] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(CorruptStoreError, match=f"{name} was changed or cut off: its sha256 is"):
        SpectrumModel.load(folder)


def test_a_changed_config_is_found(model: SpectrumModel, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "small")
    config = json.loads((folder / CONFIG).read_text())

    def with_config(**changes: object) -> None:
        (folder / CONFIG).write_text(json.dumps({**config, **changes}))

    for edited in ({"unit": "kilobarn"}, {"bands": {**config["bands"], "floor": 0.0}}, {"n_member": 7}):
        with_config(**edited)
        with pytest.raises(CorruptStoreError, match=r"config\.json was edited"):
            SpectrumModel.load(folder)
    # A folder from before configs had a checksum of their own.
    del config["config_sha256"]
    with_config()
    assert SpectrumModel.load(folder).sha256 == model.sha256
    with_config(unit="kilobarn")
    with pytest.raises(CorruptStoreError, match="not those that were saved together"):
        SpectrumModel.load(folder)
    for name in ("../outside", "/dev/zero"):
        with_config(files={**config["files"], name: "0" * 64})
        with pytest.raises(CorruptStoreError, match=f"lists '{name}', which is no file of a model"):
            SpectrumModel.load(folder)
    with_config(files=[])
    with pytest.raises(CorruptStoreError, match="has no files"):
        SpectrumModel.load(folder)
    with_config(channels=[["Cu", "K"]])
    with pytest.raises(CorruptStoreError, match="not absorber, edge and fidelity"):
        SpectrumModel.load(folder)
    with_config(format_version=99)
    with pytest.raises(SchemaVersionError, match="version 99, this Whiteline reads up to 1"):
        SpectrumModel.load(folder)
    with_config(format="other")
    with pytest.raises(InputError, match="not that of a spectrum model"):
        SpectrumModel.load(folder)
    (folder / CONFIG).write_text("{")
    with pytest.raises(CorruptStoreError, match="no JSON"):
        SpectrumModel.load(folder)
    with pytest.raises(InputError, match="there is no model in"):
        SpectrumModel.load(tmp_path)


def test_a_card_that_is_no_json_is_refused_and_leaves_nothing(model: SpectrumModel, tmp_path: Path) -> None:
    for value in (float("nan"), Path("a")):
        with pytest.raises(InputError, match="cannot be written as JSON"):
            model.with_card(replace(model.card, training={"value": value})).save(tmp_path / "models" / "small")
    assert list((tmp_path / "models").iterdir()) == []


def test_a_folder_that_another_process_fills_meanwhile_keeps_what_it_has(
    model: SpectrumModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def too_late(self: Path, target: Path) -> Path:
        target.mkdir()
        (target / "theirs").write_text("1")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", too_late)
    with pytest.raises(StoreError, match="cannot be written"):
        model.save(tmp_path / "small")
    assert [path.name for path in tmp_path.rglob("*")] == ["small", "theirs"]


def test_a_folder_of_the_first_format_still_loads(data: Path) -> None:
    folder = data / "models" / "format-1"
    model = SpectrumModel.load(folder)
    expected = json.loads((data / "models" / "format-1-expected.json").read_text(encoding="utf-8"))
    predicted = model.predict(
        np.array(expected["features"], dtype=np.float32), expected["absorbers"], fidelities=expected["fidelities"]
    )
    # Single precision, on another processor perhaps.
    np.testing.assert_allclose(predicted.mean, expected["mean"], rtol=1e-4)
    np.testing.assert_allclose(predicted.half_widths, expected["half_widths"], rtol=1e-3)
    assert model.domain is not None
    assert model.domain.check(np.array(expected["features"], dtype=np.float32), expected["absorbers"]).nearest == tuple(
        tuple(each) for each in expected["nearest"]
    )


def test_a_model_has_no_gradients(model: SpectrumModel) -> None:
    assert not any(weight.requires_grad for weight in model.network.parameters())
    assert all(isinstance(weight, torch.Tensor) for weight in model.weights.values())
