"""Crystals and data that several tests share."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from tests.servers import start_mongo_server


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of reference files."""
    return Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def ti_o_10(data: Path) -> dict[str, Structure]:
    """The ten structures of the Ti-O-10 benchmark by Materials Project id."""
    content = json.loads((data / "structures" / "ti-o-10.json").read_text(encoding="utf-8"))
    return {name: Structure.from_dict(member) for name, member in content.items()}


@pytest.fixture
def copper() -> Structure:
    """Copper in its conventional cell of four atoms."""
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])


@pytest.fixture
def left_behind() -> Callable[[Path], list[int]]:
    """A function that returns the processes still at work in a folder after those that die had time to."""

    def processes_in(directory: Path) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and (entry / "cwd").readlink() == directory:
                    found.append(int(entry.name))
            except OSError:  # it ended while we looked, or is not ours
                continue
        return found

    def wait(directory: Path) -> list[int]:
        deadline = time.monotonic() + 10.0
        while (found := processes_in(directory)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    return wait


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
