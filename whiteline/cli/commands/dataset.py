"""`whiteline dataset`: frozen datasets, for training and for publication."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whiteline.cli.app import app
from whiteline.cli.filters import Filters, takes_filters
from whiteline.cli.options import Database, open_existing, suspicions

if TYPE_CHECKING:
    from rich.console import Console

    from whiteline.database.datasets.manifest import Manifest

# Licences and citations listed by `show`; the manifest has all.
_N_LISTED = 10

_CREATE_EXAMPLES = """
[bold]Examples[/bold]

  whiteline dataset create copper --absorber Cu --edge K --kind site

  whiteline dataset create iron --absorber Fe --grid 'edge-relative -10:35:0.25' --split-by structure_id
"""

dataset = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Make, show and verify frozen datasets: spectra on one grid with structures, split and checksums.",
    epilog="[bold]Examples[/bold]\n\n  whiteline dataset create copper -a Cu\n\n  whiteline dataset verify copper",
)
app.add_typer(dataset, name="dataset")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the dataset.")]


@dataset.command(epilog=_CREATE_EXAMPLES)
@takes_filters
def create(
    filters: Filters,
    folder: Annotated[Path, typer.Argument(metavar="NAME|DIR", help="Folder to make; its last part is the name.")],
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most so many, oldest first.")] = None,
    grid: Annotated[
        str,
        typer.Option("--grid", help="omnixas, or 'edge-relative|absolute|as-stored START:STOP:STEP' in eV."),
    ] = "omnixas",
    n_points: Annotated[
        int | None, typer.Option("--points", min=2, help="Number of points, in place of the step.")
    ] = None,
    intensity: Annotated[
        str, typer.Option("--intensity", help="cross_section [Mbarn], or raw as the code wrote it.")
    ] = "cross_section",
    extrapolate: Annotated[
        bool, typer.Option("--extrapolate", help="Hold the end values of spectra that do not cover the grid.")
    ] = False,
    fractions: Annotated[
        str, typer.Option("--split", help="Fractions of training, validation and test set.")
    ] = "0.8,0.1,0.1",
    split_by: Annotated[
        str, typer.Option("--split-by", help="What never crosses a split: formula, structure_id, chemical_system.")
    ] = "formula",
    seed: Annotated[int, typer.Option("--seed", help="Another number is another split.")] = 0,
    database: Database = None,
) -> int:
    """Write what a query finds as a frozen dataset: the same store, options and seed give the same files.

    Spectra that do not cover the grid, or whose energies or units are unknown, are left out and counted.
    """
    from whiteline.cli.tables import make_console
    from whiteline.database.datasets import DatasetGrid, Intensity, Split, create_dataset
    from whiteline.database.query_values import member

    axis = DatasetGrid.parse(grid, n_points=n_points)
    split = Split.parse(fractions, by=split_by, seed=seed)
    kind = member(Intensity, intensity)
    with open_existing(database) as store:
        made = create_dataset(
            store,
            filters.query(limit=limit),
            folder,
            grid=axis,
            split=split,
            intensity=kind,
            is_extrapolated=extrapolate,
        )
    console = make_console()
    console.print(f"made {folder}: {made.manifest.n_spectra} spectra, {made.manifest.grid.describe()}")
    _print_split(console, made.manifest)
    _print_excluded(console, made.manifest)
    return 0


@dataset.command(epilog="[bold]Example[/bold]\n\n  whiteline dataset show copper")
def show(
    folder: Folder,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest.")] = False,
    database: Database = None,
) -> int:
    """Show what a dataset says of itself, and whether it is marked as suspect; no spectra are read."""
    from whiteline.cli.tables import make_console, make_table
    from whiteline.database.datasets import Dataset

    manifest = Dataset.open(folder).manifest
    if as_json:
        typer.echo(manifest.to_text(), nl=False)
        return 0
    console = make_console()
    for reason in suspicions(database, manifest.content_sha256).values():
        console.print(f"SUSPECT: {reason}", style="bold red", markup=False)
    table = make_table("", "", wrapped=("",))
    table.show_header = False
    facts = {
        "name": manifest.name,
        "created": f"{manifest.created} by Whiteline {manifest.whiteline_version}",
        "content": manifest.content_sha256,
        "spectra": f"{manifest.n_spectra}, with {manifest.n_structures} structures",
        "grid": manifest.grid.describe(),
        "intensity": f"{manifest.intensity} [{manifest.units['intensity']}]",
        "query": ", ".join(f"{name} {value}" for name, value in manifest.query.items()),
    }
    for name in ("edges", "codes", "statuses", "licences", "citations"):
        counts = sorted(getattr(manifest, name).items(), key=lambda found: (-found[1], found[0]))
        rest = f" and {len(counts) - _N_LISTED} more" if len(counts) > _N_LISTED else ""
        facts[name] = ", ".join(f"{key} ({count})" for key, count in counts[:_N_LISTED]) + rest
    for name, fact in facts.items():
        table.add_row(name, fact)
    console.print(table)
    _print_split(console, manifest)
    _print_excluded(console, manifest)
    return 0


@dataset.command(epilog="[bold]Example[/bold]\n\n  whiteline dataset verify copper")
def verify(folder: Folder) -> int:
    """Recompute checksums, ids, counts, split and structures; the exit status is 1 when anything is wrong.

    No store is needed, only the folder.
    """
    from whiteline.database.datasets import Dataset, verify_dataset

    found = verify_dataset(folder)
    for problem in found.problems:
        typer.echo(problem)
    if not found.is_sound:
        typer.echo(f"{folder} is NOT as it was made")
        return 1
    manifest = Dataset.open(folder).manifest
    typer.echo(f"{folder} is as it was made on {manifest.created[:10]}: {manifest.n_spectra} spectra, every file whole")
    return 0


def _print_split(console: Console, manifest: Manifest) -> None:
    split = manifest.split
    counts = ", ".join(
        f"{name} {count['spectra']} of {count['groups']} groups" for name, count in manifest.split_counts.items()
    )
    console.print(f"split by {split.by.value}, seed {split.seed}: {counts}")


def _print_excluded(console: Console, manifest: Manifest) -> None:
    for reason, found in manifest.excluded.items():
        console.print(f"left out {len(found['ids'])}: {reason} ({found['remedy']})")
