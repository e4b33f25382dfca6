"""A campaign through the whole chain – queue, jobflow-remote, SLURM, workers, store – with what it costs a site.

    python benchmarks/campaign_scale.py --sites 10000 --engine-seconds 0.05      # throughput and overhead
    python benchmarks/campaign_scale.py --sites 40 --engine-seconds 30           # share of the allocation in the engine
    python benchmarks/campaign_scale.py --sites 40 --real                        # FEFF itself, preset fast
    python benchmarks/campaign_scale.py --sites 400 --faults manager=10,node=1,slurmctld=1,database=1,scancel=1

Starts a SLURM of one node (deploy/slurm/one-node.sh), a server that speaks MongoDB's protocol, and jobflow-remote's
runner; makes crystals, a campaign of them, submits it, waits for its end, and looks whether every spectrum was stored
once. The engine is `simulated_feff.py`, with failures as real ones fail (`--failures`). Faults strike at random moments
while it runs, and what was killed is started again some seconds later. With `--folder` a run that was ended goes on
where it stopped. Writes one entry, named after what was run, to benchmarks/results/campaign_scale.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from campaign_sampling import Sampler
from campaign_servers import WORKER, Servers
from campaign_structures import write_cheap_structures, write_structures

from whiteline.database import open_store
from whiteline.database.query import SpectrumQuery
from whiteline.database.queue import TaskKind, TaskState, open_queue
from whiteline.errors import StoreError
from whiteline.settings import load_settings

RESULTS = Path(__file__).parent / "results" / "campaign_scale.json"
NAME = "scale"
# What the real crystals are computed for.
_METALS = ["Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn"]
FAULTS = ("manager", "slurmctld", "slurmd", "node", "database", "scancel")
# s between looks at a campaign, and how much longer than a look takes: looking must not be what is measured.
_POLL, _POLL_FACTOR = 3.0, 50.0
_DOWN = 5.0  # s that what was killed stays away
# What jobflow-remote calls a job to which nothing more happens.
_ENDED = {"COMPLETED", "FAILED", "REMOTE_ERROR", "USER_STOPPED", "STOPPED"}


class Steps:
    """What has been done of a run, kept in its folder; a step that is there is not done again."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "steps.json"
        self.figures: dict[str, Any] = json.loads(self._path.read_text()) if self._path.exists() else {}

    def do(self, name: str, step: Callable[[], dict[str, Any]]) -> None:
        """Do a step and keep its figures with the time that it took."""
        if name in self.figures:
            return
        print(f"{name} …", flush=True)
        started = time.perf_counter()
        figures = step()
        self.figures[name] = {"seconds": round(time.perf_counter() - started, 2), **figures}
        self._path.write_text(json.dumps(self.figures, indent=1))
        print(f"{name}: {self.figures[name]}", flush=True)


