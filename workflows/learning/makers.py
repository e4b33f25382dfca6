"""Makers of learning jobs: the last steps of a campaign, which a queue with GPUs may run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobflow import Job, Maker, job

from whiteline.database import open_store
from whiteline.errors import InputError
from whiteline.workflows.learning.keeping import store_prediction
from whiteline.workflows.learning.plan import TrainingPlan
from whiteline.workflows.learning.prediction import MaterialPrediction, Predictor
from whiteline.workflows.learning.reading import Unpredicted, read_each
from whiteline.workflows.learning.training import run_training, work_folder
from whiteline.workflows.recording import keep_in_existing

__all__ = ["FineTuneMaker", "PredictMaker", "TrainMaker"]


@dataclass
class TrainMaker(Maker):
    """Make the job that trains a model; its output holds folder, content hash and metrics.

    Attributes:
        plan: What is trained; its `data` is replaced by what `make` is given.
        folder: Where the model is written.
        name: Name of the job.
        database: Store that keeps the record of the training, too, where there is one; none when empty.
    """

    plan: TrainingPlan
    folder: str
    name: str = "train"
    database: str = ""

    def make(self, data: Any = None) -> Job:
        """Return the job.

        Args:
            data: Folder of a dataset or a table, or the output of the job that makes it; that of the plan when None.

        Raises:
            InputError: The plan begins with a model: that is a `FineTuneMaker`'s business.
        """
        if self.plan.kind.has_parent:
            raise InputError(f"a plan of kind {self.plan.kind} begins with a model: take FineTuneMaker")
        return _named(train_model(self.plan, self.folder, data, None, self.database), self.name)


@dataclass
class FineTuneMaker(Maker):
    """Make the job that goes from one model to another: to one absorber, or to another fidelity.

    Attributes:
        plan: What is trained, of kind `finetune` or `transfer`.
        folder: Where the model is written.
        name: Name of the job.
        database: As for `TrainMaker`.
    """

    plan: TrainingPlan
    folder: str
    name: str = "fine-tune"
    database: str = ""

    def make(self, parent: Any = None, data: Any = None) -> Job:
        """Return the job.

        Args:
            parent: Folder of the model to begin with, or the output of the job that trains it; that of the plan when
                None.
            data: As for `TrainMaker`.

        Raises:
            InputError: The plan begins with no model.
        """
        if not self.plan.kind.has_parent:
            raise InputError(f"a plan of kind {self.plan.kind} begins with no model: take TrainMaker")
        return _named(train_model(self.plan, self.folder, data, parent, self.database), self.name)


@dataclass
class PredictMaker(Maker):
    """Make the job that predicts structures and stores what comes out.

    Attributes:
        absorber: Absorbing element.
        edge: Absorption edge.
        fidelity: What to predict, where the model knows several.
        database: Address of the store.
        n_processes: Processes that encode.
        name: Name of the job.
    """

    absorber: str
    database: str
    edge: str = "K"
    fidelity: str | None = None
    n_processes: int = 1
    name: str = "predict"

    def make(self, model: Any, structures: Sequence[str]) -> Job:
        """Return the job.

        Args:
            model: Folder of the model, or the output of the job that trains it.
            structures: Files, folders, globs.
        """
        task = predict_and_store(
            model, list(structures), self.absorber, self.edge, self.fidelity, self.database, self.n_processes
        )
        return _named(task, self.name)


def _named(task: Job, name: str) -> Job:
    task.name = name
    return task


@job
def train_model(plan: TrainingPlan, folder: str, data: Any, parent: Any, database: str = "") -> dict[str, Any]:
    """Train, and return folder, content hash and metrics; an attempt that was killed is gone on with."""
    plan = replace(
        plan,
        data=plan.data if data is None else folder_of(data),
        parent=plan.parent if parent is None else folder_of(parent),
    )
    done = run_training(plan, folder, is_resumed=work_folder(Path(folder).absolute()).exists(), cache=_cache())
    if database:
        keep_in_existing(database, done.record)
    return done.summary()


@job
def predict_and_store(
    model: Any,
    structures: list[str],
    absorber: str,
    edge: str,
    fidelity: str | None,
    database: str,
    n_processes: int,
) -> dict[str, Any]:
    """Predict and store; return the ids of the materials by source, and why the others have none."""
    failures: list[Unpredicted] = []
    predictor = Predictor.load(folder_of(model))
    named = list(read_each(structures, on_bad=failures.append))
    answers = predictor.predict(named, absorber, edge, fidelity=fidelity, cache=_cache(), n_processes=n_processes)
    failures += [answer for answer in answers if isinstance(answer, Unpredicted)]
    ids, n_new = {}, 0
    with open_store(database) as store:
        for answer in answers:
            if isinstance(answer, MaterialPrediction):
                ids[answer.source], n_stored = store_prediction(store, answer, predictor)
                n_new += n_stored
    return {
        "model": predictor.id,
        "ids": ids,
        "n_new": n_new,
        "failures": {failure.source: failure.reason for failure in failures},
    }


def folder_of(given: Any) -> str:
    """Return the folder that was named, or that the output of a job names.

    Raises:
        InputError: It is neither.
    """
    folder = given.get("folder") if isinstance(given, dict) else given
    if not isinstance(folder, str | Path):
        raise InputError(f"expected a folder, or the output of a job with a `folder`, got {given!r}")
    return str(folder)


def _cache() -> Any:
    from whiteline.models.features import FeatureCache

    return FeatureCache()
