"""`whiteline plot`: draw spectra."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whiteline.cli.app import app
from whiteline.cli.options import Database, open_existing

if TYPE_CHECKING:
    from whiteline.database.documents import SpectrumDocument

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline plot 3f9a2c -o anatase.png

  whiteline plot 3f9a2c 81bd07 --align --units area -o overlay.pdf
"""


@app.command(epilog=_EXAMPLES)
def plot(
    ids: Annotated[list[str], typer.Argument(metavar="ID…", help="Ids of spectra, or enough of their beginnings.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG, SVG or PDF file.")],
    align: Annotated[bool, typer.Option("--align", help="Shift each spectrum onto the first.")] = False,
    offset: Annotated[float, typer.Option("--offset", help="Raise each curve above the one before.")] = 0.0,
    units: Annotated[str, typer.Option("--units", help="absolute (Mbarn per atom), area or max.")] = "absolute",
    window: Annotated[
        tuple[float, float] | None, typer.Option("--window", metavar="LO HI", help="Part of the axis (eV).")
    ] = None,
    title: Annotated[str, typer.Option("--title", help="Title of the figure.")] = "",
    database: Database = None,
) -> int:
    """Draw spectra over one another into a PNG, SVG or PDF file."""
    from whiteline.errors import InputError, ParameterError, did_you_mean
    from whiteline.plotting import Curve, plot_spectra, save_figure
    from whiteline.status import Status

    if units not in ("absolute", "area", "max"):
        raise ParameterError(f"unknown units {units!r}: {did_you_mean(units, ('absolute', 'area', 'max'))}")
    with open_existing(database) as store:
        documents = [store.get(spectrum_id) for spectrum_id in ids]
    curves = []
    for document in documents:
        if document.spectrum is None:
            raise InputError(f"{document.id[:10]} has no spectrum to plot: {document.reason}")
        curves.append(Curve(document.spectrum, _label(document), document.status is Status.UNCONVERGED))
    figure = plot_spectra(
        curves,
        title=title,
        is_aligned=align,
        offset=offset,
        units=units,
        window=window,  # type: ignore[arg-type]
    )
    save_figure(figure, output)
    typer.echo(f"wrote {output}")
    return 0


def _label(document: SpectrumDocument) -> str:
    site = "average" if document.site_index is None else f"site {document.site_index}"
    note = "" if document.status == "converged" else f", {document.status}"
    return f"{document.formula} {document.absorber} {document.edge} {site}, {document.fidelity}{note}"
