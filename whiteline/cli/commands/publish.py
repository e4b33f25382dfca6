"""`whiteline publish`: a dataset or a model as a folder for others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from whiteline.cli.app import app
from whiteline.cli.options import Database

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline publish copper -o copper-1.0 --licence CC-BY-4.0 --author 'Jane Doe <0000-0002-1825-0097>, Institute'

  whiteline publish cu-k-feff -o cu-k-feff-1.0 --for materials-cloud --citation 'doi:10.1038/s41524-018-0067-x'

  whiteline publish copper-1.0 --check
"""


@app.command(epilog=_EXAMPLES)
def publish(
    name: Annotated[
        str, typer.Argument(metavar="DATASET|MODEL", help="Folder of a dataset; name, id or folder of a model.")
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder to make.")] = None,
    licence: Annotated[
        str, typer.Option("--licence", "--license", metavar="SPDX|URL", help="Licence of the whole, e.g. CC-BY-4.0.")
    ] = "",
    unlicensed: Annotated[bool, typer.Option("--unlicensed", help="Publish also what names no licence.")] = False,
    authors: Annotated[
        list[str] | None,
        typer.Option("--author", metavar="'NAME <ORCID>, INSTITUTE'", help="Who publishes it; repeatable."),
    ] = None,
    title: Annotated[str, typer.Option("--title", help="Title (default: the name of the dataset or model).")] = "",
    description: Annotated[str, typer.Option("--description", help="What it is, in some sentences.")] = "",
    citations: Annotated[
        list[str] | None, typer.Option("--citation", metavar="TEXT|DOI", help="To be cited with it; repeatable.")
    ] = None,
    keywords: Annotated[list[str] | None, typer.Option("--keyword", help="To find it by; repeatable.")] = None,
    date: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Day of publication; today.")] = "",
    destination: Annotated[
        str | None, typer.Option("--for", metavar="nomad|materials-cloud", help="Make it ready for this archive.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Compare a published folder with its checksums; nothing is made.")
    ] = False,
    models: Annotated[
        Path | None, typer.Option("--models", metavar="DIR", help="Folder in which models are looked for.")
    ] = None,
    database: Database = None,
) -> int:
    """Make a folder of a dataset or a model that can be published: an RO-Crate with a page for people.

    It holds licences, citations, lineage, checksums and the commands that make it again. Nothing is sent anywhere.
    """
    from whiteline.errors import ParameterError

    if check:
        return _check(name)
    if output is None:
        raise ParameterError("name the folder to make with -o, or look at a published one with --check")
    from whiteline.cli.tables import make_console
    from whiteline.database.query_values import member
    from whiteline.settings import load_settings
    from whiteline.workflows.learning.registry import registry_folder
    from whiteline.workflows.publishing import Author, Destination, Terms, read_subject
    from whiteline.workflows.publishing import publish as make_publication

    terms = Terms(
        title=title,
        description=description,
        authors=tuple(map(Author.parse, authors or ())),
        licence=licence,
        is_unlicensed=unlicensed,
        citations=tuple(citations or ()),
        keywords=tuple(keywords or ()),
        published=date,
    )
    settings = load_settings(database=database)
    registry = registry_folder(settings, models)
    archive = member(Destination, destination) if destination is not None else None
    subject = read_subject(name, registry=registry)
    with _store(settings.database, is_chosen=database is not None) as store:
        done = make_publication(subject, output, terms=terms, store=store, registry=registry, destination=archive)
    console = make_console()
    console.print(f"made {output}: {done.n_files} files, {done.size / 1e6:.1f} MB, {subject.kind} {subject.id[:12]}")
    for note in done.notes:
        console.print(f"note: {note}", style="yellow", soft_wrap=True)
    console.print(f"Next: look at {output}/ro-crate-preview.html, then upload the folder", style="dim")
    return 0


def _store(address: str, *, is_chosen: bool) -> Any:
    """Return the store; a context without one where there is none at the usual place."""
    from contextlib import nullcontext

    from whiteline.database import open_store
    from whiteline.errors import StoreError

    try:
        return open_store(address, must_exist=True)
    except StoreError:
        if is_chosen:
            raise
        return nullcontext()


def _check(folder: str) -> int:
    from whiteline.workflows.publishing import check_published

    problems = check_published(folder)
    for problem in problems:
        typer.echo(problem)
    typer.echo(f"{folder} is NOT as it was published" if problems else f"{folder} is as it was published")
    return 1 if problems else 0
