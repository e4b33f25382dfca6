"""`whiteline lineage`: where a spectrum, a prediction or a model came from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app
from whiteline.cli.options import Database

if TYPE_CHECKING:
    from whiteline.workflows.lineage import LineageNode

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline lineage 3f9a2c

  whiteline lineage cu-k-feff --all

  whiteline lineage 3f9a2c --json > lineage.json
"""
_N_ID = 12


@app.command(epilog=_EXAMPLES)
def lineage(
    name: Annotated[str, typer.Argument(metavar="ID|MODEL", help="Id of a spectrum or prediction, or a model.")],
    everything: Annotated[
        bool, typer.Option("--all", help="All spectra that a model learned from, each with its own lineage.")
    ] = False,
    models: Annotated[
        Path | None, typer.Option("--models", metavar="DIR", help="Folder in which models are looked for.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The tree as JSON, with all that is known.")] = False,
    database: Database = None,
) -> int:
    """Show what something was made from, down to input files and the files of the structures.

    A link that leads nowhere any more is shown as missing, and the exit status is 1.
    """
    import json
    from contextlib import nullcontext

    from whiteline.cli.tables import make_console
    from whiteline.database import open_store
    from whiteline.errors import StoreError
    from whiteline.settings import load_settings
    from whiteline.workflows.learning.registry import registry_folder
    from whiteline.workflows.lineage import Tracer

    settings = load_settings(database=database)
    registry = registry_folder(settings, models)
    try:
        opened: Any = open_store(settings.database, must_exist=True)
    except StoreError:
        if database is not None:
            raise
        opened = nullcontext()  # a model has a lineage of its own
    with opened as store:
        tree = _trace(Tracer(store, registry, is_complete=everything), name)
    n_missing = sum(node.is_missing for node in tree.walk())
    if as_json:
        typer.echo(json.dumps(tree.to_dict()))
        return 1 if n_missing else 0
    console = make_console()
    console.print(_drawn(tree))
    if n_missing:
        console.print(f"{n_missing} link(s) lead nowhere any more; they are marked MISSING", style="yellow")
    return 1 if n_missing else 0


def _trace(tracer: Any, name: str) -> LineageNode:
    from whiteline.database.store import AmbiguousIdError, UnknownIdError
    from whiteline.errors import InputError

    unknown: InputError | None = None
    if tracer.store is not None and not Path(name).is_dir():
        try:
            return tracer.trace_spectrum(name)  # type: ignore[no-any-return]
        except AmbiguousIdError:
            raise
        except UnknownIdError as error:
            unknown = error
    # Only now: a spectrum has a lineage also where nothing for learning is installed.
    from whiteline.models.registry import find_model

    try:
        return tracer.trace_model(find_model(tracer.registry, name))  # type: ignore[no-any-return]
    except InputError as error:
        raise InputError(f"{unknown}; {error}" if unknown else str(error)) from error


def _drawn(node: LineageNode) -> Any:
    """Return a node as a tree of rich."""
    from rich.text import Text
    from rich.tree import Tree

    def words(each: LineageNode) -> Text:
        text = Text(f"{each.kind} ", style="bold")
        if each.is_missing:
            text.append("MISSING ", style="bold red")
        text.append(each.label, style="red" if each.is_missing else "")
        if each.id and each.id != each.label:
            text.append(f"  {each.id.removeprefix('sha256:')[:_N_ID]}", style="dim")
        for name in ("folder", "ran", "reason"):
            if each.facts.get(name):
                text.append(f"\n{name}: {each.facts[name]}", style="dim")
        return text

    def grow(tree: Tree, each: LineageNode) -> Tree:
        for child in each.made_from:
            grow(tree.add(words(child)), child)
        return tree

    return grow(Tree(words(node), guide_style="dim"), node)
