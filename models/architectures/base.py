"""What every architecture promises: hyper-parameters as one object, and a network of stages with batched members."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from whiteline.models.architectures.layers import ConditionEmbedding, Context, Stage

__all__ = ["Architecture", "Network", "NetworkSizes"]


@dataclass(frozen=True, kw_only=True)
class NetworkSizes:
    """Sizes that the data set, not the user.

    Attributes:
        n_feature: Features of a site.
        n_energy: Points of a spectrum.
        n_subject: Different absorber and edge pairs.
        n_fidelity: Different fidelities: codes or presets that made the spectra.
    """

    n_feature: int
    n_energy: int
    n_subject: int = 1
    n_fidelity: int = 1

    @property
    def is_conditional(self) -> bool:
        """Whether the network has to be told what it predicts."""
        return self.n_subject * self.n_fidelity > 1


class Architecture(BaseModel, ABC):
    """Hyper-parameters of a network.

    Attributes:
        embedding: Numbers that stand for the absorber, and as many for the fidelity, where one network serves several.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    NAME: ClassVar[str]
    # A positive output cannot be a difference from a mean spectrum; such networks predict the scaled spectrum itself.
    IS_POSITIVE: ClassVar[bool]
    # Whether rows of a batch know of one another (batch norm): then a batch cannot be worked off in pieces.
    MIXES_ROWS: ClassVar[bool]

    embedding: int = Field(default=8, ge=1, le=256)

    @abstractmethod
    def stages(self, sizes: NetworkSizes, n_member: int, n_condition: int) -> list[Stage]:
        """Return the stages from features to spectrum; fine-tuning trains the last so many of them."""

    def build(self, sizes: NetworkSizes, seeds: Sequence[int]) -> Network:
        """Return a network with one member a seed; a member's first weights depend on its own seed alone."""
        n_member = len(seeds)
        embedding = ConditionEmbedding(n_member, (sizes.n_subject, sizes.n_fidelity), self.embedding)
        n_condition = embedding.width if sizes.is_conditional else 0
        network = Network(embedding if n_condition else None, self.stages(sizes, n_member, n_condition))
        for i_member, seed in enumerate(seeds):
            generator = torch.Generator().manual_seed(seed)
            for module in network.modules():
                if reset := getattr(module, "reset_member", None):
                    reset(i_member, generator)
        return network

    def to_dict(self) -> dict[str, Any]:
        """Return name and hyper-parameters; `make_architecture` takes them back."""
        return {"name": self.NAME, **self.model_dump(mode="json")}


class Network(nn.Module):
    """M networks of one architecture; all weights have the member as their first axis.

    Attributes:
        embedding: What tells absorbers and fidelities apart; None where there is only one of each.
        stages: From features to spectrum.
    """

    def __init__(self, embedding: ConditionEmbedding | None, stages: Sequence[Stage]) -> None:
        super().__init__()
        self.embedding = embedding
        self.stages = nn.ModuleList(stages)

    @property
    def n_noise(self) -> int:
        """How many uniform numbers a row the dropout of all stages takes."""
        return sum(self._noise_widths)

    @property
    def _noise_widths(self) -> list[int]:
        return [stage.n_noise for stage in self.stages if isinstance(stage, Stage)]

    def forward(
        self,
        features: Tensor,
        codes: Tensor,
        *,
        noise: Tensor | None = None,
        members: slice = slice(None),
        n_frozen: int = 0,
    ) -> Tensor:
        """Return scaled spectra, shape (n_member, n_row, n_energy).

        The network draws no random numbers: those of dropout come in as `noise`, so that a batch gives the same
        numbers in one piece and in several.

        Args:
            features: Standardised features, shape (n_member, n_row, n_feature).
            codes: Index of the subject and of the fidelity, shape (n_member, n_row, 2).
            noise: Uniform numbers from 0 to 1 for dropout, shape (n_member, n_row, n_noise); None while predicting.
            members: Which members the rows belong to.
            n_frozen: So many first stages behave as in prediction also while the others learn.
        """
        condition = self.embedding(codes, members) if self.embedding is not None else None
        noises: Sequence[Tensor | None] = [None] * len(self.stages)
        if noise is not None:
            pieces = torch.split(noise, self._noise_widths, dim=-1)
            noises = [None if i_stage < n_frozen else piece for i_stage, piece in enumerate(pieces)]
        hidden = features
        for stage, piece in zip(self.stages, noises, strict=True):
            hidden = stage(hidden, Context(members, condition, piece))
        return hidden

    def freeze(self, n_frozen: int) -> None:
        """Take the first so many stages out of training, and the embedding with the first of them."""
        if self.embedding is not None:
            self.embedding.requires_grad_(n_frozen == 0)
        for i_stage, stage in enumerate(self.stages):
            stage.requires_grad_(i_stage >= n_frozen)
