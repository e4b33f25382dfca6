"""The absorbing atom: a site of a crystal and one of its edges."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Float
from monty.json import MSONable

from whiteline.edges import Edge, edge_energy
from whiteline.errors import ParameterError, StructureError, did_you_mean
from whiteline.fingerprint import CrystalFingerprint, fingerprint_crystal, orientation_id
from whiteline.polarisation import Polarisation, inequivalent_polarisations
from whiteline.structures import element_symbol, species_labels

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["SYMMETRY_TOLERANCE", "Absorber", "Symmetry", "find_absorbers", "find_symmetry"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# Å; what the Materials Project uses to call two positions equivalent.
SYMMETRY_TOLERANCE = 0.01


@dataclass(frozen=True, eq=False)
class Symmetry:
    """Space group of a crystal and the orbits of its sites.

    Attributes:
        number: Space group number, 1 to 230.
        symbol: Hermann-Mauguin symbol.
        orbits: For each site the lowest index of the sites equivalent to it.
        primitive_counts: Number of atoms of each species in the primitive cell.
        to_primitive: For each site the number of the atom of the primitive cell that it repeats.
        primitive_lattice: Rows are the vectors of a primitive cell, oriented as the crystal is, shape (3, 3) [Å].
        conventional_lattice: Rows are the vectors of the conventional cell, likewise, shape (3, 3) [Å].
        rotations: Rotations of the space group in the lattice of the structure, shape (n_operation, 3, 3).
        translations: Translations that follow them, shape (n_operation, 3).
    """

    number: int
    symbol: str
    orbits: tuple[int, ...]
    primitive_counts: dict[str, int]
    to_primitive: tuple[int, ...]
    primitive_lattice: Float[Array, "3 3"]
    conventional_lattice: Float[Array, "3 3"]
    rotations: np.ndarray[Any, np.dtype[np.int64]]
    translations: Float[Array, "operation 3"]


def find_symmetry(structure: Structure, *, tolerance: float = SYMMETRY_TOLERANCE) -> Symmetry:
    """Return the symmetry that spglib finds; oxidation states and spins make species differ.

    Raises:
        StructureError: spglib finds no symmetry, as happens with overlapping atoms.
    """
    import spglib

    species = species_labels(structure)
    kinds = sorted(set(species))
    numbers = [kinds.index(name) + 1 for name in species]
    with warnings.catch_warnings():
        # spglib 2.7 announces that it will raise where it now returns None; both are handled here.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            cell = (structure.lattice.matrix.tolist(), structure.frac_coords.tolist(), numbers)
            dataset = spglib.get_symmetry_dataset(cell, symprec=tolerance)
        except spglib.SpglibError:
            dataset = None
    if dataset is None:
        raise StructureError(
            f"spglib finds no symmetry in {structure.formula} at {tolerance} Å: check it for overlapping atoms"
        )
    n_cells = len(numbers) // len(set(dataset.mapping_to_primitive))
    orbits = np.asarray(dataset.crystallographic_orbits)
    first = {orbit: int(np.flatnonzero(orbits == orbit)[0]) for orbit in set(orbits.tolist())}
    lattice = structure.lattice.matrix
    is_primitive = n_cells == 1
    return Symmetry(
        number=int(dataset.number),
        symbol=str(dataset.international),
        orbits=tuple(first[orbit] for orbit in orbits.tolist()),
        primitive_counts={name: species.count(name) // n_cells for name in kinds},
        to_primitive=tuple(int(i) for i in dataset.mapping_to_primitive),
        # A cell that is primitive stays as it is: spglib would choose other vectors for the same lattice.
        primitive_lattice=lattice if is_primitive else np.asarray(dataset.primitive_lattice, dtype=float),
        # x_conventional = P x, hence (a b c)_conventional = (a b c) P^-1 for vectors as columns.
        conventional_lattice=np.linalg.inv(dataset.transformation_matrix).T @ lattice,
        rotations=np.asarray(dataset.rotations, dtype=np.int64),
        translations=np.asarray(dataset.translations, dtype=float),
    )


@dataclass(frozen=True, eq=False)
class Absorber(MSONable):
    """One absorbing site and edge.

    Attributes:
        structure: Crystal as the user gave it.
        site_index: Index of the absorbing site in `structure`.
        edge: Absorption edge.
        multiplicity: Number of sites in `structure` equivalent to this one.

    Raises:
        StructureError: The site is not in the structure or is partially occupied.
        ParameterError: The element does not have the edge.

    >>> from pymatgen.core import Lattice, Structure
    >>> copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
    >>> absorber = Absorber(copper, 0, Edge.K, multiplicity=4)
    >>> absorber.element, absorber.site_id == Absorber(copper.get_primitive_structure(), 0, Edge.K).site_id
    ('Cu', True)
    """

    structure: Structure
    site_index: int
    edge: Edge
    multiplicity: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "edge", Edge(self.edge))  # a job that comes back from JSON carries its name
        n_sites = len(self.structure)
        if not 0 <= self.site_index < n_sites:
            raise StructureError(
                f"site {self.site_index} is not in a structure of {n_sites} sites (0 to {n_sites - 1})"
            )
        if not self.structure[self.site_index].is_ordered:
            raise StructureError(f"site {self.site_index} is partially occupied: order the structure first")
        edge_energy(self.element, self.edge)

    @property
    def element(self) -> str:
        """Symbol of the absorbing element, without its oxidation state."""
        return element_symbol(self._specie)

    @property
    def atomic_number(self) -> int:
        """Atomic number of the absorbing element."""
        return int(self._specie.Z)

    @property
    def label(self) -> str:
        """Short name for tables and progress, e.g. `Ti0 K`."""
        return f"{self.element}{self.site_index} {self.edge}"

    @cached_property
    def symmetry(self) -> Symmetry:
        """Symmetry of the crystal."""
        return find_symmetry(self.structure)

    @property
    def n_primitive_cells(self) -> float:
        """Number of primitive cells in `structure`."""
        return len(self.structure) / sum(self.symmetry.primitive_counts.values())

    @property
    def primitive_volume(self) -> float:
        """Volume of the primitive cell [Å³], in which one atom of the orbit is taken as excited."""
        return float(self.structure.volume / self.n_primitive_cells)

    @cached_property
    def fingerprint(self) -> CrystalFingerprint:
        """Content hashes of the crystal and its sites."""
        return fingerprint_crystal(self.structure)

    @property
    def site_id(self) -> str:
        """Identity of the site: the same in supercells, reordered atoms and other choices of cell."""
        return self.fingerprint.site_ids[self.site_index]

    @cached_property
    def orientation_id(self) -> str:
        """Identity of how the surroundings of the site lie in space; part of what a polarised calculation is."""
        return orientation_id(self.structure, self.site_index)

    @property
    def site_rotations(self) -> Float[Array, "operation 3 3"]:
        """Cartesian matrices of the symmetry operations that leave the site where it is."""
        position = self.structure.frac_coords[self.site_index]
        moved = self.symmetry.rotations @ position + self.symmetry.translations - position
        distances = np.linalg.norm((moved - np.round(moved)) @ self.structure.lattice.matrix, axis=1)
        # Twice the tolerance: the site and its image may each be off by one.
        return np.asarray(self.crystal_rotations[distances < 2 * SYMMETRY_TOLERANCE])

    @property
    def crystal_rotations(self) -> Float[Array, "operation 3 3"]:
        """Cartesian matrices of the operations of the crystal's point group, in the order of its symmetry."""
        columns = self.structure.lattice.matrix.T
        return np.asarray(columns @ self.symmetry.rotations @ np.linalg.inv(columns))

    @property
    def polarisations(self) -> tuple[Polarisation, ...]:
        """Directions of the electric field, among x, y and z, that the symmetry of the site does not make equal."""
        return inequivalent_polarisations(self.site_rotations)

    @property
    def _specie(self):  # type: ignore[no-untyped-def]  # pymatgen: Element | Species, not usefully typed
        return self.structure[self.site_index].specie


