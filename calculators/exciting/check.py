"""What can be known of an exciting calculation before it starts."""

from __future__ import annotations

from pathlib import Path

from whiteline.absorber import Absorber
from whiteline.calculators.cells import primitive_cell
from whiteline.calculators.exciting.inputs import estimate_cost, left_out_moment, plan_calculation, write_inputs
from whiteline.calculators.exciting.parameters import ExcitingParameters
from whiteline.calculators.exciting.run import REMEDY, VARIABLE
from whiteline.calculators.exciting.species import check_core_level, species_files
from whiteline.calculators.interface import Finding, Level
from whiteline.calculators.process import find_executable
from whiteline.errors import WhitelineError

__all__ = ["check_calculation"]


def check_calculation(
    absorber: Absorber, parameters: ExcitingParameters, *, command: str, species: Path | None
) -> list[Finding]:
    """Return what is missing or wrong, where the edge is looked for, and what the calculation is expected to cost."""
    findings = [_executable(command)]
    try:
        elements = primitive_cell(absorber).elements
        write_inputs(absorber, parameters)
    except WhitelineError as error:
        return [*findings, Finding("input", Level.ERROR, str(error), "correct the structure or the parameters")]
    findings += [_species(absorber, element, species) for element in elements]
    return [*findings, _window(absorber, parameters), _cell(absorber, parameters), *_limits(absorber, parameters)]


def _executable(command: str) -> Finding:
    try:
        words = find_executable(command, variable=VARIABLE, remedy=REMEDY)
    except WhitelineError as error:
        return Finding("executable", Level.ERROR, str(error), f"correct {VARIABLE}, or {REMEDY}")
    # exciting has no option that prints its version, and started without input.xml it leaves files behind.
    return Finding("executable", Level.OK, f"{words[0]} (its version stands in its output)")


def _species(absorber: Absorber, element: str, folder: Path | None) -> Finding:
    subject = f"species file of {element}"
    try:
        species = species_files(folder, [element])[element]
        if element == absorber.element:
            check_core_level(species, absorber.edge)
    except WhitelineError as error:
        return Finding(subject, Level.ERROR, str(error), "set WHITELINE_EXCITING_SPECIES, or correct the species file")
    level = f", the {absorber.edge} level is a core state in it" if element == absorber.element else ""
    return Finding(subject, Level.OK, f"{species.path}{level}")


def _window(absorber: Absorber, parameters: ExcitingParameters) -> Finding:
    window = plan_calculation(absorber, parameters).window
    levels = " and ".join(f"{level:.0f}" for level in window.levels)
    detail = (
        f"{window.start:.1f} to {window.stop:.1f} eV in {window.n_points} points; exciting counts Kohn-Sham energies, "
        f"below measured ones: the {absorber.edge} level of a free {absorber.element} atom is at {levels} eV"
    )
    if window.is_safe:
        return Finding("energy window", Level.OK, detail)
    return Finding("energy window", Level.WARNING, detail, "widen it, unless a first run shows the edge inside")


def _cell(absorber: Absorber, parameters: ExcitingParameters) -> Finding:
    plan, cost = plan_calculation(absorber, parameters), estimate_cost(absorber, parameters)
    grid, scf_grid = ("×".join(str(n) for n in g) for g in (plan.grid, plan.scf_grid))
    detail = (
        f"{len(plan.cell.atoms)} atoms, k grid {grid} (density {scf_grid}), {plan.n_bands} bands, Hamiltonian of rank "
        f"{plan.n_transitions}, roughly {cost.cpu_time / 3600:.2g} CPU h and {cost.memory / 1000:.2g} GB"
    )
    return Finding("cell", Level.OK, detail)


def _limits(absorber: Absorber, parameters: ExcitingParameters) -> list[Finding]:
    findings = []
    moment = left_out_moment(absorber)
    if moment:
        findings.append(
            Finding(
                "spin",
                Level.WARNING,
                f"the structure has moments of up to {moment:g} µB, exciting is asked for no spin",
                "use a code with spin (xspectra, vasp, feff), or take the spectrum as that of a non-magnetic crystal",
            )
        )
    if any(parameters.hubbard_u.get(element) for element in primitive_cell(absorber).elements):
        findings.append(
            Finding(
                "Hubbard U",
                Level.WARNING,
                "U is in the density; whether the matrix elements follow it depends on the version of exciting",
                "compare with a run without U before you trust the difference",
            )
        )
    return findings
