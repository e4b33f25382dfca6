"""A store and small files of spectra."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Lattice, Structure

from whiteline.database import SpectrumStore, open_store

MEASURED = Path(__file__).parents[2] / "data" / "measured"
ENERGY = [8900.0 + 5.0 * i for i in range(60)]
MU = [0.1 + (1.0 if e > 8979 else 0.0) + 0.001 * (e - 8900) for e in ENERGY]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SpectrumStore]:
    with open_store(tmp_path / "spectra.db") as opened:
        yield opened


@pytest.fixture(scope="session")
def copper() -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])


@pytest.fixture
def xas(copper: Structure) -> dict[str, Any]:
    """A spectrum as pymatgen's XAS writes it."""
    return {
        "@module": "pymatgen.analysis.xas.spectrum",
        "@class": "XAS",
        "x": ENERGY,
        "y": MU,
        "structure": json.loads(copper.to_json()),
        "absorbing_element": "Cu",
        "edge": "K",
        "spectrum_type": "XANES",
        "absorbing_index": 0,
    }
