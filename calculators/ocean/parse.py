"""From an OCEAN run directory to a spectrum with its status."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from whiteline.absorber import Absorber
from whiteline.broadening import BroadeningRecord, Lorentzian, Origin
from whiteline.calculators.interface import Outcome
from whiteline.calculators.ocean.absorbing import find_running_indices
from whiteline.calculators.ocean.absspct import AbsspctTable, Layout, read_absspct
from whiteline.calculators.ocean.inputs import core_level
from whiteline.calculators.ocean.lanczos import read_abslanc
from whiteline.calculators.ocean.parameters import OceanParameters
from whiteline.calculators.ocean.photons import DEFAULT_PHOTONS, Photon, powder_average, read_photons
from whiteline.calculators.ocean.resolved import Axis, ResolvedRun, find_cause, find_failure, read_resolved
from whiteline.causes import Cause
from whiteline.errors import InputError, ParseError
from whiteline.polarisation import Polarisation
from whiteline.spectrum import EnergyReference, Quantity, Spectrum
from whiteline.status import Check, Status

__all__ = ["parse_run"]

_LETTERS: Final = "spdf"
_NAME = re.compile(r"absspct_(..)\.(\d{4})_(\d[spdf])_(\d{2})")
# eV; the axis is printed with eight digits, and OCEAN's Hartree has six.
_AXIS_TOLERANCE = 2.0e-3
# The spectrum is printed with eight digits; a fraction of other coefficients is nowhere near.
_SAME_SPECTRUM = 1.0e-3
_LARGEST_RESIDUAL = 1.0e-3
_SCF_DONE = "convergence has been achieved"
_SCF_FAILED = "convergence NOT achieved"


def parse_run(directory: Path, absorber: Absorber, parameters: OceanParameters) -> Outcome:
    """Return what the outputs in `directory` say: the absorber's spectra, one component a photon.

    A directory of ours has OCEAN's own tree; a foreign one may hold the files side by side. The absorber is found by
    its surroundings in the crystal that OCEAN computed, in their orientation.

    Raises:
        ParseError: An output is missing, cut off, damaged, or of another absorber.
    """
    failure = find_failure(directory)
    if failure:
        return Outcome(Status.FAILED, reason=f"OCEAN: {failure}", cause=find_cause(directory, failure))
    run = read_resolved(directory)
    folder = directory / "CNBSE" if (directory / "CNBSE").is_dir() else directory
    paths = _find_spectra(folder, absorber, run)
    photons = _match_photons(directory, folder, paths)
    tables = [read_absspct(path) for path in paths.values()]
    axis = _check_complete(tables, run, parameters)
    polarisations, is_average = _weigh(photons, absorber)
    checks = [
        *_convergence_checks(list(paths.values()), tables, parameters),
        *_scf_checks(directory),
        _polarisation_check(photons, is_average=is_average),
    ]
    if run.gaussian > 0:
        words = f"a Gaussian of {run.gaussian:g} eV broadens the spectrum too and is not on its record"
        checks.append(Check("broadening", is_passed=False, detail=words))
    checks.append(Check("axis", is_passed=True, detail=f"{axis.n_points} points, {axis.first:g} to {axis.last:g} eV"))
    if run.summary:
        checks.append(Check("resolved parameters", is_passed=True, detail=run.summary))
    failed = [check for check in checks if not check.is_passed]
    has_offset = run.has_core_offset if run.has_core_offset is not None else parameters.core_offset is not False
    spectrum = Spectrum(
        tables[0].energy,
        np.array([table.spectrum for table in tables]),
        polarisations=polarisations,
        energy_reference=EnergyReference.CORE_LEVEL if has_offset else EnergyReference.CONDUCTION_BAND_MINIMUM,
        quantity=Quantity.IM_EPSILON,
        scale=1.0,
        volume=_volume(tables[0], run, absorber),
        broadening=_broadening(tables[0], run, parameters),
    )
    files = (*paths.values(), *(p for p in map(_abslanc, paths.values()) if p.is_file()), *run.files)
    return Outcome(
        status=Status.UNCONVERGED if failed else Status.CONVERGED,
        spectrum=spectrum,
        reason="; ".join(f"{check.name}: {check.detail}" for check in failed),
        checks=tuple(checks),
        code_version=run.version,
        output_files=tuple(str(path.relative_to(directory)) for path in files),
        cause=_cause(failed),
    )


def _cause(failed: list[Check]) -> Cause | None:
    names = {check.name.split()[0] for check in failed}
    if "scf" in names:
        return Cause.SCF
    if names & {"haydock", "gmres"}:
        return Cause.LANCZOS
    return Cause.UNKNOWN if failed else None


def _find_spectra(folder: Path, absorber: Absorber, run: ResolvedRun) -> dict[int, Path]:
    """Return the absorber's absspct files by the number of their photon."""
    try:
        n, l_core = core_level(absorber.edge)
    except InputError as error:
        raise ParseError(f"{folder} cannot hold the spectrum of {absorber.label}: {error}") from error
    wanted = (f"{absorber.element:_<2}", f"{n}{_LETTERS[l_core]}")
    found: dict[int, dict[int, Path]] = {}
    for path in sorted(folder.glob("absspct_*")):
        match = _NAME.fullmatch(path.name)
        if match and (match.group(1), match.group(3)) == wanted:
            found.setdefault(int(match.group(2)), {})[int(match.group(4))] = path
    indices = find_running_indices(absorber, run.cell, source=str(folder))
    for index in indices:
        if index in found:
            return found[index]
    names = ", ".join(path.name for path in sorted(folder.glob("absspct_*"))[:6]) or "none"
    raise ParseError(
        f"{folder} has no absspct file of {absorber.label} (absspct_{wanted[0]}.{indices[0]:04d}_{wanted[1]}_*), "
        f"only {names}: OCEAN did not get to the spectrum, or computed another absorber or edge"
    )


