"""Many distinct crystals for a campaign that measures the platform: real ones, strained a little more each time."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from pymatgen.core import Lattice, Structure

from whiteline.absorber import find_absorbers
from whiteline.edges import Edge
from whiteline.errors import InputError
from whiteline.settings import Settings
from whiteline.structures import read_structures
from whiteline.workflows.engines import make_calculator

__all__ = ["write_cheap_structures", "write_structures"]

_MOST_ATOMS = 16
_STRAIN = 5.0e-4  # of each round of copies; identities of sites tell much less apart
# Space group, lattice constant [Å], species and places.
_PROTOTYPES: list[tuple[str, float, list[str], list[list[float]]]] = [
    ("Fm-3m", 4.21, ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    ("Fm-3m", 4.18, ["Ni", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    ("Fm-3m", 5.46, ["Ca", "F"], [[0, 0, 0], [0.25, 0.25, 0.25]]),
    ("F-43m", 5.41, ["Zn", "S"], [[0, 0, 0], [0.25, 0.25, 0.25]]),
    ("Fm-3m", 3.61, ["Cu"], [[0, 0, 0]]),
    ("Im-3m", 2.87, ["Fe"], [[0, 0, 0]]),
    ("Fd-3m", 5.43, ["Si"], [[0, 0, 0]]),
    ("Pm-3m", 3.91, ["Sr", "Ti", "O"], [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0]]),
    ("Pn-3m", 4.27, ["Cu", "O"], [[0, 0, 0], [0.25, 0.25, 0.25]]),
]


def _read_crystals(folder: Path | None) -> Iterator[tuple[str, Structure]]:
    """Yield the small crystals of a folder of CIFs that can be computed; prototypes without a folder."""
    if folder is None:
        for group, a, species, places in _PROTOTYPES:
            crystal = Structure.from_spacegroup(group, Lattice.cubic(a), species, places)
            yield crystal.reduced_formula, crystal.get_primitive_structure()
        return
    for path in sorted(folder.rglob("*.cif")):
        try:
            named = next(iter(read_structures([str(path)])))
        except InputError:
            continue
        if len(named.structure) <= _MOST_ATOMS:
            yield path.stem, named.structure


def _count_sites(structure: Structure) -> int:
    elements = [element.symbol for element in structure.composition.element_composition]
    try:
        return sum(len(find_absorbers(structure, element, Edge.K)) for element in elements)
    except InputError:
        return 0


def write_structures(path: Path, n_sites: int, *, folder: Path | None = None) -> tuple[int, int]:
    """Write crystals with at least so many inequivalent sites into one file; return how many crystals and sites.

    Args:
        path: File to write, a JSON collection by name.
        n_sites: Sites of all elements together.
        folder: Folder with CIFs; prototypes are taken without one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        crystals = [(name, crystal, _count_sites(crystal)) for name, crystal in _read_crystals(folder)]
    crystals = [entry for entry in crystals if entry[2] > 0]
    members: dict[str, object] = {}
    n_found = 0
    for i, (name, crystal, n) in enumerate(cycle(crystals)):
        if n_found >= n_sites:
            break
        i_round = i // len(crystals)
        strained = crystal.apply_strain(_STRAIN * i_round, inplace=False)
        members[f"{name}-{i_round}"] = strained.as_dict()
        n_found += n
    path.write_text(json.dumps(members), encoding="utf-8")
    return len(members), n_found


def write_cheap_structures(
    path: Path, n_sites: int, *, folder: Path | None = None, elements: Sequence[str], preset: str = "fast"
) -> tuple[int, int]:
    """Write the crystals whose sites of some elements FEFF is expected to compute soonest, until there are enough.

    Returns the numbers of crystals and of such sites.
    """
    calculator = make_calculator("feff", preset=preset, settings=Settings())
    priced = []
    for name, structure in _read_crystals(folder):
        present = sorted({e.symbol for e in structure.composition.element_composition} & set(elements))
        sites = [site for element in present for site in find_absorbers(structure, element, Edge.K)]
        if sites:
            priced.append((max(calculator.estimate(site).cpu_time for site in sites), name, len(sites), structure))
    chosen: dict[str, object] = {}
    n_chosen = 0
    for _, name, n, structure in sorted(priced, key=lambda entry: entry[:2]):
        if n_chosen >= n_sites:
            break
        chosen[name] = structure.as_dict()
        n_chosen += n
    path.write_text(json.dumps(chosen), encoding="utf-8")
    return len(chosen), n_chosen
