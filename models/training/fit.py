"""From samples to a model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from whiteline.errors import InputError, ParameterError
from whiteline.models.architectures import Architecture
from whiteline.models.card import Card
from whiteline.models.domain import Domain
from whiteline.models.model import Delta, SpectrumModel
from whiteline.models.samples import Samples
from whiteline.models.scaling import Conditions, Scaling, channels_of
from whiteline.models.training.data import check_parts, sha256_of
from whiteline.models.training.loop import EpochReport
from whiteline.models.training.parameters import Hardware, TrainingParameters
from whiteline.models.training.ranks import Task, train_members
from whiteline.models.training.start import start_weights

__all__ = ["fit"]


def fit(
    train: Samples,
    validation: Samples,
    *,
    architecture: Architecture,
    parameters: TrainingParameters | None = None,
    seeds: Sequence[int] = (0,),
    start: SpectrumModel | None = None,
    delta: Delta | None = None,
    card: Card | None = None,
    hardware: Hardware | None = None,
    checkpoint: Path | None = None,
    checkpoint_every: int = 1,
    log: Path | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> SpectrumModel:
    """Return the model with the smallest validation loss of each member.

    Member k of an ensemble is the model that its seed gives alone, to rounding.

    Args:
        train: What is learned from.
        validation: What chooses the epoch; materials that are also in `train` make it choose badly.
        architecture: Hyper-parameters of the network.
        parameters: Hyper-parameters of the training.
        seeds: One a member.
        start: A model whose weights and scaling of features are the beginning, member k of its members modulo their
            number; absorbers and fidelities that it does not know begin as the mean of those it knows.
        delta: Learn the difference from the predictions of another model.
        card: Name, licence, split and so on of the model to come; data, training and lineage are filled in.
        hardware: Where to train.
        checkpoint: File that is written on the way and gone on from; on a CPU a resumed training ends with the same
            bits. With several devices each writes its own beside it.
        checkpoint_every: Epochs between two writings.
        log: Folder for `metrics.csv` and TensorBoard's event file.
        on_epoch: Called after each epoch that looked at the validation part.

    Raises:
        InputError: The parts do not belong together, or do not fit `start`; or the checkpoint is of another training.
        ParameterError: Architecture and `start`, `delta` or the size of a batch do not fit.
        CalculationError: A loss is not finite, or the device has too little memory.
    """
    parameters, hardware = parameters or TrainingParameters(), hardware or Hardware()
    check_parts(train, validation)
    _check_request(train, architecture, parameters, seeds, start, delta)
    bases = [delta.predict(part.features, channels_of(part)) if delta else None for part in (train, validation)]
    learned = train.spectra if bases[0] is None else train.spectra - bases[0]
    scaling = Scaling.of(
        train, learned, is_positive=architecture.IS_POSITIVE, like=start.scaling if start is not None else None
    )
    conditions = Conditions.of(scaling, like=start.conditions if start is not None else None)
    if start is not None and not start.sizes.is_conditional:
        # Nothing to tell apart before, and nothing after: a model of one channel becomes one of another.
        conditions = Conditions.of(scaling)
    model = SpectrumModel(
        architecture=architecture,
        weights={},
        scaling=scaling,
        conditions=conditions,
        points=train.points,
        unit=train.unit,
        encoder=train.encoder,
        delta=delta,
    )
    if start is not None and not start.sizes.is_conditional and model.sizes.is_conditional:
        raise InputError(
            f"a model of {start.channels[0]} alone cannot go on with {', '.join(map(str, scaling.channels))}: "
            "start from one of several absorbers or fidelities, or train from scratch"
        )
    task = Task(
        train=train,
        validation=validation,
        bases=(bases[0], bases[1]),
        architecture=architecture,
        parameters=parameters,
        sizes=model.sizes,
        scaling=scaling,
        conditions=conditions,
        identity={
            "architecture": architecture.to_dict(),
            "parameters": parameters.to_dict(),
            "training_data": sha256_of(train),
            "validation_data": sha256_of(validation),
            "start": None if start is None else start.sha256,
            "delta": None if delta is None else _identity_of(delta),
            "precision": hardware.precision,
        },
        start=None if start is None else start_weights(start, model.sizes, n_member=len(seeds)),
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
    )
    trained = train_members(task, seeds, hardware=hardware, log=log, on_epoch=on_epoch)
    return replace(
        model,
        weights={name: torch.from_numpy(array) for name, array in trained.weights.items()},
        domain=Domain.of(train, validation),
        card=_card(card or Card(), task, seeds, trained.history, trained.best_losses, hardware, start, delta),
    )


def _check_request(
    train: Samples,
    architecture: Architecture,
    parameters: TrainingParameters,
    seeds: Sequence[int],
    start: SpectrumModel | None,
    delta: Delta | None,
) -> None:
    if not seeds or len(set(seeds)) != len(seeds):
        raise ParameterError(f"an ensemble has one seed a member, each another one, got {list(seeds)}")
    if parameters.n_frozen and start is None:
        raise ParameterError("stages can be frozen where a training starts from a model: give start, or n_frozen=0")
    if len(train) < 2:
        raise InputError(f"the training part has {len(train)} sample: a model needs 2 or more")
    if delta is not None and architecture.IS_POSITIVE:
        raise ParameterError(f"{architecture.NAME} has a positive output and cannot learn a difference: take another")
    n_batch = math.ceil(len(train) / parameters.batch_size)
    if architecture.MIXES_ROWS and len(train) // n_batch < 2:
        raise ParameterError(
            f"{architecture.NAME} normalises over the rows of a batch, and {len(train)} samples in batches of "
            f"{parameters.batch_size} leave one with a single row: take a larger batch_size"
        )
    if start is None:
        return
    if start.architecture != architecture:
        raise ParameterError(
            f"the training starts from {start.architecture.to_dict()} and is to go on as {architecture.to_dict()}: "
            "give the architecture of the start"
        )
    start.check_encoder(train.encoder)
    if len(train.points) != len(start.points) or train.features.shape[1] != len(start.scaling.feature_mean):
        raise InputError(
            f"the model to start from has {len(start.scaling.feature_mean)} features and {len(start.points)} energies,"
            f" the samples have {train.features.shape[1]} and {len(train.points)}: make them alike"
        )
    start.check_grid(train)
    if set(start.channels) & set(channels_of(train)):
        # Their scale is kept; that of a new channel is its own, in whatever unit.
        start.check_samples(train)


def _identity_of(delta: Delta) -> dict[str, Any]:
    slopes = {str(channel): slope for channel, slope in delta.slopes.items()}
    return {"source": delta.source.sha256, "fidelity": delta.fidelity, "slopes": slopes}


def _card(
    card: Card,
    task: Task,
    seeds: Sequence[int],
    history: Sequence[Mapping[str, Any]],
    best_losses: Sequence[float],
    hardware: Hardware,
    start: SpectrumModel | None,
    delta: Delta | None,
) -> Card:
    parents = [each.sha256 for each in (start, None if delta is None else delta.source) if each is not None]
    return replace(
        card,
        data={
            "train": _manifest(task.train, task.identity["training_data"]),
            "validation": _manifest(task.validation, task.identity["validation_data"]),
        },
        training={
            "parameters": task.parameters.to_dict(),
            "seeds": list(seeds),
            "n_epochs_run": max((int(row["epoch"]) for row in history), default=0),
            "seconds": float(sum(row["seconds"] for row in history)),
            "accelerator": hardware.accelerator,
            "n_devices": hardware.n_devices,
            "precision": hardware.precision,
            "torch": torch.__version__,
        },
        metrics={**card.metrics, "validation_loss": float(np.mean(best_losses))},
        lineage={
            **card.lineage,
            "parents": [*dict.fromkeys([*card.lineage.get("parents", []), *parents])],
            "data": [task.train.source] if task.train.source else [],
            "encoder": task.train.encoder,
        },
    )


def _manifest(samples: Samples, content: str) -> dict[str, Any]:
    return {
        "source": samples.source,
        "sha256": content,
        "n_spectra": len(samples),
        "n_materials": len(set(samples.materials)),
        "channels": dict(sorted(Counter(str(channel) for channel in channels_of(samples)).items())),
    }