def write_campaign(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Write structures and campaign file."""
    data = load_settings().data
    place = data / "structures" if data else None
    if arguments.real:
        n_structures, n_sites = write_cheap_structures(
            folder / "crystals.json", arguments.sites, folder=place, elements=_METALS
        )
    else:
        n_structures, n_sites = write_structures(folder / "crystals.json", arguments.sites, folder=place)
    lines = [
        f'name = "{NAME}"',
        "[structures]",
        'paths = ["crystals.json"]',
        "[[spectra]]",
        f"absorbers = {json.dumps(_METALS if arguments.real else ['*'])}",
        'edges = ["K"]',
        'engine = "feff"',
        'preset = "fast"',
        "[workers]",
        f"count = {arguments.workers}",
        f"cores = {arguments.cores}",
        f'walltime = "{arguments.walltime}"',
    ]
    (folder / "campaign.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"structures": n_structures, "sites": n_sites}


def create(servers: Servers) -> dict[str, Any]:
    """Create the campaign, as a person does; count what that takes of the database."""
    with Sampler(servers) as sampler:
        servers.call(*whiteline("campaign", "create"), str(servers.folder / "campaign.toml"))
    return {"operations": sampler.operations}


def submit(servers: Servers) -> dict[str, Any]:
    """Submit the campaign to jobflow-remote."""
    servers.call(*whiteline("campaign", "submit", NAME, "--where", f"jobflow-remote:{WORKER}"))
    return {"at": time.time()}


def whiteline(*words: str) -> list[str]:
    """Return a command line of Whiteline."""
    return [sys.executable, "-m", "whiteline.cli", *words]


class Chain:
    """The campaign while it runs: waits for its end, and lets faults strike.

    Args:
        servers: What it runs on.
        faults: How often each fault strikes.
        patience: Time without any progress after which it is given up [s].
    """

    def __init__(self, servers: Servers, faults: dict[str, int], *, patience: float) -> None:
        self.servers, self.patience = servers, patience
        random_numbers = random.Random(7)
        # The manager has most to do at begin and end of a campaign, the others while its tasks run.
        moments = [(random_numbers.uniform(0.02, 0.9), name) for name, n in faults.items() for _ in range(n)]
        n_early = faults.get("manager", 0) // 2
        early = [(0.0, name) for _, name in moments if name == "manager"][:n_early]
        late = [moment for moment in moments if moment[1] != "manager"]
        late += [moment for moment in moments if moment[1] == "manager"][n_early:]
        self.moments = [*early, *sorted(late)]
        self.random_numbers = random_numbers
        self.struck: list[dict[str, Any]] = []

    def run(self) -> dict[str, Any]:
        """Run it to its end and return what was seen."""
        self.servers.start_runner()
        with Sampler(self.servers) as sampler:
            states: dict[str, Any] = {}
            seen_at, pause, left = time.monotonic(), _POLL, True
            while left and time.monotonic() - seen_at < self.patience:
                time.sleep(pause)
                before = time.monotonic()
                found = self._look()
                pause = max(_POLL, _POLL_FACTOR * (time.monotonic() - before))
                if found and found != states:
                    states, seen_at = found, time.monotonic()
                    print(f"  {time.strftime('%H:%M:%S')} {states}", flush=True)
                self._strike(states)
                left = not states or any(name not in _ENDED for name in states.get("jobs", {}))
        return {
            "ended_at": time.time(),
            "states": states,
            "is_given_up": left,
            "faults": self.struck,
            "operations": sampler.operations,
            "peak_memory_mb": dict(sampler.peak_memory),
            "processor_seconds": sampler.processor_seconds,
            "allocations": [vars(allocation) for allocation in sampler.allocations.values()],
        }

    def _look(self) -> dict[str, Any]:
        """Return tasks and jobs by state; nothing while the database is away."""
        from pymongo.errors import PyMongoError

        try:
            with open_queue(self.servers.environment["WHITELINE_DATABASE"]) as queue:
                tasks = {state.value: n for state, n in queue.counts(NAME).items() if n}
            with self.servers.client() as client:
                documents = client["jobs"]["jobs"].find({}, {"state": 1})
                return {"tasks": tasks, "jobs": dict(Counter(str(document["state"]) for document in documents))}
        except (StoreError, PyMongoError):
            return {}

    def _strike(self, states: dict[str, Any]) -> None:
        tasks = states.get("tasks", {})
        done = sum(n for state, n in tasks.items() if TaskState(state).is_finished) / max(1, sum(tasks.values()))
        while self.moments and self.moments[0][0] <= done:
            _, name = self.moments.pop(0)
            time.sleep(self.random_numbers.uniform(0, 6))
            print(f"  {time.strftime('%H:%M:%S')} fault: {name}", flush=True)
            self.struck.append({"fault": name, "done": round(done, 3), "at": time.time()})
            if name == "scancel":
                self._cancel_one()
                continue
            self.servers.kill(name)
            time.sleep(1.0 if name == "manager" else _DOWN)
            self.servers.revive(name)

    def _cancel_one(self) -> None:
        running = self.servers.call("squeue", "-h", "-t", "RUNNING", "-o", "%i").split()
        if running:
            self.servers.call("scancel", self.random_numbers.choice(running))


def judge(servers: Servers, figures: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what came of it: what is stored, how often, and what each site cost."""
    chain, address = figures["chain"], servers.environment["WHITELINE_DATABASE"]
    with open_queue(address) as queue:
        tasks = list(queue.tasks(NAME))
        workers = queue.workers(NAME)
    done = [task for task in tasks if task.state is TaskState.DONE]
    sites = [task for task in tasks if task.kind is TaskKind.SITE]
    with open_store(address, must_exist=True) as store:
        stored = [summary.id for summary in store.summaries(SpectrumQuery(status="any"))]
        runs = Counter(len(store.records(identity)) for identity in stored)
    engine = sum(task.cores * task.engine_seconds for task in sites)
    worked = sum(worker.cores * (max(worker.ended_at, worker.seen_at) - worker.started_at) for worker in workers)
    allocated = sum(a["cores"] * a["seconds"] for a in chain["allocations"] if "_worker_" in a["name"])
    all_allocated = sum(a["cores"] * a["seconds"] for a in chain["allocations"])
    wall = chain["ended_at"] - figures["submit"]["at"]
    busy = max(task.ended_at for task in tasks) - min(task.started_at for task in tasks if task.started_at)
    # Commands are mostly heartbeats of connections and the polls of the manager, whatever the number of sites.
    n_operations = sum(n for kind, n in chain["operations"].items() if kind != "command")
    return {
        "tasks": {state.value: n for state, n in Counter(task.state for task in tasks).items()},
        "causes": dict(Counter(task.cause for task in tasks if task.state is TaskState.FAILED)),
        "stored": len(stored),
        "stored_without_task": len(set(stored) - {task.id for task in tasks}),
        "done_without_spectrum": len({task.id for task in done} - set(stored)),
        "records_per_spectrum": {str(n): count for n, count in runs.items()},
        "wall_s": round(wall, 1),
        "sites_per_s": round(len(sites) / wall, 2),
        "sites_per_s_while_working": round(len(sites) / busy, 2),
        "engine_core_s": round(engine, 1),
        "nominal_engine_core_s": round(len(sites) * arguments.engine_seconds, 1),
        "share_of_workers_in_engine": round(engine / worked, 4),
        "share_of_worker_allocations_in_engine": round(engine / allocated, 4) if allocated else None,
        "share_of_all_allocations_in_engine": round(engine / all_allocated, 4) if all_allocated else None,
        "overhead_core_s_per_site": round((worked - engine) / len(sites), 4),
        "operations_per_site": round(n_operations / len(sites), 2),
        "processor_ms_per_site": {
            role: round(1e3 * seconds / len(sites), 1) for role, seconds in chain["processor_seconds"].items()
        },
        "create_sites_per_s": round(len(sites) / figures["create"]["seconds"], 1),
    }


def parse_faults(text: str) -> dict[str, int]:
    """Return how often each fault strikes.

    >>> parse_faults("manager=10,node")
    {'manager': 10, 'node': 1}
    """
    faults = {name: int(n or 1) for name, _, n in (part.partition("=") for part in text.split(",") if part)}
    if unknown := set(faults) - set(FAULTS):
        raise SystemExit(f"--faults: expected {', '.join(FAULTS)}, got {', '.join(sorted(unknown))}")
    return faults


def make_facts(folder: Path, arguments: argparse.Namespace) -> dict[str, str]:
    """Return the settings of the machine on which the campaign is computed."""
    facts = {"WHITELINE_RUN_DIRECTORY": str(folder / "runs"), "WHITELINE_TIMEOUT": str(arguments.timeout)}
    if not arguments.real:
        engine = [sys.executable, "-I", "-S", str(Path(__file__).with_name("simulated_feff.py"))]
        options = ["--seconds", str(arguments.engine_seconds), "--spread", str(arguments.spread)]
        if arguments.failures:
            options += ["--failures", arguments.failures, "--once", str(folder / "marks")]
        facts["WHITELINE_FEFF_COMMAND"] = shlex.join([*engine, *options, *(["--busy"] if arguments.busy else [])])
    return facts


def keep(name: str, entry: dict[str, Any]) -> None:
    """Write one entry of the results; the others stay."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**known, name: entry}, indent=1) + "\n")


def main() -> None:
    """Run a campaign, judge it, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=200)
    parser.add_argument("--engine-seconds", type=float, default=0.05, help="wall time of a simulated run [s]")
    parser.add_argument("--spread", type=float, default=0.2, help="deviation of these wall times, relative")
    parser.add_argument("--busy", action="store_true", help="burn processor time in the simulated engine")
    parser.add_argument("--failures", default="", help="rates for simulated_feff.py, e.g. scf=0.05,crash=0.01")
    parser.add_argument("--real", action="store_true", help="compute with FEFF")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="of a worker")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--walltime", default="2h", help="of a worker")
    parser.add_argument("--timeout", type=float, default=600.0, help="of one run of the engine [s]")
    parser.add_argument("--store", default="", help="address of the spectra, e.g. a path; the database server if empty")
    parser.add_argument("--faults", type=parse_faults, default={}, help="e.g. manager=10,node=1; " + ", ".join(FAULTS))
    parser.add_argument("--patience", type=float, default=900.0, help="longest time without any progress [s]")
    parser.add_argument("--folder", type=Path, help="keep everything here, and go on with what is here")
    parser.add_argument("--port", type=int, default=27600, help="first of five free ports")
    parser.add_argument("--name", help="of the entry in the results; made of the options when left out")
    arguments = parser.parse_args()
    # Not where temporary files usually go: sockets need short paths.
    folder = (arguments.folder or Path(tempfile.mkdtemp(prefix="scale-", dir="/tmp"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    servers = Servers(
        folder,
        arguments.cores * arguments.workers,
        make_facts(folder, arguments),
        port=arguments.port,
        store=arguments.store,
    )
    steps = Steps(folder)
    try:
        servers.start()
        steps.do("structures", lambda: write_campaign(folder, arguments))
        steps.do("create", lambda: create(servers))
        steps.do("submit", lambda: submit(servers))
        steps.do("chain", Chain(servers, arguments.faults, patience=arguments.patience).run)
        steps.do("result", lambda: judge(servers, steps.figures, arguments))
    finally:
        servers.stop()
    engine = "FEFF fast" if arguments.real else f"{arguments.engine_seconds:g} s"
    name = arguments.name or f"{arguments.sites} sites, {engine}, {arguments.workers} x {arguments.cores} cores"
    chain = {key: value for key, value in steps.figures["chain"].items() if key != "allocations"}
    keep(name, {**steps.figures, "chain": chain, "load_average": round(os.getloadavg()[1], 1)})
    print(json.dumps(steps.figures["result"], indent=1))


if __name__ == "__main__":
    main()
