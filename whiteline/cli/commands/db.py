"""`whiteline db`: looking after stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whiteline.cli.app import app
from whiteline.cli.options import Database
from whiteline.cli.store_reports import complain, status_rows, tell_copy, tell_verification

if TYPE_CHECKING:
    from whiteline.database.query import SpectrumQuery

db = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Look after stores: make, inspect, migrate, copy, back up, restore and verify them.",
    epilog="[bold]Examples[/bold]\n\n  whiteline db status\n\n  whiteline db backup spectra-2026-11.tar",
)
app.add_typer(db, name="db")

Address = Annotated[
    str | None,
    typer.Argument(metavar="PATH|mongodb://…", help="The store; --db or the default store when left out."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace documents and raw files that are there under the same name.")
]


@db.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline db init spectra.db\n\n"
    "  whiteline db init mongodb://me:secret@db.example.org/whiteline"
)
def init(address: Address = None, database: Database = None) -> int:
    """Make a store with its tables and indexes, or add those that are missing; twice does no harm."""
    from whiteline.database import open_store
    from whiteline.database.administration.overview import is_there

    chosen = _address(address, database)
    was_there = is_there(chosen)
    with open_store(chosen) as store:
        made = store.prepare()
        place = store.address
    if made:
        typer.echo(f"made in {place}: {', '.join(made)}")
    elif was_there:
        typer.echo(f"{place} is there already and lacks nothing")
    else:
        typer.echo(f"made {place} with its tables and indexes")
    return 0


@db.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline db status\n\n"
    "  whiteline db status mongodb://localhost/whiteline --json"
)
def status(address: Address = None, as_json: Json = False, database: Database = None) -> int:
    """Show what a store holds, its size, schema and indexes; the exit status is 1 when it lacks an index."""
    import json

    from rich.text import Text

    from whiteline.cli.options import open_existing
    from whiteline.cli.tables import make_console
    from whiteline.database.administration import look_over

    chosen = _address(address, database)
    with open_existing(chosen) as store:
        found = look_over(store)
    missing = found.missing_indexes
    if as_json:
        typer.echo(json.dumps(found.to_dict()))
    else:
        console = make_console()
        for name, value in status_rows(found):
            console.print(Text.assemble((f"{name:20}", "dim"), value), soft_wrap=True)
    if missing:
        complain(f"indexes are missing: {', '.join(missing)}; `whiteline db init {_shown(chosen)}` makes them")
    return 1 if missing else 0


@db.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline db migrate spectra.db\n\n"
    "  whiteline db migrate mongodb://localhost/whiteline --i-have-a-backup"
)
def migrate(
    address: Address = None,
    is_backed_up: Annotated[
        bool, typer.Option("--i-have-a-backup", help="For MongoDB: say that there is one, e.g. of mongodump.")
    ] = False,
    database: Database = None,
) -> int:
    """Bring a store of an older Whiteline to today's schema; of a file a copy is made first."""
    from whiteline.database.migration import migrate as migrate_store

    report = migrate_store(_address(address, database), is_backed_up=is_backed_up)
    if report.old_version == report.new_version:
        typer.echo(f"{report.address} has schema version {report.new_version}: nothing to do")
        return 0
    if report.backup:
        typer.echo(f"copied what was there to {report.backup}")
    typer.echo(
        f"migrated {report.address} from schema version {report.old_version} to {report.new_version}: "
        f"{report.n_spectra} spectra, {report.n_structures} structures, {report.n_records} records"
    )
    return 0


@db.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline db copy spectra.db mongodb://localhost/whiteline\n\n"
    "  whiteline db copy mongodb://localhost/whiteline ti.db --absorber Ti --status converged"
)
def copy(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Store to copy from: a path or an address.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Store to copy to; made if it is not there.")],
    replace: Replace = False,
    absorber: Annotated[str | None, typer.Option("--absorber", "-a", help="Only this absorbing element.")] = None,
    edge: Annotated[str | None, typer.Option("--edge", "-e", help="Only this absorption edge.")] = None,
    code: Annotated[str | None, typer.Option("--code", help="Only what this code computed.")] = None,
    fidelity: Annotated[str | None, typer.Option("--fidelity", help="Only this, e.g. feff:fast.")] = None,
    formula: Annotated[str | None, typer.Option("--formula", help="Only this formula.")] = None,
    status: Annotated[list[str] | None, typer.Option("--status", help="Only this status; repeatable.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Only site, material or measured.")] = None,
    as_json: Json = False,
) -> int:
    """Copy spectra with structures, records and raw files; run it again to go on, or to bring the target up to date."""
    from whiteline.cli.options import open_existing
    from whiteline.database import open_store
    from whiteline.database.administration import StoreSource
    from whiteline.database.administration import copy as copy_store
    from whiteline.database.administration.entries import EVERYTHING

    query = _narrowed(
        EVERYTHING,
        absorber=absorber,
        edge=edge,
        code=code,
        fidelity=fidelity,
        formula=formula,
        kind=kind,
        status=status,
    )
    with open_existing(source) as from_store, open_store(target) as to_store, _progress() as on_progress:
        report = copy_store(StoreSource(from_store, query), to_store, replace=replace, on_progress=on_progress)
        names = (from_store.address, to_store.address)
    return tell_copy(report, *names, as_json=as_json)


