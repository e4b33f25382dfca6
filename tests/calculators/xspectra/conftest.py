"""Folders of pseudopotentials, and crystals."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from pymatgen.core import Lattice, Structure

from whiteline.calculators.parameters import build_parameters
from whiteline.calculators.xspectra import XSpectraCalculator, XSpectraParameters

SAMPLES = Path(__file__).parents[2] / "data" / "xspectra"

Make: TypeAlias = Callable[..., XSpectraCalculator]
WriteUpf: TypeAlias = Callable[..., str]


@pytest.fixture
def pseudo(tmp_path: Path, write_upf: WriteUpf) -> Path:
    """A folder with pseudopotentials without and with a core hole."""
    folder = tmp_path / "pseudo-library"
    folder.mkdir()
    for element in ("Li", "C", "O", "Ti", "Fe", "Cu"):
        (folder / f"{element}.pbe-gipaw.UPF").write_text(write_upf(element))
        (folder / f"{element}.star1s.pbe-gipaw.UPF").write_text(write_upf(element, hole=1.0))
        if element in {"Ti", "Fe", "Cu"}:
            (folder / f"{element}.half2p.pbe-gipaw.UPF").write_text(write_upf(element, hole=0.5))
    return folder


@pytest.fixture
def carbon(tmp_path: Path) -> Path:
    """A folder with the real pseudopotentials of carbon, without and with a core hole."""
    folder = tmp_path / "carbon"
    folder.mkdir()
    for path in (SAMPLES / "upf").glob("*.gz"):
        (folder / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    return folder


@pytest.fixture
def make(pseudo: Path) -> Make:
    """A function that returns a calculator with given parameters."""

    def made(*, pw_command: str = "pw.x", xspectra_command: str = "xspectra.x", **values: object) -> XSpectraCalculator:
        return XSpectraCalculator(
            build_parameters(XSpectraParameters, values),
            pseudo_directory=str(pseudo),
            pw_command=pw_command,
            xspectra_command=xspectra_command,
            timeout=60.0,
        )

    return made


@pytest.fixture(scope="session")
def diamond() -> Structure:
    """Diamond in its conventional cell of eight atoms."""
    return Structure.from_spacegroup("Fd-3m", Lattice.cubic(3.567), ["C"], [[0, 0, 0]])


@pytest.fixture
def magnetite_like() -> Structure:
    """FeO with Ti in second place, two charges and three moments of Fe."""
    metal: list[list[float]] = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    oxygen: list[list[float]] = [[0.5, 0.5, 0.5], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    species = ["Fe2+", "Ti4+", "Fe3+", "Fe3+"] + ["O2-"] * 4
    decorated = Structure(Lattice.cubic(4.33), species, metal + oxygen)
    decorated.add_spin_by_site([4.0, 0.0, 5.0, -5.0, 0.0, 0.0, 0.0, 0.0])
    return decorated
