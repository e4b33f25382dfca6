"""Before anything runs: what is missing or wrong for each site and engine, and inputs ready to submit elsewhere."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from whiteline.calculators.interface import Estimate, Finding, Level
from whiteline.errors import MissingDependencyError
from whiteline.provenance import library_versions
from whiteline.settings import Settings
from whiteline.structures import NamedStructure
from whiteline.workflows.jobs import site_calculation_id
from whiteline.workflows.placement import InputState, file_checksums, place_inputs
from whiteline.workflows.plan import SITE_ERRORS, Problem, Task, make_plan
from whiteline.workflows.site_file import SiteFile

__all__ = [
    "CheckReport",
    "CheckedSite",
    "FindingGroup",
    "InputReport",
    "WrittenSite",
    "check_materials",
    "group_findings",
    "write_inputs",
]

_LONGEST_NAME = 80


@dataclass(frozen=True)
class CheckedSite:
    """What is known of one site with one engine.

    Attributes:
        material: Name of the material.
        source: Where its structure came from: names may repeat, sources do not.
        label: Site and edge, e.g. `Ti0 K`.
        multiplicity: Number of equivalent sites in the user's structure.
        code: The engine.
        findings: What was found.
        estimate: Expected cost; None where the engine cannot compute the site.
    """

    material: str
    source: str
    label: str
    multiplicity: int
    code: str
    findings: tuple[Finding, ...]
    estimate: Estimate | None

    @property
    def has_error(self) -> bool:
        """Whether the calculation cannot work."""
        return any(finding.level is Level.ERROR for finding in self.findings)


@dataclass(frozen=True)
class CheckReport:
    """What is known before anything starts.

    Attributes:
        sites: Every site with every engine.
        problems: Engines and materials that could not be looked at.
    """

    sites: tuple[CheckedSite, ...]
    problems: tuple[Problem, ...]

    @property
    def is_ready(self) -> bool:
        """Whether every calculation may start."""
        return not self.problems and not any(site.has_error for site in self.sites)


@dataclass(frozen=True)
class FindingGroup:
    """One finding and all the sites that have it.

    Attributes:
        code: The engine.
        finding: What was found.
        sites: The sites, by material and label.
    """

    code: str
    finding: Finding
    sites: tuple[str, ...]


@dataclass(frozen=True)
class WrittenSite:
    """The inputs of one site for one engine.

    Attributes:
        material: Name of the material.
        source: Where its structure came from: names may repeat, sources do not.
        label: Site and edge, e.g. `Ti0 K`.
        multiplicity: Number of equivalent sites in the user's structure.
        code: The engine.
        state: What came of it.
        folder: Where the inputs are, or would be.
        files: Paths of the input files inside the folder; empty when there are none.
        calculation_id: Identity under which the spectrum will be stored; empty where it cannot be told.
        reason: Why there are no inputs, what they lack, or what else lies in a folder whose inputs were replaced.
    """

    material: str
    source: str
    label: str
    multiplicity: int
    code: str
    state: InputState
    folder: Path
    files: tuple[str, ...] = ()
    calculation_id: str = ""
    reason: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether the folder holds all that was asked for."""
        return self.state in {InputState.WRITTEN, InputState.UNCHANGED, InputState.REPLACED}


@dataclass(frozen=True)
class InputReport:
    """What was written.

    Attributes:
        sites: Every site with every engine.
        problems: Engines and materials for which nothing was written.
    """

    sites: tuple[WrittenSite, ...]
    problems: tuple[Problem, ...]

    @property
    def is_complete(self) -> bool:
        """Whether all inputs that were asked for are there."""
        return not self.problems and all(site.is_ready for site in self.sites)


def check_materials(
    structures: Sequence[NamedStructure],
    absorber: str,
    edge: str = "K",
    *,
    codes: Sequence[str] = ("feff",),
    preset: str = "standard",
    parameters: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    on_progress: Callable[[float, str], None] = lambda *_: None,
) -> CheckReport:
    """Return what is missing or wrong for every inequivalent site and every engine; nothing is run or written.

    Args:
        structures: Crystals.
        absorber: Absorbing element.
        edge: Absorption edge.
        codes: Engines; `all` stands for every one.
        preset: Named parameters of the engines.
        parameters: Values on top of the preset; `feff.fms_radius` is for FEFF alone.
        settings: Machine facts; read from the environment when None.
        on_progress: Called with the share that is done, 0 to 1, and what is being looked at.

    Raises:
        InputError: Element, edge or an engine's name cannot be used, or the only structure or the only engine.
    """
    plan = make_plan(structures, absorber, edge, codes=codes, preset=preset, parameters=parameters, settings=settings)
    problems = list(plan.problems)
    sites = []
    for task in plan.tasks(on_progress):
        if isinstance(task, Problem):
            problems.append(task)
            continue
        site, calculator = task.absorber, task.calculator
        try:
            estimate = calculator.estimate(site)
        except SITE_ERRORS:  # `check` says the same in its own words
            estimate = None
        findings = tuple(calculator.check(site))
        name, source = task.material.name, task.material.source
        sites.append(CheckedSite(name, source, site.label, site.multiplicity, calculator.code, findings, estimate))
    return CheckReport(tuple(sites), tuple(problems))


