"""What `whiteline db` says of stores, copies and verifications."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from whiteline.database.administration import Comparison, CopyReport, Overview, VerificationReport

__all__ = ["complain", "status_rows", "tell_copy", "tell_verification"]

# Differences and faults listed on the screen; --json lists all.
_N_LISTED = 50
# Values of a field that `status` lists, the most frequent first.
_N_VALUES = 20


def status_rows(found: Overview) -> Iterator[tuple[str, str]]:
    """Yield names and values of what a store holds."""
    totals = found.status
    n_present = len(totals.indexes) - len(found.missing_indexes)
    yield "store", totals.address
    yield "spectra", f"{totals.n_spectra}, newest of {found.newest or '–'}"
    for name, counts in found.counts.items():
        listed = [f"{value} {n_found}" for value, n_found in counts.items()]
        n_more = len(listed) - _N_VALUES
        more = f" and {n_more} more (--json)" if n_more > 0 else ""
        yield f"  by {name}", (", ".join(listed[:_N_VALUES]) or "–") + more
    yield "structures", str(totals.n_structures)
    yield "provenance records", str(totals.n_records)
    yield "raw files", str(totals.n_files)
    yield "other jobs", f"{totals.n_activities} on record: datasets, models, figures, files"
    yield "suspect", str(totals.n_marks)
    yield "size", f"{totals.size_bytes / 1e6:.1f} MB"
    yield "schema version", f"{totals.schema_version}, revision {found.revision}"
    yield "indexes", f"{n_present} of {len(totals.indexes)}"


def tell_copy(report: CopyReport, source: str, target: str, *, as_json: bool) -> int:
    """Print what copying did and how both sides compare; return the exit code."""
    import json
    from dataclasses import asdict

    comparison = report.comparison
    if as_json:
        typer.echo(json.dumps({**asdict(report), "is_equal": comparison.is_equal}))
    else:
        typer.echo(
            f"{report.n_new} new, {report.n_completed} completed, {report.n_replaced} replaced, "
            f"{report.n_same} there already"
        )
        _print_comparison(comparison, source, target)
    for difference in () if as_json else comparison.differences[:_N_LISTED]:
        complain(f"{difference.id} {difference.what}")
    if not comparison.is_equal:
        n_more = len(comparison.differences) - _N_LISTED
        complain(f"{target} lacks some of {source}" + (f", {n_more} more differences (--json)" if n_more > 0 else ""))
    return 0 if comparison.is_equal else 1


def _print_comparison(comparison: Comparison, source: str, target: str) -> None:
    from whiteline.cli.tables import make_console, make_table

    table = make_table("", ">spectra", "checksum", ">records", "checksum", ">raw files", "checksum", wrapped=("",))
    for name, side in ((source, comparison.source), (target, comparison.target)):
        table.add_row(
            name,
            *(str(side.n_spectra), side.documents[:12]),
            *(str(side.n_records), side.records[:12]),
            *(str(side.n_files), side.files[:12]),
        )
    make_console().print(table)


def tell_verification(report: VerificationReport, *, as_json: bool) -> int:
    """Print the faults of a store or backup; return the exit code."""
    import json
    from dataclasses import asdict

    n_faults = len(report.faults)
    if as_json:
        typer.echo(json.dumps(asdict(report)))
        return 1 if n_faults else 0
    for fault in report.faults[:_N_LISTED]:
        complain(f"{fault.where}: {fault.what}; {fault.remedy}")
    if n_faults > _N_LISTED:
        complain(f"{n_faults - _N_LISTED} more faults: --json lists them all")
    typer.echo(
        f"{report.address}: {report.n_spectra} spectra, {report.n_records} records, {report.n_files} raw files, "
        f"{'no faults' if not n_faults else f'{n_faults} faults' if n_faults > 1 else '1 fault'}"
    )
    if report.checksum:
        typer.echo(f"checksum of its manifest: {report.checksum}")
    return 1 if n_faults else 0


def complain(message: str) -> None:
    """Print one line to standard error."""
    typer.echo(f"whiteline: {message}", err=True)
