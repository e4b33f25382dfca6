"""Taking in spectra that others computed or measured: files of spectra here, runs in `whiteline.workflows.ingest`."""

from __future__ import annotations

from whiteline.database.ingest.entry import (
    AddressReader,
    Entry,
    FileReader,
    Folder,
    FolderReader,
    FoundRun,
    IngestOptions,
    Skipped,
)
from whiteline.database.ingest.ingesting import ingest_with
from whiteline.database.ingest.limits import Limits
from whiteline.database.ingest.report import IngestReport, PathReport

__all__ = [
    "AddressReader",
    "Entry",
    "FileReader",
    "Folder",
    "FolderReader",
    "FoundRun",
    "IngestOptions",
    "IngestReport",
    "Limits",
    "PathReport",
    "Skipped",
    "ingest_with",
]
