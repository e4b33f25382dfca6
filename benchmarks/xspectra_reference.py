"""Does XSpectra, fed by Whiteline's writer, give back the spectra that Quantum ESPRESSO keeps as references?

    python benchmarks/xspectra_reference.py --scratch /tmp/xspectra-reference [--examples FOLDER] [--only NAME ...]

Runs diamond (C K, with and without a core hole) and copper (L2, L3 and L2,3) from inputs that Whiteline writes from the
structure, and NiO, SiO2 and copper with half a core hole from the examples' own inputs through Whiteline's reader,
all with the examples' pseudopotentials. `--examples` is the folder XSpectra of Quantum ESPRESSO's examples, which
Debian ships with the package quantum-espresso. A finished run in the scratch folder is not repeated.
Writes benchmarks/results/xspectra_reference.json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Lattice, Structure

from whiteline.absorber import Absorber
from whiteline.calculators.kpoints import BOHR
from whiteline.calculators.parameters import build_parameters
from whiteline.calculators.process import run_command
from whiteline.calculators.xspectra import XSpectraCalculator, XSpectraParameters
from whiteline.calculators.xspectra.parse import MBARN_PER_BOHR2, read_run
from whiteline.edges import Edge
from whiteline.similarity import pearson, spearman

RESULTS = Path(__file__).parent / "results" / "xspectra_reference.json"
EXAMPLES = Path("/usr/share/doc/quantum-espresso/examples/XSpectra")
TIMEOUT = 3600.0
REACH = 5.0  # eV; versions differ in where they put the zero of an insulator, the highest occupied level or mid-gap
DIAMOND = {
    "cell": "image_distance",
    "supercell_distance": 3.5,  # the conventional cell
    "ecutwfc": 40.0,
    "occupations": "fixed",
    "conv_thr": 1e-6 / 8,
    "scf_kpoints_length": 12.0,  # 4 × 4 × 4
    "kpoints_length": 12.0,
    "shifts_kpoints": True,
    "xniter": 1000,
    "xgamma": 0.8,
    "energy_min": -10.0,
    "energy_max": 30.0,
    "r_paw": 3.2,
    "pseudopotential_files": {"C": "C_PBE_TM_2pj.UPF"},
}
COPPER = {
    "cell": "primitive",
    "core_hole": "none",
    "ecutwfc": 20.0,
    "ecutrho": 200.0,
    "follows_cutoffs": False,
    "smearing": "mp",
    "degauss": 0.03,
    "conv_thr": 1e-6,
    "scf_kpoints_length": 5.0,  # 3 × 3 × 3
    "kpoints_length": 5.0,
    "xniter": 5000,
    "xcheck_conv": 500,
    "xerror": 0.01,
    "xgamma": 0.5,
    "energy_min": -10.0,
    "energy_max": 80.0,
    "n_energy": 1000,
    "r_paw": 2.0,
    "pseudopotential_files": {"Cu": "Cu_US_PBE_3pj_lowE.UPF"},
}


@dataclass(frozen=True)
class Case:
    """One spectrum and the stored one to compare it with.

    Attributes:
        name: What it is.
        reference: Name of the stored spectrum; empty where there is none.
        compute: Computes it in a folder, and returns energy, cross-section [bohr²] and notes.
    """

    name: str
    reference: str
    compute: Callable[[Path], tuple[np.ndarray, np.ndarray, dict[str, Any]]]


def table(path: Path) -> np.ndarray:
    """Return the first two columns of a stored spectrum, shape (2, n_energy)."""
    text = gzip.decompress(path.read_bytes()).decode()
    return np.array([line.split()[:2] for line in text.splitlines() if not line.startswith("#")], dtype=float).T


def written(
    structure: Structure, edge: Edge, values: Mapping[str, Any], pseudo: Path
) -> Callable[[Path], tuple[np.ndarray, np.ndarray, dict[str, Any]]]:
    """Return a function that computes a spectrum from Whiteline's own inputs."""

    def compute(folder: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        absorber = Absorber(structure, 0, edge)
        parameters = build_parameters(XSpectraParameters, values)
        calculator = XSpectraCalculator(parameters, pseudo_directory=str(pseudo), timeout=TIMEOUT)
        if not (folder / "done.json").is_file():
            for name, text in calculator.inputs(absorber).items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text)
            for name, path in calculator.files(absorber).items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / name)
            report = calculator.run(folder, on_stage=lambda stage: print(f"  {stage}", flush=True))
            if report.failure:
                raise RuntimeError(report.failure)
            (folder / "done.json").write_text(json.dumps({"timings": dict(report.timings)}))
        outcome = calculator.parse(folder, absorber)
        assert outcome.spectrum is not None
        notes = {
            "inputs": "Whiteline's",
            "version": outcome.code_version,
            "status": outcome.status.value,
            "checks": [f"{check.name}: {check.detail}" for check in outcome.checks],
            **json.loads((folder / "done.json").read_text()),
        }
        spectrum = outcome.spectrum
        return spectrum.energy, spectrum.cross_section() / MBARN_PER_BOHR2, notes

    return compute


