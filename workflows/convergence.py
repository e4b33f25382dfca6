"""Converging the spectrum of a site: a job that computes one rung after another, and the certificate at its end.

The job holds no state of its own. Each time it runs it looks up in the store which rungs are there, asks
`whiteline.convergence` what comes next, and replaces itself by that calculation and itself. Killed anywhere, it goes on
where it was; rungs that other series computed are served from the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jobflow import Flow, Job, Maker, Response, job
from pymatgen.core import Structure

from whiteline.absorber import Absorber, find_absorbers
from whiteline.broadening import Lorentzian, Origin, core_hole_width
from whiteline.calculators.interface import Calculator
from whiteline.calculators.ladders import with_values
from whiteline.convergence import (
    Measurement,
    Point,
    Series,
    Tolerance,
    pick_knobs,
    plan_next,
)
from whiteline.database import open_store
from whiteline.database.documents import SpectrumDocument
from whiteline.database.query import SpectrumQuery
from whiteline.database.store import SpectrumStore
from whiteline.edges import Edge
from whiteline.errors import InputError
from whiteline.fingerprint import content_hash
from whiteline.progress import Progress, report
from whiteline.spectrum import Spectrum
from whiteline.status import Status
from whiteline.workflows.certificate import certificate_document, certificate_record
from whiteline.workflows.flows import SiteSpectrumMaker
from whiteline.workflows.jobs import average_sites, compute_site, site_calculation_id
from whiteline.workflows.recording import source_file
from whiteline.workflows.workspace import Workspace

__all__ = [
    "RUNG_MARK",
    "ConvergenceMaker",
    "MaterialConvergenceMaker",
    "certificate_id",
    "converge_site",
    "converged_fidelity",
    "of_series",
]

# Stands around the values of a rung in the labels of its progress.
RUNG_MARK = " · "


@dataclass
class ConvergenceMaker(Maker):
    """Make the job that converges one site spectrum.

    Attributes:
        site_maker: Makes the calculations; its calculator gives all parameters that are no knobs.
        tolerance: When neighbouring rungs agree.
        knobs: Names of the knobs to turn; all of the code's when empty.
        budget: Wall time for each site [s]; None sets no limit.
        name: Name of the job.
    """

    site_maker: SiteSpectrumMaker
    tolerance: Tolerance = field(default_factory=Tolerance)
    knobs: tuple[str, ...] = ()
    budget: float | None = None
    name: str = "convergence"

    def make(self, absorber: Absorber, *, title: str = "", source: str = "", source_checksum: str = "") -> Job:
        """Return the job for one absorber.

        Raises:
            ParameterError: The code has no such knob, or a rung that does not go with the other parameters.
            StructureError: The code cannot compute the absorber.
        """
        maker = self.site_maker
        title = title or absorber.structure.composition.reduced_formula
        series = Series(
            pick_knobs(maker.calculator.knobs(absorber), self.knobs), tolerance=self.tolerance, budget=self.budget
        )
        for i, knob in enumerate(series.knobs):
            for rung in range(len(knob.rungs)):
                # A rung that the other parameters exclude is refused now, not after hours.
                with_values(maker.calculator, series.values((0,) * i + (rung,) + (0,) * (len(series.knobs) - i - 1)))
        task = converge_site(
            absorber,
            maker.calculator,
            maker.workspace,
            series,
            title,
            source,
            maker.fidelity,
            source_checksum=source_checksum,
        )
        task.name = f"{title} {absorber.label}"
        return task


@dataclass
class MaterialConvergenceMaker(Maker):
    """Make the flow that converges all inequivalent sites of an element and averages them.

    Attributes:
        convergence_maker: Makes the jobs of the sites.
        name: Name of the flow.
    """

    convergence_maker: ConvergenceMaker
    name: str = "material convergence"

    def make(
        self,
        structure: Structure,
        element: str,
        edge: Edge,
        *,
        title: str = "",
        source: str = "",
        source_checksum: str = "",
    ) -> Flow:
        """Return the flow for one material; its output is that of the average.

        Raises:
            StructureError: The element is not in the structure.
            ParameterError: The element does not have the edge, or the code no such knob.
        """
        absorbers = find_absorbers(structure, element, edge)
        title = title or structure.composition.reduced_formula
        maker = self.convergence_maker.site_maker
        tasks = [
            self.convergence_maker.make(absorber, title=title, source=source, source_checksum=source_checksum)
            for absorber in absorbers
        ]
        outputs = [task.output for task in tasks]
        fidelity = converged_fidelity(maker.fidelity)
        mean = average_sites(
            absorbers[0],
            maker.calculator,
            maker.workspace,
            outputs,
            source,
            fidelity,
            source_checksum=source_checksum,
        )
        mean.name = f"{title} {element} {edge} average"
        return Flow([*tasks, mean], output=mean.output, name=f"{title} {element} {edge} convergence")


def certificate_id(absorber: Absorber, calculator: Calculator, series: Series) -> str:
    """Return the identity of a converged spectrum: what was asked for, not what was found or how long it may take."""
    lowest = with_values(calculator, series.values((0,) * len(series.knobs)))
    tolerance = {name: getattr(series.tolerance, name) for name in ("spearman", "area", "shift", "window")}
    ladders = {knob.name: list(knob.rungs) for knob in series.knobs}
    return content_hash(["convergence-1", site_calculation_id(absorber, lowest), tolerance, ladders])


@job
def converge_site(
    absorber: Absorber,
    calculator: Calculator,
    workspace: Workspace,
    series: Series,
    title: str,
    source: str,
    fidelity: str,
    after: str | None = None,
    source_checksum: str = "",
) -> Any:
    """Compute the next rung and come back, or store the certificate; return its id and status.

    `after` is the id of the rung before: it does nothing but keep the order.
    """
    label = f"{title} {absorber.label}"
    identity = certificate_id(absorber, calculator, series)
    with open_store(workspace.database) as store:
        if after is None:
            known = store.find_by_id(identity)
            if known is not None and known.status is Status.CONVERGED:
                report(Progress(label, "stored"))
                return _summary(known, absorber, is_from_store=True)
            series = replace(series, start=_start_of_like(store, absorber, calculator, series))
        rungs = _Rungs(absorber, calculator, series, store)
        plan = plan_next(series, rungs, cost=rungs.cost)
        if plan.wanted is None:
            fidelity = converged_fidelity(fidelity)
            certificate = certificate_document(
                identity,
                absorber,
                rungs.calculator(plan.best or series.start),
                series,
                plan,
                None if plan.best is None else rungs.documents[plan.best],
                source=source,
                fidelity=fidelity,
            )
            origin = source_file(source, source_checksum)
            store.put(certificate, certificate_record(certificate, series, plan, rungs.documents, rungs, origin))
            report(Progress(label, "failed" if plan.best is None else "done"))
            return _summary(certificate, absorber, is_from_store=False)
    rung = compute_site(
        absorber,
        rungs.calculator(plan.wanted),
        workspace,
        f"{title}{RUNG_MARK}{series.describe(plan.wanted)}{RUNG_MARK}",
        source,
        f"{fidelity.removesuffix('+')}+",
        source_checksum=source_checksum,
    )
    again = converge_site(
        absorber,
        calculator,
        workspace,
        series,
        title,
        source,
        fidelity,
        after=rung.output["id"],
        source_checksum=source_checksum,
    )
    return Response(replace=Flow([rung, again], output=again.output))


def of_series(progress: Progress) -> Progress:
    """Return the progress of a rung as that of its series, whose end the end of a rung is not."""
    title, mark, rest = progress.label.partition(RUNG_MARK)
    if not mark:
        return progress
    values, _, site = rest.rpartition(RUNG_MARK)
    ends = {"done": "computed", "stored": "from the store", "failed": "failed, going on"}
    return replace(
        progress, label=f"{title} {site.strip()}", stage=f"{values}: {ends.get(progress.stage, progress.stage)}"
    )


def converged_fidelity(fidelity: str) -> str:
    """Return the level of theory under which converged spectra are queried.

    >>> converged_fidelity("feff:standard")
    'feff:converged'
    """
    return f"{fidelity.partition(':')[0]}:converged"


class _Rungs(Mapping[Point, Measurement]):
    """What the store has of a series; a point is looked up when it is asked for, and found points are iterated over."""

    def __init__(self, absorber: Absorber, calculator: Calculator, series: Series, store: SpectrumStore) -> None:
        self.absorber = absorber
        self.series = series
        self.documents: dict[Point, SpectrumDocument] = {}
        self._base = calculator
        self._store = store
        self._found: dict[Point, Measurement | None] = {}

    def calculator(self, point: Point) -> Calculator:
        """Return the calculator of a point."""
        return with_values(self._base, self.series.values(point))

    def cost(self, point: Point) -> float:
        """Return the expected CPU time of a point [s]; 0 where it cannot be computed and will say so when it runs."""
        try:
            return self.calculator(point).estimate(self.absorber).cpu_time
        except InputError:
            return 0.0

    def __getitem__(self, point: Point) -> Measurement:
        if point not in self._found:
            self._found[point] = self._look_up(point)
        measurement = self._found[point]
        if measurement is None:
            raise KeyError(point)
        return measurement

    def __iter__(self) -> Iterator[Point]:
        return (point for point, measurement in self._found.items() if measurement is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _look_up(self, point: Point) -> Measurement | None:
        document = self._store.find_by_id(site_calculation_id(self.absorber, self.calculator(point)))
        if document is None:
            return None
        self.documents[point] = document
        # The latest record is of the run that made what is stored. Its stages may hold one another.
        records = self._store.records(document.id)
        seconds = records[-1].wall_time if records else 0.0
        spectrum = None if document.spectrum is None else _as_measured(document.spectrum, self.absorber)
        return Measurement(spectrum, seconds, document.reason)


def _as_measured(spectrum: Spectrum, absorber: Absorber) -> Spectrum:
    """Return a spectrum with the width of its core hole: what lies below that no measurement shows."""
    if any(record.origin is Origin.LIFETIME for record in spectrum.broadening):
        return spectrum
    try:
        width = max(core_hole_width(absorber.element, part) for part in absorber.edge.parts)
    except InputError:
        return spectrum
    return spectrum.broaden(Lorentzian(width), origin=Origin.LIFETIME)


def _start_of_like(store: SpectrumStore, absorber: Absorber, calculator: Calculator, series: Series) -> Point:
    """Return one rung below where a material of the same elements ended, the lowest rungs where there is none."""
    elements = absorber.structure.composition.element_composition
    query = SpectrumQuery(
        absorber=absorber.element,
        edge=absorber.edge.value,
        code=calculator.code,
        fidelity=f"{calculator.code}:converged",
        chemical_system=elements.chemical_system,
        kind="site",
        status="converged",
        sort="-created_at",
        limit=1,
    )
    found = next(iter(store.summaries(query)), None)
    if found is None:
        return series.start
    ended = []
    for knob in series.knobs:
        value = found.parameters.get(knob.name)
        ended.append(knob.rungs.index(value) if value in knob.rungs else 0)
    return series.moved(tuple(ended), -1)


def _summary(document: SpectrumDocument, absorber: Absorber, *, is_from_store: bool) -> dict[str, Any]:
    return {
        "id": document.id,
        "site_index": absorber.site_index,
        "multiplicity": absorber.multiplicity,
        "status": document.status.value,
        "reason": document.reason,
        "is_from_store": is_from_store,
    }
