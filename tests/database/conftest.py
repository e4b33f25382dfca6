"""Documents and records to store."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from whiteline.database import SpectrumDocument
from whiteline.provenance import Kind, ProvenanceRecord
from whiteline.status import Status

ARTEFACT = Path(__file__).parents[1] / "data" / "documents" / "spectrum-v1.json"


class DocumentMaker(Protocol):
    """Makes a document that differs from the example in what is given."""

    def __call__(self, name: str = "example", **changes: Any) -> SpectrumDocument: ...


class RecordMaker(Protocol):
    """Makes the record of a job."""

    def __call__(self, started_at: str = "2026-01-05T10:00:00.000+00:00") -> ProvenanceRecord: ...


@pytest.fixture(scope="session")
def artefact() -> dict[str, Any]:
    """A document as schema version 1 wrote it."""
    data: dict[str, Any] = json.loads(ARTEFACT.read_text(encoding="utf-8"))
    return data


@pytest.fixture(scope="session")
def make_document(artefact: dict[str, Any]) -> DocumentMaker:
    example = SpectrumDocument.from_dict(artefact)

    def make(name: str = "example", **changes: Any) -> SpectrumDocument:
        spectrum = example.spectrum
        assert spectrum is not None
        # Full mantissas, so that a round trip through rounded text would show.
        noise = np.random.default_rng(len(name)).random(spectrum.components.shape)
        values = {"spectrum": replace(spectrum, components=spectrum.components + noise), **changes}
        if values.get("status") is Status.FAILED:
            values = {"spectrum": None, "reason": "FEFF stopped in pot", **changes}
        if "chemical_system" in changes:
            values["elements"] = tuple(str(changes["chemical_system"]).split("-"))
        return replace(example, **{"id": hashlib.sha256(name.encode()).hexdigest()[:40], **values})

    return make


@pytest.fixture(scope="session")
def make_record() -> RecordMaker:
    def make(started_at: str = "2026-01-05T10:00:00.000+00:00") -> ProvenanceRecord:
        return ProvenanceRecord(
            activity="feff-site",
            used={Kind.INPUT: {"feff.inp": "ab12"}},
            generated={Kind.OUTPUT: {"xmu.dat": "cd34"}},
            code="feff",
            code_version="10.0.1",
            parameters={"fms_radius": 6.0},
            started_at=started_at,
            ended_at=started_at,
        )

    return make
