"""`whiteline plot`: draw spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app
from whiteline.cli.labels import source_name
from whiteline.cli.options import Database, open_existing

if TYPE_CHECKING:
    from whiteline.database.documents import SpectrumDocument

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline plot 3f9a2c -o anatase.png

  whiteline plot 3f9a2c 81bd07 --align --units area -o overlay.pdf

  whiteline plot 3f9a2c --convergence -o convergence.png
"""


@app.command(epilog=_EXAMPLES)
def plot(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of spectra, or enough of their beginnings.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG, SVG or PDF file.")],
    align: Annotated[bool, typer.Option("--align", help="Shift each spectrum onto the first.")] = False,
    offset: Annotated[float, typer.Option("--offset", help="Raise each curve above the one before.")] = 0.0,
    units: Annotated[str, typer.Option("--units", help="absolute (Mbarn per atom), area or max.")] = "absolute",
    window: Annotated[
        tuple[float, float] | None, typer.Option("--window", metavar="LO HI", help="Part of the axis (eV).")
    ] = None,
    title: Annotated[str, typer.Option("--title", help="Title of the figure.")] = "",
    convergence: Annotated[
        bool, typer.Option("--convergence", help="Draw the certificate of a converged spectrum: rungs, error, cost.")
    ] = False,
    database: Database = None,
) -> int:
    """Draw spectra over one another into a PNG, SVG or PDF file."""
    from whiteline.errors import InputError, ParameterError, did_you_mean
    from whiteline.plotting import Curve, Units, plot_spectra, save_figure
    from whiteline.provenance import utc_now
    from whiteline.status import Status

    if convergence:
        _plot_certificate(ids, output, title, database)
        return 0
    known = [member.value for member in Units]
    if units not in known:
        raise ParameterError(f"unknown units {units!r}: {did_you_mean(units, known)}")
    started = utc_now()
    with open_existing(database) as store:
        documents = [store.get(spectrum_id) for spectrum_id in ids]
    curves = []
    for document, label in zip(documents, _labels(documents), strict=True):
        if document.spectrum is None:
            raise InputError(
                f"{document.id[:10]} ({document.status}) has no spectrum to plot: {document.reason}; "
                f"`whiteline show {document.id[:10]}` says more"
            )
        curves.append(Curve(document.spectrum, label, document.status is Status.UNCONVERGED))
    figure = plot_spectra(curves, title=title, is_aligned=align, offset=offset, units=Units(units), window=window)
    whole_ids = [document.id for document in documents]
    save_figure(figure, output, ids=whole_ids)
    choices = {"align": align, "offset": offset, "units": units, "window": window, "title": title}
    _record(database, output, whole_ids, started, choices)
    typer.echo(f"wrote {output}")
    return 0


def _plot_certificate(ids: list[str], output: Path, title: str, database: str | None) -> None:
    from whiteline.errors import InputError, ParameterError
    from whiteline.plotting import save_figure
    from whiteline.provenance import utc_now
    from whiteline.workflows.certificate import ACTIVITY
    from whiteline.workflows.convergence_figure import plot_convergence

    if len(ids) != 1:
        raise ParameterError(f"--convergence draws one spectrum, got {len(ids)} ids")
    started = utc_now()
    with open_existing(database) as store:
        document = store.get(ids[0])
        records = [record for record in store.records(document.id) if record.activity == ACTIVITY]
        if not records:
            raise InputError(
                f"{document.id[:10]} is no converged spectrum: `whiteline query --fidelity {document.code}:converged` "
                "lists those that are, `whiteline converge` makes them"
            )
        certificate = records[-1].parameters
        rungs = [store.find_by_id(point["id"]) for point in certificate["points"]]
    spectra = {rung.id: rung.spectrum for rung in rungs if rung is not None and rung.spectrum is not None}
    site = f", site {document.site_index}" if document.site_index is not None else ""
    title = title or f"{document.formula}, {document.absorber} {document.edge}{site}, {document.fidelity}"
    shown = [document.id, *(each for each in spectra if each != document.id)]
    save_figure(plot_convergence(certificate, spectra, title=title), output, ids=shown)
    _record(database, output, shown, started, {"convergence": True, "title": title})
    typer.echo(f"wrote {output}")


def _record(database: str | None, output: Path, ids: Sequence[str], started: str, choices: Mapping[str, Any]) -> None:
    from whiteline.cli.figures import record_figure

    with open_existing(database) as store:
        record_figure(store, "plot", output, spectra=ids, started=started, choices=choices)


def _labels(documents: list[SpectrumDocument]) -> list[str]:
    """Return what tells the spectra apart, with the id where nothing else does."""
    labels = [_label(document) for document in documents]
    return [
        f"{label} ({document.id[:7]})" if labels.count(label) > 1 else label
        for label, document in zip(labels, documents, strict=True)
    ]


def _label(document: SpectrumDocument) -> str:
    name = source_name(document.source)
    is_named = name.casefold() not in ("", document.formula.casefold())
    material = f"{name} {document.formula}" if is_named else document.formula
    site = "average" if document.site_index is None else f"site {document.site_index}"
    note = "" if document.status == "converged" else f", {document.status}"
    return f"{material} {document.absorber} {document.edge} {site}, {document.fidelity}{note}"
