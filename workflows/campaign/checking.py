"""What a campaign file can say wrong although each of its tables is well-formed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from pymatgen.core import Element, Lattice, Structure

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Calculator
from whiteline.calculators.ladders import with_values
from whiteline.calculators.parameters import list_presets
from whiteline.convergence import Series, pick_knobs
from whiteline.edges import Edge, edge_energy
from whiteline.errors import InputError, MissingDependencyError, ParameterError, did_you_mean
from whiteline.settings import Settings
from whiteline.workflows.campaign.requests import (
    EVERY_ELEMENT,
    CampaignFile,
    ConvergenceRequest,
    SpectraRequest,
)
from whiteline.workflows.campaign.toml_lines import KeyPath
from whiteline.workflows.engines import ENGINES

__all__ = ["Finding", "find_faults"]

# Where it is, what is wrong, and the value that is.
Finding = tuple[KeyPath, str, object]


def find_faults(file: CampaignFile) -> Iterator[Finding]:
    """Yield what is wrong, in the order of the file; looking on after one is found may raise, as it rests on it."""
    structures = file.structures
    if not structures.paths and not structures.ids and structures.query is None:
        yield ("structures",), 'names no structures: give paths = ["structures/*.cif"], ids or query', None
    yield from _fault(("structures", "query"), structures.stored, structures.query)
    for i, request in enumerate(file.spectra):
        yield from _request_faults(request, ("spectra", i))
        if (twin := file.spectra.index(request)) < i:
            yield ("spectra", i), f"asks for the same as spectra {twin + 1}: leave one out", None
    yield from _worker_faults(file)
    yield from _ending_faults(file)


def _request_faults(request: SpectraRequest, path: KeyPath) -> Iterator[Finding]:
    for name in ("absorbers", "edges"):
        members = getattr(request, name)
        for k, member in enumerate(members):
            if member in members[:k]:
                yield (*path, name, k), f"{member!r} stands there twice", member
    for k, name in enumerate(request.edges):
        yield from _fault((*path, "edges", k), partial(Edge.parse, name), name)
    symbols = [element.symbol for element in Element]
    for k, name in enumerate(request.absorbers):
        if name not in symbols and (name != EVERY_ELEMENT or len(request.absorbers) > 1):
            hint = "stands alone" if name == EVERY_ELEMENT else f"is no element: {did_you_mean(name, symbols)}"
            yield (*path, "absorbers", k), f"{name!r} {hint}", name
    for k, name in enumerate(request.absorbers):
        for edge in request.edges:
            if name in symbols:
                yield from _fault(
                    (*path, "absorbers", k),
                    partial(edge_energy, name, Edge.parse(edge)),
                    name,
                )
    yield from _engine_faults(request, path)


def _engine_faults(request: SpectraRequest, path: KeyPath) -> Iterator[Finding]:
    if request.engine not in ENGINES:
        hint = did_you_mean(request.engine, ENGINES)
        yield (*path, "engine"), f"unknown engine {request.engine!r}: {hint}", request.engine
        return
    if request.preset not in (known := list_presets(request.engine)):
        hint = did_you_mean(request.preset, known)
        yield (*path, "preset"), f"{request.engine} has no preset {request.preset!r}: {hint}", request.preset
        return
    try:
        # Physics is looked at, not this machine.
        calculator = request.calculator(Settings.model_construct())
    except ParameterError as error:
        named = [name for name in request.set if repr(name) in str(error) or f" {name}" in str(error)]
        yield (*path, "set", *named[:1]), str(error), None
        return
    if request.converge is not None:
        converge = request.converge
        yield from _fault((*path, "converge", "knobs"), lambda: _try_knobs(request, converge, calculator), None)


def _try_knobs(request: SpectraRequest, converge: ConvergenceRequest, calculator: Calculator) -> None:
    """Look whether the engine has the knobs, and takes all their rungs, with a crystal of no importance."""
    element = "Cu" if request.absorbers[0] == EVERY_ELEMENT else request.absorbers[0]
    crystal = Structure(Lattice.cubic(4.0), [element], [[0.0, 0.0, 0.0]])
    absorber = Absorber(crystal, 0, Edge.parse(request.edges[0]))
    try:
        knobs = pick_knobs(calculator.knobs(absorber), converge.knobs)
    except MissingDependencyError:
        return
    series = Series(knobs, tolerance=converge.tolerance)
    for i, knob in enumerate(knobs):
        for rung in range(len(knob.rungs)):
            with_values(calculator, series.values((0,) * i + (rung,) + (0,) * (len(knobs) - i - 1)))


def _worker_faults(file: CampaignFile) -> Iterator[Finding]:
    workers = file.workers
    for engine, cores in workers.cores_per_task.items():
        path = ("workers", "cores_per_task", engine)
        if engine not in ENGINES:
            yield path, f"unknown engine {engine!r}: {did_you_mean(engine, ENGINES)}", engine
        if cores > workers.cores:
            yield path, f"a task of {cores} cores fits into no worker of {workers.cores}: raise workers.cores", cores


def _ending_faults(file: CampaignFile) -> Iterator[Finding]:
    dataset, training = file.dataset, file.training
    if training is not None and dataset is None:
        yield ("training",), "learns from the dataset of the campaign, and there is none: add [dataset]", None
    if dataset is not None:
        for name in dataset.filters:
            yield from _fault(("dataset", name), partial(dataset.check_filter, name), None)
        yield from _fault(("dataset", "grid"), dataset.make_grid, dataset.grid)
        yield from _fault(("dataset", "split_by" if sum(dataset.split) == 1 else "split"), dataset.make_split, None)
        yield from _fault(("dataset", "intensity"), dataset.make_intensity, dataset.intensity)
    if training is not None:
        try:
            training.plan("")
        except InputError as error:
            named = [name for name in (*training.values, "encoder") if name in str(error).lower()]
            yield ("training", *named[:1]), str(error), None


def _fault(path: KeyPath, look: Callable[[], object], value: object) -> Iterator[Finding]:
    try:
        look()
    except InputError as error:
        yield path, str(error), value
