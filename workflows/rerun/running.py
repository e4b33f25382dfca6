"""Running one thing again: a calculation or a prediction; and what is to be said of what was not computed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Calculator
from whiteline.database import open_store
from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.database.store import SpectrumStore
from whiteline.errors import (
    CalculationError,
    CorruptStoreError,
    InputError,
    MissingDependencyError,
    ParseError,
    SchemaVersionError,
)
from whiteline.progress import Progress, report
from whiteline.provenance import (
    Kind,
    ProvenanceRecord,
    content_checksum,
    executable_checksums,
    file_checksum,
    utc_now,
)
from whiteline.status import Status
from whiteline.workflows.jobs import compute_site
from whiteline.workflows.plan import SITE_ERRORS
from whiteline.workflows.rerun.comparison import Comparison, Tolerance, compare_spectra
from whiteline.workflows.rerun.place import RerunPlace
from whiteline.workflows.rerun.potentials import missing_potentials, recorded_potentials
from whiteline.workflows.rerun.reasons import changed_inputs, find_differences
from whiteline.workflows.rerun.recreating import (
    Making,
    Recorded,
    calculator_of,
    edited,
    recreate_absorber,
    recreate_structure,
)
from whiteline.workflows.rerun.results import Difference, Ground, RerunResult, Verdict, in_order

if TYPE_CHECKING:
    from whiteline.workflows.learning.prediction import Predictor

__all__ = ["REASONS", "judge", "plain", "run_one"]

# What is wrong with one thing only, and no reason to leave the others out.
REASONS: Final = (
    InputError,
    ParseError,
    CalculationError,
    MissingDependencyError,
    SchemaVersionError,
    CorruptStoreError,
)


def run_one(place: RerunPlace, spectrum_id: str, label: str) -> RerunResult:
    """Run again what made a stored spectrum, unless it was made of others, and compare; nothing that fails raises.

    Raises:
        StoreError: A store or the folder cannot be used.
    """
    with open_store(place.recorded, must_exist=True) as store:
        try:
            recorded = Recorded.read(store, spectrum_id)
            result = _RUN[recorded.making](place, recorded, store)
        except REASONS as error:
            result = RerunResult(
                id=spectrum_id, label=label, making="", verdict=Verdict.COULD_NOT_RUN, reason=str(error)
            )
    if result.making != Making.CALCULATION or not result.rerun_id:  # a calculation that ran has told its end itself
        report(Progress(label, "failed" if result.verdict is Verdict.COULD_NOT_RUN else "done"))
    return replace(result, tolerance=place.tolerance)


def judge(
    recorded: SpectrumDocument, now: SpectrumDocument, tolerance: Tolerance
) -> tuple[Verdict, Comparison | None, str]:
    """Return the verdict on what was computed again, how the curves lie to each other, and words on it."""
    if recorded.spectrum is None:
        if now.spectrum is None:
            return Verdict.EQUAL, None, f"failed on record, and fails again: {now.reason}"
        return Verdict.DIFFERENT, None, f"failed on record ({recorded.reason}), and has a spectrum now"
    if now.spectrum is None:
        return Verdict.COULD_NOT_RUN, None, f"failed: {now.reason}"
    found = compare_spectra(recorded.spectrum, now.spectrum, tolerance)
    if found.is_identical:
        return Verdict.IDENTICAL, found, ""
    return (Verdict.EQUAL, found, "") if found.is_within else (Verdict.DIFFERENT, found, found.words)


def plain(job: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Return the function that a job was made of: here it runs at once."""
    function: Callable[..., dict[str, Any]] = job.original  # type: ignore[attr-defined]  # jobflow does not say so
    return function


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A calculation that may start."""

    absorber: Absorber
    calculator: Calculator
    identity: Mapping[str, Any]
    inputs: Mapping[str, str]
    files: Mapping[str, Path]

    @classmethod
    def make(cls, absorber: Absorber, calculator: Calculator) -> _Prepared:
        return cls(
            absorber,
            calculator,
            calculator.identity(absorber),
            calculator.inputs(absorber),
            calculator.files(absorber),
        )

    @property
    def record(self) -> ProvenanceRecord:
        """What can be told before it runs, as a record."""
        now = utc_now()
        return ProvenanceRecord(
            activity=f"{self.calculator.code}-site",
            used={
                Kind.INPUT: {name: content_checksum(text.encode()) for name, text in self.inputs.items()},
                Kind.PSEUDOPOTENTIAL: {name: file_checksum(path) for name, path in self.files.items()},
            },
            generated={},
            code=self.calculator.code,
            code_version="",
            parameters=self.identity,
            started_at=now,
            ended_at=now,
            executables=executable_checksums(self.calculator.programs),
            cores=self.calculator.n_cores,
        )


def _calculation(place: RerunPlace, recorded: Recorded, store: SpectrumStore) -> RerunResult:
    document, record = recorded.document, recorded.record
    absorber = recreate_absorber(document)
    calculator = calculator_of(document, record, place.settings)
    changes = edited(document, absorber)
    try:
        prepared = _Prepared.make(absorber, calculator)
    except SITE_ERRORS as error:
        missing = missing_potentials(calculator.code, recorded_potentials(record), place.settings) if record else []
        reason = f"missing pseudopotential: {_listed(missing)}; {error}" if missing else str(error)
        return _could_not_run(recorded, reason, in_order([*changes, *missing]))
    inputs = changed_inputs(record, document.id, store, prepared.inputs) if record else ()
    inputs = (*changes, *inputs)
    try:
        summary = plain(compute_site)(
            absorber, calculator, place.workspace, recorded.title, document.source, document.fidelity
        )
    except REASONS as error:
        differences = find_differences(record, prepared.record, inputs) if record else inputs
        return _could_not_run(recorded, str(error), differences)
    with open_store(place.settings.database) as reruns:
        now, made = reruns.get(summary["id"]), reruns.records(summary["id"])[-1]
    differences = find_differences(record, made, inputs) if record else inputs
    return _result(recorded, now, place.tolerance, differences, seconds=made.wall_time)


def _result(
    recorded: Recorded,
    now: SpectrumDocument,
    tolerance: Tolerance,
    differences: tuple[Difference, ...],
    *,
    seconds: float,
) -> RerunResult:
    verdict, comparison, reason = judge(recorded.document, now, tolerance)
    notes = recorded.notes
    if now.status is Status.UNCONVERGED and recorded.document.status is Status.CONVERGED:
        notes = (*notes, f"it did not converge now: {now.reason}")
    return RerunResult(
        **recorded.common,
        verdict=verdict,
        reason=reason,
        comparison=comparison,
        differences=differences,
        notes=notes,
        rerun_id=now.id,
        seconds=seconds,
    )


def _could_not_run(recorded: Recorded, reason: str, differences: tuple[Difference, ...] = ()) -> RerunResult:
    return RerunResult(
        **recorded.common,
        verdict=Verdict.COULD_NOT_RUN,
        reason=reason,
        differences=differences,
        notes=recorded.notes,
    )


def _listed(missing: list[Difference]) -> str:
    return ", ".join(f"{each.name} ({each.recorded}, {each.detail})" for each in missing)


def _prediction(place: RerunPlace, recorded: Recorded, store: SpectrumStore) -> RerunResult:  # noqa: ARG001
    from whiteline.structures import NamedStructure
    from whiteline.workflows.learning.keeping import store_prediction
    from whiteline.workflows.learning.reading import Unpredicted
    from whiteline.workflows.learning.registry import entry_by_id

    document, record, settings = recorded.document, recorded.record, place.settings
    model_id = str(document.parameters.get("model", ""))
    folder = "" if record is None else str(record.parameters.get("model folder", ""))
    entry = entry_by_id(model_id, registry=settings.models, places=[folder])
    if entry is None:
        was = f"; it was {folder}" if folder else ""
        lost = Difference(Ground.MODEL, "model", model_id, "", f"looked for in {settings.models}")
        reason = f"the model {model_id[:12]} is in no folder known here{was}: name one with WHITELINE_MODELS"
        return _could_not_run(recorded, reason, (lost,))
    predictor = _load(str(entry.path), entry.id)
    named = NamedStructure(recreate_structure(document), recorded.title, document.source)
    fidelity = str(document.parameters["fidelity"])
    (answer,) = predictor.predict([named], document.absorber, document.edge, fidelity=fidelity)
    if isinstance(answer, Unpredicted):
        return _could_not_run(recorded, answer.reason)
    with open_store(settings.database) as reruns:
        identity, _ = store_prediction(reruns, answer, predictor)
        is_material = document.kind is DocumentKind.MATERIAL
        ids = [identity] if is_material else list(reruns.get(identity).parents)
        now = next(each for each in map(reruns.get, ids) if each.site_id == document.site_id)
        made = reruns.records(now.id)[-1]
    differences = find_differences(record, made) if record is not None else ()
    return _result(recorded, now, place.tolerance, differences, seconds=made.wall_time)


@lru_cache(maxsize=2)
def _load(folder: str, model_id: str) -> Predictor:  # noqa: ARG001  # another model in the folder is another key
    from whiteline.workflows.learning.prediction import Predictor

    return Predictor.load(folder)


def _elsewhere(place: RerunPlace, recorded: Recorded, store: SpectrumStore) -> RerunResult:  # noqa: ARG001
    """Say that nothing was computed here, and whether what was read is still there as it was."""
    document = recorded.document
    told, changes = [], []
    for path, checksum in recorded.sources.items():
        try:
            now = file_checksum(Path(path))
        except OSError:
            now = ""
        told.append(f"{path} is {'not there' if not now else 'unchanged' if now == checksum else 'changed'}")
        if now != checksum:
            changes.append(Difference(Ground.INPUT, path, checksum, now))
    again = f"`whiteline ingest {document.source}` reads them again" if told else "its files are not on record"
    return RerunResult(
        **recorded.common,
        verdict=Verdict.NOT_COMPUTED,
        reason=f"nothing was computed here: {_origin(recorded)}; {again}",
        differences=tuple(changes),
        notes=(*recorded.notes, *told),
    )


def _origin(recorded: Recorded) -> str:
    document, record = recorded.document, recorded.record
    if document.kind is DocumentKind.MEASURED or document.code == "experiment":
        return "it was measured"
    if record is not None and (record.activity == "ingest" or record.activity.endswith("-import")):
        return f"it was read from files of {document.code}"
    return f"no record says how {document.code} made it"


_RUN: Final = {
    Making.CALCULATION: _calculation,
    Making.PREDICTION: _prediction,
    Making.ELSEWHERE: _elsewhere,
}
