"""From a FEFF run directory to a spectrum with its status."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from whiteline.absorber import Absorber
from whiteline.averaging import add
from whiteline.broadening import BroadeningRecord, Lorentzian, Origin
from whiteline.calculators.feff.parameters import FeffParameters
from whiteline.calculators.feff.run import LOG_NAME
from whiteline.calculators.feff.xmu import XmuTable, read_xmu
from whiteline.calculators.interface import Outcome
from whiteline.edges import Edge
from whiteline.errors import ParseError
from whiteline.spectrum import EnergyReference, Quantity, Spectrum
from whiteline.status import Check, Status

__all__ = ["parse_run", "spectrum_from_xmu"]

# FEFF prints cross-sections in Å²; 1 Mbarn is 0.01 Å².
MBARN_PER_SQUARE_ANGSTROM = 100.0
# Half of the last of three decimals [eV], [1/Å], with a little room: what old versions print.
_MESH_TOLERANCE = 1.0e-3
_K_TOLERANCE = 1.0e-3
_CONVERGED = re.compile(r"Convergence reached in\s+(\d+)\s+iterations")


def parse_run(directory: Path, absorber: Absorber, parameters: FeffParameters) -> Outcome:
    """Return what the outputs in `directory` say; the parts of a combined edge are summed in absolute units.

    Raises:
        ParseError: An output is missing, cut off, damaged, or of another absorber.
    """
    parts = absorber.edge.parts
    folders = [directory / part if len(parts) > 1 else directory for part in parts]
    tables = [_read_part(folder, absorber, part, parameters) for folder, part in zip(folders, parts, strict=True)]
    checks = tuple(
        check
        for folder, part in zip(folders, parts, strict=True)
        for check in _checks(folder, parameters, suffix=f" {part}" if len(parts) > 1 else "")
    )
    spectra = [spectrum_from_xmu(table, volume=_volume_per_absorber(absorber)) for table in tables]
    spectrum = spectra[0] if len(spectra) == 1 else add(spectra, edges=[table.edge_energy for table in tables])
    failed = [check for check in checks if not check.is_passed]
    return Outcome(
        status=Status.UNCONVERGED if failed else Status.CONVERGED,
        spectrum=spectrum,
        reason="; ".join(f"{check.name}: {check.detail}" for check in failed),
        checks=checks,
        code_version=tables[0].version,
        output_files=tuple(f"{part}/xmu.dat" if len(parts) > 1 else "xmu.dat" for part in parts),
    )


def spectrum_from_xmu(table: XmuTable, *, volume: float | None = None) -> Spectrum:
    """Return the absorption spectrum of an xmu.dat on absolute photon energies.

    The raw intensity is FEFF's `mu`; `scale` is its normalisation factor in Mbarn.

    Raises:
        ParseError: The table is not an absorption spectrum, or it is zero.
    """
    if table.columns[3] != "mu":
        raise ParseError(f"{table.source}: expected an absorption spectrum (column mu), got {' '.join(table.columns)}")
    omega, mu = table.data[:, 0], table.data[:, 3]
    if not mu.any():
        raise ParseError(f"{table.source}: the spectrum is zero everywhere")
    # Old versions print three decimals: neighbours on a fine grid can share an energy.
    energy, first = np.unique(omega, return_index=True)
    width = table.core_hole_width + 2 * table.extra_broadening
    return Spectrum(
        energy,
        mu[first],
        energy_reference=EnergyReference.ABSOLUTE,
        quantity=Quantity.CROSS_SECTION,
        scale=table.norm * MBARN_PER_SQUARE_ANGSTROM if table.norm else None,
        volume=volume,
        broadening=(BroadeningRecord(Lorentzian(width), Origin.LIFETIME, applied_by=table.version),),
    )


def _volume_per_absorber(absorber: Absorber) -> float:
    """Return the volume of the primitive cell [Å³], in which one atom of the orbit is taken as excited."""
    return float(absorber.structure.volume / absorber.n_primitive_cells)


def _read_part(folder: Path, absorber: Absorber, part: Edge, parameters: FeffParameters) -> XmuTable:
    path = folder / "xmu.dat"
    if not path.is_file():
        raise ParseError(f"{path} is missing: FEFF did not get to the spectrum; see {folder / LOG_NAME}")
    table = read_xmu(path)
    # FEFF takes an edge name that it does not know for K, without a word.
    if (table.atomic_number, table.shell) != (absorber.atomic_number, part.value):
        raise ParseError(
            f"{path} is of Z={table.atomic_number} {table.shell}, expected Z={absorber.atomic_number} {part}"
        )
    _check_complete(table, folder, path, parameters)
    return table


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
    rows = [line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    try:
        return max(float(row[1]) for row in rows if len(row) == 3 and not row[0].startswith("#"))
    except ValueError as error:
        raise ParseError(f"{path} is damaged, expected three numbers a line: run the calculation again") from error


def _checks(folder: Path, parameters: FeffParameters, *, suffix: str) -> list[Check]:
    if parameters.scf_radius is None:
        return [Check(f"scf{suffix}", is_passed=True, detail="no self-consistency was asked for")]
    limit = parameters.scf_max_iterations
    match = next((m for m in map(_CONVERGED.search, _logs(folder)) if m), None)
    if match:
        return [Check(f"scf{suffix}", is_passed=True, detail=f"{match.group(1)} of at most {limit} iterations")]
    return [Check(f"scf{suffix}", is_passed=False, detail=f"the potentials did not converge in {limit} iterations")]


def _logs(folder: Path) -> list[str]:
    """Return the texts in which FEFF may report the self-consistency."""
    names = (LOG_NAME, "log1.dat", "feff.out")
    return [
        (folder / name).read_text(encoding="utf-8", errors="replace") for name in names if (folder / name).is_file()
    ]
