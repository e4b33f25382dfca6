"""`whiteline models list|show|export`: trained models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whiteline.cli.commands.models import models
from whiteline.cli.options import Database, suspicions

Registry = Annotated[
    Path | None, typer.Option("--models", metavar="DIR", help="Folder of models (default: WHITELINE_MODELS, or data).")
]
Name = Annotated[str, typer.Argument(metavar="NAME|ID|DIR", help="Name, beginning of the id, or folder of a model.")]


@models.command(
    name="list",
    epilog="[bold]Examples[/bold]\n\n  whiteline models list\n\n  whiteline models list --absorber Cu --models .",
)
def list_trained(
    absorber: Annotated[str | None, typer.Option("--absorber", "-a", metavar="ELEMENT", help="That predict it")] = None,
    edge: Annotated[str | None, typer.Option("--edge", "-e", help="That predict this edge.")] = None,
    fidelity: Annotated[str | None, typer.Option("--fidelity", help="That predict this code and preset.")] = None,
    registry: Registry = None,
    as_json: Annotated[bool, typer.Option("--json", help="Name, id, folder, channels and metrics as JSON.")] = False,
    database: Database = None,
) -> int:
    """List trained models: what they predict, how good they are, and from what."""
    import json

    from whiteline.cli.tables import make_console, make_table
    from whiteline.models.registry import list_models
    from whiteline.settings import load_settings
    from whiteline.workflows.learning.registry import registry_folder

    folder = registry_folder(load_settings(), registry)
    entries = list_models(folder, absorber=absorber, edge=edge, fidelity=fidelity)
    if as_json:
        rows = [
            {
                "name": entry.name,
                "id": entry.id,
                "folder": str(entry.path),
                "channels": list(entry.channels),
                "metrics": dict(entry.card.metrics),
            }
            for entry in entries
        ]
        typer.echo(json.dumps(rows))
        return 0
    console = make_console()
    suspect = suspicions(database, *(entry.id for entry in entries))
    if not entries:
        console.print(f"no such model in {folder}: train one with `whiteline train`, or name another folder")
        return 0
    table = make_table("id", "name", "predicts", ">members", ">test η", "trained", wrapped=("name", "predicts"))
    for entry in entries:
        eta = entry.card.metrics.get("test_eta")
        shown = ", ".join(entry.channels[:4]) + (f" and {len(entry.channels) - 4} more" if entry.channels[4:] else "")
        members, score = str(entry.config["n_member"]), "" if eta is None else f"{eta:.2f}"
        table.add_row(entry.id[:10], entry.name, shown, members, score, entry.card.created[:10])
    console.print(table)
    for entry in entries:
        if entry.id in suspect:
            console.print(f"{entry.name} is suspect: {suspect[entry.id]}", style="bold red", markup=False)
    console.print("η of two models compares only where they were tested on the same spectra.", style="dim")
    return 0


@models.command(epilog="[bold]Example[/bold]\n\n  whiteline models show cu-k-feff")
def show(
    name: Name,
    registry: Registry = None,
    as_json: Annotated[bool, typer.Option("--json", help="Config and card as JSON.")] = False,
    database: Database = None,
) -> int:
    """Show the card of a model: data, split, training, metrics, candidates, licence, lineage."""
    import json

    from rich.table import Table
    from rich.text import Text

    from whiteline.cli.tables import make_console
    from whiteline.models.registry import find_model
    from whiteline.settings import load_settings
    from whiteline.workflows.learning.registry import registry_folder

    entry = find_model(registry_folder(load_settings(), registry), name)
    if as_json:
        typer.echo(json.dumps({"config": entry.config, "card": entry.card.to_dict()}))
        return 0
    card, console = entry.card, make_console()
    for reason in suspicions(database, entry.id).values():
        console.print(f"SUSPECT: {reason}", style="bold red", markup=False)
    facts = {
        "name": entry.name,
        "id": entry.id,
        "folder": str(entry.path),
        "predicts": ", ".join(entry.channels),
        "architecture": json.dumps(entry.config["architecture"]),
        "members": str(entry.config["n_member"]),
        "features": entry.config["encoder"] or "unknown",
        "created": f"{card.created} by Whiteline {card.whiteline_version}",
        "licence": card.licence or "not stated",
        "split": card.split,
        **{f"data, {part}": _counts(described) for part, described in card.data.items()},
        **{name.replace("_", " "): f"{value:.5g}" for name, value in card.metrics.items()},
        **{f"candidate {name}": f"{error:.5g}" for name, error in card.candidate_errors.items()},
    }
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for key, value in facts.items():
        grid.add_row(f"  {key}", Text(value))
    console.print(grid)
    report = entry.path / "report" / "report.html"
    if report.is_file():
        console.print(f"Report: {report}", soft_wrap=True)
    console.print(f"Next: whiteline lineage {name}", style="dim")
    return 0


@models.command(epilog="[bold]Example[/bold]\n\n  whiteline models export cu-k-feff -o cu-k-feff.tar.gz")
def export(
    name: Name,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.tar.gz", help="The archive to make.")],
    registry: Registry = None,
) -> int:
    """Pack a model into one file to pass on, after looking whether it is whole."""
    from whiteline.models.registry import export_model, find_model
    from whiteline.settings import load_settings
    from whiteline.workflows.learning.registry import registry_folder

    entry = find_model(registry_folder(load_settings(), registry), name)
    written = export_model(entry, output)
    typer.echo(f"wrote {written} ({written.stat().st_size / 1e6:.1f} MB): {entry.name}, {entry.id[:12]}")
    if not entry.card.licence:
        typer.echo("its card states no licence: say under which it may be used (--licence when training)")
    return 0


def _counts(described: dict[str, object]) -> str:
    return f"{described.get('n_spectra')} spectra of {described.get('n_materials')} materials"
