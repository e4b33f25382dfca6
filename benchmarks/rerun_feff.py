"""Does FEFF give the same spectra again from what is on record alone, in a clean machine directory?

    python benchmarks/rerun_feff.py [--processes 2]

Computes ten sites of small sulphides with `whiteline run --preset fast`, copies the store alone into an empty folder
that is the home of a new process, and runs `whiteline rerun` there: no crystal file, run directory or setting of the
first runs is left. The crystals are those of structures/amcsd in the folder that WHITELINE_DATA names, else those of
the Ti-O-10 benchmark. Writes benchmarks/results/rerun_feff.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "rerun_feff.json"
TI_O = Path(__file__).parents[1] / "tests" / "data" / "structures" / "ti-o-10.json"
N_SITES = 10
# Sulphur among two to six neighbours, ionic to metallic, with light and heavy atoms around it.
SULPHIDES = (
    "CaS_Oldhamite_Fm-3m_amcsd11284",
    "CdS_Greenockite_P6_3mc_amcsd11540",
    "CdS_Hawleyite_F-43m_amcsd70",
    "FeCuS2_Chalcopyrite_I-42d_amcsd9476",
    "FeS_Mackinawite_P4-nmm_amcsd14518",
    "MgS_Niningerite_Fm-3m_amcsd11350",
    "MnS_Rambergite_P6_3mc_amcsd11549",
    "PbS_Galena_Fm-3m_amcsd3",
    "S_Sulphur_R-3_amcsd11256",
    "ZnS_Sphalerite_F-43m_amcsd110",
)


def crystals() -> tuple[str, list[str]]:
    """Return the absorber and the structures, as `whiteline run` takes them."""
    if data := os.environ.get("WHITELINE_DATA"):
        home = Path(data) / "structures" / "amcsd"
        return "S", [str(home / f"{name}.cif") for name in SULPHIDES]
    return "Ti", [f"{TI_O}#{name}" for name in json.loads(TI_O.read_text(encoding="utf-8"))]


def whiteline(*words: str, home: Path, database: Path) -> str:
    """Run a command in an environment that knows nothing but where Python is, and return what it prints."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
    command = [sys.executable, "-m", "whiteline.cli", *words, "--db", str(database)]
    done = subprocess.run(command, cwd=home, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout


def compute(home: Path, n_processes: int) -> list[str]:
    """Compute the sites and return their ids."""
    database = home / "spectra.db"
    element, structures = crystals()
    words = ("--absorber", element, "--preset", "fast", "-j", str(n_processes))
    whiteline("run", *structures, *words, home=home, database=database)
    lines = whiteline("query", "--kind", "site", "--json", home=home, database=database).splitlines()
    return sorted(json.loads(line)["id"] for line in lines)[:N_SITES]


def row(result: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a result."""
    comparison = result["comparison"] or {}
    return {
        "label": result["label"],
        "verdict": result["verdict"],
        "largest": comparison.get("largest"),
        "energy": comparison.get("energy"),
        "n_points": comparison.get("n_points"),
        "differences": [f"{each['ground']}: {each['name']}" for each in result["differences"]],
        "seconds": result["seconds"],
        "seconds_recorded": result["seconds_recorded"],
    }


def main() -> None:
    """Compute, run again elsewhere, print a table and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as clean:
        started = time.monotonic()
        ids = compute(Path(first), arguments.processes)
        computed = time.monotonic() - started
        shutil.copyfile(Path(first) / "spectra.db", Path(clean) / "spectra.db")
        shutil.rmtree(Path(first) / ".local", ignore_errors=True)
        words = ("-o", "again", "--json", "-j", str(arguments.processes))
        started = time.monotonic()
        text = whiteline("rerun", *ids, *words, home=Path(clean), database=Path(clean) / "spectra.db")
        again = time.monotonic() - started
    report = json.loads(text)
    rows = [row(result) for result in report["results"]]
    facts = {"versions": report["versions"], "tolerance": report["tolerance"], "verdicts": report["verdicts"]}
    times = {"computed_s": round(computed, 1), "again_s": round(again, 1), "n_processes": arguments.processes}
    RESULTS.write_text(json.dumps({**facts, **times, "rows": rows}, indent=1, ensure_ascii=False) + "\n")
    print("| spectrum | verdict | largest difference | points | s then | s now |\n|---|---|--:|--:|--:|--:|")
    for each in rows:
        largest = "–" if each["largest"] is None else f"{each['largest']:.1e}"
        print(
            f"| {each['label']} | {each['verdict']} | {largest} | {each['n_points']} "
            f"| {each['seconds_recorded']:.1f} | {each['seconds']:.1f} |"
        )
    print(f"\n{report['verdicts']}; computed in {computed:.0f} s, run again in {again:.0f} s")


if __name__ == "__main__":
    main()
