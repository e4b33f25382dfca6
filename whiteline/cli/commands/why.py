"""`whiteline why`: how two results differ, and what is the likely reason."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app
from whiteline.cli.options import Database, open_existing

if TYPE_CHECKING:
    from whiteline.workflows.lineage.difference import Explanation

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline why 3f9a2c 77b01e

  whiteline why models/cu-k-1 models/cu-k-2

  whiteline why datasets/2026-10 datasets/2026-11 --json
"""
_N_ID = 12


@app.command(epilog=_EXAMPLES)
def why(
    first: Annotated[str, typer.Argument(metavar="ID|MODEL|DATASET", help="Spectrum, model or folder of a dataset.")],
    second: Annotated[str, typer.Argument(metavar="ID|MODEL|DATASET", help="What to hold it against.")],
    models: Annotated[
        Path | None, typer.Option("--models", metavar="DIR", help="Folder in which models are looked for.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
    database: Database = None,
) -> int:
    """Show how two results differ and why: parameters, inputs down to the changed line, versions, machine.

    The likeliest reason comes first. What they have in common is not shown.
    """
    import json

    from whiteline.cli.tables import make_console

    explanation = _explain(first, second, models, database)
    if as_json:
        typer.echo(json.dumps(explanation.to_dict()))
        return 0
    console = make_console()
    for line in _lines(explanation):
        console.print(line)
    return 0


def _explain(first: str, second: str, models: Path | None, database: str | None) -> Explanation:
    from whiteline.database.datasets.manifest import MANIFEST, read_manifest
    from whiteline.errors import InputError
    from whiteline.workflows.lineage.difference import explain_datasets, explain_models, explain_spectra

    folders = [Path(first), Path(second)]
    if all((folder / MANIFEST).is_file() for folder in folders):
        return explain_datasets(*map(read_manifest, folders))
    if any(folder.is_dir() for folder in folders):
        return explain_models(*_find_models((first, second), models))
    with open_existing(database) as store:
        try:
            return explain_spectra(store, first, second)
        except InputError as unknown:
            try:
                found = _find_models((first, second), models)
            except InputError:
                raise unknown from None
    return explain_models(*found)


def _find_models(names: tuple[str, str], models: Path | None) -> Any:
    from whiteline.models.registry import find_model
    from whiteline.settings import load_settings
    from whiteline.workflows.learning.registry import registry_folder

    registry = registry_folder(load_settings(), models)
    return [find_model(registry, name) for name in names]


def _lines(explanation: Explanation) -> Any:
    """Yield what is printed: the results, then each aspect with what differs in it."""
    from itertools import groupby

    from rich.text import Text

    ids = [each.removeprefix("sha256:")[:_N_ID] for each in (explanation.first, explanation.second)]
    yield Text(f"{ids[0]} and {ids[1]}: {_result_words(explanation)}", style="bold")
    if not explanation.differences:
        yield Text("Nothing on record differs." if not explanation.is_same else "Nothing differs.")
    for aspect, group in groupby(explanation.differences, key=lambda each: each.aspect):
        yield Text(f"\n{aspect.value}", style="bold")
        for each in group:
            yield Text.assemble("  ", (each.name, "cyan"), f": {each.first or '–'} → {each.second or '–'}")
            for line in each.detail.splitlines():
                style = "green" if line.startswith("+") else "red" if line.startswith("-") else "dim"
                yield Text(f"    {line}", style=style)


def _result_words(explanation: Explanation) -> str:
    if explanation.is_same:
        return "the same result, bit for bit"
    if explanation.note:
        return explanation.note
    parts = []
    if explanation.largest is not None:
        parts.append(f"largest difference {explanation.largest:.2e} of the largest value")
    if (similarity := explanation.similarity) is not None:
        parts.append(f"1 - Spearman {1 - similarity.spearman:.1e}, shift {similarity.shift:+.2f} eV")
    return "; ".join(parts) or "different"
