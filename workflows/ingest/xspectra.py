"""Finished runs of xspectra.x, one folder a direction of the field, with the density's log above."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from whiteline.absorber import Absorber
from whiteline.calculators.ocean.photons import Photon, powder_average
from whiteline.calculators.xspectra.logs import XanesLog, read_scf_log
from whiteline.calculators.xspectra.parse import XanesRun, read_run, spectrum_from_runs
from whiteline.database.ingest import Folder, IngestOptions, Skipped
from whiteline.database.ingest.limits import unpacked_name
from whiteline.database.ingest.sample import find_site
from whiteline.database.ingest.walk import list_folder
from whiteline.edges import Edge, edge_energy
from whiteline.errors import ParameterError, ParseError
from whiteline.status import Check
from whiteline.structures import check_structure
from whiteline.workflows.ingest.namelists import read_namelists
from whiteline.workflows.ingest.run_document import Run, RunResult, failed, outcome_of
from whiteline.workflows.ingest.staging import RunFiles, select

__all__ = ["LANCZOS_LOG", "XSpectraRuns"]

# Log of the run that a replot (xonly_plot) was drawn from, beside the replot's own files.
LANCZOS_LOG: Final = "lanczos.out"
_NAMES: Final = ("xanes.dat", "xanes.out", "xanes.in", LANCZOS_LOG)
_EDGES: Final = (Edge.K, Edge.L1, Edge.L2, Edge.L3)
_CORE_TOLERANCE: Final = 0.05
_SCF: Final = "scf.out"
_SCF_INPUT: Final = "scf.in"
_LEVELS: Final = 3
# What xspectra.x takes where its input names none.
_RANGE: Final = {"xnepoint": "100", "xemin": "0", "xemax": "10"}


class XSpectraRuns:
    """Recognises a folder whose folders, or itself, hold the output of xspectra.x."""

    kind = "xspectra"

    def find(self, folder: Folder) -> Run | None:
        """Return the run of a folder; None where it holds no output of xspectra.x."""
        directions: dict[str, Path] = {}
        for name in sorted(folder.folders):
            directions |= _outputs(list_folder(folder.path / name), below=name)
        is_alone = not directions
        if is_alone:
            directions = _outputs(folder, below="")
        if not directions:
            return None
        files = RunFiles(folder.path, {**directions, **_density(folder.path)})
        return Run(
            "xspectra",
            files,
            lambda staged, options: _parse(staged, folder.path, options),
            takes_subfolders=not is_alone,
        )


def _outputs(folder: Folder, *, below: str) -> dict[str, Path]:
    found = select(folder, _NAMES, below=below)
    return found if any(Path(name).name in ("xanes.dat", "xanes.out") for name in found) else {}


def _density(home: Path) -> dict[str, Path]:
    """Return the log of pw.x, and its input, of a folder or of one above it; the name may end in the site's."""
    for place in (home, *list(home.absolute().parents)[:_LEVELS]):
        try:
            folder = list_folder(place)
        except OSError:
            return {}
        names = (_SCF, f"es_{home.name}.out", "es.out", "pw.out", "gs.out")
        plain = {unpacked_name(name): name for name in sorted(folder.files, reverse=True)}
        found = next((name for name in names if name in plain), None)
        if found is not None:
            own = {_SCF: place / plain[found]}
            inputs = plain.get(f"{found.removesuffix('.out')}.in")
            return {**own, _SCF_INPUT: place / inputs} if inputs else own
    return {}


def _parse(folder: Path, home: Path, options: IngestOptions) -> Sequence[RunResult | Skipped]:
    places = sorted({path.parent for name in ("xanes.dat", "xanes.out") for path in folder.rglob(name)})
    runs: dict[Edge, list[tuple[Path, XanesRun]]] = {}
    problems: list[str] = []
    for place in places:
        try:
            run = _read(place)
            runs.setdefault(_edge(place / "xanes.in", run), []).append((place, run))
        except ParseError as error:
            problems.append(str(error))
    if not runs:
        return [_failure(folder, home, places, "; ".join(problems), options)]
    found: list[RunResult | Skipped] = [Skipped(str(home), problem) for problem in problems]
    for edge, members in runs.items():
        found.append(_spectrum(folder, edge, members, n_missing=len(problems), has_many=len(runs) > 1))
    return found


def _read(place: Path) -> XanesRun:
    """Return the run of a folder; a replot knows its range of energies, and all else the run that it was drawn from."""
    if not (place / LANCZOS_LOG).is_file():
        return read_run(place / "xanes.dat", place / "xanes.out")
    path = place / "xanes.in"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    plot = _RANGE | read_namelists(text).get("plot", {})
    try:
        n_energy, low, high = (float(re.sub("[dD]", "e", plot[name])) for name in _RANGE)
    except ValueError as error:
        raise ParseError(f"{path}: expected numbers for {', '.join(_RANGE)}: it is damaged") from error
    return read_run(
        place / "xanes.dat",
        place / LANCZOS_LOG,
        of_all=lambda log: replace(log, n_energy=int(n_energy), energy_min=low, energy_max=high),
    )


