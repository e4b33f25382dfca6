"""A library of stand-ins for POTCAR files, which are licensed, and a run directory with a real output."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from whiteline.absorber import Absorber
from whiteline.calculators.vasp.potentials import VALENCE
from whiteline.edges import Edge

HEADING = """\
  PAW_PBE {symbol} 01Jan2000
   {valence:.15f}
 parameters from PSCTR are:
   VRHFIN ={element}: s
   LEXCH  = {exchange}
   EATOM  =   100.0000 eV,   10.0000 Ry

   TITEL  = PAW_PBE {symbol} 01Jan2000
   POMASS =   10.000; ZVAL   =   {valence:.3f}    mass and valenz
   ENMAX  =  400.000; ENMIN  =  300.000 eV
 END of PSCTR-controll parameters
 local part
   1.0
 End of Dataset
"""


@pytest.fixture
def potcar_text() -> Callable[..., str]:
    """A function that returns the text of a stand-in for a POTCAR."""

    def write(symbol: str, *, exchange: str = "PE") -> str:
        element = symbol.split("_")[0]
        return HEADING.format(symbol=symbol, element=element, valence=VALENCE[symbol], exchange=exchange)

    return write


@pytest.fixture
def potcars(tmp_path: Path, potcar_text: Callable[..., str]) -> Path:
    """A folder that pymatgen would take for POTCAR files, with some of the GW potentials."""
    folder = tmp_path / "potcars" / "POT_GGA_PAW_PBE_54"
    folder.mkdir(parents=True)
    for symbol in ("Ti_sv_GW", "O_GW", "Fe_sv_GW", "S_GW", "P_GW", "Li_GW", "Li_sv_GW", "Cu_sv_GW"):
        (folder / f"POTCAR.{symbol}").write_text(potcar_text(symbol))
    return folder.parent


@pytest.fixture
def magnetite() -> Structure:
    """Fe in two oxidation states with spins up and down, Ti in the second place."""
    return Structure(
        Lattice.orthorhombic(4.1, 5.2, 6.3),
        ["Fe2+", "Ti4+", "Fe3+", "O2-", "O2-", "Ti3+"],
        [[0.1, 0, 0], [0.5, 0.5, 0.02], [0.5, 0.03, 0.5], [0, 0.55, 0.45], [0.02, 0.5, 0.98], [0.53, 0.52, 0.51]],
        site_properties={"magmom": [4.0, 0.0, -5.0, 0.1, 0.2, 1.0]},
    )


@pytest.fixture
def sulfur(data: Path) -> Absorber:
    """The S atom of the sample that was excited."""
    return Absorber(Structure.from_file(data / "vasp" / "Li7P3S11" / "POSCAR"), 0, Edge.K)


@pytest.fixture
def run_folder(tmp_path: Path, data: Path) -> Path:
    """A copy of the sample's run directory."""
    folder = tmp_path / "run"
    shutil.copytree(data / "vasp" / "Li7P3S11", folder, ignore=shutil.ignore_patterns("ground-state"))
    return folder
