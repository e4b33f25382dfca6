"""Frozen datasets: a folder with spectra on one grid, their structures, a split, and a manifest with checksums.

The names below are loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whiteline.database.datasets.building import create_dataset
    from whiteline.database.datasets.frozen import Dataset
    from whiteline.database.datasets.grid import DatasetGrid, GridOrigin
    from whiteline.database.datasets.manifest import Manifest
    from whiteline.database.datasets.sampling import Intensity
    from whiteline.database.datasets.split import Split, SplitBy
    from whiteline.database.datasets.verification import verify_dataset

__all__ = [
    "Dataset",
    "DatasetGrid",
    "GridOrigin",
    "Intensity",
    "Manifest",
    "Split",
    "SplitBy",
    "create_dataset",
    "verify_dataset",
]

_HOMES = {
    "Dataset": "frozen",
    "DatasetGrid": "grid",
    "GridOrigin": "grid",
    "Intensity": "sampling",
    "Manifest": "manifest",
    "Split": "split",
    "SplitBy": "split",
    "create_dataset": "building",
    "verify_dataset": "verification",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'whiteline.database.datasets' has no attribute {name!r}")
    return getattr(import_module(f"whiteline.database.datasets.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
