"""Periodic cells with one excited atom: the primitive cell or a supercell of it, absorber first.

Every code that singles the absorber out as a species of its own (XSpectra, VASP) or points at it by its index (OCEAN,
exciting) takes its atoms from here, with moments attached to them. Nothing is carried in a list beside the atoms, so
nothing can fall out of step when they are put in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.absorber import Absorber
from whiteline.errors import StructureError
from whiteline.structures import check_structure, element_symbol, species_labels

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["Atom", "Cell", "SupercellRule", "image_distance", "primitive_cell", "supercell"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
SupercellRule: TypeAlias = Literal["image_distance", "axis_length"]

# Positions closer than this are the same for the order of the atoms, and -0.00000001 is 0.
_DIGITS = 8
_MOST_ATOMS = 2000


@dataclass(frozen=True)
class Atom:
    """One atom of a cell.

    Attributes:
        element: Chemical symbol.
        label: What tells atoms of an element apart, oxidation state and moment included (`Fe3+,spin=5`).
        moment: Magnetic moment along z [µB]; None where the structure gives none.
        position: Fractional coordinates, each in [0, 1).
        site_index: Site of the user's structure that this atom repeats.
    """

    element: str
    label: str
    moment: float | None
    position: tuple[float, float, float]
    site_index: int


@dataclass(frozen=True, eq=False)
class Cell:
    """A periodic cell whose first atom is the absorber.

    The others follow grouped by element, the absorber's own element first and then the heaviest, by label, and by
    position: the order of the user's file has no part in it.

    Attributes:
        lattice: Rows are the vectors [Å].
        atoms: All atoms, the absorber first.
        n_primitive: Number of primitive cells in it.
    """

    lattice: Float[Array, "3 3"]
    atoms: tuple[Atom, ...]
    n_primitive: int

    @property
    def absorber(self) -> Atom:
        """The excited atom."""
        return self.atoms[0]

    @property
    def volume(self) -> float:
        """Volume [Å³]."""
        return float(abs(np.linalg.det(self.lattice)))

    @property
    def positions(self) -> Float[Array, "atom 3"]:
        """Fractional coordinates, shape (n_atom, 3)."""
        return np.array([atom.position for atom in self.atoms])

    @property
    def elements(self) -> tuple[str, ...]:
        """The elements, in the order in which they come."""
        return tuple(dict.fromkeys(atom.element for atom in self.atoms))

    @property
    def has_moments(self) -> bool:
        """Whether the structure gives a magnetic moment to any atom."""
        return any(atom.moment is not None for atom in self.atoms)

    @cached_property
    def image_distance(self) -> float:
        """Distance between an atom and its nearest periodic image [Å]."""
        return image_distance(self.lattice)

    def to_structure(self) -> Structure:
        """Return the cell as a pymatgen structure of bare elements, with moments as site property `magmom`."""
        from pymatgen.core import Structure

        moments = [atom.moment or 0.0 for atom in self.atoms]
        return Structure(
            self.lattice,
            [atom.element for atom in self.atoms],
            self.positions,
            site_properties={"magmom": moments} if self.has_moments else None,
        )


def primitive_cell(absorber: Absorber) -> Cell:
    """Return the primitive cell around an absorber, in the orientation of its structure.

    Raises:
        StructureError: The structure is one that no code could compute, or its moments are not collinear.
    """
    return _build(absorber, np.eye(3, dtype=int))


def supercell(absorber: Absorber, *, distance: float, rule: SupercellRule = "image_distance") -> Cell:
    """Return the smallest supercell that keeps an absorber and its images apart.

    Multiples of the vectors of the primitive and of the conventional cell are tried, and the one with fewer atoms is
    taken, the primitive one where they tie.

    Args:
        absorber: The excited atom.
        distance: Length to reach [Å].
        rule: `image_distance`: the nearest image is at least `distance` away. `axis_length`: each vector is at least
            that long, as in the Ti-O-10 benchmark; images across an acute angle may be nearer.

    Raises:
        StructureError: As `primitive_cell`, or the supercell would hold more than 2000 atoms.
    """
    symmetry = absorber.symmetry
    primitive = symmetry.primitive_lattice
    to_conventional = np.rint(symmetry.conventional_lattice @ np.linalg.inv(primitive)).astype(int)
    n_most = _MOST_ATOMS / (len(absorber.structure) / absorber.n_primitive_cells)
    candidates = []
    for basis in (np.eye(3, dtype=int), to_conventional):
        counts = _multiples(basis @ primitive, distance, rule, n_most / abs(np.linalg.det(basis)))
        if counts is not None:
            candidates.append(np.diag(counts) @ basis)
    if not candidates:
        raise StructureError(
            f"a supercell of {absorber.structure.composition.reduced_formula} with {distance:g} Å between images of "
            f"the absorber would hold more than {_MOST_ATOMS} atoms: ask for a smaller supercell"
        )
    return _build(absorber, min(candidates, key=lambda matrix: round(abs(np.linalg.det(matrix)))))


def image_distance(lattice: Float[Array, "3 3"]) -> float:
    """Return the length of the shortest lattice vector [Å].

    >>> image_distance(np.diag([3.0, 4.0, 5.0]))
    3.0
    """
    from pymatgen.core import Lattice

    reduced = Lattice(lattice).get_lll_reduced_lattice().matrix
    steps = np.array([n for n in product((-1, 0, 1), repeat=3) if any(n)])
    return float(np.linalg.norm(steps @ reduced, axis=1).min())


def _multiples(
    lattice: Float[Array, "3 3"], distance: float, rule: SupercellRule, n_most: float
) -> tuple[int, int, int] | None:
    """Return how often to repeat each vector; None where more than `n_most` cells are needed."""
    lengths = np.linalg.norm(lattice, axis=1)
    if rule == "axis_length":
        first, second, third = (int(n) for n in np.ceil(distance / lengths - 1e-9))
        return (first, second, third) if first * second * third <= n_most else None
    # A repeat of n_i spans n_i heights, and no vector with a step along i is shorter than that: enough is enough.
    heights = 1.0 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    lowest = np.maximum(np.ceil(distance / lengths - 1e-9), 1).astype(int)
    highest = np.maximum(np.ceil(distance / heights), lowest).astype(int)
    ranges = [range(low, high + 1) for low, high in zip(lowest, highest, strict=True)]
    for counts in sorted(product(*ranges), key=lambda n: (np.prod(n), n)):
        if np.prod(counts) > n_most:
            return None
        if image_distance(np.diag(counts) @ lattice) >= distance - 1e-9:
            first, second, third = counts
            return first, second, third
    return None


def _build(absorber: Absorber, matrix: np.ndarray[Any, np.dtype[np.int64]]) -> Cell:
    """Return the cell whose vectors are `matrix` times the primitive ones."""
    structure, symmetry = absorber.structure, absorber.symmetry
    check_structure(structure, name=structure.composition.reduced_formula)
    n_primitive = round(abs(np.linalg.det(matrix)))
    lattice = matrix @ symmetry.primitive_lattice
    sites = _primitive_sites(absorber)
    to_primitive = np.linalg.inv(symmetry.primitive_lattice)
    shifts = _lattice_points(matrix) @ symmetry.primitive_lattice
    to_fractional = np.linalg.inv(lattice)
    labels = species_labels(structure)
    atoms = []
    for index in sites:
        site = structure[index]
        base = np.round(site.coords @ to_primitive, _DIGITS) % 1.0 @ symmetry.primitive_lattice
        element = element_symbol(site.specie)
        moment = _moment(absorber, index)
        fractional = np.round((base + shifts) @ to_fractional, _DIGITS) % 1.0 + 0.0
        atoms += [Atom(element, labels[index], moment, (float(x), float(y), float(z)), index) for x, y, z in fractional]
    excited = next(atom for atom in atoms if atom.site_index == absorber.site_index)
    numbers = {element_symbol(s.specie): int(s.specie.Z) for s in structure}
    others = sorted(
        (atom for atom in atoms if atom is not excited),
        key=lambda a: (a.element != excited.element, -numbers[a.element], a.label, a.position),
    )
    return Cell(lattice, (excited, *others), n_primitive)


def _primitive_sites(absorber: Absorber) -> list[int]:
    """Return one site of the structure for each atom of the primitive cell, the absorber for its own."""
    chosen: dict[int, int] = {absorber.symmetry.to_primitive[absorber.site_index]: absorber.site_index}
    for index, atom in enumerate(absorber.symmetry.to_primitive):
        chosen.setdefault(atom, index)
    return sorted(chosen.values())


def _lattice_points(matrix: np.ndarray[Any, np.dtype[np.int64]]) -> Float[Array, "cell 3"]:
    """Return the points of the primitive lattice inside the supercell, in multiples of the primitive vectors."""
    corners = np.array([corner @ matrix for corner in product((0, 1), repeat=3)])
    ranges = [range(low, high + 1) for low, high in zip(corners.min(axis=0), corners.max(axis=0), strict=True)]
    points = np.array(list(product(*ranges)))
    inside = np.round(points @ np.linalg.inv(matrix), _DIGITS)
    return np.asarray(points[((inside >= 0) & (inside < 1)).all(axis=1)], dtype=float)


def _moment(absorber: Absorber, index: int) -> float | None:
    site = absorber.structure[index]
    moment = getattr(site.specie, "spin", None)
    if moment is None:
        moment = site.properties.get("magmom")
    if moment is None:
        return None
    values = np.atleast_1d(np.asarray(moment, dtype=float))
    if values.size == 3 and not np.allclose(values[:2], 0.0):
        raise StructureError(
            f"site {index} has the magnetic moment {values.tolist()}: only collinear moments along z are written, "
            "give one number for each site"
        )
    return float(values[-1])
