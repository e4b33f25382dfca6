"""Finished FEFF runs: feff.inp with xmu.dat or eels.dat, packed or not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from whiteline.absorber import Absorber
from whiteline.broadening import BroadeningRecord, Lorentzian, Origin
from whiteline.calculators.feff.eels import EelsTable, read_eels
from whiteline.calculators.feff.spectra import spectrum_from_loss, spectrum_from_xmu
from whiteline.calculators.feff.xmu import XmuTable, read_xmu
from whiteline.calculators.interface import Outcome
from whiteline.database.ingest import Folder, IngestOptions, Skipped
from whiteline.database.ingest.sample import find_site
from whiteline.edges import Edge
from whiteline.errors import InputError, ParseError, StructureError
from whiteline.spectrum import Spectrum
from whiteline.status import Check
from whiteline.structures import element_symbol
from whiteline.workflows.ingest.feff_input import FeffInput, read_feff_input
from whiteline.workflows.ingest.nearby import REACH, find_structures, matching_site
from whiteline.workflows.ingest.run_document import Run, RunResult, failed, outcome_of
from whiteline.workflows.ingest.staging import RunFiles, select

__all__ = ["FeffRuns"]

_INPUT: Final = "feff.inp"
_SPECTRA: Final = ("xmu.dat", "referencexmu.dat")
_LOSSES: Final = ("eels.dat", "reference_eels.dat")
_LOGS: Final = ("feff.log", "log1.dat", "feff.out", "log.dat")
# What FEFF leaves when it stops before the spectrum.
_TRACES: Final = ("log*.dat", "feff.out", "feff.log", "pot.inp", "geom.dat", "ldos.inp", "atoms.dat", "xsph.inp")
_CONVERGED = re.compile(r"Convergence reached in\s+(\d+)\s+iterations")
_NAMES_OF_LEVELS = {"K": "K", "LI": "L1", "LII": "L2", "LIII": "L3"}


class FeffRuns:
    """Recognises folders with a feff.inp."""

    kind = "feff"

    def find(self, folder: Folder) -> Run | None:
        """Return the FEFF run of a folder; None where there is no input, or no trace of a run, of FEFF."""
        outputs = select(folder, (*_SPECTRA, *_LOSSES, *_TRACES))
        inputs = select(folder, (_INPUT,))
        if not inputs or not outputs:
            return None
        crystals = select(folder, ("*.cif",))
        return Run(
            "feff",
            RunFiles(folder.path, {**inputs, **outputs, **crystals}),
            lambda staged, options: [_parse(staged, folder.path, options)],
        )


def _parse(folder: Path, home: Path, options: IngestOptions) -> RunResult | Skipped:
    given = read_feff_input(folder / _INPUT)
    table, problem = _table(folder)
    element, edge = _level(given, table, options)
    if element is None or edge is None:
        return Skipped(str(home), "neither feff.inp nor the spectrum says which edge it is: give --absorber and --edge")
    if table is not None and table.columns[3] != "mu":
        return Skipped(
            str(home),
            f"its spectrum is {table.columns[3]}: only absorption and energy loss are kept",
        )
    outcome = _outcome(folder, given, table, problem)
    absorber = _absorber(folder, given, element, edge, home, options)
    return RunResult(
        absorber=absorber,
        element=element,
        edge=edge.value,
        outcome=outcome,
        parameters={name: given.cards[name] for name in sorted(given.cards)},
        elements=given.elements if element in given.elements else (),
    )


def _table(folder: Path) -> tuple[XmuTable | None, str]:
    path = next((folder / name for name in _SPECTRA if (folder / name).is_file()), None)
    if path is None:
        return None, ""
    try:
        return read_xmu(path), ""
    except ParseError as error:
        return None, str(error)


def _level(given: FeffInput, table: XmuTable | None, options: IngestOptions) -> tuple[str | None, Edge | None]:
    if table is None:
        return given.element or options.absorber, given.edge or options.edge
    from ase.data import chemical_symbols

    known = 0 < table.atomic_number < len(chemical_symbols)
    element = str(chemical_symbols[table.atomic_number]) if known else options.absorber
    name = _NAMES_OF_LEVELS.get(table.shell.upper(), table.shell)
    edge = Edge(name) if name in list(Edge) else options.edge
    return element, edge


def _outcome(folder: Path, given: FeffInput, table: XmuTable | None, problem: str) -> Outcome:
    if problem:
        return failed(problem)
    spectrum: Spectrum | None = None
    version = ""
    try:
        if table is not None:
            spectrum, version = spectrum_from_xmu(table), table.version
        else:
            loss = next((folder / name for name in _LOSSES if (folder / name).is_file()), None)
            spectrum = None if loss is None else _loss_alone(read_eels(loss))
    except (InputError, ParseError) as error:
        return failed(str(error))
    if spectrum is None:
        return failed(f"{folder} holds no xmu.dat or eels.dat: FEFF stopped before the spectrum{_last_words(folder)}")
    return outcome_of(spectrum, [_scf_check(folder, given)], version=version)


def _loss_alone(table: EelsTable) -> Spectrum:
    """Return an energy-loss spectrum without the xmu.dat of its run, on the six digits of energy that eels.dat has."""
    width = BroadeningRecord(Lorentzian(table.core_hole_width), Origin.LIFETIME, applied_by="FEFF")
    return spectrum_from_loss(table, table.data[:, 0], width)


def _scf_check(folder: Path, given: FeffInput) -> Check:
    if "SCF" not in given.cards:
        return Check("scf", is_passed=True, detail="no self-consistency was asked for")
    logs = {name: folder / name for name in _LOGS if (folder / name).is_file()}
    for name, path in logs.items():
        text = path.read_text(encoding="utf-8", errors="replace")
        found = _CONVERGED.search(text)
        if found:
            return Check("scf", is_passed=True, detail=f"{found[1]} iterations, says {name}")
    if not logs:
        return Check("scf", is_passed=False, detail="no log says whether the potentials converged")
    return Check("scf", is_passed=False, detail=f"{', '.join(logs)} report no convergence")


def _last_words(folder: Path) -> str:
    for name in _LOGS:
        if (folder / name).is_file():
            lines = (folder / name).read_text(encoding="utf-8", errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "")
            return f"; the last line of {name} is {last[:120]!r}" if last else ""
    return ""


def _absorber(
    folder: Path, given: FeffInput, element: str, edge: Edge, home: Path, options: IngestOptions
) -> Absorber | None:
    """Return the site in a crystal whose surroundings are those of the cluster."""
    neighbours, reach = given.neighbours(REACH)
    if neighbours and reach > 2.0:
        crystals: list[Any] = [given.crystal] if given.crystal is not None else []
        for structure in (*crystals, *find_structures(home, options.limits)):
            try:
                found = matching_site(structure, element, edge, neighbours, reach=reach)
            except StructureError:
                continue
            if found is not None:
                return found
    elif "CIF" in given.cards:
        return _only_site(folder, given, element, edge)
    return None


def _only_site(folder: Path, given: FeffInput, element: str, edge: Edge) -> Absorber | None:
    """Return the site of a crystal that FEFF itself read, where there is only one that it can be."""
    from whiteline.structures import read_structure

    path = folder / Path(given.cards["CIF"].strip("'\" ")).name
    if not path.is_file():
        return None
    try:
        structure = read_structure(path)
        sites = [i for i, site in enumerate(structure) if element_symbol(site.specie) == element]
        found = find_site(structure, sites[0], edge) if sites else None
    except InputError:
        return None
    return found if found is not None and found.multiplicity == len(sites) else None
