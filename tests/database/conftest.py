"""Documents and records to store."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from whiteline.database import SpectrumDocument
from whiteline.provenance import ProvenanceRecord
from whiteline.status import Status

ARTEFACT = Path(__file__).parents[1] / "data" / "documents" / "spectrum-v1.json"


class DocumentMaker(Protocol):
    """Makes a document that differs from the example in what is given."""

    def __call__(self, name: str = "example", **changes: Any) -> SpectrumDocument: ...


class RecordMaker(Protocol):
    """Makes the record of a job."""

    def __call__(self, started_at: str = "2026-01-05T10:00:00.000+00:00") -> ProvenanceRecord: ...


@pytest.fixture(scope="session")
def artefact() -> dict[str, Any]:
    """A document as schema version 1 wrote it."""
    data: dict[str, Any] = json.loads(ARTEFACT.read_text(encoding="utf-8"))
    return data


@pytest.fixture(scope="session")
def make_document(artefact: dict[str, Any]) -> DocumentMaker:
    example = SpectrumDocument.from_dict(artefact)

    def make(name: str = "example", **changes: Any) -> SpectrumDocument:
        spectrum = example.spectrum
        assert spectrum is not None
        # Full mantissas, so that a round trip through rounded text would show.
        noise = np.random.default_rng(len(name)).random(spectrum.components.shape)
        values = {"spectrum": replace(spectrum, components=spectrum.components + noise), **changes}
        if values.get("status") is Status.FAILED:
            values = {"spectrum": None, "reason": "FEFF stopped in pot", **changes}
        if "chemical_system" in changes:
            values["elements"] = tuple(str(changes["chemical_system"]).split("-"))
        return replace(example, **{"id": hashlib.sha256(name.encode()).hexdigest()[:40], **values})

    return make


@pytest.fixture(scope="session")
def make_record() -> RecordMaker:
    def make(started_at: str = "2026-01-05T10:00:00.000+00:00") -> ProvenanceRecord:
        return ProvenanceRecord(
            activity="feff-site",
            inputs={"feff.inp": "ab12"},
            outputs={"xmu.dat": "cd34"},
            parents=(),
            code="feff",
            code_version="10.0.1",
            parameters={"fms_radius": 6.0},
            started_at=started_at,
            ended_at=started_at,
        )

    return make


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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = MongoServer(found, folder, port)
    server.start()
    return server


@pytest.fixture(scope="session")
def mongo_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server, without a database: `WHITELINE_TEST_MONGO_URI`, or one that is started here."""
    given = os.environ.get("WHITELINE_TEST_MONGO_URI")
    if given:
        yield given
        return
    server = start_mongo_server(tmp_path_factory.mktemp("mongo") / "data")
    yield server.address
    server.kill()  # nothing in its folder is wanted any more
