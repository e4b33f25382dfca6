"""How good and how fast the search by spectrum is, beside scoring every stored spectrum.

    WHITELINE_DATA=/path/to/data python benchmarks/spectrum_search.py [--n 50000] [--store FILE]

The store holds what `spectra_factory.make_documents(n, seed=0)` makes; `--store` takes one that holds it already, and
keeps its index. What is looked for are real spectra, broadened, shifted on their axes and with noise on them. Results
go to `benchmarks/results/spectrum_search.json` and to stdout. On a machine that does other work, set
OPENBLAS_NUM_THREADS=1: threads of BLAS that wait for one another make the brute force many times slower.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float, Int
from spectra_factory import N_ENERGY, STEP, Pool, document_id, make_documents, read_pool

from whiteline.broadening import Gaussian, broaden
from whiteline.database import SpectrumQuery, SQLiteStore
from whiteline.database.search import Metric, SearchIndex, search
from whiteline.database.search.grid import prepare_query
from whiteline.database.search.metrics import best_scores, vectors
from whiteline.database.search.ranking import rank
from whiteline.database.search.snapshot import Snapshot
from whiteline.spectrum import EnergyReference, Spectrum

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Indices: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

RESULTS = Path(__file__).parent / "results" / "spectrum_search.json"
MAX_SHIFT = 3.0  # [eV] tried by the search and put on the spectra looked for
WIDTHS = (0.5, 1.5)  # FWHM of the Gaussians on them [eV]
NOISE = 0.01  # standard deviation over the level above the edge
N_BEST = 10
BLOCK = 4096
# Rows times queries that a brute-force earth mover's distance may take: half a minute or so.
EARTH_MOVER_BUDGET = 10_000_000


def make_queries(pool: Pool, n: int, seed: int) -> list[tuple[int, Spectrum]]:
    """Return real spectra that were made hard to recognise, each with its place in the pool."""
    rng = np.random.default_rng(seed)
    queries = []
    for i in rng.choice(len(pool), size=n, replace=False).tolist():
        energy = pool.start[i] + np.arange(N_ENERGY, dtype=float) * STEP
        curve = broaden(energy, pool.intensity[i : i + 1], Gaussian(rng.uniform(*WIDTHS)))[0]
        curve += rng.normal(scale=NOISE * pool.intensity[i, -20:].mean(), size=N_ENERGY)
        shifted = energy + rng.uniform(-MAX_SHIFT, MAX_SHIFT)
        queries.append((i, Spectrum(shifted, curve, energy_reference=EnergyReference.ABSOLUTE)))
    return queries


def variants(spectrum: Spectrum) -> Float[Array, "variant grid"]:
    """Return the curves of a spectrum at all shifts, as the search makes them."""
    return prepare_query(spectrum.energy, spectrum.intensity, max_shift=MAX_SHIFT, broadenings=(0.0,)).curves


def brute_force(
    snapshot: Snapshot, metric: Metric, queries: Sequence[Float[Array, "variant grid"]], mask: Any
) -> list[list[int]]:
    """Return the rows of the best scores of each query, every row scored in full."""
    wanted = [vectors(metric, query) for query in queries]
    best: list[list[tuple[float, int]]] = [[] for _ in queries]
    rows = np.flatnonzero(mask)
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        held = vectors(metric, snapshot.curves(part))
        for i, query in enumerate(wanted):
            scores, _ = best_scores(metric, held, query)
            costs = scores if metric.is_distance else -scores
            first = np.argpartition(costs, min(N_BEST, len(costs) - 1))[:N_BEST]
            found = zip(costs[first].tolist(), part[first].tolist(), strict=True)
            best[i] = sorted([*best[i], *found])[:N_BEST]
    return [[row for _, row in each] for each in best]


def measure_recall(
    snapshot: Snapshot, metric: Metric, queries: Sequence[Float[Array, "variant grid"]]
) -> dict[str, Any]:
    """Return how many of the best ten the search finds."""
    mask = snapshot.mask(SpectrumQuery())
    n_rows = int(np.count_nonzero(mask))
    if metric.is_distance:
        queries = queries[: max(5, EARTH_MOVER_BUDGET // n_rows)]
    expected = brute_force(snapshot, metric, queries, mask)
    found = [[r.row for r in islice(rank(snapshot, metric, query, mask), N_BEST)] for query in queries]
    shares = [len(set(a) & set(b)) / len(a) for a, b in zip(expected, found, strict=True)]
    return {
        "n_queries": len(queries),
        "equal_lists": sum(share == 1.0 for share in shares) / len(shares),
        "equal_in_order": sum(a == b for a, b in zip(expected, found, strict=True)) / len(shares),
        "recall_at_10": statistics.fmean(shares),
    }


def measure_quality(
    snapshot: Snapshot, metric: Metric, queries: Sequence[tuple[int, Spectrum]], real: Int[Indices, " real"]
) -> dict[str, Any]:
    """Return at which place the right spectrum stands among the real ones, of its absorber and of all."""
    absorbers = read_absorbers(snapshot)
    places: dict[str, list[int]] = {"of_its_absorber": [], "of_all": []}
    for i, spectrum in queries:
        for name, found in places.items():
            mask = np.zeros(snapshot.n_rows, dtype=bool)
            mask[real] = True
            if name == "of_its_absorber":
                mask &= absorbers == absorbers[real[i]]
            ranking = rank(snapshot, metric, variants(spectrum), mask)
            found.append(next((k for k, r in enumerate(islice(ranking, 20)) if r.row == real[i]), 20))
    return {
        "n_queries": len(queries),
        **{
            name: {f"top_{n}": sum(place < n for place in found) / len(found) for n in (1, 5, 20)}
            for name, found in places.items()
        },
    }


def read_absorbers(snapshot: Snapshot) -> Any:
    """Return the number of the absorber of each row."""
    return np.concatenate([segment.rows.codes[1] for segment in snapshot.segments])


def milliseconds(actions: Sequence[Callable[[], object]]) -> dict[str, float]:
    """Return median and 95th percentile of the wall time, and the median of the processor time [ms]."""
    walls, busy = [], []
    for action in actions:
        start, start_busy = time.perf_counter(), time.process_time()
        action()
        walls.append(1e3 * (time.perf_counter() - start))
        busy.append(1e3 * (time.process_time() - start_busy))
    walls.sort()
    return {
        "median": statistics.median(walls),
        "p95": walls[int(0.95 * (len(walls) - 1))],
        "processor_median": statistics.median(busy),
    }


def measure_time(store: SQLiteStore, index: SearchIndex, queries: Sequence[tuple[int, Spectrum]]) -> dict[str, Any]:
    """Return the time of whole searches: query prepared, rows ranked, 20 matches confirmed and read from the store."""
    found: dict[str, Any] = {}
    for metric in Metric:
        found[metric.value] = {}
        for name, query in (("all", SpectrumQuery()), ("one absorber", SpectrumQuery(absorber="Cu", edge="K"))):
            actions = [
                lambda s=spectrum, m=metric, q=query: search(
                    store, s, metric=m, query=q, max_shift=MAX_SHIFT, index=index
                )
                for _, spectrum in queries
            ]
            actions[0]()  # maps the files
            found[metric.value][name] = milliseconds(actions)
    spectrum = queries[0][1]
    found["cosine, index opened anew"] = milliseconds([lambda: search(store, spectrum)] * 5)
    return found


def measure_updates(store: SQLiteStore, index: SearchIndex, n: int, pool: Pool) -> dict[str, float]:
    """Return the time that a search takes longer after one, and after a thousand, new spectra [s]."""
    times = {}
    new = islice(make_documents(n + 1001, 0, pool=pool), n, None)
    for count in (1, 1000):
        store.put_many(list(islice(new, count)))
        start = time.perf_counter()
        index.update()
        times[f"{count} new"] = time.perf_counter() - start
    for i in range(n, n + 1001):
        store.delete(document_id(0, i))
    return times


def run(store: SQLiteStore, arguments: argparse.Namespace, pool: Pool) -> dict[str, Any]:
    """Build the index and return the figures."""
    n = arguments.n
    index = SearchIndex(store)
    start, start_busy = time.perf_counter(), time.process_time()
    update = index.update()
    wall, busy = time.perf_counter() - start, time.process_time() - start_busy
    snapshot = index.snapshot()
    n_built = update.n_read if update and update.reason else 0
    figures: dict[str, Any] = {
        "n": snapshot.n_spectra,
        "built_per_s": n_built / wall if n_built else None,
        "built_per_processor_s": n_built / busy if n_built else None,
        "peak_memory_mb_after_building": peak_memory(),
        "index_bytes_per_spectrum": index.status().size_bytes / max(snapshot.n_spectra, 1),
    }
    queries = make_queries(pool, min(arguments.queries, len(pool)), seed=1)
    figures["search_ms"] = measure_time(store, index, queries[:50])
    figures["peak_memory_mb_after_searching"] = peak_memory()
    curves = [variants(spectrum) for _, spectrum in queries]
    figures["recall"] = {m.value: measure_recall(snapshot, m, curves) for m in Metric}
    n_real = min(len(pool), n)
    real = snapshot.find([document_id(0, i) for i in range(n_real)])
    held = [(i, spectrum) for i, spectrum in queries if i < n_real]
    figures["held_out"] = {m.value: measure_quality(snapshot, m, held, real) for m in Metric}
    figures["update_s"] = measure_updates(store, index, n, pool) if arguments.store is None else None
    figures["peak_memory_mb"] = peak_memory()
    return figures


def peak_memory() -> int:
    """Return the largest resident memory so far, pages of mapped files among it [MB]."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def print_table(results: dict[str, Any]) -> None:
    """Print the figures as Markdown."""
    print(
        "| metric | equal top 10 | recall | right one in top 5 of its absorber | of all | search [ms] | one absorber |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for metric in Metric:
        recall, quality = results["recall"][metric.value], results["held_out"][metric.value]
        times = results["search_ms"][metric.value]
        print(
            f"| {metric} | {recall['equal_lists']:.1%} | {recall['recall_at_10']:.2%} | "
            f"{quality['of_its_absorber']['top_5']:.1%} | {quality['of_all']['top_5']:.1%} | "
            f"{times['all']['median']:.0f} | {times['one absorber']['median']:.0f} |"
        )
    if results["built_per_s"]:
        print(f"\nIndex: {results['built_per_s']:.0f} spectra/s, ", end="")
    print(f"{results['index_bytes_per_spectrum']:.0f} bytes a spectrum; peak memory {results['peak_memory_mb']} MB")


def main() -> None:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n", type=int, default=50_000, help="number of spectra (default: %(default)s)")
    parser.add_argument("--queries", type=int, default=200, help="spectra looked for (default: %(default)s)")
    parser.add_argument(
        "--store", type=Path, help="store file with these spectra; made in a temporary folder if left out"
    )
    arguments = parser.parse_args()
    pool = read_pool()
    if arguments.store is not None:
        with SQLiteStore(arguments.store, must_exist=True) as store:
            figures = run(store, arguments, pool)
    else:
        with tempfile.TemporaryDirectory() as folder, SQLiteStore(Path(folder) / "spectra.db") as store:
            store.put_many(make_documents(arguments.n, 0, pool=pool))
            figures = run(store, arguments, pool)
    results = {
        "spectra": pool.source,
        "n_real": len(pool),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "n_processors": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "looked_for": {"broadening_ev": WIDTHS, "shift_ev": MAX_SHIFT, "noise": NOISE},
        **figures,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print_table(results)


if __name__ == "__main__":
    main()
