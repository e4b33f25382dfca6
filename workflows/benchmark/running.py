"""Spectra of all codes: imported where they were made elsewhere, served from the store, or computed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from whiteline.absorber import find_absorbers
from whiteline.database import open_store
from whiteline.errors import CalculationError, ParameterError, did_you_mean
from whiteline.progress import Progress
from whiteline.provenance import utc_now
from whiteline.settings import Settings, load_settings
from whiteline.status import Status
from whiteline.structures import NamedStructure
from whiteline.workflows.benchmark.definition import Benchmark
from whiteline.workflows.benchmark.importing import import_outputs
from whiteline.workflows.benchmark.report import make_report_folder
from whiteline.workflows.benchmark.results import BenchmarkRun, CodeReport, Origin, SiteResult
from whiteline.workflows.engines import make_calculator
from whiteline.workflows.jobs import site_calculation_id
from whiteline.workflows.material import MaterialResult, run_materials
from whiteline.workflows.plan import SITE_ERRORS, Problem
from whiteline.workflows.preparation import check_materials, group_findings, write_inputs

__all__ = ["run_benchmark"]


@dataclass(frozen=True, eq=False)
class _Order:
    """What all codes share: machine, values on top of the preset, and how to run."""

    benchmark: Benchmark
    preset: str
    parameters: Mapping[str, Mapping[str, Any]]
    folder: Path
    n_processes: int
    is_forced: bool
    settings: Settings
    on_start: Callable[[dict[str, float], int], None]
    on_progress: Callable[[Progress], None]


def run_benchmark(
    benchmark: Benchmark,
    *,
    folder: Path,
    preset: str = "",
    parameters: Mapping[str, Any] | None = None,
    import_from: Path | None = None,
    is_computing: bool = True,
    n_processes: int = 1,
    is_forced: bool = False,
    settings: Settings | None = None,
    on_start: Callable[[dict[str, float], int], None] = lambda *_: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> BenchmarkRun:
    """Return the spectra of a benchmark, with what could not be had and why.

    What is imported of a material counts for its code, and nothing of it is computed. Everything else is computed
    where the code is ready on this machine; where it is not, its inputs are written.

    Args:
        benchmark: Materials, codes and presets.
        folder: Folder of the report; inputs go to `inputs` in it.
        preset: Name of a preset, as the benchmark calls it; its first when empty.
        parameters: Values on top of the preset, each named after its code: `feff.fms_radius`.
        import_from: Folder with outputs that were made elsewhere.
        is_computing: Whether to compute what is not imported.
        n_processes: Sites computed at a time.
        is_forced: Compute and import again what the store already has.
        settings: Machine facts; read from the environment when None.
        on_start: Called before each code with the expected CPU time [s] of every site so far, and with `n_processes`.
        on_progress: Called with every step.

    Raises:
        InputError: The preset, a parameter or the folder to import from cannot be used.
        StoreError: The database, the run directory or the folder of the report cannot be used.
    """
    preset = preset or benchmark.presets[0]
    if preset not in benchmark.presets:
        raise ParameterError(f"{benchmark.name} has no preset {preset!r}: {did_you_mean(preset, benchmark.presets)}")
    settings = settings or load_settings()
    values = _by_code(parameters or {}, benchmark)
    for code, of_code in values.items():
        name = benchmark.codes[code].presets.get(preset, "standard")
        make_calculator(code, preset=name, values=of_code, settings=settings)
    started = utc_now()
    sites: list[SiteResult] = []
    problems: list[Problem] = []
    if import_from is not None:
        with open_store(settings.database) as store:
            sites, problems = import_outputs(
                import_from, benchmark, store=store, settings=settings, is_forced=is_forced
            )
    make_report_folder(folder)
    order = _Order(benchmark, preset, values, folder, n_processes, is_forced, settings, on_start, on_progress)
    order = replace(order, on_start=_accumulate(on_start))
    reports = []
    for code in benchmark.codes:
        imported = {site.material for site in sites if site.code == code}
        wanted = [m for m in benchmark.materials if m.name not in imported] if is_computing else []
        report, computed, troubles = _run_code(code, wanted, order)
        reports.append(report)
        sites += computed
        problems += troubles
    place = {name: i for i, name in enumerate(benchmark.codes)}
    names = [material.name for material in benchmark.materials]
    sites.sort(key=lambda site: (names.index(site.material), place[site.code], site.site_index))
    return BenchmarkRun(benchmark, preset, tuple(sites), tuple(reports), tuple(problems), started, utc_now())


def _by_code(parameters: Mapping[str, Any], benchmark: Benchmark) -> dict[str, dict[str, Any]]:
    """Return the values of each code."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in parameters.items():
        code, separator, rest = name.partition(".")
        if not separator:
            raise ParameterError(f"{name} names no code: write e.g. {next(iter(benchmark.codes))}.{name}")
        if code not in benchmark.codes:
            raise ParameterError(f"{name} is of no code that is compared: {did_you_mean(code, benchmark.codes)}")
        found.setdefault(code, {})[rest] = value
    return found


