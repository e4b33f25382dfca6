"""`whiteline affected`: what rests on something that turned out to be wrong, and marking it as suspect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whiteline.cli.app import app
from whiteline.cli.options import Database, open_existing

if TYPE_CHECKING:
    from rich.console import Console

    from whiteline.database.linked import RecordCondition
    from whiteline.database.store import SpectrumStore
    from whiteline.workflows.lineage.affected import Affected

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline affected --code feff --code-version '*10.0.1*'

  whiteline affected --library numpy==2.1.0 --library 'scipy==1.14.*'

  whiteline affected --pseudopotential Ti.pbe-gipaw.UPF --mark 'wrong core radius in Ti.pbe-gipaw.UPF'

  whiteline affected --spectrum 3f9a2c --ids

  whiteline query --suspect
"""
_SHOWN = 5
_N_ID = 12


@app.command(epilog=_EXAMPLES)
def affected(
    code: Annotated[str, typer.Option("--code", help="Program, e.g. feff; * and ? stand for any text.")] = "",
    code_version: Annotated[
        str, typer.Option("--code-version", help="Version as the program reports it; * and ? stand for any text.")
    ] = "",
    library: Annotated[
        list[str] | None, typer.Option("--library", metavar="NAME==VERSION", help="Version of a library; repeatable.")
    ] = None,
    commit: Annotated[str, typer.Option("--commit", help="Commit of Whiteline, or its beginning.")] = "",
    host: Annotated[str, typer.Option("--host", help="Machine; * and ? stand for any text.")] = "",
    pseudopotential: Annotated[
        list[str] | None,
        typer.Option("--pseudopotential", metavar="FILE|CHECKSUM", help="Pseudopotential; repeatable."),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", metavar="FILE|CHECKSUM", help="Any other file: source, input, program; repeatable."),
    ] = None,
    spectrum: Annotated[
        list[str] | None, typer.Option("--spectrum", metavar="ID", help="Spectrum that is wrong itself; repeatable.")
    ] = None,
    mark: Annotated[
        str | None, typer.Option("--mark", metavar="REASON", help="Mark all that is found as suspect, for this reason.")
    ] = None,
    unmark: Annotated[bool, typer.Option("--unmark", help="Take the marks of all that is found away.")] = False,
    models: Annotated[
        Path | None, typer.Option("--models", metavar="DIR", help="Folder in which models are looked for.")
    ] = None,
    only_ids: Annotated[bool, typer.Option("--ids", help="Print kind and id, a line each, and nothing else.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="What was found as JSON.")] = False,
    database: Database = None,
) -> int:
    """List every spectrum, average, prediction, dataset, model and file that rests on something, and mark it.

    Marks are shown by `whiteline query`, `show` and `lineage`, and found with `--suspect`; nothing is deleted.
    """
    import json

    from whiteline.cli.tables import make_console
    from whiteline.errors import ParameterError
    from whiteline.settings import load_settings
    from whiteline.workflows.learning.registry import registry_folder
    from whiteline.workflows.lineage.affected import find_affected

    if mark is not None and (unmark or not mark.strip()):
        raise ParameterError("--mark takes the reason that people will read, and not together with --unmark")
    condition = _condition(code, code_version, library or [], commit, host)
    with open_existing(database) as store:
        things = [_thing(store, each) for each in (*(pseudopotential or ()), *(file or ()))]
        things += [store.get(each).id for each in spectrum or ()]
        if condition is None and not things:
            raise ParameterError("say what turned out to be wrong, e.g. --code-version, --library or --pseudopotential")
        registry = registry_folder(load_settings(), models)
        found = find_affected(store, condition=condition, things=things, registry=registry)
        wrong = [store.get(each).id for each in spectrum or ()]
        n_marked = store.mark([*wrong, *found.ids], mark) if mark is not None else None
        n_unmarked = store.unmark([*wrong, *found.ids]) if unmark else None
    if as_json:
        typer.echo(json.dumps({"directly": list(found.directly), "found": found.found}))
        return 0
    if only_ids:
        for kind, named in found.found.items():
            for each in named:
                typer.echo(f"{kind} {each}")
        return 0
    console = make_console()
    _print(console, found)
    if n_marked is not None:
        console.print(f"{n_marked} marked as suspect: {mark}", markup=False)
    if n_unmarked is not None:
        console.print(f"{n_unmarked} marks taken away")
    return 0


def _condition(code: str, code_version: str, library: list[str], commit: str, host: str) -> RecordCondition | None:
    from whiteline.database.linked import RecordCondition
    from whiteline.errors import ParameterError

    libraries = {}
    for text in library:
        name, equals, version = text.partition("==")
        if not (name.strip() and equals and version.strip()):
            raise ParameterError(f"--library expects NAME==VERSION, e.g. numpy==2.1.0, got {text!r}")
        libraries[name.strip()] = version.strip()
    if not any((code, code_version, libraries, commit, host)):
        return None
    return RecordCondition(code=code, code_version=code_version, libraries=libraries, commit=commit, host=host)


def _thing(store: SpectrumStore, text: str) -> str:
    """Return the checksum that a file on disk has, or that begins so among those on record."""
    from whiteline.errors import InputError
    from whiteline.provenance import file_checksum

    if Path(text).is_file():
        return file_checksum(Path(text))
    found = store.linked_ids(text, limit=3)
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"several things on record begin with {text!r}, e.g. {', '.join(found)}: give more digits")
    raise InputError(
        f"{text!r} is no file here, and no record in {store.address} names a checksum that begins so: give the path of "
        "the file as it was, or its checksum as `whiteline show` and `whiteline lineage` print it"
    )


def _print(console: Console, found: Affected) -> None:
    from whiteline.cli.tables import make_table

    if not found.ids:
        console.print("nothing on record rests on it")
        return
    table = make_table("kind", ">number", "first of them", wrapped=("first of them",))
    for kind, count in found.counts.items():
        named = list(found.found[kind].items())[:_SHOWN]
        words = ", ".join(f"{each.removeprefix('sha256:')[:_N_ID]} ({name})" for each, name in named)
        table.add_row(kind, str(count), words + (" …" if count > _SHOWN else ""))
    console.print(table)
    n = len(found.directly)
    words = (
        "1 spectrum was made with it; the rest rests on it" if n == 1 else f"{n} spectra were made with it; the rest"
    )
    console.print(words if n == 1 else f"{words} rests on them")
