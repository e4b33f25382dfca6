"""The network of OmniXAS (arXiv:2409.19552): a plain stack of layers with batch norm and a positive output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from whiteline.models.architectures.base import Architecture, NetworkSizes
from whiteline.models.architectures.layers import BatchNorm, Context, Linear, Stage, drop

__all__ = ["PUBLISHED_WIDTHS", "XASBlock"]

# Hidden widths of the published models (arXiv:2409.19552), by absorber and fidelity; "universal" is that of all metals.
PUBLISHED_WIDTHS: Final[Mapping[str, tuple[int, ...]]] = {
    "Ti feff": (600, 600, 450),
    "V feff": (600, 550, 450),
    "Cr feff": (450, 350, 150),
    "Mn feff": (500, 400, 300),
    "Fe feff": (450, 400, 450),
    "Co feff": (600, 550, 450),
    "Ni feff": (600, 300),
    "Cu feff": (600, 600, 400),
    "Ti vasp": (500, 600, 400),
    "Cu vasp": (550, 600, 450),
    "universal": (500, 500, 550),
}


class XASBlock(Architecture):
    """[Linear, BatchNorm, SiLU, Dropout] × n, Linear, Softplus.

    Hidden layers have no bias, which batch norm makes void; the functions are those of the publication.

    Attributes:
        widths: Width of each hidden layer; `PUBLISHED_WIDTHS` has the published ones.
        dropout: Share of the activations dropped while learning; 0.5 in the publication.
    """

    NAME: ClassVar[str] = "xas-block"
    IS_POSITIVE: ClassVar[bool] = True
    MIXES_ROWS: ClassVar[bool] = True

    widths: tuple[int, ...] = Field(default=PUBLISHED_WIDTHS["universal"], min_length=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)

    def stages(self, sizes: NetworkSizes, n_member: int, n_condition: int) -> list[Stage]:
        """Return one stage a hidden layer, and the output."""
        inputs = (sizes.n_feature + n_condition, *self.widths)
        hidden: list[Stage] = [
            _Hidden(n_member, n_in, n_out, self.dropout) for n_in, n_out in zip(inputs, self.widths, strict=False)
        ]
        return [*hidden, _Output(n_member, inputs[-1], sizes.n_energy)]


class _Hidden(Stage):
    """Linear, BatchNorm, SiLU, Dropout."""

    def __init__(self, n_member: int, n_in: int, n_out: int, dropout: float) -> None:
        super().__init__()
        # Batch norm subtracts a bias again. Its gradient would be rounding alone, which Adam blows up to full steps.
        self.linear = Linear(n_member, n_in, n_out, has_bias=False)
        self.norm = BatchNorm(n_member, n_out)
        self.dropout = dropout
        self.n_in = n_in
        # Batch norm learns from its rows also where nothing is dropped: one number a row says that it is to learn.
        self.n_noise = n_out if dropout else 1

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """See `Stage`. The first layer, which alone has room for it, takes the condition beside the features."""
        if context.condition is not None and hidden.shape[-1] < self.n_in:
            hidden = torch.cat([hidden, context.condition], -1)
        mixed = self.linear(hidden, context.members)
        return drop(functional.silu(self.norm(mixed, context)), context.noise, self.dropout)


class _Output(Stage):
    """Linear, Softplus."""

    def __init__(self, n_member: int, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = Linear(n_member, n_in, n_out)

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """See `Stage`."""
        return functional.softplus(self.linear(hidden, context.members))
