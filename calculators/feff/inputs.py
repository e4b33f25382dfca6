"""Writing feff.inp.

Grammar: the FEFF10 user's guide, and itoken.f90 of the source (cards are recognised by their first four letters).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from whiteline.absorber import Absorber
from whiteline.calculators.feff.parameters import FeffParameters, PotentialGrouping
from whiteline.calculators.interface import Estimate
from whiteline.edges import Edge
from whiteline.errors import StructureError
from whiteline.structures import check_structure, species_labels

if TYPE_CHECKING:
    from pymatgen.core.structure import PeriodicNeighbor

__all__ = ["Cluster", "build_cluster", "estimate_cost", "write_inputs"]

# Share of the absorber in the average that sets the Fermi level: one excited atom in a crystal is none at all,
# but FEFF needs a positive number. The Materials Project writes the same.
_ABSORBER_SHARE = 1.0e-4


@dataclass(frozen=True)
class Potential:
    """One unique scattering potential: element, tag of at most six characters, atoms in the primitive cell."""

    atomic_number: int
    tag: str
    n_in_cell: float


@dataclass(frozen=True, eq=False)
class Cluster:
    """The absorber and its neighbours.

    Attributes:
        potentials: Unique potentials; the first is the absorber's.
        positions: Cartesian coordinates relative to the absorber, shape (n_atoms, 3) [Å]; the absorber is first.
        i_potential: Index into `potentials`, shape (n_atoms,).
    """

    potentials: tuple[Potential, ...]
    positions: np.ndarray
    i_potential: np.ndarray

    @property
    def distances(self) -> np.ndarray:
        """Distance of each atom from the absorber, shape (n_atoms,) [Å]."""
        return np.asarray(np.linalg.norm(self.positions, axis=1))

    def n_within(self, radius: float) -> int:
        """Return the number of atoms, the absorber included, within `radius` [Å]."""
        return int((self.distances <= radius).sum())


def build_cluster(absorber: Absorber, *, radius: float, grouping: PotentialGrouping) -> Cluster:
    """Return the atoms within `radius` [Å] of the absorber, nearest first.

    Raises:
        StructureError: The absorber has no neighbour within the radius, or the structure holds what FEFF would
            accept in silence: coincident atoms, coordinates that are no numbers.
    """
    structure = absorber.structure
    check_structure(structure, name=structure.composition.reduced_formula)
    neighbours = structure.get_neighbors(structure[absorber.site_index], radius)
    if not neighbours:
        raise StructureError(
            f"{absorber.label} has no neighbour within {radius} Å, FEFF needs a scatterer: raise cluster_radius"
        )
    groups = _group_sites(absorber, grouping)
    origin = structure[absorber.site_index].coords
    # Ties are broken by what the atom is and by its position, never by the order of the input file.
    ordered = sorted(neighbours, key=lambda n: _neighbour_key(n, groups, origin))
    # FEFF wants an atom for every potential: a species beyond the cluster has none.
    used = sorted({groups[n.index] for n in neighbours})
    return Cluster(
        potentials=(
            Potential(absorber.atomic_number, absorber.element, _ABSORBER_SHARE),
            *(_describe_group(absorber, groups, i) for i in used),
        ),
        positions=np.array([np.zeros(3), *(n.coords - origin for n in ordered)]),
        i_potential=np.array([0, *(1 + used.index(groups[n.index]) for n in ordered)]),
    )


def _group_sites(absorber: Absorber, grouping: PotentialGrouping) -> list[int]:
    """Return for each site the number of its group; the numbers do not depend on the order of the sites."""
    structure = absorber.structure
    if grouping is PotentialGrouping.SITE:
        site_ids = absorber.fingerprint.site_ids
        names: Sequence[object] = [(site_ids[orbit], orbit) for orbit in absorber.symmetry.orbits]
    elif grouping is PotentialGrouping.SPECIES:
        names = species_labels(structure)
    else:
        names = [int(site.specie.Z) for site in structure]
    # Heaviest first, so that the order of the potentials does not depend on the order of the sites.
    order = sorted(set(names), key=lambda name: (-int(structure[names.index(name)].specie.Z), str(name)))
    return [order.index(name) for name in names]


def _describe_group(absorber: Absorber, groups: list[int], group: int) -> Potential:
    site = absorber.structure[groups.index(group)]
    return Potential(
        atomic_number=int(site.specie.Z),
        tag=_tag(site.species_string),
        n_in_cell=groups.count(group) / absorber.n_primitive_cells,
    )


def _tag(species: str) -> str:
    """Return a label FEFF accepts: letters and digits, at most six.

    >>> _tag("Fe3+,spin=5"), _tag("O")
    ('Fe3p', 'O')
    """
    return re.sub(r"[^A-Za-z0-9]", "", species.split(",")[0].replace("+", "p").replace("-", "m"))[:6]


def _neighbour_key(neighbour: PeriodicNeighbor, groups: list[int], origin: np.ndarray) -> tuple[float, ...]:
    relative = np.round(neighbour.coords - origin, 5) + 0.0
    return (round(neighbour.nn_distance, 5), groups[neighbour.index], *relative.tolist())


def write_inputs(absorber: Absorber, parameters: FeffParameters) -> dict[str, str]:
    """Return feff.inp by path; a combined edge such as L2,3 becomes one folder for each part.

    Raises:
        StructureError: The absorber has no neighbour within reach.
    """
    cluster = build_cluster(absorber, radius=parameters.cluster_radius, grouping=parameters.potentials)
    parts = absorber.edge.parts
    if len(parts) == 1:
        return {"feff.inp": _feff_inp(absorber, cluster, parameters, absorber.edge)}
    return {f"{part}/feff.inp": _feff_inp(absorber, cluster, parameters, part) for part in parts}


def _feff_inp(absorber: Absorber, cluster: Cluster, parameters: FeffParameters, edge: Edge) -> str:
    formula = absorber.structure.composition.element_composition.reduced_formula
    l_max = parameters.l_max
    lines = [
        f"TITLE {formula} {absorber.element} {edge}, site {absorber.site_id[:12]}",
        "",
        *_cards(parameters, edge),
        "",
        "POTENTIALS",
        "*   ipot   Z  tag     l_scf l_fms      xnatph",
        *(
            f"  {i:5d} {p.atomic_number:3d}  {p.tag:6s} {l_max:5d} {l_max:5d}  {p.n_in_cell:10.6g}"
            for i, p in enumerate(cluster.potentials)
        ),
        "",
        f"ATOMS * {len(cluster.positions)} atoms within {parameters.cluster_radius} Å".replace("Å", "Angstrom"),
        "*          x             y             z  ipot tag      distance",
        *(
            f"  {x:13.7f} {y:13.7f} {z:13.7f} {i:4d} {cluster.potentials[i].tag:6s} {d:10.5f}"
            for (x, y, z), i, d in zip(
                (cluster.positions + 0.0).tolist(),
                cluster.i_potential.tolist(),
                cluster.distances,
                strict=True,
            )
        ),
        "END",
        "",
    ]
    return "\n".join(lines)


def _cards(parameters: FeffParameters, edge: Edge) -> list[str]:
    p = parameters
    model, background = p.exchange
    cards = [
        "CONTROL 1 1 1 1 1 1",
        f"EDGE {edge}",
        f"S02 {p.s02:g}",
        f"COREHOLE {p.core_hole}",
        f"EXCHANGE {model} {p.fermi_shift:g} {p.extra_broadening:g} {background}",
    ]
    if p.scf_radius is not None:
        cards.append(f"SCF {p.scf_radius:g} 0 {p.scf_max_iterations} {p.scf_mixing:g} {p.scf_n_mix}")
    cards += [
        f"FMS {p.fms_radius:g} 0",
        f"XANES {p.k_max:g} {p.k_step:g} {p.energy_step:g}",
        "RPATH -1",
    ]
    if p.hole_width is not None:
        cards.append(f"CHWIDTH {p.hole_width:g}")
    if p.energy_grid:
        cards.append("EGRID")
        cards += [f"{g.kind} {g.start:g} {g.stop:g} {g.step:g}" for g in p.energy_grid]
    return cards


def estimate_cost(cluster: Cluster, parameters: FeffParameters, *, n_parts: int = 1) -> Estimate:
    """Return a rough cost: full multiple scattering inverts a matrix that grows with the cluster.

    The constants are a fit to anatase at seven pairs of radii on one core of 2024; other machines and chemistries
    differ by a factor of two or so, which is enough for a progress bar.
    """
    n_fms = cluster.n_within(parameters.fms_radius)
    scf = 0.051 * cluster.n_within(parameters.scf_radius) ** 1.85 if parameters.scf_radius else 0.0
    return Estimate(cpu_time=n_parts * (3.0 + 1.9e-4 * n_fms**3 + scf), memory=30.0 + 0.0134 * n_fms**2)
