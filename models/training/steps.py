"""One optimiser step for all members, in smaller pieces where the memory of the device does not suffice."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import torch
from torch import Tensor

from whiteline.errors import CalculationError
from whiteline.models.architectures.base import Network
from whiteline.models.training.data import Part
from whiteline.models.training.schedule import loss_of_rows

__all__ = ["VALIDATION_ROWS", "Pieces", "backward_batch", "validation_loss"]

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Rows of the validation part at once; without gradients the memory is small, and larger pieces are no faster.
VALIDATION_ROWS: Final = 2048


@dataclass(kw_only=True)
class Pieces:
    """How a batch is cut so that it fits into memory: by members first, which are independent, then by rows.

    Attributes:
        n_member: Members at once.
        n_row: Rows of a batch at once.
        n_validation_row: Rows of the validation part at once, of all members.
        is_divisible: Whether rows may be parted: not where batch norm looks at them together.
    """

    n_member: int
    n_row: int
    n_validation_row: int
    is_divisible: bool

    def halve(self, error: torch.OutOfMemoryError) -> None:
        """Make the pieces of a training batch smaller.

        Raises:
            CalculationError: They cannot be smaller.
        """
        if self.n_member > 1:
            self.n_member = (self.n_member + 1) // 2
        elif self.is_divisible and self.n_row > 1:
            self.n_row = (self.n_row + 1) // 2
        else:
            why = "" if self.is_divisible else " (batch norm needs the rows of a batch together)"
            raise CalculationError(
                f"one member with {self.n_row} rows does not fit into the memory of the device{why}: "
                f"take a smaller batch_size or a narrower network; {error}"
            ) from error
        logger.warning("out of memory: now %d member(s) with %d rows at a time", self.n_member, self.n_row)

    def halve_validation(self, error: torch.OutOfMemoryError) -> None:
        """Make the pieces of the validation part smaller.

        Raises:
            CalculationError: They cannot be smaller.
        """
        if self.n_validation_row == 1:
            raise CalculationError(f"one row does not fit into the memory of the device: {error}") from error
        self.n_validation_row = (self.n_validation_row + 1) // 2


def backward_batch(
    network: Network,
    part: Part,
    rows: Tensor,
    noise: Tensor,
    *,
    loss: str,
    n_frozen: int,
    pieces: Pieces,
    backward: Callable[[Tensor], None],
) -> Tensor:
    """Add the gradients of a batch, and return the mean loss of each member, shape (n_member,).

    Args:
        network: Its gradients are expected to be none.
        part: The training part.
        rows: Samples of the batch of each member, shape (n_member, n_row).
        noise: Uniform numbers for dropout, shape (n_member, n_row, n_noise of the network).
        loss: Name of the loss.
        n_frozen: Stages that do not learn.
        pieces: Sizes of what is done at once; made smaller on the way when memory runs out, without a change of result.
        backward: Takes a loss to gradients.
    """
    statistics = {name: buffer.clone() for name, buffer in network.named_buffers()}
    while True:
        try:
            return _backward_pieces(network, part, rows, noise, loss, n_frozen, pieces, backward)
        except torch.OutOfMemoryError as error:
            pieces.halve(error)
        # What the failed attempt left behind.
        network.zero_grad(set_to_none=True)
        for name, buffer in network.named_buffers():
            buffer.copy_(statistics[name])
        if rows.is_cuda:
            torch.cuda.empty_cache()


def _backward_pieces(
    network: Network,
    part: Part,
    rows: Tensor,
    noise: Tensor,
    loss: str,
    n_frozen: int,
    pieces: Pieces,
    backward: Callable[[Tensor], None],
) -> Tensor:
    n_member, n_row = rows.shape
    losses = torch.zeros(n_member, device=rows.device)
    for first in range(0, n_member, pieces.n_member):
        members = slice(first, min(first + pieces.n_member, n_member))
        for begin in range(0, n_row, pieces.n_row):
            piece = slice(begin, begin + pieces.n_row)
            chosen = rows[members, piece]
            predicted = network(
                part.features[chosen],
                part.codes[chosen],
                noise=noise[members, piece],
                members=members,
                n_frozen=n_frozen,
            )
            of_members = loss_of_rows(predicted, part.targets[chosen], loss).sum(-1) / n_row
            # Members share no weight, so the gradient of the sum is that of each by itself.
            backward(of_members.sum())
            losses[members] += of_members.detach()
    return losses


def validation_loss(network: Network, part: Part, *, n_member: int, loss: str, pieces: Pieces) -> Tensor:
    """Return the mean loss of each member over a part, shape (n_member,)."""
    while True:
        try:
            with torch.no_grad():
                total = torch.zeros(n_member, device=part.features.device)
                for begin in range(0, len(part), pieces.n_validation_row):
                    piece = slice(begin, begin + pieces.n_validation_row)
                    predicted = network(
                        part.features[piece].expand(n_member, -1, -1), part.codes[piece].expand(n_member, -1, -1)
                    )
                    total += loss_of_rows(predicted, part.targets[piece].expand(n_member, -1, -1), loss).sum(-1)
                return total / len(part)
        except torch.OutOfMemoryError as error:
            pieces.halve_validation(error)
