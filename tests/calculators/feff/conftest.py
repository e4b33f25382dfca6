"""Real runs on tiny clusters that the tests of spin and of energy loss share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Structure

from whiteline.absorber import Absorber
from whiteline.calculators.feff import FeffCalculator, FeffParameters
from whiteline.calculators.parameters import build_parameters
from whiteline.edges import Edge

# The smallest cluster with full multiple scattering, on a coarse grid: seconds, and no physics to trust but that of
# the atom.
TINY = {
    "scf_radius": None,
    "fms_radius": 3.0,
    "cluster_radius": 6.0,
    "energy_grid": [
        {"kind": "k_grid", "start": -1, "stop": 0, "step": 0.2},
        {"kind": "k_grid", "start": 0, "stop": 3, "step": 0.2},
    ],
}


@pytest.fixture(scope="session")
def run_tiny() -> Callable[..., tuple[FeffCalculator, Absorber]]:
    """A function that runs FEFF in a folder and returns what reads its result."""

    def run(directory: Path, structure: Structure, edge: Edge, **values: Any) -> tuple[FeffCalculator, Absorber]:
        calculator = FeffCalculator(build_parameters(FeffParameters, {**TINY, **values}), timeout=600)
        absorber = Absorber(structure, 0, edge)
        for name, text in calculator.inputs(absorber).items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text, encoding="utf-8")
        assert calculator.run(directory, on_stage=lambda _: None).failure == ""
        return calculator, absorber

    return run
