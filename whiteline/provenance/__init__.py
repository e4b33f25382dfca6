"""Where a result came from: one record a job, stored beside what the job made, and the graph that records make."""

from __future__ import annotations

from whiteline.provenance.kinds import Kind, Role
from whiteline.provenance.machine import (
    cached_checksum,
    content_checksum,
    executable_checksums,
    file_checksum,
    library_versions,
    scheduler_job,
    source_commit,
    utc_now,
)
from whiteline.provenance.record import PROVENANCE_SCHEMA_VERSION, ProvenanceRecord, Things

__all__ = [
    "PROVENANCE_SCHEMA_VERSION",
    "Kind",
    "ProvenanceRecord",
    "Role",
    "Things",
    "cached_checksum",
    "content_checksum",
    "executable_checksums",
    "file_checksum",
    "library_versions",
    "scheduler_job",
    "source_commit",
    "utc_now",
]
