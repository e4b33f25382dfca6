"""What a manager costs when every site is a Jobflow job of its own: why campaigns hand over workers instead.

    python benchmarks/manager_overhead.py [--jobs 60]

Starts a SLURM of one node, a server that speaks MongoDB's protocol, and jobflow-remote's runner in a process of its
own, and lets it run jobs that add two numbers: each a job of SLURM (`plain`), or pulled by a job of SLURM that runs
several (`batch`); each in a flow of its own, or all in one flow. Counts the commands that runner and submission send
to the database. Writes benchmarks/results/manager_overhead.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pymongo.monitoring
from campaign_servers import PROJECT, WORKER, Servers
from results_files import RESULTS

BATCH = "batch"
_LONGEST = 1800  # s for the jobs of one case


class _Commands(pymongo.monitoring.CommandListener):
    """Counts what is sent to the database."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def started(self, event: pymongo.monitoring.CommandStartedEvent) -> None:
        self.counts[event.command_name] += 1

    def succeeded(self, event: pymongo.monitoring.CommandSucceededEvent) -> None:
        """Every command was counted when it started."""

    def failed(self, event: pymongo.monitoring.CommandFailedEvent) -> None:
        """Every command was counted when it started."""


def run_case(worker: str, n_jobs: int, *, in_one_flow: bool) -> dict[str, Any]:
    """Submit so many jobs to a worker, run them to their end in this process, and return what it took."""
    commands = _Commands()
    pymongo.monitoring.register(commands)
    from jobflow import Flow
    from jobflow_remote import submit_flow
    from jobflow_remote.jobs.runner import Runner
    from jobflow_remote.testing import add

    jobs = [add(i, 1) for i in range(n_jobs)]
    flows = [Flow([*jobs])] if in_one_flow else [Flow([job]) for job in jobs]
    started = time.perf_counter()
    for flow in flows:
        submit_flow(flow, worker=worker, project=PROJECT)
    submitted, of_submission = time.perf_counter(), commands.counts.total()
    Runner(project_name=PROJECT).run_all_jobs(max_seconds=_LONGEST)
    seconds = time.perf_counter() - submitted
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "submission_s_per_job": round((submitted - started) / n_jobs, 4),
        "seconds": round(seconds, 1),
        "jobs_per_s": round(n_jobs / seconds, 3),
        "commands_per_job_of_submission": round(of_submission / n_jobs, 1),
        "commands_per_job": round(commands.counts.total() / n_jobs, 1),
        "commands_per_job_of_each_kind": {
            name: round(count / n_jobs, 2) for name, count in commands.counts.most_common(6)
        },
        "manager_cpu_s_per_job": round((usage.ru_utime + usage.ru_stime) / n_jobs, 3),
        "manager_memory_MB": round(usage.ru_maxrss / 1024),
    }


def add_batch_worker(servers: Servers, n_parallel: int) -> None:
    """Give the project a worker whose jobs of SLURM run many jobs of Jobflow."""
    path = servers.folder / "projects" / f"{PROJECT}.json"
    project = json.loads(path.read_text(encoding="utf-8"))
    handles, work = servers.folder / "handles", servers.folder / "batches"
    for folder in (handles, work):
        folder.mkdir()
    plain = project["workers"][WORKER]
    project["workers"][BATCH] = {
        **plain,
        "resources": {**plain["resources"], "ntasks": n_parallel},
        "max_jobs": 1,
        "batch": {
            "jobs_handle_dir": str(handles),
            "work_dir": str(work),
            "parallel_jobs": n_parallel,
            "max_wait": 10,
            "sleep_time": 1,
        },
    }
    project["runner"]["delay_update_batch"] = 1
    path.write_text(json.dumps(project, indent=1), encoding="utf-8")


def measure(n_jobs: int) -> dict[str, Any]:
    """Return the figures of all cases, each from a process of its own."""
    cores = os.cpu_count() or 1
    found = {}
    with tempfile.TemporaryDirectory(prefix="manager-", dir="/tmp") as scratch:
        Path(scratch).chmod(0o755)  # as munge wants it
        servers = Servers(Path(scratch), cores=cores, facts={}, port=27700)
        try:
            servers.start()
            add_batch_worker(servers, cores)
            for worker in (WORKER, BATCH):
                for in_one_flow in (False, True):
                    words = [sys.executable, __file__, "--case", worker, "--jobs", str(n_jobs)]
                    name = f"{'batch' if worker == BATCH else 'plain'}, {'one flow' if in_one_flow else 'flow each'}"
                    printed = subprocess.run(
                        [*words, *(["--one-flow"] if in_one_flow else [])],
                        env=servers.environment,
                        stdout=subprocess.PIPE,
                        text=True,
                        check=True,
                    ).stdout
                    found[name] = json.loads(printed.splitlines()[-1])
                    print(name, json.dumps(found[name]), flush=True)
        finally:
            servers.stop()
    return {"jobs": n_jobs, "cores": cores, "load_average": round(os.getloadavg()[0], 1), "cases": found}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--one-flow", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(run_case(arguments.case, arguments.jobs, in_one_flow=arguments.one_flow)))
        return
    results = measure(arguments.jobs)
    (RESULTS / "manager_overhead.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
