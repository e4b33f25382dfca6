"""`whiteline ingest`: spectra that others computed or measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whiteline.cli.app import app
from whiteline.cli.options import Database

if TYPE_CHECKING:
    from whiteline.database.ingest import IngestReport
    from whiteline.database.store import SpectrumStore

# Reasons of one path that are shown; --json has them all.
_N_SHOWN = 20

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline ingest calculations/ --dry-run

  whiteline ingest scans/*.dat --as measured --absorber Cu --edge K --licence CC-BY-4.0

  whiteline ingest xspectra.aiida aiida:PROFILE

  whiteline ingest omnixas/cu_feff_sites.parquet --citation doi:10.1103/PhysRevMaterials.9.043803
"""


@app.command(epilog=_EXAMPLES)
def ingest(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH",
            help="Folder of runs, XDI, Athena project, columns, Parquet, JSON, archive of AiiDA, aiida:PROFILE.",
        ),
    ],
    kind: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="KIND",
            help="Read all as whiteline, feff, xspectra, ocean, exciting, vasp, table, measured, xas-json or aiida.",
        ),
    ] = None,
    absorber: Annotated[
        str | None, typer.Option("--absorber", "-a", metavar="ELEMENT", help="Absorber, where files name none.")
    ] = None,
    edge: Annotated[str | None, typer.Option("--edge", "-e", help="Edge, where files name none.")] = None,
    licence: Annotated[str, typer.Option("--licence", help="Licence of the spectra, e.g. CC-BY-4.0.")] = "",
    citation: Annotated[str, typer.Option("--citation", help="What to cite, e.g. doi:10.…")] = "",
    tables: Annotated[
        list[Path] | None,
        typer.Option("--table", metavar="TOML", help="Description of a table's columns; repeatable."),
    ] = None,
    no_limit: Annotated[
        bool, typer.Option("--no-limit", help="Read files of any size and lines of any length.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read everything and store nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The whole report as JSON.")] = False,
    database: Database = None,
) -> int:
    """Store spectra that were computed or measured elsewhere; what is stored already is left as it is."""
    import json
    from contextlib import nullcontext

    from whiteline.database.ingest import IngestOptions, Limits
    from whiteline.edges import Edge, edge_energy
    from whiteline.settings import load_settings
    from whiteline.workflows.ingest import ingest as ingest_paths

    options = IngestOptions(
        absorber=absorber,
        edge=None if edge is None else Edge.parse(edge),
        licence=licence,
        citation=citation,
        limits=Limits.none() if no_limit else Limits(),
    )
    if absorber is not None:
        edge_energy(absorber, options.edge or Edge.K)
    settings = load_settings(database=database)
    store = _open(settings.database, is_dry_run=dry_run)
    with store or nullcontext():
        report = ingest_paths(
            paths,
            store,
            kind=kind,
            options=options,
            tables=tables or (),
            settings=settings,
            is_dry_run=dry_run,
        )
    if as_json:
        typer.echo(json.dumps(report.to_dict()))
    else:
        _show(report)
    return 0 if report.is_success else 1


def _open(address: str, *, is_dry_run: bool) -> SpectrumStore | None:
    """Open the store; a dry run makes none."""
    from whiteline.database import open_store
    from whiteline.errors import CorruptStoreError, SchemaVersionError, StoreError

    if not is_dry_run:
        return open_store(address)
    try:
        return open_store(address, must_exist=True)
    except (CorruptStoreError, SchemaVersionError):
        raise
    except StoreError:  # there is none yet
        return None


def _show(report: IngestReport) -> None:
    from whiteline.cli.tables import make_console, make_table

    console = make_console()
    table = make_table("path", ">taken", ">there already", ">skipped", "what", wrapped=("path", "what"))
    for path in report.paths:
        what = "; ".join(f"{n} {name}" for name, n in path.taken.items())
        table.add_row(path.path, str(path.n_taken), str(path.n_present), str(len(path.skipped)), what)
    console.print(table)
    for path in report.paths:
        for one in path.skipped[:_N_SHOWN]:
            reason = one.reason if one.source in one.reason else f"{one.source}: {one.reason}"
            console.print(f"skipped: {reason}", soft_wrap=True)
        if len(path.skipped) > _N_SHOWN:
            console.print(f"… and {len(path.skipped) - _N_SHOWN} more of {path.path} (--json has all)")
        if path.n_ignored:
            console.print(f"{path.n_ignored} other files in {path.path} are of no kind that is read by itself")
    verb = "would be stored" if report.is_dry_run else "stored"
    console.print(f"{report.n_taken} spectra {verb}, {report.n_present} there already, {len(report.skipped)} skipped")
