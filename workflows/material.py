"""From structures to stored spectra in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobflow import Flow, Job

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Calculator
from whiteline.convergence import Tolerance
from whiteline.database import open_store
from whiteline.database.documents import SpectrumDocument
from whiteline.edges import Edge
from whiteline.errors import CalculationError, InputError, ParameterError, StructureError
from whiteline.progress import Progress
from whiteline.settings import Settings, load_settings
from whiteline.spectrum import Spectrum
from whiteline.structures import NamedStructure, check_structure
from whiteline.workflows.convergence import ConvergenceMaker, MaterialConvergenceMaker, of_series
from whiteline.workflows.engines import make_calculator
from whiteline.workflows.flows import MaterialSpectrumMaker, SiteSpectrumMaker
from whiteline.workflows.local import run_flow
from whiteline.workflows.workspace import Workspace

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["MaterialResult", "converge_materials", "run_material", "run_materials"]


@dataclass(frozen=True, eq=False)
class MaterialResult:
    """What one material came to.

    Attributes:
        name: Name of the material.
        material: The multiplicity-weighted spectrum.
        sites: One spectrum for each inequivalent site.
        site_indices: Index of each of `sites` in the user's structure; the stored document may have been computed
            from another cell of the same crystal.
        multiplicities: Number of equivalent sites of each of `sites` in the user's structure.
        is_computed: Whether each of `sites` was computed now; otherwise the store had it.
        failures: Why computing each of `sites` failed now, empty where it did not; a failure to compute a stored
            site again leaves what was stored.
    """

    name: str
    material: SpectrumDocument
    sites: tuple[SpectrumDocument, ...]
    site_indices: tuple[int, ...]
    multiplicities: tuple[int, ...]
    is_computed: tuple[bool, ...]
    failures: tuple[str, ...]

    @property
    def spectrum(self) -> Spectrum:
        """The material's spectrum.

        Raises:
            CalculationError: A site failed; the message says which and why.
        """
        if self.material.spectrum is None:
            reasons = "; ".join(
                f"site {i}: {s.reason}" for i, s in zip(self.site_indices, self.sites, strict=True) if s.reason
            )
            raise CalculationError(f"{self.name} has no spectrum: {reasons}")
        return self.material.spectrum


def run_material(
    structure: Structure,
    absorber: str,
    edge: str = "K",
    *,
    name: str = "",
    code: str = "feff",
    preset: str = "standard",
    parameters: Mapping[str, Any] | None = None,
    n_processes: int = 1,
    is_forced: bool = False,
    settings: Settings | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> MaterialResult:
    """Compute and store the spectra of all inequivalent sites of `absorber`, and their average.

    Args:
        structure: Crystal.
        absorber: Absorbing element.
        edge: Absorption edge.
        name: Name of the material; its formula when empty.
        code: Code that computes.
        preset: Named parameters of the code.
        parameters: Values set on top of the preset.
        n_processes: Sites computed at a time.
        is_forced: Compute again what the store already has.
        settings: Machine facts; read from the environment when None.
        on_progress: Called with every step.

    Raises:
        InputError: Structure, element, edge or a parameter cannot be used.
        StoreError: The database or the run directory cannot be used.
    """
    name = name or structure.composition.reduced_formula
    check_structure(structure, name=name)
    return run_materials(
        [NamedStructure(structure, name, name)],
        absorber,
        edge,
        code=code,
        preset=preset,
        parameters=parameters,
        n_processes=n_processes,
        is_forced=is_forced,
        settings=settings,
        on_progress=on_progress,
    )[0]


def run_materials(
    structures: Sequence[NamedStructure],
    absorber: str,
    edge: str = "K",
    *,
    code: str = "feff",
    preset: str = "standard",
    parameters: Mapping[str, Any] | None = None,
    n_processes: int = 1,
    is_forced: bool = False,
    settings: Settings | None = None,
    on_start: Callable[[dict[str, float], int], None] = lambda *_: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> list[MaterialResult]:
    """Do for many structures what `run_material` does for one, in the same processes.

    `on_start` is called once, with the expected CPU time [s] of every site by its label and with `n_processes`.
    """
    if n_processes < 1:
        raise ParameterError(f"the number of processes must be at least 1, got {n_processes}")
    settings = settings or load_settings()
    workspace = Workspace.from_settings(settings, is_forced=is_forced)
    calculator = make_calculator(code, preset=preset, values=parameters, settings=settings)
    fidelity = f"{code}:{preset}{'+' if parameters else ''}"
    maker = MaterialSpectrumMaker(SiteSpectrumMaker(workspace, calculator, fidelity))
    flows = [_make_flow(maker, named, absorber, Edge.parse(edge)) for named in structures]
    return _run(flows, structures, workspace, calculator, n_processes, on_start=on_start, on_progress=on_progress)


def converge_materials(
    structures: Sequence[NamedStructure],
    absorber: str,
    edge: str = "K",
    *,
    code: str = "feff",
    preset: str = "standard",
    parameters: Mapping[str, Any] | None = None,
    knobs: Sequence[str] = (),
    tolerance: Tolerance | None = None,
    budget: float | None = None,
    n_processes: int = 1,
    settings: Settings | None = None,
    on_start: Callable[[dict[str, float], int], None] = lambda *_: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> list[MaterialResult]:
    """Converge and store the spectra of all inequivalent sites of `absorber`, and their averages.

    Rungs that the store has are not computed again, and the series of a material begins near where one of the same
    elements ended.

    Args:
        structures: Crystals.
        absorber: Absorbing element.
        edge: Absorption edge.
        code: Code that computes.
        preset: Named parameters of the code: those that are no knobs.
        parameters: Values set on top of the preset.
        knobs: Names of the parameters to converge in; all of the code's when empty.
        tolerance: When neighbouring rungs agree; the defaults when None.
        budget: Wall time for each site [s]; None sets no limit.
        n_processes: Sites converged at a time.
        settings: Machine facts; read from the environment when None.
        on_start: Called once, with the expected CPU time [s] of the first rung of every site by its label.
        on_progress: Called with every step.

    Raises:
        InputError: Structure, element, edge, knob or a parameter cannot be used.
        StoreError: The database or the run directory cannot be used.
    """
    if n_processes < 1:
        raise ParameterError(f"the number of processes must be at least 1, got {n_processes}")
    settings = settings or load_settings()
    workspace = Workspace.from_settings(settings)
    calculator = make_calculator(code, preset=preset, values=parameters, settings=settings)
    maker = MaterialConvergenceMaker(
        ConvergenceMaker(
            SiteSpectrumMaker(workspace, calculator, f"{code}:{preset}"),
            tolerance=tolerance or Tolerance(),
            knobs=tuple(knobs),
            budget=budget,
        )
    )
    flows = [_make_flow(maker, named, absorber, Edge.parse(edge)) for named in structures]
    return _run(
        flows,
        structures,
        workspace,
        calculator,
        n_processes,
        on_start=on_start,
        on_progress=lambda progress: on_progress(of_series(progress)),
    )


def _run(
    flows: Sequence[Flow],
    structures: Sequence[NamedStructure],
    workspace: Workspace,
    calculator: Calculator,
    n_processes: int,
    *,
    on_start: Callable[[dict[str, float], int], None],
    on_progress: Callable[[Progress], None],
) -> list[MaterialResult]:
    with open_store(workspace.database) as store:
        store.check_writable()
    sites = [job for flow in flows for job in flow.jobs[:-1] if isinstance(job, Job)]
    on_start({job.name: _estimate(calculator, job.function_args[0]) for job in sites}, n_processes)
    outputs = run_flow(Flow([*flows]), n_processes=n_processes, on_progress=on_progress)
    with open_store(workspace.database) as store:
        return [
            _result(named.name, [outputs[job.uuid] for job in flow.jobs], store.get)
            for named, flow in zip(structures, flows, strict=True)
        ]


def _make_flow(
    maker: MaterialSpectrumMaker | MaterialConvergenceMaker, named: NamedStructure, absorber: str, edge: Edge
) -> Flow:
    try:
        return maker.make(
            named.structure,
            absorber,
            edge,
            title=named.name,
            source=named.source,
            source_checksum=named.source_checksum,
        )
    except StructureError as error:
        raise StructureError(f"{named.source}: {error}") from error


def _estimate(calculator: Calculator, absorber: Absorber) -> float:
    """Return the expected CPU time [s]; 0 for a site that cannot be computed and will say so when it runs."""
    try:
        return calculator.estimate(absorber).cpu_time
    except InputError:
        return 0.0


def _result(name: str, outputs: list[dict[str, Any]], get: Callable[[str], SpectrumDocument]) -> MaterialResult:
    *sites, material = outputs
    return MaterialResult(
        name=name,
        material=get(material["id"]),
        sites=tuple(get(site["id"]) for site in sites),
        site_indices=tuple(site["site_index"] for site in sites),
        multiplicities=tuple(site["multiplicity"] for site in sites),
        is_computed=tuple(not site["is_from_store"] for site in sites),
        failures=tuple(site["reason"] for site in sites),
    )
