"""What can be known of an XSpectra calculation before it starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Finding, Level
from whiteline.calculators.process import find_executable
from whiteline.calculators.pseudopotentials.library import PseudoLibrary
from whiteline.calculators.pseudopotentials.upf import Pseudopotential
from whiteline.calculators.xspectra.estimate import count_electrons, estimate_cost
from whiteline.calculators.xspectra.inputs import Setup, build_setup, cutoffs
from whiteline.calculators.xspectra.parameters import XSpectraParameters
from whiteline.calculators.xspectra.potentials import Potentials, find_potentials
from whiteline.calculators.xspectra.programs import REMEDY, first_words
from whiteline.errors import WhitelineError

__all__ = ["check_calculation"]

_VERSION = re.compile(r"Program (\w+) v\.?\s*(\d+)\.(\d+)(\S*)")
_NAMES: Final = {"pw.x": "PWSCF", "xspectra.x": "XSpectra"}
_OLDEST, _NEWEST = (5, 0), (7, 0)


def check_calculation(
    absorber: Absorber,
    parameters: XSpectraParameters,
    *,
    pw_command: str,
    xspectra_command: str,
    pseudo_directory: Path,
) -> list[Finding]:
    """Return what is missing or wrong, and what the calculation is expected to cost."""
    findings = [
        _executable("pw.x", pw_command, "WHITELINE_PW_COMMAND"),
        _executable("xspectra.x", xspectra_command, "WHITELINE_XSPECTRA_COMMAND"),
    ]
    setup = potentials = None
    try:
        setup = build_setup(absorber, parameters)
        findings.append(Finding("cell", Level.OK, _describe(setup)))
    except WhitelineError as error:
        findings.append(Finding("cell", Level.ERROR, str(error), "correct the structure, or change the parameters"))
    try:
        potentials = find_potentials(absorber, parameters, directory=pseudo_directory)
        findings += _pseudopotentials(potentials)
    except WhitelineError as error:
        remedy = f"whiteline pseudo make {absorber.element}, or put UPF files into {pseudo_directory}"
        findings.append(Finding("pseudopotentials", Level.ERROR, str(error), remedy))
    if setup is not None and potentials is not None:
        findings += _cost(absorber, parameters, potentials, setup)
    return [*findings, *_sampling(parameters)]


def _executable(name: str, command: str, variable: str) -> Finding:
    try:
        words = find_executable(command, variable=variable, remedy=REMEDY)
    except WhitelineError as error:
        return Finding(name, Level.ERROR, str(error), f"correct {variable}, or {REMEDY}")
    if len(words) > 1:
        return Finding(name, Level.OK, f"{command} (not started: it is more than a program)")
    found = _VERSION.search(first_words(words[0]))
    if found is None:
        return Finding(
            name, Level.ERROR, f"{words[0]} does not say its version: it is no {name}", f"correct {variable}"
        )
    if found[1] != _NAMES[name]:
        detail = f"{words[0]} is {found[1]}, expected {_NAMES[name]}: it is no {name}"
        return Finding(name, Level.ERROR, detail, f"correct {variable}")
    version, words_of_version = (int(found[2]), int(found[3])), f"version {found[2]}.{found[3]}{found[4]}"
    if not _OLDEST <= version <= _NEWEST:
        remedy = "use version 6 or 7.0; later ones read U from a card of its own"
        return Finding(name, Level.WARNING, f"{words_of_version} was not tried", remedy)
    return Finding(name, Level.OK, words_of_version)


def _describe(setup: Setup) -> str:
    cell = setup.cell
    grids = (f"{'×'.join(map(str, grid))}" for grid in (setup.scf_grid, setup.grid))
    return (
        f"{len(cell.atoms)} atoms in {cell.n_primitive} primitive cells, nearest image of the absorber "
        f"{cell.image_distance:.2f} Å, k grids {' and '.join(grids)} (density, spectrum), "
        f"{'with' if setup.has_spin else 'without'} spin"
    )


def _pseudopotentials(potentials: Potentials) -> list[Finding]:
    excited = potentials.absorber
    return [
        _pseudopotential(f"the excited {excited.element}", excited),
        *(_pseudopotential(name, potential) for name, potential in potentials.ground.items()),
        Finding(
            "core wavefunction", Level.OK, f"{', '.join(potentials.core.core_levels)} of {potentials.core.path.name}"
        ),
    ]


def _pseudopotential(whose: str, potential: Pseudopotential) -> Finding:
    failures = PseudoLibrary(potential.path.parent).failures(potential)
    if failures:
        detail = f"{potential.path.name} was stored although it failed tests: {failures}"
        return Finding(f"pseudopotential of {whose}", Level.WARNING, detail, "name or make another one")
    return Finding(f"pseudopotential of {whose}", Level.OK, potential.path.name)


def _cost(absorber: Absorber, parameters: XSpectraParameters, potentials: Potentials, setup: Setup) -> list[Finding]:
    wavefunction, density = cutoffs(parameters, potentials)
    cost = estimate_cost(absorber, parameters, potentials, setup)
    electrons = count_electrons(potentials, setup) - parameters.charge
    detail = (
        f"about {cost.cpu_time:.0f} CPU s and {cost.memory:.0f} MB, {electrons:g} electrons, cutoffs "
        f"{wavefunction:g} and {density:g} Ry"
    )
    findings = [Finding("cost", Level.OK, detail)]
    if parameters.occupations == "fixed" and (electrons % 2 or setup.has_spin):
        spin = " with spin" if setup.has_spin else ""
        remedy = "set occupations = smearing"
        findings.append(Finding("occupations", Level.ERROR, f"fixed for {electrons:g} electrons{spin}", remedy))
    return findings


def _sampling(parameters: XSpectraParameters) -> list[Finding]:
    """Return a warning where lines are narrower than the distance of two points, so that some fall between them."""
    if parameters.xgamma >= parameters.energy_step:
        return []
    detail = (
        f"lines of half width {parameters.xgamma:g} eV on points {parameters.energy_step:.3g} eV apart: "
        "what is broadened later is not what would have been computed with that width"
    )
    return [Finding("energies", Level.WARNING, detail, "raise n_energy or xgamma")]
