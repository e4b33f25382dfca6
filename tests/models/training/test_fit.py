"""Training gives the weights that its seeds, data and parameters decide, and nothing else."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from whiteline.errors import CalculationError, InputError, ParameterError, StoreError
from whiteline.models.architectures import Architecture, ResidualMLP, XASBlock
from whiteline.models.model import SpectrumModel
from whiteline.models.samples import Samples
from whiteline.models.training import EpochReport, Hardware, TrainingParameters, fit, loop
from whiteline.models.training.ranks import members_of_rank
from whiteline.models.training.schedule import learning_rate_at, loss_of_rows

CPU = Hardware(accelerator="cpu")
BLOCK = XASBlock(widths=(16, 12), dropout=0.2)
RESIDUAL = ResidualMLP(width=16, n_block=1, dropout=0.2)
SHORT = TrainingParameters(n_epochs=6, batch_size=16)
PAIRS = TrainingParameters(n_epochs=1, batch_size=2)

pytestmark = pytest.mark.usefixtures("one_thread")

MakeSamples = Callable[..., Samples]


def train(make: MakeSamples, architecture: Architecture = BLOCK, **changes: Any) -> SpectrumModel:
    settings: dict[str, Any] = {"parameters": SHORT, "hardware": CPU, **changes}
    return fit(make(48), make(24, seed=1), architecture=architecture, **settings)


@pytest.mark.parametrize("architecture", [BLOCK, RESIDUAL], ids=lambda a: a.NAME)
def test_a_member_of_an_ensemble_is_the_model_of_its_seed(
    make_samples: MakeSamples, architecture: Architecture
) -> None:
    both = train(make_samples, architecture, seeds=(3, 8))
    alone = train(make_samples, architecture, seeds=(8,))
    for name, weight in alone.weights.items():
        # 18 steps of Adam raise the rounding of sums in another order; single precision.
        torch.testing.assert_close(both.weights[name][1:], weight, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(next(iter(both.weights.values()))[0], next(iter(both.weights.values()))[1], atol=1e-3)


def test_the_same_seed_gives_the_same_bits(make_samples: MakeSamples) -> None:
    one, other = train(make_samples), train(make_samples)
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


@pytest.mark.parametrize("architecture", [BLOCK, RESIDUAL], ids=lambda a: a.NAME)
def test_a_model_learns(make_samples: MakeSamples, architecture: Architecture) -> None:
    validation = make_samples(64, seed=1)
    model = fit(
        make_samples(400),
        validation,
        architecture=architecture,
        parameters=TrainingParameters(n_epochs=30, batch_size=16, learning_rate=1e-2),
        hardware=CPU,
    )
    error = np.mean((model.predict_samples(validation).mean - validation.spectra) ** 2)
    # Four times better than the mean spectrum is far above chance, and reached with room.
    assert error < 0.25 * validation.spectra.var(0).mean()


def test_the_kept_weights_are_those_of_the_smallest_validation_loss(make_samples: MakeSamples) -> None:
    reports: list[EpochReport] = []
    parameters = TrainingParameters(n_epochs=12, batch_size=8, learning_rate=0.1, schedule="constant")
    model = train(make_samples, RESIDUAL, parameters=parameters, on_epoch=reports.append)
    losses = [report.validation[0] for report in reports]
    assert min(losses) < losses[-1]
    validation = make_samples(24, seed=1)
    channels = model.scaling.index(model.channels * 24)
    difference = (model.predict_samples(validation).mean - validation.spectra) / model.scaling.scales[channels, None]
    assert np.sqrt(np.mean(difference**2, axis=1)).mean() == pytest.approx(min(losses), rel=1e-4)
    assert model.card.metrics["validation_loss"] == pytest.approx(min(losses), rel=1e-6)


def test_a_member_stops_when_its_patience_is_at_an_end(make_samples: MakeSamples) -> None:
    reports: list[EpochReport] = []
    parameters = TrainingParameters(n_epochs=200, batch_size=8, learning_rate=0.1, schedule="constant", patience=3)
    train(make_samples, RESIDUAL, parameters=parameters, seeds=(0, 1), on_epoch=reports.append)
    ends, later = [], []
    for i_member in range(2):
        losses = np.array([report.validation[i_member] for report in reports])
        best = np.array([report.best[i_member] for report in reports])
        ends.append(int(np.flatnonzero(best == best[-1])[0]) + 1 + 3)
        assert best[-1] == losses[: ends[-1]].min()
        later += [loss < best[-1] for loss in losses[ends[-1] :]]
    assert reports[-1].n_stopped == 2
    assert len(reports) == max(ends) < 200
    # One goes on, for the other's sake, to losses that would be better and do not count any more.
    assert any(later)


def test_several_absorbers_and_fidelities_share_a_model(make_samples: MakeSamples) -> None:
    parts = [
        Samples.join(
            [
                make_samples(40, seed=seed),
                make_samples(40, seed=seed, fidelity="vasp", height=3.0),
                make_samples(40, seed=seed, absorber="Ti"),
            ]
        )
        for seed in (0, 1)
    ]
    model = fit(parts[0], parts[1], architecture=RESIDUAL, parameters=SHORT, hardware=CPU)
    assert [str(channel) for channel in model.channels] == ["Cu K feff", "Cu K vasp", "Ti K feff"]
    features = parts[1].features[:5]
    feff = model.predict(features, ["Cu"] * 5, fidelities=["feff"] * 5)
    vasp = model.predict(features, ["Cu"] * 5, fidelities=["vasp"] * 5)
    assert vasp.mean.mean() == pytest.approx(3 * feff.mean.mean(), rel=0.1)
    with pytest.raises(InputError, match="several fidelities: name one a site of feff, vasp"):
        model.predict(features, ["Cu"] * 5)


def test_a_material_in_both_parts_is_warned_of(make_samples: MakeSamples, caplog: pytest.LogCaptureFixture) -> None:
    samples = make_samples(40)
    # Sites 2 i and 2 i + 1 are of one material.
    fit(samples.select(range(19)), samples.select(range(19, 40)), architecture=RESIDUAL, parameters=PAIRS, hardware=CPU)
    assert "1 material(s) are in both parts, such as m-Cu-0-9" in caplog.text
    caplog.clear()
    fit(samples.select(range(20)), samples.select(range(20, 40)), architecture=RESIDUAL, parameters=PAIRS, hardware=CPU)
    assert not caplog.text


def test_the_time_on_the_card_is_of_all_epochs(make_samples: MakeSamples, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    train_epoch = loop.TrainingRun._train_epoch

    def tick(*arguments: Any) -> Any:
        clock[0] += 1
        return train_epoch(*arguments)

    monkeypatch.setattr(loop.TrainingRun, "_train_epoch", tick)
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    reports: list[EpochReport] = []
    parameters = SHORT.model_copy(update={"n_epochs": 7, "validate_every": 3})
    model = train(make_samples, parameters=parameters, on_epoch=reports.append)
    assert [(report.epoch, report.seconds) for report in reports] == [(3, 3), (6, 3), (7, 1)]
    assert model.card.training["seconds"] == 7


def test_the_card_says_what_the_model_was_made_from(make_samples: MakeSamples) -> None:
    card = train(make_samples).card
    assert card.data["train"]["channels"] == {"Cu K feff": 48}
    assert card.data["validation"]["n_materials"] == 12
    assert len(card.data["train"]["sha256"]) == 64
    assert card.lineage == {"parents": [], "data": ["made-up-0"], "encoder": "made-up:6"}
    assert card.training["parameters"]["n_epochs"] == 6


def test_the_log_has_a_row_an_epoch_and_an_event_file(make_samples: MakeSamples, tmp_path: Path) -> None:
    reports: list[EpochReport] = []
    train(make_samples, seeds=(0, 5), log=tmp_path / "log", on_epoch=reports.append)
    with (tmp_path / "log" / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert float(rows[-1]["validation/5"]) == pytest.approx(reports[-1].validation[1])
    assert any(path.name.startswith("events.out.tfevents") for path in (tmp_path / "log").iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot log to"):
        train(make_samples, log=tmp_path / "file" / "log")


def test_mixed_precision_learns_nearly_the_same(make_samples: MakeSamples) -> None:
    losses = [
        train(make_samples, RESIDUAL, hardware=replace(CPU, precision=precision)).card.metrics["validation_loss"]
        for precision in ("32-true", "bf16-mixed")
    ]
    assert losses[0] != losses[1]
    # bfloat16 has 8 bits.
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


@pytest.mark.timeout(300)
def test_two_devices_train_what_one_does(make_samples: MakeSamples) -> None:
    one = train(make_samples, seeds=(0, 1, 2))
    two = train(make_samples, seeds=(0, 1, 2), hardware=replace(CPU, n_devices=2))
    for name, weight in one.weights.items():
        # As for members of an ensemble: sums in another order.
        torch.testing.assert_close(two.weights[name], weight, rtol=1e-4, atol=1e-5)


def test_devices_share_the_members_evenly() -> None:
    for n_member in range(1, 9):
        for n_rank in range(1, n_member + 1):
            shares = [members_of_rank(n_member, rank=rank, n_rank=n_rank) for rank in range(n_rank)]
            assert [i for share in shares for i in share] == list(range(n_member))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_one_cycle_rises_and_falls_without_a_jump() -> None:
    parameters = TrainingParameters(learning_rate=0.01)
    rates = np.array([learning_rate_at(i, 1000, parameters) for i in range(1000)])
    assert rates[0] == pytest.approx(0.01 / 25)
    assert rates.max() == pytest.approx(0.01, rel=1e-4)
    assert rates[-1] == pytest.approx(1e-7)
    assert np.abs(np.diff(rates)).max() < 0.01 * 0.006  # π/2 over the 300 steps of the rise
    assert learning_rate_at(0, 1, parameters) == pytest.approx(0.01 / 25)


def test_a_spectrum_met_exactly_has_a_finite_slope() -> None:
    predicted = torch.ones(1, 1, 4, requires_grad=True)
    loss = loss_of_rows(predicted, torch.ones(1, 1, 4), "rmse").sum()
    (slope,) = torch.autograd.grad(loss, predicted)
    assert torch.equal(slope, torch.zeros(1, 1, 4))


def test_a_loss_that_is_not_finite_ends_the_training(make_samples: MakeSamples) -> None:
    parameters = TrainingParameters(n_epochs=50, batch_size=8, learning_rate=1e30, schedule="constant", loss="mse")
    with pytest.raises(CalculationError, match=r"seed 4 is (nan|inf) in epoch 1: take a smaller learning_rate"):
        train(make_samples, RESIDUAL, parameters=parameters, seeds=(4,))


def test_what_does_not_fit_together_is_refused(make_samples: MakeSamples) -> None:
    good, validation = make_samples(20), make_samples(10, seed=1)

    def refused(error: type[Exception], message: str, part: Samples = good, **changes: Any) -> None:
        settings: dict[str, Any] = {"architecture": BLOCK, "parameters": SHORT, "hardware": CPU, **changes}
        with pytest.raises(error, match=message):
            fit(part, settings.pop("validation", validation), **settings)

    refused(InputError, "differ in encoder: 'other' and 'made-up:6'", make_samples(20, encoder="other"))
    refused(InputError, "validation part is empty", validation=validation.select(np.zeros(10, dtype=bool)))
    refused(InputError, r"10 sample\(s\) are in both parts", validation=good.select(np.arange(10)))
    refused(InputError, "has spectra of Cu K feff and the training part has none", make_samples(20, absorber="Ti"))
    refused(InputError, "different grids", validation=replace(validation, points=validation.points + 1))
    refused(ParameterError, "one seed a member", seeds=(1, 1))
    refused(ParameterError, "2 devices for 1 member", hardware=replace(CPU, n_devices=2))
    refused(ParameterError, "3 samples in batches of 2 leave one", good.select([0, 1, 2]), parameters=PAIRS)
    refused(ParameterError, "give start", parameters=TrainingParameters(n_frozen=1))
    start = train(make_samples)
    refused(ParameterError, "give the architecture of the start", architecture=RESIDUAL, start=start)
    shifted = [replace(part, points=part.points + 1) for part in (good, validation)]
    refused(
        InputError,
        "from 0 to 10 eV, that of the samples 12 points from 1 to",
        shifted[0],
        validation=shifted[1],
        start=start,
    )
    other = [replace(part, unit="1/bohr2") for part in (good, validation)]
    refused(InputError, "predicts in 'Mbarn'", other[0], validation=other[1], start=start)
    refused(ParameterError, "leave one to learn", start=start, parameters=TrainingParameters(n_frozen=3))
    with pytest.raises(ParameterError, match="did you mean 'cuda'"):
        Hardware(accelerator="cud")


def test_a_training_goes_on_from_a_model(make_samples: MakeSamples) -> None:
    start = train(make_samples, seeds=(0, 1))
    frozen = train(make_samples, start=start, parameters=TrainingParameters(n_epochs=1, n_frozen=2), seeds=(0, 1, 2))
    for name, weight in frozen.weights.items():
        is_same = torch.equal(weight, start.weights[name][[0, 1, 0]])
        assert is_same == (not name.startswith("stages.2")), name
    assert frozen.card.lineage["parents"] == [start.sha256]


def test_what_a_model_does_not_know_begins_as_the_mean_of_what_it_knows(make_samples: MakeSamples) -> None:
    both = [Samples.join([make_samples(30, seed=i), make_samples(30, seed=i, absorber="Ti")]) for i in (0, 1)]
    universal = fit(both[0], both[1], architecture=RESIDUAL, parameters=SHORT, hardware=CPU)
    tuned = fit(
        make_samples(30, absorber="V"),
        make_samples(20, absorber="V", seed=1),
        architecture=RESIDUAL,
        parameters=TrainingParameters(n_epochs=1, n_frozen=2),
        start=universal,
        hardware=CPU,
    )
    assert tuned.conditions.subjects == ("Cu K", "Ti K", "V K")
    table = tuned.weights["embedding.tables.0"]
    torch.testing.assert_close(table[:, 2], universal.weights["embedding.tables.0"].mean(1))
    assert [str(channel) for channel in tuned.channels] == ["V K feff"]
