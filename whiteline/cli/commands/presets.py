"""`whiteline presets`: named parameter sets of the engines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline presets

  whiteline presets --engine feff

  whiteline presets fast --engine feff
"""


@app.command(epilog=_EXAMPLES)
def presets(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Show all parameters that this preset stands for.")
    ] = None,
    engines: Annotated[
        list[str], typer.Option("--engine", metavar="CODE", help="feff, xspectra, ocean, vasp, exciting or all.")
    ] = ["all"],  # noqa: B006  # typer copies it
) -> int:
    """List the presets of every engine; with a name, show all parameters, and which of them the preset sets."""
    from whiteline.cli.tables import make_console
    from whiteline.workflows.plan import choose_engines

    console = make_console()
    codes = choose_engines(engines)
    if name is None:
        _print_list(console, codes)
    else:
        _print_parameters(console, codes, name)
    return 0


def _print_list(console: Any, codes: tuple[str, ...]) -> None:
    from whiteline.calculators.parameters import describe_preset, list_presets
    from whiteline.cli.tables import make_table

    table = make_table("engine", "preset", "what it is", wrapped=("what it is",))
    for code in codes:
        for i, name in enumerate(list_presets(code)):
            table.add_row("" if i else code, name, describe_preset(code, name))
    console.print(table)
    console.print("Next: whiteline presets NAME --engine CODE", style="dim")


def _print_parameters(console: Any, codes: tuple[str, ...], name: str) -> None:
    """Print the parameters of every engine that has the preset.

    Raises:
        ParameterError: None has it.
    """
    from whiteline.calculators.parameters import describe_preset, list_presets, load_preset
    from whiteline.cli.tables import make_table
    from whiteline.errors import ParameterError, did_you_mean
    from whiteline.settings import load_settings
    from whiteline.workflows.engines import make_calculator

    settings = load_settings()
    known = [code for code in codes if name in list_presets(code)]
    if not known:
        names = dict.fromkeys(preset for code in codes for preset in list_presets(code))
        raise ParameterError(f"{', '.join(codes)}: no preset {name!r}: {did_you_mean(name, names)}")
    for code in known:
        console.print(f"{code} {name}", style="bold", end="")
        console.print(f"  {describe_preset(code, name)}", soft_wrap=True)
        parameters = make_calculator(code, preset=name, settings=settings).parameters
        # What came later than the first stored calculations is no part of what is stored while it has its default.
        unset = {field: getattr(parameters, field) for field in type(parameters).model_fields}
        values: Mapping[str, Any] = {**unset, **parameters.model_dump(mode="json")}
        given = load_preset(code, name)
        table = make_table("parameter", "value", "from", wrapped=("value",))
        for parameter, value in values.items():
            is_given = parameter in given
            table.add_row(
                parameter,
                value if isinstance(value, str) else json.dumps(value),
                "preset" if is_given else "default",
                style="" if is_given else "dim",
            )
        console.print(table)
    if len(known) < len(codes):
        without = [code for code in codes if code not in known]
        console.print(f"Not a preset of {', '.join(without)}.", style="dim")
