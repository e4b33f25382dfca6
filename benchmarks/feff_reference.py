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
import re
import shutil
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure

from whiteline.absorber import Absorber
from whiteline.calculators.feff import FeffCalculator, FeffParameters
from whiteline.calculators.feff.cluster import build_cluster
from whiteline.calculators.feff.parameters import PotentialGrouping
from whiteline.calculators.feff.run import run_feff
from whiteline.calculators.feff.xmu import read_xmu
from whiteline.edges import Edge
from whiteline.similarity import pearson, spearman

RESULTS = Path(__file__).parent / "results" / "feff_reference.json"
EXAMPLES = ("Cu", "GeCl_4", "BN")
SAME_GRID = 2e-3  # eV; the stored energies have three decimals


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
                {"version": table.version, "norm": table.norm, "fermi_energy": table.fermi_energy},
            )
        )
    return cases


def sparsest_sites(data: Path, n_sites: int) -> list[tuple[int, Absorber, Any]]:
    """Return the Cu sites with the fewest atoms within 9 Å: that number, the absorber, and the stored row."""
    import pandas as pd  # type: ignore[import-untyped]  # ships no types

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
        absorber = Absorber(Structure.from_dict(structures[row.material_id]), int(row.site_index), Edge.K)
        cluster = build_cluster(absorber, FeffParameters(potentials=PotentialGrouping.ELEMENT))
        found.append((len(cluster.positions), absorber, row))
    found.sort(key=lambda item: (item[0], str(item[2].material_id), int(item[2].site_index)))
    return found[:n_sites]


def site_name(row: Any) -> str:
    """Return the name of a case."""
    return f"{row.material_id} site {row.site_index} {row.formula}"


def case_folder(name: str, scratch: Path) -> Path:
    """Return the run directory of a case."""
    return scratch / name.replace(" ", "_").replace("(", "").replace(")", "")


def site_absorbers(data: Path, n_sites: int, scratch: Path) -> list[tuple[str, Absorber, Path]]:
    """Return name, absorber and run directory of the Cu sites."""
    return [
        (site_name(row), absorber, case_folder(site_name(row), scratch))
        for _, absorber, row in sparsest_sites(data, n_sites)
    ]


def site_cases(data: Path, n_sites: int) -> list[Case]:
    """Return the Cu sites with the published parameters, which are the defaults."""
    calculator = FeffCalculator(FeffParameters())
    return [
        Case(
            site_name(row),
            calculator.inputs(absorber)["feff.inp"],
            np.array([row.raw_omega, row.raw_mu], dtype=float),
            {
                "version": "FEFF 9",
                "norm": float(row.xsedge_norm),
                "scf_iterations": int(row.scf_iter),
                "fermi_energy": float(row.e_fermi),
                "n_atoms": n_atoms,
                "split": str(row.split),
            },
        )
        for n_atoms, absorber, row in sparsest_sites(data, n_sites)
    ]


def cards(inp: str) -> list[list[str]]:
    """Return the words of the lines that decide the spectrum; FEFF rewrites its input without blanks and comments."""
    lines = [line.split() for line in inp.splitlines()]
    return [line for line in lines if line and line[0] not in ("TITLE", "END") and not line[0].startswith("*")]


def run_case(case: Case, scratch: Path, timeout: float) -> Path | str:
    """Run one case unless its result is there, and return its folder, or why there is no result."""
    folder = case_folder(case.name, scratch)
    done = folder / "done.json"
    if done.is_file() and cards((folder / "feff.inp").read_text()) == cards(case.inp):
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
    """Compare, print a table and write the results."""
    rows = [
        {"name": case.name, **case.note, "failure": folder}
        if isinstance(folder, str)
        else {"name": case.name, **case.note, **compare_with_reference(case, folder)}
        for case, folder in zip(cases, folders, strict=True)
    ]
    RESULTS.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    print(
        "| case | points | Pearson | Spearman | best shift (eV) | largest deviation of mu | SCF iterations (stored) |"
    )
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        if "failure" in row:
            print(f"| {row['name']} | FEFF failed: {row['failure']} |")
            continue
        iterations = f"{row['scf_iterations_here']} ({row.get('scf_iterations', '-')})"
        print(
            f"| {row['name']} | {row['n_points']} | {row['pearson']:.6f} | {row['spearman']:.6f} "
            f"| {row['shift_ev']:+.2f} | {row['largest_deviation']:.1e} | {iterations} |"
        )


def compare_with_reference(case: Case, folder: Path) -> dict[str, Any]:
    """Return how far the spectrum in `folder` is from the stored one, point by point where the grids agree."""
    table = read_xmu(folder / "xmu.dat")
    return {
        **compare_curves(table.data[:, 0], table.data[:, 3], *case.reference),
        "norm_here": table.norm,
        "fermi_energy_here": table.fermi_energy,
        "scf_iterations_here": scf_iterations(folder),
        "version_here": table.version,
        **json.loads((folder / "done.json").read_text()),
    }


def scf_iterations(folder: Path) -> int | None:
    """Return after how many iterations the potentials converged; None where they did not, or were not iterated."""
    converged = re.search(r"Convergence reached in\s+(\d+)", (folder / "feff.log").read_text(errors="replace"))
    return int(converged.group(1)) if converged else None


def compare_curves(energy: np.ndarray, mu: np.ndarray, stored_energy: np.ndarray, stored: np.ndarray) -> dict[str, Any]:
    """Return how far a spectrum is from a stored one, point by point where the grids agree, else on the stored grid.

    Args:
        energy: Energies here, shape (n_energy,) [eV].
        mu: Intensity here, shape (n_energy,).
        stored_energy: Stored energies, shape (n_stored,) [eV].
        stored: Stored intensity, shape (n_stored,).
    """
    is_same_grid = len(energy) == len(stored_energy) and np.abs(energy - stored_energy).max() < SAME_GRID
    inside = (stored_energy >= energy[0]) & (stored_energy <= energy[-1])
    here = mu if is_same_grid else np.interp(stored_energy[inside], energy, mu)
    there = stored if is_same_grid else stored[inside]
    factor = float(here @ there / (there @ there))
    return {
        "n_points": len(there),
        "is_same_grid": bool(is_same_grid),
        "common_factor": factor,
        "largest_deviation_after_factor": float(np.abs(here / factor - there).max()),
        "pearson": pearson(here, there),
        "spearman": spearman(here, there),
        "shift_ev": _best_shift(energy, mu, stored_energy, stored),
        "largest_deviation": float(np.abs(here - there).max()),
    }


def _best_shift(energy: np.ndarray, mu: np.ndarray, stored_energy: np.ndarray, stored: np.ndarray) -> float:
    """Return the shift [eV], in steps of 0.01 eV within 2 eV, that brings the stored spectrum closest."""
    shifts = np.round(np.arange(-2.0, 2.005, 0.01), 2)
    grid = np.linspace(energy[0] + 2, energy[-1] - 2, 400)
    here = np.interp(grid, energy, mu)
    errors = [np.square(np.interp(grid, stored_energy + shift, stored) - here).mean() for shift in shifts]
    return float(shifts[int(np.argmin(errors))])


if __name__ == "__main__":
    main()
