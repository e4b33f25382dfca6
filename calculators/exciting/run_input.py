"""Reading an input.xml back: which atom and edge a run directory is of, and on which axis its spectrum stands."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.calculators.exciting.parameters import HARTREE
from whiteline.calculators.kpoints import BOHR
from whiteline.errors import ParseError

__all__ = ["RunInput", "read_run_input"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_SYMBOL = re.compile(r"[A-Z][a-z]?")


@dataclass(frozen=True, eq=False)
class RunInput:
    """What an input.xml asks for.

    Attributes:
        lattice: Rows are the vectors of the cell, shape (3, 3) [Å].
        elements: Chemical symbol of each atom.
        positions: Fractional coordinates, shape (n_atom, 3).
        i_absorber: Index of the excited atom.
        edge: Absorption edge, as written.
        bse_type: Kind of the Hamiltonian.
        start: First transition energy [eV].
        step: Distance between two points [eV].
        n_points: Number of points.
        half_width: `broad`, the half width of the Lorentzian [eV].
    """

    lattice: Float[Array, "3 3"]
    elements: tuple[str, ...]
    positions: Float[Array, "atom 3"]
    i_absorber: int
    edge: str
    bse_type: str
    start: float
    step: float
    n_points: int
    half_width: float

    @property
    def element(self) -> str:
        """Chemical symbol of the absorber."""
        return self.elements[self.i_absorber]

    def neighbour_distances(self, radius: float) -> dict[str, list[float]]:
        """Return the sorted distances from the absorber to its neighbours within `radius` [Å], by element."""
        heights = 1.0 / np.linalg.norm(np.linalg.inv(self.lattice), axis=0)
        reach = [range(-n, n + 1) for n in np.ceil(radius / heights).astype(int) + 1]
        cells = np.array(list(product(*reach)), dtype=float)
        found: dict[str, list[float]] = {}
        for element, position in zip(self.elements, self.positions, strict=True):
            vectors = (cells + position - self.positions[self.i_absorber]) @ self.lattice
            distances = np.linalg.norm(vectors, axis=1)
            found.setdefault(element, []).extend(distances[(distances > 1e-3) & (distances <= radius)].tolist())
        return {element: sorted(distances) for element, distances in found.items()}


def read_run_input(path: Path) -> RunInput:
    """Return what an input.xml asks for.

    Raises:
        ParseError: It is cut off, or asks for something else than the absorption of a core level.
    """
    try:
        root = ET.parse(path).getroot()  # noqa: S314  # a file of the run itself; expat expands no external entities
    except ET.ParseError as error:
        raise ParseError(f"{path} is damaged ({error}): run the calculation again") from error
    try:
        return _read(root, path)
    except (KeyError, ValueError, IndexError) as error:
        raise ParseError(
            f"{path} is not the input of an exciting XAS calculation: {error!r} is missing or wrong"
        ) from error


def _read(root: ET.Element, path: Path) -> RunInput:
    crystal, species = _child(root, "structure/crystal"), root.findall("structure/species")
    scale = float(crystal.get("scale", "1").lower().replace("d", "e"))
    stretch = _numbers(crystal.get("stretch", "1 1 1"), 3)[:, np.newaxis]
    vectors = np.array([_numbers(vector.text or "", 3) for vector in crystal.findall("basevect")])
    xs, bse, window = _child(root, "xs"), _child(root, "xs/BSE"), _child(root, "xs/energywindow")
    if bse.get("xas", "false").lower() != "true":
        raise ParseError(f"{path} asks for no X-ray absorption (xas is not true in BSE)")
    i_species, i_atom = int(bse.attrib["xasspecies"]), int(bse.attrib["xasatom"])
    counts = [len(one.findall("atom")) for one in species]
    if not 1 <= i_species <= len(species) or not 1 <= i_atom <= counts[i_species - 1]:
        raise ParseError(f"{path}: there is no atom {i_atom} in species {i_species}, which xasatom and xasspecies name")
    start, stop = _numbers(window.attrib["intv"], 2) * HARTREE
    n_points = int(window.attrib["points"])
    symbols = [_symbol(one.attrib["speciesfile"]) for one in species]
    return RunInput(
        lattice=vectors.reshape(3, 3) * scale * stretch * BOHR,
        elements=tuple(symbol for symbol, n in zip(symbols, counts, strict=True) for _ in range(n)),
        positions=np.array([_numbers(atom.attrib["coord"], 3) for one in species for atom in one.findall("atom")]),
        i_absorber=sum(counts[: i_species - 1]) + i_atom - 1,
        edge=bse.get("xasedge", "K"),
        bse_type=bse.get("bsetype", "singlet"),
        start=float(start),
        # exciting divides by the number of points, not of intervals: the end of the window is left out.
        step=float(stop - start) / n_points,
        n_points=n_points,
        half_width=float(xs.get("broad", "0.01").lower().replace("d", "e")) * HARTREE,
    )


def _child(root: ET.Element, path: str) -> ET.Element:
    found = root.find(path)
    if found is None:
        raise KeyError(path)
    return found


def _numbers(text: str, n: int) -> Float[Array, " n"]:
    values = [float(word.lower().replace("d", "e")) for word in text.split()]
    if len(values) != n:
        raise ValueError(f"{n} numbers, got {text!r}")
    return np.array(values)


def _symbol(name: str) -> str:
    match = _SYMBOL.match(Path(name).name)
    if not match:
        raise ValueError(f"a species file named after its element, got {name!r}")
    return match.group()
