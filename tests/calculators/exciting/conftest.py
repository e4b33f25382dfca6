"""Crystals, runs and species files that the tests of exciting share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from pymatgen.core import Lattice, Structure

from whiteline.absorber import Absorber
from whiteline.edges import Edge

# Bohr radius of CODATA 2006, on which exciting's example structures were made; the difference is 1e-9.
BOHR = 0.52917720859

State: TypeAlias = tuple[int, int, int]

CORES: dict[str, tuple[State, ...]] = {
    "Ti": ((1, 0, 1), (2, 0, 1), (2, 1, 1), (2, 1, 2)),
    "Fe": ((1, 0, 1), (2, 0, 1), (2, 1, 1), (2, 1, 2)),
    "O": ((1, 0, 1),),
    "N": ((1, 0, 1),),
    "B": ((1, 0, 1),),
}


SpeciesWriter: TypeAlias = "Callable[[str, tuple[State, ...], tuple[State, ...]], Path]"


@pytest.fixture
def write_species(tmp_path: Path) -> SpeciesWriter:
    """A function that writes a species file with these core and other states, and returns it."""
    folder = tmp_path / "species"
    folder.mkdir()

    def write(element: str, core: tuple[State, ...], others: tuple[State, ...]) -> Path:
        rows = [(*state, "true") for state in core] + [(*state, "false") for state in others]
        states = "".join(f'<atomicState n="{n}" l="{m}" kappa="{k}" occ="2.0" core="{c}"/>\n' for n, m, k, c in rows)
        path = folder / f"{element}.xml"
        path.write_text(f'<?xml version="1.0"?>\n<spdb>\n<sp chemicalSymbol="{element}">\n{states}</sp>\n</spdb>\n')
        return path

    return write


@pytest.fixture
def species(write_species: SpeciesWriter) -> Path:
    """A folder of species files with the core states of exciting's own."""
    paths = [write_species(element, core, ((3, 0, 1), (3, 1, 1))) for element, core in CORES.items()]
    return paths[0].parent


@pytest.fixture
def boron_nitride() -> Absorber:
    """N in the cell of the sample, at the place that it has there."""
    lattice = Lattice([[0.5, 0.0, 0.5], [0.0, 0.5, 0.5], [0.5, 0.5, 0.0]]).matrix * 6.83136 * BOHR
    return Absorber(Structure(lattice, ["B", "N"], [[0.0, 0.0, 0.0], [0.25, 0.25, 0.25]]), 1, Edge.K)


@pytest.fixture
def rutile() -> Absorber:
    """The second Ti of the sample's cell."""
    a, c, u = 8.763555397 * BOHR, 5.610015465 * BOHR, 0.3050853616
    oxygen = [[u, u, 0.0], [1 - u, 1 - u, 0.0], [0.5 - u, 0.5 + u, 0.5], [0.5 + u, 0.5 - u, 0.5]]
    structure = Structure(Lattice.tetragonal(a, c), ["Ti"] * 2 + ["O"] * 4, [[0.0, 0.0, 0.0], [0.5] * 3, *oxygen])
    return Absorber(structure, 1, Edge.L23)


@pytest.fixture
def copy_run(data: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A function that copies a sample where it may be damaged."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(data / "exciting" / name, tmp_path / name))

    return copy