def example(
    scf: str, xanes: str, examples: Path, pseudo: Path, core: str
) -> Callable[[Path], tuple[np.ndarray, np.ndarray, dict[str, Any]]]:
    """Return a function that computes a spectrum from an example's own inputs."""

    def compute(folder: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        if not (folder / "done.json").is_file():
            (folder / core).write_bytes(gzip.decompress((examples / "reference" / f"{core}.gz").read_bytes()))
            for program, name in (("pw.x", scf), ("xspectra.x", xanes)):
                text = (examples / "reference" / name).read_text()
                text = re.sub(r"pseudo_dir\s*=\s*'[^']*'", f"pseudo_dir = '{pseudo}'", text)
                text = re.sub(r"outdir\s*=\s*'[^']*'", "outdir = './tmp'", text)
                if program == "xspectra.x":
                    text = re.sub(r"^\s*wf_collect.*\n", "", text, flags=re.MULTILINE)  # 6.7 does not know it any more
                (folder / name).write_text(text)
                print(f"  {program}", flush=True)
                log = folder / f"{name}.out"
                failure = run_command(
                    [program, "-in", name],
                    directory=folder,
                    log=log,
                    timeout=TIMEOUT,
                    environment={"OMP_NUM_THREADS": "1"},
                )
                if failure:
                    raise RuntimeError(failure)
            shutil.rmtree(folder / "tmp")
            (folder / "done.json").write_text("{}")
        run = read_run(folder / "xanes.dat", folder / f"{xanes}.out")
        notes = {
            "inputs": "the example's",
            "version": run.log.version,
            "recursions": f"{run.log.n_converged} of {run.log.n_converged + run.log.n_unconverged} converged",
        }
        energy, sigma = run.table.energy, run.table.cross_section
        is_right = ~is_spurious(energy)
        return energy[is_right], sigma[is_right], notes | {"left_out_ev": energy[~is_right].tolist()}

    return compute


def is_spurious(energy: np.ndarray) -> np.ndarray:
    """Return which point is wrong where the cut of occupied states is smoothed over less than a step.

    Some of the examples do that, and xspectra.x then writes one wrong point below the zero, in the stored spectra as
    here. XSpectraParameters does not allow it.
    """
    return np.asarray((energy <= 0) & (energy > energy[0] - energy[1]))


def list_cases(examples: Path, pseudo: Path) -> list[Case]:
    """Return what is computed."""
    diamond = Structure.from_spacegroup("Fd-3m", Lattice.cubic(6.740256 * BOHR), ["C"], [[0, 0, 0]])
    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(6.8048679 * BOHR), ["Cu"], [[0, 0, 0]])
    hole = {**DIAMOND, "core_hole": "full", "core_hole_pseudopotential": "Ch_PBE_TM_2pj.UPF", "n_energy": 1000}
    hole |= {"xcheck_conv": 10, "xerror": 0.001}
    none = {**DIAMOND, "core_hole": "none", "cut_occ_states": False, "n_energy": 300, "xcheck_conv": 50}
    return [
        Case("diamond C K with a core hole", "diamondh.xspectra.dat.gz", written(diamond, Edge.K, hole, pseudo)),
        Case("diamond C K without", "diamond.xspectra.dat.gz", written(diamond, Edge.K, none, pseudo)),
        Case("copper L2", "Cu_xanes_L2.dat.gz", written(copper, Edge.L2, COPPER, pseudo)),
        Case("copper L3", "", written(copper, Edge.L3, COPPER, pseudo)),
        Case("copper L2,3", "", written(copper, Edge.L23, COPPER, pseudo)),
        Case(
            "NiO Ni K, antiferromagnetic, with U",
            "NiO.xspectra_dip.dat.gz",
            example("NiO.scf.in", "NiO.xspectra_dip.in", examples, pseudo, "Ni.wfc"),
        ),
        Case(
            "quartz Si K, field along c",
            "SiO2.xspectra_dip_c.dat.gz",
            example("SiO2.scf.in", "SiO2.xspectra_dip_c.in", examples, pseudo, "Si.wfc"),
        ),
        Case(
            "quartz Si K, field in the plane",
            "SiO2.xspectra_dip_plane.dat.gz",
            example("SiO2.scf.in", "SiO2.xspectra_dip_plane.in", examples, pseudo, "Si.wfc"),
        ),
        Case(
            "copper L2, half a core hole, 27 atoms",
            "Cuhalfh_xanes_L2.dat.gz",
            example("Cu_halfh.scf.in", "Cu_halfh_xspectra.in", examples, pseudo, "Cu.wfc"),
        ),
    ]


