"""`whiteline deploy`: configurations for a cluster, written and tried out."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Console

    from whiteline.calculators.interface import Finding
    from whiteline.workflows.deployment.answers import Answers
    from whiteline.workflows.deployment.cluster import Partition
    from whiteline.workflows.deployment.writing import Written

deploy = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Set campaigns up on a cluster: write the configurations, and try them out with a real job.",
    epilog="[bold]Examples[/bold]\n\n  whiteline deploy init ~/whiteline --manager jobflow-remote --partition main\n\n"
    "  whiteline deploy check ~/whiteline",
)
app.add_typer(deploy, name="deploy")

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the configurations, on a disk nodes see.")]
# What `workflows.deployment.deployment` lists; naming it here keeps the help fast.
_MANAGERS = "jobflow-remote, fireworks or none"
_QUESTIONS = {
    "manager": f"Manager of jobs: {_MANAGERS}",
    "database": "Address of the store, mongodb://USER:PASSWORD@HOST/DATABASE; Enter: WHITELINE_DATABASE",
    "partition": "Partition of workers",
    "account": "Account; Enter: the cluster's default",
    "walltime": "Walltime of a worker",
    "cores": "Cores of a worker",
    "memory": "Memory of a worker [MB]; Enter: the cluster's default",
    "modules": "Modules to load first, e.g. qe/7.2,python/3.11; Enter: none",
    "gpu_partition": "Partition with GPUs for training; Enter: none",
    "venv": "Virtual environment with Whiteline, which nodes see",
    "work_dir": "Folder that jobs run in, which nodes see",
}
_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red")}


@deploy.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline deploy init ~/whiteline\n\n"
    "  whiteline deploy init ~/whiteline --manager jobflow-remote --partition main --walltime 12:00:00 --cores 8\n\n"
    "  whiteline deploy init ~/whiteline --manager none --modules qe/7.2 --gpu-partition gpu --yes"
)
def init(
    folder: Folder = Path("whiteline-deployment"),
    manager: Annotated[str | None, typer.Option("--manager", metavar="NAME", help=f"{_MANAGERS}.")] = None,
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            metavar="mongodb://…",
            help="Store of the workers (default: WHITELINE_DATABASE, which others cannot read as they can this).",
        ),
    ] = None,
    partition: Annotated[str | None, typer.Option("--partition", help="Partition (default: the cluster's).")] = None,
    account: Annotated[str | None, typer.Option("--account", help="Account (default: the cluster's).")] = None,
    walltime: Annotated[str | None, typer.Option("--walltime", help="Time of a worker, e.g. 12:00:00.")] = None,
    cores: Annotated[int | None, typer.Option("--cores", min=1, help="Cores of a worker.")] = None,
    memory: Annotated[int | None, typer.Option("--memory", min=1, metavar="MB", help="Memory of a worker.")] = None,
    modules: Annotated[str | None, typer.Option("--modules", metavar="A,B", help="Modules to load first.")] = None,
    venv: Annotated[
        Path | None, typer.Option("--venv", help="Virtual environment that nodes see (default: this one).")
    ] = None,
    gpu_partition: Annotated[str | None, typer.Option("--gpu-partition", help="Partition for training.")] = None,
    work_dir: Annotated[
        Path | None, typer.Option("--work-dir", help="Where jobs run; nodes see it (default: FOLDER/work).")
    ] = None,
    project: Annotated[str, typer.Option("--project", help="Name of the project of jobflow-remote.")] = "whiteline",
    takes_defaults: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take the defaults.")] = False,
    is_unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Do not ask SLURM and the database whether the answers fit.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there with other content.")] = False,
) -> int:
    """Write configurations of manager, scheduler and environment into a folder; on a terminal, ask what is missing.

    With the same answers it changes nothing. Files that hold the address of the database are for their owner only.
    """
    import sys

    from whiteline.workflows.deployment.answers import Answers, build_deployment, known_partitions, suggest, verify
    from whiteline.workflows.deployment.rendering import render_files
    from whiteline.workflows.deployment.writing import write_files

    answers = Answers(
        manager=manager,
        database=database,
        partition=partition,
        account=account,
        walltime=walltime,
        cores=cores,
        memory=memory,
        modules=modules,
        gpu_partition=gpu_partition,
        venv=venv,
        work_dir=work_dir,
        project=project,
    )
    partitions = {} if is_unchecked else known_partitions()
    if not takes_defaults and sys.stdin.isatty() and sys.stdout.isatty():
        answers = _ask(folder, answers, partitions)
    deployment = build_deployment(folder, suggest(folder, answers, partitions))
    notes = [] if is_unchecked else list(verify(deployment, partitions))
    written = write_files(deployment.folder, render_files(deployment), replace=force)
    deployment.work_directory.mkdir(parents=True, exist_ok=True)
    for note in notes:
        typer.echo(f"whiteline: note: {note}", err=True)
    _tell(written, deployment.folder)
    return 0


@deploy.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline deploy check ~/whiteline\n\n"
    "  whiteline deploy check ~/whiteline --worker gpu --timeout 1h"
)
def check(
    folder: Folder = Path("whiteline-deployment"),
    manager: Annotated[
        str | None, typer.Option("--manager", metavar="NAME", help=f"{_MANAGERS} (default: as configured).")
    ] = None,
    worker: Annotated[str, typer.Option("--worker", help="cpu, gpu, or a worker of your own.")] = "cpu",
    timeout: Annotated[str, typer.Option("--timeout", help="How long to wait for the test job, e.g. 30m.")] = "10m",
    has_no_job: Annotated[bool, typer.Option("--no-job", help="Look only; submit nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list instead of lines.")] = False,
) -> int:
    """Try a deployment out, up to a real job through the manager that does on a node what workers do.

    The exit status is 1 when a step fails; what to do about it stands below it. The test job leaves nothing behind.
    """
    import json
    from dataclasses import asdict

    from whiteline.cli.tables import make_console
    from whiteline.workflows.campaign.quantities import parse_duration
    from whiteline.workflows.deployment.checking import check_deployment
    from whiteline.workflows.deployment.deployment import parse_manager

    console = make_console()
    findings: list[Finding] = []
    is_live = console.is_terminal and not as_json
    with console.status("looking") if is_live else nullcontext() as status:
        for finding in check_deployment(
            folder,
            manager=parse_manager(manager) if manager else None,
            worker=worker,
            timeout=parse_duration(timeout),
            has_job=not has_no_job,
            on_state=lambda text: status.update(f"test job: {text}") if status else None,
        ):
            findings.append(finding)
            if not as_json:
                _print(console, finding)
    is_fine = all(finding.level != "error" for finding in findings)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    elif is_fine:
        typer.echo("nothing keeps a job from running" if has_no_job else "ready for campaigns")
    return 0 if is_fine else 1


def _ask(folder: Path, answers: Answers, partitions: Mapping[str, Partition]) -> Answers:
    """Ask for what was not given; Enter takes what is suggested."""
    from dataclasses import replace

    from whiteline.workflows.deployment.answers import suggest

    for name, question in _QUESTIONS.items():
        if getattr(answers, name) is not None:
            continue
        # What was said so far decides what is suggested next.
        suggested = getattr(suggest(folder, answers, partitions), name)
        listed = f" ({', '.join(partitions)})" if partitions and name.endswith("partition") else ""
        if name == "database":
            said = typer.prompt(f"{question} (not shown)", default="", show_default=False, hide_input=True) or suggested
        else:
            said = typer.prompt(question + listed, default="" if suggested is None else suggested)
        kind: Callable[[str], Any] = {"cores": int, "memory": int, "venv": Path, "work_dir": Path}.get(name, str)
        change: dict[str, Any] = {name: None if name == "memory" and said == "" else kind(said)}
        answers = replace(answers, **change)
    return answers


def _tell(written: Written, folder: Path) -> None:
    for paths, what in ((written.new, "wrote"), (written.replaced, "replaced"), (written.same, "unchanged")):
        if paths:
            typer.echo(f"{what}: {', '.join(paths)}")
    typer.echo(f"next: . {folder}/activate.sh && whiteline deploy check {folder}   ({folder}/README.md says more)")


def _print(console: Console, finding: Finding) -> None:
    """Print a line of what was found, and below it what to do."""
    from rich.text import Text

    mark, colour = _MARKS[finding.level]
    line = Text.assemble((f"{mark} ", colour), (f"{finding.subject:20} ", "bold"), finding.detail)
    console.print(line, soft_wrap=True)
    if finding.remedy:
        console.print(Text.assemble("    → ", finding.remedy), soft_wrap=True)
