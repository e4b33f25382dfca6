"""`whiteline predict`: spectra of structures from a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app
from whiteline.cli.options import AbsorbingElement, Database, EdgeName, Structures

if TYPE_CHECKING:
    from whiteline.workflows.learning.prediction import MaterialPrediction, Predictor

_EXAMPLES = """
[bold]Examples[/bold]

  whiteline predict cuprite.cif --absorber Cu --model cu-k-feff -o cuprite.png

  whiteline predict structures/ --absorber Cu --model cu-k-feff -j 4 --store

  whiteline predict 'candidates/*.cif' --absorber Cu --model cu-k-feff --json > spectra.json
"""
_SUFFIXES = (".png", ".svg", ".pdf")


@app.command(epilog=_EXAMPLES)
def predict(
    structures: Structures,
    absorber: AbsorbingElement,
    edge: EdgeName = "K",
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="DIR|NAME|ID", help="The model (default: the only one that fits)."),
    ] = None,
    models: Annotated[
        Path | None, typer.Option("--models", metavar="DIR", help="Folder in which models are looked for by name.")
    ] = None,
    fidelity: Annotated[
        str | None, typer.Option("--fidelity", help="What to predict, where the model knows several.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE|DIR", help="Figure of one material, or a folder of figures."),
    ] = None,
    store: Annotated[bool, typer.Option("--store", help="Keep the predictions in the store, as code `model`.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print spectra, bands and domain as JSON.")] = False,
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="DIR", help="Folder with the encoder's pretrained weights.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="Where the encoder computes: cpu or cuda.")] = "cpu",
    n_processes: Annotated[int, typer.Option("--processes", "-j", min=1, help="Processes that make features.")] = 1,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor keep features.")] = False,
    database: Database = None,
) -> int:
    """Predict the spectra of all inequivalent absorbers and of the material, with error bars and a domain check.

    A structure that cannot be predicted is named, the others go on, and the exit status is 1.
    """
    from whiteline.cli.live import share_bar
    from whiteline.cli.tables import make_console
    from whiteline.models.features import FeatureCache
    from whiteline.settings import load_settings
    from whiteline.workflows.learning.prediction import MaterialPrediction, Predictor
    from whiteline.workflows.learning.reading import Unpredicted, read_each

    settings = load_settings(database=database)
    _check_output(output)
    failures: list[Unpredicted] = []
    with share_bar(make_console(is_error=True)) as show:
        show(0.0, "reading structures")
        named = list(read_each(structures, on_bad=failures.append))
        _check_figures(output, len(named))
        show(0.0, "loading the model")
        folder = _find_model(settings, models, model, absorber, edge)
        predictor = Predictor.load(folder, weights=str(weights or ""), device=None if device == "cpu" else device)
        answers = predictor.predict(
            named,
            absorber,
            edge,
            fidelity=fidelity,
            cache=None if no_cache else FeatureCache(),
            n_processes=n_processes,
            on_done=lambda n: show(n / max(1, len(named)), f"{n} of {len(named)} structures"),
        )
    failures += [answer for answer in answers if isinstance(answer, Unpredicted)]
    predictions = [answer for answer in answers if isinstance(answer, MaterialPrediction)]
    ids, n_new = _store(settings, predictions, predictor) if store else ({}, 0)
    figures = _draw(settings, predictions, predictor, output, ids) if output is not None else []
    if as_json:
        _print_json(predictions, failures, predictor, ids)
    else:
        console = make_console()
        _print_table(console, predictions, predictor, ids)
        if store:
            console.print(
                f"stored {n_new} new spectra as model:{predictor.name} in {settings.database}", soft_wrap=True
            )
        for path in figures:
            console.print(f"wrote {path}", soft_wrap=True)
    errors = make_console(is_error=True)
    for failure in failures:
        errors.print(f"{failure.source}: {failure.reason}", style="yellow", soft_wrap=True)
    return 1 if failures else 0


def _find_model(settings: Any, models: Path | None, model: str | None, absorber: str, edge: str) -> Path:
    from whiteline.edges import Edge
    from whiteline.errors import InputError
    from whiteline.models.registry import find_model, list_models
    from whiteline.workflows.learning.registry import registry_folder

    registry = registry_folder(settings, models)
    if model is not None:
        return find_model(registry, model).path
    fitting = list_models(registry, absorber=absorber, edge=Edge.parse(edge).value)
    if len(fitting) != 1:
        found = ", ".join(entry.name for entry in fitting) or "none"
        raise InputError(
            f"of the models in {registry}, those of {absorber} {edge} are: {found}; say which with --model, or train "
            "one with `whiteline train`"
        )
    return fitting[0].path


def _check_output(output: Path | None) -> None:
    from whiteline.errors import ParameterError

    if output is not None and output.suffix and output.suffix.lower() not in _SUFFIXES:
        raise ParameterError(f"cannot write {output}: a figure ends in .png, .svg or .pdf; a folder of figures in none")


def _check_figures(output: Path | None, n_structures: int) -> None:
    from whiteline.errors import ParameterError

    if output is not None and output.suffix and n_structures > 1:
        raise ParameterError(f"{output} shows one material, and there are {n_structures}: give a folder with -o")


def _store(settings: Any, predictions: list[MaterialPrediction], predictor: Predictor) -> tuple[dict[str, str], int]:
    """Return the id of every material by its source, and the number of spectra that were new."""
    from whiteline.database import open_store
    from whiteline.workflows.learning.keeping import store_prediction

    ids, n_new = {}, 0
    with open_store(settings.database) as opened:
        for prediction in predictions:
            ids[prediction.source], n_stored = store_prediction(opened, prediction, predictor)
            n_new += n_stored
    return ids, n_new


def _draw(
    settings: Any, predictions: list[MaterialPrediction], predictor: Predictor, output: Path, ids: Mapping[str, str]
) -> list[Path]:
    """Draw each material and put the figure on record where there is a store; return where they are."""
    from contextlib import nullcontext

    from whiteline.cli.figures import record_figure
    from whiteline.database import open_store
    from whiteline.errors import StoreError
    from whiteline.plotting import save_figure
    from whiteline.provenance import Kind, Things, utc_now
    from whiteline.workflows.learning.figure import plot_prediction
    from whiteline.workflows.learning.nearest import find_nearest

    try:
        opened: Any = open_store(settings.database, must_exist=True)
    except StoreError:
        opened = nullcontext()  # nothing was ever computed here: nothing to set beside
    if not output.suffix:
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make {output} ({error.strerror}): choose another place with -o") from error
    written: list[Path] = []
    with opened as found:
        for prediction in predictions:
            nearest = None if found is None else find_nearest(found, prediction)
            path = output if output.suffix else output / f"{_file_name(prediction.name, written)}.png"
            started, own = utc_now(), [ids[prediction.source]] if prediction.source in ids else []
            save_figure(plot_prediction(prediction, model=predictor.name, nearest=nearest), path, ids=own)
            written.append(path)
            if found is not None:
                used: Things = {Kind.MODEL: {"model": predictor.id}}
                record_figure(found, "predict", path, spectra=own, started=started, used=used)
    return written


def _file_name(name: str, written: list[Path]) -> str:
    """Return a plain file name that no earlier figure has."""
    plain = "".join(letter if letter.isalnum() or letter in "-+." else "_" for letter in name)[:80]
    n_same = sum(path.stem.partition("~")[0] == plain for path in written)
    return f"{plain}~{n_same + 1}" if n_same else plain


def _print_table(
    console: Any, predictions: list[MaterialPrediction], predictor: Predictor, ids: dict[str, str]
) -> None:
    from whiteline.cli.tables import make_table

    table = make_table(
        "material",
        "site",
        ">mult.",
        ">maximum eV",
        ">80 % band",
        "domain",
        "nearest in training",
        wrapped=("material",),
    )
    names = predictor.material_names
    for prediction in predictions:
        for site in prediction.sites:
            band = next((half for level, half in site.half_widths.items() if abs(level - 0.8) < 1e-9), None)
            peak = float(site.spectrum.energy[int(site.spectrum.intensity.argmax())])
            table.add_row(
                prediction.name,
                f"{site.absorber.label}",
                str(site.absorber.multiplicity),
                f"{peak:.2f}",
                "" if band is None else f"±{band.mean():.3g}",
                _domain_words(site),
                ", ".join(names.get(each, each[:10]) for each in site.nearest),
            )
        if prediction.source in ids:
            table.add_row(prediction.name, "average", "", "", "", f"stored as {ids[prediction.source][:10]}", "")
    if predictions:
        console.print(table)
        unit = f" [{predictor.model.unit}]"
        console.print(f"{predictor.name} ({predictor.id[:12]}): {predictions[0].fidelity}{unit}", style="dim")


def _domain_words(site: Any) -> str:
    if site.is_inside is None:
        return "unknown"
    words = "inside" if site.is_inside else "FAR from the training set"
    return f"{words} ({site.distance:.3g} of {site.threshold:.3g})"


def _print_json(
    predictions: list[MaterialPrediction], failures: list[Any], predictor: Predictor, ids: dict[str, str]
) -> None:
    import json

    found = [
        {
            "name": prediction.name,
            "source": prediction.source,
            "id": ids.get(prediction.source),
            "spectrum": prediction.spectrum.to_dict(),
            "half_widths": {f"{level:g}": half.tolist() for level, half in prediction.half_widths.items()},
            "is_inside": prediction.is_inside,
            "sites": [
                {
                    "site_index": site.absorber.site_index,
                    "multiplicity": site.absorber.multiplicity,
                    "spectrum": site.spectrum.to_dict(),
                    "half_widths": {f"{level:g}": half.tolist() for level, half in site.half_widths.items()},
                    "distance": site.distance,
                    "threshold": site.threshold,
                    "is_inside": site.is_inside,
                    "nearest": list(site.nearest),
                }
                for site in prediction.sites
            ],
        }
        for prediction in predictions
    ]
    answer = {
        "model": {"id": predictor.id, "name": predictor.name, "encoder": predictor.encoder.id},
        "predictions": found,
        "failures": [{"source": failure.source, "reason": failure.reason} for failure in failures],
    }
    typer.echo(json.dumps(answer))
