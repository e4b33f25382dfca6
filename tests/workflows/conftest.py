from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Lattice, Structure

from whiteline.settings import Settings

# The cheapest real FEFF calculation: about two seconds a site.
QUICK: dict[str, Any] = {
    "scf_radius": None,
    "fms_radius": 2.7,
    "l_max": 1,
    "core_hole": "none",
    "energy_grid": [],
    "k_step": 0.2,
    "k_max": 3,
}


@pytest.fixture
def quick() -> dict[str, Any]:
    return dict(QUICK)


@pytest.fixture
def copper() -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(database=str(tmp_path / "spectra.db"), run_directory=tmp_path / "runs")
