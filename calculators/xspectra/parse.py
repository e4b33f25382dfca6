"""From an XSpectra run directory to a spectrum with its status."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.absorber import SYMMETRY_TOLERANCE, Absorber
from whiteline.averaging import add
from whiteline.broadening import BroadeningRecord, Lorentzian, Origin, core_hole_width
from whiteline.calculators.interface import Outcome
from whiteline.calculators.kpoints import BOHR
from whiteline.calculators.xspectra.inputs import folders
from whiteline.calculators.xspectra.logs import ScfLog, XanesLog, read_scf_log, read_xanes_log
from whiteline.calculators.xspectra.parameters import XSpectraParameters
from whiteline.calculators.xspectra.recursions import count_recursions, read_recursions
from whiteline.calculators.xspectra.repairs import SATURATED
from whiteline.calculators.xspectra.xanes import XanesTable, read_xanes
from whiteline.causes import Cause
from whiteline.edges import Edge, edge_energy
from whiteline.errors import InputError, ParseError
from whiteline.polarisation import Polarisation
from whiteline.spectrum import EnergyReference, Quantity, Spectrum
from whiteline.status import Check, Status
from whiteline.structures import element_symbol
from whiteline.units import MBARN_PER_A2

__all__ = ["MBARN_PER_BOHR2", "XanesRun", "parse_run", "read_run", "spectrum_from_runs"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

MBARN_PER_BOHR2: Final = BOHR**2 * MBARN_PER_A2
# Å; how far around the absorber the atoms in the log are compared with the structure's, and how well they agree: the
# cell that is computed repeats one of the sites that symmetry makes equal, each of which may be a tolerance off.
_NEIGHBOURS, _DISTANCE_TOLERANCE = 4.0, 2 * SYMMETRY_TOLERANCE
_GAMMA_TOLERANCE = 6e-4  # eV; the table prints three decimals
_CORE_TOLERANCE = 0.05  # of the edge energy: how far two tables of core levels are apart at most
_ASSIGNMENT = re.compile(r"^\s*(edge|xiabs)\s*=\s*('\w+'|\d+)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class XanesRun:
    """One run of xspectra.x: its spectrum and what it printed.

    Attributes:
        table: The spectrum.
        log: What was printed.
    """

    table: XanesTable
    log: XanesLog

    @property
    def element(self) -> str:
        """Element of the absorber."""
        return self.log.species[self.table.i_species]


def read_run(data: Path, log: Path, *, of_all: Callable[[XanesLog], XanesLog] = lambda log: log) -> XanesRun:
    """Return a run of xspectra.x from its xanes.dat and its output, which says how long the spectrum must be.

    Args:
        data: The spectrum.
        log: What xspectra.x printed.
        of_all: Fills in what a log leaves out, of recursions that another pool or an earlier start computed.

    Raises:
        ParseError: One is missing, cut off, damaged, or they are not of one run.
    """
    printed = of_all(read_xanes_log(log))
    if not printed.n_converged + printed.n_unconverged:
        raise ParseError(f"{log} lacks the recursions: run xspectra.x again")
    table = read_xanes(data, n_energy=printed.n_energy, energy_min=printed.energy_min, energy_max=printed.energy_max)
    label = printed.labels.get(table.i_species)
    if table.i_species not in printed.species or printed.site_labels.count(label or "") != 1:
        raise ParseError(
            f"{data}: the absorber is species {table.i_species}, of which {log} knows not exactly one atom"
        )
    return XanesRun(table, printed)


def spectrum_from_runs(
    runs: Sequence[XanesRun], polarisations: Sequence[Polarisation], *, edge: Edge, volume: float | None = None
) -> Spectrum:
    """Return the spectrum of one edge from one run a direction.

    xspectra.x writes sigma = 4 π² α ħω Σ |<f|ε·r|i>|² δ(E_f - E_i - ħω), summed over spins, in bohr², with
    ħω = E_f + E_core and E_core from a table (Taillefumier et al., Phys. Rev. B 66, 195107 (2002),
    doi:10.1103/PhysRevB.66.195107; Gougoussis et al., Phys. Rev. B 80, 075102 (2009),
    doi:10.1103/PhysRevB.80.075102). That tabulated energy stands for the photon energy at the zero of the axis; it is
    good to some eV and says nothing of shifts between sites or materials.

    The Lorentzian in it has the half width xgamma at half maximum. It counts as the core hole's lifetime where it is
    as wide as that, and as numerical where it is narrower.

    Args:
        runs: One run a direction.
        polarisations: Names and weights of the directions.
        edge: The edge.
        volume: Volume that holds one excited atom [Å³]; None takes the cell of the run.

    Raises:
        ParseError: The runs are not of one absorber, range and broadening.
    """
    first = runs[0]
    for run in runs[1:]:
        if not np.array_equal(run.table.energy, first.table.energy) or run.table.gamma != first.table.gamma:
            raise ParseError(f"{run.table.source} and {first.table.source} differ in range or broadening")
        if run.element != first.element:
            raise ParseError(f"{run.table.source} is of {run.element}, {first.table.source} of {first.element}")
    return Spectrum(
        first.table.energy,
        np.array([run.table.cross_section for run in runs]),
        energy_reference=EnergyReference.FERMI,
        polarisations=tuple(polarisations),
        quantity=Quantity.CROSS_SECTION,
        scale=MBARN_PER_BOHR2,
        volume=volume or first.log.volume,
        reference_energy=first.log.core_energy,
        broadening=_broadening(first, edge),
    )


def parse_run(directory: Path, absorber: Absorber, parameters: XSpectraParameters) -> Outcome:
    """Return what the outputs in `directory` say; L2 and L3 are summed in absolute units.

    The volume is that of the primitive cell: one atom of the orbit is taken as excited in each.

    Raises:
        ParseError: An output is missing, cut off, damaged, or of another absorber.
    """
    scf = read_scf_log(directory / "scf.out")
    runs = {
        folder: _read_own(directory / folder, absorber, edge, direction, parameters)
        for folder, (edge, direction) in folders(absorber).items()
    }
    checks = (_scf_check(scf), *_run_checks(runs), _zero_check(scf, next(iter(runs.values())).log))
    failed = [check for check in checks if not check.is_passed]
    cause = Cause.LANCZOS if scf.is_converged else Cause.SCF
    return Outcome(
        status=Status.UNCONVERGED if failed else Status.CONVERGED,
        spectrum=_sum_of_edges(runs, absorber),
        reason="; ".join(f"{check.name}: {check.detail}" for check in failed),
        checks=checks,
        code_version=next(iter(runs.values())).log.version,
        output_files=("scf.out", *(f"{folder}/{name}" for folder in runs for name in ("xanes.dat", "xanes.out"))),
        cause=cause if failed else None,
    )


def _sum_of_edges(runs: Mapping[str, XanesRun], absorber: Absorber) -> Spectrum:
    """Return the spectrum of the edge on the axis of its lowest part."""
    volume = absorber.primitive_volume
    spectra = []
    for part in absorber.edge.parts:
        of_part = [runs[folder] for folder, (edge, _) in folders(absorber).items() if edge is part]
        spectra.append(spectrum_from_runs(of_part, absorber.polarisations, edge=part, volume=volume))
    lowest = spectra[0]
    if len(spectra) == 1 or lowest.reference_energy is None:
        return lowest
    total = add([s.to_photon_energy() for s in spectra], edges=[s.reference_energy or 0.0 for s in spectra])
    return replace(
        total,
        energy=total.energy - lowest.reference_energy,
        energy_reference=lowest.energy_reference,
        reference_energy=lowest.reference_energy,
        # One run's width, which would count as two where it reaches one edge's lifetime and not the other's.
        broadening=lowest.broadening,
    )


def _read_own(folder: Path, absorber: Absorber, edge: Edge, direction: str, parameters: XSpectraParameters) -> XanesRun:
    run = read_run(folder / "xanes.dat", folder / "xanes.out", of_all=_recursions_of(folder, parameters))
    log = run.log
    asked = (parameters.n_energy, parameters.energy_min, parameters.energy_max)
    # The log prints two decimals of the bounds.
    if log.n_energy != asked[0] or np.abs(np.subtract((log.energy_min, log.energy_max), asked[1:])).max() > 0.006:
        raise ParseError(f"{folder / 'xanes.out'} is of another range of energies than the {asked} that was asked for")
    if run.table.gamma is not None and abs(run.table.gamma - parameters.xgamma) > _GAMMA_TOLERANCE:
        raise ParseError(f"{run.table.source} is broadened by {run.table.gamma} eV, asked for was {parameters.xgamma}")
    expected = tuple(float(name == direction) for name in "xyz")
    if log.field != expected or not log.is_cartesian:
        raise ParseError(f"{folder / 'xanes.out'} is of a field along {log.field}, expected {expected}")
    if run.element != absorber.element:
        raise ParseError(f"{run.table.source} is of {run.element}, expected {absorber.element}")
    tabulated = edge_energy(absorber.element, edge)
    if abs(log.core_energy - tabulated) > _CORE_TOLERANCE * tabulated or run.table.momentum != 1:
        raise ParseError(
            f"{folder / 'xanes.out'} is of a core level at {log.core_energy:g} eV, expected {absorber.element} {edge} "
            f"at {tabulated:g} eV and dipole transitions"
        )
    _check_input(folder / "xanes.in", edge, run.table.i_species)
    _check_surroundings(run, absorber, folder / "xanes.out")
    return run


def _recursions_of(folder: Path, parameters: XSpectraParameters) -> Callable[[XanesLog], XanesLog]:
    """Return what counts all recursions of a direction, where its log does not tell of all."""
    saved = folder / "xanes.sav"

    def of_all(log: XanesLog) -> XanesLog:
        if not saved.is_file() or count_recursions(saved) <= log.n_converged + log.n_unconverged:
            return log
        recursions = read_recursions(saved)
        errors = [recursion.error(parameters) for recursion in recursions]
        good = [error for error in errors if error < parameters.xerror]
        return replace(
            log,
            n_converged=len(good),
            n_unconverged=len(errors) - len(good),
            n_iteration=max(recursion.n_iteration for recursion in recursions),
            error=max(good, default=0.0),
            # Nothing else ends a recursion that did not converge before `xniter`.
            is_saturated=any(
                error >= parameters.xerror and recursion.n_iteration < parameters.xniter
                for error, recursion in zip(errors, recursions, strict=True)
            ),
        )

    return of_all


def _check_input(path: Path, edge: Edge, i_species: int) -> None:
    """Refuse a run of another edge, which its output does not name, or of another species than it was started for."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    found = {name.lower(): value.strip("'") for name, value in _ASSIGNMENT.findall(text)}
    if found.get("edge") != edge.value or found.get("xiabs") != str(i_species):
        raise ParseError(
            f"{path} is missing, or not of edge {edge} and species {i_species} as the spectrum beside it is: keep the "
            "input beside the output"
        )