def _match_photons(directory: Path, folder: Path, paths: dict[int, Path]) -> list[Photon]:
    """Return the photon of each spectrum."""
    photons = read_photons(directory) or read_photons(folder) or DEFAULT_PHOTONS
    if set(photons) != set(paths):
        missing = sorted(set(photons) ^ set(paths))
        raise ParseError(
            f"{folder} has spectra of the photons {sorted(paths)}, and the photon files are {sorted(photons)}: "
            f"number {missing[0]} is missing, run the calculation again"
        )
    return [photons[number] for number in paths]


def _weigh(photons: Sequence[Photon], absorber: Absorber) -> tuple[tuple[Polarisation, ...], bool]:
    """Return the photons with their weights, and whether they make a powder average.

    Those that we ask for have exact weights, so that the sites of a material can be averaged component by component.
    """
    usual = absorber.polarisations
    if [photon.label for photon in photons] == [polarisation.label for polarisation in usual]:
        return usual, True
    return powder_average(photons, absorber.site_rotations)


def _check_complete(tables: Sequence[AbsspctTable], run: ResolvedRun, parameters: OceanParameters) -> Axis:
    """Refuse a spectrum that has not all the energies it was asked for, and return its axis."""
    is_gmres = tables[0].layout is Layout.GMRES
    expected = run.axis or _asked_axis(parameters)
    for table in tables:
        n, first, last = len(table.energy), float(table.energy[0]), float(table.energy[-1])
        if table.layout is not tables[0].layout or not np.array_equal(table.energy, tables[0].energy):
            raise ParseError(f"{table.source} has other energies than {tables[0].source}: one of them is cut off")
        n_whole = expected.n_points if is_gmres or table.layout is Layout.VERSION_2 else expected.n_points + 1
        low, high = expected.first, expected.last
        if table.layout is Layout.VERSION_2:
            # Version 2 takes the middle of each step, and prints their number itself.
            n_whole = table.n_points or n_whole
            half = (high - low) / (2 * n_whole)
            low, high = low + half, high - half
        if n != n_whole or abs(first - low) > _AXIS_TOLERANCE or abs(last - high) > _AXIS_TOLERANCE:
            raise ParseError(
                f"{table.source} has {n} energies from {first:g} to {last:g} eV, expected {n_whole} from {low:g} to "
                f"{high:g}: it is cut off, or of a run with other parameters"
            )
    return expected


