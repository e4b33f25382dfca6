"""`whiteline benchmark`: rerun a published benchmark, and set it beside what was published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app
from whiteline.cli.options import Assignments, Database, parse_assignments

if TYPE_CHECKING:
    from whiteline.workflows.benchmark import BenchmarkRun
    from whiteline.workflows.benchmark.agreement import Agreements

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline benchmark list

  whiteline benchmark ti-o-10 --codes feff,xspectra --preset fast -j 2

  whiteline benchmark ti-o-10 --materials mp-1203 --import published-outputs/ --no-run

  whiteline benchmark path/to/folder
"""


@app.command(epilog=_EXAMPLES)
def benchmark(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A benchmark, the folder of one, or `list`."),
    ] = "list",
    codes: Annotated[
        list[str] | None, typer.Option("--codes", metavar="CODE,…", help="Codes that are compared (default: all).")
    ] = None,
    materials: Annotated[
        list[str] | None, typer.Option("--materials", metavar="ID,…", help="Materials (default: all).")
    ] = None,
    preset: Annotated[
        str, typer.Option("--preset", "-p", help="published, fast, or what else it offers (default: its first).")
    ] = "",
    values: Assignments = None,
    import_from: Annotated[
        Path | None, typer.Option("--import", metavar="DIR", help="Folder with outputs that were made elsewhere.")
    ] = None,
    no_run: Annotated[bool, typer.Option("--no-run", help="Compute nothing: compare what is imported.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Folder of the report (default: benchmark-NAME)."),
    ] = None,
    n_processes: Annotated[int, typer.Option("--processes", "-j", min=1, help="Sites computed at a time.")] = 1,
    force: Annotated[
        bool, typer.Option("--force", help="Compute and import again what the store already has.")
    ] = False,
    database: Database = None,
    run_directory: Annotated[
        str | None, typer.Option("--run-directory", metavar="DIR", help="Where run directories are made.")
    ] = None,
) -> int:
    """Compute or import the spectra of all codes, compare them in pairs, and write a report.

    Codes that are not on this machine are listed with what to install, and their inputs are written into the report's
    folder. What is stored is not computed again: an interrupted benchmark goes on where it was.
    """
    from whiteline.cli.live import LiveProgress
    from whiteline.cli.tables import make_console
    from whiteline.settings import load_settings

    if name == "list":
        _print_list(make_console())
        return 0
    settings = load_settings(database=database, run_directory=run_directory)
    parameters = parse_assignments(values)
    with LiveProgress(make_console(is_error=True)) as live:
        live.announce("reading the benchmark")
        from whiteline.workflows.benchmark import load_benchmark, run_benchmark, write_report

        chosen = load_benchmark(name).choose(codes=_split(codes), materials=_split(materials))
        folder = output or Path(f"benchmark-{chosen.name}")
        run = run_benchmark(
            chosen,
            folder=folder,
            preset=preset,
            parameters=parameters,
            import_from=import_from,
            is_computing=not no_run,
            n_processes=n_processes,
            is_forced=force,
            settings=settings,
            on_start=live.expect,
            on_progress=live.update,
        )
        live.announce("comparing")
        agreements = write_report(run, folder, database=settings.database)
    _print_outcome(make_console(), run, agreements)
    typer.echo(f"Report: {folder / 'report.html'}; numbers: {folder / 'results.json'}")
    return 0 if _is_complete(run, agreements) else 1


def _split(texts: list[str] | None) -> list[str]:
    return [word.strip() for text in texts or [] for word in text.split(",") if word.strip()]


def _print_list(console: Any) -> None:
    from whiteline.cli.tables import make_table
    from whiteline.workflows.benchmark import list_benchmarks

    table = make_table("benchmark", "what it is", wrapped=("what it is",))
    for name, title in list_benchmarks():
        table.add_row(name, title)
    console.print(table)
    console.print("Next: whiteline benchmark NAME --preset fast", style="dim")


def _print_outcome(console: Any, run: BenchmarkRun, agreements: Agreements) -> None:
    from whiteline.cli.tables import make_table

    table = make_table("pair", "of", ">published", ">here", ">difference", wrapped=("pair",))
    for result in agreements.published:
        if result.here is None or result.difference is None:
            continue
        number = result.number
        of = f"{result.n_materials} material(s)" if number.material is None else number.material
        if number.site is not None:
            of += f", site {number.site}"
        table.add_row(number.label, of, f"{number.value:.5f}", f"{result.here:.5f}", f"{result.difference:+z.5f}")
    if table.row_count:
        console.print(table)
    means = make_table("pair", "compared", ">materials", ">Spearman", ">Pearson", ">cosine")
    for mean in agreements.means:
        measures = (f"{mean.means[name]:.5f}" for name in ("spearman", "pearson", "cosine"))
        means.add_row(" – ".join(mean.codes), mean.quantity.value, str(mean.n_materials), *measures)
    if means.row_count:
        console.print(means)
    for report in run.codes:
        for group in report.findings:
            if group.finding.level == "error":
                words = f"{report.code}: {group.finding.subject}: {group.finding.detail}"
                remedy = f": {group.finding.remedy}" if group.finding.remedy else ""
                console.print(f"{words}{remedy}", style="yellow", soft_wrap=True)
        if report.inputs is not None:
            words = f"{report.code}: inputs of {report.n_inputs} site(s), ready to submit, are in {report.inputs}"
            console.print(words, soft_wrap=True)
    for site in run.sites:
        reason = site.failure or ("" if site.document.status.has_spectrum else site.document.reason)
        if reason:
            console.print(f"{site.material} site {site.site_index}: {reason}", style="red", soft_wrap=True)
    for problem in (*run.problems, *agreements.problems):
        console.print(f"{problem.subject}: {problem.reason}", style="red", soft_wrap=True)


def _is_complete(run: BenchmarkRun, agreements: Agreements) -> bool:
    """Return whether every code has the spectrum of every material, and all could be compared."""
    n_whole = sum(len(found) for scope, found in agreements.spectra.items() if scope.site is None)
    is_whole = n_whole == len(run.benchmark.materials) * len(run.benchmark.codes)
    return is_whole and not run.problems and all(row.similarity is not None for row in agreements.rows)
