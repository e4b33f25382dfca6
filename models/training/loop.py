"""The training loop: all members step together, data stay on the device, and nothing waits within an epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from whiteline.errors import CalculationError
from whiteline.models.architectures.base import Architecture, Network
from whiteline.models.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from whiteline.models.training.data import Part
from whiteline.models.training.parameters import TrainingParameters
from whiteline.models.training.schedule import learning_rate_at
from whiteline.models.training.steps import VALIDATION_ROWS, Pieces, backward_batch, validation_loss

__all__ = ["EpochReport", "Runtime", "TrainingRun"]


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """What is known after an epoch.

    Attributes:
        epoch: Number of epochs done.
        train: Loss of each member over the epoch, while it learned.
        validation: Loss of each member on the validation part, best losses in `best`.
        best: Smallest validation loss so far of each member.
        learning_rate: That of the last step.
        n_stopped: Members that have stopped.
        seconds: Wall time since the report before [s].
    """

    epoch: int
    train: tuple[float, ...]
    validation: tuple[float, ...]
    best: tuple[float, ...]
    learning_rate: float
    n_stopped: int
    seconds: float


class Runtime(Protocol):
    """What the loop needs of `lightning.fabric.Fabric`."""

    @property
    def device(self) -> torch.device:
        """Where tensors live."""

    def autocast(self) -> Any:
        """Return the context of mixed precision."""

    def backward(self, tensor: Tensor) -> None:
        """Take a loss to gradients."""


@dataclass
class TrainingRun:
    """Members in training, from the first epoch or a checkpoint to the last.

    Attributes:
        network: The members.
        architecture: What they are built by.
        parameters: How they are trained.
        seeds: One a member.
        fabric: Device and precision.
        identity: What a checkpoint must be of to go on from.
    """

    network: Network
    architecture: Architecture
    parameters: TrainingParameters
    seeds: Sequence[int]
    fabric: Runtime
    identity: Mapping[str, Any]
    epoch: int = field(default=0, init=False)
    history: list[dict[str, Any]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        device = self.fabric.device
        self.network.to(device)
        self.network.freeze(self.parameters.n_frozen)
        self._optimiser = torch.optim.AdamW(
            [weight for weight in self.network.parameters() if weight.requires_grad],
            lr=self.parameters.learning_rate,
            weight_decay=self.parameters.weight_decay,
            fused=True,
        )
        # Two streams a member: the order of its samples, always drawn on the CPU, and its dropout, on the device.
        self._orders = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        self._noises = [torch.Generator(device).manual_seed(seed) for seed in self.seeds]
        self._best = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self._best_loss = torch.full((len(self.seeds),), math.inf)
        self._n_waited = torch.zeros(len(self.seeds), dtype=torch.int64)
        self._is_stopped = torch.zeros(len(self.seeds), dtype=torch.bool)

    @property
    def best(self) -> dict[str, Tensor]:
        """Weights of each member where its validation loss was smallest."""
        return {name: tensor.cpu() for name, tensor in self._best.items()}

    @property
    def best_losses(self) -> tuple[float, ...]:
        """Smallest validation loss of each member."""
        return tuple(self._best_loss.tolist())

    def run(
        self,
        train: Part,
        validation: Part,
        *,
        checkpoint: Path | None = None,
        checkpoint_every: int = 1,
        on_epoch: Callable[[EpochReport], None] | None = None,
    ) -> None:
        """Train to the last epoch, or until every member has stopped.

        Args:
            train: The training part.
            validation: The validation part.
            checkpoint: File to go on from, if it exists, and to write.
            checkpoint_every: Epochs between two writings.
            on_epoch: Called after every epoch, after its checkpoint was written.

        Raises:
            CalculationError: A loss is not finite, or a row does not fit into memory.
            InputError: The checkpoint is of another training.
        """
        if checkpoint is not None and (found := read_checkpoint(checkpoint, self.identity)):
            self._restore(found)
        n_member, n_train = len(self.seeds), len(train)
        pieces = Pieces(
            n_member=n_member,
            n_row=min(self.parameters.batch_size, n_train),
            n_validation_row=min(VALIDATION_ROWS, len(validation)),
            is_divisible=not self.architecture.MIXES_ROWS,
        )
        started = time.perf_counter()
        while self.epoch < self.parameters.n_epochs and not bool(self._is_stopped.all()):
            train_loss, rate = self._train_epoch(train, pieces)
            self.epoch += 1
            self._check_finite(train_loss, "training")
            is_last = self.epoch == self.parameters.n_epochs
            if self.epoch % self.parameters.validate_every == 0 or is_last:
                with self.fabric.autocast():
                    of_members = validation_loss(
                        self.network, validation, n_member=n_member, loss=self.parameters.loss, pieces=pieces
                    ).cpu()
                self._check_finite(of_members, "validation")
                self._keep_best(of_members)
                now = time.perf_counter()
                self._report(train_loss, of_members, rate, now - started)
                started = now
            if checkpoint is not None and (self.epoch % checkpoint_every == 0 or is_last):
                write_checkpoint(checkpoint, self._state())
            if on_epoch is not None and self.history and self.history[-1]["epoch"] == self.epoch:
                on_epoch(EpochReport(**self.history[-1]))

    def _train_epoch(self, part: Part, pieces: Pieces) -> tuple[Tensor, float]:
        n_member, n_train, device = len(self.seeds), len(part), self.fabric.device
        n_batch = math.ceil(n_train / self.parameters.batch_size)
        order = torch.stack([torch.randperm(n_train, generator=each) for each in self._orders]).to(device)
        total = torch.zeros(n_member, device=device)
        rate = 0.0
        self.network.train()
        for i_batch, rows in enumerate(torch.tensor_split(order, n_batch, dim=1)):
            rate = learning_rate_at(self.epoch * n_batch + i_batch, self.parameters.n_epochs * n_batch, self.parameters)
            for group in self._optimiser.param_groups:
                group["lr"] = rate
            noise = torch.stack(
                [
                    torch.rand(rows.shape[1], self.network.n_noise, generator=each, device=device)
                    for each in self._noises
                ]
            )
            with self.fabric.autocast():
                total += rows.shape[1] * backward_batch(
                    self.network,
                    part,
                    rows,
                    noise,
                    loss=self.parameters.loss,
                    n_frozen=self.parameters.n_frozen,
                    pieces=pieces,
                    backward=self.fabric.backward,
                )
            self._optimiser.step()
            self._optimiser.zero_grad(set_to_none=True)
        return (total / n_train).cpu(), rate

    def _check_finite(self, losses: Tensor, what: str) -> None:
        for seed, loss, is_stopped in zip(self.seeds, losses.tolist(), self._is_stopped.tolist(), strict=True):
            if not math.isfinite(loss) and not is_stopped:
                raise CalculationError(
                    f"the {what} loss of the member with seed {seed} is {loss} in epoch {self.epoch}: take a "
                    f"smaller learning_rate than {self.parameters.learning_rate:g}, or look for features far off the "
                    "others in the data"
                )

    def _keep_best(self, losses: Tensor) -> None:
        is_better = (losses < self._best_loss) & ~self._is_stopped
        if bool(is_better.any()):
            mask = is_better.to(self.fabric.device)
            for name, tensor in self.network.state_dict().items():
                self._best[name][mask] = tensor[mask]
        self._best_loss = torch.where(is_better, losses, self._best_loss)
        self._n_waited = torch.where(is_better, 0, self._n_waited + self.parameters.validate_every)
        if self.parameters.patience is not None:
            self._is_stopped |= self._n_waited >= self.parameters.patience

    def _report(self, train: Tensor, validation: Tensor, rate: float, seconds: float) -> None:
        self.history.append(
            {
                "epoch": self.epoch,
                "train": tuple(train.tolist()),
                "validation": tuple(validation.tolist()),
                "best": self.best_losses,
                "learning_rate": rate,
                "n_stopped": int(self._is_stopped.sum()),
                "seconds": seconds,
            }
        )

    def _state(self) -> Checkpoint:
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self._best.items()}
        for i_weight, state in self._optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{i_weight}.{name}": value for name, value in state.items()}
        for i_member, (order, noise) in enumerate(zip(self._orders, self._noises, strict=True)):
            tensors |= {f"order.{i_member}": order.get_state(), f"noise.{i_member}": noise.get_state()}
        tensors |= {"best_loss": self._best_loss, "n_waited": self._n_waited, "is_stopped": self._is_stopped}
        progress = {"epoch": self.epoch, "history": self.history}
        return Checkpoint(identity=self.identity, progress=progress, tensors=tensors)

    def _restore(self, found: Checkpoint) -> None:
        def starting(prefix: str) -> dict[str, Tensor]:
            return {name.removeprefix(prefix): t for name, t in found.tensors.items() if name.startswith(prefix)}

        self.network.load_state_dict(starting("network."))
        self._best = {name: tensor.to(self.fabric.device) for name, tensor in starting("best.").items()}
        states: dict[int, dict[str, Tensor]] = {}
        for name, tensor in starting("optimiser.").items():
            i_weight, _, key = name.partition(".")
            states.setdefault(int(i_weight), {})[key] = tensor
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": states})
        for i_member, (order, noise) in enumerate(zip(self._orders, self._noises, strict=True)):
            order.set_state(found.tensors[f"order.{i_member}"])
            noise.set_state(found.tensors[f"noise.{i_member}"])
        self._best_loss, self._n_waited = found.tensors["best_loss"], found.tensors["n_waited"]
        self._is_stopped = found.tensors["is_stopped"]
        self.epoch = int(found.progress["epoch"])
        self.history = [
            {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
            for row in found.progress["history"]
        ]
