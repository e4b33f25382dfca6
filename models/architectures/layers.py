"""Layers with batched weights: the members of an ensemble are the first axis of every weight and activation."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["BatchNorm", "ConditionEmbedding", "Context", "LayerNorm", "Linear", "Stage", "drop"]


@dataclass(frozen=True)
class Context:
    """What every stage may look at.

    Attributes:
        members: Which members the rows belong to.
        condition: Embedding of subject and fidelity, shape (n_member, n_row, n_condition), if there are several.
        noise: Uniform numbers for the dropout of the stage, shape (n_member, n_row, n_noise); None while predicting.
    """

    members: slice
    condition: Tensor | None
    noise: Tensor | None


class Stage(nn.Module, ABC):
    """A piece of a network that is trained or frozen as a whole.

    Attributes:
        n_noise: How many uniform numbers a row it takes while learning.
    """

    n_noise: int = 0

    @abstractmethod
    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Return what the next stage gets, shape (n_member, n_row, width), from what the one before made."""


class Linear(nn.Module):
    """y_m = x_m W_m + b_m, with first weights uniform in ± 1/√n_in, as PyTorch's own layer has them."""

    def __init__(self, n_member: int, n_in: int, n_out: int, *, has_bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_member, n_in, n_out))
        self.bias = nn.Parameter(torch.empty(n_member, 1, n_out)) if has_bias else None

    def reset_member(self, i_member: int, generator: torch.Generator) -> None:
        """Draw the first weights of one member."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        with torch.no_grad():
            for weight in (self.weight, self.bias):
                if weight is not None:
                    weight[i_member].uniform_(-bound, bound, generator=generator)

    def forward(self, hidden: Tensor, members: slice) -> Tensor:
        """Return the products, shape (n_member, n_row, n_out)."""
        if self.bias is None:
            return torch.bmm(hidden, self.weight[members])
        return torch.baddbmm(self.bias[members], hidden, self.weight[members])


class BatchNorm(nn.Module):
    """Batch normalisation, each member by the statistics of its own rows (arXiv:1502.03167)."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, n_member: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_member, width))
        self.bias = nn.Parameter(torch.zeros(n_member, width))
        self.register_buffer("running_mean", torch.zeros(n_member, width))
        self.register_buffer("running_var", torch.ones(n_member, width))

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Return the normalised rows; while learning, the running statistics follow."""
        n_member, n_row, width = hidden.shape
        members = context.members
        # A row of all members side by side is a row of ordinary batch norm over n_member × width columns.
        rows = hidden.transpose(0, 1).reshape(n_row, n_member * width)
        normalised = functional.batch_norm(
            rows,
            self.running_mean[members].view(-1),
            self.running_var[members].view(-1),
            self.weight[members].reshape(-1),
            self.bias[members].reshape(-1),
            training=context.noise is not None,
        )
        return normalised.view(n_row, n_member, width).transpose(0, 1)


class LayerNorm(nn.Module):
    """Layer normalisation of each row by itself (arXiv:1607.06450)."""

    def __init__(self, n_member: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_member, 1, width))
        self.bias = nn.Parameter(torch.zeros(n_member, 1, width))

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Return the normalised rows, shape as given."""
        normalised = functional.layer_norm(hidden, hidden.shape[-1:])
        return torch.addcmul(self.bias[context.members], normalised, self.weight[context.members])


class ConditionEmbedding(nn.Module):
    """A learned vector for each subject (absorber and edge) and each fidelity, side by side."""

    def __init__(self, n_member: int, sizes: Sequence[int], width: int) -> None:
        super().__init__()
        self.width = width * len(sizes)
        self.tables = nn.ParameterList(nn.Parameter(torch.empty(n_member, size, width)) for size in sizes)

    def reset_member(self, i_member: int, generator: torch.Generator) -> None:
        """Draw the first vectors of one member."""
        with torch.no_grad():
            for table in self.tables:
                table[i_member].normal_(generator=generator)

    def forward(self, codes: Tensor, members: slice) -> Tensor:
        """Return the vectors, shape (n_member, n_row, width), of codes of shape (n_member, n_row, n_table)."""
        found = []
        for i_table, table in enumerate(self.tables):
            chosen = table[members]
            i_member = torch.arange(len(chosen), device=codes.device)[:, None]
            found.append(chosen[i_member, codes[..., i_table]])
        return torch.cat(found, -1)


def drop(hidden: Tensor, noise: Tensor | None, rate: float) -> Tensor:
    """Return the activations with those at noise below `rate` set to zero and the others raised by 1/(1 - rate)."""
    if noise is None or rate == 0:
        return hidden
    return hidden * (noise >= rate) / (1 - rate)
