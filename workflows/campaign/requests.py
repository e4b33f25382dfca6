"""The tables of a campaign file, each as one typed object."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from whiteline.calculators.parameters import Parameters
from whiteline.convergence import Tolerance
from whiteline.database.query import SpectrumQuery
from whiteline.database.query_values import member
from whiteline.errors import InputError, MissingDependencyError, ParameterError, did_you_mean
from whiteline.settings import Settings
from whiteline.workflows.campaign.quantities import CoreTime, Duration
from whiteline.workflows.engines import make_calculator

if TYPE_CHECKING:
    from whiteline.calculators.interface import Calculator
    from whiteline.database.datasets import DatasetGrid, Intensity, Split
    from whiteline.workflows.learning.plan import TrainingPlan

__all__ = [
    "EVERY_ELEMENT",
    "CampaignFile",
    "ConvergenceRequest",
    "DatasetRequest",
    "SpectraRequest",
    "StructureRequest",
    "TrainingRequest",
    "WorkersRequest",
    "make_query",
]

# Stands in the names of files, jobs and folders.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_MOST_SPEARMAN: Final = 0.5
EVERY_ELEMENT: Final = "*"
_ENSEMBLE_SEEDS: Final = (0, 1, 2, 3, 4)

# TOML tells numbers, texts and truth values apart, and so does a campaign file.
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Whole = Annotated[int, Field(strict=True, ge=-1_000_000, le=1_000_000)]
Number = Annotated[float, Field(strict=True, gt=0)]
Flag = Annotated[bool, Field(strict=True)]


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _as_table(value: Any) -> Any:
    return {} if value is True else None if value is False else value


def _check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ParameterError(
            "a name has up to 64 letters, digits, dots, dashes and underscores and begins with a letter or digit, "
            f"got {value!r}"
        )
    return value


def _check_spearman(value: float) -> float:
    # Any two spectra agree to 0.99 of a difference: who writes that means the correlation.
    if value > _MOST_SPEARMAN:
        raise ParameterError(
            f"it is the largest 1 - Spearman of neighbouring rungs, as `whiteline converge` takes it, got {value:g}: "
            f"did you mean {1 - value:.4g}?"
        )
    return value


Name = Annotated[str, AfterValidator(_check_name)]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


class StructureRequest(Parameters):
    """Which crystals.

    Attributes:
        paths: Files, folders, globs, `file.json#key` and Materials Project ids; relative ones lie beside the file.
        ids: Stored spectra whose structures are taken, by their ids or the first digits of them.
        query: Fields of a `SpectrumQuery`; the structures of what it finds are taken.
        skip_bad: Whether what cannot be used is listed rather than fatal.
    """

    paths: Names = ()
    ids: Names = ()
    query: dict[str, Any] | None = None
    skip_bad: Flag = True

    def stored(self) -> SpectrumQuery | None:
        """Return the query, or None.

        Raises:
            ParameterError: A name is unknown or a value out of range.
        """
        return None if self.query is None else make_query(self.query)


class ConvergenceRequest(Parameters):
    """How spectra are converged: the knobs, `Tolerance`, and the wall time of one site [s].

    Attributes:
        knobs: Parameters to converge in; all of the engine's when empty.
        spearman: See `Tolerance`, as for `area`, `shift` and `window`.
        budget: Wall time of one site [s]; None sets no limit.
    """

    knobs: Names = ()
    spearman: Annotated[Number, AfterValidator(_check_spearman)] = Tolerance.spearman
    area: Number = Tolerance.area
    shift: Number = Tolerance.shift
    window: Number = Tolerance.window
    budget: Duration | None = None

    @property
    def tolerance(self) -> Tolerance:
        """When neighbouring rungs agree."""
        return Tolerance(self.spearman, self.area, self.shift, self.window)


class SpectraRequest(Parameters):
    """Which spectra of every crystal.

    Attributes:
        absorbers: Elements; `*` is every element that has the edge.
        edges: Absorption edges.
        engine: Code that computes.
        preset: Named parameters of the engine.
        priority: Added to that of the campaign; larger is sooner.
        set: Parameters on top of the preset.
        converge: How they are converged; None computes the parameters as they are.
    """

    absorbers: Names = Field(min_length=1)
    edges: Names = Field(default=("K",), min_length=1)
    engine: str = "feff"
    preset: str = "standard"
    priority: Whole = 0
    set: dict[str, Any] = Field(default_factory=dict)
    converge: Annotated[ConvergenceRequest | None, BeforeValidator(_as_table)] = None

    @property
    def fidelity(self) -> str:
        """Engine and preset, as `whiteline run` names them."""
        return f"{self.engine}:{self.preset}{'+' if self.set and self.converge is None else ''}"

    @property
    def stored_fidelity(self) -> str:
        """Level of theory that the stored spectra have."""
        return self.fidelity if self.converge is None else f"{self.engine}:converged"

    def calculator(self, settings: Settings) -> Calculator:
        """Return the engine with its parameters.

        Raises:
            ParameterError: Engine, preset or parameter is unknown, or a value is out of range.
        """
        return make_calculator(self.engine, preset=self.preset, values=self.set, settings=settings)


class WorkersRequest(Parameters):
    """What a manager is asked for.

    Attributes:
        count: Workers at a time.
        cores: Cores of each.
        walltime: Wall time of each [s]; None leaves it to the manager.
        memory: Memory of each [MB]; None leaves it to the manager.
        cores_per_task: Cores of one calculation by engine; found from the estimate where it is not named.
    """

    count: Count = 1
    cores: Count = 1
    walltime: Duration | None = None
    memory: Number | None = None
    cores_per_task: dict[str, Count] = Field(default_factory=dict)


class DatasetRequest(Parameters):
    """The dataset that is frozen at the end; what is not named below are fields of the query that it holds.

    Attributes:
        name: What it is called.
        folder: Folder to make, relative to the campaign file; the name when empty.
        grid: As `whiteline dataset create --grid` takes it; `points` counts them in place of a step.
        intensity: `cross_section` or `raw`.
        extrapolate: Whether end values of spectra that do not cover the grid are held.
        split: Fractions of training, validation and test set.
        split_by: What never crosses a split; `seed` another division.
    """

    model_config = ConfigDict(extra="allow")

    name: Name
    folder: str = ""
    grid: str = "omnixas"
    points: Count | None = None
    intensity: str = "cross_section"
    extrapolate: Flag = False
    split: tuple[float, float, float] = (0.8, 0.1, 0.1)
    split_by: str = "formula"
    seed: Whole = 0

    @property
    def filters(self) -> dict[str, Any]:
        """The fields of the query, as they were given."""
        return dict(self.model_extra or {})

    def check_filter(self, name: str) -> None:
        """Look at one field of the query.

        Raises:
            ParameterError: Neither the dataset nor a query has it, or its value is out of range.
        """
        known = [*type(self).model_fields, *(field.name for field in fields(SpectrumQuery))]
        _refuse_unknown([name], known, "a dataset")
        make_query({name: self.filters[name]})

    def make_grid(self) -> DatasetGrid:
        """Return the axis; `make_split` the division, `make_intensity` what is held.

        Raises:
            ParameterError: It is none.
        """
        from whiteline.database.datasets import DatasetGrid

        return DatasetGrid.parse(self.grid, n_points=self.points)

    def make_split(self) -> Split:
        """Return the division."""
        from whiteline.database.datasets import Split

        return Split.parse(",".join(map(str, self.split)), by=self.split_by, seed=self.seed)

    def make_intensity(self) -> Intensity:
        """Return what the dataset holds of each spectrum."""
        from whiteline.database.datasets import Intensity

        return member(Intensity, self.intensity)


class TrainingRequest(Parameters):
    """The training at the end; what is not named below are fields of `TrainingPlan`.

    Attributes:
        folder: Where the model is written, relative to the campaign file.
        worker: The manager's worker for it; that of the campaign when empty.
        encoder: Name of the encoder, or a table of the fields of `EncoderChoice`.
    """

    model_config = ConfigDict(extra="allow")

    folder: str = Field(min_length=1)
    worker: str = ""
    encoder: str | dict[str, Any] | None = None

    @property
    def values(self) -> dict[str, Any]:
        """The fields of the plan, as they were given."""
        return dict(self.model_extra or {})

    def plan(self, data: str) -> TrainingPlan:
        """Return the training of a dataset.

        Raises:
            ParameterError: A name is unknown, a value out of range, or parts do not go together.
        """
        from whiteline.workflows.learning.encoding import EncoderChoice
        from whiteline.workflows.learning.plan import TrainingKind, TrainingPlan

        known = [field.name for field in fields(TrainingPlan) if field.name != "data"]
        given = self.values
        _refuse_unknown(given, known, "a training")
        if isinstance(self.encoder, dict):
            _refuse_unknown(self.encoder, [field.name for field in fields(EncoderChoice)], "an encoder")
            given["encoder"] = EncoderChoice(**self.encoder)
        elif self.encoder is not None:
            given["encoder"] = EncoderChoice(self.encoder)
        if "kind" in given:
            given["kind"] = member(TrainingKind, given["kind"])
        if given.get("kind") is TrainingKind.ENSEMBLE:
            given.setdefault("seeds", _ENSEMBLE_SEEDS)
        try:
            plan = TrainingPlan(data=data, **given)
        except (TypeError, ValueError) as error:
            raise error if isinstance(error, InputError) else ParameterError(str(error)) from error
        if plan.values:
            # Where campaigns are made nothing need be trained; the job looks again.
            with suppress(MissingDependencyError):
                plan.split_values()
        return plan


class CampaignFile(Parameters):
    """A campaign file as it stands, each table checked by itself."""

    name: Name
    priority: Whole = 0
    budget: CoreTime | None = None
    structures: StructureRequest
    spectra: tuple[SpectraRequest, ...] = Field(min_length=1)
    workers: WorkersRequest = WorkersRequest()
    dataset: DatasetRequest | None = None
    training: TrainingRequest | None = None


def make_query(values: Mapping[str, Any]) -> SpectrumQuery:
    """Return the query that a table of a campaign file states.

    >>> make_query({"absorber": "Cu", "parameters": {"fms_radius": [">=", 6]}}).conditions[0].operator
    '>='

    Raises:
        ParameterError: A name is unknown or a value out of range.
    """
    _refuse_unknown(values, [field.name for field in fields(SpectrumQuery)], "a query")
    given = dict(values)
    if isinstance(conditions := given.get("parameters"), dict):
        given["parameters"] = {name: _with_pairs(value) for name, value in conditions.items()}
    return SpectrumQuery(**given)


def _with_pairs(value: Any) -> Any:
    """Return a condition with its pairs of operator and value as tuples, which TOML does not have."""
    if not isinstance(value, list):
        return value
    if len(value) == 2 and isinstance(value[0], str):
        return tuple(value)
    return [_with_pairs(member) for member in value]


def _refuse_unknown(given: Iterable[str], known: list[str], what: str) -> None:
    for name in given:
        if name not in known:
            raise ParameterError(f"{what} has no field {name!r}: {did_you_mean(name, known)}")
