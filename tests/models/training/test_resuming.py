"""A training that was ended at any moment goes on to the same bits."""

from __future__ import annotations

import csv
import multiprocessing
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from whiteline.errors import CorruptStoreError, InputError
from whiteline.models.architectures import ResidualMLP, XASBlock
from whiteline.models.model import SpectrumModel
from whiteline.models.samples import Samples
from whiteline.models.training import EpochReport, Hardware, TrainingParameters, fit

pytestmark = pytest.mark.usefixtures("one_thread")

MakeSamples = Callable[..., Samples]
CPU = Hardware(accelerator="cpu")
BLOCK = XASBlock(widths=(16, 12), dropout=0.2)
PARAMETERS = TrainingParameters(n_epochs=8, batch_size=16, patience=6)
# Long enough that it is not done when the third kill comes.
LONG = TrainingParameters(n_epochs=150, batch_size=16)


class EndedError(Exception):
    """Stands for Ctrl-C."""


def train(make: MakeSamples, checkpoint: Path | None, **changes: Any) -> SpectrumModel:
    settings: dict[str, Any] = {"architecture": BLOCK, "parameters": PARAMETERS, "seeds": (0, 1), "hardware": CPU}
    return fit(make(48), make(24, seed=1), checkpoint=checkpoint, **{**settings, **changes})


@pytest.mark.parametrize("last_epoch", [1, 4, 8])
@pytest.mark.parametrize("checkpoint_every", [1, 3])
def test_a_training_ended_after_an_epoch_goes_on_to_the_same_bits(
    make_samples: MakeSamples, tmp_path: Path, last_epoch: int, checkpoint_every: int
) -> None:
    def end(report: EpochReport) -> None:
        if report.epoch == last_epoch:
            raise EndedError

    checkpoint = tmp_path / "run.safetensors"
    every: dict[str, Any] = {"checkpoint_every": checkpoint_every}
    with pytest.raises(EndedError):
        train(make_samples, checkpoint, on_epoch=end, **every)
    epochs: list[int] = []
    resumed = train(make_samples, checkpoint, on_epoch=lambda report: epochs.append(report.epoch), **every)
    straight = train(make_samples, None)
    done = last_epoch if last_epoch == 8 else last_epoch - last_epoch % checkpoint_every
    assert epochs == list(range(done + 1, 9))
    assert resumed.sha256 == straight.sha256
    assert all(torch.equal(resumed.weights[name], straight.weights[name]) for name in straight.weights)
    assert resumed.card.metrics == straight.card.metrics


@pytest.mark.parametrize("checkpoint_every", [1, 3])
def test_a_resumed_training_has_one_row_an_epoch_in_its_log(
    make_samples: MakeSamples, tmp_path: Path, checkpoint_every: int
) -> None:
    def end(report: EpochReport) -> None:
        if report.epoch == 4:
            raise EndedError

    settings: dict[str, Any] = {"log": tmp_path / "log", "checkpoint_every": checkpoint_every}
    with pytest.raises(EndedError):
        train(make_samples, tmp_path / "run.safetensors", on_epoch=end, **settings)
    train(make_samples, tmp_path / "run.safetensors", **settings)
    train(make_samples, None, log=tmp_path / "straight")
    names = ("log", "straight")
    resumed, straight = ((tmp_path / name / "metrics.csv").read_text(encoding="utf-8") for name in names)
    rows = [list(csv.DictReader(text.splitlines())) for text in (resumed, straight)]
    assert [row["step"] for row in rows[0]] == [str(epoch) for epoch in range(1, 9)]
    assert [row["validation/1"] for row in rows[0]] == [row["validation/1"] for row in rows[1]]


def train_in_child(make: MakeSamples, checkpoint: Path) -> None:
    train(make, checkpoint, parameters=LONG)


def test_a_training_killed_in_the_middle_of_anything_goes_on_to_the_same_bits(
    make_samples: MakeSamples, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "run.safetensors"
    n_killed = 0
    for wait in (0.0, 0.003, 0.011):
        child = multiprocessing.get_context("fork").Process(target=train_in_child, args=(make_samples, checkpoint))
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        child.start()
        while child.is_alive() and (not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before):
            time.sleep(0.002)
        time.sleep(wait)
        child.kill()
        child.join()
        n_killed += child.exitcode == -signal.SIGKILL
    assert n_killed == 3
    assert train(make_samples, checkpoint, parameters=LONG).sha256 == train(make_samples, None, parameters=LONG).sha256


def test_a_checkpoint_of_another_training_is_refused_and_both_are_named(
    make_samples: MakeSamples, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "run.safetensors"
    train(make_samples, checkpoint)
    with pytest.raises(InputError, match=r"its architecture is .*xas-block.*that of this one .*residual-mlp"):
        train(make_samples, checkpoint, architecture=ResidualMLP(width=8))
    with pytest.raises(InputError, match=r"its seeds is \[0, 1\], that of this one \[0, 2\]"):
        train(make_samples, checkpoint, seeds=(0, 2))
    with pytest.raises(InputError, match=r"its precision is 32-true, that of this one bf16-mixed"):
        train(make_samples, checkpoint, hardware=replace(CPU, precision="bf16-mixed"))
    with pytest.raises(InputError, match=r"its training data is [0-9a-f]{64}, that of this one [0-9a-f]{64}"):
        fit(
            make_samples(50),
            make_samples(24, seed=1),
            architecture=BLOCK,
            parameters=PARAMETERS,
            seeds=(0, 1),
            hardware=CPU,
            checkpoint=checkpoint,
        )


def test_a_damaged_checkpoint_is_named(make_samples: MakeSamples, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.safetensors"
    train(make_samples, checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(CorruptStoreError, match=r"is damaged .* delete it to train from the beginning"):
        train(make_samples, checkpoint)


def test_each_device_has_a_checkpoint_of_its_own(make_samples: MakeSamples, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.safetensors"
    train(make_samples, checkpoint, hardware=replace(CPU, n_devices=2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run-0.safetensors", "run-1.safetensors"]
