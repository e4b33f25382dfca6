"""The species of a POSCAR: the absorber alone first, its element's other atoms last.

Moments, U and potentials are read from the atoms of this one list wherever they are written, so that their order is
that of the POSCAR by construction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby

from whiteline.absorber import Absorber
from whiteline.calculators.cells import Atom, Cell, primitive_cell, supercell
from whiteline.calculators.vasp.parameters import VaspParameters

__all__ = ["Species", "build_cell", "core_hole_species", "ground_state_cell", "ground_state_species"]


@dataclass(frozen=True)
class Species:
    """Neighbouring atoms of the POSCAR that share an element, a POTCAR and a U.

    Attributes:
        element: Chemical symbol.
        atoms: Its atoms.
    """

    element: str
    atoms: tuple[Atom, ...]


def build_cell(absorber: Absorber, parameters: VaspParameters) -> Cell:
    """Return the cell that is computed, absorber first.

    Raises:
        StructureError: As `whiteline.calculators.cells.supercell`.
    """
    if parameters.cell == "primitive":
        return primitive_cell(absorber)
    return supercell(absorber, distance=parameters.supercell_distance, rule=parameters.cell)


def core_hole_species(cell: Cell) -> tuple[Species, ...]:
    """Return the absorber's species, those of the other elements, and that of the absorber's element.

    The absorber's own element comes last: programs that group equal neighbours, as pymatgen does when it reads a
    POSCAR, then still find the absorber apart wherever there is a second element.
    """
    excited, *others = cell.atoms
    own = tuple(atom for atom in others if atom.element == excited.element)
    rest = _grouped(atom for atom in others if atom.element != excited.element)
    return (
        Species(excited.element, (excited,)),
        *rest,
        *((Species(excited.element, own),) if own else ()),
    )


def ground_state_cell(cell: Cell) -> Cell:
    """Return the cell with its atoms in an order in which no atom is special: the same for every absorber."""
    from pymatgen.core import Element

    atoms = sorted(cell.atoms, key=lambda atom: (-Element(atom.element).Z, atom.label, atom.position))
    return replace(cell, atoms=tuple(atoms))


def ground_state_species(cell: Cell) -> tuple[Species, ...]:
    """Return one species an element, in the order of the atoms."""
    return _grouped(cell.atoms)


def _grouped(atoms: Iterable[Atom]) -> tuple[Species, ...]:
    return tuple(Species(element, tuple(group)) for element, group in groupby(atoms, key=lambda atom: atom.element))
