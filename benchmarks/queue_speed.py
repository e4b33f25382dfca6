"""How fast the queue of campaigns is: adding tasks, claiming and finishing them, counting.

    python benchmarks/queue_speed.py [--tasks 100000] [--server mongodb://127.0.0.1:27017]

The embedded queue, and with --server one in a database server, with a tenth of the tasks. Writes
benchmarks/results/queue_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from results_files import RESULTS

from whiteline.database.queue import Campaign, Finish, Task, TaskKind, TaskState, open_queue

N_CLAIMED = 2000
NAME = "speed"


def make_tasks(n: int) -> list[Task]:
    """Return tasks of sites, with payloads as large as real ones."""
    payload = {
        "structure": f"structure:{uuid.uuid4().hex}",
        "site_index": 0,
        "multiplicity": 4,
        "edge": "K",
        "code": "feff",
        "source": "structures/some-crystal.cif",
        "title": "some-crystal",
        "fidelity": "feff:fast",
        "series": None,
        "values": {"fms_radius": 5.5, "scf_radius": 4.0, "core_hole": "RPA", "k_max": 4.0, "exchange": [0, 2]},
    }
    return [
        Task(
            id=uuid.uuid4().hex,
            kind=TaskKind.SITE,
            label=f"crystal {i} Ti0 K",
            material=f"crystal {i}",
            absorber="Ti",
            edge="K",
            code="feff",
            fidelity="feff:fast",
            payload=payload,
            estimate=30.0,
        )
        for i in range(n)
    ]


def measure(address: str, n: int) -> dict[str, Any]:
    """Return rates and times of one queue."""
    with open_queue(address) as queue:
        queue.add_campaign(Campaign(name=NAME, definition="", definition_id="1", created_at=queue.now()))
        tasks = make_tasks(n)
        started = time.perf_counter()
        queue.add_tasks(NAME, tasks)
        added = time.perf_counter() - started
        started = time.perf_counter()
        n_claimed = min(N_CLAIMED, n // 10)
        for _ in range(n_claimed):
            task = queue.claim(NAME, "worker", cores=1)
            assert task is not None
            queue.finish(task.id, "worker", Finish(state=TaskState.DONE, status="converged", seconds=30.0))
        worked = time.perf_counter() - started
        started = time.perf_counter()
        counts = queue.counts(NAME)
        counted = time.perf_counter() - started
        assert counts[TaskState.DONE] == n_claimed
    return {
        "tasks": n,
        "added_per_s": round(n / added),
        "claimed_and_finished_per_s": round(n_claimed / worked, 1),
        "counts_s": round(counted, 3),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--server", default="", help="address of a database server, without a database")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result: dict[str, Any] = {"embedded": measure(str(Path(folder) / "spectra.db"), arguments.tasks)}
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        result["embedded"]["bytes_per_task"] = round(size / arguments.tasks)
    if arguments.server:
        database = f"{arguments.server.rstrip('/')}/speed_{uuid.uuid4().hex[:8]}"
        result["server"] = measure(database, arguments.tasks // 10)
    result["load_average"] = round(os.getloadavg()[0], 1)
    print(json.dumps(result, indent=1))
    (RESULTS / "queue_speed.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
