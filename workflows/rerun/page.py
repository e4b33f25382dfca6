"""The report of a rerun as one page of HTML: nothing outside it is needed, and no script runs in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from whiteline.markup import figure, page, section, table
from whiteline.workflows.rerun.results import Difference, RerunResult, Verdict

__all__ = ["make_page"]

# Rows of a table: the rest is in report.json.
_MOST_ROWS: Final = 500
_MOST_DIFFS: Final = 20
_MEANINGS: Final = {
    Verdict.IDENTICAL: "energies and intensities are bitwise equal",
    Verdict.EQUAL: "within the tolerance",
    Verdict.DIFFERENT: "beyond the tolerance",
    Verdict.COULD_NOT_RUN: "something is missing here, or it failed",
    Verdict.NOT_COMPUTED: "measured, or read from files: there is nothing to run",
}


def make_page(report: Mapping[str, Any], images: Mapping[str, bytes]) -> str:
    """Return the page of a report.

    Args:
        report: What `report.json` holds.
        images: PNG files by title.
    """
    results = {each["id"]: RerunResult.from_dict(each) for each in report["results"]}
    asked = [results[each] for each in report["asked"]]
    troubled = [each for each in results.values() if not each.verdict.is_reproduced]
    sections = [
        _head(report),
        section("Verdicts", _verdicts(report)),
        section("What differs on record", _grounds(report)),
        section("Not the same", _troubles(troubled)),
        section("Changed inputs", _diffs(results.values())),
        section("Farthest apart", "".join(figure(title, image) for title, image in images.items())),
        section("Every spectrum", _all(asked)),
        section("Versions", _versions(report["versions"])),
    ]
    return page(f"{report['title']}, run again", sections)


def _head(report: Mapping[str, Any]) -> str:
    tolerance = report["tolerance"]
    share = (
        f"{report['n_run']} of {report['n_all']} spectra, picked by chance with seed {report['seed']}"
        if report["seed"] is not None
        else f"{report['n_run']} spectra"
    )
    stated = (
        f"Equal: no intensity differs by more than {tolerance['intensity']:g} of the largest, no energy by more than "
        f"{tolerance['energy']:g} eV."
        if tolerance
        else ""
    )
    when = f"{report['started_at'][:16]} to {report['ended_at'][:16]}".replace("T", " ")
    return f"<h1>{escape(report['title'])}, run again</h1>\n<p>{escape(share)}; {when} UTC. {stated}</p>"


def _verdicts(report: Mapping[str, Any]) -> str:
    rows = [[name, str(n), _MEANINGS[Verdict(name)]] for name, n in report["verdicts"].items()]
    return table(["verdict", ">spectra", "meaning"], rows)


def _grounds(report: Mapping[str, Any]) -> str:
    if not report["grounds"]:
        return "<p>Nothing: inputs, programs, libraries and machine are those on record.</p>"
    verdicts = [verdict.value for verdict in Verdict if any(verdict.value in row for row in report["grounds"].values())]
    rows = [[ground, *(str(row.get(verdict, 0)) for verdict in verdicts)] for ground, row in report["grounds"].items()]
    note = "<p class='faint'>Spectra with such a difference, by verdict; the likeliest reasons first.</p>"
    return note + table(["difference", *(f">{verdict}" for verdict in verdicts)], rows)


def _troubles(results: Sequence[RerunResult]) -> str:
    rows = [[each.id[:12], each.label, each.verdict.value, each.explanation] for each in results[:_MOST_ROWS]]
    return table(["id", "spectrum", "verdict", "why"], rows, wide=("why",)) + _rest(results) if rows else ""


def _diffs(results: Any) -> str:
    shown: dict[Difference, str] = {}
    for result in results:
        for difference in result.differences:
            if difference.detail:
                shown.setdefault(difference, result.label)
    return "".join(
        f"<details><summary>{escape(label)}: {escape(difference.words)}</summary>"
        f"<pre>{escape(difference.detail)}</pre></details>"
        for difference, label in list(shown.items())[:_MOST_DIFFS]
    )


def _all(results: Sequence[RerunResult]) -> str:
    head = ["id", "spectrum", "made by", "verdict", ">largest difference", ">1 − Spearman", ">shift (eV)", ">time"]
    rows = [
        [
            each.id[:12],
            each.label,
            each.making,
            each.verdict.value,
            _small(each.comparison.largest if each.comparison else None),
            _small(each.comparison.spearman_distance if each.comparison else None),
            _small(each.comparison.shift if each.comparison else None),
            f"{each.seconds:.0f} s",
        ]
        for each in results[:_MOST_ROWS]
    ]
    return table(head, rows) + _rest(results)


def _rest(results: Sequence[RerunResult]) -> str:
    n_more = len(results) - _MOST_ROWS
    return f"<p class='faint'>{n_more} more are in report.json beside this page.</p>" if n_more > 0 else ""


def _small(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}".replace("-", "−")


def _versions(versions: Mapping[str, str]) -> str:
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"<p>{escape(told)}</p><p class='faint'>All that is known is in <code>report.json</code> beside it.</p>"
