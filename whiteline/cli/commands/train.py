"""`whiteline train`, `finetune` and `transfer`: from spectra to a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app
from whiteline.cli.options import parse_assignments
from whiteline.cli.training_options import TrainingOptions, parse_seeds, takes_training_options

if TYPE_CHECKING:
    from whiteline.workflows.learning.training import TrainedModel

# Reasons for which spectra were left out; more of them are counted.
_N_LISTED = 5
_OF_PARENT = ("encoder", "blocks", "weights", "architecture")

train = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Train a model on a frozen dataset or a table: of one absorber, of several, or with several members.",
    epilog="[bold]Examples[/bold]\n\n  whiteline train expert copper -o cu-k-feff\n\n"
    "  whiteline train ensemble copper -o cu-k-feff-5 --seeds 0-4",
)
app.add_typer(train, name="train")

Data = Annotated[Path, typer.Argument(metavar="DATASET|TABLE", help="Folder of a dataset, or Parquet, Arrow or CSV.")]


@train.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline train expert copper -o cu-k-feff\n\n"
    "  whiteline train expert copper -o cu-xas-block --architecture xas-block --epochs 200 --set dropout=0.3"
)
@takes_training_options()
def expert(data: Data, options: TrainingOptions) -> int:
    """Train a model of one absorber, edge and fidelity."""
    return _run("expert", data, options)


@train.command(
    epilog="[bold]Example[/bold]\n\n  whiteline train universal 3d-metals -o 3d-k-feff --encoder m3gnet+chgnet -j 4"
)
@takes_training_options()
def universal(data: Data, options: TrainingOptions) -> int:
    """Train one model of several absorbers, edges or fidelities, which it is told apart."""
    return _run("universal", data, options)


@train.command(epilog="[bold]Example[/bold]\n\n  whiteline train ensemble copper -o cu-k-feff-5 --seeds 0-4")
@takes_training_options()
def ensemble(data: Data, options: TrainingOptions) -> int:
    """Train several members at once: their mean is better than one, and where they differ they are unsure."""
    return _run("ensemble", data, options)


@app.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline finetune 3d-k-feff copper -o cu-k-tuned\n\n"
    "  whiteline finetune 3d-k-feff copper -o cu-k-tuned --seeds 0-4 --epochs 50"
)
@takes_training_options(without=_OF_PARENT)
def finetune(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of the model to begin with.")],
    data: Data,
    options: TrainingOptions,
) -> int:
    """Make a model of one absorber from one of several.

    Several ways are tried, training from scratch among them, and the validation spectra choose.
    """
    return _run("finetune", data, options, parent=model)


@app.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline transfer --from cu-k-feff --to copper-xspectra -o cu-k-xspectra\n\n"
    "  whiteline transfer --from cu-k-fast --to copper-converged -o cu-k-converged --seeds 0-4"
)
@takes_training_options(without=_OF_PARENT)
def transfer(
    model: Annotated[Path, typer.Option("--from", metavar="MODEL", help="Model of the cheaper fidelity.")],
    data: Annotated[Path, typer.Option("--to", metavar="DATASET|TABLE", help="Spectra of the dearer fidelity.")],
    options: TrainingOptions,
    from_fidelity: Annotated[
        str | None, typer.Option("--from-fidelity", help="What to start from, where the model knows several.")
    ] = None,
) -> int:
    """Make a model of one fidelity from one of another, e.g. of a converged preset from a fast one.

    Several ways are tried, training from scratch and learning the difference among them, and the validation spectra
    choose.
    """
    return _run("transfer", data, options, parent=model, from_fidelity=from_fidelity)


def _run(
    kind: str, data: Path, options: TrainingOptions, *, parent: Path | None = None, from_fidelity: str | None = None
) -> int:
    import json

    from whiteline.cli.live import share_bar
    from whiteline.cli.tables import make_console
    from whiteline.splitting import parse_fractions
    from whiteline.workflows.learning.encoding import DEFAULT_ENCODER, EncoderChoice
    from whiteline.workflows.learning.plan import TrainingKind, TrainingPlan

    values = parse_assignments(options.values)
    if options.epochs is not None:
        values["n_epochs"] = options.epochs
    encoder = None
    if options.encoder or options.blocks or options.weights:
        encoder = EncoderChoice(
            options.encoder or DEFAULT_ENCODER,
            tuple(part.strip() for part in (options.blocks or "").split(",") if part.strip()),
            weights=str(options.weights or ""),
        )
    plan = TrainingPlan(
        data=str(data),
        kind=TrainingKind(kind),
        parent=str(parent.absolute()) if parent is not None else "",
        encoder=encoder,
        architecture=options.architecture,
        values=values,
        seeds=parse_seeds(options.seeds or ("0-4" if kind == "ensemble" else "0")),
        absorber=options.absorber,
        edge=options.edge,
        fidelity=options.fidelity,
        from_fidelity=from_fidelity,
        split_by=options.split_by or "",
        fractions=parse_fractions(options.split),
        split_seed=options.split_seed,
        structures=str(options.structures or ""),
        skips_bad=options.skip_bad,
        device=options.device,
        n_devices=options.n_devices,
        precision=options.precision,
        n_processes=options.n_processes,
        name=options.name,
        licence=options.licence,
    )
    from whiteline.models.features import FeatureCache
    from whiteline.settings import load_settings
    from whiteline.workflows.learning.training import Step, run_training
    from whiteline.workflows.recording import keep_in_existing

    with share_bar(make_console(is_error=True)) as show:
        shown = 0.0

        def on_step(step: Step) -> None:
            nonlocal shown
            shown = shown if step.share is None else step.share
            show(shown, f"{step.stage}{': ' if step.detail else ''}{step.detail}")

        done = run_training(
            plan,
            options.output,
            is_resumed=options.resume,
            cache=None if options.no_cache else FeatureCache(),
            on_step=on_step,
        )
    keep_in_existing(load_settings().database, done.record)
    if options.as_json:
        typer.echo(json.dumps(done.summary()))
        return 0
    _print_result(make_console(), done, options.output)
    return 0


def _print_result(console: Any, done: TrainedModel, folder: Path) -> None:
    from whiteline.cli.tables import make_table

    card = done.model.card
    parts = ", ".join(f"{n} {name}" for name, n in done.n_spectra.items())
    console.print(f"made {folder} ({done.id[:12]}): {', '.join(map(str, done.model.channels))}")
    console.print(f"{parts} spectra, {done.model.n_member} member(s), features of {done.model.encoder or 'the table'}")
    if card.candidates:
        table = make_table("candidate", ">validation MSE, geometric mean", "", wrapped=("candidate",))
        errors = card.candidate_errors
        for row in card.candidates:
            table.add_row(row["name"], f"{errors[row['name']]:.4g}", "chosen" if row.get("is_chosen") else "")
        console.print(table)
    table = make_table("measure", ">value")
    for name, value in card.metrics.items():
        table.add_row(name.replace("_", " "), f"{value:.4g}")
    console.print(table)
    for reason, ids in list(done.left_out.items())[:_N_LISTED]:
        console.print(f"left out {len(ids)}: {reason}", style="yellow", soft_wrap=True)
    if len(done.left_out) > _N_LISTED:
        console.print(f"… and {len(done.left_out) - _N_LISTED} more reasons, in {folder}/spectra.json", style="yellow")
    for note in done.notes:
        console.print(f"note: {note}", style="yellow", soft_wrap=True)
    console.print(f"Report: {folder}/report/report.html", soft_wrap=True)
    absorber = done.model.channels[0].absorber
    console.print(
        f"Next: whiteline predict STRUCTURE --absorber {absorber} --model {folder} -o prediction.png", style="dim"
    )
