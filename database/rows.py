"""The form in which stores keep a document: plain columns, JSON text and little-endian float64 bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from whiteline.database.documents import SpectrumDocument, json_text
from whiteline.database.store import SpectrumSummary

__all__ = [
    "PLAIN_COLUMNS",
    "SpectrumArrays",
    "StoredStructure",
    "grid_key",
    "pack_spectrum",
    "pack_structure",
    "read_summary",
    "unpack_document",
]

PLAIN_COLUMNS = (
    "id",
    "kind",
    "status",
    "reason",
    "absorber",
    "edge",
    "code",
    "code_version",
    "fidelity",
    "structure_id",
    "formula",
    "chemical_system",
    "space_group",
    "space_group_symbol",
    "site_id",
    "site_index",
    "multiplicity",
    "source",
    "created_at",
)


@dataclass(frozen=True)
class StoredStructure:
    """A structure as text. Cells of one crystal share `structure_id`; `key` tells them apart."""

    key: str
    structure_id: str
    text: str


@dataclass(frozen=True)
class SpectrumArrays:
    """The arrays of one spectrum, and what of them is searched.

    Attributes:
        energy: Axis, little-endian float64 [eV]; `grid` is its content hash.
        components: Raw intensity, row after row, little-endian float64.
        weights: Weight of each row in the powder average; None for a single row of weight one.
        n_points: Number of points of the axis, from `energy_min` to `energy_max` [eV].
    """

    energy: bytes
    grid: str
    components: bytes
    weights: bytes | None
    n_points: int
    energy_min: float
    energy_max: float


def grid_key(energy: bytes) -> str:
    """Return the content hash of an axis."""
    return hashlib.sha256(energy).hexdigest()[:32]


def pack_structure(document: SpectrumDocument) -> StoredStructure:
    """Return the structure of a document, named by its content."""
    text = json_text(dict(document.structure), what=f"the structure of document {document.id}")
    digest = hashlib.sha256(f"{document.structure_id}\n{text}".encode()).hexdigest()[:40]
    return StoredStructure(key=digest, structure_id=document.structure_id, text=text)


def pack_spectrum(document: SpectrumDocument) -> tuple[dict[str, Any] | None, SpectrumArrays | None]:
    """Return what a spectrum says beside its arrays, and its arrays; None twice without a spectrum."""
    spectrum = document.spectrum
    if spectrum is None:
        return None, None
    described = spectrum.to_dict()
    del described["energy"], described["components"]
    weights = [polarisation.weight for polarisation in spectrum.polarisations]
    energy = spectrum.energy.astype("<f8", copy=False).tobytes()
    arrays = SpectrumArrays(
        energy=energy,
        grid=grid_key(energy),
        components=spectrum.components.astype("<f8", copy=False).tobytes(),
        weights=None if weights == [1.0] else np.array(weights, dtype="<f8").tobytes(),
        n_points=spectrum.n_energy,
        energy_min=float(spectrum.energy[0]),
        energy_max=float(spectrum.energy[-1]),
    )
    return described, arrays


def unpack_document(
    metadata: Mapping[str, Any],
    *,
    structure: Mapping[str, Any],
    described: Mapping[str, Any] | None,
    energy: bytes | None,
    components: bytes | None,
) -> SpectrumDocument:
    """Rebuild a document from what `pack_spectrum` and `pack_structure` made of it."""
    spectrum = None
    if described is not None and energy is not None and components is not None:
        axis = np.frombuffer(energy, dtype="<f8")
        rows = np.frombuffer(components, dtype="<f8").reshape(-1, axis.size)
        spectrum = {**described, "energy": axis, "components": rows}
    return SpectrumDocument.from_dict({**metadata, "structure": structure, "spectrum": spectrum})


def read_summary(values: Mapping[str, Any], *, parameters: str | bytes | Mapping[str, Any]) -> SpectrumSummary:
    """Return the summary of a stored row; `parameters` may still be JSON text."""
    named = json.loads(parameters) if isinstance(parameters, str | bytes) else dict(parameters)
    return SpectrumSummary(**values, parameters=named)
