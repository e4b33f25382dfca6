"""Learning rate and loss: pure functions of the step, and of prediction and target."""

from __future__ import annotations

import math

from torch import Tensor

from whiteline.models.training.parameters import TrainingParameters

__all__ = ["learning_rate_at", "loss_of_rows"]

# Of the one-cycle schedule (arXiv:1708.07120): where it peaks, and first and last rate as parts of the largest.
_PEAK = 0.3
_FIRST = 1 / 25
_LAST = 1e-5


def learning_rate_at(i_step: int, n_step: int, parameters: TrainingParameters) -> float:
    """Return the learning rate of a step, a function of its number alone, so that a resumed run needs no memory of it.

    >>> learning_rate_at(30, 101, TrainingParameters(learning_rate=1.0))
    1.0
    """
    if parameters.schedule == "constant":
        return parameters.learning_rate
    peak = _PEAK * max(1, n_step - 1)
    if i_step <= peak:
        begin, end, share = _FIRST, 1.0, i_step / peak
    else:
        begin, end, share = 1.0, _LAST, (i_step - peak) / max(1, n_step - 1 - peak)
    return parameters.learning_rate * (end + (begin - end) * (1 + math.cos(math.pi * share)) / 2)


def loss_of_rows(predicted: Tensor, target: Tensor, loss: str) -> Tensor:
    """Return the loss of every spectrum, shape (n_member, n_row), from scaled spectra (n_member, n_row, n_energy)."""
    difference = predicted.float() - target
    if loss == "mae":
        return difference.abs().mean(-1)
    square = difference.square().mean(-1)
    # The root has no slope at zero: a spectrum met exactly must not make every weight NaN.
    return (square + 1e-12).sqrt() if loss == "rmse" else square
