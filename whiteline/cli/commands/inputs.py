"""`whiteline inputs`: write everything that a cluster needs, and run nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app
from whiteline.cli.labels import listing
from whiteline.cli.options import (
    AbsorbingElement,
    Assignments,
    EdgeName,
    Engines,
    PresetName,
    Structures,
    parse_assignments,
)

if TYPE_CHECKING:
    from whiteline.workflows.preparation import InputReport, WrittenSite

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline inputs anatase.cif --absorber Ti -o inputs

  whiteline inputs ti-o-10.json --absorber Ti --engine all -o inputs

  whiteline inputs structures/ --absorber Ti --engine ocean --preset published:ti-o-10 -o inputs
"""

_STYLES = {
    "written": "green",
    "unchanged": "dim",
    "replaced": "yellow",
    "incomplete": "yellow",
    "refused": "red",
    "failed": "red",
}
# Sites; of more than these only those with a problem are listed.
_MOST_ROWS = 100


@app.command(epilog=_EXAMPLES)
def inputs(
    structures: Structures,
    absorber: AbsorbingElement,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where the inputs go.")],
    edge: EdgeName = "K",
    engines: Engines = ["feff"],  # noqa: B006  # typer copies it
    preset: PresetName = "standard",
    values: Assignments = None,
    force: Annotated[bool, typer.Option("--force", help="Replace inputs that differ from those asked for.")] = False,
) -> int:
    """Write the inputs of every inequivalent absorber, ready to submit: DIR/material/engine/site-edge/."""
    from whiteline.cli.live import share_bar
    from whiteline.cli.tables import make_console
    from whiteline.settings import load_settings

    settings = load_settings()
    parameters = parse_assignments(values)
    with share_bar(make_console(is_error=True)) as on_progress:
        from whiteline.structures import read_structures
        from whiteline.workflows.preparation import write_inputs

        report = write_inputs(
            list(read_structures(structures)),
            absorber,
            edge,
            folder=output,
            codes=engines,
            preset=preset,
            parameters=parameters,
            is_forced=force,
            settings=settings,
            on_progress=on_progress,
        )
    console = make_console()
    _print_overview(console, report.sites)
    _print_problems(console, report)
    n_ready = sum(site.is_ready for site in report.sites)
    n_files = sum(len(site.files) for site in report.sites if site.is_ready)
    console.print(f"{n_ready} of {len(report.sites)} calculation(s) ready in {output}: {n_files} input files.")
    return 0 if report.is_complete else 1


def _print_overview(console: Any, sites: tuple[WrittenSite, ...]) -> None:
    """Print what came of every site, a column an engine."""
    from rich.text import Text

    from whiteline.cli.tables import make_table

    codes = list(dict.fromkeys(site.code for site in sites))
    rows: dict[tuple[str, str], dict[str, WrittenSite]] = {}
    for site in sites:
        rows.setdefault((site.source, site.label), {})[site.code] = site
    if not rows:
        return
    shown = list(rows.values())
    if len(shown) > _MOST_ROWS:
        shown = [row for row in shown if not all(site.is_ready for site in row.values())][:_MOST_ROWS]
    table = make_table("material", "site", ">mult.", *codes, wrapped=("material",))
    for by_code in shown:
        site = next(iter(by_code.values()))
        states = [by_code[code].state.value for code in codes]
        # The name of the folder: it tells materials of one name apart.
        name = site.folder.parent.parent.name
        table.add_row(name, site.label, str(site.multiplicity), *(Text(s, style=_STYLES[s]) for s in states))
    if shown:
        console.print(table)
    if len(shown) < len(rows):
        console.print(f"{len(rows) - len(shown)} more site(s) are not listed.")


def _print_problems(console: Any, report: InputReport) -> None:
    """Print each reason once, with the sites that it holds for."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for site in report.sites:
        if site.reason:
            groups.setdefault((site.code, site.state.value, site.reason), []).append(f"{site.material} {site.label}")
    for (code, state, reason), names in groups.items():
        n_all = sum(site.code == code for site in report.sites)
        words = f"{code}, {listing(names, n_all=n_all)}{' sites' if len(names) == n_all > 1 else ''}: {state}: {reason}"
        console.print(words, style=_STYLES[state], soft_wrap=True)
    for problem in report.problems:
        console.print(f"{problem.subject}: nothing written: {problem.reason}", style="red", soft_wrap=True)
