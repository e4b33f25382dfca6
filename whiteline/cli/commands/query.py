"""`whiteline query`: what the store has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app
from whiteline.cli.filters import Filters, takes_filters
from whiteline.cli.options import Database, open_existing

if TYPE_CHECKING:
    from rich.console import Console

    from whiteline.database.linked import Mark
    from whiteline.database.query import SpectrumQuery
    from whiteline.database.store import SpectrumStore, SpectrumSummary

# Columns from which on the source has a place beside the rest.
_WIDE = 100
# Latest spectra looked through for the names of parameters.
_N_SAMPLE = 200
_SHOWN = 50
# Spectra whose marks are asked for at a time.
_N_GROUP = 500

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline query --absorber Ti --edge K

  whiteline query --elements O --without H --status unconverged --sort -created_at

  whiteline query --formula TiO2 --where 'fms_radius>=6' --kind site --json

  whiteline query --status any --group absorber,code,status

  whiteline query -a Fe --columns id,formula,parameters.fms_radius -o iron.csv
"""


@app.command(epilog=_EXAMPLES)
@takes_filters
def query(
    filters: Filters,
    sort: Annotated[str, typer.Option("--sort", help="Field; a minus in front for descending.")] = "created_at",
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", min=1, help=f"At most so many (default: {_SHOWN} in a table, all in a file)."),
    ] = None,
    skip: Annotated[int, typer.Option("--skip", min=0, help="Leave out so many at the front.")] = 0,
    columns: Annotated[
        str | None,
        typer.Option("--columns", "-c", metavar="NAME,…", help="Columns, e.g. id,formula,parameters.fms_radius."),
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", "-g", metavar="NAME,…", help="Count by these fields, e.g. absorber,code.")
    ] = None,
    only_count: Annotated[bool, typer.Option("--count", help="Print how many there are, and nothing else.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write a .csv, .parquet or .arrow file.")
    ] = None,
    database: Database = None,
) -> int:
    """List stored spectra: id, formula, site, code, status, energy range, date and source.

    Only converged spectra are listed unless `--status` says otherwise; how many others there are is said below.
    """
    from whiteline.cli.tables import make_console

    in_full = as_json or output is not None
    wanted = filters.query(sort=sort, limit=limit or (None if in_full else _SHOWN), skip=skip)
    _check_one_answer({"--count": only_count, "--group": group, "--columns": columns})
    _check_one_answer({"--count": only_count, "--json": as_json, "--output": output})
    _check_one_answer({"--group": group, "--output": output})
    console = make_console()
    with open_existing(database) as store:
        if only_count:
            typer.echo(store.count(wanted))
        elif group is not None:
            _print_groups(console, store, wanted, group.split(","), as_json=as_json)
        elif output is not None:
            _write_file(store, wanted, output, columns)
        elif as_json:
            _print_lines(store, wanted, columns)
        else:
            _print_table(console, store, wanted, columns)
        hints = _hints(store, wanted, filters)
    for hint in hints:
        typer.echo(f"whiteline: note: {hint}", err=True)
    return 0


def _check_one_answer(asked: dict[str, Any]) -> None:
    from whiteline.errors import ParameterError

    given = [name for name, value in asked.items() if value]
    if len(given) > 1:
        raise ParameterError(f"give one of {' and '.join(given)}: each is an answer of its own")


def _print_table(console: Console, store: SpectrumStore, wanted: SpectrumQuery, columns: str | None) -> None:
    from whiteline.cli.tables import make_table

    n_found = store.count(wanted)
    if columns is None:
        found = list(store.summaries(wanted))
        n_shown = len(found)
        if found:
            _print_summaries(console, found, store.marks([summary.id for summary in found]))
    else:
        from whiteline.database.columns import check_columns, iterate

        names = check_columns(columns)
        rows = list(iterate(store, wanted, columns=names))
        n_shown = len(rows)
        table = make_table(*names, wrapped=names)
        for row in rows:
            table.add_row(*(_cell(row[name]) for name in names))
        if rows:
            console.print(table)
    is_part = n_found > n_shown
    first = f"the first {n_shown}" if not wanted.skip else f"{n_shown} after the first {wanted.skip}"
    more = f", {first} shown (--limit, --skip)" if is_part else ""
    console.print(f"{_spectra(n_found)} found{more}{_others(store, wanted)}")


