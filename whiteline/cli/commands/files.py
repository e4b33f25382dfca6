"""`whiteline files`: the raw files that are kept beside a spectrum."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from whiteline.cli.app import app
from whiteline.cli.options import Database, open_existing

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline files 3f9a2c

  whiteline files 3f9a2c feff.inp

  whiteline files 3f9a2c -o run/
"""


@app.command(epilog=_EXAMPLES)
def files(
    spectrum_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a spectrum, or enough of its beginning.")],
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Print this file instead of the list.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder into which the files are written.")
    ] = None,
    database: Database = None,
) -> int:
    """List, print or write the inputs, outputs and logs of the calculation behind a spectrum."""
    with open_existing(database) as store:
        spectrum_id = store.get(spectrum_id).id
        if name is not None and output is None:
            typer.echo(store.read_file(spectrum_id, name), nl=False)
            return 0
        found = [file for file in store.files(spectrum_id) if name in (None, file.name)]
        if name is not None and not found:
            store.read_file(spectrum_id, name)  # says which files there are
        if output is not None:
            for file in found:
                _write(output, file.name, store.read_file(spectrum_id, file.name))
            typer.echo(f"wrote {len(found)} files to {output}")
            return 0
    if not found:
        typer.echo(f"no files are kept beside {spectrum_id[:10]}", err=True)
        return 0
    from whiteline.cli.tables import make_console, make_table

    table = make_table("file", ">bytes", "sha256")
    for file in found:
        table.add_row(file.name, f"{file.size:,}", file.sha256[:12])
    make_console().print(table)
    return 0


def _write(folder: Path, name: str, content: bytes) -> None:
    from whiteline.database.blobs import check_file_name
    from whiteline.errors import CorruptStoreError, ParameterError, StoreError

    try:
        path = folder / check_file_name(name)
    except ParameterError as error:
        # Stores refuse such names: this one was put there by another program, perhaps to write elsewhere.
        raise CorruptStoreError(f"the store holds a file of an unsafe name, it was not written: {error}") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError as error:
        raise StoreError(f"{path} is there already: choose another folder with -o") from error
    except OSError as error:
        raise StoreError(f"cannot write {path} ({error.strerror}): choose a writable folder with -o") from error
