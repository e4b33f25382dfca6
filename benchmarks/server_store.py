"""100,000 spectra in a server that speaks MongoDB's protocol, beside maggma's MongoStore in the same server.

    WHITELINE_DATA=… python benchmarks/server_store.py [--n 100000] [--n-maggma 100000] [--uri mongodb://127.0.0.1]

Without `--uri` the server is `secantusd-py` of the package secantusdb (the `dev` extra), started in a temporary folder
with its own settings; with it, the databases `whiteline_benchmark` and `maggma_benchmark` there are dropped first.
maggma keeps each document as `SpectrumDocument.to_dict` writes it, arrays as lists of numbers, without records, and has
an index on the fields of each query: its inserts are asked for less. Writes benchmarks/results/server_store.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pymongo
from million_spectra import QUERIES, fetch, seconds
from spectra_factory import make_documents, read_pool

from whiteline.database import open_store
from whiteline.database.query import ANY_STATUS, SpectrumQuery

RESULTS = Path(__file__).parent / "results" / "server_store.json"
OURS, THEIRS = "whiteline_benchmark", "maggma_benchmark"
INDEXED = ("absorber", "code", "created_at", "elements", "chemical_system", "formula", "space_group")
N_ROWS = 50
_STARTING = 30.0  # [s] that a server may take
_N_BATCH = 1000


@contextmanager
def server(uri: str | None) -> Iterator[tuple[str, str]]:
    """Yield the address of a server and what it is."""
    if uri is not None:
        yield uri, f"server at the given address, {pymongo.MongoClient(uri).server_info()['version']}"
        return
    name = "secantusd-py"
    executable = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if executable is None:
        raise SystemExit(f"{name} is not here: `pip install -e '.[dev]'` brings it, or give --uri")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [executable, "--port", str(port), "--storage-path", f"{folder}/data"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            address = f"mongodb://127.0.0.1:{port}"
            pymongo.MongoClient(address, serverSelectionTimeoutMS=int(1e3 * _STARTING)).admin.command("ping")
            yield address, f"secantusdb {version('secantusdb')}"
        finally:
            process.terminate()
            process.wait()


def measure_whiteline(address: str, n: int) -> dict[str, Any]:
    """Return the figures of the store of this project."""
    with open_store(f"{address}/{OURS}") as store:
        making = seconds(lambda: sum(1 for _ in make_documents(n, seed=0)))
        inserting = seconds(lambda: store.put_many(make_documents(n, seed=0))) - making
        n_stored = store.count(SpectrumQuery(status=ANY_STATUS))
        assert n_stored == n, f"{n_stored} of {n} are in the store"
        first = next(iter(store.query(SpectrumQuery(absorber="Cu", limit=1)))).spectrum
        assert first is not None
        everything = SpectrumQuery(status=ANY_STATUS, absorber="Cu")
        started = time.perf_counter()
        _, matrix = store.matrix(everything, first.energy)
        matrix_s = time.perf_counter() - started
        return {
            "n": n,
            "inserts_per_s": round(n / inserting),
            "queries_ms": {
                json.dumps(values): _best_ms(
                    partial(fetch, store, SpectrumQuery(**values, status=ANY_STATUS, limit=N_ROWS))
                )
                for values in QUERIES
            },
            "matrix_rows": len(matrix),
            "matrix_s": round(matrix_s, 2),
            "matrix_rows_per_s": round(len(matrix) / matrix_s),
            "bytes_per_spectrum": _size(address, OURS, n),
        }


def measure_maggma(address: str, n: int) -> dict[str, Any]:
    """Return the figures of maggma's MongoStore."""
    with warnings.catch_warnings():
        # Third-party imports warn of their own future; nothing here depends on it.
        warnings.simplefilter("ignore")
        from maggma.stores import MongoURIStore

        store = MongoURIStore(f"{address}/{THEIRS}", "spectra", database=THEIRS, key="id")
        store.connect()
    for field in ("id", *INDEXED):
        store.ensure_index(field)
    inserting = 0.0
    made = make_documents(n, seed=0)
    while documents := [document.to_dict() for document, _ in islice(made, _N_BATCH)]:
        inserting += seconds(partial(store.update, documents, key="id"))
    n_stored = store.count()
    assert n_stored == n, f"{n_stored} of {n} are in maggma's store"
    started = time.perf_counter()
    rows = [d["spectrum"]["components"][0] for d in store.query({"absorber": "Cu"}, properties=["spectrum"])]
    matrix = np.array(rows, dtype=float)
    matrix_s = time.perf_counter() - started
    return {
        "n": n,
        "inserts_per_s": round(n / inserting),
        "queries_ms": {json.dumps(values): _best_ms(partial(_fetch_maggma, store, values)) for values in QUERIES},
        "matrix_rows": len(matrix),
        "matrix_s": round(matrix_s, 2),
        "matrix_rows_per_s": round(len(matrix) / matrix_s),
        "bytes_per_spectrum": _size(address, THEIRS, n),
    }


# What a row of `whiteline query` shows.
_SHOWN = ("id", "formula", "absorber", "edge", "code", "fidelity", "status", "space_group", "created_at")


def _fetch_maggma(store: Any, values: dict[str, Any]) -> int:
    criteria = {
        ("elements" if name == "elements_all" else name): {"$all": list(value)} if name == "elements_all" else value
        for name, value in values.items()
        if name != "sort"
    }
    sort = {"created_at": -1} if "sort" in values else None
    return sum(1 for _ in store.query(criteria, properties=list(_SHOWN), sort=sort, limit=N_ROWS))


def _best_ms(act: Any) -> float:
    return round(1e3 * min(seconds(act) for _ in range(3)), 2)


def _size(address: str, database: str, n: int) -> int | None:
    """Return the bytes that the server says a document takes with its indexes, None if it does not say."""
    client: Any
    with pymongo.MongoClient(address) as client:
        found = client[database].command("dbStats")
    total = found.get("storageSize", 0) + found.get("indexSize", 0)
    return round(total / n) if total else None


def main() -> None:
    """Measure both and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--n-maggma", type=int, default=100_000)
    parser.add_argument("--uri", help="a server without a database in its address")
    arguments = parser.parse_args()
    client: Any
    with server(arguments.uri) as (address, name):
        with pymongo.MongoClient(address) as client:
            for database in (OURS, THEIRS):
                client.drop_database(database)
        results = {
            "spectra": read_pool().source,
            "server": name,
            "python": platform.python_version(),
            "pymongo": pymongo.version,
            "maggma": version("maggma"),
            "n_processors": os.cpu_count(),
            "load_average": os.getloadavg()[0],
            "whiteline": measure_whiteline(address, arguments.n),
            "maggma MongoStore": measure_maggma(address, arguments.n_maggma),
        }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
