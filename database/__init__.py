"""Documents, the stores that keep them, queries and export (`whiteline.database.export`).

The names below are loaded on first use: `import whiteline.database` needs neither pymatgen nor pymongo.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whiteline.database.blobs import StoredFile
    from whiteline.database.documents import SPECTRUM_SCHEMA_VERSION, DocumentKind, SpectrumDocument
    from whiteline.database.export import ExportFormat
    from whiteline.database.migration import MigrationReport, migrate
    from whiteline.database.mongo import MongoStore
    from whiteline.database.query import SpectrumQuery
    from whiteline.database.sqlite import SQLiteStore
    from whiteline.database.store import (
        AmbiguousIdError,
        IndexStatus,
        SpectrumStore,
        SpectrumSummary,
        StoreStatus,
        UnknownIdError,
        open_store,
    )

__all__ = [
    "SPECTRUM_SCHEMA_VERSION",
    "AmbiguousIdError",
    "DocumentKind",
    "ExportFormat",
    "IndexStatus",
    "MigrationReport",
    "MongoStore",
    "SQLiteStore",
    "SpectrumDocument",
    "SpectrumQuery",
    "SpectrumStore",
    "SpectrumSummary",
    "StoreStatus",
    "StoredFile",
    "UnknownIdError",
    "migrate",
    "open_store",
]

_HOMES = {
    "SPECTRUM_SCHEMA_VERSION": "documents",
    "AmbiguousIdError": "store",
    "ExportFormat": "export",
    "IndexStatus": "store",
    "MigrationReport": "migration",
    "MongoStore": "mongo",
    "SQLiteStore": "sqlite",
    "SpectrumDocument": "documents",
    "DocumentKind": "documents",
    "SpectrumQuery": "query",
    "SpectrumStore": "store",
    "SpectrumSummary": "store",
    "StoreStatus": "store",
    "StoredFile": "blobs",
    "UnknownIdError": "store",
    "migrate": "migration",
    "open_store": "store",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'whiteline.database' has no attribute {name!r}")
    return getattr(import_module(f"whiteline.database.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
