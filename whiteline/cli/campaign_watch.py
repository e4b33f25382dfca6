"""A campaign on the screen while it goes on: a live view on a terminal, a line for every change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from whiteline.cli.labels import duration
from whiteline.cli.tables import make_table
from whiteline.database.queue import CampaignQueue, CampaignState, TaskState, Worker
from whiteline.workflows.campaign.looking import look_at
from whiteline.workflows.campaign.status import CampaignStatus, latest

__all__ = ["core_hours", "progress_line", "rate_text", "render", "watch_campaign"]

_COLOURS: Final = {
    TaskState.DONE: "green",
    TaskState.FAILED: "red",
    TaskState.CANCELLED: "magenta",
    TaskState.RUNNING: "cyan",
    TaskState.READY: "grey50",
    TaskState.WAITING: "grey35",
}
# States that a single line names.
_NAMED: Final = (TaskState.FAILED, TaskState.CANCELLED, TaskState.RUNNING)
_ALWAYS: Final = (TaskState.DONE, TaskState.FAILED, TaskState.RUNNING)
_SPARKS: Final = "▁▂▃▄▅▆▇█"
_N_SPARKS: Final = 40
_MOST_WORKERS: Final = 8
_MOST_FAILURES: Final = 5
# s; elsewhere than on a terminal a line is printed at least so often while something changes, and not more often.
_LINE_EVERY: Final = 10.0
# A look at a large queue takes its time; this share of the time at most goes into looking.
_MOST_LOOKING: Final = 0.2


def watch_campaign(
    queue: CampaignQueue,
    name: str,
    console: Console,
    *,
    interval: float = 2.0,
    is_here: bool = False,
    is_over: Callable[[], bool] = lambda: False,
) -> CampaignStatus:
    """Show a campaign until it is finished, or is paused and nothing of it runs; return how far it was then.

    Args:
        queue: Where it is.
        name: Its name.
        console: Where to show it.
        interval: Time between two looks [s].
        is_here: Whether this process is a worker of it.
        is_over: Asked between looks whether to stop in any case.
    """
    began = time.monotonic()
    status = look_at(queue, name)
    took = time.monotonic() - began
    printed, printed_at = "", 0.0
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            ends = _is_at_rest(status)
            line = progress_line(status, is_here=is_here)
            if console.is_terminal:
                live.update(render(status, width=console.width, is_here=is_here), refresh=True)
            elif line != printed and (ends or time.monotonic() - printed_at >= _LINE_EVERY):
                console.print(line, soft_wrap=True)
                printed, printed_at = line, time.monotonic()
            if ends or is_over():
                return status
            _sleep(max(interval, took / _MOST_LOOKING), is_over)
            began = time.monotonic()
            status = look_at(queue, name)
            took = time.monotonic() - began


def _sleep(seconds: float, is_over: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not is_over():
        time.sleep(min(left, 0.2))


def _is_at_rest(status: CampaignStatus) -> bool:
    """Return whether nothing more happens until somebody does something."""
    is_paused = status.campaign.state is CampaignState.PAUSED
    return status.is_finished or (is_paused and not status.counts[TaskState.RUNNING])


def progress_line(status: CampaignStatus, *, is_here: bool = False) -> str:
    """Return how far a campaign is, in one line."""
    counts = status.counts
    words = [f"{status.campaign.name}: {status.n_finished} of {status.n_tasks} tasks finished"]
    words += [f"{counts[state]} {state}" for state in _NAMED if counts[state]]
    if not status.is_finished:
        if status.campaign.state is not CampaignState.ACTIVE:
            words.append(status.campaign.state.value)
        if not status.alive and not is_here:
            words.append("no worker is alive")
        if status.recent_rate:
            words.append(rate_text(status.recent_rate))
        if status.seconds_left is not None:
            words.append(f"about {duration(status.seconds_left)} left")
    return ", ".join(words)


def rate_text(rate: float | None) -> str:
    """Return a throughput in the unit that suits it.

    >>> rate_text(2.0), rate_text(0.05), rate_text(0.001), rate_text(None)
    ('2.0/s', '3.0/min', '3.6/h', '–')
    """
    if not rate:
        return "–" if rate is None else "0/h"
    if rate >= 1:
        return f"{rate:.1f}/s"
    return f"{60 * rate:.1f}/min" if rate >= 1 / 60 else f"{3600 * rate:.1f}/h"


def core_hours(seconds: float) -> str:
    """Return a core time in hours, with the digits that it needs.

    >>> core_hours(36.0), core_hours(5400.0), core_hours(7.2e6)
    ('0.0100', '1.50', '2000')
    """
    hours = seconds / 3600
    return f"{hours:.0f}" if hours >= 100 else f"{hours:.2f}" if hours >= 0.1 or not hours else f"{hours:.4f}"


def render(status: CampaignStatus, *, width: int, is_here: bool = False) -> RenderableType:
    """Return the view of a campaign for a terminal so many characters wide."""
    parts: list[RenderableType] = [
        _head(status),
        _bar(status, width),
        _counts(status),
        _pace(status, width),
        _cost(status),
    ]
    parts += [Text(), *_workers(status, is_here=is_here)]
    if status.failures:
        parts += [Text(), *_failures(status)]
    return Group(*parts)


def _head(status: CampaignStatus) -> Text:
    colour = {"active": "cyan", "finished": "green", "paused": "yellow", "cancelled": "magenta"}[status.state_name]
    note = f" ({status.campaign.note})" if status.campaign.note else ""
    return Text.assemble((status.campaign.name, "bold"), "  ", (status.state_name + note, colour))


def _bar(status: CampaignStatus, width: int) -> Text:
    """Return a bar in the colours of the states, and the share that is finished."""
    share = status.n_finished / max(status.n_tasks, 1)
    words = f"  {status.n_finished} of {status.n_tasks}  {share:4.0%}"
    length = max(10, min(width, 110) - len(words) - 1)
    text, n_before = Text(), 0
    for state, colour in _COLOURS.items():
        n_upto = n_before + status.counts[state]
        # Rounded sums, so that the parts fill the whole bar.
        start, end = (round(length * n / max(status.n_tasks, 1)) for n in (n_before, n_upto))
        text.append("━" * (end - start), style=colour)
        n_before = n_upto
    return text.append(words, style="bold")


def _counts(status: CampaignStatus) -> Text:
    text = Text()
    for state, colour in _COLOURS.items():
        number = status.counts[state]
        if number or state in _ALWAYS:
            text.append(f"{state} ", style=colour).append(f"{number}   ")
    if status.n_stored:
        text.append(f"({status.n_stored} from the store) ", style="dim")
    if status.n_unconverged:
        text.append(f"({status.n_unconverged} unconverged)", style="yellow")
    return text


def _pace(status: CampaignStatus, width: int) -> Text:
    text = Text.assemble(("pace ", "dim"), rate_text(status.recent_rate), (" now, ", "dim"))
    text.append(rate_text(status.mean_rate)).append(" mean", style="dim")
    if status.seconds_left is not None:
        text.append(", about ", style="dim").append(duration(status.seconds_left), style="bold")
        text.append(" left", style="dim")
    room = min(_N_SPARKS, width - text.cell_len - 3)
    return text.append("  ").append(_sparkline(status, room), style="cyan") if room > 0 else text


def _cost(status: CampaignStatus) -> Text:
    text = Text.assemble(("cost ", "dim"), core_hours(status.core_seconds), (" core hours", "dim"))
    if status.seconds_of_work_left is not None and not status.is_finished:
        text.append(f", {core_hours(status.seconds_of_work_left)} to go", style="dim")
    if status.priced_seconds is not None:
        text.append(f"; priced {core_hours(status.priced_seconds)}", style="dim")
    if status.campaign.budget is not None:
        text.append(f"; budget {core_hours(status.campaign.budget)}", style="dim")
    return text


def _sparkline(status: CampaignStatus, n_bars: int) -> str:
    """Return what ended lately as a row of small bars, the latest on the right."""
    if not status.intervals or status.is_finished:
        return ""
    numbers = latest(status, n_bars)
    most = max(numbers, default=0)
    if not most:
        return ""
    return "".join(" " if not n else _SPARKS[round((len(_SPARKS) - 1) * n / most)] for n in numbers)


def _workers(status: CampaignStatus, *, is_here: bool) -> list[RenderableType]:
    alive = status.alive
    if not alive:
        if status.is_finished or is_here:
            return []
        words = f"no worker is alive: whiteline campaign submit {status.campaign.name} --where …"
        return [Text(words, style="yellow")]
    title = Text.assemble((f"{len(alive)} worker(s), {status.n_cores} cores", "bold"))
    if status.lost:
        title.append(f"   {len(status.lost)} lost", style="red")
    table = make_table("host", "job", ">cores", ">done", ">failed", ">in tasks", ">in codes", ">its time")
    for worker in alive[:_MOST_WORKERS]:
        table.add_row(*_worker(worker, status.now))
    rest = len(alive) - _MOST_WORKERS
    return [title, table, *([Text(f"and {rest} more", style="dim")] if rest > 0 else [])]


def _worker(worker: Worker, now: float) -> list[str]:
    had = worker.cores * (worker.seen_at - worker.started_at)
    shares = [f"{seconds / had:.0%}" if had else "–" for seconds in (worker.busy_seconds, worker.engine_seconds)]
    left = "–" if worker.time_limit is None else f"{duration(max(worker.time_limit - now, 0))} left"
    return [worker.host, worker.job or "–", str(worker.cores), str(worker.n_done), str(worker.n_failed), *shares, left]


def _failures(status: CampaignStatus) -> list[RenderableType]:
    table = make_table("failed for", ">tasks", "the latest", "reason", wrapped=("reason",))
    for failure in status.failures[:_MOST_FAILURES]:
        table.add_row(Text(failure.cause, style="red"), str(failure.n_tasks), failure.label, _short(failure.reason))
    return [table]


def _short(reason: str, n: int = 160) -> str:
    first = " ".join(reason.split())
    return first if len(first) <= n else f"{first[: n - 1]}…"
