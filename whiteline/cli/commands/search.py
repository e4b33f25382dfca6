"""`whiteline search`: stored spectra that are like a given one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app
from whiteline.cli.filters import Filters, takes_filters
from whiteline.cli.options import Database, open_existing

if TYPE_CHECKING:
    from whiteline.database.search import Match, SearchIndex
    from whiteline.database.store import SpectrumStore
    from whiteline.measured import MeasuredSpectrum
    from whiteline.spectrum import Spectrum

_N_DRAWN = 5

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline search measured.xdi --absorber Fe --top 20 -o best.png

  whiteline search scan.csv --metric pearson --max-shift 5 --broaden 0,1 --elements O

  whiteline search 3f9a2c --kind site --json

  whiteline search --index-status
"""


@app.command(epilog=_EXAMPLES)
@takes_filters
def search(
    filters: Filters,
    spectrum: Annotated[
        str | None,
        typer.Argument(metavar="FILE|ID", help="Measured spectrum (XDI, CSV, columns), or id of a stored one."),
    ] = None,
    top: Annotated[int, typer.Option("--top", "-n", min=1, help="At most so many.")] = 20,
    metric: Annotated[str, typer.Option("--metric", "-m", help="cosine, pearson, spearman or earth-mover.")] = "cosine",
    max_shift: Annotated[
        float, typer.Option("--max-shift", help="Largest shift tried from coinciding edges (eV).")
    ] = 3.0,
    broaden: Annotated[
        str, typer.Option("--broaden", metavar="WIDTH,…", help="FWHMs of Gaussians tried on the spectrum (eV).")
    ] = "0",
    any_absorber: Annotated[
        bool, typer.Option("--any-absorber", help="Look at all elements and edges, whatever the file names.")
    ] = False,
    signal: Annotated[
        str | None,
        typer.Option("--signal", help="Of the file: transmission, fluorescence, reference, absorption or normalised."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="NAME,…", help="Names of the file's columns, e.g. energy_kev,i0,itrans,-."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PNG, SVG or PDF file of the figure.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a match and line.")] = False,
    no_update: Annotated[
        bool, typer.Option("--no-update", help="Do not take up first what was stored since the last search.")
    ] = False,
    index_status: Annotated[
        bool, typer.Option("--index-status", help="Say where the search index is and how it stands.")
    ] = False,
    database: Database = None,
) -> int:
    """Find the stored spectra that are most like a measured or a stored one.

    Both are aligned by their edges and scaled alike. The first search makes an index, later ones bring it up to date.
    """
    from whiteline.cli.figures import record_figure
    from whiteline.database.search import SearchIndex, search
    from whiteline.errors import ParameterError
    from whiteline.provenance import utc_now

    if (spectrum is None) != index_status:
        raise ParameterError("give a FILE or an ID to search for, or --index-status without one")
    widths, started = _widths(broaden), utc_now()
    with open_existing(database) as store:
        index = SearchIndex(store)
        if spectrum is None:
            return _print_status(index, as_json=as_json)
        found, own_id = _read(store, spectrum, signal=signal, columns=columns)
        chosen, note = _with_absorber(filters, found, is_any=any_absorber)
        query = chosen.query()
        if not no_update:
            _update(index)
        matches = search(
            store,
            found,
            metric=metric,
            top=top,
            max_shift=max_shift,
            broadenings=widths,
            query=query,
            exclude=() if own_id is None else (own_id,),
            index=index,
            is_updated=False,
        )
        if note:
            typer.echo(f"whiteline: note: {note}", err=True)
        if output is not None:
            name = Path(spectrum).name if own_id is None else own_id[:10]
            shown = _draw(store, found, matches, output, name=name)
            record_figure(
                store,
                "search",
                output,
                spectra=[*shown, *([] if own_id is None else [own_id])],
                started=started,
                choices={"metric": metric, "top": top, "max_shift": max_shift, "broaden": list(widths)},
                files=[Path(spectrum)] if own_id is None else [],
            )
    if as_json:
        _print_json(matches)
    else:
        _print(matches, metric, n_indexed=index.snapshot().n_spectra)
    if output is not None and not as_json:
        typer.echo(f"wrote {output}")
    return 0


def _widths(text: str) -> tuple[float, ...]:
    from whiteline.errors import ParameterError

    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ParameterError(f"--broaden expects widths in eV such as 0,1,2, got {text!r}") from error


def _read(
    store: SpectrumStore, given: str, *, signal: str | None, columns: str | None
) -> tuple[Spectrum | MeasuredSpectrum, str | None]:
    """Return what to search for, and its id if it is stored."""
    import re

    from whiteline.database.measured import read_measured
    from whiteline.database.search.curves import query_of_document

    if not Path(given).exists() and re.fullmatch(r"[0-9a-f]{1,64}", given):
        document = store.get(given)
        return query_of_document(document), document.id
    return read_measured(given, signal=signal, columns=None if columns is None else columns.split(",")), None


def _with_absorber(filters: Filters, spectrum: Spectrum | MeasuredSpectrum, *, is_any: bool) -> tuple[Filters, str]:
    """Return the conditions together with element and edge as the file names them, and a note on that."""
    from whiteline.measured import MeasuredSpectrum

    if is_any or filters.absorber or filters.edge or not isinstance(spectrum, MeasuredSpectrum):
        return filters, ""
    if spectrum.element is None and spectrum.edge is None:
        return filters, "the file names no element: all were looked at; choose one with --absorber"
    named = " ".join(part for part in (spectrum.element, spectrum.edge) if part)
    narrowed = replace(filters, absorber=spectrum.element, edge=spectrum.edge)
    return narrowed, f"only {named} was looked at, as the file names it; --any-absorber looks at all"


def _update(index: SearchIndex) -> None:
    from whiteline.cli.live import share_bar
    from whiteline.cli.tables import make_console

    with share_bar(make_console(is_error=True)) as show:
        update = index.update(on_progress=show)
    if update is not None:
        why = f" ({update.reason})" if update.reason else ""
        n = update.snapshot.n_spectra
        typer.echo(
            f"whiteline: note: search index of {n} {'spectrum' if n == 1 else 'spectra'} "
            f"{'made' if update.reason else 'brought up to date'}{why}",
            err=True,
        )


def _draw(
    store: SpectrumStore, spectrum: Spectrum | MeasuredSpectrum, matches: list[Match], output: Path, *, name: str
) -> list[str]:
    """Draw what was found, and return the ids of what is in the figure."""
    from whiteline.cli.labels import source_name
    from whiteline.database.search.figure import Shown, plot_matches
    from whiteline.plotting import save_figure

    shown = []
    for match in matches[:_N_DRAWN]:
        s = match.summary
        what = " ".join(part for part in (s.formula, s.absorber, s.edge, source_name(s.source)) if part)
        shift = f"{match.shift:+.2f}".replace("-", "−")
        label = f"{match.score:.4f}  {what}, {s.fidelity or s.code}, {shift} eV  ({match.id[:10]})"
        shown.append(Shown(match, store.get(match.id), label))
    ids = [match.id for match in matches[:_N_DRAWN]]
    save_figure(plot_matches(spectrum, shown, title=f"Most like {name}", name=name), output, ids=ids)
    return ids


def _print(matches: list[Match], metric: str, *, n_indexed: int) -> None:
    from whiteline.cli.labels import source_name
    from whiteline.cli.tables import make_console, make_table, status_text

    console = make_console()
    is_broadened = any(match.broadening for match in matches)
    names = [f">{metric}", ">shift", *([">widened"] if is_broadened else [])]
    table = make_table("id", *names, "formula", "site", "code", "status", "source", wrapped=("formula", "source"))
    for match in matches:
        s = match.summary
        site = f"{s.absorber}{'' if s.site_index is None else s.site_index} {s.edge}"
        widened = [f"{match.broadening:g}"] if is_broadened else []
        numbers = (f"{match.score:.4f}", f"{match.shift:+.2f}", *widened)
        words = (s.formula, site, s.fidelity or s.code, status_text(s.status), source_name(s.source))
        table.add_row(match.id[:10], *numbers, *words)
    if matches:
        console.print(table)
    n = len(matches)
    console.print(f"{n} {'match' if n == 1 else 'matches'} of {n_indexed} indexed spectra; shifts and widths in eV")


def _print_json(matches: list[Match]) -> None:
    import json
    from dataclasses import asdict

    for match in matches:
        typer.echo(json.dumps(_json_ready(asdict(match))))


def _json_ready(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a match with those of its summary beside them."""
    summary = facts.pop("summary")
    return {**facts, **{name: value for name, value in summary.items() if name not in facts}}


def _print_status(index: SearchIndex, *, as_json: bool) -> int:
    import json
    from dataclasses import asdict

    status = index.status()
    if as_json:
        typer.echo(json.dumps(asdict(status)))
        return 0
    typer.echo(f"folder     {status.folder}")
    if status.problem:
        typer.echo(f"state      {status.problem}; the next search makes it")
        return 0
    behind = "up to date" if not status.n_behind else f"{status.n_behind} spectra behind the store"
    typer.echo(f"state      {behind}")
    typer.echo(f"spectra    {status.n_spectra} in {status.n_segments} segments, {status.n_dead} replaced rows kept")
    typer.echo(f"left out   {status.n_without} without an edge")
    typer.echo(f"size       {status.size_bytes / 2**20:.1f} MiB")
    return 0