def _check_surroundings(run: XanesRun, absorber: Absorber, path: Path) -> None:
    """Refuse a run whose absorber has other neighbours than the asked one."""
    log = run.log
    excited = log.site_labels.index(log.labels[run.table.i_species])
    numbers = {label: i for i, label in log.labels.items()}
    here = _distances(
        log.lattice,
        log.positions,
        [log.species.get(numbers.get(label, 0), "") for label in log.site_labels],
        log.positions[excited],
    )
    structure = absorber.structure
    asked = _distances(
        structure.lattice.matrix,
        structure.cart_coords,
        [element_symbol(site.specie) for site in structure],
        structure[absorber.site_index].coords,
    )
    nothing = np.empty(0)
    if not all(_are_alike(here.get(e, nothing), asked.get(e, nothing)) for e in {*here, *asked}):
        raise ParseError(
            f"{path}: the nearest neighbours of the absorber are {_words(here)}, expected {_words(asked)} around "
            f"{absorber.label}: the run is of another atom or structure"
        )


def _are_alike(here: Float[Array, " here"], asked: Float[Array, " asked"]) -> bool:
    """Return whether distances agree; an atom right on the sphere may count in one and not in the other."""
    n = min(len(here), len(asked))
    rest = np.concatenate((here[n:], asked[n:]))
    is_same = np.allclose(here[:n], asked[:n], rtol=0, atol=_DISTANCE_TOLERANCE)
    return bool(is_same and np.all(rest > _NEIGHBOURS - _DISTANCE_TOLERANCE))


