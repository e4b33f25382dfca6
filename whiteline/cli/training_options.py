"""Options of every command that trains a model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

__all__ = ["TrainingOptions", "parse_seeds", "takes_training_options"]


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What the user chose; a field is an option of the command line."""

    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the model to make.")]
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder", help="chgnet (the default), m3gnet, soap, acsf or a plug-in; several as m3gnet+chgnet."
        ),
    ] = None
    blocks: Annotated[
        str | None, typer.Option("--blocks", metavar="A,B", help="Layers of the encoder that features come from.")
    ] = None
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="DIR", help="Folder with the encoder's pretrained weights.")
    ] = None
    architecture: Annotated[
        str, typer.Option("--architecture", help="residual-batch-norm, residual-mlp or xas-block.")
    ] = "residual-batch-norm"
    values: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="NAME=VALUE", help="Hyper-parameter of network or training; repeatable."),
    ] = None
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Passes through the training spectra.")] = None
    seeds: Annotated[
        str | None, typer.Option("--seeds", metavar="0,1,…", help="Seed of each member (default 0; an ensemble: 0-4).")
    ] = None
    absorber: Annotated[
        str | None, typer.Option("--absorber", "-a", metavar="ELEMENT", help="Learn only of this absorber.")
    ] = None
    edge: Annotated[str | None, typer.Option("--edge", "-e", help="Learn only of this edge.")] = None
    fidelity: Annotated[
        str | None, typer.Option("--fidelity", help="Learn only of this code and preset, e.g. feff:fast.")
    ] = None
    split_by: Annotated[
        str | None,
        typer.Option(
            "--split-by",
            help="Divide anew by formula, chemical_system, material, size, site or greedy (default: as the dataset).",
        ),
    ] = None
    split: Annotated[
        str, typer.Option("--split", help="Fractions of training, validation and test set of a new split.")
    ] = "0.8,0.1,0.1"
    split_seed: Annotated[int, typer.Option("--split-seed", help="Another number is another split.")] = 0
    structures: Annotated[
        Path | None,
        typer.Option("--structures", metavar="FILE", help="JSON with the structures of a table without features."),
    ] = None
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out structures that the encoder cannot take.")] = (
        False
    )
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto"
    n_devices: Annotated[int, typer.Option("--devices", min=1, help="Number of GPUs; members are divided.")] = 1
    precision: Annotated[str, typer.Option("--precision", help="32-true or bf16-mixed.")] = "32-true"
    n_processes: Annotated[int, typer.Option("--processes", "-j", min=1, help="Processes that make features.")] = 1
    name: Annotated[str, typer.Option("--name", help="Name of the model (default: its folder's).")] = ""
    licence: Annotated[str, typer.Option("--licence", help="Under which the weights may be passed on.")] = ""
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was ended.")] = False
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor keep features.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print folder, id and metrics as JSON.")] = False


def takes_training_options(*, without: Collection[str] = ()) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Return a decorator: the parameter `options` of a command becomes the options of `TrainingOptions`.

    Args:
        without: Fields that the command does not offer; they keep their defaults.
    """

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        hints = get_type_hints(TrainingOptions, include_extras=True)
        offered = [
            inspect.Parameter(
                f.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if f.name == "output" else f.default,
                annotation=hints[f.name],
            )
            for f in fields(TrainingOptions)
            if f.name not in without
        ]
        names = {option.name for option in offered}
        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            own = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            parameters.extend(offered if parameter.name == "options" else [own])

        @wraps(command)
        def run(**given: Any) -> int:
            chosen = {name: value for name, value in given.items() if name in names}
            rest = {name: value for name, value in given.items() if name not in names}
            return command(options=TrainingOptions(**chosen), **rest)

        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # what typer reads
        run.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": int}
        return run

    return decorate


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return the seeds that a text such as `0,1,2` or `0-4` states.

    >>> parse_seeds("0-4"), parse_seeds("3,5")
    ((0, 1, 2, 3, 4), (3, 5))

    Raises:
        ParameterError: It states none.
    """
    import re

    from whiteline.errors import ParameterError

    if match := re.fullmatch(r"\s*(\d+)\s*-\s*(\d+)\s*", text):
        first, last = int(match[1]), int(match[2])
        if first <= last < first + 1000:
            return tuple(range(first, last + 1))
    elif re.fullmatch(r"\s*\d+(\s*,\s*\d+)*\s*", text):
        return tuple(int(part) for part in text.split(","))
    raise ParameterError(f"--seeds expects whole numbers such as 0,1,2 or 0-4, got {text!r}")
