"""Learning: datasets to samples, training as jobs, prediction of structures, and keeping what was predicted.

The names below are loaded on first use; what they need comes with `pip install 'whiteline[learn]'`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whiteline.workflows.learning.encoding import EncoderChoice
    from whiteline.workflows.learning.keeping import store_prediction
    from whiteline.workflows.learning.makers import FineTuneMaker, PredictMaker, TrainMaker
    from whiteline.workflows.learning.plan import TrainingPlan
    from whiteline.workflows.learning.prediction import MaterialPrediction, Predictor
    from whiteline.workflows.learning.querying import samples_of_query
    from whiteline.workflows.learning.samples import LearningData, read_learning_data
    from whiteline.workflows.learning.training import TrainedModel, run_training

__all__ = [
    "EncoderChoice",
    "FineTuneMaker",
    "LearningData",
    "MaterialPrediction",
    "PredictMaker",
    "Predictor",
    "TrainMaker",
    "TrainedModel",
    "TrainingPlan",
    "read_learning_data",
    "run_training",
    "samples_of_query",
    "store_prediction",
]

_HOMES = {
    "EncoderChoice": "encoding",
    "FineTuneMaker": "makers",
    "LearningData": "samples",
    "MaterialPrediction": "prediction",
    "PredictMaker": "makers",
    "Predictor": "prediction",
    "TrainMaker": "makers",
    "TrainedModel": "training",
    "TrainingPlan": "plan",
    "read_learning_data": "samples",
    "run_training": "training",
    "samples_of_query": "querying",
    "store_prediction": "keeping",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'whiteline.workflows.learning' has no attribute {name!r}")
    return getattr(import_module(f"whiteline.workflows.learning.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
