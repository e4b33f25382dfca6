"""How fast the embedded store is: 20,000 site spectra of 141 points, beside other embedded stores.

    python benchmarks/embedded_store.py [--n 20000]

Spectra are those of `$WHITELINE_DATA/omnixas/multi_element_pool.parquet`, repeated with small shifts, or steps and
Gaussians without that file. Results go to `benchmarks/results/embedded_store.json`, and as a table to stdout. maggma's
JSONStore and MemoryStore and mongomock hold the same documents as dictionaries; inserting into them is quadratic, so
they get fewer documents and a time limit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.database import DocumentKind, SpectrumDocument, SpectrumQuery, SQLiteStore
from whiteline.database.query import ANY_STATUS
from whiteline.provenance import Kind, ProvenanceRecord, Things, content_checksum
from whiteline.spectrum import Spectrum
from whiteline.status import Check, Status
from whiteline.units import EnergyReference

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

RESULTS = Path(__file__).parent / "results" / "embedded_store.json"
N_ENERGY = 141
STEP = 0.25
SITES_A_MATERIAL = 3
TIME_LIMIT = 60.0
EVERYTHING = SpectrumQuery(status=ANY_STATUS)
ELEMENTS = ("Ti", "V", "Cr", "Co", "Ni", "Cu")
PARTNERS = ("O", "S", "N", "F", "Li", "Si", "P", "Cl")
QUERIES: dict[str, dict[str, Any]] = {
    "absorber, edge, newest 50": {"absorber": "Ti", "edge": "K", "sort": "-created_at", "limit": 50},
    "two elements of a system, 50": {"elements_all": ("Cu", "O"), "elements_none": ("Li",), "limit": 50},
    "parameter >= value, 50": {"absorber": "Ni", "parameters": {"fms_radius": (">=", 7.0)}, "limit": 50},
    "formula and space group, 50": {"formula": "CoO", "space_group": 15, "limit": 50},
    "everything unconverged, 50": {"status": "unconverged", "limit": 50},
}


def make_axis() -> Float[Array, " energy"]:
    """Return the axis of all spectra, shape (141,) [eV]."""
    return np.arange(N_ENERGY, dtype=float) * STEP


def read_shapes() -> tuple[Float[Array, "shape energy"], str]:
    """Return intensities, shape (n_shape, 141), and where they come from."""
    path = Path(os.environ.get("WHITELINE_DATA", "")) / "omnixas" / "multi_element_pool.parquet"
    if "WHITELINE_DATA" in os.environ and path.exists():
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]  # ships no types

        table = parquet.read_table(path, columns=["spectrum"])
        return np.array(table["spectrum"].to_pylist(), dtype=float), "omnixas/multi_element_pool.parquet"
    energy = make_axis()
    peaks = np.random.default_rng(0).uniform(8.0, 25.0, size=(500, 1))
    return 0.5 + np.arctan(energy - 7.0) / np.pi + np.exp(-(((energy - peaks) / 2.0) ** 2)), "synthetic"


def make_documents(
    n_documents: int, shapes: Float[Array, "shape energy"]
) -> Iterator[tuple[SpectrumDocument, ProvenanceRecord]]:
    """Yield site documents, each with its record; three sites share a structure."""
    record = ProvenanceRecord(
        activity="feff-site",
        used={},
        generated={},
        code="feff",
        code_version="10.0.1",
        parameters={"fms_radius": 6.0},
        started_at="2026-01-01T00:00:00.000+00:00",
        ended_at="2026-01-01T00:01:00.000+00:00",
        executables={"feff10": content_checksum(b"feff10")},
    )
    sites = [{"species": [{"element": "Ti", "occu": 1}], "abc": [0.1, 0.2, 0.3]} for _ in range(12)]
    energy = make_axis()
    structure: dict[str, Any] = {}
    for i in range(n_documents):
        i_material, i_site = divmod(i, SITES_A_MATERIAL)
        if i_site == 0:
            structure = {"@class": "Structure", "charge": 0, "lattice": {"a": float(i)}, "sites": sites}
        absorber = ELEMENTS[i_material % len(ELEMENTS)]
        partners = sorted({PARTNERS[i_material // 6 % 8], PARTNERS[i_material // 48 % 8]} - {"O"}) or ["O"]
        elements = tuple(sorted({absorber, "O", *partners}))
        shift = 1e-3 * (i // len(shapes))
        document = SpectrumDocument(
            id=hashlib.sha256(f"{i}".encode()).hexdigest()[:40],
            kind=DocumentKind.SITE,
            spectrum=Spectrum(
                energy,
                np.interp(energy - shift, energy, shapes[i % len(shapes)]),
                energy_reference=EnergyReference.ABSOLUTE,
                scale=0.01,
            ),
            status=Status.CONVERGED if i % 50 else Status.UNCONVERGED,
            reason="" if i % 50 else "SCF stopped after 30 of 30 iterations",
            checks=(Check("scf", bool(i % 50), "14 of at most 100 iterations"),),
            absorber=absorber,
            edge="K",
            code="feff",
            code_version="10.0.1",
            fidelity="feff:fast",
            parameters={"fms_radius": 5.0 + i % 4, "scf_radius": 4.0, "exchange": "hedin-lundqvist"},
            structure_id=hashlib.sha256(f"s{i_material}".encode()).hexdigest()[:40],
            structure=structure,
            formula="".join(elements),
            chemical_system="-".join(elements),
            elements=elements,
            space_group=(225, 136, 62, 15)[i_material % 4],
            space_group_symbol=("Fm-3m", "P4_2/mnm", "Pnma", "C2/c")[i_material % 4],
            site_id=hashlib.sha256(f"t{i}".encode()).hexdigest()[:40],
            site_index=i_site,
            source=f"mp-{i_material}",
            created_at=f"2026-{1 + i % 12:02d}-{1 + i % 28:02d}T{i % 24:02d}:{i % 60:02d}:00+00:00",
        )
        yield document, replace(record, used=_used(i, document), generated=_generated(i, document))


def _used(i: int, document: SpectrumDocument) -> Things:
    """Return what a site is computed from: three sites share a structure and its file."""
    return {
        Kind.SOURCE: {f"{document.source}.cif": content_checksum(document.source.encode())},
        Kind.STRUCTURE: {"structure": document.structure_id},
        Kind.SITE: {"site": document.site_id},
        Kind.INPUT: {"feff.inp": content_checksum(f"input {i}".encode())},
    }


def _generated(i: int, document: SpectrumDocument) -> Things:
    """Return what a calculation makes."""
    return {
        Kind.SPECTRUM: {"spectrum": document.id},
        Kind.OUTPUT: {name: content_checksum(f"{name} {i}".encode()) for name in ("xmu.dat", "log1.dat")},
    }


def seconds(action: Callable[[], object], *, n_repeats: int = 1) -> float:
    """Return the shortest wall time of one call [s]."""
    times = []
    for _ in range(n_repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def put_singly(store: SQLiteStore, items: Sequence[tuple[SpectrumDocument, ProvenanceRecord]]) -> None:
    """Store documents one transaction each."""
    for document, record in items:
        store.put(document, record)


def measure_whiteline(items: Sequence[tuple[SpectrumDocument, ProvenanceRecord]], folder: Path) -> dict[str, Any]:
    """Return the figures of the embedded store."""
    ids = [document.id for document, _ in items]
    energy = make_axis()
    found: dict[str, Any] = {"n": len(items)}
    with SQLiteStore(folder / "bulk.db") as store:
        busy = time.process_time()
        wall = seconds(lambda: store.put_many(items))
        found["put_many_per_s"] = len(items) / wall
        # On a machine that others load, too, this is the steadier figure.
        found["put_many_per_cpu_s"] = len(items) / (time.process_time() - busy)
        with SQLiteStore(folder / "unrecorded.db") as unrecorded:
            busy = time.process_time()
            unrecorded.put_many((document, None) for document, _ in items)
            found["put_many_without_records_per_cpu_s"] = len(items) / (time.process_time() - busy)
        found["put_many_again_per_s"] = len(items) / seconds(lambda: store.put_many(items))
        some = [ids[i] for i in np.random.default_rng(1).integers(0, len(ids), 2000)]
        found["get_per_s"] = len(some) / seconds(lambda: [store.get(i) for i in some])
        found["status_of_per_s"] = len(some) / seconds(lambda: [store.status_of(i) for i in some])
        found["queries_ms"] = {}
        for name, values in QUERIES.items():
            query = SpectrumQuery(**values)
            n_rows = len(list(store.summaries(query)))
            summaries_ms = 1e3 * seconds(lambda q=query: list(store.summaries(q)), n_repeats=5)  # type: ignore[misc]  # bound now, not later
            documents_ms = 1e3 * seconds(lambda q=query: list(store.query(q)), n_repeats=5)  # type: ignore[misc]  # likewise
            found["queries_ms"][name] = {
                "rows": n_rows,
                "summaries": summaries_ms,
                "documents": documents_ms,
            }
        found["scan_documents_per_s"] = len(items) / seconds(lambda: sum(1 for _ in store.query(EVERYTHING)))
        found["matrix_ms"] = 1e3 * seconds(lambda: store.matrix(EVERYTHING, energy), n_repeats=5)
        in_file_order = EVERYTHING.replace(sort="id")
        found["matrix_by_id_ms"] = 1e3 * seconds(lambda: store.matrix(in_file_order, energy), n_repeats=5)
        shifted = energy[:-1] + 0.1
        found["matrix_interpolated_ms"] = 1e3 * seconds(lambda: store.matrix(EVERYTHING, shifted))
        _, matrix = store.matrix(EVERYTHING, energy)
        np.save(folder / "matrix.npy", matrix)
        found["raw_numpy_ms"] = 1e3 * seconds(lambda: np.load(folder / "matrix.npy"), n_repeats=5)
        found["matrix_over_raw"] = found["matrix_ms"] / found["raw_numpy_ms"]
    found["bytes_per_spectrum"] = (folder / "bulk.db").stat().st_size / len(items)
    found["bytes_of_the_array"] = 8 * N_ENERGY
    n_single = min(2000, len(items))
    with SQLiteStore(folder / "single.db") as store:
        wall = seconds(lambda: put_singly(store, items[:n_single]))
        found["put_per_s"] = n_single / wall
        store._connection().execute("PRAGMA synchronous = NORMAL")
        wall = seconds(lambda: put_singly(store, items[:n_single]))
        found["put_without_sync_per_s"] = n_single / wall
    return found


def measure_others(items: Sequence[tuple[SpectrumDocument, ProvenanceRecord]], folder: Path) -> dict[str, Any]:
    """Return the figures of stores of dictionaries, each in groups until its time is up."""
    with warnings.catch_warnings():
        # Third-party imports warn of their own future; nothing here depends on it.
        warnings.simplefilter("ignore")
        import mongomock
        from maggma.stores import JSONStore, MemoryStore

        documents = [document.to_dict() for document, _ in items]
        memory = MemoryStore(key="id")
        file = JSONStore(str(folder / "store.json"), key="id", read_only=False)
        for store in (memory, file):
            store.connect()
        collection: Any = mongomock.MongoClient()["benchmark"]["spectra"]
        return {
            "maggma MemoryStore": _measure_dictionaries(documents, memory.update, memory.query_one, memory.query),
            "maggma JSONStore": _measure_dictionaries(documents, file.update, file.query_one, file.query),
            "mongomock": _measure_dictionaries(documents, collection.insert_many, collection.find_one, collection.find),
        }


def _measure_dictionaries(
    documents: Sequence[dict[str, Any]],
    insert: Callable[..., Any],
    find_one: Callable[..., Any],
    find: Callable[..., Any],
) -> dict[str, Any]:
    n_stored, start = 0, time.perf_counter()
    while n_stored < len(documents) and time.perf_counter() - start < TIME_LIMIT:
        insert([dict(document) for document in documents[n_stored : n_stored + 500]])
        n_stored += 500
    n_stored = min(n_stored, len(documents))
    wall = time.perf_counter() - start
    some = [documents[i]["id"] for i in np.random.default_rng(1).integers(0, n_stored, 20)]
    get_wall = seconds(lambda: [find_one({"id": i}) for i in some])
    criteria = {"absorber": "Ti", "edge": "K"}
    query_wall = seconds(lambda: list(find(criteria, limit=50)))
    matrix_wall = seconds(lambda: np.array([np.array(d["spectrum"]["components"])[0] for d in find({"code": "feff"})]))
    return {
        "n": n_stored,
        "stopped_by_the_time_limit": n_stored < len(documents),
        "put_many_per_s": n_stored / wall,
        "get_per_s": len(some) / get_wall,
        "query_50_ms": 1e3 * query_wall,
        "matrix_ms": 1e3 * matrix_wall,
    }


def print_table(results: dict[str, Any]) -> None:
    """Print the figures as Markdown."""
    ours = results["whiteline"]
    queries = [entry["summaries"] for entry in ours["queries_ms"].values()]
    print("| store | n | bulk insert /s | get /s | query of 50 [ms] | matrix [ms] |")
    print("| --- | --- | --- | --- | --- | --- |")
    print(
        f"| whiteline SQLiteStore | {ours['n']} | {ours['put_many_per_s']:.0f} | {ours['get_per_s']:.0f} | "
        f"{min(queries):.1f} to {max(queries):.1f} | {ours['matrix_ms']:.0f} |"
    )
    for name, figures in results["others"].items():
        print(
            f"| {name} | {figures['n']} | {figures['put_many_per_s']:.0f} | {figures['get_per_s']:.0f} | "
            f"{figures['query_50_ms']:.1f} | {figures['matrix_ms']:.0f} |"
        )
    print(f"| raw numpy file | {ours['n']} | | | | {ours['raw_numpy_ms']:.0f} |")
    print(f"\nBulk insert per second of processor time: {ours['put_many_per_cpu_s']:.0f}.")
    print(f"Single put, each on the disk when it returns: {ours['put_per_s']:.0f}/s.")
    print(f"Size: {ours['bytes_per_spectrum']:.0f} bytes a spectrum with structure, axis, record and indexes.")
    print(f"Peak memory: {results['peak_memory_mb']} MB.")


def main() -> None:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--n", type=int, default=20_000, help="number of spectra (default: %(default)s)")
    parser.add_argument("--n-others", type=int, default=2_000, help="for the other stores (default: %(default)s)")
    arguments = parser.parse_args()
    shapes, source = read_shapes()
    items = list(make_documents(arguments.n, shapes))
    unit = 1024.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    with tempfile.TemporaryDirectory() as folder:
        ours = measure_whiteline(items, Path(folder))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
        others = measure_others(items[: arguments.n_others], Path(folder))
    results = {
        "shapes": source,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "n_processors": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "peak_memory_mb": {"documents_alone": round(before), "with_the_embedded_store": round(after)},
        "whiteline": ours,
        "others": others,
        "note": "maggma's MemoryStore and JSONStore update in quadratic time: they hold fewer documents, and "
        f"stop after {TIME_LIMIT:.0f} s of inserting",
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print_table(results)


if __name__ == "__main__":
    main()
