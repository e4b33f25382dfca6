"""First weights of a training that starts from a model: its own, with room for what it does not know."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from whiteline.models.architectures import NetworkSizes
from whiteline.models.model import SpectrumModel

__all__ = ["start_weights"]

_TABLES: Final = {"embedding.tables.0": "n_subject", "embedding.tables.1": "n_fidelity"}


def start_weights(start: SpectrumModel, sizes: NetworkSizes, *, n_member: int) -> dict[str, Tensor]:
    """Return weights for `n_member` members, those of the model again from the first where it has fewer.

    Absorbers and fidelities that the model does not know get the mean vector of those it knows.

    Args:
        start: The model.
        sizes: Those of the network to be; only its numbers of subjects and fidelities may be larger.
        n_member: Members wanted.
    """
    chosen = torch.arange(n_member) % start.n_member
    weights = {name: tensor[chosen].clone() for name, tensor in start.weights.items()}
    for name, size in _TABLES.items():
        if name in weights and (n_new := getattr(sizes, size) - weights[name].shape[1]):
            mean = weights[name].mean(1, keepdim=True)
            weights[name] = torch.cat([weights[name], mean.repeat(1, n_new, 1)], 1)
    return weights