def _spectrum(
    folder: Path, edge: Edge, members: Sequence[tuple[Path, XanesRun]], *, n_missing: int, has_many: bool
) -> RunResult:
    runs = [run for _, run in members]
    absorber = _absorber(runs[0], edge, str(members[0][0] / "xanes.out"))
    photons = [Photon("dipole", _field(run.log)) for run in runs]
    polarisations, is_average = powder_average(photons, absorber.site_rotations)
    spectrum = spectrum_from_runs(runs, polarisations, edge=edge)
    is_average = is_average and not n_missing
    words = f"the fields {', '.join(p.label for p in photons)} {'make' if is_average else 'do not make'}"
    checks = [
        _scf_check(folder),
        *(_lanczos_check(place.name, run) for place, run in members),
        Check("polarisations", is_passed=is_average, detail=f"{words} the powder average of a dipole"),
    ]
    return RunResult(
        absorber=absorber,
        element=absorber.element,
        edge=edge.value,
        outcome=outcome_of(spectrum, checks, version=runs[0].log.version),
        parameters=_parameters(folder, members[0][0]),
        label=edge.value if has_many else "",
    )


def _absorber(run: XanesRun, edge: Edge, source: str) -> Absorber:
    """Return the excited atom in the cell that xspectra.x printed."""
    from pymatgen.core import Structure

    log = run.log
    numbers = {label: i for i, label in log.labels.items()}
    elements = [log.species.get(numbers.get(label, 0), "") for label in log.site_labels]
    if "" in elements:
        raise ParseError(f"{source}: the element of an atom is unknown: it is damaged")
    structure = Structure(log.lattice, elements, log.positions, coords_are_cartesian=True)
    check_structure(structure, name=source)
    return find_site(structure, log.site_labels.index(log.labels[run.table.i_species]), edge)


def _edge(path: Path, run: XanesRun) -> Edge:
    """Return the edge that the input names, checked against the energy of the core level."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    # xspectra.x takes K where its input names none.
    named = read_namelists(text).get("input_xspectra", {}).get("edge", "K" if text else "")
    try:
        candidates = [Edge.parse(named)] if named else list(_EDGES)
    except ParameterError as error:
        raise ParseError(f"{path}: {error}") from error
    fitting = [edge for edge in candidates if _fits(run, edge)]
    # Without an input L2 and L3 are too close to be told apart.
    if len(fitting) != 1:
        raise ParseError(
            f"{run.table.source} is of {run.element} with a core level at {run.log.core_energy:g} eV, which "
            f"{'is not ' + named if named else 'does not say which edge it is'}: keep xanes.in beside it"
        )
    return fitting[0]


def _fits(run: XanesRun, edge: Edge) -> bool:
    try:
        tabulated = edge_energy(run.element, edge)
    except ParameterError:
        return False
    return abs(run.log.core_energy - tabulated) <= _CORE_TOLERANCE * tabulated


def _field(log: XanesLog) -> tuple[float, float, float]:
    """Return the direction of the field in Cartesian axes."""
    vector = np.array(log.field) if log.is_cartesian else np.array(log.field) @ log.lattice
    norm = float(np.linalg.norm(vector))
    if not (np.isfinite(norm) and norm > 0):
        raise ParseError("the electric field has no direction: the output is damaged")
    x, y, z = (round(float(component), 6) + 0.0 for component in vector / norm)
    return (x, y, z)


def _scf_check(folder: Path) -> Check:
    path = folder / _SCF
    if not path.is_file():
        return Check("scf", is_passed=False, detail="no log of pw.x says whether the density converged")
    try:
        log = read_scf_log(path)
    except ParseError as error:
        return Check("scf", is_passed=False, detail=str(error))
    detail = f"{log.n_iteration} steps" if log.is_converged else f"not converged in {log.n_iteration} steps"
    return Check("scf", is_passed=log.is_converged, detail=detail)


def _lanczos_check(name: str, run: XanesRun) -> Check:
    log = run.log
    detail = f"{log.n_converged} of {log.n_converged + log.n_unconverged} recursions converged"
    return Check(f"Lanczos {name}", is_passed=log.n_unconverged == 0, detail=detail)


def _parameters(folder: Path, place: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in (folder / _SCF_INPUT, place / "xanes.in"):
        if path.is_file():
            found |= read_namelists(path.read_text(encoding="utf-8", errors="replace"))
    # The direction differs between the runs of one spectrum.
    asked = found.get("input_xspectra", {})
    found["input_xspectra"] = {n: v for n, v in asked.items() if not n.startswith(("xepsilon", "xcoordcrys"))}
    return {name: values for name, values in found.items() if values}


def _failure(
    folder: Path, home: Path, places: Sequence[Path], reason: str, options: IngestOptions
) -> RunResult | Skipped:
    """Return the failure of runs of which none left a whole spectrum, where absorber and edge are known."""
    parameters = _parameters(folder, places[0])
    named = parameters.get("input_xspectra", {}).get("edge", "")
    element = options.absorber or _element(places[0])
    try:
        edge = Edge.parse(named) if named else options.edge
        if element is None or edge is None:
            return Skipped(str(home), reason)
        edge_energy(element, edge)
    except ParameterError:
        return Skipped(str(home), reason)
    return RunResult(absorber=None, element=element, edge=edge.value, outcome=failed(reason), parameters=parameters)


def _element(place: Path) -> str | None:
    """Return the element of the absorbing species, where the output got that far."""
    paths = [place / name for name in ("xanes.in", "xanes.out")]
    if not all(path.is_file() for path in paths):
        return None
    asked, printed = (path.read_text(encoding="utf-8", errors="replace") for path in paths)
    number = read_namelists(asked).get("input_xspectra", {}).get("xiabs", "1")
    found = dict(re.findall(r"PseudoPot\. #\s*(\d+) for\s+([A-Z][a-z]?)\s", printed))
    return found.get(number)