def _asked_axis(parameters: OceanParameters) -> Axis:
    if parameters.gmres_grid:
        return Axis(len(parameters.gmres_grid), parameters.gmres_grid[0], parameters.gmres_grid[-1])
    return Axis(parameters.spectrum_points, *parameters.spectrum_range)


def _convergence_checks(
    paths: Sequence[Path], tables: Sequence[AbsspctTable], parameters: OceanParameters
) -> list[Check]:
    return [_convergence(path, table, parameters) for path, table in zip(paths, tables, strict=True)]


def _convergence(path: Path, table: AbsspctTable, parameters: OceanParameters) -> Check:
    """Return whether the solver of one spectrum converged."""
    photon = path.name.rsplit("_", 1)[-1]
    if table.half_width is None:
        residual = table.residual if table.residual is not None else np.inf
        words = f"largest residual {residual:.1e}, at most {_LARGEST_RESIDUAL:g} is trusted"
        return Check(f"gmres {photon}", is_passed=residual <= _LARGEST_RESIDUAL, detail=words)
    name, limit = f"haydock {photon}", parameters.haydock_threshold
    if not _abslanc(path).is_file():
        most = parameters.haydock_iterations
        words = f"{table.iterations} of at most {most} iterations"
        return Check(name, is_passed=table.iterations < most, detail=words)
    recursion = read_abslanc(_abslanc(path))
    again = recursion.spectrum(table.energy, half_width=table.half_width)
    error = float(np.abs(again - table.spectrum).max() / table.spectrum.max())
    if error > _SAME_SPECTRUM:
        words = f"the coefficients in {_abslanc(path).name} give another spectrum, off by {error:.1e}"
        return Check(name, is_passed=False, detail=words)
    spacing = parameters.haydock_spacing
    change = recursion.change(table.energy, half_width=table.half_width, spacing=spacing)
    words = f"the last {spacing} of {table.iterations} iterations change {change:.1e} of the area, {limit:g} asked for"
    return Check(name, is_passed=change <= limit, detail=words)


def _abslanc(path: Path) -> Path:
    return path.with_name(path.name.replace("absspct", "abslanc", 1))


def _scf_checks(directory: Path) -> list[Check]:
    """Return whether the density converged, where the output of Quantum ESPRESSO is there."""
    path = next((p for p in (directory / "DFT" / "scf.out", directory / "scf.out") if p.is_file()), None)
    if path is None:
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    is_done = _SCF_DONE in text and _SCF_FAILED not in text
    return [Check("scf", is_passed=is_done, detail=f"{_SCF_DONE if is_done else _SCF_FAILED}, says {path.name}")]


def _polarisation_check(photons: Sequence[Photon], *, is_average: bool) -> Check:
    labels = ", ".join(photon.label for photon in photons)
    words = f"the photons {labels} " + ("make" if is_average else "do not make") + " the powder average of a dipole"
    return Check("polarisations", is_passed=is_average, detail=words)


def _volume(table: AbsspctTable, run: ResolvedRun, absorber: Absorber) -> float:
    """Return the volume of the cell that holds one excited atom [Å³]."""
    if table.volume is not None:
        return table.volume
    if run.cell is not None:
        return float(abs(np.linalg.det(run.cell.lattice)))
    return absorber.primitive_volume


def _broadening(table: AbsspctTable, run: ResolvedRun, parameters: OceanParameters) -> tuple[BroadeningRecord, ...]:
    """Return the Lorentzian that OCEAN applied: its `broaden` is the lifetime of the core hole, as a half width."""
    half_width = table.half_width or run.half_width or parameters.half_width
    if half_width is None:
        return ()
    return (BroadeningRecord(Lorentzian(2 * half_width), Origin.LIFETIME, applied_by="ocean"),)
