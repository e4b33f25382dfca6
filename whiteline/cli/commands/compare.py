"""`whiteline compare`: a computed spectrum on a measured one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app
from whiteline.cli.labels import source_name
from whiteline.cli.options import Database, open_existing

if TYPE_CHECKING:
    from whiteline.database.documents import SpectrumDocument
    from whiteline.edges import Edge
    from whiteline.fitting import Fit, FittedValue
    from whiteline.measured import MeasuredSpectrum

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline compare 3f9a2c measured.xdi -o compare.png

  whiteline compare 3f9a2c scan.dat --columns energy,i0,itrans --window -15 40

  whiteline compare 3f9a2c pellet.xdi --signal fluorescence --json
"""

_WORDS = {
    "shift": "shift of the theory",
    "edge_jump": "edge jump",
    "offset": "line, at the edge",
    "slope": "line, slope",
    "lifetime_width": "lifetime width added (FWHM)",
    "width_growth": "growth of the width above the edge, per eV",
    "instrument_width": "instrument width (FWHM)",
}
_MEASURES = {
    "spearman": "Spearman",
    "pearson": "Pearson",
    "cosine": "cosine",
    "area_difference": "area difference",
    "earth_mover": "earth mover's distance (eV)",
    "shift": "shift (eV)",
    "overlap": "range compared (eV)",
}


@app.command(epilog=_EXAMPLES)
def compare(
    spectrum_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a spectrum, or enough of its beginning.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Measured spectrum: XDI, CSV, Athena's or other columns.")
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PNG, SVG or PDF file of the figure.")] = None,
    window: Annotated[
        tuple[float, float], typer.Option("--window", metavar="LO HI", help="Range fitted, from the edge (eV).")
    ] = (-20.0, 60.0),
    signal: Annotated[
        str | None,
        typer.Option("--signal", help="transmission, fluorescence, reference, absorption or normalised."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="NAME,…", help="Names of the columns, e.g. energy_kev,i0,itrans,-."),
    ] = None,
    element: Annotated[str | None, typer.Option("--element", help="Element measured, in place of the file's.")] = None,
    edge: Annotated[str | None, typer.Option("--edge", "-e", help="Edge measured, in place of the file's.")] = None,
    max_shift: Annotated[float, typer.Option("--max-shift", help="Largest distance of the edges (eV).")] = 40.0,
    force: Annotated[bool, typer.Option("--force", help="Compare spectra of different elements or edges.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Parameters and similarities as JSON.")] = False,
    database: Database = None,
) -> int:
    """Fit a computed spectrum onto a measured one: shift, edge jump, background line and widths."""
    import json
    from dataclasses import replace

    from whiteline.cli.figures import record_figure
    from whiteline.database.measured import read_measured
    from whiteline.edges import Edge
    from whiteline.errors import InputError
    from whiteline.fit_figure import plot_fit
    from whiteline.fitting import fit_theory
    from whiteline.plotting import save_figure
    from whiteline.provenance import utc_now

    started = utc_now()
    with open_existing(database) as store:
        document = store.get(spectrum_id)
    if document.spectrum is None:
        raise InputError(
            f"{document.id[:10]} ({document.status}) has no spectrum to compare: {document.reason}; "
            f"`whiteline show {document.id[:10]}` says more"
        )
    measured = read_measured(file, signal=signal, columns=None if columns is None else columns.split(","))
    if element or edge:
        measured = replace(
            measured,
            element=element.capitalize() if element else measured.element,
            edge=Edge.parse(edge) if edge else measured.edge,
        )
    is_same = _require_same_edge(document, measured, is_forced=force)
    fit = fit_theory(
        measured,
        document.spectrum,
        lifetime=_natural_width(document),
        near=_edge_energy(document, measured),
        window=window,
        max_shift=max_shift if is_same else float("inf"),
    )
    if output is not None:
        title = f"{document.absorber} {document.edge} of {document.formula}: {document.fidelity} and {file.name}"
        figure = plot_fit(fit, title=title, theory=document.fidelity, measured=f"measured ({measured.signal})")
        save_figure(figure, output, ids=[document.id])
        choices = {"window": list(window), "signal": measured.signal.value, "fit": fit.to_dict()}
        with open_existing(database) as store:
            record_figure(
                store, "compare", output, spectra=[document.id], started=started, choices=choices, files=[file]
            )
    if as_json:
        typer.echo(json.dumps(_facts(document, measured, fit, output)))
        return 0
    _print(document, measured, fit)
    if output is not None:
        typer.echo(f"wrote {output}")
    return 0


