"""The record of a rerun, where somebody wants it kept beside what was run again."""

from __future__ import annotations

from whiteline.database.store import SpectrumStore
from whiteline.provenance import Kind, ProvenanceRecord, library_versions, utc_now
from whiteline.workflows.rerun.results import RerunResult

__all__ = ["ACTIVITY", "rerun_record", "store_results"]

ACTIVITY = "rerun"


def rerun_record(result: RerunResult, started: str) -> ProvenanceRecord:
    """Return what a store keeps of a rerun: which spectrum was run again, and what came of it."""
    versions = library_versions()
    told = result.to_dict()
    return ProvenanceRecord(
        activity=ACTIVITY,
        used={Kind.SPECTRUM: {"run again": result.id}},
        generated={},
        code="whiteline",
        code_version=versions["whiteline"],
        libraries=versions,
        parameters={
            name: told[name] for name in ("verdict", "reason", "comparison", "differences", "tolerance", "parts")
        },
        started_at=started,
        ended_at=utc_now(),
        timings={"rerun": round(result.seconds, 3)},
    )


def store_results(store: SpectrumStore, results: list[RerunResult], started: str) -> int:
    """Store a record of each rerun; the spectra themselves stay as they are. Return how many there were.

    Raises:
        StoreError: The store cannot be written.
    """
    for result in results:
        store.put_activity(rerun_record(result, started))
    return len(results)
