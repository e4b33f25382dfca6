"""One crystal of a campaign: its sites with all requests, as tasks that know neither store nor queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pymatgen.core import Structure

from whiteline.absorber import Absorber, find_absorbers
from whiteline.calculators.interface import Calculator, Estimate
from whiteline.calculators.ladders import with_values
from whiteline.convergence import Series, pick_knobs
from whiteline.database.queue.tasks import Task, TaskKind, TaskState
from whiteline.edges import Edge, edge_energy
from whiteline.errors import ParameterError
from whiteline.settings import Settings
from whiteline.structures import NamedStructure, element_symbol
from whiteline.workflows.campaign.contents import pack_structure
from whiteline.workflows.campaign.definition import CampaignDefinition
from whiteline.workflows.campaign.requests import EVERY_ELEMENT, SpectraRequest, WorkersRequest
from whiteline.workflows.campaign.structures import StructureUnit, read_unit
from whiteline.workflows.convergence import certificate_id
from whiteline.workflows.jobs import material_id, site_calculation_id
from whiteline.workflows.plan import SITE_ERRORS, Problem

__all__ = ["Analysis", "Analyst", "Draft", "series_estimate"]

# s; reading some spectra, averaging and storing.
_AVERAGE_SECONDS: Final = 1.0
# Rungs of a knob that a series computes at most in a price, beside the points with all knobs higher that confirm it:
# a guess, 16 points for the four knobs of FEFF, whose series took 16 and 19 (benchmarks/results/feff_convergence.json).
_N_RUNGS: Final = 4
_CONFIRMATIONS: Final = (1, 2, 3)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A task before anybody looked whether it is done.

    Attributes:
        task: The task; the `estimate` of a site is not known yet.
        i_request: Which request of the campaign asks for it.
        cpu_time: Cost by the engine's own formula [s]; 0 for an average.
        most: Most wall time that it may take [s]; None sets no limit.
    """

    task: Task
    i_request: int
    cpu_time: float = 0.0
    most: float | None = None


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What a unit came to.

    Attributes:
        names: Names of its crystals.
        contents: The structures, as the queue keeps them.
        drafts: The tasks, an average behind its sites.
        problems: What cannot be computed, and why.
    """

    names: tuple[str, ...] = ()
    contents: dict[str, bytes] = field(default_factory=dict)
    drafts: tuple[Draft, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Analyst:
    """Finds the tasks of crystals; goes to other processes.

    Attributes:
        requests: What is asked for.
        calculators: The engine of each.
        priority: Of the campaign.
        workers: Which cores and memory there are.
    """

    requests: tuple[SpectraRequest, ...]
    calculators: tuple[Calculator, ...]
    priority: int
    workers: WorkersRequest

    @classmethod
    def of(cls, definition: CampaignDefinition, settings: Settings) -> Analyst:
        """Return the one of a campaign.

        Raises:
            InputError: An engine cannot be set up.
        """
        calculators = tuple(request.calculator(settings) for request in definition.spectra)
        return cls(definition.spectra, calculators, definition.priority, definition.workers)

    def analyse(self, unit: StructureUnit) -> Analysis:
        """Return the tasks of a unit; whatever is wrong with it is told in the answer."""
        problems: list[Problem] = []
        names, drafts, contents = [], [], {}
        for named in read_unit(unit, on_bad=problems.append):
            names.append(named.name)
            key, content = pack_structure(named.structure)
            found = list(self._drafts(named, key, problems.append))
            drafts += found
            if found:
                contents[key] = content
        return Analysis(names=tuple(names), contents=contents, drafts=tuple(drafts), problems=tuple(problems))

    def _drafts(self, named: NamedStructure, key: str, on_bad: Callable[[Problem], None]) -> Iterator[Draft]:
        crystal = _Crystal(named.structure)
        for i, request in enumerate(self.requests):
            for element, edge in crystal.wanted(request):
                try:
                    yield from self._material(named, key, i, crystal.absorbers(element, edge))
                except SITE_ERRORS as error:
                    on_bad(Problem(named.source, f"{element} {edge} by {request.fidelity}: {error}"))

    def _material(self, named: NamedStructure, key: str, i_request: int, absorbers: list[Absorber]) -> list[Draft]:
        sites = [self._site(named, key, i_request, absorber) for absorber in absorbers]
        request, calculator = self.requests[i_request], self.calculators[i_request]
        members = [
            {"id": d.task.id, "site_index": a.site_index, "multiplicity": a.multiplicity}
            for d, a in zip(sites, absorbers, strict=True)
        ]
        first = absorbers[0]
        average = self._task(
            named,
            i_request,
            first,
            id=material_id(members),
            kind=TaskKind.AVERAGE,
            estimate=_AVERAGE_SECONDS,
            label=f"{named.name} {first.element} {first.edge} average",
            needs=tuple(dict.fromkeys(member["id"] for member in members)),
            payload={
                **_common_payload(named, key, calculator, request.stored_fidelity),
                "absorber": first.element,
                "edge": first.edge.value,
                "site_index": first.site_index,
                "sites": members,
            },
        )
        return [*sites, Draft(task=average, i_request=i_request)]

    def _site(self, named: NamedStructure, key: str, i_request: int, absorber: Absorber) -> Draft:
        request, calculator = self.requests[i_request], self.calculators[i_request]
        payload = {
            **_common_payload(named, key, calculator, request.fidelity),
            "site_index": absorber.site_index,
            "multiplicity": absorber.multiplicity,
            "edge": absorber.edge.value,
            "series": None,
        }
        label = f"{named.name} {absorber.label}"
        if request.converge is None:
            identity, estimate = site_calculation_id(absorber, calculator), calculator.estimate(absorber)
            task = self._task(named, i_request, absorber, id=identity, kind=TaskKind.SITE, label=label, payload=payload)
            return self._sized(Draft(task=task, i_request=i_request), calculator, absorber, estimate)
        wanted = request.converge
        series = Series(
            pick_knobs(calculator.knobs(absorber), wanted.knobs), tolerance=wanted.tolerance, budget=wanted.budget
        )
        tolerance = {name: getattr(wanted.tolerance, name) for name in ("spearman", "area", "shift", "window")}
        payload["series"] = {"knobs": list(wanted.knobs), "tolerance": tolerance, "budget": wanted.budget}
        task = self._task(
            named,
            i_request,
            absorber,
            id=certificate_id(absorber, calculator, series),
            kind=TaskKind.SERIES,
            label=label,
            payload=payload,
        )
        draft = Draft(task=task, i_request=i_request, most=wanted.budget)
        return self._sized(draft, calculator, absorber, series_estimate(absorber, calculator, series))

    def _sized(self, draft: Draft, calculator: Calculator, absorber: Absorber, estimate: Estimate) -> Draft:
        cores = self.workers.cores_per_task.get(draft.task.code) or calculator.cores_for(
            absorber, self.workers.cores, self.workers.memory
        )
        return replace(draft, task=replace(draft.task, cores=cores, memory=estimate.memory), cpu_time=estimate.cpu_time)

    def _task(self, named: NamedStructure, i_request: int, absorber: Absorber, **given: Any) -> Task:
        request = self.requests[i_request]
        return Task(
            material=named.name,
            absorber=absorber.element,
            edge=absorber.edge.value,
            code=request.engine,
            fidelity=request.stored_fidelity,
            priority=self.priority + request.priority,
            state=TaskState.WAITING if given.get("needs") else TaskState.READY,
            **given,
        )


class _Crystal:
    """The sites of a crystal: its symmetry and names are found once for all elements and edges."""

    def __init__(self, structure: Structure) -> None:
        self._structure = structure
        self._elements = sorted({element_symbol(site.specie) for site in structure})
        self._first: Absorber | None = None

    def wanted(self, request: SpectraRequest) -> list[tuple[str, Edge]]:
        """Return elements and edges that a request asks of it."""
        edges = [Edge.parse(name) for name in request.edges]
        if request.absorbers == (EVERY_ELEMENT,):
            return [(e, edge) for e in self._elements for edge in edges if _has_edge(e, edge)]
        return [(e, edge) for e in request.absorbers if e in self._elements for edge in edges]

    def absorbers(self, element: str, edge: Edge) -> list[Absorber]:
        """Return one absorber for each inequivalent site."""
        if self._first is None:
            found = find_absorbers(self._structure, element, edge)
            self._first = found[0]
            return found
        symmetry, fingerprint = self._first.symmetry, self._first.fingerprint
        sites = [i for i, site in enumerate(self._structure) if element_symbol(site.specie) == element]
        absorbers = [
            Absorber(self._structure, i, edge, multiplicity=symmetry.orbits.count(i))
            for i in sites
            if symmetry.orbits[i] == i
        ]
        for absorber in absorbers:
            # As `find_absorbers` does it: this is where cached_property keeps them.
            absorber.__dict__.update(symmetry=symmetry, fingerprint=fingerprint)
        return absorbers


def series_estimate(absorber: Absorber, calculator: Calculator, series: Series) -> Estimate:
    """Return the expected cost of a whole series, in the middle of what series turn out to take.

    Raises:
        InputError: The engine cannot compute the absorber.
    """
    n_knobs = len(series.knobs)
    points = {series.moved(series.rest, step) for step in _CONFIRMATIONS}
    for i, knob in enumerate(series.knobs):
        for rung in range(min(_N_RUNGS, len(knob.rungs))):
            points.add(tuple(rung if k == i else 0 for k in range(n_knobs)))
    costs = [with_values(calculator, series.values(point)).estimate(absorber) for point in sorted(points)]
    return Estimate(sum(cost.cpu_time for cost in costs), max(cost.memory for cost in costs))


def _common_payload(named: NamedStructure, key: str, calculator: Calculator, fidelity: str) -> dict[str, Any]:
    return {
        "structure": key,
        "source": named.source,
        "source_checksum": named.source_checksum,
        "title": named.name,
        "code": calculator.code,
        "values": calculator.parameters.model_dump(mode="json", exclude_unset=True),
        "fidelity": fidelity,
    }


def _has_edge(element: str, edge: Edge) -> bool:
    try:
        edge_energy(element, edge)
    except ParameterError:
        return False
    return True
