"""Finished exciting runs: the dielectric function of a core level, with input.xml or without."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Final

from whiteline.calculators.exciting.inputs import INPUT_NAME
from whiteline.calculators.exciting.logs import read_ground_state_log, read_spectrum_log
from whiteline.calculators.exciting.parameters import ExcitingParameters
from whiteline.calculators.exciting.parse import parse_run, spectrum_from_epsilon
from whiteline.calculators.exciting.run_input import RunInput, read_run_input
from whiteline.calculators.exciting.tables import find_table, read_epsilon
from whiteline.database.ingest import Folder, IngestOptions, Skipped
from whiteline.database.ingest.sample import find_site
from whiteline.database.ingest.walk import list_folder
from whiteline.edges import Edge, edge_energy
from whiteline.errors import ParseError
from whiteline.status import Check
from whiteline.structures import check_structure
from whiteline.workflows.ingest.nearby import file_above
from whiteline.workflows.ingest.run_document import Run, RunResult, failed, outcome_of
from whiteline.workflows.ingest.staging import RunFiles, select

__all__ = ["ExcitingRuns"]

_KINDS: Final = ("EPSILON", "EXCITON", "LOSS")
_LOGS: Final = ("INFO.OUT", "INFOXS.OUT")
_TYPES: Final = ("singlet", "triplet", "RPA", "IP")
_AXES: Final = ("11", "22", "33")
# Folders above a run in which published outputs keep the log of the density.
_LEVELS: Final = 3


class ExcitingRuns:
    """Recognises folders with a dielectric function of exciting, or with the input of one and a log."""

    kind = "exciting"

    def find(self, folder: Folder) -> Run | None:
        """Return the exciting run of a folder; None where it holds no output of the Bethe-Salpeter solver."""
        tables = select(folder, [f"{kind}_*.OUT" for kind in _KINDS])
        own = select(folder, (INPUT_NAME, *_LOGS))
        for kind in set(_KINDS) & folder.folders:
            tables |= select(list_folder(folder.path / kind), [f"{kind}_*.OUT"], below=kind)
        if not any(Path(name).name.startswith("EPSILON_") for name in tables) and "INFOXS.OUT" not in own:
            return None
        above = {} if {INPUT_NAME, "INFO.OUT"} & set(own) else file_above(folder.path, "INFO.OUT", levels=_LEVELS)
        files = RunFiles(folder.path, {**tables, **above, **own})
        return Run(
            "exciting", files, lambda staged, options: [_parse(staged, folder.path, options)], takes_subfolders=True
        )


def _parse(folder: Path, home: Path, options: IngestOptions) -> RunResult | Skipped:
    path = folder / INPUT_NAME
    if not path.is_file():
        return _without_input(folder, home, options)
    given = read_run_input(path)
    absorber = find_site(_structure(given, path), given.i_absorber, Edge.parse(given.edge))
    try:
        outcome = parse_run(folder, absorber, ExcitingParameters())
    except ParseError as error:
        outcome = failed(str(error))
    return RunResult(
        absorber=absorber,
        element=absorber.element,
        edge=absorber.edge.value,
        outcome=outcome,
        parameters=_parameters(path),
    )


def _structure(given: RunInput, path: Path) -> Any:
    from pymatgen.core import Structure

    structure = Structure(given.lattice, list(given.elements), given.positions)
    check_structure(structure, name=str(path))
    return structure


def _without_input(folder: Path, home: Path, options: IngestOptions) -> RunResult | Skipped:
    """Return the spectrum of tables that nothing names the atom of, if the user does."""
    if options.absorber is None or options.edge is None:
        return Skipped(
            str(home), f"there is no {INPUT_NAME} that says which atom was excited: give --absorber and --edge"
        )
    edge_energy(options.absorber, options.edge)
    kind = next((kind for kind in _TYPES if find_table(folder, "EPSILON", bse_type=kind, axes="11")), None)
    if kind is None:
        return Skipped(str(home), "holds no EPSILON table of the x axis: exciting did not get to the spectrum")
    paths = [find_table(folder, "EPSILON", bse_type=kind, axes=axes) for axes in _AXES]
    tables = tuple(read_epsilon(path) for path in paths if path is not None)
    if len(tables) != len(_AXES):
        return Skipped(str(home), "lacks a table of the y or z axis: take all three from the run")
    checks = [*_log_checks(folder), Check("absorber", is_passed=False, detail=f"no {INPUT_NAME} says which atom it is")]
    return RunResult(
        absorber=None,
        element=options.absorber,
        edge=options.edge.value,
        outcome=outcome_of(spectrum_from_epsilon(tables), checks),
        parameters={"BSE": {"bsetype": kind}},
    )


def _log_checks(folder: Path) -> list[Check]:
    info, infoxs = (folder / name for name in _LOGS)
    checks = []
    if info.is_file():
        log = read_ground_state_log(info)
        checks.append(Check("scf", is_passed=log.is_converged, detail=f"{log.n_iterations} iterations"))
    else:
        checks.append(Check("scf", is_passed=False, detail="no INFO.OUT says whether the density converged"))
    is_done = infoxs.is_file() and read_spectrum_log(infoxs).is_finished
    words = "the solver came to its end" if is_done else "no INFOXS.OUT says whether the solver came to its end"
    return [*checks, Check("end", is_passed=is_done, detail=words)]


def _parameters(path: Path) -> dict[str, Any]:
    """Return the attributes of the input's ground state and spectrum, element by element."""
    root = ET.parse(path).getroot()  # noqa: S314  # read before by its own reader; expat expands no external entities
    found: dict[str, Any] = {}
    for name in ("groundstate", "xs"):
        element = root.find(name)
        if element is not None:
            found[name] = dict(sorted(element.attrib.items()))
            found |= {child.tag: dict(sorted(child.attrib.items())) for child in element if child.attrib}
    return found
