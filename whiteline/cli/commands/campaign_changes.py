"""`whiteline campaign pause`, `resume`, `retry`, `cancel`: changing what workers may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from whiteline.cli.campaign_options import Causes, Name, Project, campaign, open_campaigns, parse_causes
from whiteline.cli.options import Database

if TYPE_CHECKING:
    from whiteline.database.queue import CampaignQueue


@campaign.command(epilog="[bold]Example[/bold]\n\n  whiteline campaign pause oxides")
def pause(name: Name, database: Database = None) -> int:
    """Let workers take nothing more of a campaign; what runs is finished, and they leave."""
    from whiteline.database.queue import CampaignState, TaskState

    with open_campaigns(database) as queue:
        found = queue.campaign(name)
        if found.state is not CampaignState.ACTIVE:
            typer.echo(f"{name} is {found.state} already")
            return 0
        queue.set_state(name, CampaignState.PAUSED)
        n_running = queue.counts(name)[TaskState.RUNNING]
    typer.echo(f"paused {name}" + (f"; {n_running} task(s) that run now are finished" if n_running else ""))
    typer.echo(f"Next: whiteline campaign resume {name}")
    return 0


@campaign.command(epilog="[bold]Example[/bold]\n\n  whiteline campaign resume oxides")
def resume(name: Name, database: Database = None) -> int:
    """Let workers take the tasks of a paused campaign again."""
    from whiteline.database.queue import CampaignState
    from whiteline.errors import InputError

    with open_campaigns(database) as queue:
        found = queue.campaign(name)
        if found.state is CampaignState.CANCELLED:
            raise InputError(
                f"{name} was cancelled and cannot be resumed: `whiteline campaign create FILE` with the same file "
                "makes it wanted again, and nothing that is stored is computed again"
            )
        if found.state is CampaignState.ACTIVE:
            typer.echo(f"{name} is active already")
            return 0
        queue.set_state(name, CampaignState.ACTIVE)
        spent = sum(seconds for _, _, seconds in queue.group(name, ["state"]))
    typer.echo(f"resumed {name}: its workers left, new ones are wanted")
    typer.echo(f"Next: whiteline campaign submit {name} --where local|jobflow-remote:WORKER|fireworks:FILE")
    if found.budget is not None and spent >= found.budget:
        typer.echo(
            f"But its budget of {found.budget / 3600:.4g} core hours is spent: the next worker pauses it again. "
            "A campaign of another name with a larger budget takes over what is stored."
        )
    return 0


@campaign.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline campaign retry oxides --cause time-limit --cause worker-lost\n\n"
    "  whiteline campaign retry oxides --id 3f9a12"
)
def retry(
    name: Name,
    causes: Causes = None,
    ids: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="Only this task, by first digits; repeatable.")
    ] = None,
    database: Database = None,
) -> int:
    """Make failed tasks ready again, after what made them fail was mended; the exit status is 1 when there is none."""
    from whiteline.workflows.campaign.looking import look_at

    chosen = parse_causes(causes)
    with open_campaigns(database) as queue:
        whole = [_failed_id(queue, name, prefix) for prefix in ids or []]
        n_changed = queue.retry(name, causes=chosen, ids=whole)
        found = look_at(queue, name)
    if not n_changed:
        there = ", ".join(f"{group.cause} ({group.n_tasks})" for group in found.failures)
        typer.echo(f"nothing to try again{f'; what failed: {there}' if there else ': nothing failed'}")
        return 1
    typer.echo(f"{n_changed} task(s) are tried again, with what waits for them")
    if not found.alive:
        typer.echo(f"Next: whiteline campaign submit {name} --where local|jobflow-remote:WORKER|fireworks:FILE")
    return 0


@campaign.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline campaign cancel oxides\n\n"
    "  whiteline campaign cancel oxides --where jobflow-remote:cpu --yes"
)
def cancel(
    name: Name,
    where: Annotated[
        str | None, typer.Option("--where", metavar="PLACE", help="Stop its jobs there, too, as `submit` names it.")
    ] = None,
    project: Project = None,
    is_sure: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    database: Database = None,
) -> int:
    """Give a campaign up: what is not finished is not computed; what is stored stays, and so does what others want."""
    from whiteline.workflows.campaign.submission import Where, cancel_manager_jobs

    place = None if where is None else Where.parse(where)
    with open_campaigns(database) as queue:
        counts = queue.counts(queue.campaign(name).name)
        n_open = sum(n for state, n in counts.items() if not state.is_finished)
        if not is_sure:
            typer.confirm(f"Cancel {name}, with {n_open} unfinished task(s)?", abort=True)
        n_cancelled = queue.cancel(name)
    typer.echo(f"cancelled {name}: {n_cancelled} task(s) that no other campaign wants; what was finished is stored")
    if place is None:
        typer.echo("Its workers notice within a minute and leave; jobs that wait at a scheduler: cancel with --where.")
    else:
        stopped = cancel_manager_jobs(name, place, project=project)
        typer.echo(f"stopped {len(stopped)} job(s) of {place}" + (f": {', '.join(stopped)}" if stopped else ""))
    return 0


def _failed_id(queue: CampaignQueue, name: str, prefix: str) -> str:
    """Return the whole id of the failed task whose id begins so.

    Raises:
        InputError: There is none, or more than one.
    """
    from whiteline.database.queue import TaskState
    from whiteline.errors import InputError

    found = [task.id for task in queue.tasks(name, states=[TaskState.FAILED]) if task.id.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} failed tasks have ids" if found else "no failed task has an id"
    raise InputError(f"{what} that begin with {prefix!r}: `whiteline campaign status {name} --failed` lists them")
