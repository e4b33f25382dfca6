"""The atoms around an absorber, and which of them share a scattering potential."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from whiteline.absorber import Absorber
from whiteline.calculators.cells import primitive_cell
from whiteline.calculators.feff.parameters import FeffParameters, PotentialGrouping, SpinMode
from whiteline.errors import StructureError
from whiteline.structures import check_structure, species_labels

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["Cluster", "Potential", "build_cluster"]

FloatArray: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
IntArray: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

# Share of the absorber in the average that sets the Fermi level: one excited atom in a crystal is none at all,
# but FEFF needs a positive number. The Materials Project writes the same.
_ABSORBER_SHARE = 1.0e-4

# What FEFF10's m_dimsmod.f90 allows; the wheel takes 31 potentials beside the absorber's and stops at the 32nd.
# More atoms in a cluster than the last number are left out by FEFF in silence.
_MOST_POTENTIALS = 31
_MOST_ATOMS = 4000
_MOST_CLUSTER_ATOMS = 3000

# The absorber is found as a neighbour of itself at a distance of rounding errors [Å].
_ITSELF = 1.0e-8
# Positions that differ by less count as equal when atoms are put in order [Å].
_DIGITS = 5


@dataclass(frozen=True)
class Potential:
    """One unique scattering potential.

    Attributes:
        atomic_number: Atomic number.
        tag: Label of at most six characters.
        n_in_cell: Number of such atoms in the primitive cell.
        moment: Magnetic moment along z [µB]; 0 where the calculation has no spin.
    """

    atomic_number: int
    tag: str
    n_in_cell: float
    moment: float = 0.0


@dataclass(frozen=True, eq=False)
class Cluster:
    """The absorber and its neighbours.

    Attributes:
        potentials: Unique potentials; the first is the absorber's.
        positions: Cartesian coordinates relative to the absorber, shape (n_atoms, 3) [Å]; the absorber is first.
        i_potential: Index into `potentials`, shape (n_atoms,).
    """

    potentials: tuple[Potential, ...]
    positions: Float[FloatArray, "atom 3"]
    i_potential: Int[IntArray, " atom"]

    @property
    def distances(self) -> Float[FloatArray, " atom"]:
        """Distance of each atom from the absorber, shape (n_atoms,) [Å]."""
        return np.asarray(np.linalg.norm(self.positions, axis=1))

    def n_within(self, radius: float) -> int:
        """Return the number of atoms, the absorber included, within `radius` [Å]."""
        return int((self.distances <= radius).sum())


def build_cluster(absorber: Absorber, parameters: FeffParameters) -> Cluster:
    """Return the atoms within `cluster_radius` of the absorber, nearest first.

    Raises:
        StructureError: The absorber has no neighbour within the radius; the cluster is larger than FEFF holds; the
            structure has no moments and the calculation needs them; or it holds what FEFF would accept in
            silence: coincident atoms, coordinates that are no numbers.
    """
    structure, radius = absorber.structure, parameters.cluster_radius
    check_structure(structure, name=structure.composition.reduced_formula)
    site = structure[absorber.site_index]
    _, indices, images, distances = structure.get_neighbor_list(radius, sites=[site])
    is_other = distances > _ITSELF
    indices, images, distances = indices[is_other], images[is_other], distances[is_other]
    if not len(indices):
        raise StructureError(
            f"{absorber.label} has no neighbour within {radius} Å, FEFF needs a scatterer: raise cluster_radius"
        )
    moments = _moments(absorber) if parameters.spin is not SpinMode.NONE else [0.0] * len(structure)
    groups = np.array(_group_sites(absorber, parameters.potentials, moments))
    relative = (structure.frac_coords[indices] + images) @ structure.lattice.matrix - site.coords
    order = _nearest_first(relative, distances, groups[indices])
    # FEFF wants an atom for every potential: a species beyond the cluster has none.
    used = np.unique(groups[indices])
    cluster = Cluster(
        potentials=(
            Potential(absorber.atomic_number, absorber.element, _ABSORBER_SHARE, moments[absorber.site_index]),
            *(_describe_group(absorber, groups, int(group), moments) for group in used),
        ),
        positions=np.concatenate([np.zeros((1, 3)), relative[order]]),
        i_potential=np.concatenate([[0], 1 + np.searchsorted(used, groups[indices][order])]),
    )
    _check_size(cluster, parameters)
    return cluster


def _nearest_first(
    relative: Float[FloatArray, "atom 3"], distances: Float[FloatArray, " atom"], groups: Int[IntArray, " atom"]
) -> Int[IntArray, " atom"]:
    """Return the order of the atoms; ties are broken by what the atom is and by its position, not by the file."""
    x, y, z = (np.round(relative, _DIGITS) + 0.0).T
    return np.lexsort((z, y, x, groups, np.round(distances, _DIGITS)))


def _group_sites(absorber: Absorber, grouping: PotentialGrouping, moments: Sequence[float]) -> list[int]:
    """Return for each site the number of its group; the numbers do not depend on the order of the sites."""
    structure = absorber.structure
    numbers = _atomic_numbers(structure)
    names: Sequence[object]
    if grouping is PotentialGrouping.SITE:
        site_ids = absorber.fingerprint.site_ids
        names = [(site_ids[orbit], orbit) for orbit in absorber.symmetry.orbits]
    elif grouping is PotentialGrouping.SPECIES:
        names = species_labels(structure)  # these tell moments apart
    else:
        names = [(number, moment) if any(moments) else number for number, moment in zip(numbers, moments, strict=True)]
    first: dict[object, int] = {}
    for i, name in enumerate(names):
        first.setdefault(name, i)
    # Heaviest first, so that the order of the potentials does not depend on the order of the sites.
    order = {name: n for n, name in enumerate(sorted(first, key=lambda name: (-numbers[first[name]], str(name))))}
    return [order[name] for name in names]


def _atomic_numbers(structure: Structure) -> list[int]:
    return [int(site.specie.Z) for site in structure]


def _describe_group(
    absorber: Absorber, groups: Int[IntArray, " site"], group: int, moments: Sequence[float]
) -> Potential:
    index = int(np.argmax(groups == group))
    site = absorber.structure[index]
    return Potential(
        atomic_number=int(site.specie.Z),
        tag=_tag(site.species_string),
        n_in_cell=int((groups == group).sum()) / absorber.n_primitive_cells,
        moment=moments[index],
    )


def _tag(species: str) -> str:
    """Return a label FEFF accepts: letters and digits, at most six.

    >>> _tag("Fe3+,spin=5"), _tag("O")
    ('Fe3p', 'O')
    """
    return re.sub(r"[^A-Za-z0-9]", "", species.split(",")[0].replace("+", "p").replace("-", "m"))[:6]


def _moments(absorber: Absorber) -> list[float]:
    """Return the moment of every site [µB].

    Raises:
        StructureError: The structure has none, or they are not collinear.
    """
    symmetry = absorber.symmetry
    cell = primitive_cell(absorber)
    by_atom = {symmetry.to_primitive[atom.site_index]: atom.moment or 0.0 for atom in cell.atoms}
    moments = [by_atom[atom] for atom in symmetry.to_primitive]
    if not any(moments):
        raise StructureError(
            f"{absorber.structure.composition.reduced_formula} has no magnetic moments, and a calculation with spin "
            "needs them: give the sites spins or the property `magmom`, or set spin = 'none'"
        )
    return moments


def _check_size(cluster: Cluster, parameters: FeffParameters) -> None:
    """Refuse what FEFF cannot hold, before it crashes or leaves atoms out."""
    n_potentials, n_atoms = len(cluster.potentials) - 1, len(cluster.positions)
    if n_potentials > _MOST_POTENTIALS:
        raise StructureError(
            f"the cluster needs {n_potentials} potentials beside the absorber's, FEFF takes {_MOST_POTENTIALS}: group "
            "the sites more coarsely (potentials = 'species' or 'element'), or lower cluster_radius"
        )
    if n_atoms > _MOST_ATOMS:
        raise StructureError(
            f"{n_atoms} atoms lie within {parameters.cluster_radius} Å, FEFF takes {_MOST_ATOMS}: lower cluster_radius"
        )
    radius = max(parameters.fms_radius, parameters.scf_radius or 0.0)
    n_scattering = cluster.n_within(radius)
    if n_scattering > _MOST_CLUSTER_ATOMS:
        raise StructureError(
            f"{n_scattering} atoms lie within {radius} Å, FEFF scatters at most {_MOST_CLUSTER_ATOMS} and leaves out "
            "the rest in silence: lower fms_radius or scf_radius"
        )
