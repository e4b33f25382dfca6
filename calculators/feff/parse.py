"""From a FEFF run directory to a spectrum with its status."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from whiteline.absorber import Absorber
from whiteline.averaging import add
from whiteline.calculators.feff.eels import EelsTable, read_eels
from whiteline.calculators.feff.parameters import Elnes, FeffParameters
from whiteline.calculators.feff.plan import Channel, SubRun, plan_runs
from whiteline.calculators.feff.run import LOG_NAME
from whiteline.calculators.feff.spectra import spectrum_from_channels, spectrum_from_eels
from whiteline.calculators.feff.xmu import XmuTable, read_xmu
from whiteline.calculators.interface import Outcome
from whiteline.causes import Cause
from whiteline.errors import ParseError
from whiteline.spectrum import Spectrum
from whiteline.status import Check, Status

__all__ = ["parse_run"]

# Half of the last of three decimals [eV], [1/Å], with a little room: what old versions print.
_MESH_TOLERANCE = 1.0e-3
_K_TOLERANCE = 1.0e-3
_CONVERGED = re.compile(r"Convergence reached in\s+(\d+)\s+iterations")


def parse_run(directory: Path, absorber: Absorber, parameters: FeffParameters) -> Outcome:
    """Return what the outputs in `directory` say; the parts of a combined edge are summed in absolute units.

    Raises:
        ParseError: An output is missing, cut off, damaged, or of another absorber.
    """
    runs = plan_runs(absorber.edge, parameters.spin)
    tables = {run: _read_table(directory, run, absorber, parameters) for run in runs}
    checks = tuple(
        _scf_check(directory / run.folder, parameters, name=" ".join(filter(None, ("scf", run.folder)))) for run in runs
    )
    spectra, edges = [], []
    for part in absorber.edge.parts:
        of_part = {run.channel: table for run, table in tables.items() if run.edge is part}
        spectra.append(_spectrum(absorber, parameters, of_part, part=part.value))
        edges.append(next(iter(of_part.values())).edge_energy)
    failed = [check for check in checks if not check.is_passed]
    return Outcome(
        status=Status.UNCONVERGED if failed else Status.CONVERGED,
        spectrum=spectra[0] if len(spectra) == 1 else add(spectra, edges=edges),
        reason="; ".join(f"{check.name}: {check.detail}" for check in failed),
        checks=checks,
        code_version=next(iter(tables.values())).version,
        output_files=tuple(run.path(name) for run in runs for name in _output_names(parameters.elnes)),
        cause=Cause.SCF if failed else None,
    )


def _output_names(elnes: Elnes | None) -> tuple[str, ...]:
    """Return the tables of one run, the one with the absorption first: averages over orientations are its tenth."""
    if elnes is None:
        return ("xmu.dat",)
    return ("xmu10.dat" if elnes.beam_direction is None else "xmu.dat", "eels.dat")


def _spectrum(
    absorber: Absorber, parameters: FeffParameters, tables: dict[Channel, XmuTable], *, part: str
) -> Spectrum:
    """Return the spectrum of one part of the edge."""
    volume = absorber.primitive_volume
    name = part if len(absorber.edge.parts) > 1 else ""
    if parameters.elnes is None:
        return spectrum_from_channels(tables, volume=volume, part=name)
    table = tables[Channel.ALL]
    path = Path(table.source).with_name("eels.dat")
    if not path.is_file():
        raise ParseError(f"{path} is missing: FEFF did not get to the energy loss; see {path.with_name(LOG_NAME)}")
    eels = read_eels(path)
    _check_geometry(eels, parameters.elnes)
    return spectrum_from_eels(eels, table, volume=volume, part=name)


def _read_table(directory: Path, run: SubRun, absorber: Absorber, parameters: FeffParameters) -> XmuTable:
    folder = directory / run.folder
    path = folder / _output_names(parameters.elnes)[0]
    if not path.is_file():
        raise ParseError(f"{path} is missing: FEFF did not get to the spectrum; see {folder / LOG_NAME}")
    table = read_xmu(path)
    # FEFF takes an edge name that it does not know for K, without a word.
    if (table.atomic_number, table.shell) != (absorber.atomic_number, run.edge.value):
        raise ParseError(
            f"{path} is of Z={table.atomic_number} {table.shell}, expected Z={absorber.atomic_number} {run.edge}"
        )
    _check_complete(table, folder, path, parameters)
    return table


def _check_geometry(eels: EelsTable, elnes: Elnes) -> None:
    """Refuse a table of another beam or detector than was asked for."""
    direction = np.zeros(3)
    if elnes.beam_direction is not None:
        direction = np.array(elnes.beam_direction) / np.linalg.norm(elnes.beam_direction)
    asked = (elnes.beam_energy, elnes.collection_angle, elnes.convergence_angle, *direction.tolist())
    found = (eels.beam_energy, eels.collection_angle, eels.convergence_angle, *(eels.beam_direction or (0.0,) * 3))
    # keV without decimals; mrad and the unit vector with three.
    is_same = np.abs(np.subtract(asked, found)) <= (0.51, *[0.51e-3] * 5)
    if not is_same.all() or eels.is_relativistic is not elnes.relativistic:
        raise ParseError(
            f"{eels.source} is of another geometry: beam energy [keV], collection and convergence angle [mrad] and "
            f"beam direction are {found}, expected {asked}"
        )


def _check_complete(table: XmuTable, folder: Path, path: Path, parameters: FeffParameters) -> None:
    """Refuse a table that ends before the energy mesh on which FEFF computed it."""
    top = float(table.data[-1, 1])
    expected = _mesh_top(folder / "emesh.dat")
    if expected is not None and top < expected - _MESH_TOLERANCE:
        raise ParseError(
            f"{path} ends at {top:.2f} eV of FEFF's energy zero, its mesh (emesh.dat) at {expected:.2f}: "
            "it is cut off, run the calculation again"
        )
    # Old versions write no mesh: the grid that was asked for stands in.
    k, needed = float(table.data[-1, 2]), parameters.complete_above
    if expected is None and k < needed + _K_TOLERANCE:
        raise ParseError(
            f"{path} ends at k = {k:g} 1/Å, expected more than {needed:g}: it is cut off, run the calculation again"
        )


def _mesh_top(path: Path) -> float | None:
    """Return the highest energy of FEFF's mesh [eV], or None where FEFF wrote no mesh."""
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8", errors="replace")
    if not text.endswith("\n"):
        raise ParseError(f"{path} ends in the middle of a line: run the calculation again")
    rows = [line.split() for line in text.splitlines()]
    try:
        return max(float(row[1]) for row in rows if len(row) == 3 and not row[0].startswith("#"))
    except ValueError as error:
        raise ParseError(f"{path} is damaged, expected three numbers a line: run the calculation again") from error


def _scf_check(folder: Path, parameters: FeffParameters, *, name: str) -> Check:
    if parameters.scf_radius is None:
        return Check(name, is_passed=True, detail="no self-consistency was asked for")
    limit = parameters.scf_max_iterations
    match = next((m for m in map(_CONVERGED.search, _logs(folder)) if m), None)
    if match:
        return Check(name, is_passed=True, detail=f"{match.group(1)} of at most {limit} iterations")
    return Check(name, is_passed=False, detail=f"the potentials did not converge in {limit} iterations")


def _logs(folder: Path) -> list[str]:
    """Return the texts in which FEFF may report the self-consistency."""
    names = (LOG_NAME, "log1.dat", "feff.out")
    return [
        (folder / name).read_text(encoding="utf-8", errors="replace") for name in names if (folder / name).is_file()
    ]