def _accumulate(on_start: Callable[[dict[str, float], int], None]) -> Callable[[dict[str, float], int], None]:
    """Return a function that names the sites of earlier codes too, as ones that cost nothing more."""
    before: dict[str, float] = {}

    def announce(estimates: dict[str, float], n_processes: int) -> None:
        on_start({**before, **estimates}, n_processes)
        before.update(dict.fromkeys(estimates, 0.0))

    return announce


def _run_code(
    code: str, wanted: list[NamedStructure], order: _Order
) -> tuple[CodeReport, list[SiteResult], list[Problem]]:
    """Compute what can be computed here, and write the inputs of the rest."""
    benchmark, values = order.benchmark, order.parameters.get(code, {})
    presets = benchmark.codes[code].presets
    report = CodeReport(code, presets.get(order.preset, ""), {})
    if not wanted and not report.preset:
        return report, [], []
    if not report.preset:
        words = f"the benchmark has no preset {order.preset!r} of it: {did_you_mean(order.preset, presets)}"
        return report, [], [Problem(code, words)]
    common: dict[str, Any] = {"preset": report.preset, "parameters": values, "settings": order.settings}
    try:
        calculator = make_calculator(code, preset=report.preset, values=values, settings=order.settings)
        report = replace(report, parameters=calculator.parameters_dict)
        if not wanted:
            return report, [], []
        check = check_materials(wanted, benchmark.absorber, benchmark.edge.value, codes=[code], **common)
        blocked = {site.source for site in check.sites if site.has_error} | {p.subject for p in check.problems}
        ready = [m for m in wanted if m.source not in blocked or _is_stored(m, code, order, common)]
        rest = [m for m in wanted if m not in ready]
        report = replace(
            report,
            findings=tuple(group_findings([s for s in check.sites if s.source in {m.source for m in rest}])),
            not_run=tuple(material.name for material in rest),
        )
        problems = list(check.problems)
        if rest:
            home = order.folder / "inputs"
            written = write_inputs(rest, benchmark.absorber, benchmark.edge.value, folder=home, codes=[code], **common)
            n_ready = sum(site.is_ready for site in written.sites)
            report = replace(report, inputs=home if n_ready else None, n_inputs=n_ready)
            said = {group.finding.detail for group in report.findings}
            reasons = dict.fromkeys(site.reason for site in written.sites if site.reason and site.reason not in said)
            problems += [Problem(f"inputs of {code}", reason) for reason in reasons]
        computed = _compute(code, ready, order, common) if ready else []
    except (*SITE_ERRORS, CalculationError) as error:
        return report, [], [Problem(code, str(error))]
    return report, computed, problems


def _is_stored(material: NamedStructure, code: str, order: _Order, common: Mapping[str, Any]) -> bool:
    """Return whether the store has every site already, so that the code need not be on this machine."""
    if order.is_forced:
        return False
    calculator = make_calculator(
        code, preset=common["preset"], values=common["parameters"], settings=common["settings"]
    )
    absorbers = find_absorbers(material.structure, order.benchmark.absorber, order.benchmark.edge)
    try:
        identities = [site_calculation_id(absorber, calculator) for absorber in absorbers]
    except SITE_ERRORS:
        return False
    with open_store(order.settings.database) as store:
        return all((status := store.status_of(i)) is not None and status.has_spectrum for i in identities)


def _compute(code: str, ready: list[NamedStructure], order: _Order, common: Mapping[str, Any]) -> list[SiteResult]:
    results = run_materials(
        ready,
        order.benchmark.absorber,
        order.benchmark.edge.value,
        code=code,
        n_processes=order.n_processes,
        is_forced=order.is_forced,
        on_start=lambda estimates, n: order.on_start({f"{code} {k}": v for k, v in estimates.items()}, n),
        on_progress=lambda step: order.on_progress(replace(step, label=f"{code} {step.label}")),
        **common,
    )
    times = _wall_times(results, order.settings)
    return [
        SiteResult(
            material=result.name,
            code=code,
            site_index=index,
            multiplicity=multiplicity,
            document=document,
            origin=Origin.COMPUTED if is_new else Origin.STORED,
            wall_time=times[document.id],
            failure=failure,
        )
        for result in results
        for document, index, multiplicity, is_new, failure in zip(
            result.sites, result.site_indices, result.multiplicities, result.is_computed, result.failures, strict=True
        )
    ]


def _wall_times(results: list[MaterialResult], settings: Settings) -> dict[str, float | None]:
    """Return how long each site was computed when it was last, none where it was imported."""
    times: dict[str, float | None] = {}
    with open_store(settings.database) as store:
        for document in (site for result in results for site in result.sites):
            computed = [r for r in store.records(document.id) if not r.activity.endswith("-import")]
            has_time = computed and document.status is not Status.FAILED
            times[document.id] = computed[-1].wall_time if has_time else None
    return times