def find_absorbers(structure: Structure, element: str, edge: Edge) -> list[Absorber]:
    """Return one absorber for each symmetry-inequivalent site of `element`, with its multiplicity.

    Raises:
        StructureError: The element is not in the structure.
        ParameterError: `element` is not a chemical symbol, or it does not have the edge.
    """
    from pymatgen.core.periodic_table import Element

    if not Element.is_valid_symbol(element):
        raise ParameterError(f"unknown element {element!r}: {did_you_mean(element, [e.symbol for e in Element])}")
    edge_energy(element, edge)
    sites = [i for i, site in enumerate(structure) if element in {e.symbol for e in site.species.elements}]
    if not sites:
        found = ", ".join(sorted({e.symbol for e in structure.composition.elements}))
        raise StructureError(f"{element} is not in {structure.composition.reduced_formula}: its elements are {found}")
    symmetry = find_symmetry(structure)
    fingerprint = fingerprint_crystal(structure)
    absorbers = [
        Absorber(structure, i, edge, multiplicity=symmetry.orbits.count(i)) for i in sites if symmetry.orbits[i] == i
    ]
    for absorber in absorbers:
        # What belongs to the crystal is found once for all its sites: this is where cached_property keeps it.
        absorber.__dict__.update(symmetry=symmetry, fingerprint=fingerprint)
    return absorbers
