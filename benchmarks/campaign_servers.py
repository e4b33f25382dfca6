"""What a campaign on a cluster needs, on one machine: a real SLURM, a database server and jobflow-remote's runner.

Each can be killed and started again while the others go on.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # it comes without types
import pymongo
from pymongo.errors import PyMongoError

__all__ = ["WORKER", "Servers"]

ONE_NODE = Path(__file__).parents[1] / "deploy" / "slurm" / "one-node.sh"
PROJECT, WORKER = "scale", "slurm"
_DELAYS = {"delay_checkout": 1, "delay_check_run_status": 1, "delay_advance_status": 1, "delta_retry": [1, 2, 5]}


@dataclass
class Servers:
    """The servers of one campaign.

    Attributes:
        folder: Where they keep their files; with a short path that other users may enter, as munge wants it.
        cores: Cores that SLURM has to give away.
        facts: `WHITELINE_` variables of everything that runs here.
        port: First of five ports.
        store: Address of the spectra; the database server when empty.
    """

    folder: Path
    cores: int
    facts: Mapping[str, str]
    port: int = 27600
    store: str = ""
    database: subprocess.Popen[bytes] | None = field(default=None, init=False)
    runner: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def environment(self) -> dict[str, str]:
        """The variables under which the commands of the campaign run."""
        return {
            **os.environ,
            **self.facts,
            "WHITELINE_DATABASE": self.store or f"mongodb://127.0.0.1:{self.port}/spectra",
            "SLURM_CONF": str(self.folder / "slurm" / "slurm.conf"),
            "JFREMOTE_PROJECTS_FOLDER": str(self.folder / "projects"),
            "JFREMOTE_PROJECT": PROJECT,
            "ONE_NODE_PORT": str(self.port + 1),
            "ONE_NODE_CPUS": str(self.cores),
            # One thread each: what computes is counted in processes.
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        }

    def start(self) -> None:
        """Start what does not run, and make the project where there is none."""
        self.start_slurm()
        self.start_database()
        if not (self.folder / "projects" / f"{PROJECT}.json").exists():
            self._write_project()
            self.call(_tool("jf"), "admin", "reset", "--yes")

    def call(self, *words: str, timeout: float = 3600) -> str:
        """Run a command of the campaign and return what it prints.

        Raises:
            RuntimeError: It fails; the message holds its last words.
        """
        ended = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=timeout)
        if ended.returncode:
            raise RuntimeError(f"{shlex.join(words)}: status {ended.returncode}\n{ended.stdout}{ended.stderr}"[-4000:])
        return ended.stdout

    def start_slurm(self) -> None:
        """Start what of SLURM does not run; a fault of one of its daemons is over then."""
        (self.folder / "slurm").mkdir(parents=True, exist_ok=True)
        self.call(str(ONE_NODE), "start", str(self.folder / "slurm"), timeout=60)

    def start_database(self) -> None:
        """Start the database server and wait until it answers."""
        if self.database is not None and self.database.poll() is None:
            return
        words = [_tool("secantusd-py"), "--port", str(self.port), "--storage-path", str(self.folder / "database")]
        with (self.folder / "database.log").open("ab") as log:
            self.database = subprocess.Popen([*words, "--cache-size", "512M"], stdout=log, stderr=log)
        _wait_for(self._answers, 60, "the database server")

    def start_runner(self) -> None:
        """Start jobflow-remote's runner; what a killed one had locked is free again, as its operator would make it."""
        for words in (("unlock",), ("unlock-flow",)):
            self.call(_tool("jf"), "admin", *words, "--yes")
        with (self.folder / "runner.log").open("ab") as log:
            self.runner = subprocess.Popen([_tool("jf"), "runner", "run"], env=self.environment, stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        """Kill at once: `manager`, `database`, `slurmctld`, `slurmd`, or `node`: slurmd with all that runs under it."""
        if name in ("manager", "database"):
            process = self.runner if name == "manager" else self.database
            if process is not None:
                _kill_tree(process.pid)
                process.wait()
            return
        daemon = "slurmd" if name == "node" else name
        os.kill(int((self.folder / "slurm" / f"{daemon}.pid").read_text()), signal.SIGKILL)
        if name == "node":
            for process in self.job_processes():
                with suppress(psutil.NoSuchProcess):
                    parent = process.parent()
                    _kill_tree(parent.pid if parent is not None and parent.name() == "slurmstepd" else process.pid)

    def job_processes(self) -> list[psutil.Process]:
        """Return the processes inside the jobs of this SLURM."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                variables = process.environ()
                if "SLURM_JOB_ID" in variables and variables.get("SLURM_CONF") == self.environment["SLURM_CONF"]:
                    found.append(process)
        return found

    def revive(self, name: str) -> None:
        """Start again what was killed."""
        {"manager": self.start_runner, "database": self.start_database}.get(name, self.start_slurm)()

    def stop(self) -> None:
        """Stop everything; files stay."""
        for process in (self.runner, self.database):
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
        self.call(str(ONE_NODE), "stop", str(self.folder / "slurm"), timeout=60)

    def _answers(self) -> bool:
        with suppress(PyMongoError), self.client() as client:
            return bool(client.admin.command("ping"))
        return False

    def client(self) -> pymongo.MongoClient[dict[str, object]]:
        """Return a connection to the database server."""
        return pymongo.MongoClient("127.0.0.1", self.port, serverSelectionTimeoutMS=2000)

    def _write_project(self) -> None:
        home = self.folder / "projects"
        home.mkdir(parents=True, exist_ok=True)
        named = {name: value for name, value in self.environment.items() if name.startswith(("WHITELINE_", "OMP_"))}
        exports = [f"export {name}={shlex.quote(value)}" for name, value in named.items()]
        activate = f"source {shlex.quote(str(Path(sys.executable).with_name('activate')))}"
        store = {"type": "MongoStore", "host": "127.0.0.1", "port": self.port, "database": "jobs"}
        worker = {
            "type": "local",
            "scheduler_type": "slurm",
            "work_dir": str(self.folder / "jobs"),
            "pre_run": "\n".join([activate, *exports]),
            "resources": {"nodes": 1, "ntasks": 1, "time": "01:00:00"},
            "timeout_execute": 60,
        }
        project = {
            "name": PROJECT,
            "base_dir": str(home / PROJECT),
            "runner": _DELAYS,
            "workers": {WORKER: worker},
            "queue": {"store": {**store, "collection_name": "jobs"}},
            "exec_config": {},
            "jobstore": {"docs_store": {**store, "collection_name": "outputs"}},
        }
        (self.folder / "jobs").mkdir(exist_ok=True)
        (home / f"{PROJECT}.json").write_text(json.dumps(project, indent=1), encoding="utf-8")


def _tool(name: str) -> str:
    """Return the program of this environment, or else of the path."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not installed: pip install -e .[dev] and the packages that {ONE_NODE} names")
    return found


def _kill_tree(pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                each.kill()


def _wait_for(is_there: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not is_there():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not answer within {seconds:g} s")
        time.sleep(0.1)
