"""`whiteline models`: pretrained weights on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whiteline.cli.app import app

models = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Models and the pretrained weights that their features come from.",
    epilog="[bold]Example[/bold]\n\n  whiteline models fetch M3GNet-MP-2021.2.8-PES",
)
app.add_typer(models, name="models")


@models.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline models fetch M3GNet-MP-2021.2.8-PES\n\n"
    "  whiteline models fetch M3GNet-MP-2021.2.8-PES --folder ~/weights"
)
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `whiteline models list-pretrained` lists it.")],
    folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to make the folder NAME (default: the user's cache).")
    ] = None,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Folder of the files on a mirror (default: as published).")
    ] = None,
) -> int:
    """Download published weights and check them; nothing else ever downloads any."""
    from whiteline.cli.tables import make_console
    from whiteline.models.pretrained import KNOWN_WEIGHTS, fetch_weights

    console = make_console()
    path = fetch_weights(name, folder=folder, url=url)
    known = KNOWN_WEIGHTS[name]
    console.print(f"{name} is in {path} ({known.licence}; doi:{known.doi}).")
    if folder is not None:
        console.print(f"To have it found, set WHITELINE_MODELS={folder}.")
    return 0


@models.command(name="list-pretrained", epilog="[bold]Example[/bold]\n\n  whiteline models list-pretrained")
def list_pretrained() -> int:
    """List the weights that features can come from, and where they are on this machine."""
    from rich.text import Text

    from whiteline.cli.tables import make_console, make_table
    from whiteline.errors import WhitelineError
    from whiteline.models.pretrained import KNOWN_WEIGHTS, find_weights, searched_folders

    console = make_console()
    table = make_table("name", ">size (MB)", "licence", "folder", wrapped=("licence", "folder"))
    for known in KNOWN_WEIGHTS.values():
        try:
            place = Text(str(find_weights(known.name)), style="green")
        except WhitelineError as error:
            place = Text(str(error), style="yellow")
        table.add_row(known.name, f"{known.n_bytes / 1e6:.1f}", known.licence, place)
    console.print(table)
    console.print(
        f"Searched: {', '.join(map(str, searched_folders()))}. CHGNet's weights come with the package chgnet."
    )
    return 0
