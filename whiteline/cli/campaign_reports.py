"""What commands say of campaigns: prices, states, failures."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from whiteline.cli.campaign_watch import core_hours, rate_text
from whiteline.cli.labels import duration
from whiteline.cli.tables import make_table
from whiteline.database.queue import Task, TaskKind, TaskState
from whiteline.workflows.campaign.status import CampaignStatus, share_in_engine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.table import Table

    from whiteline.workflows.campaign.planning import CreatedCampaign
    from whiteline.workflows.campaign.pricing import Band, Price

__all__ = ["next_step", "print_created", "print_status", "task_table"]

_MOST_REQUESTS = 40
_MOST_PROBLEMS = 10
_KIND_NAMES = {TaskKind.SITE: "sites", TaskKind.SERIES: "series", TaskKind.AVERAGE: "averages"}


def print_status(console: Console, status: CampaignStatus) -> None:
    """Print how far a campaign is."""
    for name, value in _facts(status):
        console.print(Text.assemble((f"{name:12}", "dim"), value), soft_wrap=True)
    console.print()
    console.print(_request_table(status))
    if len(status.requests) > _MOST_REQUESTS:
        console.print(f"and {len(status.requests) - _MOST_REQUESTS} more (--json lists all)", style="dim")
    if status.failures:
        console.print()
        console.print(_failure_table(status))
    if step := next_step(status):
        console.print(f"Next: {step}", style="dim", soft_wrap=True)


def print_created(console: Console, made: CreatedCampaign) -> None:
    """Print what a campaign comes to, and what was done about it."""
    price = made.price
    console.print(_price_table(price))
    console.print()
    for name, value in _price_facts(made):
        console.print(Text.assemble((f"{name:12}", "dim"), value), soft_wrap=True)
    for problem in price.problems[:_MOST_PROBLEMS]:
        words = problem.reason if problem.subject in problem.reason else f"{problem.subject}: {problem.reason}"
        console.print(f"left out: {words}", style="yellow", soft_wrap=True)
    if price.n_problems > _MOST_PROBLEMS:
        console.print(f"and {price.n_problems - _MOST_PROBLEMS} more left out (--json has them)", style="yellow")
    for warning in price.warnings:
        console.print(f"warning: {warning}", style="bold yellow", soft_wrap=True)
    if made.is_dry:
        console.print(f"Nothing was queued. Next: whiteline campaign create {made.definition.source}", style="dim")
        return
    done = f"created {made.name}" if made.is_new else f"{made.name} was there already"
    added = f"{made.n_added} task(s) were added" if made.n_added else "nothing was added"
    console.print(f"{done}: {made.n_tasks} tasks, averages included; {added}")
    console.print(f"Next: whiteline campaign submit {made.name} --where local", style="dim")


def _price_table(price: Price) -> Table:
    table = make_table(
        "spectra",
        ">materials",
        ">sites",
        ">stored",
        ">queued",
        ">new",
        ">core hours",
        ">longest site",
        ">MB",
        wrapped=("spectra",),
    )
    for request in price.requests:
        numbers = (request.n_materials, request.n_sites, request.n_stored, request.n_queued, request.n_new)
        longest = duration(request.longest) if request.longest else "–"
        memory = f"{request.memory:.0f}" if request.memory else "–"
        table.add_row(request.title, *map(str, numbers), _band_hours(request.core_time), longest, memory)
    if len(price.requests) > 1:
        totals = [str(price.total(f"n_{name}")) for name in ("materials", "sites", "stored", "queued", "new")]
        table.add_section()
        table.add_row("all", *totals, _band_hours(price.core_time), "", "")
    return table


def _price_facts(made: CreatedCampaign) -> list[tuple[str, str]]:
    price, workers = made.price, made.definition.workers
    wall = price.wall_time
    facts = [
        ("structures", f"{price.n_structures} read" + (f", {price.n_problems} problem(s)" * bool(price.n_problems)))
    ]
    if price.total("n_sites") == price.total("n_stored"):
        return [*facts, ("cost", "nothing: every spectrum is in the store already")]
    words = f"about {duration(wall.expected)} ({duration(wall.low)} to {duration(wall.high)})"
    facts.append(("wall time", f"{words} with {workers.count} worker(s) of {workers.cores} core(s), waiting aside"))
    if price.queued_core_time.expected:
        facts.append(("queued", f"{_band_hours(price.queued_core_time)} core hours of it are in the queue already"))
    facts.append(("disk", f"about {price.disk_bytes / 1e6:.0f} MB in the store"))
    bases = dict.fromkeys(request.basis for request in price.requests if request.n_sites > request.n_stored)
    facts += [("times from" if i == 0 else "", basis) for i, basis in enumerate(bases)]
    return facts


def _band_hours(band: Band) -> str:
    if not band.expected:
        return "0"
    return f"{core_hours(band.expected)} ({core_hours(band.low)}–{core_hours(band.high)})"


def next_step(status: CampaignStatus) -> str:
    """Return the command that most likely comes next; empty while workers are at it."""
    name = status.campaign.name
    match status.state_name:
        case "cancelled":
            return ""
        case "paused":
            return f"whiteline campaign resume {name}"
    if not status.is_finished:
        return "" if status.alive else f"whiteline campaign submit {name} --where local"
    if status.failures:
        return f"whiteline campaign status {name} --failed; whiteline campaign retry {name} --cause CAUSE"
    return f"whiteline campaign report {name} -o {name}-report"


def task_table(tasks: Iterable[Task]) -> Table:
    """Return a table of tasks that failed."""
    table = make_table("id", "spectrum", "theory", "cause", ">tries", "reason", wrapped=("spectrum", "reason"))
    for task in tasks:
        reason = " ".join(task.reason.split())
        cause = Text(task.cause, style="red")
        table.add_row(task.id[:10], task.label, task.fidelity, cause, str(max(task.n_attempts, 1)), reason)
    return table


def _facts(status: CampaignStatus) -> list[tuple[str, str]]:
    campaign = status.campaign
    made = datetime.fromtimestamp(campaign.created_at).strftime("%Y-%m-%d %H:%M")
    facts = [
        ("campaign", f"{campaign.name}, made {made}"),
        ("state", status.state_name + (f": {campaign.note}" if campaign.note else "")),
        ("tasks", _count_words(status)),
        ("cost", _cost_words(status)),
    ]
    if status.mean_rate is not None:
        left = status.seconds_left
        words = f"{rate_text(status.recent_rate)} now, {rate_text(status.mean_rate)} mean"
        facts.append(("pace", words + (f"; about {duration(left)} left" if left is not None else "")))
    if status.workers:
        facts.append(("workers", _worker_words(status)))
    return facts


def _count_words(status: CampaignStatus) -> str:
    counts = ", ".join(f"{n} {state}" for state, n in status.counts.items() if n)
    remarks = [
        f"{n} {words}"
        for n, words in ((status.n_stored, "were in the store"), (status.n_unconverged, "did not converge"))
        if n
    ]
    return f"{status.n_finished} of {status.n_tasks} finished: {counts or 'none'}" + (
        f" ({', '.join(remarks)})" if remarks else ""
    )


def _cost_words(status: CampaignStatus) -> str:
    words = [f"{core_hours(status.core_seconds)} core hours in tasks"]
    if status.priced_seconds is not None:
        words.append(f"priced {core_hours(status.priced_seconds)}")
    if status.seconds_of_work_left is not None and not status.is_finished:
        words.append(f"about {core_hours(status.seconds_of_work_left)} to go")
    if status.campaign.budget is not None:
        words.append(f"budget {core_hours(status.campaign.budget)}")
    return ", ".join(words)


def _worker_words(status: CampaignStatus) -> str:
    words = [f"{len(status.alive)} alive with {status.n_cores} cores"]
    n_left = len(status.workers) - len(status.alive) - len(status.lost)
    words += [f"{n} {what}" for n, what in ((n_left, "left"), (len(status.lost), "lost")) if n]
    share = share_in_engine(status.workers)
    if share is not None:
        words.append(f"{share:.0%} of their core time inside the codes")
    return ", ".join(words)


def _request_table(status: CampaignStatus) -> Table:
    states = [state for state in TaskState if any(r.counts[state] for r in status.requests)]
    table = make_table("", "spectrum", ">tasks", *(f">{state}" for state in states), ">from store", ">mean core time")
    for request in status.requests[:_MOST_REQUESTS]:
        mean = (
            "–" if not request.mean_seconds else duration(request.mean_seconds) if request.mean_seconds >= 1 else "<1 s"
        )
        counts = [str(request.counts[state]) for state in states]
        kind = _KIND_NAMES[request.kind]
        table.add_row(kind, request.label, str(request.n_tasks), *counts, str(request.n_stored), mean)
    return table


def _failure_table(status: CampaignStatus) -> Table:
    table = make_table("failed for", ">tasks", "the latest", "reason", wrapped=("the latest", "reason"))
    for failure in status.failures:
        reason = " ".join(failure.reason.split())
        table.add_row(Text(failure.cause, style="red"), str(failure.n_tasks), failure.label, reason)
    return table
