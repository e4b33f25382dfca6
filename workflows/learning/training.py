"""Running a training plan: features, members, error bars, domain, report, and the record of where it all came from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whiteline.errors import InputError, StoreError
from whiteline.models.bands import LEVELS
from whiteline.models.card import Card
from whiteline.models.conformal import fewest_spectra
from whiteline.models.evaluation import write_report
from whiteline.models.fingerprint import model_sha256
from whiteline.models.model import SpectrumModel, calibrate
from whiteline.models.training import EpochReport, fit
from whiteline.models.transfer import finetune, transfer
from whiteline.provenance import content_checksum, utc_now
from whiteline.workflows.learning.evaluating import evaluate
from whiteline.workflows.learning.features import add_features
from whiteline.workflows.learning.names import REPORT, SPECTRA
from whiteline.workflows.learning.plan import TrainingKind, TrainingPlan
from whiteline.workflows.learning.recording import Clock, record_training
from whiteline.workflows.learning.samples import read_learning_data

if TYPE_CHECKING:
    from whiteline.models.features import FeatureCache
    from whiteline.models.samples import Samples
    from whiteline.provenance import ProvenanceRecord

__all__ = ["Step", "TrainedModel", "run_training", "work_folder"]

_LOG: Final = "log"
_PARTS: Final = ("train", "validation", "test")


@dataclass(frozen=True)
class Step:
    """How far a training is.

    Attributes:
        stage: `features`, `training` or `report`.
        share: Share of the stage that is done, 0 to 1; None where nobody knows.
        detail: Losses, or what is done now.
    """

    stage: str
    share: float | None
    detail: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedModel:
    """What came of a training.

    Attributes:
        folder: Where the model is; `report/report.html` in it says how good it is.
        model: The model.
        id: Its content hash.
        n_spectra: Number of spectra of the training, validation and test part.
        left_out: Reason to ids of spectra of the dataset that were not used.
        notes: What the user should know: parts too small for error bars, and the like.
        record: How it came about, which its card keeps.
    """

    folder: Path
    model: SpectrumModel
    id: str
    n_spectra: Mapping[str, int]
    left_out: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]
    record: ProvenanceRecord

    def summary(self) -> dict[str, Any]:
        """Return what a job passes on: paths, ids and numbers, JSON-ready."""
        return {
            "folder": str(self.folder),
            "model": self.id,
            "channels": [str(channel) for channel in self.model.channels],
            "n_spectra": dict(self.n_spectra),
            "n_left_out": sum(len(ids) for ids in self.left_out.values()),
            "metrics": dict(self.model.card.metrics),
            "notes": list(self.notes),
        }


def work_folder(folder: Path) -> Path:
    """Return where a training keeps its checkpoints until the model is written into `folder`."""
    return folder.with_name(f".{folder.name}.training")


def run_training(
    plan: TrainingPlan,
    folder: str | Path,
    *,
    is_resumed: bool = False,
    cache: FeatureCache | None = None,
    on_step: Callable[[Step], None] = lambda _: None,
) -> TrainedModel:
    """Train what a plan says, evaluate it, and write it into a new folder.

    Checkpoints are kept beside the folder; a training that was killed goes on from the last one.

    Args:
        plan: What is trained, on what.
        folder: The folder to make.
        is_resumed: Go on with a training of the same plan that was ended.
        cache: Where features are kept; none are when None.
        on_step: Told how far it is.

    Raises:
        InputError: The data, the parent or the plan do not fit together, or a training was ended here before.
        StoreError: Something is in the folder already, or it cannot be written.
        CalculationError: A loss is not finite, or the device has too little memory.
    """
    folder, started, clock = Path(folder).absolute(), utc_now(), Clock()
    _refuse_taken(folder)
    if not plan.parent:
        plan.make_architecture(), plan.make_parameters()  # misspelt names end it before hours of encoding
    parent = SpectrumModel.load(plan.parent) if plan.parent else None
    data = read_learning_data(plan.data, structures=Path(plan.structures) if plan.structures else None)
    data = data.where(absorber=plan.absorber, edge=plan.edge, fidelity=plan.fidelity)
    plan.check_channels(data.samples)
    with clock.timing("features"):
        data, choice = add_features(
            data, plan, parent=parent, cache=cache, on_done=lambda n, of: on_step(Step("features", n / of))
        )
    parts, division = data.divide(by=plan.split_by or None, fractions=plan.fractions, seed=plan.split_seed)
    card = Card(
        name=plan.name or folder.name,
        licence=plan.licence,
        split=json.dumps({key: value for key, value in division.items() if key != "merged"}),
        lineage={
            **({} if choice is None else choice.lineage()),
            "energy_reference": data.energy_reference,
            # The domain check names materials by their ids, which say nothing to people.
            "materials": dict(zip(parts[0].materials, parts[0].formulas, strict=True)),
            "dataset": {"name": data.name, "path": data.path, "content_sha256": data.content_sha256},
        },
    )
    with _work(folder, is_resumed=is_resumed) as work:
        with clock.timing("training"):
            model = _train(plan, parent, parts, card, work, on_step)
        on_step(Step("report", None, "evaluating"))
        with clock.timing("evaluation"):
            model, notes = _calibrated(model, parts[1])
            found = evaluate(model, *parts)
        model = model.with_card(model.card.with_metrics(**found.metrics))
        lists = {name: list(part.ids) for name, part in zip(_PARTS, parts, strict=True)}
        text = json.dumps({**lists, "left_out": {reason: list(ids) for reason, ids in data.left_out.items()}}) + "\n"
        record = record_training(
            plan,
            model,
            data,
            parent,
            content_checksum(text.encode()),
            started,
            clock.seconds,
            is_split_here=division["origin"] == "training",
        )
        model = model.with_card(replace(model.card, lineage={**model.card.lineage, "record": record.to_dict()}))
        model.save(folder)
        _write(folder / SPECTRA, text)
        if (work / _LOG).is_dir():
            shutil.move(work / _LOG, folder / _LOG)
        if found.evaluated is not None:
            write_report(found.evaluated, folder / REPORT)
    return TrainedModel(
        folder=folder,
        model=model,
        id=model_sha256(model),
        n_spectra={name: len(part) for name, part in zip(_PARTS, parts, strict=True)},
        left_out=data.left_out,
        notes=(*notes, *found.notes),
        record=record,
    )


def _train(
    plan: TrainingPlan,
    parent: SpectrumModel | None,
    parts: tuple[Samples, Samples, Samples],
    card: Card,
    work: Path,
    on_step: Callable[[Step], None],
) -> SpectrumModel:
    hardware = plan.make_hardware()
    if parent is None:
        parameters = plan.make_parameters()

        def on_epoch(report: EpochReport) -> None:
            best = min(report.best)
            on_step(Step("training", report.epoch / parameters.n_epochs, f"epoch {report.epoch}, loss {best:.4g}"))

        return fit(
            parts[0],
            parts[1],
            architecture=plan.make_architecture(),
            parameters=parameters,
            seeds=plan.seeds,
            card=card,
            hardware=hardware,
            checkpoint=work / "checkpoint.safetensors",
            log=_new_log(work / _LOG),
            on_epoch=on_epoch,
        )
    own, training = plan.split_values(parent.architecture.NAME)
    if own:
        raise InputError(f"the network is that of {plan.parent}: leave {', '.join(own)} out of --set")
    from whiteline.models.training import TrainingParameters

    common: dict[str, Any] = {
        "parameters": TrainingParameters.of(**training),
        "seeds": plan.seeds,
        "card": card,
        "hardware": hardware,
        "work": work,
        "on_candidate": lambda name, error: on_step(Step("training", None, f"{name}: validation MSE {error:.4g}")),
    }
    on_step(Step("training", None, "from scratch"))
    if plan.kind is TrainingKind.FINETUNE:
        return finetune(parent, parts[0], parts[1], **common)
    return transfer(parent, parts[0], parts[1], fidelity=_fidelity_of(plan, parent), **common)


def _new_log(home: Path) -> Path:
    """Return the folder for the losses of this attempt: those of the attempts before it stay."""
    return home / f"run-{1 + len([*home.glob('run-*')])}"


def _fidelity_of(plan: TrainingPlan, parent: SpectrumModel) -> str:
    known = sorted({channel.fidelity for channel in parent.channels})
    if plan.from_fidelity is None and len(known) > 1:
        raise InputError(f"{plan.parent} predicts {', '.join(known)}: say which with --from-fidelity")
    return plan.from_fidelity or known[0]


def _calibrated(model: SpectrumModel, validation: Samples) -> tuple[SpectrumModel, list[str]]:
    """Return the model with those error bars for which the validation part suffices."""
    notes = []
    levels = [level for level in LEVELS if len(validation) >= fewest_spectra(level)]
    if levels:
        model = calibrate(model, validation, levels=levels)
    if len(levels) < len(LEVELS):
        have = ", ".join(f"{level:.0%}" for level in levels) or "none"
        notes.append(
            f"{len(validation)} validation spectra carry error bars of {have} only: a band of "
            f"{max(LEVELS):.0%} needs {fewest_spectra(max(LEVELS))} of them"
        )
    return model, notes


@contextmanager
def _work(folder: Path, *, is_resumed: bool) -> Iterator[Path]:
    """Yield the folder of checkpoints; it goes when all went well, and stays for a resumed training otherwise."""
    work = work_folder(folder)
    if work.exists() and not is_resumed:
        raise InputError(f"a training was ended here before ({work}): go on with --resume, or remove that folder")
    if is_resumed and not work.exists():
        raise InputError(f"there is no training to go on with: {work} is not there; leave --resume out")
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make {work} ({error.strerror}): choose a writable place with -o") from error
    try:
        yield work
    except BaseException:
        if not any(work.glob("*.safetensors")):
            shutil.rmtree(work, ignore_errors=True)  # nothing to go on from
        raise
    shutil.rmtree(work, ignore_errors=True)


def _refuse_taken(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(f"{folder} is there already, and a model is never written over: give another name with -o")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {path} ({error.strerror}): make room") from error
