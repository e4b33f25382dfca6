"""Which atom of an OCEAN run is the absorber: told by its surroundings, not by its place in a list."""

from __future__ import annotations

import numpy as np

from whiteline.absorber import SYMMETRY_TOLERANCE, Absorber
from whiteline.calculators.ocean.resolved import RunCell
from whiteline.errors import ParseError

__all__ = ["find_running_indices"]

# Å; several shells of neighbours in any crystal.
_RADIUS = 5.0


def find_running_indices(absorber: Absorber, cell: RunCell | None, *, source: str) -> list[int]:
    """Return the numbers, counted from 1 among the atoms of its element, of the atoms that are the absorber.

    An atom is the absorber if it has the same neighbours in the same directions. Without a cell the order of the
    absorber's own structure stands in.

    Args:
        absorber: The excited atom.
        cell: The crystal that OCEAN computed; None when unknown.
        source: What is being read, for messages.

    Raises:
        ParseError: No atom of the crystal is the absorber.
    """
    structure = absorber.structure
    numbers = [int(site.specie.Z) for site in structure]
    if cell is None:
        return [numbers[: absorber.site_index + 1].count(absorber.atomic_number)]
    from pymatgen.core import Element, Structure

    computed = Structure(cell.lattice, [Element.from_Z(number) for number in cell.numbers], cell.positions)
    expected = _neighbours(structure, absorber.site_index)
    alike = [
        i
        for i, number in enumerate(cell.numbers)
        if number == absorber.atomic_number and _is_same(expected, _neighbours(computed, i))
    ]
    if not alike:
        raise ParseError(
            f"{source}: no atom of the crystal in {cell.source} has the surroundings of {absorber.label} of "
            f"{structure.composition.reduced_formula} in their orientation: it is a run of another absorber"
        )
    return [list(cell.numbers[: i + 1]).count(absorber.atomic_number) for i in alike]


def _neighbours(structure, index: int) -> np.ndarray:  # type: ignore[no-untyped-def]  # pymatgen: not usefully typed
    """Return atomic number and relative position [Å] of each neighbour, shape (n_neighbour, 4), nearest first."""
    site = structure[index]
    found = sorted(structure.get_neighbors(site, _RADIUS + SYMMETRY_TOLERANCE), key=lambda n: n.nn_distance)
    return np.array([[n.specie.Z, *(n.coords - site.coords)] for n in found]).reshape(-1, 4)


def _is_same(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether each neighbour within the radius has its like in the other list, both ways."""
    return _is_within(one, other) and _is_within(other, one)


def _is_within(some: np.ndarray, others: np.ndarray) -> bool:
    inner = some[np.linalg.norm(some[:, 1:], axis=1) < _RADIUS]
    if not len(others):
        return not len(inner)
    steps = np.linalg.norm(inner[:, None, 1:] - others[None, :, 1:], axis=2)
    steps[inner[:, None, 0] != others[None, :, 0]] = np.inf
    return bool((steps.min(axis=1) < SYMMETRY_TOLERANCE).all())
