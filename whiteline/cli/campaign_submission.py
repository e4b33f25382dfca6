"""Working on a campaign here, with a view of it, and handing it to a manager of jobs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from whiteline.cli.campaign_reports import print_status
from whiteline.cli.campaign_watch import watch_campaign
from whiteline.cli.tables import make_console
from whiteline.database.queue import open_queue
from whiteline.errors import StoreError
from whiteline.settings import Settings
from whiteline.workflows.campaign.conclusion import Verdict
from whiteline.workflows.campaign.definition import definition_of
from whiteline.workflows.campaign.looking import look_at
from whiteline.workflows.campaign.submission import Submission, Where, submit

__all__ = ["hand_over", "work_here"]


def work_here(name: str, settings: Settings, *, cores: int | None) -> int:
    """Work on a campaign in this process and show how far it is; return the exit status."""
    with _view(name, settings, make_console(is_error=True)):
        done = submit(name, "local", settings=settings, cores=cores)
    console = make_console()
    with open_queue(settings.database) as queue:
        status = look_at(queue, name)
    print_status(console, status)
    _print_harvest(console, done)
    if done.conclusion is not None and done.conclusion.verdict is not Verdict.FINISHED:
        ending = "" if done.report is None else f"{done.report.ending}; "
        console.print(f"{ending}{done.conclusion.reason}", style="yellow", soft_wrap=True)
        console.print(f"The same command goes on: whiteline campaign submit {name} --where local", style="dim")
    return 0 if status.is_complete else 1


def hand_over(
    name: str, where: Where, settings: Settings, *, project: str | None, n_workers: int | None, n_extra: int
) -> int:
    """Hand a campaign to a manager of jobs and say what became of it; return the exit status."""
    workers = None
    if n_workers is not None:
        with open_queue(settings.database) as queue:
            workers = definition_of(queue.campaign(name)).workers.model_copy(update={"count": n_workers})
    done = submit(name, where, settings=settings, project=project, workers=workers, extra_workers=n_extra)
    console = make_console()
    if done.is_new:
        console.print(f"handed {name} to {done.where}: {done.n_workers} worker(s), jobs {', '.join(done.ids)}")
    elif done.ids:
        console.print(f"nothing was added to {done.where}; its jobs of {name}: {', '.join(done.ids)}")
    for note in done.notes:
        console.print(note, style="yellow", soft_wrap=True)
    console.print(f"Next: whiteline campaign watch {name}", style="dim")
    return 0


@contextmanager
def _view(name: str, settings: Settings, console: Console) -> Iterator[None]:
    """Show a campaign beside what this process does; the view has a connection of its own to the queue."""
    is_over = threading.Event()

    def show() -> None:
        try:
            with open_queue(settings.database) as queue:
                watch_campaign(queue, name, console, interval=1.0, is_here=True, is_over=is_over.is_set)
        except StoreError as error:
            # Whoever works will say the same; the view alone stops nothing.
            console.print(f"the view of the campaign ended: {error}", style="yellow", soft_wrap=True)

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _print_harvest(console: Console, done: Submission) -> None:
    if done.dataset is not None:
        console.print(f"dataset {done.dataset['folder']}: {done.dataset['n_spectra']} spectra", soft_wrap=True)
    if done.model is not None:
        console.print(f"model {done.model['folder']}; whiteline lineage {done.model['folder']}", soft_wrap=True)
