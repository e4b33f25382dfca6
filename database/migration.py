"""Bringing a store of an older schema version to the present one, step by step and never by accident.

A store is migrated on request only: opening an older one says so and leaves it as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MigrationReport", "migrate"]


@dataclass(frozen=True, kw_only=True)
class MigrationReport:
    """What a migration did.

    Attributes:
        address: Which store.
        old_version: Schema version before, `new_version` after; equal if there was nothing to do.
        backup: Copy of the file as it was; None if nothing was done, or the store is no file.
        n_spectra: Number of spectra, the same before and after; `n_structures` likewise.
        n_records: Number of records after; to those that were there, one is added for each spectrum that had none.
    """

    address: str
    old_version: int
    new_version: int
    backup: Path | None
    n_spectra: int
    n_structures: int
    n_records: int


def migrate(address: str | Path, *, is_backed_up: bool = False) -> MigrationReport:
    """Bring a store to the present schema version; one that has it is left as it is.

    A file is first copied beside itself, to `NAME.v1-YYYYMMDD-HHMMSS.bak`, and then changed in one transaction:
    wherever that is interrupted, the file stays as it was. A MongoDB database is changed document by document;
    after an interruption, call again.

    Args:
        address: As `open_store` takes it.
        is_backed_up: Whether the operator has a backup of the MongoDB database; a file is copied in any case.

    Raises:
        ParameterError: A MongoDB database has no backup.
        SchemaVersionError: A newer Whiteline wrote the store.
        StoreError: It cannot be read or written, or a count differs afterwards.
    """
    text = str(address)
    if not isinstance(address, Path) and re.match(r"mongodb(\+srv)?://", text, re.IGNORECASE):
        from whiteline.database.mongo_migration import migrate_database

        return migrate_database(text, is_backed_up=is_backed_up)
    from whiteline.database.sqlite_migration import migrate_file

    return migrate_file(Path(text.removeprefix("sqlite:///")).expanduser())
