"""`whiteline lineage`: where something came from, and what came of it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app
from whiteline.cli.options import Database

if TYPE_CHECKING:
    from rich.tree import Tree

    from whiteline.provenance.graph import LineageGraph, Node

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline lineage 3f9a2c

  whiteline lineage cu-k-feff -o lineage.svg

  whiteline lineage anatase.cif --descendants

  whiteline lineage 3f9a2c --depth 4 --format prov-json -o lineage.json
"""
_N_LISTED = 12
_WIDTH = 160  # characters of a line of a tree in a file


class Format(StrEnum):
    """How a lineage is written."""

    TREE = "tree"
    DOT = "dot"
    SVG = "svg"
    PNG = "png"
    PDF = "pdf"
    JSON = "json"
    PROV_JSON = "prov-json"

    @property
    def is_picture(self) -> bool:
        """Whether it is drawn, so that it needs a file."""
        return self in (Format.SVG, Format.PNG, Format.PDF)


_BY_ENDING = {
    ".svg": Format.SVG,
    ".png": Format.PNG,
    ".pdf": Format.PDF,
    ".dot": Format.DOT,
    ".gv": Format.DOT,
    ".json": Format.JSON,
}


@app.command(epilog=_EXAMPLES)
def lineage(
    name: Annotated[
        str,
        typer.Argument(metavar="ID|FILE|MODEL|DATASET", help="Id of anything on record, a file, a model, a dataset."),
    ],
    descendants: Annotated[bool, typer.Option("--descendants", help="What came of it, not what it came from.")] = False,
    depth: Annotated[
        int | None, typer.Option("--depth", min=0, metavar="N", help="At most so many links away.")
    ] = None,
    form: Annotated[
        Format | None, typer.Option("--format", help="How it is written; the ending of -o decides, else tree.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="New file; pictures need one.")
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Every spectrum of datasets and models, earlier attempts; nothing is summed up."),
    ] = False,
    models: Annotated[
        Path | None, typer.Option("--models", metavar="DIR", help="Folder in which models are looked for.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
    database: Database = None,
) -> int:
    """Show what something was made from, down to source files and programs, or what was made of it.

    Asked for may be a spectrum, a calculation, a structure, a site, a model, a dataset, or any file that is on record:
    by its id or the beginning of it, by name, or by its place. What is gone, or is not what it was, is marked, and the
    exit status is 1.
    """
    from contextlib import nullcontext

    from whiteline.database import open_store
    from whiteline.errors import StoreError
    from whiteline.settings import load_settings
    from whiteline.workflows.learning.registry import registry_folder
    from whiteline.workflows.lineage import Tracer

    chosen = _format(form, output, as_json=as_json)
    settings = load_settings(database=database)
    try:
        opened: Any = open_store(settings.database, must_exist=True)
    except StoreError:
        if database is not None:
            raise
        opened = nullcontext()  # a model has a lineage of its own
    with opened as store:
        tracer = Tracer(store, registry_folder(settings, models), is_complete=everything)
        root = tracer.resolve(name)
        trace = tracer.descendants if descendants else tracer.ancestors
        graph = trace(root, depth=depth)
    if chosen.is_picture:
        _draw(graph, root, output, is_complete=everything)
    else:
        _write(_text(graph, root, chosen, is_descending=descendants, is_complete=everything), output)
    return _tell_problems([node for node in graph.nodes.values() if node.problem], len(graph.nodes))


def _format(form: Format | None, output: Path | None, *, as_json: bool) -> Format:
    """Return what is written, after making sure that it can be."""
    from whiteline.errors import InputError, ParameterError, StoreError

    if as_json and form not in (None, Format.JSON):
        raise ParameterError(f"--json means --format json, got --format {form}: leave one out")
    ending = None if output is None else _BY_ENDING.get(output.suffix.lower())
    chosen = Format.JSON if as_json else form or ending or Format.TREE
    if chosen.is_picture and output is None:
        raise InputError(f"a picture needs a file: give one with -o lineage.{chosen}")
    if chosen.is_picture and ending is not chosen:
        raise ParameterError(f"a {chosen} picture goes into a file that ends in .{chosen}, got {output}")
    if output is not None and output.exists():
        raise StoreError(f"{output} exists and is not written over: name another file, or remove it")
    return chosen


def _draw(graph: LineageGraph, root: str, output: Path | None, *, is_complete: bool) -> None:
    from whiteline.provenance.condensing import condense
    from whiteline.provenance.figure import draw

    if output is not None:
        node = graph.nodes[root]
        draw(
            graph if is_complete else condense(graph, root), output, root=root, title=f"{node.kind.words} {node.label}"
        )
        typer.echo(f"wrote {output}")


def _text(graph: LineageGraph, root: str, form: Format, *, is_descending: bool, is_complete: bool) -> str | Tree:
    import json

    from whiteline.workflows.lineage.tree import draw_tree

    if form is Format.DOT:
        from whiteline.provenance.dot import dot_text

        return dot_text(graph)
    if form is Format.PROV_JSON:
        from whiteline.provenance.prov_json import prov_document

        return json.dumps(prov_document(graph), indent=1)
    if form is Format.JSON:
        return json.dumps({**graph.to_dict(), "root": root})
    return draw_tree(graph, root, towards="effect" if is_descending else "cause", is_complete=is_complete)


def _write(content: str | Tree, output: Path | None) -> None:
    """Print a lineage, or write it into a new file."""
    from whiteline.cli.tables import make_console
    from whiteline.models.atomic_files import replaced

    if output is None:
        typer.echo(content) if isinstance(content, str) else make_console().print(content)
        return
    with replaced(output) as temporary, temporary.open("w", encoding="utf-8") as file:
        if isinstance(content, str):
            file.write(f"{content.rstrip()}\n")
        else:
            console = make_console()
            console.file, console.width = file, _WIDTH
            console.print(content)
    typer.echo(f"wrote {output}")


def _tell_problems(problems: list[Node], n_nodes: int) -> int:
    """Say on standard error what is gone or changed; return the exit status."""
    if not problems:
        return 0
    from whiteline.cli.tables import make_console
    from whiteline.provenance.captions import plain

    console = make_console(is_error=True)
    console.print(f"{len(problems)} of {n_nodes} things are missing, or are not what they were:", style="yellow")
    for node in problems[:_N_LISTED]:
        console.print(f"  {node.kind.words} {node.short_id}: {plain(node.problem)}")
    if len(problems) > _N_LISTED:
        console.print(f"  and {len(problems) - _N_LISTED} more; --json lists all")
    return 1