def group_findings(sites: Sequence[CheckedSite]) -> list[FindingGroup]:
    """Return every finding once with the sites that have it: by engine, errors first, then as the sites come."""
    groups: dict[tuple[str, Finding], list[str]] = {}
    for site in sites:
        for finding in dict.fromkeys(site.findings):
            groups.setdefault((site.code, finding), []).append(f"{site.material} {site.label}")
    codes = list(dict.fromkeys(site.code for site in sites))
    levels = [Level.ERROR, Level.WARNING, Level.OK]
    order = sorted(groups, key=lambda key: (codes.index(key[0]), levels.index(key[1].level)))
    return [FindingGroup(code, finding, tuple(groups[code, finding])) for code, finding in order]


def write_inputs(
    structures: Sequence[NamedStructure],
    absorber: str,
    edge: str = "K",
    *,
    folder: Path,
    codes: Sequence[str] = ("feff",),
    preset: str = "standard",
    parameters: Mapping[str, Any] | None = None,
    is_forced: bool = False,
    settings: Settings | None = None,
    on_progress: Callable[[float, str], None] = lambda *_: None,
) -> InputReport:
    """Write the inputs of every inequivalent site for every engine, ready to submit.

    They go to `folder/<material>/<engine>/<element><site>-<edge>/`, with a `whiteline.json` beside them that says what
    they are (`whiteline.workflows.site_file`). A site that cannot be written leaves the others alone. Nothing that
    differs is overwritten unless forced.

    Args:
        structures: Crystals.
        absorber: Absorbing element.
        edge: Absorption edge.
        folder: Where the inputs go.
        codes: Engines; `all` stands for every one.
        preset: Named parameters of the engines.
        parameters: Values on top of the preset; `feff.fms_radius` is for FEFF alone.
        is_forced: Replace inputs that differ.
        settings: Machine facts; read from the environment when None.
        on_progress: Called with the share that is done, 0 to 1, and what is being written.

    Raises:
        InputError: Element, edge or an engine's name cannot be used, or the only structure or the only engine.
        OSError: The folder cannot be written.
    """
    plan = make_plan(structures, absorber, edge, codes=codes, preset=preset, parameters=parameters, settings=settings)
    homes = _material_folders(structures)
    checksums: dict[Path, str] = {}
    versions = library_versions()
    problems = list(plan.problems)
    sites = []
    for task in plan.tasks(on_progress):
        if isinstance(task, Problem):
            problems.append(task)
            continue
        site = task.absorber
        home = folder / homes[task.material.source] / task.calculator.code
        place = home / f"{site.element}{site.site_index}-{site.edge}"
        sites.append(_write_site(task, place, checksums=checksums, versions=versions, is_forced=is_forced))
    return InputReport(tuple(sites), tuple(problems))


def _write_site(
    task: Task, place: Path, *, checksums: dict[Path, str], versions: Mapping[str, str], is_forced: bool
) -> WrittenSite:
    site, calculator = task.absorber, task.calculator
    result = WrittenSite(
        material=task.material.name,
        source=task.material.source,
        label=site.label,
        multiplicity=site.multiplicity,
        code=calculator.code,
        state=InputState.FAILED,
        folder=place,
    )
    try:
        inputs = calculator.inputs(site)
        files, absent = _files(task)
        identity, missing = _identity(task)
        missing = missing or absent
        site_file = SiteFile(
            absorber=site,
            n_absorbers=task.n_absorbers,
            material=result.material,
            source=result.source,
            source_checksum=task.material.source_checksum,
            code=result.code,
            fidelity=task.fidelity,
            parameters=calculator.parameters_dict,
            circumstances={name: value for name, value in identity.items() if name not in calculator.parameters_dict},
            calculation_id="" if missing else site_calculation_id(site, calculator),
            files=file_checksums(inputs, files, checksums),
            versions=versions,
        )
    except SITE_ERRORS as error:
        return replace(result, reason=str(error))
    state, note = place_inputs(place, inputs, files, site_file, is_forced=is_forced)
    if missing and state is not InputState.REFUSED:
        state, note = InputState.INCOMPLETE, f"{missing}{f'; {note}' if note else ''}"
    return replace(
        result,
        state=state,
        files=tuple(sorted(site_file.files)),
        calculation_id=site_file.calculation_id,
        reason=note,
    )


def _files(task: Task) -> tuple[Mapping[str, Path], str]:
    """Return the files that go beside the inputs, or none and which of them is not here."""
    try:
        return task.calculator.files(task.absorber), ""
    except MissingDependencyError as error:
        return {}, str(error)


def _identity(task: Task) -> tuple[dict[str, Any], str]:
    """Return what decides the spectrum, or nothing and which file has to be here to tell."""
    try:
        return task.calculator.identity(task.absorber), ""
    except MissingDependencyError as error:
        return {}, str(error)


def _material_folders(structures: Sequence[NamedStructure]) -> dict[str, str]:
    """Return a folder name for every source; materials of one name are told apart by where they came from."""
    # Names come from files and from keys inside files: they must not lead out of the folder.
    names = {s.source: re.sub(r"[^\w+-]+", "_", s.name)[:_LONGEST_NAME] for s in structures}
    counts = Counter(name.casefold() for name in names.values())
    return {
        source: name if counts[name.casefold()] == 1 else f"{name}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
        for source, name in names.items()
    }
