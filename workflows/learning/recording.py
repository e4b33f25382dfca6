"""The record of a training, which its model's card keeps, and the time that its stages took."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from whiteline.models.fingerprint import model_sha256
from whiteline.provenance import Kind, ProvenanceRecord, library_versions, utc_now
from whiteline.workflows.learning.names import SPECTRA

if TYPE_CHECKING:
    from whiteline.models.model import SpectrumModel
    from whiteline.workflows.learning.plan import TrainingPlan
    from whiteline.workflows.learning.samples import LearningData

__all__ = ["LEARNING_LIBRARIES", "Clock", "record_training"]

LEARNING_LIBRARIES: Final = ("torch", "lightning", "matgl", "chgnet", "dscribe", "ase", "safetensors")


def record_training(
    plan: TrainingPlan,
    model: SpectrumModel,
    data: LearningData,
    parent: SpectrumModel | None,
    spectra: str,
    started: str,
    timings: Mapping[str, float],
    *,
    is_split_here: bool,
) -> ProvenanceRecord:
    """Return the record of a training.

    Args:
        plan: What was trained.
        model: What came of it.
        data: What it learned from.
        parent: The model that it began with, or that was tried.
        spectra: Checksum of the list of spectra.
        started: When, ISO 8601.
        timings: Wall time of the stages [s].
        is_split_here: Whether the training divided the spectra, not who froze the dataset.
    """
    versions = library_versions(*LEARNING_LIBRARIES)
    seeds = {f"member {i}": seed for i, seed in enumerate(plan.seeds, start=1)}
    return ProvenanceRecord(
        activity=f"train-{plan.kind.value}",
        used={
            Kind.SOURCE: data.sources,
            Kind.DATASET: {} if data.sources else {"dataset": data.content_sha256},
            Kind.SPECTRA: {SPECTRA: spectra},
            Kind.ENCODER: {"encoder": model.encoder},
            **({} if parent is None else {Kind.MODEL: {"parent model": model_sha256(parent)}}),
        },
        generated={Kind.MODEL: {"model": model_sha256(model)}},
        code="whiteline",
        code_version=versions["whiteline"],
        libraries=versions,
        parameters=json.loads(json.dumps(plan.as_dict(), default=str)),
        started_at=started,
        ended_at=utc_now(),
        timings=dict(timings),
        seeds={**seeds, "split": plan.split_seed} if is_split_here else seeds,
    )


class Clock:
    """Wall time of the stages [s]."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """Time what runs inside the block."""
        begun = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - begun
