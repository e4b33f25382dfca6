"""`whiteline rerun`: compute something again from its record, and say whether the same comes out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app
from whiteline.cli.options import Database

if TYPE_CHECKING:
    from whiteline.workflows.rerun import RerunReport, RerunResult

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline rerun 3f9a2c

  whiteline rerun 3f9a2c 81b0de --tolerance 1e-4 --keep -o again/

  whiteline rerun --all-of cu-k-dataset/ --sample 20 -j 4

  whiteline rerun --all-of ti-o-10
"""
_N_ID = 12
# Differences that are listed of one result, where they made none.
_N_SHOWN = 12
_STYLES = {"identical": "green", "equal": "green", "different": "red", "could not run": "red"}


@app.command(epilog=_EXAMPLES)
def rerun(
    names: Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Ids of stored spectra.")] = None,
    all_of: Annotated[
        str | None,
        typer.Option("--all-of", metavar="NAME|DIR", help="A dataset, a benchmark, or what a model learned from."),
    ] = None,
    n_sample: Annotated[
        int | None, typer.Option("--sample", metavar="N", min=1, help="Only so many of them, picked by chance.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of that choice.")] = 0,
    series: Annotated[bool, typer.Option("--series", help="Every point of a converged spectrum, not one.")] = False,
    tolerance: Annotated[
        float | None,
        typer.Option("--tolerance", help="Largest difference, relative to the largest value, that is equal [1e-6]."),
    ] = None,
    n_processes: Annotated[int, typer.Option("--processes", "--jobs", "-j", min=1, help="Calculations at a time.")] = 1,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder of the rerun (default: rerun-NAME with --all-of, else none)."
        ),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder, with the run directories.")] = False,
    store: Annotated[bool, typer.Option("--store", help="Store a record of each rerun beside the spectrum.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="All that was found as JSON.")] = False,
    database: Database = None,
) -> int:
    """Compute stored spectra again from their records alone, in a clean folder, and compare.

    Identical is bitwise, equal within the tolerance; what is different comes with the reasons that the records give,
    the likeliest first. The store is only read. The exit status is 0 where all that was computed came out the same.
    """
    import json

    from whiteline.cli.live import LiveProgress
    from whiteline.cli.tables import make_console
    from whiteline.errors import ParameterError
    from whiteline.settings import load_settings

    if bool(names) == (all_of is not None):
        raise ParameterError("name what to run again: ids of stored spectra, or a set of them with --all-of")
    settings = load_settings(database=database)
    from whiteline.database import open_store
    from whiteline.provenance import utc_now
    from whiteline.workflows.rerun import (
        RerunPlace,
        RerunReport,
        Tolerance,
        find_set,
        resolve,
        run_again,
        sample,
        store_results,
        write_report,
    )

    stated = Tolerance() if tolerance is None else Tolerance(intensity=tolerance)
    started = utc_now()
    with open_store(settings.database, must_exist=True) as opened:
        found = (
            find_set(all_of, opened, settings)
            if all_of is not None
            else [resolve(n, opened, settings) for n in names or []]
        )
    ids = found if n_sample is None else sample(found, n_sample, seed=seed)
    folder = output or (Path(f"rerun-{_plain_name(all_of)}") if all_of is not None else None)
    with _folder(folder, is_kept=keep) as home:
        place = RerunPlace.make(home, settings, tolerance=stated, keeps_runs=keep)
        with LiveProgress(make_console(is_error=True)) as live:
            live.announce("reading records")
            results = run_again(
                ids,
                place,
                n_processes=n_processes,
                is_whole_series=series,
                on_start=live.expect,
                on_progress=live.update,
            )
        report = RerunReport(
            title=all_of or (f"{len(ids)} spectra" if len(ids) > 1 else f"spectrum {ids[0][:_N_ID]}"),
            asked=ids,
            results=results,
            n_all=len(found),
            seed=seed if len(ids) < len(found) else None,
            started_at=started,
            ended_at=utc_now(),
        )
        page = write_report(report, place) if folder is not None else None
    if store:
        with open_store(settings.database, must_exist=True) as opened:
            store_results(opened, [results[each] for each in ids], started)
    if as_json:
        typer.echo(json.dumps(report.to_dict()))
        return 0 if report.is_reproduced else 1
    console = make_console()
    _print_report(console, report)
    if page is not None:
        console.print(f"Report: {page}", soft_wrap=True)
    elif keep:
        console.print(f"Kept in {home}", soft_wrap=True)
    return 0 if report.is_reproduced else 1


@contextmanager
def _folder(folder: Path | None, *, is_kept: bool) -> Iterator[Path]:
    """Yield the folder that was named, or one that is there for this command only."""
    import shutil
    import tempfile

    if folder is not None:
        yield folder
        return
    from whiteline.workflows.rerun.place import RESULTS

    temporary = Path(tempfile.mkdtemp(prefix="whiteline-rerun-"))
    try:
        yield temporary
    except KeyboardInterrupt:
        results = temporary / RESULTS
        is_kept = is_kept or (results.is_file() and results.stat().st_size > 0)
        if is_kept:
            typer.echo(f"what was finished is kept in {temporary}: go on with -o {temporary}", err=True)
        raise
    finally:
        if not is_kept:
            shutil.rmtree(temporary, ignore_errors=True)


def _plain_name(name: str | None) -> str:
    import re

    return re.sub(r"[^\w+-]+", "_", Path(name or "").name)


def _print_report(console: Any, report: RerunReport) -> None:
    if len(report.asked) == 1:
        _print_one(console, report.results[report.asked[0]], report)
        return
    from rich.text import Text

    from whiteline.cli.tables import make_table

    table = make_table("id", "spectrum", "verdict", ">largest difference", "why", wrapped=("spectrum", "why"))
    for result in (report.results[each] for each in report.asked):
        largest = None if result.comparison is None else result.comparison.largest
        verdict = Text(result.verdict.value, style=_STYLES.get(result.verdict, ""))
        why = "" if result.verdict.is_reproduced and result.comparison else result.explanation
        table.add_row(result.id[:_N_ID], result.label, verdict, "" if largest is None else f"{largest:.2g}", why)
    console.print(table)
    console.print(", ".join(f"{n} {verdict}" for verdict, n in report.verdicts.items()))


def _print_one(console: Any, result: RerunResult, report: RerunReport) -> None:
    console.print(f"{result.label}  {result.id[:_N_ID]}", soft_wrap=True)
    console.print(result.verdict.value, style=_STYLES.get(result.verdict, "yellow"), end="")
    words = result.comparison.words if result.comparison else result.reason
    console.print(f": {words}" if words else "", soft_wrap=True)
    if result.seconds:
        console.print(f"{result.seconds:.1f} s here, {result.seconds_recorded:.1f} s on record", style="dim")
    for note in result.notes:
        console.print(note, soft_wrap=True)
    for part, verdict in result.parts.items():
        console.print(f"  {report.results[part].label}: {verdict}", soft_wrap=True)
    _print_differences(console, result)


def _print_differences(console: Any, result: RerunResult) -> None:
    from whiteline.workflows.rerun import Verdict

    if not result.differences:
        if result.verdict is Verdict.DIFFERENT:
            console.print("No difference on record explains it.")
        return
    is_different = result.verdict is Verdict.DIFFERENT
    head = "Reasons, the likeliest first:" if is_different else "Not as on record:"
    console.print(head)
    for difference in result.differences[:_N_SHOWN]:
        console.print(f"  {difference.words}", soft_wrap=True)
        if difference.detail:
            console.print("\n".join(f"    {line}" for line in difference.detail.splitlines()), style="dim")
    if (n_more := len(result.differences) - _N_SHOWN) > 0:
        console.print(f"  and {n_more} more (--json)")