def _print_summaries(console: Console, found: list[SpectrumSummary], marks: Mapping[str, Mark]) -> None:
    from whiteline.cli.labels import source_name
    from whiteline.cli.tables import make_table, status_text

    is_wide = console.width >= _WIDE
    names = ["id", "formula", "site", "code", "status", ">eV", "date", *(["source"] if is_wide else [])]
    table = make_table(*names, wrapped=("formula", "site", "source"))
    for s in found:
        averaged = f"{s.absorber} {s.edge} {'measured' if s.kind == 'measured' else 'average'}"
        site = f"{s.absorber}{s.site_index} {s.edge}" if s.site_index is not None else averaged
        has_axis = s.energy_min is not None and s.energy_max is not None
        energies = f"{s.energy_min:.0f}–{s.energy_max:.0f}" if has_axis else "–"
        source = [source_name(s.source)] if is_wide else []
        status = status_text(s.status)
        if s.id in marks:
            status.append("\nsuspect", style="bold red")
        table.add_row(s.id[:10], s.formula, site, s.fidelity, status, energies, s.created_at[:10], *source)
    console.print(table)
    for reason, count in Counter(mark.reason for mark in marks.values()).most_common():
        console.print(f"{_spectra(count)} suspect: {reason}", style="red", markup=False)


def _print_groups(
    console: Console, store: SpectrumStore, wanted: SpectrumQuery, names: list[str], *, as_json: bool
) -> None:
    import json

    from whiteline.cli.tables import make_table

    names = [name.strip() for name in names]
    found = store.group(wanted, names)
    if as_json:
        for values, count in found:
            typer.echo(json.dumps({**dict(zip(names, values, strict=True)), "count": count}))
        return
    table = make_table(*names, ">spectra", wrapped=names)
    for values, count in found:
        table.add_row(*(_cell(value) for value in values), str(count))
    if found:
        console.print(table)
    console.print(f"{_spectra(store.count(wanted))} in {len(found)} groups{_others(store, wanted)}")


def _print_lines(store: SpectrumStore, wanted: SpectrumQuery, columns: str | None) -> None:
    import json
    from dataclasses import asdict

    if columns is None:
        found = store.summaries(wanted)
        while group := list(islice(found, _N_GROUP)):
            marks = store.marks([summary.id for summary in group])
            for summary in group:
                said = {"suspect": marks[summary.id].reason} if summary.id in marks else {}
                typer.echo(json.dumps({**asdict(summary), **said}))
        return
    from whiteline.database.columns import iterate

    for row in iterate(store, wanted, columns=columns):
        typer.echo(json.dumps({name: _json_ready(value) for name, value in row.items()}))


def _write_file(store: SpectrumStore, wanted: SpectrumQuery, output: Path, columns: str | None) -> None:
    from whiteline.database.columns import DEFAULT_COLUMNS
    from whiteline.database.table_files import write_table

    n_rows = write_table(store, wanted, output, columns=columns or DEFAULT_COLUMNS)
    typer.echo(f"wrote {_spectra(n_rows)} to {output}{_others(store, wanted)}")


def _others(store: SpectrumStore, wanted: SpectrumQuery) -> str:
    """Return how many more there are with other statuses, and how to see them."""
    from whiteline.status import Status

    if wanted.statuses != (Status.CONVERGED,):
        return ""
    others = [status for status in Status if status not in wanted.statuses]
    counts = {status.value: store.count(wanted.replace(status=status)) for status in others}
    listed = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"; {listed} not shown (--status any)" if listed else ""


def _hints(store: SpectrumStore, wanted: SpectrumQuery, filters: Filters) -> list[str]:
    """Return a hint for each condition on a parameter that no spectrum of the same code has, if nothing was found."""
    from whiteline.database.query import ANY_STATUS, SpectrumQuery
    from whiteline.errors import did_you_mean

    if not filters.where or store.count(wanted):
        return []
    latest = SpectrumQuery(code=wanted.code, status=ANY_STATUS, sort="-created_at", limit=_N_SAMPLE)
    known = {name for summary in store.summaries(latest) for name in summary.parameters}
    names = {condition.name for condition in wanted.conditions if condition.name.partition(".")[0] not in known}
    return [
        f"no parameter of a stored spectrum is called {name!r}: {did_you_mean(name, sorted(known))}"
        for name in sorted(names)
    ]


def _spectra(count: int) -> str:
    return f"{count} {'spectrum' if count == 1 else 'spectra'}"


def _json_ready(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _cell(value: Any) -> str:
    """Return a value as the cell of a table."""
    if value is None:
        return "–"
    if hasattr(value, "size"):
        return f"{value.size} numbers"
    return f"{value:g}" if isinstance(value, float) else str(value)
