"""A real SLURM on this machine, and what a campaign on it needs."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import OneNodeSlurm, start_slurm


@pytest.fixture(scope="session")
def slurm_daemons() -> Iterator[OneNodeSlurm]:
    """The SLURM of this session, for tests that kill and restart it."""
    # Not in a folder of pytest: its path is too long for sockets, and munge refuses one closed to others.
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        slurm = start_slurm(folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SLURM_CONF", str(slurm.configuration))
            yield slurm
        slurm.run("stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def slurm(slurm_daemons: OneNodeSlurm) -> Path:
    """The folder of a running SLURM that sbatch finds: partitions `main`, `gpu` (one by name) and `urgent`."""
    slurm_daemons.run("start")  # a test before may have killed a daemon
    return slurm_daemons.folder


@dataclass(frozen=True)
class CampaignEnvironment:
    """Where a campaign of a test keeps its things.

    Attributes:
        folder: An empty folder that the jobs see.
        database: Address of an empty database of a server; store, queue and manager may share it.
        runs: Run directories.
    """

    folder: Path
    database: str
    runs: Path


@pytest.fixture
def campaign_environment(tmp_path: Path, mongo_address: str, monkeypatch: pytest.MonkeyPatch) -> CampaignEnvironment:
    """Settings of a campaign in this process, and in the jobs that it submits: sbatch passes the environment on."""
    base, _, options = mongo_address.partition("?")
    database = f"{base.rstrip('/')}/test-{uuid.uuid4().hex[:12]}" + (f"?{options}" if options else "")
    made = CampaignEnvironment(tmp_path, database, tmp_path / "runs")
    for name in list(os.environ):
        if name.startswith("WHITELINE_") and not name.startswith("WHITELINE_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WHITELINE_DATABASE", made.database)
    monkeypatch.setenv("WHITELINE_RUN_DIRECTORY", str(made.runs))
    return made