def _distances(
    lattice: Float[Array, "3 3"], positions: Float[Array, "atom 3"], elements: Sequence[str], centre: Float[Array, " 3"]
) -> dict[str, Float[Array, " neighbour"]]:
    """Return by element the distances to the atoms near the one at a point, sorted [Å]."""
    from pymatgen.core.lattice import Lattice

    cell = Lattice(lattice)
    points = cell.get_fractional_coords(positions)
    found: Any = cell.get_points_in_sphere(points, centre, _NEIGHBOURS, zip_results=False)  # the stubs are wrong
    pairs = sorted((float(d), elements[int(i)]) for d, i in zip(found[1], found[2], strict=True))[1:]
    return {e: np.array([d for d, of in pairs if of == e]) for e in dict.fromkeys(e for _, e in pairs)}


def _words(distances: Mapping[str, Float[Array, " neighbour"]]) -> str:
    nearest = sorted((float(d), element) for element, values in distances.items() for d in values)[:4]
    return ", ".join(f"{element} at {d:.3f}" for d, element in nearest) + " Å" if nearest else "none"


def _broadening(run: XanesRun, edge: Edge) -> tuple[BroadeningRecord, ...]:
    if run.table.gamma is None:
        raise ParseError(
            f"{run.table.source} has a broadening that varies with energy: run it with gamma_mode constant"
        )
    # The table prints three decimals.
    width = 2 * max(run.table.gamma, 5e-4)
    try:
        lifetime = core_hole_width(run.element, edge.value)
    except InputError:
        lifetime = np.inf
    origin = Origin.LIFETIME if width >= 0.9 * lifetime else Origin.NUMERICAL
    return (BroadeningRecord(Lorentzian(width), origin, applied_by=run.log.version),)