def _require_same_edge(document: SpectrumDocument, measured: MeasuredSpectrum, *, is_forced: bool) -> bool:
    """Return whether element and edge agree, as far as the measurement names them."""
    from whiteline.edges import Edge
    from whiteline.errors import InputError

    is_same = measured.element in (None, document.absorber) and (
        measured.edge is None or not set(measured.edge.parts).isdisjoint(Edge(document.edge).parts)
    )
    if not is_same and not is_forced:
        raise InputError(
            f"{measured.source} is of {_absorber_name(measured.element, measured.edge)} and {document.id[:10]} of "
            f"{document.absorber} {document.edge}: give the spectrum of the same edge; --element and --edge correct "
            "what the file says, --force compares all the same"
        )
    return is_same


def _absorber_name(element: str | None, edge: Edge | None) -> str:
    return " ".join(part for part in (element, edge) if part) or "an unnamed edge"


def _edge_energy(document: SpectrumDocument, measured: MeasuredSpectrum) -> float:
    """Return the tabulated energy of the measured edge, or of the computed one where the file names none."""
    from whiteline.edges import Edge, edge_energy

    return edge_energy(measured.element or document.absorber, measured.edge or Edge(document.edge))


def _natural_width(document: SpectrumDocument) -> float | None:
    from whiteline.broadening import core_hole_width
    from whiteline.edges import Edge
    from whiteline.errors import InputError

    try:
        return core_hole_width(document.absorber, Edge(document.edge).parts[0])
    except InputError:
        # Outer levels of light elements are not tabulated; the fit says so beside the width.
        return None


def _facts(document: SpectrumDocument, measured: MeasuredSpectrum, fit: Fit, output: Path | None) -> dict[str, Any]:
    return {
        "id": document.id,
        "absorber": document.absorber,
        "edge": document.edge,
        "status": document.status.value,
        "measured": {
            "file": measured.source,
            "element": measured.element,
            "edge": measured.edge,
            "signal": measured.signal.value,
            "derivation": measured.derivation,
            "notes": list(measured.notes),
        },
        **fit.to_dict(),
        "figure": None if output is None else str(output),
    }


def _print(document: SpectrumDocument, measured: MeasuredSpectrum, fit: Fit) -> None:
    from whiteline.cli.tables import make_console, make_table

    console = make_console()
    name = source_name(document.source) or document.formula
    is_named = bool(measured.element or measured.edge)
    said = _absorber_name(measured.element, measured.edge) if is_named else "the file names no edge"
    status = "" if document.status == "converged" else f", {document.status}: {document.reason}"
    console.print(
        f"computed  {document.id[:10]} {name}, {document.absorber} {document.edge} of {document.formula}, "
        f"{document.fidelity}{status}; edge at {fit.theory_edge:.2f} eV"
    )
    console.print(
        f"measured  {measured.source}, {said}, {measured.signal} {measured.derivation}; "
        f"edge at {fit.measured_edge:.2f} eV"
    )
    for note in measured.notes:
        console.print(f"          {note}")
    console.print(
        f"fitted    {fit.window[0]:.1f} to {fit.window[1]:.1f} eV, {len(fit.energy)} points, R = {fit.r_factor:.4f}"
        f"{'' if fit.is_converged else '; NOT CONVERGED'}\n"
    )
    table = make_table("parameter", ">value", ">±", "unit", "note", wrapped={"note"})
    for key, word in _WORDS.items():
        table.add_row(word, *_cells(fit.values[key]))
    console.print(table)
    console.print()
    table = make_table("similarity", ">shifted only", ">fitted")
    before, after = fit.before.to_dict(), fit.after.to_dict()
    for key, word in _MEASURES.items():
        digits = 2 if key in ("shift", "overlap") else 4
        table.add_row(word, f"{before[key]:.{digits}f}", f"{after[key]:.{digits}f}")
    console.print(table)


def _cells(fitted: FittedValue) -> tuple[str, str, str, str]:
    uncertainty = "" if fitted.uncertainty is None else f"{fitted.uncertainty:.2g}"
    return f"{fitted.value:.4g}", uncertainty, fitted.unit, fitted.note