def compare_with(stored: np.ndarray, energy: np.ndarray, sigma: np.ndarray) -> dict[str, Any]:
    """Return how far a spectrum is from the stored one on the latter's points, as it is and after the best shift."""
    inside = (stored[0] >= energy[0]) & (stored[0] <= energy[-1]) & ~is_spurious(stored[0])
    grid, there = stored[:, inside]
    here = np.interp(grid, energy, sigma)
    shifts = np.round(np.arange(-REACH, REACH + 0.0005, 0.001), 3)
    middle = (grid > grid[0] + REACH) & (grid < grid[-1] - REACH)
    errors = [np.square(np.interp(grid[middle] - s, energy, sigma) - there[middle]).mean() for s in shifts]
    shift = float(shifts[int(np.argmin(errors))])
    moved = np.interp(grid[middle] - shift, energy, sigma)
    return {
        "n_points": int(inside.sum()),
        "pearson": pearson(here, there),
        "spearman": spearman(here, there),
        "largest_deviation": float(np.abs(here - there).max() / there.max()),
        "shift_ev": shift,
        "pearson_after_shift": pearson(moved, there[middle]),
        "largest_deviation_after_shift": float(np.abs(moved - there[middle]).max() / there.max()),
    }


def main() -> None:
    """Compute, print a table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--examples", type=Path, default=EXAMPLES)
    parser.add_argument("--only", nargs="*", default=[])
    arguments = parser.parse_args()
    pseudo = arguments.scratch.resolve() / "pseudo"
    pseudo.mkdir(parents=True, exist_ok=True)
    for path in (arguments.examples / "pseudo").glob("*.UPF.gz"):
        (pseudo / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    known = {row["name"]: row for row in json.loads(RESULTS.read_text())["rows"]} if RESULTS.is_file() else {}
    for i, case in enumerate(list_cases(arguments.examples, pseudo)):
        if arguments.only and not any(word in case.name for word in arguments.only):
            continue
        print(case.name, flush=True)
        folder = arguments.scratch.resolve() / f"case-{i}"
        folder.mkdir(exist_ok=True)
        energy, sigma, notes = case.compute(folder)
        row = {"name": case.name, **notes}
        if case.reference:
            row |= compare_with(table(arguments.examples / "reference" / case.reference), energy, sigma)
        row["mean_mbarn_10_to_20_ev"] = float(sigma[(energy > 10) & (energy < 20)].mean() * MBARN_PER_BOHR2)
        known[case.name] = row
        print(json.dumps(row, indent=1), flush=True)
    RESULTS.write_text(json.dumps({"rows": list(known.values())}, indent=1) + "\n")


if __name__ == "__main__":
    main()
