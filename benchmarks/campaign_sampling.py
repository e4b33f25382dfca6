"""What a campaign takes while it runs: memory and processor time of its processes, database operations, allocations."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psutil  # type: ignore[import-untyped]  # it comes without types
from campaign_servers import Servers
from pymongo.errors import PyMongoError

__all__ = ["Allocation", "Sampler"]

_STEP: Final = 2.0  # s


@dataclass(frozen=True)
class Allocation:
    """One job of SLURM.

    Attributes:
        name: Its name.
        state: Its last state.
        cores: Cores that it had.
        seconds: Wall time that it had them [s].
    """

    name: str
    state: str
    cores: int
    seconds: float


class Sampler:
    """Looks at the processes of a campaign every two seconds, in a thread, until the block is left.

    Args:
        servers: What the campaign runs on.
    """

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.peak_memory: Counter[str] = Counter()  # MB, largest of one process of a role
        self._processor: dict[tuple[str, int], float] = {}  # s, by role and process
        self._operations: dict[int, Counter[str]] = {}  # by life of the server
        self.allocations: dict[str, Allocation] = {}

    def __enter__(self) -> Sampler:
        self._client = self._servers.client()  # one for all: opening them would be most of what is counted
        self._first = self._count_operations()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()
        self._client.close()

    @property
    def processor_seconds(self) -> dict[str, float]:
        """Processor time by role [s]."""
        total: Counter[str] = Counter()
        for (role, _), seconds in self._processor.items():
            total[role] += seconds  # type: ignore[assignment]  # a Counter may hold floats
        return {role: round(seconds, 1) for role, seconds in total.items()}

    @property
    def operations(self) -> dict[str, int]:
        """Operations of the database server since the block was entered, by kind."""
        total: Counter[str] = Counter()
        for counts in self._operations.values():
            total.update(counts)
        total.subtract(self._first)
        return {kind: n for kind, n in total.items() if n}

    def _run(self) -> None:
        while not self._stop.wait(_STEP):
            self._look()

    def _look(self) -> None:
        self._count_operations()
        self._look_at_jobs()
        for role, process in self._processes():
            with suppress(psutil.Error):
                self.peak_memory[role] = max(self.peak_memory[role], round(process.memory_info().rss / 1e6))
                times = process.cpu_times()
                self._processor[role, process.pid] = times.user + times.system

    def _processes(self) -> list[tuple[str, psutil.Process]]:
        found = []
        for role, server in (("manager", self._servers.runner), ("database", self._servers.database)):
            with suppress(psutil.Error):
                if server is not None:
                    process = psutil.Process(server.pid)
                    found += [(role, each) for each in [process, *process.children(recursive=True)]]
        for process in self._servers.job_processes():
            with suppress(psutil.Error):
                if role := _role(process.cmdline()):
                    found.append((role, process))
        return found

    def _count_operations(self) -> Counter[str]:
        """Keep and return what the server counted since it was started."""
        with suppress(PyMongoError):
            status = self._client.admin.command("serverStatus")
            counts: dict[str, Any] = status["opcounters"]
            self._operations[status["pid"]] = Counter({kind: n for kind, n in counts.items() if n})
            return self._operations[status["pid"]]
        return Counter()

    def _look_at_jobs(self) -> None:
        with suppress(RuntimeError):
            lines = self._servers.call("squeue", "-t", "all", "-h", "-o", "%i|%j|%T|%C|%S|%e", timeout=20)
            for line in lines.splitlines():
                number, name, state, cores, start, end = line.split("|")
                if start != "N/A" and state != "PENDING":
                    begun = datetime.fromisoformat(start)
                    ended = datetime.now() if state == "RUNNING" or end == "N/A" else datetime.fromisoformat(end)
                    key = f"{number} {start}"  # a job that is requeued starts again under its number
                    self.allocations[key] = Allocation(name, state, int(cores), (ended - begun).total_seconds())


def _role(command: list[str]) -> str:
    """Return what a process of a job does; empty for shells and what else there is."""
    words = " ".join(command)
    # Engines and their guards come and go too fast to be added up by looking now and then.
    if "simulated_feff" in words or "guard.py" in words:
        return ""
    if "multiprocessing" in words:
        return "" if "resource_tracker" in words else "task process"
    return "worker" if "execution" in words else ""
