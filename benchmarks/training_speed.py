"""How fast training is beside the published recipe: samples a second, and time to the same validation error.

    WHITELINE_DATA=/path/to/data python benchmarks/training_speed.py [--encoder m3gnet:gc_3] [--n-samples N]

Copper K edge, FEFF: the table and the structures under omnixas, encoded with M3GNet (last block: the 64 features of the
publication), split by reduced formula into 80 % training and 20 % validation; nothing is tested here. One process, one
thread; on an idle machine about half an hour, of which the recipe takes most. `--n-samples` and `--max-epochs` make it
a short trial, which the results say of themselves; `--output` puts them elsewhere.

The recipe is that of arXiv:2409.19552 as its configuration has it: a LightningModule, a DataLoader with batches of 32,
Adam at 1e-3, mean square error, dropout 0.5, a look at the validation part every second epoch, and an end after 25
looks without a smaller error. Its loader gets no worker processes, which serves it best on one core; a few epochs are
timed with two of them as well, their processor time included. Targets are 1000 times the cross-section in square bohr,
as published; features come as they are, ours standardises them.

The same error is the smallest mean square error of the recipe on the validation part; ours learns to the mean square
error too here, so that its reports can be compared. Number of epochs and dropout of ours were chosen on that part, as
the recipe's end is. CPU time is what counts where other work runs beside.

Writes benchmarks/results/training_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from copper_samples import PUBLISHED_ENCODER, read_copper
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from whiteline.models.architectures import (
    PUBLISHED_WIDTHS,
    Architecture,
    ResidualBatchNorm,
    ResidualMLP,
    XASBlock,
)
from whiteline.models.samples import Samples
from whiteline.models.splits import split_samples
from whiteline.models.training import EpochReport, Hardware, TrainingParameters, fit

RESULTS = Path(__file__).parent / "results" / "training_speed.json"
WIDTHS = PUBLISHED_WIDTHS["Cu feff"]
SCALE = 1000.0  # the publication learns a thousand times the cross-section in square bohr
PUBLISHED_EPOCHS, PUBLISHED_PATIENCE, PUBLISHED_CHECK = 1000, 25, 2
RESIDUAL = ResidualMLP(dropout=0.3)
N_WORKERS, N_TIMED = 2, 10  # of the loader, and epochs timed with them


@dataclass
class Curve:
    """Validation error against time."""

    started_cpu: float = field(default_factory=time.process_time)
    started_wall: float = field(default_factory=time.perf_counter)
    rows: list[tuple[int, float, float, float]] = field(default_factory=list)

    def add(self, epoch: int, error: float) -> None:
        """Note an error at the present time."""
        cpu, wall = time.process_time() - self.started_cpu, time.perf_counter() - self.started_wall
        self.rows.append((epoch, cpu, wall, error))

    def until(self, error: float) -> dict[str, float] | None:
        """Return when an error was reached first."""
        for epoch, cpu, wall, found in self.rows:
            if found <= error:
                return {"epoch": epoch, "cpu_s": cpu, "wall_s": wall}
        return None

    def summary(self, n_train: int, n_member: int = 1) -> dict[str, Any]:
        """Return rates and the best error."""
        epoch, cpu, wall, _ = self.rows[-1]
        return {
            "n_epochs": epoch,
            "cpu_s": cpu,
            "wall_s": wall,
            "samples_per_cpu_s": epoch * n_train * n_member / cpu,
            "samples_per_wall_s": epoch * n_train * n_member / wall,
            "best_validation_mse": min(row[3] for row in self.rows),
        }


class PublishedModule(lightning.LightningModule):
    """The published network and how it learns."""

    def __init__(self, n_feature: int, n_energy: int, curve: Curve) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        widths = (n_feature, *WIDTHS)
        for n_in, n_out in zip(widths, WIDTHS, strict=False):
            layers += [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.SiLU(), nn.Dropout(0.5)]
        self.network = nn.Sequential(*layers, nn.Linear(WIDTHS[-1], n_energy), nn.Softplus())
        self.curve = curve

    def training_step(self, batch: list[Tensor]) -> Tensor:
        """Return the loss of a batch."""
        loss = nn.functional.mse_loss(self.network(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[Tensor]) -> None:
        """Note the error of a batch."""
        loss = nn.functional.mse_loss(self.network(batch[0]), batch[1])
        self.log("val_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch[0]))

    def on_validation_epoch_end(self) -> None:
        """Note the error of the part."""
        if not self.trainer.sanity_checking:
            self.curve.add(self.current_epoch + 1, float(self.trainer.callback_metrics["val_loss"]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def read_parts(data: Path, encoder: str, n_samples: int | None) -> tuple[Samples, Samples]:
    """Return training and validation part, encoded."""
    samples, _ = read_copper(data, encoder)
    if n_samples is not None:
        samples = samples.select(np.sort(np.random.default_rng(0).permutation(len(samples))[:n_samples]))
    train, validation, _ = split_samples(samples, fractions=(0.8, 0.2, 0.0)).parts(samples)
    return train, validation


def run_published(train: Samples, validation: Samples, max_epochs: int, n_workers: int = 0) -> Curve:
    """Return the curve of the published recipe."""
    lightning.seed_everything(0, verbose=False)
    sets = [
        TensorDataset(torch.from_numpy(part.features), torch.from_numpy((part.spectra * SCALE).astype(np.float32)))
        for part in (train, validation)
    ]
    curve = Curve()
    module = PublishedModule(train.features.shape[1], len(train.points), curve)
    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=max_epochs,
            check_val_every_n_epoch=PUBLISHED_CHECK,
            callbacks=[
                lightning.pytorch.callbacks.EarlyStopping("val_loss", patience=PUBLISHED_PATIENCE),
                lightning.pytorch.callbacks.ModelCheckpoint(folder, monitor="val_loss"),
            ],
            logger=lightning.pytorch.loggers.CSVLogger(folder),
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        own: dict[str, Any] = {"batch_size": 32, "num_workers": n_workers, "persistent_workers": n_workers > 0}
        trainer.fit(module, DataLoader(sets[0], shuffle=True, **own), DataLoader(sets[1], **own))
    return curve


def time_workers(train: Samples, validation: Samples) -> dict[str, Any]:
    """Return what some epochs of the published recipe cost with worker processes, these included."""
    before, started = os.times(), time.perf_counter()
    run_published(train, validation, N_TIMED, N_WORKERS)
    wall, after = time.perf_counter() - started, os.times()
    cpu = sum(after[:4]) - sum(before[:4])
    n_sample = N_TIMED * len(train)
    return {
        "n_epochs": N_TIMED,
        "n_workers": N_WORKERS,
        "samples_per_cpu_s": n_sample / cpu,
        "samples_per_wall_s": n_sample / wall,
    }


def run_ours(
    train: Samples,
    validation: Samples,
    *,
    architecture: Architecture,
    parameters: TrainingParameters,
    n_member: int = 1,
) -> Curve:
    """Return the curve of our loop; that of an ensemble is the mean over its members."""
    curve = Curve()

    def note(report: EpochReport) -> None:
        curve.add(report.epoch, float(np.mean(report.validation)))

    model = fit(
        train,
        validation,
        architecture=architecture,
        parameters=parameters,
        seeds=range(n_member),
        hardware=Hardware(accelerator="cpu"),
        on_epoch=note,
    )
    # Losses are in the scale of the network.
    square = (float(model.scaling.scales[0]) * SCALE) ** 2
    curve.rows = [(epoch, cpu, wall, error * square) for epoch, cpu, wall, error in curve.rows]
    return curve


def main() -> None:
    """Run all, write and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default=PUBLISHED_ENCODER, help="NAME or NAME:BLOCK,BLOCK")
    parser.add_argument("--n-samples", type=int, help="a short trial with some of the samples")
    parser.add_argument("--max-epochs", type=int, default=PUBLISHED_EPOCHS, help="of the published recipe")
    parser.add_argument("--epochs", type=int, nargs="+", default=[25, 50, 100], help="of ours, a run each")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="lightning")
    train, validation = read_parts(Path(os.environ["WHITELINE_DATA"]), options.encoder, options.n_samples)
    published = run_published(train, validation, options.max_epochs)
    target = min(row[3] for row in published.rows)
    common: dict[str, Any] = {"loss": "mse"}
    same_loop = TrainingParameters(
        n_epochs=min(10, options.max_epochs),
        batch_size=32,
        learning_rate=1e-3,
        schedule="constant",
        weight_decay=0,
        **common,
    )
    runs: dict[str, tuple[Architecture, TrainingParameters, int]] = {
        "same network, batch and optimiser, our loop": (XASBlock(widths=WIDTHS, dropout=0.5), same_loop, 1)
    }
    for n_epochs in options.epochs:
        ours = TrainingParameters(n_epochs=n_epochs, **common)
        runs[f"xas-block, our recipe, {n_epochs} epochs"] = (XASBlock(widths=WIDTHS), ours, 1)
        runs[f"residual-batch-norm, our recipe, {n_epochs} epochs"] = (ResidualBatchNorm(), ours, 1)
        runs[f"residual-mlp, our recipe, {n_epochs} epochs"] = (RESIDUAL, ours, 1)
    runs["residual-mlp, five members at once"] = (
        RESIDUAL,
        TrainingParameters(n_epochs=min(options.epochs), **common),
        5,
    )
    workers = time_workers(train, validation)
    rows = {"published recipe": {**published.summary(len(train)), "to_target": published.until(target)}}
    for name, (architecture, parameters, n_member) in runs.items():
        curve = run_ours(train, validation, architecture=architecture, parameters=parameters, n_member=n_member)
        rows[name] = {**curve.summary(len(train), n_member), "to_target": curve.until(target)}
        print(name, json.dumps(rows[name]))
    results = {
        "is_trial": options.n_samples is not None or options.max_epochs < PUBLISHED_EPOCHS,
        "n_train": len(train),
        "n_validation": len(validation),
        "encoder": train.encoder,
        "target_validation_mse": target,
        "published_with_workers": workers,
        "load_average": os.getloadavg()[0],
        "machine": platform.machine(),
        "torch": torch.__version__,
        "rows": rows,
    }
    options.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
