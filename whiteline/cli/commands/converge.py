"""`whiteline converge`: raise parameters until the spectrum stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from whiteline.cli.app import app
from whiteline.cli.options import (
    AbsorbingElement,
    Assignments,
    Database,
    EdgeName,
    PresetName,
    Structures,
    parse_assignments,
)

if TYPE_CHECKING:
    from whiteline.convergence import Tolerance
    from whiteline.workflows.material import MaterialResult

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline converge anatase.cif --absorber Ti --budget 2h

  whiteline converge anatase.cif --absorber Ti --knob fms_radius --knob scf_radius --tolerance 0.01

  whiteline converge diamond.cif --absorber C --engine xspectra --tolerance spearman=0.01 --tolerance shift=0.3
"""
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@app.command(epilog=_EXAMPLES)
def converge(
    structures: Structures,
    absorber: AbsorbingElement,
    edge: EdgeName = "K",
    engine: Annotated[
        str, typer.Option("--engine", metavar="CODE", help="feff, xspectra, ocean, vasp or exciting.")
    ] = "feff",
    knobs: Annotated[
        list[str] | None,
        typer.Option("--knob", metavar="NAME", help="Parameter to converge in (default: all of the engine's)."),
    ] = None,
    tolerances: Annotated[
        list[str] | None,
        typer.Option(
            "--tolerance",
            metavar="NUMBER|NAME=NUMBER",
            help="1 - Spearman of neighbouring rungs, or spearman=, area=, shift= (eV), window= (eV); repeatable.",
        ),
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="TIME", help="Wall time for each site, e.g. 90m or 2h.")
    ] = None,
    preset: PresetName = "standard",
    values: Assignments = None,
    n_processes: Annotated[int, typer.Option("--processes", "-j", min=1, help="Sites converged at a time.")] = 1,
    database: Database = None,
    run_directory: Annotated[
        str | None, typer.Option("--run-directory", metavar="DIR", help="Where run directories are made.")
    ] = None,
) -> int:
    """Raise one parameter after another until the spectrum of every inequivalent absorber stands still."""
    from whiteline.cli.live import LiveProgress
    from whiteline.cli.tables import make_console
    from whiteline.settings import load_settings

    settings = load_settings(database=database, run_directory=run_directory)
    tolerance, seconds = parse_tolerance(tolerances), parse_duration(budget)
    parameters = parse_assignments(values)
    with LiveProgress(make_console(is_error=True)) as live:
        live.announce("reading structures")
        from whiteline.structures import read_structures
        from whiteline.workflows.material import converge_materials

        results = converge_materials(
            list(read_structures(structures)),
            absorber,
            edge,
            code=engine,
            preset=preset,
            parameters=parameters,
            knobs=knobs or (),
            tolerance=tolerance,
            budget=seconds,
            n_processes=n_processes,
            settings=settings,
            on_start=live.expect,
            on_progress=live.update,
        )
    _print_results(make_console(), results, database)
    return 0 if all(site.status == "converged" for result in results for site in result.sites) else 1


def parse_tolerance(texts: list[str] | None) -> Tolerance:
    """Return the tolerance that the options give; a bare number is that of 1 - Spearman.

    >>> parse_tolerance(["0.01", "shift=0.5"])
    Tolerance(spearman=0.01, area=0.02, shift=0.5, window=35.0)
    """
    from dataclasses import fields

    from whiteline.convergence import Tolerance
    from whiteline.errors import ParameterError, did_you_mean

    known = [field.name for field in fields(Tolerance)]
    found: dict[str, float] = {}
    for text in texts or []:
        name, separator, number = text.rpartition("=")
        name = name.strip() if separator else "spearman"
        if name not in known:
            raise ParameterError(f"there is no tolerance {name!r}: {did_you_mean(name, known)}")
        try:
            found[name] = float(number)
        except ValueError as error:
            raise ParameterError(f"--tolerance expects a number or NAME=NUMBER, got {text!r}") from error
    return Tolerance(**found)


def parse_duration(text: str | None) -> float | None:
    """Return seconds; None for no text.

    >>> parse_duration("2h"), parse_duration("90m"), parse_duration("45")
    (7200.0, 5400.0, 45.0)
    """
    import re

    from whiteline.errors import ParameterError

    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([smhd]?)\s*", text)
    if match is None or not float(match[1]) > 0:
        raise ParameterError(f"--budget expects a time above 0 such as 600s, 90m or 2h, got {text!r}")
    return float(match[1]) * _SECONDS[match[2]]


def _print_results(console, results: list[MaterialResult], database: str | None) -> None:  # type: ignore[no-untyped-def]  # rich is imported late
    from whiteline.cli.labels import duration
    from whiteline.cli.options import open_existing
    from whiteline.cli.tables import make_table, status_text

    table = make_table(
        "id", "material", "site", "status", ">rungs", ">time", "parameters", wrapped=("material", "parameters")
    )
    with open_existing(database) as store:
        for result in results:
            for site, index in zip(result.sites, result.site_indices, strict=True):
                record = store.records(site.id)[-1].parameters
                best = next((p for p in record["points"] if p["rungs"] == record["best"]), None)
                table.add_row(
                    site.id[:10],
                    result.name,
                    f"{site.absorber}{index} {site.edge}",
                    status_text(site.status),
                    str(len(record["points"])),
                    duration(sum(p["seconds"] for p in record["points"])),
                    best["words"] if best else "–",
                )
            average = f"{result.material.absorber} {result.material.edge} average"
            status = status_text(result.material.status)
            table.add_row(result.material.id[:10], result.name, average, status, "", "", "")
    console.print(table)
    for result in results:
        for site, index in zip(result.sites, result.site_indices, strict=True):
            if site.reason:
                words = f"{result.name} site {index} {site.status}: {site.reason}"
                console.print(words, style="yellow", soft_wrap=True)
    first = results[0].sites[0].id[:10]
    console.print(f"Next: whiteline show {first}; whiteline plot {first} --convergence -o convergence.png", style="dim")
