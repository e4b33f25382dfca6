"""What the platform adds to one FEFF site: everything but FEFF itself.

    python benchmarks/platform_overhead.py [--repeats 3]

Measures, each in processes of its own, `import whiteline` and `whiteline --help`; the whole command `whiteline run` on
one site of fcc copper less the time inside FEFF's stages; the same for each further site of the same process; and
FEFF's page faults with and without the memory settings that Whiteline gives it. Writes
benchmarks/results/platform_overhead.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pymatgen.core import Lattice, Structure

from whiteline.absorber import Absorber
from whiteline.calculators.feff import FeffCalculator, FeffParameters
from whiteline.calculators.feff.run import run_feff
from whiteline.calculators.parameters import build_parameters
from whiteline.database import open_store
from whiteline.database.query import SpectrumQuery
from whiteline.edges import Edge

RESULTS = Path(__file__).parent / "results" / "platform_overhead.json"
REFERENCE_SECONDS = 30.0
QUICK: dict[str, Any] = {
    "scf_radius": None,
    "fms_radius": 2.7,
    "l_max": 1,
    "core_hole": "none",
    "energy_grid": [],
    "k_step": 0.2,
}
N_SITES = 6


def copper(spacing: float) -> Structure:
    """Return fcc copper with a lattice constant [Å]."""
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(spacing), ["Cu"], [[0, 0, 0]])


def wall(command: list[str]) -> float:
    """Return the wall time of a command [s]."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def run_sites(n_sites: int, folder: Path) -> tuple[float, float]:
    """Run `whiteline run` on so many sites; return the wall time and the time inside FEFF's stages [s]."""
    structures = {f"Cu-{i}": copper(3.55 + 0.01 * i).as_dict() for i in range(n_sites)}
    folder.mkdir()
    (folder / "copper.json").write_text(json.dumps(structures))
    database = str(folder / "spectra.db")
    options = [word for name, value in QUICK.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    seconds = wall(
        [
            *(sys.executable, "-m", "whiteline.cli", "run", str(folder / "copper.json"), "-a", "Cu", "--db", database),
            *("--run-directory", str(folder / "runs"), *options),
        ]
    )
    with open_store(database, must_exist=True) as store:
        records = [store.records(s.id)[0] for s in store.summaries(SpectrumQuery(kind="site", status="any"))]
    return seconds, sum(sum(record.timings.values()) for record in records)


def page_faults(folder: Path, *, is_tuned: bool) -> dict[str, float]:
    """Return CPU times [s] and page faults of FEFF on a cluster of 55 atoms, in a process of its own."""
    folder.mkdir()
    calculator = FeffCalculator(build_parameters(FeffParameters, {"scf_radius": None, "fms_radius": 6.0}))
    (folder / "feff.inp").write_text(calculator.inputs(Absorber(copper(3.61), 0, Edge.K))["feff.inp"])
    if not is_tuned:
        from whiteline.calculators.feff import run

        for name in [name for name in run._ENVIRONMENT if name.startswith("MALLOC")]:
            del run._ENVIRONMENT[name]
    report = run_feff(folder, timeout=600, on_stage=lambda _: None)
    if report.failure:
        raise RuntimeError(report.failure)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"user_s": usage.ru_utime, "system_s": usage.ru_stime, "page_faults": usage.ru_minflt}


def in_own_process(folder: Path, *, is_tuned: bool) -> dict[str, float]:
    """Run `page_faults` in a fresh interpreter, so that nothing else is counted."""
    words = [sys.executable, __file__, "--faults", str(folder), *(["--tuned"] if is_tuned else [])]
    return dict(json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()[-1]))


def measure(repeats: int) -> dict[str, Any]:
    """Return all figures, medians over the repeats."""
    python = sys.executable
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        starts = {
            "import_whiteline_s": [wall([python, "-c", "import whiteline"]) for _ in range(repeats)],
            "import_nothing_s": [wall([python, "-c", "pass"]) for _ in range(repeats)],
            "help_s": [wall([python, "-m", "whiteline.cli", "--help"]) for _ in range(repeats)],
        }
        one = [run_sites(1, home / f"one-{i}") for i in range(repeats)]
        many = [run_sites(N_SITES, home / f"many-{i}") for i in range(repeats)]
        faults = {
            name: in_own_process(home / name, is_tuned=name == "with_settings")
            for name in ("without_settings", "with_settings")
        }
        spectra = {(home / name / "xmu.dat").read_bytes() for name in faults}
    first = statistics.median(seconds - feff for seconds, feff in one)
    all_sites = statistics.median(seconds - feff for seconds, feff in many)
    further = (all_sites - first) / (N_SITES - 1)
    return {
        **{name: round(statistics.median(values), 3) for name, values in starts.items()},
        "overhead_of_first_site_s": round(first, 3),
        "overhead_of_each_further_site_s": round(further, 3),
        "first_site_share_of_30_s_percent": round(100 * first / REFERENCE_SECONDS, 2),
        "further_site_share_of_30_s_percent": round(100 * further / REFERENCE_SECONDS, 2),
        "feff_page_faults": {**faults, "is_same_spectrum": len(spectra) == 1},
        "repeats": repeats,
        "cpus": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--faults", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--tuned", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.faults:
        print(json.dumps(page_faults(arguments.faults, is_tuned=arguments.tuned)))
        return
    results = measure(arguments.repeats)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
