"""The members of an ensemble divided over devices: each process trains its own, the first gathers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from whiteline.errors import CalculationError, MissingDependencyError, ParameterError
from whiteline.models.architectures import Architecture, NetworkSizes
from whiteline.models.samples import Samples
from whiteline.models.scaling import Conditions, Scaling
from whiteline.models.training.data import Part
from whiteline.models.training.logs import EpochLog
from whiteline.models.training.loop import EpochReport, TrainingRun
from whiteline.models.training.parameters import Hardware, TrainingParameters

if TYPE_CHECKING:
    from lightning.fabric import Fabric

__all__ = ["Task", "Trained", "members_of_rank", "train_members"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """Everything but the seeds; it travels to each process.

    Attributes:
        train: The training part.
        validation: The validation part.
        bases: Spectra that differences are learned from, of both parts.
        architecture: Of the network.
        parameters: Of the training.
        sizes: Of the network.
        scaling: Of features and spectra.
        conditions: What the network tells apart.
        identity: What a checkpoint must be of.
        start: First weights of all members, if they are not drawn.
        checkpoint: File to write and to go on from.
        checkpoint_every: Epochs between two writings.
    """

    train: Samples
    validation: Samples
    bases: tuple[Float[Array, "sample energy"] | None, Float[Array, "sample energy"] | None]
    architecture: Architecture
    parameters: TrainingParameters
    sizes: NetworkSizes
    scaling: Scaling
    conditions: Conditions
    identity: Mapping[str, Any]
    start: Mapping[str, Tensor] | None
    checkpoint: Path | None
    checkpoint_every: int


class Trained(NamedTuple):
    """What comes out, members in the order of their seeds.

    Attributes:
        weights: Arrays by name: tensors would cross processes as files that end with their process.
        best_losses: Smallest validation loss of each member.
        history: A row an epoch, of the members of the first device.
    """

    weights: dict[str, Any]
    best_losses: tuple[float, ...]
    history: list[dict[str, Any]]


def members_of_rank(n_member: int, *, rank: int, n_rank: int) -> range:
    """Return which members a device trains: neighbours, and no device more than one above another.

    >>> [list(members_of_rank(5, rank=rank, n_rank=2)) for rank in range(2)]
    [[0, 1, 2], [3, 4]]
    """
    share, rest = divmod(n_member, n_rank)
    begin = rank * share + min(rank, rest)
    return range(begin, begin + share + (rank < rest))


def train_members(
    task: Task,
    seeds: Sequence[int],
    *,
    hardware: Hardware,
    log: Path | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> Trained:
    """Return all members, trained; on several devices in one process each.

    Raises:
        ParameterError: There are more devices than members, or the device is not there.
        CalculationError: A loss is not finite, or the device has too little memory.
    """
    try:
        from lightning.fabric import Fabric
        from lightning.fabric.plugins.environments import LightningEnvironment
        from lightning.fabric.utilities.exceptions import MisconfigurationException
    except ImportError as error:
        raise MissingDependencyError("training needs Lightning: `pip install 'whiteline[learn]'`") from error
    if hardware.n_devices > len(seeds):
        raise ParameterError(
            f"the members of an ensemble are divided over devices, got {hardware.n_devices} devices for {len(seeds)} "
            "member(s): give as many seeds as devices, or fewer devices"
        )
    try:
        fabric = Fabric(
            accelerator=hardware.accelerator,
            devices=hardware.n_devices,
            strategy=_strategy(hardware),
            precision=hardware.precision,
            # Inside a SLURM job Lightning would expect one SLURM task a device.
            plugins=[LightningEnvironment()],
        )
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        raise ParameterError(
            f"{hardware.n_devices} device(s) of {hardware.accelerator!r} cannot be used: {error}"
        ) from error
    if hardware.n_devices == 1:
        return Trained(*_train_rank(fabric, task, tuple(seeds), log, on_epoch))
    # A callback cannot cross into other processes; their log can be followed instead.
    work = partial(_train_rank, task=task, seeds=tuple(seeds), log=log, on_epoch=None)
    return Trained(*fabric.launch(work))


def _strategy(hardware: Hardware) -> str:
    """Return how processes start: never by running the program of the caller over again, which a library must not."""
    if hardware.n_devices == 1:
        return "auto"
    # A process that has used CUDA cannot be forked; on CPUs forking saves the seconds of importing everything anew.
    return "ddp_fork" if hardware.accelerator == "cpu" else "ddp_spawn"


def _train_rank(
    fabric: Fabric,
    task: Task,
    seeds: tuple[int, ...],
    log: Path | None,
    on_epoch: Callable[[EpochReport], None] | None,
) -> Trained:
    """Return all members on every rank, after training those of this one."""
    mine = members_of_rank(len(seeds), rank=fabric.global_rank, n_rank=fabric.world_size)
    my_seeds = [seeds[i_member] for i_member in mine]
    network = task.architecture.build(task.sizes, my_seeds)
    if task.start is not None:
        network.load_state_dict({name: tensor[list(mine)] for name, tensor in task.start.items()})
    if task.parameters.n_frozen >= len(network.stages):
        raise ParameterError(
            f"the network has {len(network.stages)} stages, of which {task.parameters.n_frozen} are to be frozen: "
            "leave one to learn"
        )
    run = TrainingRun(
        network,
        task.architecture,
        task.parameters,
        my_seeds,
        fabric,
        # Random numbers of a processor do not go on on a GPU.
        {**task.identity, "seeds": my_seeds, "device": fabric.device.type},
    )
    parts = [
        Part.of(part, scaling=task.scaling, conditions=task.conditions, device=fabric.device, base=base)
        for part, base in zip((task.train, task.validation), task.bases, strict=True)
    ]
    checkpoint = task.checkpoint
    if checkpoint is not None and fabric.world_size > 1:
        checkpoint = checkpoint.with_name(f"{checkpoint.stem}-{fabric.global_rank}{checkpoint.suffix}")
    with EpochLog(log if fabric.global_rank == 0 else None, my_seeds) as written:

        def report(epoch: EpochReport) -> None:
            written.write(run.history)
            if on_epoch is not None:
                on_epoch(epoch)

        run.run(parts[0], parts[1], checkpoint=checkpoint, checkpoint_every=task.checkpoint_every, on_epoch=report)
    if not all(np.isfinite(run.best_losses)):
        raise CalculationError("no epoch gave a finite validation loss: look at the data and the learning rate")
    mine_trained = Trained(
        weights={n: t.numpy() for n, t in run.best.items()}, best_losses=run.best_losses, history=run.history
    )
    return mine_trained if fabric.world_size == 1 else _gather(mine_trained, fabric.world_size)


def _gather(mine: Trained, n_rank: int) -> Trained:
    found: list[Trained | None] = [None] * n_rank
    torch.distributed.all_gather_object(found, mine)
    parts = [part for part in found if part is not None]
    return Trained(
        weights={name: np.concatenate([part.weights[name] for part in parts]) for name in mine.weights},
        best_losses=tuple(loss for part in parts for loss in part.best_losses),
        history=parts[0].history,
    )
