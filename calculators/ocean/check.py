"""What can be known of an OCEAN calculation before it starts."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from whiteline.absorber import Absorber
from whiteline.calculators.cells import primitive_cell
from whiteline.calculators.interface import Finding, Level
from whiteline.calculators.ocean.inputs import core_level, estimate_cost, final_grid, find_species, write_inputs
from whiteline.calculators.ocean.parameters import OceanParameters
from whiteline.calculators.ocean.potentials import find_files
from whiteline.calculators.ocean.run import find_ocean, split_command
from whiteline.calculators.pseudopotentials.upf import read_element
from whiteline.errors import WhitelineError

__all__ = ["check_calculation"]

_OLDEST = 3
# bohr; a second segment that ends here lies inside some augmentation radii.
_SHORT_SEGMENT = 4.0
# What OCEAN 3.2.1 takes by itself.
_USUAL_SHELLS = (-1.0, 4.0, 6.0, 8.0, 10.0)


def check_calculation(absorber: Absorber, parameters: OceanParameters, *, command: str, folder: Path) -> list[Finding]:
    """Return what is missing or wrong, and what the calculation is expected to cost.

    Args:
        absorber: The excited atom.
        parameters: Everything that decides the spectrum.
        command: OCEAN's ocean.pl, behind what starts a parallel program.
        folder: Where the user's pseudopotentials are.
    """
    findings = [_executable(command), *_launcher(command), _edge(absorber), _potentials(absorber, parameters, folder)]
    return [*findings, *_physics(parameters), _calculation(absorber, parameters, command)]


def _executable(command: str) -> Finding:
    try:
        program = Path(shutil.which(find_ocean(command)[0]) or "").resolve()
    except WhitelineError as error:
        return Finding("executable", Level.ERROR, str(error), "install OCEAN 3, and set WHITELINE_OCEAN_COMMAND")
    # ocean.pl itself takes its version from this file.
    file = program.with_name("Version")
    text = file.read_text(encoding="utf-8", errors="replace").strip() if file.is_file() else ""
    version = text.splitlines()[0].strip() if text else ""
    major = re.match(r"\D*(\d+)", version)
    if major is None:
        words = f"{program}, of unknown version: no file Version beside it"
        return Finding("executable", Level.WARNING, words, "check that it is OCEAN 3")
    if int(major.group(1)) < _OLDEST:
        words = f"{program} is OCEAN {version}, the inputs are for OCEAN {_OLDEST}"
        return Finding("executable", Level.ERROR, words, f"install OCEAN {_OLDEST}, and set WHITELINE_OCEAN_COMMAND")
    return Finding("executable", Level.OK, f"{program}, OCEAN {version}")


def _launcher(command: str) -> list[Finding]:
    words = split_command(command)[0].split()
    if not words or shutil.which(words[0]):
        return []
    return [
        Finding(
            "MPI",
            Level.ERROR,
            f"{words[0]!r}, which is to start OCEAN's parallel programs, is not there",
            "correct what stands before ocean.pl in WHITELINE_OCEAN_COMMAND",
        )
    ]


def _edge(absorber: Absorber) -> Finding:
    try:
        n, l_core = core_level(absorber.edge)
    except WhitelineError as error:
        return Finding("edge", Level.ERROR, str(error), "ask for the combined edge")
    return Finding("edge", Level.OK, f"{absorber.edge}: core level n={n}, l={l_core}")


def _potentials(absorber: Absorber, parameters: OceanParameters, folder: Path) -> Finding:
    if not parameters.pseudopotentials:
        words = f"OCEAN's database {parameters.pseudopotential_database}, which has to be installed with it"
        return Finding("pseudopotentials", Level.OK, words)
    try:
        files = find_files(absorber, parameters, folder)
        found = {element: read_element(paths[parameters.pseudopotentials[element]]) for element, paths in files.items()}
    except WhitelineError as error:
        return Finding("pseudopotentials", Level.ERROR, str(error), "name other files, or put them into the folder")
    wrong = [f"{parameters.pseudopotentials[e]} is of {other}, not of {e}" for e, other in found.items() if e != other]
    if wrong:
        return Finding("pseudopotentials", Level.ERROR, "; ".join(wrong), "correct the parameter pseudopotentials")
    names = ", ".join(name for paths in files.values() for name in paths)
    return Finding("pseudopotentials", Level.OK, f"{names} in {folder}")


def _physics(parameters: OceanParameters) -> list[Finding]:
    """Return warnings of what OCEAN is known to stumble over."""
    findings = []
    is_explicit = parameters.screen_rule == "explicit"
    shells = parameters.screen_grid_shells_bohr if is_explicit else _USUAL_SHELLS
    segments = [shell for shell in shells if shell > 0]
    if shells[0] < 0 and segments and segments[0] <= _SHORT_SEGMENT:
        words = f"the second segment of the screening grid ends at {segments[0]:g} bohr"
        words += ": OCEAN 3.2.1 crashes where the augmentation radius reaches beyond"
        findings.append(
            Finding(
                "screening grid",
                Level.WARNING,
                words,
                "if it does, set screen_rule = explicit and begin screen_grid_shells_bohr with -1, 5",
            )
        )
    if parameters.hubbard_u:
        words = "OCEAN passes U on as Quantum ESPRESSO before 7.1 reads it"
        findings.append(Finding("Hubbard U", Level.WARNING, words, "use Quantum ESPRESSO 7.0 or older with OCEAN"))
    return findings


def _calculation(absorber: Absorber, parameters: OceanParameters, command: str) -> Finding:
    try:
        write_inputs(absorber, parameters, prefix=split_command(command)[0])
        cost = estimate_cost(absorber, parameters)
        cell = primitive_cell(absorber)
    except WhitelineError as error:
        return Finding("calculation", Level.ERROR, str(error), "correct the structure or the parameters")
    grid = "×".join(map(str, final_grid(cell, parameters)))
    directions = ", ".join(p.label for p in absorber.polarisations)
    words = f"{len(cell.atoms)} atoms of {len(find_species(cell, parameters))} species, k grid {grid}, states up to "
    words += f"{parameters.band_energy:g} eV, polarisations {directions}, about {cost.cpu_time / 3600:.1g} CPU h and "
    return Finding("calculation", Level.OK, words + f"{cost.memory:.0f} MB")
