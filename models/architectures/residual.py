"""Residual networks, told at every block what they predict; with layer norm or with batch norm."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from whiteline.models.architectures.base import Architecture, NetworkSizes
from whiteline.models.architectures.layers import BatchNorm, Context, LayerNorm, Linear, Stage, drop

__all__ = ["ResidualBatchNorm", "ResidualMLP"]


class ResidualMLP(Architecture):
    """h ← h + W₂ Dropout(GELU(W₁ LayerNorm(h))), n times between a first and a last linear layer.

    With several absorbers or fidelities each block scales and shifts its normalised input by linear functions of their
    embedding (FiLM, arXiv:1709.07871). The output is the scaled difference from the mean spectrum of the absorber.

    Attributes:
        width: Width of h.
        n_block: Number of blocks.
        expansion: Width between W₁ and W₂ over that of h.
        dropout: Share of the activations dropped while learning.
    """

    NAME: ClassVar[str] = "residual-mlp"
    IS_POSITIVE: ClassVar[bool] = False
    MIXES_ROWS: ClassVar[bool] = False
    NORM: ClassVar[type[LayerNorm | BatchNorm]] = LayerNorm

    width: int = Field(default=256, ge=1)
    n_block: int = Field(default=2, ge=1)
    expansion: float = Field(default=2.0, gt=0)
    dropout: float = Field(default=0.2, ge=0, lt=1)

    def stages(self, sizes: NetworkSizes, n_member: int, n_condition: int) -> list[Stage]:
        """Return the first layer, the blocks and the output."""
        inner = max(1, round(self.width * self.expansion))
        blocks = [
            _Block(self.NORM(n_member, self.width), n_member, self.width, inner, n_condition, self.dropout)
            for _ in range(self.n_block)
        ]
        first = _First(n_member, sizes.n_feature, n_condition, self.width)
        return [first, *blocks, _Output(self.NORM(n_member, self.width), n_member, self.width, sizes.n_energy)]


class ResidualBatchNorm(ResidualMLP):
    """`ResidualMLP` with batch norm in place of layer norm.

    The statistics of a batch are a noise that keeps the network from learning its features by heart; on the spectra of
    OmniXAS its errors are smaller (benchmarks/omnixas_models.py).
    """

    NAME: ClassVar[str] = "residual-batch-norm"
    MIXES_ROWS: ClassVar[bool] = True
    NORM: ClassVar[type[LayerNorm | BatchNorm]] = BatchNorm


class _First(Stage):
    """Linear of features and condition."""

    def __init__(self, n_member: int, n_feature: int, n_condition: int, width: int) -> None:
        super().__init__()
        self.linear = Linear(n_member, n_feature + n_condition, width)

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """See `Stage`."""
        if context.condition is not None:
            hidden = torch.cat([hidden, context.condition], -1)
        mixed: Tensor = self.linear(hidden, context.members)
        return mixed


class _Block(Stage):
    """One residual step."""

    def __init__(
        self, norm: LayerNorm | BatchNorm, n_member: int, width: int, inner: int, n_condition: int, dropout: float
    ) -> None:
        super().__init__()
        self.norm = norm
        self.up = Linear(n_member, width, inner)
        self.down = Linear(n_member, inner, width)
        self.film = Linear(n_member, n_condition, 2 * width) if n_condition else None
        self.dropout = dropout
        self.n_noise = inner if dropout else _n_sign(norm)

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """See `Stage`."""
        normalised = self.norm(hidden, context)
        if self.film is not None:
            scale, shift = self.film(context.condition, context.members).chunk(2, -1)
            normalised = normalised * (1 + scale) + shift
        wide = drop(functional.gelu(self.up(normalised, context.members)), context.noise, self.dropout)
        step: Tensor = self.down(wide, context.members)
        return hidden + step


class _Output(Stage):
    """Norm, Linear."""

    def __init__(self, norm: LayerNorm | BatchNorm, n_member: int, n_in: int, n_out: int) -> None:
        super().__init__()
        self.norm = norm
        self.n_noise = _n_sign(norm)
        self.linear = Linear(n_member, n_in, n_out)

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """See `Stage`."""
        mixed: Tensor = self.linear(self.norm(hidden, context), context.members)
        return mixed


def _n_sign(norm: LayerNorm | BatchNorm) -> int:
    """Return how many numbers a row tell a norm that it is to learn where nothing is dropped: batch norm needs one."""
    return 1 if isinstance(norm, BatchNorm) else 0
