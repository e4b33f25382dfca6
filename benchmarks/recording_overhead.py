"""What it costs to put on record where a calculation came from: time and bytes a calculation, without raw files.

    python benchmarks/recording_overhead.py [--n 2000] [--n-server 500] [--uri mongodb://127.0.0.1]

One real FEFF run of fcc copper is the model of all calculations: their records name as many inputs, outputs, programs
and libraries as its own, with checksums of their own. Building a record counts all checksums, of files read from disk.
Storing is told as the difference between two stores that take turns: one takes each spectrum with its record, the other
with none, for which it makes the shortest itself. Without `--uri` the server is that of `benchmarks/server_store.py`;
with it, the databases `whiteline_recording_full` and `whiteline_recording_short` there are dropped first. Writes
benchmarks/results/recording_overhead.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pymongo
from pymatgen.core import Lattice, Structure
from server_store import server

from whiteline.absorber import Absorber
from whiteline.calculators.feff import FeffCalculator, FeffParameters
from whiteline.calculators.parameters import build_parameters
from whiteline.database import open_store
from whiteline.database.documents import SpectrumDocument
from whiteline.database.store import SpectrumStore
from whiteline.edges import Edge
from whiteline.fingerprint import content_hash
from whiteline.provenance import (
    ProvenanceRecord,
    content_checksum,
    executable_checksums,
    file_checksum,
    machine,
    utc_now,
)
from whiteline.settings import Settings
from whiteline.workflows import jobs
from whiteline.workflows.recording import source_file
from whiteline.workflows.repairing import Calculation, calculate
from whiteline.workflows.workspace import Workspace

T = TypeVar("T")
RESULTS = Path(__file__).parent / "results" / "recording_overhead.json"
QUICK: dict[str, Any] = {
    "scf_radius": None,
    "fms_radius": 2.7,
    "l_max": 1,
    "core_hole": "none",
    "energy_grid": [],
    "k_step": 0.2,
}
GOAL_MS, GOAL_BYTES = 20.0, 20_000
_FULL, _SHORT = "whiteline_recording_full", "whiteline_recording_short"


class Model:
    """A real calculation, and others made up after it."""

    def __init__(self, folder: Path) -> None:
        copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
        self._file = folder / "copper.cif"
        copper.to(str(self._file))
        self._absorber = Absorber(copper, 0, Edge.K, multiplicity=4)
        self._calculator = FeffCalculator(build_parameters(FeffParameters, QUICK))
        workspace = Workspace.from_settings(Settings(database=str(folder / "model.db"), run_directory=folder / "runs"))
        folders = workspace.run_folders("copper", "0" * 40)
        self._run = calculate(self._absorber, self._calculator, workspace, folders, label="copper")
        self._document = jobs.site_document(
            jobs.site_calculation_id(self._absorber, self._calculator),
            self._absorber,
            self._run.outcome,
            code="feff",
            parameters=self._calculator.identity(self._absorber),
            source=str(self._file),
            fidelity="feff:standard+",
        )

    def document(self, i: int) -> SpectrumDocument:
        """Return the document of a made-up calculation; two sites share a crystal."""
        spectrum = self._document.spectrum
        assert spectrum is not None, self._document.reason
        return replace(
            self._document,
            id=content_hash(["id", i]),
            site_id=content_hash(["site", i]),
            structure_id=content_hash(["structure", i // 2]),
            structure={**self._document.structure, "charge": i // 2},
            spectrum=replace(spectrum, components=spectrum.components * (1.0 + 1e-6 * i)),
        )

    def record(self, document: SpectrumDocument, i: int) -> ProvenanceRecord:
        """Return its record, as `compute_site` builds it, with checksums of files that nobody else has."""
        salt, trial = str(i), self._run.chosen
        outputs = (name for name in trial.outcome.output_files)
        own = replace(
            trial,
            inputs={name: f"{text}* {salt}\n" for name, text in trial.inputs.items()},
            checksums={n: content_checksum((trial.folder / n).read_bytes() + salt.encode()) for n in outputs},
            executables=executable_checksums(self._calculator.programs),
            run=replace(trial.run, timings={name: t + 1e-3 * i for name, t in trial.run.timings.items()}),
        )
        calculation = Calculation(own, self._run.outcome, (own,))
        # Read with the crystal, once for all of its sites.
        origin = source_file(str(self._file), file_checksum(self._file))
        return jobs._site_record(document, calculation, self._absorber, origin, utc_now())


def measure(model: Model, full: SpectrumStore, short: SpectrumStore, n: int) -> dict[str, Any]:
    """Return the times of building records and of storing them [ms], medians and 95th percentiles."""
    for known in (machine._checksum_of, machine._version, machine.source_commit):
        known.cache_clear()  # the first record is to be that of a process that begins
    built, stored = [], []
    for i in range(n):
        document = model.document(i)
        record, spent = _timed(partial(model.record, document, i))
        built.append(spent)
        puts = {"full": partial(full.put, document, record), "short": partial(short.put, document)}
        # Neither store is always the one whose pages the other has just pushed out.
        stored.append({name: _timed(puts[name])[1] for name in (sorted(puts) if i % 2 else sorted(puts, reverse=True))})
    first, *later = built
    # Pairs: what else the machine does at that time, it does to both.
    more = [tuple(a - b for a, b in zip(each["full"], each["short"], strict=True)) for each in stored]
    wall, cpu = ([some[k] for some in later] for k in (0, 1))
    return {
        "n": n,
        "first_record_of_a_process_ms": round(1e3 * first[0], 1),
        "building_ms": _quantiles(wall),
        "put_with_record_ms": _quantiles([each["full"][0] for each in stored]),
        "put_without_ms": _quantiles([each["short"][0] for each in stored]),
        "overhead_ms": round(1e3 * (statistics.median(wall) + statistics.median(each[0] for each in more)), 3),
        # Where writing to the disk takes longest and varies most, this is the steadier figure.
        "overhead_cpu_ms": round(1e3 * (statistics.mean(cpu) + statistics.mean(each[1] for each in more)), 3),
        "json_bytes_of_a_record": len(json.dumps(record.to_dict())),
    }


def _timed(action: Callable[[], T]) -> tuple[T, tuple[float, float]]:
    """Return what an action returns, its wall time, and the CPU time of this process [s]."""
    begun = time.perf_counter(), time.process_time()
    result = action()
    return result, (time.perf_counter() - begun[0], time.process_time() - begun[1])


def _quantiles(times: list[float]) -> dict[str, float]:
    return {
        "median": round(1e3 * statistics.median(times), 3),
        "p95": round(1e3 * statistics.quantiles(times, n=20)[-1], 3),
    }


def in_files(model: Model, folder: Path, n: int) -> dict[str, Any]:
    """Return the figures of the embedded store."""
    paths = [folder / "full.db", folder / "short.db"]
    with open_store(paths[0]) as full, open_store(paths[1]) as short:
        before = [store.status().size_bytes for store in (full, short)]
        found = measure(model, full, short, n)
    # Closed: what waited beside the file is in it.
    grown = [path.stat().st_size - size for path, size in zip(paths, before, strict=True)]
    return {**found, **_bytes(grown, n)}


def in_server(model: Model, uri: str | None, n: int) -> dict[str, Any]:
    """Return the figures of the store in a server."""
    with server(uri) as (address, name), ExitStack() as stack:
        client: Any = stack.enter_context(pymongo.MongoClient(address))
        for database in (_FULL, _SHORT):
            client.drop_database(database)
        full, short = (stack.enter_context(open_store(f"{address}/{database}")) for database in (_FULL, _SHORT))
        found = measure(model, full, short, n)
        sizes = [_size(client[database]) for database in (_FULL, _SHORT)]
        return {"server": name, **found, **_bytes(sizes, n)}


def _size(database: Any) -> int:
    """Return the bytes of the documents of a database, neither compressed nor indexed."""
    import bson

    return sum(
        sum(len(bson.encode(document)) for document in database[name].find())
        for name in database.list_collection_names()
    )


def _bytes(grown: list[int], n: int) -> dict[str, int]:
    full, short = (round(size / n) for size in grown)
    return {"bytes_with_record": full, "bytes_without": short, "overhead_bytes": full - short}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2000, help="calculations in the embedded store")
    parser.add_argument("--n-server", type=int, default=500, help="calculations in the server; 0 leaves it out")
    parser.add_argument("--uri", help="address of a MongoDB server")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, help="where the results go")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        model = Model(Path(scratch))
        results: dict[str, Any] = {"goal": {"ms": GOAL_MS, "bytes": GOAL_BYTES}}
        results["sqlite"] = in_files(model, Path(scratch), arguments.n)
        if arguments.n_server:
            results["mongodb"] = in_server(model, arguments.uri, arguments.n_server)
    results |= {
        "cpus": os.cpu_count(),
        "machine": platform.platform(),
        "load_average": round(os.getloadavg()[0], 1),
    }
    arguments.output.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
