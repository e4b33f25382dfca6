"""The table of a dataset: its columns, and one spectrum as a row."""

from __future__ import annotations

import json
from typing import Any

from whiteline.database.columns import read_document
from whiteline.database.datasets.grid import DatasetGrid
from whiteline.database.datasets.sampling import Intensity, Sample
from whiteline.database.documents import SpectrumDocument
from whiteline.database.tables import METADATA_KEY, load_pyarrow

__all__ = ["COLUMNS", "COUNTED", "make_row", "make_schema"]

_TEXT = (
    "id",
    "kind",
    "status",
    "absorber",
    "edge",
    "code",
    "code_version",
    "fidelity",
    "formula",
    "chemical_system",
    "structure_id",
    "structure_key",
    "site_id",
    "source",
    "licence",
    "citation",
    "created_at",
    "parameters",
    "energy_reference",
    "quantity",
    "split",
)
_WHOLE = ("space_group", "site_index", "multiplicity", "n_extrapolated")
_DOUBLE = ("reference_energy", "scale", "energy_zero")
_MADE_HERE = ("structure_key", "energy_zero", "n_extrapolated", "quantity", "scale", "split", "intensity")
COLUMNS = (*_TEXT, *_WHOLE, *_DOUBLE, "intensity")
# What the manifest counts, by the columns that it is counted over.
COUNTED = {
    "codes": ("code", "code_version"),
    "licences": ("licence",),
    "citations": ("citation",),
    "statuses": ("status",),
    "edges": ("absorber", "edge"),
}


def make_schema(grid: DatasetGrid, intensity: Intensity) -> Any:
    """Return the Arrow schema, the grid and the units in its metadata."""
    pyarrow = load_pyarrow()
    units = {"reference_energy": "eV", "energy_zero": "eV", "intensity": intensity.unit}
    kinds = {
        **dict.fromkeys(_TEXT, pyarrow.string()),
        **dict.fromkeys(_WHOLE, pyarrow.int64()),
        **dict.fromkeys(_DOUBLE, pyarrow.float64()),
        "intensity": pyarrow.list_(pyarrow.float64(), grid.n_points),
    }
    fields = [
        pyarrow.field(name, kinds[name], metadata={"unit": units[name]} if name in units else None) for name in COLUMNS
    ]
    facts = {"grid": grid.to_dict(), "units": units}
    return pyarrow.schema(fields, metadata={METADATA_KEY: json.dumps(facts, sort_keys=True)})


def make_row(document: SpectrumDocument, found: Sample, structure_key: str) -> dict[str, Any]:
    """Return the row of a spectrum; its split is not known yet."""
    row = {name: read_document(document, name) for name in COLUMNS if name not in _MADE_HERE}
    return {
        **row,
        "structure_key": structure_key,
        "energy_zero": found.zero,
        "n_extrapolated": found.n_extrapolated,
        "quantity": found.quantity,
        "scale": found.scale,
        "split": "",
        "intensity": found.intensity,
    }
