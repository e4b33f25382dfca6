"""`whiteline export`: spectra for other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whiteline.cli.app import app
from whiteline.cli.filters import Filters, takes_filters
from whiteline.cli.options import Database, open_existing

if TYPE_CHECKING:
    from whiteline.database.columns import Selection
    from whiteline.database.export import ExportFormat
    from whiteline.database.store import SpectrumStore

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline export 3f9a2c --format xdi -o anatase.xdi

  whiteline export 3f9a2c 77b01e -o two.nxs

  whiteline export --absorber Fe --edge K -o iron.parquet

  whiteline export --formula TiO2 --format csv -o rutile-and-anatase/
"""
_BY_SUFFIX = {
    ".xdi": "xdi",
    ".csv": "csv",
    ".json": "json",
    ".nxs": "nexus",
    ".nexus": "nexus",
    ".h5": "nexus",
    ".hdf5": "nexus",
    ".parquet": "parquet",
}


@app.command(epilog=_EXAMPLES)
@takes_filters
def export(
    filters: Filters,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID…]", help="Ids of spectra, or enough of their beginnings.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most so many.")] = None,
    fmt: Annotated[
        str | None,
        typer.Option("--format", "-f", help="xdi, csv, json, nexus or parquet (default: as the file ends, or xdi)."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File, or folder for several as text; one as text may go to the screen."),
    ] = None,
    database: Database = None,
) -> int:
    """Write spectra as XDI, CSV, JSON, NeXus (NXxas) or Parquet, chosen by id or as in `whiteline query`."""
    from whiteline.database.export import ExportFormat
    from whiteline.errors import ParameterError

    if bool(ids) == filters.is_given:
        raise ParameterError("give either ids or a query such as --absorber Fe, so that it is clear what to export")
    if fmt is None:
        fmt = _BY_SUFFIX.get(output.suffix.lower() if output else "", "xdi")
    kind = ExportFormat.parse(fmt)
    with open_existing(database) as store:
        if ids is not None and len(ids) == 1 and kind.is_text and not (output and output.is_dir()):
            return _write_one(store, ids[0], kind, output)
        selection = ids or filters.query(limit=limit)
        return _write_many(store, selection, kind, output)


def _write_one(store: SpectrumStore, spectrum_id: str, kind: ExportFormat, output: Path | None) -> int:
    from whiteline.database.export import export as export_document
    from whiteline.errors import StoreError
    from whiteline.provenance import utc_now

    started = utc_now()
    document = store.get(spectrum_id)
    records = store.records(document.id)
    text = export_document(document, records[-1] if records else None, kind)
    if output is None:
        typer.echo(text, nl=False)
        return 0
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {output} ({error.strerror}): choose a writable place with -o") from error
    _record(store, {output: [document.id]}, kind, started)
    typer.echo(f"wrote {output}")
    return 0


def _write_many(store: SpectrumStore, selection: Selection, kind: ExportFormat, output: Path | None) -> int:
    from whiteline.database.export_files import export_many
    from whiteline.errors import ParameterError
    from whiteline.provenance import utc_now

    if output is None:
        what = "a folder" if kind.is_text else "a file"
        raise ParameterError(f"several spectra as {kind.value} do not go to the screen: name {what} with -o")
    started = utc_now()
    report = export_many(store, selection, output, fmt=kind)
    _record(store, report.files, kind, started)
    place = f"{report.n_files} files in {output}" if kind.is_text else str(output)
    failed = f"; {report.n_failed} failed calculations have no spectrum" if report.n_failed else ""
    typer.echo(f"wrote {report.n_spectra} {'spectrum' if report.n_spectra == 1 else 'spectra'} to {place}{failed}")
    return 0


def _record(store: SpectrumStore, files: Mapping[Path, Sequence[str]], kind: ExportFormat, started: str) -> None:
    from whiteline.provenance import Kind
    from whiteline.workflows.recording import record_made

    for path, ids in files.items():
        made = record_made(
            store, "export", Kind.EXPORT, [path], spectra=ids, started=started, parameters={"format": kind.value}
        )
        if made is None:
            return  # one warning says it of all