@db.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline db backup spectra-2026-11.tar\n\n"
    "  whiteline db backup group.tar --db mongodb://localhost/whiteline"
)
def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET.tar", help="File to make; one that is there is kept.")],
    as_json: Json = False,
    database: Database = None,
) -> int:
    """Write a whole store into one tar file of JSON Lines, NumPy arrays and raw files, with checksums of everything."""
    import json

    from whiteline.cli.options import open_existing
    from whiteline.database.administration import backup as back_up

    with open_existing(database) as store, _progress() as on_progress:
        report = back_up(store, target, on_progress=on_progress)
    tally = report.manifest.tally
    if as_json:
        counts = {"n_spectra": tally.n_spectra, "n_records": tally.n_records, "n_files": tally.n_files}
        typer.echo(json.dumps({"path": str(report.path), "size": report.size, "checksum": report.checksum, **counts}))
        return 0
    typer.echo(
        f"wrote {report.path}: {tally.n_spectra} spectra, {report.manifest.n_structures} structures, "
        f"{tally.n_records} records, {tally.n_files} raw files, {report.size / 1e6:.1f} MB"
    )
    typer.echo(f"checksum of its manifest: {report.checksum}")
    return 0


@db.command(epilog="[bold]Example[/bold]\n\n  whiteline db restore spectra-2026-11.tar --db new.db")
def restore(
    archive: Annotated[Path, typer.Argument(metavar="BACKUP", help="A file that `whiteline db backup` made.")],
    is_into_existing: Annotated[
        bool, typer.Option("--into-existing", help="Fill up a store that holds spectra already.")
    ] = False,
    replace: Replace = False,
    as_json: Json = False,
    database: Database = None,
) -> int:
    """Fill a store from a backup, after all of the backup has been verified."""
    from whiteline.database import open_store
    from whiteline.database.administration import Archive
    from whiteline.database.administration import restore as restore_backup

    with Archive(archive):  # a bad path makes no store
        pass
    with open_store(_address(None, database)) as store, _progress() as on_progress:
        report = restore_backup(
            archive, store, is_into_existing=is_into_existing, replace=replace, on_progress=on_progress
        )
        place = store.address
    return tell_copy(report, str(archive), place, as_json=as_json)


@db.command(epilog="[bold]Examples[/bold]\n\n  whiteline db verify\n\n  whiteline db verify spectra-2026-11.tar --json")
def verify(
    place: Annotated[
        str | None,
        typer.Argument(metavar="PATH|mongodb://…|BACKUP.tar", help="A store or a backup; the default store if none."),
    ] = None,
    as_json: Json = False,
    database: Database = None,
) -> int:
    """Read everything in a store or a backup and name each fault; the exit status is 1 when there is one."""
    from whiteline.cli.options import open_existing
    from whiteline.database.administration import Archive, verify_archive, verify_store

    chosen = _address(place, database)
    with _progress() as on_progress:
        if chosen.endswith(".tar"):
            with Archive(chosen) as archive:
                report = verify_archive(archive, on_progress=on_progress)
        else:
            with open_existing(chosen) as store:
                report = verify_store(store, on_progress=on_progress)
    return tell_verification(report, as_json=as_json)


def _address(given: str | None, database: str | None) -> str:
    """Return the one address that is meant.

    Raises:
        ParameterError: Two are given.
    """
    from whiteline.errors import ParameterError
    from whiteline.settings import load_settings

    if given is not None and database is not None and given != database:
        raise ParameterError(f"two stores are given, {_shown(given)} and --db {_shown(database)}: leave one out")
    return load_settings(database=given or database).database


def _shown(address: str) -> str:
    """Return an address as messages may show it."""
    if "://" not in address or address.startswith("sqlite:"):
        return address
    from whiteline.database.mongo import mask

    return mask(address)


def _narrowed(query: SpectrumQuery, *, status: list[str] | None, **given: str | None) -> SpectrumQuery:
    changes: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    if status:
        changes["status"] = tuple(status)
    return query.replace(**changes) if changes else query


@contextmanager
def _progress() -> Iterator[Callable[[float, str], None]]:
    from whiteline.cli.live import share_bar
    from whiteline.cli.tables import make_console

    with share_bar(make_console(is_error=True)) as on_progress:
        on_progress(0.0, "opening")
        yield on_progress
