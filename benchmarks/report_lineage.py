"""The tables of lineage: what recording costs, what came of running again, and how fast AiiDA gets it."""

from __future__ import annotations

from collections import Counter
from math import ceil

from results_files import load

__all__ = ["aiida", "recording", "reruns"]

_STORES = {"sqlite": "SQLite file", "mongodb": "server of MongoDB's protocol"}


def recording() -> str:
    """Return the table of what a record costs a calculation, the spectrum that it is stored with included."""
    r = load("recording_overhead")
    lines = [
        "| store | building the record | storing spectrum and record: median, 95th percentile | bytes of both "
        "| JSON of a record |",
        "|---|--:|--:|--:|--:|",
    ]
    for key, name in _STORES.items():
        row = r[key]
        put = row["put_with_record_ms"]
        lines.append(
            f"| {name}, {row['n']:,} calculations | {row['building_ms']['median']:.2f} ms "
            f"| {put['median']:.1f}, {put['p95']:.1f} ms | {row['bytes_with_record']:,} "
            f"| {row['json_bytes_of_a_record']:,} bytes |"
        )
    return "\n".join(lines)


def reruns() -> str:
    """Return what came of running stored FEFF calculations again."""
    r = load("rerun_feff")
    verdicts = Counter(row["verdict"] for row in r["rows"])
    words = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    largest = max(row["largest"] for row in r["rows"])
    return (
        f"{len(r['rows'])} FEFF calculations of sulphides, run again in an empty home directory: {words}; the largest "
        f"difference of an intensity is {largest:.1e} of the largest."
    )


def aiida() -> str:
    """Return how long an export to AiiDA takes and what is in it."""
    r = load("aiida_export")
    export, profile, taken = (ceil(r[f"{name}_seconds"]) for name in ("export", "to_profile", "import"))
    return (
        f"{r['n_calculations']:,} FEFF calculations with their {r['n_averages']} averages, {r['n_nodes']:,} nodes and "
        f"{r['n_links']:,} links, are an archive of {r['archive_bytes'] / 1e6:.1f} MB within {export} s, and in a "
        f"profile within {profile} s; AiiDA's own import of that archive takes {taken} s."
    )