def _scf_check(scf: ScfLog) -> Check:
    accuracy = "" if scf.accuracy is None else f", energy within {scf.accuracy:.1e} Ry"
    if scf.is_converged:
        return Check("scf", is_passed=True, detail=f"{scf.n_iteration} steps{accuracy}")
    detail = f"not converged in {scf.n_iteration} steps{accuracy}: raise electron_maxstep or lower mixing_beta"
    return Check("scf", is_passed=False, detail=detail)


def _run_checks(runs: Mapping[str, XanesRun]) -> list[Check]:
    checks = []
    for folder, run in runs.items():
        log, name = run.log, f"Lanczos {folder}"
        n_all = log.n_converged + log.n_unconverged
        detail = f"{log.n_converged} of {n_all} recursions, at most {log.n_iteration} iterations"
        if log.n_unconverged:
            remedy = f"raise ecutwfc, {SATURATED}" if log.is_saturated else "raise xniter"
            checks.append(Check(name, is_passed=False, detail=f"{detail}: {remedy}"))
        else:
            checks.append(Check(name, is_passed=True, detail=f"{detail}, error up to {log.error:.1e}"))
    return checks


def _zero_check(scf: ScfLog, log: XanesLog) -> Check:
    beside = "" if scf.level is None else f"; pw.x: {scf.level_name} at {scf.level:.4f} eV"
    return Check("energy zero", is_passed=True, detail=f"{log.zero_name} at {log.zero:.4f} eV{beside}")
