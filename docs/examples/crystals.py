"""Twenty small crystals of copper and nickel as CIF files: what `learn.sh` computes and learns from.

Lattice constants [Å] are rounded ones of the crystals where they exist in that structure; a few crystals are made up,
as a screening would. Run it as `python crystals.py FOLDER [N_COPPER N_NICKEL]`; `--unseen` writes one more.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TypeAlias

from pymatgen.core import Lattice, Structure

_Kind: TypeAlias = "tuple[str, list[list[float]]]"

# Space group, and where each element is.
_ROCK_SALT: _Kind = ("Fm-3m", [[0, 0, 0], [0.5, 0.5, 0.5]])
_ZINC_BLENDE: _Kind = ("F-43m", [[0, 0, 0], [0.25, 0.25, 0.25]])
_CAESIUM_CHLORIDE: _Kind = ("Pm-3m", [[0, 0, 0], [0.5, 0.5, 0.5]])
_AURICUPRIDE: _Kind = ("Pm-3m", [[0.5, 0.5, 0], [0, 0, 0]])
_CUPRITE: _Kind = ("Pn-3m", [[0.25, 0.25, 0.25], [0, 0, 0]])
_ANTI_FLUORITE: _Kind = ("Fm-3m", [[0.25, 0.25, 0.25], [0, 0, 0]])
_FCC: _Kind = ("Fm-3m", [[0, 0, 0]])

COPPER: dict[str, tuple[_Kind, float]] = {
    "Cu": (_FCC, 3.61),
    "CuCl": (_ZINC_BLENDE, 5.42),
    "CuBr": (_ZINC_BLENDE, 5.69),
    "Cu3Pd": (_AURICUPRIDE, 3.67),
    "CuO": (_ROCK_SALT, 4.25),
    "Cu2O": (_CUPRITE, 4.27),
    "CuZn": (_CAESIUM_CHLORIDE, 2.95),
    "Cu3Au": (_AURICUPRIDE, 3.75),
    "Cu3Pt": (_AURICUPRIDE, 3.68),
    "Cu2Se": (_ANTI_FLUORITE, 5.84),
    "CuPd": (_CAESIUM_CHLORIDE, 2.99),
    "CuF": (_ZINC_BLENDE, 4.26),
}
NICKEL: dict[str, tuple[_Kind, float]] = {
    "Ni": (_FCC, 3.52),
    "NiO": (_ROCK_SALT, 4.17),
    "NiAl": (_CAESIUM_CHLORIDE, 2.89),
    "Ni3Al": (_AURICUPRIDE, 3.57),
    "NiTi": (_CAESIUM_CHLORIDE, 3.01),
    "NiZn": (_CAESIUM_CHLORIDE, 2.91),
    "Ni3Fe": (_AURICUPRIDE, 3.55),
    "NiS": (_ZINC_BLENDE, 5.1),
}
UNSEEN: dict[str, tuple[_Kind, float]] = {"CuAg": (_CAESIUM_CHLORIDE, 3.1)}


def write_crystals(folder: Path, crystals: dict[str, tuple[_Kind, float]]) -> None:
    """Write each crystal as a CIF file of its name."""
    from pymatgen.core import Composition

    folder.mkdir(parents=True, exist_ok=True)
    for name, ((group, positions), constant) in crystals.items():
        species = [element.symbol for element in Composition(name)]
        crystal = Structure.from_spacegroup(group, Lattice.cubic(constant), species, positions)
        crystal.to(str(folder / f"{name}.cif"), fmt="cif")


if __name__ == "__main__":
    home, *rest = Path(sys.argv[1]), *sys.argv[2:]
    if rest == ["--unseen"]:
        write_crystals(home, UNSEEN)
    else:
        n_copper, n_nickel = (int(text) for text in rest or (12, 8))
        write_crystals(home / "copper", dict(list(COPPER.items())[:n_copper]))
        write_crystals(home / "nickel", dict(list(NICKEL.items())[:n_nickel]))
