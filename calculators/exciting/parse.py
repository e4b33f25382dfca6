"""From an exciting run directory to a spectrum with its status."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whiteline.absorber import Absorber
from whiteline.broadening import BroadeningRecord, Lorentzian, Origin
from whiteline.calculators.exciting.core_levels import energy_window
from whiteline.calculators.exciting.inputs import INPUT_NAME, left_out_moment
from whiteline.calculators.exciting.logs import GroundStateLog, SpectrumLog, read_ground_state_log, read_spectrum_log
from whiteline.calculators.exciting.parameters import ExcitingParameters
from whiteline.calculators.exciting.run import LOG_NAME
from whiteline.calculators.exciting.run_input import RunInput, read_run_input
from whiteline.calculators.exciting.tables import EpsilonTable, find_table, read_epsilon, read_exciton, read_loss
from whiteline.calculators.interface import Outcome
from whiteline.calculators.kpoints import BOHR
from whiteline.causes import Cause
from whiteline.errors import ParseError
from whiteline.polarisation import CARTESIAN
from whiteline.spectrum import EnergyReference, Quantity, Spectrum
from whiteline.status import Check, Status
from whiteline.structures import element_symbol

__all__ = ["check_absorber", "parse_run", "spectrum_from_epsilon"]

# Axes of x, y and z, which exciting computes in one run; as the points of a shifted k grid break the symmetry a
# little, all three are kept where two would do.
_AXES = ("11", "22", "33")
_RADIUS = 6.0
# Å; sites that symmetry calls equal may differ by twice its tolerance.
_DISTANCE_TOLERANCE = 2e-2
_VOLUME_TOLERANCE = 1e-3
# Share of the points at each end of the window where no maximum is trusted.
_MARGIN = 0.03


@dataclass(frozen=True, eq=False)
class _Run:
    """Everything that a run directory holds; None for what is not there."""

    run_input: RunInput | None
    tables: tuple[EpsilonTable, ...]
    tasks: SpectrumLog | None
    density: GroundStateLog | None


def parse_run(directory: Path, absorber: Absorber, parameters: ExcitingParameters) -> Outcome:
    """Return what the outputs in `directory` say.

    The input.xml beside the tables says which atom they are of and where they end. Where it is missing, as in some
    published folders, the three tables must have the axis that the parameters come to, the cell its volume, and the
    status is `unconverged`: nothing says which atom was excited.

    Raises:
        ParseError: An output is missing, cut off, damaged, or of another absorber.
        ParameterError: There is no input.xml, and the parameters come to no energy window.
    """
    run = _read(directory, parameters)
    if run.run_input is not None:
        check_absorber(run.run_input, absorber, directory / INPUT_NAME)
    _check_axis(run, absorber, parameters)
    _check_volume(run.tables[0], absorber)
    version = _version(run)
    spectrum = spectrum_from_epsilon(run.tables, origin=parameters.broadening_origin, applied_by=version or "exciting")
    checks = _checks(run, spectrum, absorber)
    failed = [check for check in checks if not check.is_passed]
    return Outcome(
        status=Status.UNCONVERGED if failed else Status.CONVERGED,
        spectrum=spectrum,
        reason="; ".join(f"{check.name}: {check.detail}" for check in failed),
        checks=checks,
        code_version=version,
        output_files=tuple(table.source.relative_to(directory).as_posix() for table in run.tables),
        cause=_cause(failed),
    )


def _cause(failed: list[Check]) -> Cause | None:
    if not failed:
        return None
    return Cause.SCF if any(check.name == "scf" for check in failed) else Cause.UNKNOWN


def spectrum_from_epsilon(
    tables: tuple[EpsilonTable, ...], *, origin: Origin = Origin.NUMERICAL, applied_by: str = "exciting"
) -> Spectrum:
    """Return the spectrum of the three diagonal components, x, y and z.

    Im ε is that of the cell with one excited atom. The axis counts transition energies from the Kohn-Sham core level;
    as photon energies, which `cross_section` takes them for, they are some percent too small.

    Args:
        tables: The components on one axis.
        origin: What the Lorentzian in them stands for.
        applied_by: Code and version.

    Raises:
        ParseError: The components have different axes, or are zero.
    """
    first = tables[0]
    for table in tables[1:]:
        if len(table.data) != len(first.data) or not np.array_equal(table.data[:, 0], first.data[:, 0]):
            raise ParseError(
                f"{table.source} has {len(table.data)} energies, {first.source.name} has {len(first.data)}, which "
                "must be the same: one is cut off or of another run"
            )
        if (table.half_width, table.scale, table.volume_bohr3) != (first.half_width, first.scale, first.volume_bohr3):
            raise ParseError(f"{table.source} and {first.source.name} have different heads: one is of another run")
    components = np.array([table.data[:, 2] for table in tables])
    if not components.any():
        raise ParseError(f"{first.source}: the spectrum is zero everywhere: look for the cause in INFOXS.OUT")
    return Spectrum(
        first.energy,
        components,
        energy_reference=EnergyReference.CORE_LEVEL,
        reference_energy=0.0,
        polarisations=CARTESIAN,
        quantity=Quantity.IM_EPSILON,
        scale=1.0,
        volume=first.volume_bohr3 * BOHR**3,
        broadening=(BroadeningRecord(Lorentzian(first.fwhm), origin, applied_by=applied_by),),
    )


def _read(directory: Path, parameters: ExcitingParameters) -> _Run:
    inp, infoxs, info = (directory / name for name in (INPUT_NAME, "INFOXS.OUT", "INFO.OUT"))
    run_input = read_run_input(inp) if inp.is_file() else None
    bse_type = parameters.bse_type if run_input is None else run_input.bse_type
    tasks = read_spectrum_log(infoxs) if infoxs.is_file() else None
    density = read_ground_state_log(info) if info.is_file() else None
    if density is not None and not density.is_finished:
        raise ParseError(f"{info} does not come to its end: exciting was stopped in the density; see {LOG_NAME}")
    if tasks is not None and not tasks.is_finished:
        raise ParseError(
            f"{infoxs} does not come to the end of the Bethe-Salpeter solver (task 445, last was "
            f"{tasks.last_task or 'none'}): exciting was stopped before; see {LOG_NAME}"
        )
    tables = []
    for axes in _AXES:
        path = find_table(directory, "EPSILON", bse_type=bse_type, axes=axes)
        if path is None:
            raise ParseError(
                f"{directory} holds no EPSILON table of type {bse_type} for axes {axes}: exciting did not get to the "
                f"spectrum; see {LOG_NAME}"
            )
        tables.append(read_epsilon(path))
        _check_companions(directory, bse_type, axes, tables[-1], tasks)
    return _Run(run_input, tuple(tables), tasks, density)


def _check_companions(
    directory: Path, bse_type: str, axes: str, table: EpsilonTable, tasks: SpectrumLog | None
) -> None:
    """Refuse a run whose other tables, where they are there, are cut off."""
    loss = find_table(directory, "LOSS", bse_type=bse_type, axes=axes)
    if loss is not None and len(read_loss(loss).data) != len(table.data):
        raise ParseError(f"{loss} does not have the {len(table.data)} energies of {table.source.name}: it is cut off")
    exciton = find_table(directory, "EXCITON", bse_type=bse_type, axes=axes)
    if exciton is None:
        return
    n_excitons = len(read_exciton(exciton).data)
    if tasks is not None and tasks.n_excitons not in (None, n_excitons):
        raise ParseError(f"{exciton} lists {n_excitons} of {tasks.n_excitons} excitons: it is cut off")


def check_absorber(run_input: RunInput, absorber: Absorber, path: Path) -> None:
    """Refuse an input whose excited atom, by element, edge and neighbours within 6 Å, is not the absorber.

    Raises:
        ParseError: It is of another element, edge or site; `path` is where it was read.
    """
    if (run_input.element, run_input.edge) != (absorber.element, absorber.edge.value):
        raise ParseError(
            f"{path} is of {run_input.element} {run_input.edge}, expected {absorber.element} {absorber.edge}"
        )
    structure = absorber.structure
    expected: dict[str, list[float]] = {}
    for neighbour in structure.get_neighbors(structure[absorber.site_index], _RADIUS):
        specie = neighbour.specie
        expected.setdefault(element_symbol(specie), []).append(float(neighbour.nn_distance))
    found = run_input.neighbour_distances(_RADIUS)
    for element in sorted({*expected, *found}):
        wanted, there = sorted(expected.get(element, [])), found.get(element, [])
        n = max(np.searchsorted(distances, _RADIUS - 2 * _DISTANCE_TOLERANCE) for distances in (wanted, there))
        if min(len(wanted), len(there)) < n or not np.allclose(wanted[:n], there[:n], atol=_DISTANCE_TOLERANCE, rtol=0):
            raise ParseError(
                f"{path} excites an atom with other {element} neighbours than {absorber.label}: it is of another site "
                "or structure"
            )


def _check_axis(run: _Run, absorber: Absorber, parameters: ExcitingParameters) -> None:
    """Refuse tables that end elsewhere than the run was asked to."""
    table = run.tables[0]
    if run.run_input is not None:
        start, step, n_points = run.run_input.start, run.run_input.step, run.run_input.n_points
        whose = INPUT_NAME
        half_width = table.fwhm / 2
        if abs(half_width - run.run_input.half_width) > 2e-6 * table.scale + 1e-5:
            raise ParseError(
                f"{table.source} is broadened by {half_width:.5f} eV, {INPUT_NAME} asks for "
                f"{run.run_input.half_width:.5f} eV: they are of different runs"
            )
    else:
        window = energy_window(absorber.element, absorber.edge, parameters)
        start, step, n_points = window.start, (window.stop - window.start) / window.n_points, window.n_points
        whose = f"the parameters (there is no {INPUT_NAME})"
    energy = table.energy
    last = start + (n_points - 1) * step
    tolerance = 0.02 * step + 1e-6 * last
    if len(energy) != n_points or abs(energy[0] - start) > tolerance or abs(energy[-1] - last) > tolerance:
        raise ParseError(
            f"{table.source} has {len(energy)} energies from {energy[0]:.3f} to {energy[-1]:.3f} eV, expected "
            f"{n_points} from {start:.3f} to {last:.3f} by {whose}: it is cut off or of another run"
        )


def _check_volume(table: EpsilonTable, absorber: Absorber) -> None:
    volume = table.volume_bohr3 * BOHR**3
    expected = absorber.primitive_volume
    if abs(volume / expected - 1) > _VOLUME_TOLERANCE:
        raise ParseError(
            f"{table.source} is of a cell of {volume:.3f} Å³, the primitive cell of {absorber.label} has "
            f"{expected:.3f}: it is of another structure"
        )


def _version(run: _Run) -> str:
    for log in (run.tasks, run.density):
        if log is not None and log.version:
            return f"exciting {log.version.lower()}" + (f" {log.version_hash[:10]}" if log.version_hash else "")
    return ""


def _checks(run: _Run, spectrum: Spectrum, absorber: Absorber) -> tuple[Check, ...]:
    checks = [
        Check("scf", *_density(run.density)),
        Check("end", *_end(run.tasks)),
        Check("absorber", *_absorber(run.run_input)),
        Check("energy window", *_window(spectrum, run.tasks)),
    ]
    moment = left_out_moment(absorber)
    if moment:
        checks.append(Check("spin", is_passed=False, detail=f"moments of up to {moment:g} µB are left out"))
    return tuple(checks)


def _density(log: GroundStateLog | None) -> tuple[bool, str]:
    if log is None:
        return False, "no INFO.OUT says whether the density converged"
    if not log.is_converged:
        return False, f"the density did not converge in {log.n_iterations} iterations: raise scf_max_iterations"
    return True, f"{log.n_iterations} iterations"


def _end(log: SpectrumLog | None) -> tuple[bool, str]:
    if log is None:
        return False, "no INFOXS.OUT says whether the Bethe-Salpeter solver came to its end"
    return True, f"{log.n_excitons} excitons" if log.n_excitons else "the solver came to its end"


def _absorber(run_input: RunInput | None) -> tuple[bool, str]:
    if run_input is None:
        return False, f"no {INPUT_NAME} says which atom and level were excited"
    return True, f"{run_input.element} {run_input.edge} with the neighbours asked for"


def _window(spectrum: Spectrum, log: SpectrumLog | None) -> tuple[bool, str]:
    energy, intensity = spectrum.energy, spectrum.intensity
    peak = float(energy[int(np.argmax(intensity))])
    margin = _MARGIN * (energy[-1] - energy[0])
    remedy = "set energy_window, or raise window_below and window_above"
    if not energy[0] + margin < peak < energy[-1] - margin:
        return False, f"the maximum lies at an end of the window, {peak:.1f} eV: the edge is outside; {remedy}"
    gap = None if log is None else log.gap
    if gap is not None and not energy[0] < gap < energy[-1]:
        return False, f"the lowest transition, {gap:.1f} eV, lies outside the window: {remedy}"
    return True, f"maximum at {peak:.1f} eV" + ("" if gap is None else f", lowest transition at {gap:.1f} eV")
