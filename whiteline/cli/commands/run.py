"""`whiteline run`: compute the spectra of structures."""

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
    from whiteline.workflows.material import MaterialResult

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline run anatase.cif --absorber Ti --edge K --preset fast

  whiteline run structures/ --absorber Fe --edge L2,3 -j 4

  whiteline run collection.json#mp-390 --absorber Ti --set fms_radius=6.5
"""


@app.command(epilog=_EXAMPLES)
def run(
    structures: Structures,
    absorber: AbsorbingElement,
    edge: EdgeName = "K",
    engine: Annotated[
        str, typer.Option("--engine", metavar="CODE", help="feff, xspectra, ocean, vasp or exciting.")
    ] = "feff",
    preset: PresetName = "standard",
    values: Assignments = None,
    n_processes: Annotated[int, typer.Option("--processes", "-j", min=1, help="Sites computed at a time.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Compute again what the store already has.")] = False,
    database: Database = None,
    run_directory: Annotated[
        str | None, typer.Option("--run-directory", metavar="DIR", help="Where run directories are made.")
    ] = None,
    keep_runs: Annotated[bool, typer.Option("--keep-runs", help="Keep the run directories of finished sites.")] = False,
) -> int:
    """Compute the spectrum of every inequivalent absorber and of the material, unless the store has it."""
    from whiteline.cli.live import LiveProgress
    from whiteline.cli.tables import make_console
    from whiteline.settings import load_settings

    settings = load_settings(database=database, run_directory=run_directory, keep_runs=keep_runs or None)
    parameters = parse_assignments(values)
    with LiveProgress(make_console(is_error=True)) as live:
        live.announce("reading structures")
        from whiteline.structures import read_structures
        from whiteline.workflows.material import run_materials

        named = list(read_structures(structures))
        results = run_materials(
            named,
            absorber,
            edge,
            code=engine,
            preset=preset,
            parameters=parameters,
            n_processes=n_processes,
            is_forced=force,
            settings=settings,
            on_start=live.expect,
            on_progress=live.update,
        )
    _print_results(make_console(), results)
    return 0 if all(result.material.status.has_spectrum and not any(result.failures) for result in results) else 1


def _print_results(console, results: list[MaterialResult]) -> None:  # type: ignore[no-untyped-def]  # rich is imported late
    from whiteline.cli.tables import make_table, status_text

    table = make_table("id", "material", "site", ">mult.", "status", "origin", wrapped=("material", "site"))
    for result in results:
        for site, index, multiplicity, is_new in zip(
            result.sites, result.site_indices, result.multiplicities, result.is_computed, strict=True
        ):
            name = f"{site.absorber}{index} {site.edge}"
            origin = "computed" if is_new else "from the store"
            table.add_row(site.id[:10], result.name, name, str(multiplicity), status_text(site.status), origin)
        material = result.material
        table.add_row(
            material.id[:10],
            result.name,
            f"{material.absorber} {material.edge} average",
            "",
            status_text(material.status),
            "",
        )
    console.print(table)
    n_computed = sum(sum(result.is_computed) for result in results)
    n_stored = sum(len(result.is_computed) for result in results) - n_computed
    if not n_computed and not any(any(result.failures) for result in results):
        console.print("Nothing was computed: every site was in the store already (--force computes it again).")
    elif n_stored:
        console.print(f"{n_computed} site(s) computed, {n_stored} served from the store.")
    for result in results:
        for site, index, failure in zip(result.sites, result.site_indices, result.failures, strict=True):
            where = f"{result.name} site {index}"
            if site.reason:
                console.print(f"{where} {site.status}: {site.reason}", style="yellow", soft_wrap=True)
            elif failure:
                words = f"{where} could not be computed again, its earlier spectrum is kept: {failure}"
                console.print(words, style="yellow", soft_wrap=True)
    good = next((r.material.id[:10] for r in results if r.material.status.has_spectrum), None)
    if good:
        console.print(f"Next: whiteline plot {good} -o spectrum.png", style="dim")
