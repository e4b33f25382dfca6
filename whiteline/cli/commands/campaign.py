"""`whiteline campaign`: thousands of calculations as one thing, here or on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whiteline.cli.campaign_options import Causes, Json, Name, Project, campaign, open_campaigns, parse_causes
from whiteline.cli.options import Database

if TYPE_CHECKING:
    from whiteline.settings import Settings

_N_LISTED = 50
_SUBMIT_EXAMPLES = """
[bold]Examples[/bold]

  whiteline campaign submit oxides.toml --where local -j 4

  whiteline campaign submit oxides --where jobflow-remote:cpu --workers 8

  whiteline campaign submit oxides --where fireworks:my_launchpad.yaml
"""


@campaign.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline campaign create oxides.toml --dry-run\n\n"
    "  whiteline campaign create oxides.toml -j 4"
)
def create(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Campaign file (TOML); docs/campaigns.md describes it.")],
    is_dry: Annotated[bool, typer.Option("--dry-run", help="Price it only; nothing is queued.")] = False,
    n_processes: Annotated[int, typer.Option("--processes", "-j", min=1, help="Crystals looked at at a time.")] = 1,
    as_json: Json = False,
    database: Database = None,
) -> int:
    """Price a campaign and queue its tasks; created again, it takes what is new, such as files that came to a folder.

    The price rests on the times of earlier calculations in the store. Nothing runs before it is submitted.
    """
    from whiteline.settings import load_settings

    _create(file, load_settings(database=database), n_processes=n_processes, is_dry=is_dry, as_json=as_json)
    return 0


@campaign.command(epilog=_SUBMIT_EXAMPLES)
def submit(
    name_or_file: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="A campaign, or the file of one, which is created first.")
    ],
    where: Annotated[
        str,
        typer.Option("--where", metavar="PLACE", help="local, jobflow-remote:WORKER or fireworks:LAUNCHPAD-FILE."),
    ],
    project: Project = None,
    n_workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Workers at a time (default: the campaign file's).")
    ] = None,
    n_extra: Annotated[int, typer.Option("--extra", min=0, help="So many workers join those that it has.")] = 0,
    n_processes: Annotated[
        int | None, typer.Option("--processes", "-j", min=1, help="Cores to use with local (default: all).")
    ] = None,
    database: Database = None,
) -> int:
    """Let workers compute a campaign: here, or through a manager of jobs. Submitted twice, nothing runs twice.

    With local this process works and shows how far it is; Ctrl-C gives back what runs, and the same command goes on.
    """
    from whiteline.cli.campaign_submission import hand_over, work_here
    from whiteline.settings import load_settings
    from whiteline.workflows.campaign.submission import Place, Where

    place = Where.parse(where)
    settings = load_settings(database=database)
    name = name_or_file
    if _is_file(name_or_file):
        name = _create(Path(name_or_file), settings, n_processes=n_processes or 1)
    if place.place is Place.LOCAL:
        return work_here(name, settings, cores=n_processes)
    return hand_over(name, place, settings, project=project, n_workers=n_workers, n_extra=n_extra)


@campaign.command("list", epilog="[bold]Example[/bold]\n\n  whiteline campaign list")
def list_campaigns(as_json: Json = False, database: Database = None) -> int:
    """List all campaigns of a store, the newest first."""
    import json
    from datetime import datetime

    from whiteline.cli.tables import make_console, make_table
    from whiteline.database.queue import TaskState

    table = make_table("campaign", "state", "made", ">tasks", ">done", ">failed", ">open", wrapped=("campaign",))
    rows = []
    with open_campaigns(database) as queue:
        for found in queue.campaigns():
            counts = queue.counts(found.name)
            n_open = sum(n for state, n in counts.items() if not state.is_finished)
            made = datetime.fromtimestamp(found.created_at).strftime("%Y-%m-%d %H:%M")
            numbers = (sum(counts.values()), counts[TaskState.DONE], counts[TaskState.FAILED], n_open)
            table.add_row(found.name, found.state.value, made, *map(str, numbers))
            rows.append(
                {
                    "name": found.name,
                    "state": found.state.value,
                    "created_at": found.created_at,
                    "counts": {state.value: n for state, n in counts.items()},
                }
            )
        address = queue.address
    if as_json:
        typer.echo(json.dumps(rows))
    elif rows:
        make_console().print(table)
    else:
        typer.echo(f"no campaign in {address}; make one: whiteline campaign create FILE")
    return 0


@campaign.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline campaign status oxides\n\n"
    "  whiteline campaign status oxides --failed --cause scf"
)
def status(
    name: Name,
    is_failed: Annotated[bool, typer.Option("--failed", help="List what failed, the latest first.")] = False,
    causes: Causes = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many with --failed.")] = _N_LISTED,
    as_json: Json = False,
    database: Database = None,
) -> int:
    """Show how far a campaign is: tasks by state and by what was asked for, failures by cause, pace, cost, workers."""
    import json

    from whiteline.cli.campaign_reports import print_status, task_table
    from whiteline.cli.tables import make_console
    from whiteline.database.queue import TaskState
    from whiteline.workflows.campaign.looking import look_at

    chosen = parse_causes(causes)
    with open_campaigns(database) as queue:
        found = look_at(queue, name)
        failed = []
        if is_failed or chosen:
            failed = list(queue.tasks(name, states=[TaskState.FAILED], causes=chosen, limit=limit, newest_first=True))
    if as_json:
        tasks = [
            {"id": t.id, "label": t.label, "fidelity": t.fidelity, "cause": t.cause, "reason": t.reason} for t in failed
        ]
        typer.echo(json.dumps({**found.to_dict(), **({"failed": tasks} if is_failed or chosen else {})}))
        return 0
    console = make_console()
    if not (is_failed or chosen):
        print_status(console, found)
        return 0
    if not failed:
        typer.echo("nothing failed" + (f" for {', '.join(chosen)}" if chosen else ""))
        return 0
    console.print(task_table(failed))
    n_all = sum(group.n_tasks for group in found.failures if not chosen or group.cause in chosen)
    if n_all > len(failed):
        console.print(f"and {n_all - len(failed)} more (-n lists more, the report's tasks.csv has all)", style="dim")
    console.print(f"Next: whiteline show ID; whiteline campaign retry {name} --cause CAUSE", style="dim")
    return 0


@campaign.command(epilog="[bold]Example[/bold]\n\n  whiteline campaign watch oxides --interval 5")
def watch(
    name: Name,
    interval: Annotated[float, typer.Option("--interval", min=0.1, help="Seconds between two looks.")] = 2.0,
    database: Database = None,
) -> int:
    """Show a campaign live until it is finished; the exit status is 1 when not every task has its spectrum.

    Without a terminal it prints a line when something changed. Ctrl-C stops the watching, not the campaign.
    """
    from whiteline.cli.campaign_reports import print_status
    from whiteline.cli.campaign_watch import watch_campaign
    from whiteline.cli.tables import make_console

    console = make_console()
    with open_campaigns(database) as queue:
        try:
            found = watch_campaign(queue, name, console, interval=interval)
        except KeyboardInterrupt:
            typer.echo(f"the campaign goes on; look again: whiteline campaign watch {name}")
            return 0
    print_status(console, found)
    return 0 if found.is_complete else 1


@campaign.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline campaign work oxides --cores 2 --time 2h\n\n"
    "  sbatch --cpus-per-task 8 --time 4:00:00 --wrap 'whiteline campaign work oxides'"
)
def work(
    name: Name,
    cores: Annotated[
        int | None, typer.Option("--cores", "-j", min=1, help="Cores to use (default: what the job gives).")
    ] = None,
    time_limit: Annotated[
        str | None, typer.Option("--time", metavar="TIME", help="Leave after this, e.g. 2h (default: the job's end).")
    ] = None,
    database: Database = None,
) -> int:
    """Be a worker: compute tasks of a campaign until nothing is left or the time is over. All a batch script needs.

    In a job of SLURM cores and time are those of the job. SIGTERM and Ctrl-C give back what runs, and nothing is lost.
    """
    from datetime import datetime

    from whiteline.settings import load_settings
    from whiteline.workflows.campaign.quantities import parse_duration
    from whiteline.workflows.campaign.scheduler import read_allocation
    from whiteline.workflows.campaign.worker import WorkerEvent
    from whiteline.workflows.campaign.worker import work as be_worker

    allocation = read_allocation()
    limits = [allocation.seconds_left, None if time_limit is None else parse_duration(time_limit)]
    seconds = min((limit for limit in limits if limit is not None), default=None)

    def tell(event: WorkerEvent) -> None:
        if event.what == "claimed":
            return
        label = "" if event.task is None else f" {event.task.label}"
        detail = f": {' '.join(event.detail.split())}" if event.detail else ""
        # A batch job's log is read while it grows.
        print(f"{datetime.now():%Y-%m-%d %H:%M:%S} {event.what}{label}{detail}", flush=True)

    report = be_worker(
        name,
        settings=load_settings(database=database),
        cores=cores or allocation.cores,
        seconds=seconds,
        job=allocation.job,
        on_event=tell,
    )
    had = report.cores * report.seconds
    share = f", {report.engine_seconds / had:.0%} of {report.cores} core(s) inside the codes" if had else ""
    typer.echo(
        f"{report.n_done} done, {report.n_failed} failed, {report.n_released} given back, "
        f"{report.n_left} left in the campaign{share}"
    )
    return 1 if report.n_released and not report.n_done + report.n_failed else 0


@campaign.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline campaign report oxides\n\n"
    "  whiteline campaign report oxides -o talk/oxides"
)
def report(
    name: Name,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder (default: NAME-report).")
    ] = None,
    database: Database = None,
) -> int:
    """Write a page that shows how a campaign goes and its spectra, and a table of all its tasks, at any time."""
    from whiteline.cli.live import share_bar
    from whiteline.cli.options import open_existing
    from whiteline.cli.tables import make_console
    from whiteline.workflows.campaign.report import write_report

    folder = output or Path(f"{name}-report")
    with (
        open_existing(database) as store,
        open_campaigns(database) as queue,
        share_bar(make_console(is_error=True)) as on_progress,
    ):
        write_report(queue, store, name, folder, on_progress=on_progress)
    typer.echo(f"Report: {folder / 'report.html'}; tasks: {folder / 'tasks.csv'}")
    return 0


def _create(file: Path, settings: Settings, *, n_processes: int, is_dry: bool = False, as_json: bool = False) -> str:
    """Create or price a campaign, say what it comes to, and return its name."""
    import json

    from whiteline.cli.campaign_reports import print_created
    from whiteline.cli.live import share_bar
    from whiteline.cli.tables import make_console
    from whiteline.workflows.campaign.planning import PlanningProgress, create_campaign

    with share_bar(make_console(is_error=True)) as on_share:

        def tell(progress: PlanningProgress) -> None:
            words = f"{progress.n_sites} sites  {progress.name}" if progress.stage == "looking" else "queueing"
            on_share(progress.n_done / max(progress.n_expected, 1), words)

        made = create_campaign(file, settings=settings, n_processes=n_processes, is_dry=is_dry, on_progress=tell)
    if as_json:
        numbers = {"n_tasks": made.n_tasks, "n_added": made.n_added, "is_new": made.is_new, "is_dry": made.is_dry}
        typer.echo(json.dumps({"name": made.name, **numbers, "price": made.price.to_dict()}))
    else:
        print_created(make_console(), made)
    return made.name


def _is_file(text: str) -> bool:
    """Return whether a file is meant; a name may be that of a folder, too, such as the campaign's dataset."""
    return text.endswith(".toml") or "/" in text
