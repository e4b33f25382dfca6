"""Which sites go to which engines, and what has to be left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from whiteline.absorber import Absorber, find_absorbers
from whiteline.calculators.interface import Calculator
from whiteline.edges import Edge
from whiteline.errors import (
    InputError,
    MissingDependencyError,
    ParameterError,
    ParseError,
    StructureError,
    did_you_mean,
)
from whiteline.settings import Settings, load_settings
from whiteline.structures import NamedStructure
from whiteline.workflows.engines import ENGINES, make_calculator

__all__ = ["SITE_ERRORS", "Plan", "Problem", "Task", "choose_engines", "make_plan"]

# What is wrong with one site or one engine only, and no reason to leave the others out.
SITE_ERRORS: Final = (InputError, MissingDependencyError, ParseError)


@dataclass(frozen=True)
class Problem:
    """An engine or a material of which no site could be looked at.

    Attributes:
        subject: Name of the engine or source of the material.
        reason: What is wrong and what to do.
    """

    subject: str
    reason: str


@dataclass(frozen=True, eq=False)
class Task:
    """One site and one engine.

    Attributes:
        material: The crystal.
        absorber: Site and edge.
        n_absorbers: Number of atoms of the absorbing element in the crystal.
        calculator: The engine with its parameters.
        fidelity: Engine and preset, by which spectra are queried.
    """

    material: NamedStructure
    absorber: Absorber
    n_absorbers: int
    calculator: Calculator
    fidelity: str


@dataclass(frozen=True, eq=False)
class Plan:
    """Materials and engines that go together.

    Attributes:
        structures: Crystals.
        element: Absorbing element.
        edge: Absorption edge.
        calculators: The engines by fidelity.
        problems: Engines that have to be left out.
    """

    structures: Sequence[NamedStructure]
    element: str
    edge: Edge
    calculators: Mapping[str, Calculator]
    problems: tuple[Problem, ...]

    def tasks(self, on_progress: Callable[[float, str], None]) -> Iterator[Task | Problem]:
        """Yield every inequivalent site with every engine, or what is wrong with a material, one after the other.

        Raises:
            StructureError: The element is not in the only structure.
            ParameterError: The element is unknown or does not have the edge.
        """
        for i, named in enumerate(self.structures):
            try:
                absorbers = find_absorbers(named.structure, self.element, self.edge)
            except StructureError as error:
                if len(self.structures) == 1:
                    raise StructureError(f"{named.source}: {error}") from error
                yield Problem(named.source, str(error))
                continue
            n_absorbers = sum(absorber.multiplicity for absorber in absorbers)
            for k, absorber in enumerate(absorbers):
                on_progress((i + k / len(absorbers)) / len(self.structures), f"{named.name} {absorber.label}")
                for fidelity, calculator in self.calculators.items():
                    yield Task(named, absorber, n_absorbers, calculator, fidelity)
        on_progress(1.0, "")


def choose_engines(names: Sequence[str]) -> tuple[str, ...]:
    """Return the engines that were named, each once; `all` stands for every one.

    Raises:
        ParameterError: No such engine.

    >>> choose_engines(["ocean", "feff", "ocean"]), len(choose_engines(["all"]))
    (('ocean', 'feff'), 5)
    """
    for name in names:
        if name not in {*ENGINES, "all"}:
            raise ParameterError(f"unknown engine {name!r}: {did_you_mean(name, [*ENGINES, 'all'])}")
    return tuple(ENGINES) if "all" in names else tuple(dict.fromkeys(names))


def make_plan(
    structures: Sequence[NamedStructure],
    element: str,
    edge: str,
    *,
    codes: Sequence[str],
    preset: str,
    parameters: Mapping[str, Any] | None,
    settings: Settings | None,
) -> Plan:
    """Return what is to be done; an engine that cannot be set up is a problem, and the only engine an error.

    Args:
        structures: Crystals.
        element: Absorbing element.
        edge: Absorption edge.
        codes: Engines; `all` stands for every one.
        preset: Named parameters of the engines.
        parameters: Values on top of the preset; `feff.fms_radius` is for FEFF alone.
        settings: Machine facts; read from the environment when None.

    Raises:
        ParameterError: The edge, the name of an engine, or the preset or a value of the only engine cannot be used.
    """
    settings = settings or load_settings()
    engines = choose_engines(codes)
    calculators: dict[str, Calculator] = {}
    problems = []
    for code in engines:
        values = _values_of(code, parameters or {}, engines)
        try:
            made = make_calculator(code, preset=preset, values=values, settings=settings)
        except SITE_ERRORS as error:
            if len(engines) == 1:
                raise
            problems.append(Problem(code, str(error)))
        else:
            calculators[f"{code}:{preset}{'+' if values else ''}"] = made
    return Plan(structures, element, Edge.parse(edge), calculators, tuple(problems))


def _values_of(code: str, parameters: Mapping[str, Any], engines: Sequence[str]) -> dict[str, Any]:
    """Return the values meant for one engine: those without an engine's name and those with its own."""
    values = {}
    for name, value in parameters.items():
        engine, separator, rest = name.partition(".")
        if not separator:
            values[name] = value
        elif engine not in engines:
            raise ParameterError(f"{name} is a parameter of no engine that is used: {did_you_mean(engine, engines)}")
        elif engine == code:
            values[rest] = value
    return values
