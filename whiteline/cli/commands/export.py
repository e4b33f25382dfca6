"""`whiteline export`: a spectrum for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whiteline.cli.app import app
from whiteline.cli.options import Database, open_existing


@app.command(epilog="[bold]Example[/bold]\n\n  whiteline export 3f9a2c --format xdi -o anatase.xdi")
def export(
    spectrum_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a spectrum, or enough of its beginning.")],
    fmt: Annotated[str, typer.Option("--format", "-f", help="xdi, csv or json.")] = "xdi",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File; standard output when left out.")] = None,
    database: Database = None,
) -> int:
    """Write a spectrum as XDI, CSV or JSON."""
    from whiteline.database.export import export as export_document
    from whiteline.errors import StoreError

    with open_existing(database) as store:
        document = store.get(spectrum_id)
        records = store.records(document.id)
    text = export_document(document, records[-1] if records else None, fmt)
    if output is None:
        typer.echo(text, nl=False)
        return 0
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {output} ({error.strerror}): choose a writable place with -o") from error
    typer.echo(f"wrote {output}")
    return 0
