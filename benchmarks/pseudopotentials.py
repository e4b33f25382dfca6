"""Every recipe of a pseudopotential, made and tested with ld1.x, without and with a 1s core hole.

    python benchmarks/pseudopotentials.py [--functional PBE] [ELEMENT ...]

For each: largest errors of eigenvalues and excitation energies over the tested configurations, ghost states, scattering
phases, cutoffs, and the time of ld1.x. Writes benchmarks/results/pseudopotentials.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from whiteline.calculators.pseudopotentials.core_hole import CoreHole
from whiteline.calculators.pseudopotentials.ld1 import MadePseudopotential, make_pseudopotential
from whiteline.calculators.pseudopotentials.recipes import Functional, list_recipes, load_recipe
from whiteline.errors import CalculationError

RESULTS = Path(__file__).parent / "results" / "pseudopotentials.json"


def row(made: MadePseudopotential) -> dict[str, Any]:
    """Return what a made pseudopotential adds to the table."""
    report = made.report
    ghosts = next(check for check in report.checks if check.name == "ghost states")
    return {
        "is_passed": report.is_passed,
        "failures": report.failures,
        "eigenvalue_error_mry": round(1e3 * report.eigenvalue_error_ry, 2),
        "excitation_error_mry": round(1e3 * report.energy_error_ry, 2),
        "phase_difference_rad": round(report.phase_difference, 4),
        "has_ghost": not ghosts.is_passed,
        "wavefunction_cutoff_ry": report.wavefunction_cutoff_ry,
        "density_cutoff_ry": round(report.density_cutoff_ry, 1),
        "wall_s": made.wall_time,
    }


def measure(element: str, core_hole: CoreHole | None, functional: Functional) -> tuple[dict[str, Any], str]:
    """Return a row of the table, and ld1.x's version."""
    head = {"element": element, "core_hole": core_hole.level if core_hole else None}
    try:
        made = make_pseudopotential(load_recipe(element), core_hole=core_hole, functional=functional)
    except CalculationError as error:
        return {**head, "is_passed": False, "failures": str(error)}, ""
    return {**head, **row(made)}, made.ld1_version


def main() -> None:
    """Make, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("elements", nargs="*", default=list_recipes())
    parser.add_argument("--functional", type=Functional.parse, default=Functional.PBE)
    options = parser.parse_args()
    rows, versions = [], set()
    for element in options.elements:
        for core_hole in (None, CoreHole("1s")):
            found, version = measure(element, core_hole, options.functional)
            rows.append(found)
            versions.add(version)
            print(json.dumps(found), flush=True)
    if options.elements == list_recipes():
        result = {
            "ld1_version": ", ".join(sorted(versions - {""})),
            "functional": options.functional.value,
            "n_passed": sum(r["is_passed"] for r in rows),
            "rows": rows,
        }
        RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
