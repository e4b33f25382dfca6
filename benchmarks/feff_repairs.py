"""What mends FEFF's potentials where they do not become self-consistent, and does the spectrum stay the same?

    python benchmarks/feff_repairs.py [--site mp-1181556/1 …] [--most 6]

Computes Cu sites of the OmniXAS structures with the fast preset, as it is and with every rung of FEFF's ladder, whether
it is needed or not, and compares each spectrum that converged with that of the first rung that did. Sites that converge
at once show what the rungs cost and change where nothing is wrong. Reads the folder that WHITELINE_DATA names. Writes
benchmarks/results/feff_repairs.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import resource
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure

from whiteline.absorber import Absorber
from whiteline.calculators.feff import FeffCalculator, FeffParameters
from whiteline.calculators.interface import Outcome
from whiteline.calculators.ladders import with_values
from whiteline.calculators.parameters import build_parameters, load_preset
from whiteline.calculators.repairs import Attempt, Repair
from whiteline.causes import Cause
from whiteline.edges import Edge
from whiteline.spectrum import Spectrum
from whiteline.status import Status

RESULTS = Path(__file__).parent / "results" / "feff_repairs.json"
# The first fails as it is, the second converges.
SITES = ("mp-1181556/1", "mp-1147602/2")


def read_absorber(site: str) -> Absorber:
    """Return the Cu site that is named by material and index."""
    name, _, index = site.partition("/")
    path = Path(os.environ["WHITELINE_DATA"]) / "omnixas" / "cu_structures.json.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        content = json.load(file)[name]
    structure = Structure.from_dict(content if isinstance(content, dict) else json.loads(content))
    return Absorber(structure, int(index), Edge.K)


def rungs_of(calculator: FeffCalculator, absorber: Absorber, most: int) -> list[Repair]:
    """Return the ladder, as it is when every rung fails."""
    attempts = [Attempt(None, Status.FAILED, Cause.SCF, "", 0.0)]
    while len(attempts) <= most and (repair := calculator.repair(absorber, attempts)) is not None:
        attempts.append(Attempt(repair, Status.FAILED, Cause.SCF, "", 0.0))
    return [attempt.repair for attempt in attempts if attempt.repair is not None]


def compute(calculator: FeffCalculator, absorber: Absorber) -> tuple[dict[str, Any], Spectrum | None]:
    """Return what is told of one run, and its spectrum if it converged."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "feff.inp").write_text(calculator.inputs(absorber)["feff.inp"], encoding="utf-8")
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        report = calculator.run(folder, on_stage=lambda _: None)
        cpu = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        n_iterations = len(re.findall("SCF ITERATION NUMBER", (folder / "feff.log").read_text(errors="replace")))
        outcome = Outcome(Status.FAILED) if report.failure else calculator.parse(folder, absorber)
    told = {"status": outcome.status.value, "n_iterations": n_iterations, "cpu_s": round(cpu, 1)}
    return told, outcome.spectrum if outcome.status is Status.CONVERGED else None


def measure(site: str, most: int) -> list[dict[str, Any]]:
    """Return one row for each rung of a site, the first without any."""
    calculator = FeffCalculator(build_parameters(FeffParameters, load_preset("feff", "fast")))
    absorber = read_absorber(site)
    rows, reference = [], None
    for repair in (None, *rungs_of(calculator, absorber, most)):
        changed = calculator if repair is None else with_values(calculator, repair.changes)
        told, spectrum = compute(changed, absorber)  # type: ignore[arg-type]  # it is that of FEFF still
        row = {"site": site, "rung": "as asked for" if repair is None else repair.name, **told}
        if spectrum is not None:
            reference = reference or spectrum
            there = np.interp(reference.energy, spectrum.energy, spectrum.intensity)
            row["largest_difference"] = float(np.abs(there - reference.intensity).max() / reference.intensity.max())
            row["pearson"] = float(np.corrcoef(there, reference.intensity)[0, 1])
        print(row, flush=True)
        rows.append(row)
    return rows


def main() -> None:
    """Compute, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", action="append", help="material/index; may be repeated")
    parser.add_argument("--most", type=int, default=6, help="rungs of each site")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = [row for site in arguments.site or SITES for row in measure(site, arguments.most)]
    RESULTS.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
