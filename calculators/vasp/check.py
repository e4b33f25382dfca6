"""What can be known of a VASP calculation before it starts."""

from __future__ import annotations

from collections import Counter

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Finding, Level
from whiteline.calculators.kpoints import effective_length
from whiteline.calculators.process import find_executable
from whiteline.calculators.vasp.inputs import Plan, estimate_cost, plan_calculation
from whiteline.calculators.vasp.levels import core_level
from whiteline.calculators.vasp.parameters import VaspParameters
from whiteline.calculators.vasp.potentials import PotcarLibrary
from whiteline.errors import WhitelineError

__all__ = ["check_calculation"]

_POTCAR_REMEDY = "set WHITELINE_VASP_POTCARS to the folder that pymatgen calls PMG_VASP_PSP_DIR"


def check_calculation(
    absorber: Absorber, parameters: VaspParameters, *, command: str, library: PotcarLibrary
) -> list[Finding]:
    """Return what is missing or wrong, and what the calculation is expected to cost."""
    findings = [_executable(command), _edge(absorber)]
    try:
        plan = plan_calculation(absorber, parameters, library)
    except WhitelineError as error:
        return [*findings, Finding("input", Level.ERROR, str(error), "correct the structure or the parameters")]
    return [*findings, *_potentials(plan, library), _cell(plan), _grid(plan), _bands(plan), _cost(plan, parameters)]


def _executable(command: str) -> Finding:
    # VASP knows no option that prints its version: starting it would start a run.
    try:
        words = find_executable(command, variable="WHITELINE_VASP_COMMAND", remedy="install VASP 6")
    except WhitelineError as error:
        return Finding("executable", Level.ERROR, str(error), "install VASP 6, or correct WHITELINE_VASP_COMMAND")
    return Finding("executable", Level.OK, f"{' '.join(words)}; its version shows in the OUTCAR, 6.0 is needed")


def _edge(absorber: Absorber) -> Finding:
    try:
        level = core_level(absorber.edge)
    except WhitelineError as error:
        return Finding("edge", Level.ERROR, str(error), "choose another edge, or FEFF")
    return Finding("edge", Level.OK, f"{absorber.edge}: core level n={level.n}, l={level.l}")


def _potentials(plan: Plan, library: PotcarLibrary) -> list[Finding]:
    findings = []
    for symbol in dict.fromkeys(plan.symbols):
        subject = f"POTCAR of {symbol.split('_')[0]}"
        try:
            potcar = library.read(symbol)
        except WhitelineError as error:
            findings.append(Finding(subject, Level.ERROR, f"{symbol}: {error}", _POTCAR_REMEDY))
            continue
        if symbol.endswith("_GW") or "_GW_" in symbol:
            findings.append(Finding(subject, Level.OK, potcar.title))
        else:
            detail = f"{potcar.title} is no GW potential; it scatters badly far above the Fermi level"
            findings.append(Finding(subject, Level.WARNING, detail, "choose one whose name ends in _GW"))
    return findings


def _cell(plan: Plan) -> Finding:
    counts = Counter(atom.element for atom in plan.cell.atoms)
    formula = " ".join(f"{element}{n}" for element, n in counts.items())
    distance = plan.cell.image_distance
    detail = f"{len(plan.cell.atoms)} atoms ({formula}), images of the absorber {distance:.2f} Å apart"
    if distance < 8.0:
        return Finding("cell", Level.WARNING, f"{detail}: core holes see each other", "raise supercell_distance")
    return Finding("cell", Level.OK, detail)


def _grid(plan: Plan) -> Finding:
    grid = " × ".join(map(str, plan.grid))
    return Finding(
        "k grid", Level.OK, f"{grid}, effective length {effective_length(plan.cell.lattice, plan.grid):.1f} Å"
    )


def _bands(plan: Plan) -> Finding:
    return Finding("bands", Level.OK, f"NBANDS = {plan.tags['NBANDS']}; VASP rounds up to a multiple of the cores")


def _cost(plan: Plan, parameters: VaspParameters) -> Finding:
    cost = estimate_cost(plan, parameters)
    hours, gigabytes = cost.cpu_time / 3600, cost.memory / 1000
    return Finding("cost", Level.OK, f"about {hours:.0f} core hours, {gigabytes:.1f} GB of wavefunctions in all")
