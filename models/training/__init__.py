"""Training: `fit` takes samples, an architecture and seeds to a model, all members of an ensemble at once."""

from __future__ import annotations

from whiteline.models.training.fit import fit
from whiteline.models.training.loop import EpochReport
from whiteline.models.training.parameters import Hardware, TrainingParameters

__all__ = ["EpochReport", "Hardware", "TrainingParameters", "fit"]
