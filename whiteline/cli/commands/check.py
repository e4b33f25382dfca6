"""`whiteline check`: what is missing or wrong, before anything is queued."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from whiteline.cli.app import app
from whiteline.cli.labels import duration, listing
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
    from whiteline.workflows.preparation import CheckedSite, CheckReport

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline check anatase.cif --absorber Ti

  whiteline check structures/ --absorber Ti --engine xspectra --engine ocean

  whiteline check rutile.cif --absorber Ti --engine all --set feff.fms_radius=6
"""

_STYLES = {"ok": "green", "warning": "yellow", "error": "red"}
# Sites; more than anyone reads, and what is wrong with any of them is said above.
_MOST_ROWS = 100
# Findings that are fine and differ from site to site only in their numbers.
_MOST_ALIKE = 5
# Engines whose costs fit beside one another in one line, and columns of a terminal that takes any number of them.
_MOST_WHOLE, _WIDE = 2, 110


@app.command(epilog=_EXAMPLES)
def check(
    structures: Structures,
    absorber: AbsorbingElement,
    edge: EdgeName = "K",
    engines: Engines = ["feff"],  # noqa: B006  # typer copies it
    preset: PresetName = "standard",
    values: Assignments = None,
) -> int:
    """Say what is missing or wrong for every inequivalent absorber, and what it will cost, without running it."""
    from whiteline.cli.live import share_bar
    from whiteline.cli.tables import make_console
    from whiteline.settings import load_settings

    settings = load_settings()
    parameters = parse_assignments(values)
    with share_bar(make_console(is_error=True)) as on_progress:
        from whiteline.structures import read_structures
        from whiteline.workflows.preparation import check_materials

        report = check_materials(
            list(read_structures(structures)),
            absorber,
            edge,
            codes=engines,
            preset=preset,
            parameters=parameters,
            settings=settings,
            on_progress=on_progress,
        )
    console = make_console()
    _print_findings(console, report)
    _print_costs(console, report.sites)
    _print_summary(console, report)
    return 0 if report.is_ready else 1


def _print_findings(console: Any, report: CheckReport) -> None:
    from rich.text import Text

    from whiteline.cli.tables import make_table
    from whiteline.workflows.preparation import group_findings

    n_sites = len({(site.source, site.label) for site in report.sites})
    table = make_table("engine", "", "what", "found", "sites", wrapped=("what", "found", "sites"))
    table.columns[3].ratio = 1
    previous = ""
    n_alike = Counter[tuple[str, str]]()
    for group in group_findings(report.sites):
        finding = group.finding
        if finding.level == "ok":
            n_alike[group.code, finding.subject] += 1
            if n_alike[group.code, finding.subject] > _MOST_ALIKE:
                continue
        found = Text(finding.detail)
        if finding.remedy and finding.remedy not in finding.detail:
            found.append(f"\n→ {finding.remedy}", style="bold")
        level = Text(finding.level.value, style=_STYLES[finding.level])
        engine = group.code if group.code != previous else ""
        table.add_row(engine, level, finding.subject, found, listing(group.sites, n_all=n_sites))
        previous = group.code
    if table.row_count:
        console.print(table)
    if n_hidden := sum(max(n - _MOST_ALIKE, 0) for n in n_alike.values()):
        console.print(f"{n_hidden} more finding(s) that are ok and differ in their numbers only.", style="dim")
    for problem in report.problems:
        console.print(f"{problem.subject}: {problem.reason}", style="red", soft_wrap=True)


def _print_costs(console: Any, sites: tuple[CheckedSite, ...]) -> None:
    """Print the expected cost of every site, a column an engine."""
    from whiteline.cli.tables import make_table

    codes = list(dict.fromkeys(site.code for site in sites))
    rows: dict[tuple[str, str], dict[str, CheckedSite]] = {}
    for site in sites:
        rows.setdefault((site.source, site.label), {})[site.code] = site
    if not rows:
        return
    separator = "\n" if len(codes) > _MOST_WHOLE and console.width < _WIDE else ", "
    console.print()
    table = make_table("CPU time, memory", "site", ">mult.", *(f">{code}" for code in codes))
    for by_code in list(rows.values())[:_MOST_ROWS]:
        site = next(iter(by_code.values()))
        costs = [_cost([by_code[code]], separator) for code in codes]
        table.add_row(site.material, site.label, str(site.multiplicity), *costs)
    if len(rows) > _MOST_ROWS:
        table.add_row(f"… {len(rows) - _MOST_ROWS} more", "", "", *("" for _ in codes))
    if len(rows) > 1:
        table.add_section()
        totals = [_cost([site for site in sites if site.code == code], separator) for code in codes]
        table.add_row("total, largest", "", "", *totals)
    console.print(table)


def _cost(sites: list[CheckedSite], separator: str) -> str:
    """Return the expected CPU time of all sites and the memory of the largest."""
    estimates = [site.estimate for site in sites if site.estimate is not None]
    if not estimates:
        return "–"
    time, memory = duration(sum(e.cpu_time for e in estimates)), max(e.memory for e in estimates)
    if not memory:
        return time
    return f"{time}{separator}{f'{memory / 1000:.1f} GB' if memory >= 1000 else f'{memory:.0f} MB'}"


def _print_summary(console: Any, report: CheckReport) -> None:
    n_bad = sum(site.has_error for site in report.sites)
    if report.is_ready:
        console.print(f"Ready: {len(report.sites)} calculation(s) can start.")
    elif report.sites:
        console.print(f"Not ready: {n_bad} of {len(report.sites)} calculation(s) cannot start, see the errors above.")
