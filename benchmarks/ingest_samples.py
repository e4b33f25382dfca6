"""What is taken of files that others made, what is skipped, and why; everything is read twice.

    WHITELINE_DATA=… python benchmarks/ingest_samples.py

Each folder of the data is ingested into a new store, then once more, which must add nothing. Writes
benchmarks/results/ingest_samples.json.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from whiteline.database import open_store
from whiteline.database.ingest import IngestOptions
from whiteline.workflows.ingest import ingest

RESULTS = Path(__file__).parent / "results" / "ingest_samples.json"
# Folders and files below the data, and how their files are told from the others there.
SAMPLES = {
    "experiment": "*.xdi",
    "engine-samples/feff10": "feff.inp",
    "engine-samples/ocean": "",
    "engine-samples/exciting": "INFOXS.OUT",
    "engine-samples/vasp": "",
    "ti-o-10": "",
    "omnixas/multi_element_pool.parquet": "",
    "omnixas/cu_feff_sites.parquet": "",
}


def measure(data: Path, name: str, pattern: str) -> dict[str, Any]:
    """Return the counts of one folder or file."""
    path = data / name
    with tempfile.TemporaryDirectory() as folder, open_store(f"{folder}/spectra.db") as store:
        started = time.perf_counter()
        first = ingest([str(path)], store, options=IngestOptions())
        seconds = time.perf_counter() - started
        again = ingest([str(path)], store, options=IngestOptions())
    taken: dict[str, int] = {}
    for part in first.paths:
        for what, n in part.taken.items():
            taken[what] = taken.get(what, 0) + n
    return {
        "name": name,
        "files": {pattern: sum(1 for _ in path.rglob(pattern))} if pattern else {},
        "taken": taken,
        "n_taken": first.n_taken,
        "n_present": first.n_present,
        "skipped": [
            {"source": one.source.removeprefix(f"{path}/"), "reason": one.reason.replace(f"{data}/", "")}
            for one in first.skipped
        ],
        "n_taken_again": again.n_taken,
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """Ingest everything and write the counts."""
    warnings.simplefilter("ignore")
    data = Path(os.environ["WHITELINE_DATA"])
    rows = [measure(data, name, pattern) for name, pattern in SAMPLES.items()]
    RESULTS.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
