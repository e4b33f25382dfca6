"""`whiteline show`: everything about one spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app
from whiteline.cli.labels import program_name
from whiteline.cli.options import Database, open_existing

if TYPE_CHECKING:
    from whiteline.database.documents import SpectrumDocument
    from whiteline.provenance import ProvenanceRecord, Things


@app.command(epilog="[bold]Example[/bold]\n\n  whiteline show 3f9a2c")
def show(
    spectrum_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a spectrum, or enough of its beginning.")],
    as_json: Annotated[bool, typer.Option("--json", help="The whole document and its records as JSON.")] = False,
    database: Database = None,
) -> int:
    """Show parameters, status, convergence flags, versions, timings and parents of one spectrum."""
    import json

    from whiteline.cli.tables import make_console

    with open_existing(database) as store:
        document = store.get(spectrum_id)
        records = store.records(document.id)
        parents = [store.get(parent) for parent in document.parents if store.has(parent)]
        mark = store.marks([document.id]).get(document.id)
    if as_json:
        said = {} if mark is None else {"suspect": {"reason": mark.reason, "marked_at": mark.marked_at}}
        typer.echo(json.dumps({**document.to_dict(), **said, "records": [record.to_dict() for record in records]}))
        return 0
    console = make_console()
    if mark is not None:
        console.print(f"SUSPECT since {mark.marked_at[:10]}: {mark.reason}", style="bold red", markup=False)
    for title, rows in (
        ("Spectrum", _spectrum_rows(document)),
        (
            "Checks",
            [
                (check.name, f"{'passed' if check.is_passed else 'NOT PASSED'}  {check.detail}")
                for check in document.checks
            ],
        ),
        (
            "Parents",
            [(p.id[:10], f"{_absorber_text(p)}, {p.status}") for p in parents],
        ),
        ("Parameters", sorted((name, _text(value)) for name, value in document.parameters.items())),
        *(
            (f"Provenance, run {i} of {len(records)}", _record_rows(record))
            for i, record in enumerate(records, start=1)
        ),
    ):
        _print_section(console, title, rows)
    return 0


def _print_section(console: Any, title: str, rows: list[tuple[str, str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    console.print(title, style="bold")
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(f"  {name}", Text(value))
    console.print(table)


def _spectrum_rows(document: SpectrumDocument) -> list[tuple[str, str]]:
    rows = [
        ("id", document.id),
        ("material", _material_text(document)),
        ("absorber", _absorber_text(document)),
        ("code", f"{program_name(document.code, document.code_version)}, {document.fidelity}"),
        ("status", f"{document.status}{': ' + document.reason if document.reason else ''}"),
        ("stored", document.created_at),
        *((name, text) for name, text in (("licence", document.licence), ("cite", document.citation)) if text),
    ]
    spectrum = document.spectrum
    if spectrum is not None:
        width = "; ".join(f"{r.profile} ({r.origin}, by {r.applied_by})" for r in spectrum.broadening)
        rows += [
            (
                "energy",
                f"{spectrum.energy[0]:.2f} to {spectrum.energy[-1]:.2f} eV ({spectrum.energy_reference}), "
                f"{spectrum.n_energy} points",
            ),
            ("scale", f"{spectrum.scale:.6g} Mbarn per unit" if spectrum.scale else "arbitrary units"),
            ("broadening", width or "none on record"),
        ]
    return rows


def _material_text(document: SpectrumDocument) -> str:
    """Return what is known of the sample, which of ingested spectra may be nothing, and where it came from."""
    sample = document.formula or document.chemical_system
    group = f"{document.space_group_symbol} ({document.space_group})" if document.space_group else ""
    known = ", ".join(text for text in (sample, group) if text)
    return f"{known or 'unknown'}, from {document.source}"


def _absorber_text(document: SpectrumDocument) -> str:
    if document.site_index is None and document.kind != "material":
        return f"{document.absorber} {document.edge}, {'measured' if document.kind == 'measured' else 'site unknown'}"
    if document.site_index is None:
        return f"{document.absorber} {document.edge}, average over {document.multiplicity} sites"
    return f"{document.absorber} {document.edge}, site {document.site_index} of multiplicity {document.multiplicity}"


def _record_rows(record: ProvenanceRecord) -> list[tuple[str, str]]:
    return [
        ("record", record.id),
        ("activity", record.activity),
        ("code", program_name(record.code, record.code_version)),
        ("libraries", ", ".join(f"{name} {version}" for name, version in sorted(record.libraries.items()))),
        *([("commit", record.commit)] if record.commit else []),
        *((f"executable {name}", checksum) for name, checksum in sorted(record.executables.items())),
        ("host", f"{record.host}, {record.system}"),
        *([("cores", str(record.cores))] if record.cores else []),
        *((f"seed {name}", str(seed)) for name, seed in record.seeds.items()),
        ("time", f"{record.started_at} to {record.ended_at}, {record.wall_time:.1f} s"),
        (
            "timings",
            ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in record.timings.items()) or "–",
        ),
        *_thing_rows("used", record.used),
        *_thing_rows("made", record.generated),
    ]


def _thing_rows(verb: str, things: Things) -> list[tuple[str, str]]:
    from whiteline.provenance import Kind

    return [
        (f"{verb} {Kind(kind).words}{'' if name == kind else f' {name}'}", each)
        for kind, named in things.items()
        for name, each in named.items()
    ]


def _text(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value)
