"""How the embedded store does with a million spectra: ingest, ten queries, a matrix, search.

    WHITELINE_DATA=… python benchmarks/million_spectra.py --store /tmp/million.db [--n 1000000]

Spectra are made from real ones (benchmarks/spectra_factory.py). A store that is there already is used as it is, and its
ingest is not measured. Writes benchmarks/results/million_spectra.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from spectra_factory import make_documents

from whiteline.database import open_store
from whiteline.database.query import ANY_STATUS, SpectrumQuery
from whiteline.database.search import search
from whiteline.database.store import SpectrumStore

RESULTS = Path(__file__).parent / "results" / "million_spectra.json"
QUERIES: tuple[dict[str, Any], ...] = (
    {"absorber": "Cu", "edge": "K"},
    {"absorber": "Ti"},
    {"absorber": "Cu", "code": "feff"},
    {},
    {"sort": "-created_at"},
    {"elements_all": ("O", "Cu")},
    {"chemical_system": "Cu-O"},
    {"formula": "CuO"},
    {"absorber": "Fe"},
    {"absorber": "Cu", "space_group": 225},
)
N_MATRIX = 100_000
N_SEARCHES = 20


def seconds(act: Callable[[], object]) -> float:
    """Return how long something takes [s]."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def fetch(store: SpectrumStore, query: SpectrumQuery) -> int:
    """Read the rows that a query finds; return how many."""
    return sum(1 for _ in store.summaries(query))


def measure(store: SpectrumStore) -> dict[str, Any]:
    """Return the times of queries, of a matrix and of searches."""
    queries = {
        json.dumps(values): round(
            1e3 * min(seconds(partial(fetch, store, SpectrumQuery(**values, limit=50))) for _ in range(3)),
            2,
        )
        for values in QUERIES
    }
    first = next(iter(store.query(SpectrumQuery(absorber="Cu", limit=1)))).spectrum
    assert first is not None
    many = SpectrumQuery(absorber="Cu", limit=N_MATRIX)
    started = time.perf_counter()
    _, matrix = store.matrix(many, first.energy)
    matrix_s = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/plain.npy", matrix)
        plain_s = seconds(lambda: np.load(f"{folder}/plain.npy"))
    index_s = seconds(lambda: search(store, first, top=10))
    spectra = [d.spectrum for d in store.query(SpectrumQuery(absorber="Cu", limit=N_SEARCHES, skip=5000))]
    searches = [seconds(partial(search, store, s, top=10)) for s in spectra if s is not None]
    return {
        "queries_ms": queries,
        "matrix_rows": len(matrix),
        "matrix_s": round(matrix_s, 3),
        "plain_file_s": round(plain_s, 3),
        "first_search_with_index_s": round(index_s, 1),
        "search_median_ms": round(1e3 * statistics.median(searches)),
        "search_max_ms": round(1e3 * max(searches)),
    }


def main() -> None:
    """Make the store if it is not there, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--n", type=int, default=1_000_000)
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    is_new = not arguments.store.exists()
    with open_store(str(arguments.store)) as store:
        if is_new:
            making = seconds(lambda: sum(1 for _ in make_documents(20_000, seed=1))) / 20_000
            taken = seconds(lambda: store.put_many(make_documents(arguments.n, seed=0)))
            results["inserts_per_s"] = round(arguments.n / (taken - making * arguments.n))
        results["n"] = store.count(SpectrumQuery(status=ANY_STATUS))
        results["bytes_per_spectrum"] = round(arguments.store.stat().st_size / results["n"])
        results |= measure(store)
    results["peak_memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
