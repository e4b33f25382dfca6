"""Servers that tests start on this machine: one of MongoDB's protocol, and a SLURM of one node."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

__all__ = ["MongoServer", "OneNodeSlurm", "free_port", "start_mongo_server", "start_slurm"]

ONE_NODE = Path(__file__).parents[1] / "deploy" / "slurm" / "one-node.sh"


@dataclass
class MongoServer:
    """A server of MongoDB's protocol, on this machine and in one folder; not MongoDB itself."""

    executable: str
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def address(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [self.executable, "--port", str(self.port), "--storage-path", str(self.folder)]
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            self.process = subprocess.Popen([*command, "--cache-size", "256M"], stdout=log, stderr=log)
        deadline = time.monotonic() + 30.0
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise TimeoutError(f"no server on port {self.port} after 30 s: see {self.folder}.log")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def start_mongo_server(folder: Path) -> MongoServer:
    """Start a server in a folder; skip the test where none is installed."""
    name = "secantusd-py"
    found = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(
            f"no MongoDB server: `pip install secantusdb==0.7.0b3` brings {name}, "
            "or WHITELINE_TEST_MONGO_URI names a server"
        )
    folder.mkdir()
    server = MongoServer(found, folder, free_port())
    server.start()
    return server


@dataclass(frozen=True)
class OneNodeSlurm:
    """A real SLURM in one folder, with all cores of this machine."""

    folder: Path

    @property
    def configuration(self) -> Path:
        return self.folder / "slurm.conf"

    def run(self, action: str, **environment: str) -> str:
        """Start what does not run, stop everything or ask for the status; return what was printed."""
        command = [str(ONE_NODE), action, str(self.folder)]
        done = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def pid(self, daemon: str) -> int:
        """Return the process of `slurmctld`, `slurmd` or `munged`; kill it, and `run("start")` brings it back."""
        return int((self.folder / f"{daemon}.pid").read_text(encoding="utf-8"))


def start_slurm(folder: Path) -> OneNodeSlurm:
    """Start a SLURM in a folder whose path is short; skip the test where none is installed."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name, path=path) is None]
    if missing:
        pytest.skip(
            f"no SLURM ({', '.join(missing)} not found): on Debian `apt-get install --no-install-recommends "
            "slurmctld slurmd slurm-client munge`"
        )
    slurm = OneNodeSlurm(folder)
    # Two cores at least, so that there is something to divide; SLURM believes what it is told.
    slurm.run("start", ONE_NODE_PORT=str(free_port(4)), ONE_NODE_CPUS=str(max(2, os.cpu_count() or 1)))
    return slurm


def free_port(n_ports: int = 1) -> int:
    """Return a port that nothing listens on; nor on the next ones, if several are wanted."""
    for _ in range(100):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first: int = probe.getsockname()[1]
        if first + n_ports <= 65536 and all(map(_is_free, range(first, first + n_ports))):
            return first
    raise OSError(f"no {n_ports} free ports side by side")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
