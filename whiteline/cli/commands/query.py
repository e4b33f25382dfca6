"""`whiteline query`: what the store has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app
from whiteline.cli.options import Database, open_existing

if TYPE_CHECKING:
    from whiteline.database.query import SpectrumQuery
    from whiteline.database.store import SpectrumStore

# Columns from which on the source has a place beside the rest.
_WIDE = 100
# Latest spectra looked through for the names of parameters.
_N_SAMPLE = 200

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline query --absorber Ti --edge K

  whiteline query --elements O --without H --status unconverged --sort -created_at

  whiteline query --formula TiO2 --where 'fms_radius>=6' --kind site --json
"""


@app.command(epilog=_EXAMPLES)
def query(
    absorber: Annotated[str | None, typer.Option("--absorber", "-a", help="Absorbing element.")] = None,
    edge: Annotated[str | None, typer.Option("--edge", "-e", help="Absorption edge.")] = None,
    code: Annotated[str | None, typer.Option("--code", help="Code that computed.")] = None,
    fidelity: Annotated[str | None, typer.Option("--fidelity", help="Code and preset, e.g. feff:fast.")] = None,
    formula: Annotated[str | None, typer.Option("--formula", help="Formula in any order and multiple.")] = None,
    chemical_system: Annotated[str | None, typer.Option("--system", help="Exactly these elements, e.g. Ti-O.")] = None,
    elements_all: Annotated[
        list[str] | None, typer.Option("--elements", help="Element that must be there; repeatable.")
    ] = None,
    elements_any: Annotated[
        list[str] | None, typer.Option("--any", help="One of these must be there; repeatable.")
    ] = None,
    elements_none: Annotated[
        list[str] | None, typer.Option("--without", help="Element that must not be there; repeatable.")
    ] = None,
    space_group: Annotated[str | None, typer.Option("--space-group", help="Number or symbol.")] = None,
    status: Annotated[
        list[str] | None, typer.Option("--status", help="converged, unconverged, failed; repeatable.")
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="site or material.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", "-w", help="Condition on a parameter, e.g. 'fms_radius>=6'; repeatable."),
    ] = None,
    after: Annotated[str | None, typer.Option("--after", help="Stored at or after this date.")] = None,
    before: Annotated[str | None, typer.Option("--before", help="Stored before this date.")] = None,
    sort: Annotated[str, typer.Option("--sort", help="Field; a minus in front for descending.")] = "created_at",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")] = False,
    database: Database = None,
) -> int:
    """List stored spectra: id, formula, site, code, status, energy range, date and source."""
    import json
    from dataclasses import asdict

    from whiteline.cli.labels import source_name
    from whiteline.cli.tables import make_console, make_table, status_text
    from whiteline.database.query import SpectrumQuery

    wanted = SpectrumQuery(
        absorber=absorber,
        edge=edge,
        code=code,
        fidelity=fidelity,
        formula=formula,
        chemical_system=chemical_system,
        elements_all=tuple(elements_all or ()),
        elements_any=tuple(elements_any or ()),
        elements_none=tuple(elements_none or ()),
        space_group=int(space_group) if space_group and space_group.isdigit() else space_group,
        status=tuple(status or ()),  # type: ignore[arg-type]  # names become members when the query is made
        kind=kind,
        parameters=_conditions(where or []),
        created_after=after,
        created_before=before,
        sort=sort,
        limit=limit,
    )
    with open_existing(database) as store:
        found = list(store.summaries(wanted))
        n_found = store.count(wanted)
        hints = [] if found or not where else _unknown_parameters(store, wanted)
    for hint in hints:
        typer.echo(f"whiteline: note: {hint}", err=True)
    if as_json:
        for summary in found:
            typer.echo(json.dumps(asdict(summary)))
        return 0
    console = make_console()
    is_wide = console.width >= _WIDE
    names = ["id", "formula", "site", "code", "status", ">eV", "date", *(["source"] if is_wide else [])]
    table = make_table(*names, wrapped=("formula", "site", "source"))
    for s in found:
        site = f"{s.absorber}{s.site_index} {s.edge}" if s.site_index is not None else f"{s.absorber} {s.edge} average"
        has_axis = s.energy_min is not None and s.energy_max is not None
        energies = f"{s.energy_min:.0f}–{s.energy_max:.0f}" if has_axis else "–"
        source = [source_name(s.source)] if is_wide else []
        status_cell = status_text(s.status)
        table.add_row(s.id[:10], s.formula, site, s.fidelity, status_cell, energies, s.created_at[:10], *source)
    if found:
        console.print(table)
    console.print(
        f"{n_found} {'spectrum' if n_found == 1 else 'spectra'} found"
        + (f", the first {len(found)} shown (--limit)" if n_found > len(found) else "")
    )
    return 0


def _unknown_parameters(store: SpectrumStore, wanted: SpectrumQuery) -> list[str]:
    """Return a hint for each condition on a parameter that no spectrum of the same code has."""
    from whiteline.database.query import SpectrumQuery
    from whiteline.errors import did_you_mean

    sample = store.summaries(SpectrumQuery(code=wanted.code, sort="-created_at", limit=_N_SAMPLE))
    known = {name for summary in sample for name in summary.parameters}
    names = [condition.name for condition in wanted.conditions if condition.name.partition(".")[0] not in known]
    return [
        f"no parameter of a stored spectrum is called {name!r}: {did_you_mean(name, sorted(known))}" for name in names
    ]


def _conditions(texts: list[str]) -> dict[str, Any]:
    """Return conditions such as `fms_radius>=6` as the query takes them.

    >>> _conditions(["fms_radius>=6", "core_hole=RPA"])
    {'fms_radius': ('>=', 6), 'core_hole': ('==', 'RPA')}
    """
    import json
    import re

    from whiteline.errors import ParameterError

    conditions: dict[str, Any] = {}
    for text in texts:
        match = re.fullmatch(r"\s*([\w.]+)\s*(>=|<=|!=|==|=|>|<)\s*(.+)", text)
        if not match:
            raise ParameterError(f"--where expects NAME OPERATOR VALUE with =, !=, <, <=, > or >=, got {text!r}")
        name, sign, value = match.groups()
        if name in conditions:
            raise ParameterError(f"--where takes one condition on a parameter, got several on {name!r}")
        operator = "==" if sign == "=" else sign
        try:
            conditions[name] = (operator, json.loads(value))
        except json.JSONDecodeError:
            conditions[name] = (operator, value.strip())
    return conditions
