"""What is wrong with a store or a backup, as data."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Fault", "VerificationReport"]


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        where: Id of a spectrum, a table and row, or a member of a backup.
        what: What is wrong with it.
        remedy: What to do.
    """

    where: str
    what: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class VerificationReport:
    """What was looked at, and every fault.

    Attributes:
        address: The store or backup.
        n_spectra: Documents that were read; `n_records` provenance records and `n_files` raw files likewise.
        checksum: SHA-256 of the manifest of a backup; empty for a store.
        faults: What is wrong.
    """

    address: str
    n_spectra: int
    n_records: int
    n_files: int
    faults: tuple[Fault, ...]
    checksum: str = ""
