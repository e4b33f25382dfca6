"""The report of a campaign as one page of HTML: nothing outside it is needed, and no script runs in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final

from whiteline.database.queue import TaskKind, TaskState, Worker
from whiteline.markup import figure, number, page, section, table
from whiteline.progress import duration
from whiteline.provenance import library_versions
from whiteline.status import Status
from whiteline.workflows.campaign.figures import Picture, draw_gallery, draw_progress, draw_times, png
from whiteline.workflows.campaign.pricing import Band, Price
from whiteline.workflows.campaign.status import CampaignStatus, is_alive, share_in_engine

if TYPE_CHECKING:
    from whiteline.workflows.campaign.report import CampaignReport

__all__ = ["make_page"]

_N_PER_SHEET: Final = 20  # small pictures in one image
_MOST_WORKERS: Final = 200
_KIND_NAMES: Final = {TaskKind.SITE: "sites", TaskKind.SERIES: "convergence series", TaskKind.AVERAGE: "averages"}


def make_page(report: CampaignReport) -> str:
    """Return the page of a report."""
    status = report.status
    return page(
        f"Campaign {status.campaign.name}",
        [
            _head(status),
            section("What was asked for and what there is", _requests(status)),
            section("How it went", _progress(status)),
            section("Cost and price", _cost(report)),
            section("What failed", _failures(status)),
            section("What was tried where something went wrong", _repairs(report)),
            section("Workers", _workers(status)),
            section("Spectra", _gallery(report)),
            section("What was made of them", _harvest(report)),
            section("Where it all comes from", _provenance(report)),
        ],
    )


def _head(status: CampaignStatus) -> str:
    campaign, counts = status.campaign, status.counts
    n_left = status.n_tasks - status.n_finished
    words = [f"{counts[TaskState.DONE]} of {status.n_tasks} tasks have their spectrum"]
    if status.n_stored:
        words.append(f"{status.n_stored} of them were in the store already")
    if status.n_unconverged:
        words.append(f"{status.n_unconverged} did not converge")
    if counts[TaskState.FAILED]:
        words.append(f"{counts[TaskState.FAILED]} failed")
    if n_left:
        words.append(f"{n_left} are not finished")
    if counts[TaskState.CANCELLED]:
        words.append(f"{counts[TaskState.CANCELLED]} were cancelled")
    note = f" ({escape(campaign.note)})" if campaign.note else ""
    return (
        f"<h1>Campaign {escape(campaign.name)}</h1>\n"
        f"<p>Made {_date(campaign.created_at)}, as of {_date(status.now)} UTC: <b>{status.state_name}</b>{note}.</p>\n"
        f"<p>{'; '.join(words)}.</p>"
    )


def _requests(status: CampaignStatus) -> str:
    head = ["", "spectrum", ">tasks", ">done", ">stored before", ">unconverged", ">failed", ">open", ">mean core time"]
    rows = [
        [
            _KIND_NAMES[request.kind],
            request.label,
            str(request.n_tasks),
            str(request.counts[TaskState.DONE]),
            str(request.n_stored),
            str(request.n_unconverged),
            str(request.counts[TaskState.FAILED]),
            str(request.n_open),
            _short_time(request.mean_seconds),
        ]
        for request in status.requests
    ]
    return table(head, rows) if rows else "<p>There is no task.</p>"


def _progress(status: CampaignStatus) -> str:
    drawn = draw_progress(status)
    if drawn is None:
        return "<p>Nothing was computed yet.</p>"
    words = []
    if status.mean_rate:
        words.append(f"{_rate(status.mean_rate)} on average")
    if status.seconds_left is not None:
        words.append(f"about {duration(status.seconds_left)} left with {status.n_cores} cores")
    share = share_in_engine(status.workers)
    if share is not None:
        words.append(f"{share:.1%} of the core time that workers had was spent inside the codes")
    return figure("Tasks over time", png(drawn)) + (f"<p>{'; '.join(words)}.</p>" if words else "")


def _cost(report: CampaignReport) -> str:
    status = report.status
    parts = []
    drawn = draw_times(report.expected, report.measured)
    if drawn is not None:
        parts.append(figure("Measured and expected wall times", png(drawn)))
    return "\n".join([_cost_table(status), *parts])


def _cost_table(status: CampaignStatus) -> str:
    """Return what was expected and what was spent, by level of theory."""
    spent: dict[str, list[float]] = {}
    for request in status.requests:
        sums = spent.setdefault(request.fidelity, [0.0, 0.0])
        sums[0] += request.core_seconds
        sums[1] += request.n_computed if request.kind is not TaskKind.AVERAGE else 0
    bands: dict[str, Band] = {}
    basis: dict[str, str] = {}
    if "requests" in status.campaign.plan:
        for priced in Price.from_dict(dict(status.campaign.plan)).requests:
            bands[priced.fidelity] = bands.get(priced.fidelity, Band()) + priced.core_time
            basis[priced.fidelity] = priced.basis
    rows = [
        [
            fidelity,
            *(_hours(getattr(bands.get(fidelity), name, None)) for name in ("expected", "low", "high")),
            _hours(seconds),
            f"{n_computed:.0f}",
            basis.get(fidelity, "–"),
        ]
        for fidelity, (seconds, n_computed) in spent.items()
    ]
    rows = (
        rows if len(rows) == 1 else [*rows, ["all", *_sums(list(bands.values())), _hours(status.core_seconds), "", ""]]
    )
    budget = status.campaign.budget
    left = status.seconds_of_work_left
    words = [] if budget is None else [f"the budget is {_hours(budget)} core hours"]
    if left is not None and not status.is_finished:
        words.append(f"about {_hours(left)} core hours are to go")
    note = f"<p>{escape('; '.join(words).capitalize())}.</p>" if words else ""
    head = ["theory", ">priced (core h)", ">from", ">to", ">spent (core h)", ">computed", "the price rests on"]
    return table(head, rows, wide=("the price rests on",)) + note


def _sums(bands: Sequence[Band]) -> list[str]:
    return [_hours(sum(getattr(band, name) for band in bands)) for name in ("expected", "low", "high")]


def _failures(status: CampaignStatus) -> str:
    if not status.failures:
        return "<p>Nothing.</p>"
    rows = [
        [
            failure.cause,
            str(failure.n_tasks),
            "try again" if failure.is_of_machine else "mend first, then try again",
            failure.label,
            failure.reason,
        ]
        for failure in status.failures
    ]
    name = escape(status.campaign.name)
    note = (
        f"<p class='faint'><code>whiteline campaign retry {name} --cause CAUSE</code> makes them ready again; "
        f"<code>whiteline campaign status {name} --failed</code> lists them.</p>"
    )
    return table(["cause", ">tasks", "remedy", "for example", "reason"], rows, wide=("reason",)) + note


def _repairs(report: CampaignReport) -> str:
    if not report.repairs:
        return ""
    rows = [
        [each.cause, each.repair, str(each.n_tried), str(each.n_converged), duration(each.seconds)]
        for each in report.repairs
    ]
    part = "" if report.n_records == report.n_computed else f" Counted in {report.n_records} of {report.n_computed}."
    note = f"<p class='faint'>Every try stands in the record of its spectrum, too.{part}</p>"
    return table(["cause", "repair", ">tried", ">converged", ">time"], rows) + note


def _workers(status: CampaignStatus) -> str:
    rows = [_worker(worker, status) for worker in status.workers[:_MOST_WORKERS]]
    if not rows:
        return "<p>There was none yet.</p>"
    head = ["host", "job", ">cores", "began (UTC)", ">stayed", ">done", ">failed", ">in tasks", ">in codes", "left"]
    rest = len(status.workers) - len(rows)
    more = f"<p class='faint'>and {rest} earlier ones</p>" if rest > 0 else ""
    return table(head, rows, wide=("left",)) + more


def _worker(worker: Worker, status: CampaignStatus) -> list[str]:
    stayed = (worker.ended_at or worker.seen_at) - worker.started_at
    had = worker.cores * stayed
    ending = worker.ending or ("at work" if is_alive(worker, status.now) else "not heard of again")
    return [
        worker.host,
        worker.job or "–",
        str(worker.cores),
        _date(worker.started_at),
        duration(stayed),
        str(worker.n_done),
        str(worker.n_failed),
        f"{worker.busy_seconds / had:.0%}" if had else "–",
        f"{worker.engine_seconds / had:.0%}" if had else "–",
        ending,
    ]


def _gallery(report: CampaignReport) -> str:
    if not report.spectra:
        return "<p>There is none yet.</p>"
    several = len({each.fidelity for each in report.spectra}) > 1
    pictures = [
        Picture(
            each.label.removesuffix(" average") + (f" {each.fidelity}" if several else ""),
            each.spectrum,
            each.status is not Status.CONVERGED,
        )
        for each in report.spectra
    ]
    sheets = [pictures[i : i + _N_PER_SHEET] for i in range(0, len(pictures), _N_PER_SHEET)]
    images = "".join(figure("Spectra", png(draw_gallery(sheet))) for sheet in sheets)
    rows = [[each.label, each.fidelity, each.status.value, each.id] for each in report.spectra]
    part = "" if len(rows) == report.n_spectra else f"{len(rows)} of {report.n_spectra}, evenly chosen. "
    note = (
        f"<p class='faint'>{part}Each on its own vertical scale; dashed: not converged. "
        "<code>whiteline plot ID</code> draws one, <code>whiteline show ID</code> tells all of it.</p>"
    )
    ids = f"<details><summary>Their ids</summary>{table(['spectrum', 'theory', 'status', 'id'], rows)}</details>"
    return note + images + ids


def _harvest(report: CampaignReport) -> str:
    items = "".join(f"<li>{escape(name)} {escape(words)}</li>" for name, words in report.harvest)
    return f"<ul>{items}</ul>" if items else ""


def _provenance(report: CampaignReport) -> str:
    status = report.status
    libraries = ", ".join(f"{name} {version}" for name, version in library_versions().items())
    return (
        f"<p>Spectra in {escape(report.store)}, tasks in {escape(status.address)}; every spectrum has its record with "
        "versions, parameters, host and times (<code>whiteline lineage ID</code>). All tasks of this page are in "
        f"<code>tasks.csv</code> beside it. Written with {escape(libraries)}.</p>\n"
        f"<details><summary>The campaign file ({escape(status.campaign.definition_id[:12])})</summary>"
        f"<pre>{escape(status.campaign.definition)}</pre></details>"
    )


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M")


def _rate(rate: float) -> str:
    """Return a throughput in the unit that suits it."""
    seconds, unit = next(
        (pair for pair in ((1.0, "second"), (60.0, "minute")) if rate * pair[0] >= 1), (3600.0, "hour")
    )
    return f"{rate * seconds:.1f} tasks per {unit}"


def _short_time(seconds: float | None) -> str:
    return "–" if seconds is None else "<1 s" if seconds < 1 else duration(seconds)


def _hours(seconds: float | None) -> str:
    hours = None if seconds is None else seconds / 3600
    return number(hours, 4 if hours is not None and 0 < hours < 0.1 else 2)
