"""Looking after stores: copying, backing up, restoring, verifying.

The names below are loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whiteline.database.administration.archive import Archive
    from whiteline.database.administration.backups import BackupReport, backup, restore
    from whiteline.database.administration.checksums import document_checksum
    from whiteline.database.administration.comparison import Comparison, Difference, compare
    from whiteline.database.administration.copying import CopyReport, copy
    from whiteline.database.administration.entries import StoreSource
    from whiteline.database.administration.faults import Fault, VerificationReport
    from whiteline.database.administration.overview import Overview, look_over
    from whiteline.database.administration.verification import verify_archive, verify_store

__all__ = [
    "Archive",
    "BackupReport",
    "Comparison",
    "CopyReport",
    "Difference",
    "Fault",
    "Overview",
    "StoreSource",
    "VerificationReport",
    "backup",
    "compare",
    "copy",
    "document_checksum",
    "look_over",
    "restore",
    "verify_archive",
    "verify_store",
]

_HOMES = {
    "Archive": "archive",
    "BackupReport": "backups",
    "Comparison": "comparison",
    "CopyReport": "copying",
    "Difference": "comparison",
    "Fault": "faults",
    "Overview": "overview",
    "StoreSource": "entries",
    "VerificationReport": "faults",
    "backup": "backups",
    "compare": "comparison",
    "copy": "copying",
    "document_checksum": "checksums",
    "look_over": "overview",
    "restore": "backups",
    "verify_archive": "verification",
    "verify_store": "verification",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'whiteline.database.administration' has no attribute {name!r}")
    return getattr(import_module(f"whiteline.database.administration.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
