"""One small store for all commands, and the command line called as a shell calls it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from pymatgen.core import Lattice, Structure

from whiteline.cli import main
from whiteline.database import open_store
from whiteline.database.query import SpectrumQuery
from whiteline.settings import Settings

# The cheapest real FEFF calculation: about two seconds a site.
QUICK = ["scf_radius=null", "fms_radius=2.7", "l_max=1", "core_hole=none", "energy_grid=[]", "k_step=0.2", "k_max=3"]


@dataclass(frozen=True)
class Answer:
    """What a command printed and returned."""

    code: int
    out: str
    err: str


Command: TypeAlias = Callable[..., Answer]


def call(capsys: pytest.CaptureFixture[str], arguments: tuple[object, ...]) -> Answer:
    """Run `whiteline` with these arguments in this process."""
    previous = sys.argv
    sys.argv = ["whiteline", *map(str, arguments)]
    capsys.readouterr()
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = previous
    out, err = capsys.readouterr()
    code = ended.value.code
    return Answer(code if isinstance(code, int) else 0, out, err)


@pytest.fixture
def whiteline(capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line: `whiteline("query", "--json")`."""
    return lambda *arguments: call(capsys, arguments)


@pytest.fixture
def quick() -> list[str]:
    """Options of the cheapest calculation."""
    return [word for value in QUICK for word in ("--set", value)]


@pytest.fixture(autouse=True)
def _own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep commands away from the user's own store, runs and settings, and their messages on one line."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"WHITELINE_{name.upper()}", raising=False)
    monkeypatch.setenv("WHITELINE_DATABASE", str(tmp_path / "spectra.db"))
    monkeypatch.setenv("WHITELINE_RUN_DIRECTORY", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.delenv("MP_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)


def write_copper(path: Path, *, lattice_constant: float = 3.61, element: str = "Cu") -> Path:
    """Write a face-centred cubic crystal."""
    crystal = Structure.from_spacegroup("Fm-3m", Lattice.cubic(lattice_constant), [element], [[0, 0, 0]])
    crystal.to(str(path), fmt="cif")
    return path


@pytest.fixture
def copper_file(tmp_path: Path) -> Path:
    """Copper as a CIF file."""
    return write_copper(tmp_path / "copper.cif")


@pytest.fixture(scope="session")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store made by one real run of two crystals, one of which has brackets in its name."""
    from whiteline.cli.options import parse_assignments
    from whiteline.structures import read_structures
    from whiteline.workflows import run_materials

    folder = tmp_path_factory.mktemp("computed")
    files = [
        write_copper(folder / "copper.cif"),
        write_copper(folder / "copper[strained].cif", lattice_constant=3.65),
    ]
    settings = Settings(database=str(folder / "spectra.db"), run_directory=folder / "runs")
    run_materials(
        list(read_structures([str(file) for file in files])),
        "Cu",
        parameters=parse_assignments(QUICK),
        settings=settings,
    )
    return folder


@pytest.fixture
def store(computed: Path, tmp_path: Path) -> Path:
    """A fresh copy of the computed store, at the default address."""
    return Path(shutil.copy(computed / "spectra.db", tmp_path / "spectra.db"))


@pytest.fixture
def ids(store: Path) -> dict[str, str]:
    """Ids of the computed spectra by source and kind, e.g. `copper site`."""
    with open_store(str(store), must_exist=True) as opened:
        found: list[Any] = list(opened.summaries(SpectrumQuery()))
    return {f"{Path(s.source).stem} {s.kind}": s.id for s in found}
