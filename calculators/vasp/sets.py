"""VASP input sets in pymatgen's form, for those who run VASP with atomate2 and custodian.

    from atomate2.vasp.jobs.core import StaticMaker
    StaticMaker(input_set_generator=CoreHoleSet(site_index=3, edge="K")).make(structure)

The sets take the user's crystal, like every other, and make the supercell themselves. Their files are those of
`whiteline.calculators.vasp.inputs`, word for word.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Self

from pymatgen.core import Structure
from pymatgen.io.vasp.inputs import Incar, Kpoints, Poscar
from pymatgen.io.vasp.sets import VaspInputSet

from whiteline.absorber import Absorber
from whiteline.calculators.vasp.inputs import Plan, plan_calculation, plan_ground_state
from whiteline.calculators.vasp.parameters import VaspParameters
from whiteline.calculators.vasp.potentials import PotcarLibrary
from whiteline.edges import Edge
from whiteline.errors import ParameterError

__all__ = ["CoreHolePoscar", "CoreHoleSet", "GroundStateSet"]


class CoreHolePoscar(Poscar):
    """A POSCAR whose first atom is a species of its own, also where the next one is of the same element."""

    @property
    def site_symbols(self) -> list[str]:
        """Element of each species."""
        return [symbol for symbol, _ in self._species]

    @property
    def natoms(self) -> list[int]:
        """Number of atoms of each species."""
        return [n for _, n in self._species]

    @property
    def _species(self) -> list[tuple[str, int]]:
        first, *others = [site.specie.symbol for site in self.structure]
        return [(first, 1), *((symbol, len(list(group))) for symbol, group in groupby(others))]


@dataclass
class _SupercellSet(VaspInputSet):
    """What the two sets share.

    Attributes:
        site_index: Absorbing site of the structure.
        edge: Absorption edge.
        parameters: Parameters of the calculation. `user_incar_settings` and the like go before them.
    """

    site_index: int = 0
    edge: str = "K"
    parameters: VaspParameters = field(default_factory=VaspParameters)
    sort_structure: bool = False
    validate_magmom: bool = False

    def __post_init__(self) -> None:
        functional = self.parameters.functional
        self.config_dict = {"INCAR": {}, "KPOINTS": {}, "POTCAR": {}, "POTCAR_FUNCTIONAL": functional}
        super().__post_init__()

    @classmethod
    def from_absorber(cls, absorber: Absorber, parameters: VaspParameters, **settings: Any) -> Self:
        """Return the set of an absorber; `settings` are pymatgen's, e.g. `user_incar_settings`."""
        return cls(
            structure=absorber.structure,
            site_index=absorber.site_index,
            edge=str(absorber.edge),
            parameters=parameters,
            **settings,
        )

    @abstractmethod
    def plan(self) -> Plan:
        """Return the run.

        Raises:
            ParameterError: The set has no structure, or the edge does not fit it.
            StructureError: VASP cannot compute the absorber.
        """

    @property
    def incar(self) -> Incar:
        """The INCAR; user settings of None take a tag out."""
        tags = {**self.plan().tags, **self.user_incar_settings}
        return Incar({name: value for name, value in tags.items() if value is not None})

    @property
    def kpoints(self) -> Kpoints | None:
        """The KPOINTS."""
        if self.user_kpoints_settings or "KSPACING" in self.user_incar_settings:
            return super().kpoints
        return Kpoints.gamma_automatic(self.plan().grid)

    @property
    def potcar_symbols(self) -> list[str]:
        """POTCAR of each species in the order of the POSCAR."""
        plan = self.plan()
        return [
            self.user_potcar_settings.get(kind.element, symbol)
            for kind, symbol in zip(plan.species, plan.symbols, strict=True)
        ]

    def _absorber(self) -> Absorber:
        if not isinstance(self.structure, Structure):
            raise ParameterError(
                f"{type(self).__name__} has no structure: give structure=, or call get_input_set with one"
            )
        return Absorber(self.structure, self.site_index, Edge.parse(self.edge))


@dataclass
class CoreHoleSet(_SupercellSet):
    """Input set of the supercell with a core hole."""

    def plan(self) -> Plan:
        """Return the core-hole run."""
        library = PotcarLibrary.find(None, self.parameters.functional)
        return plan_calculation(self._absorber(), self.parameters, library)

    @property
    def poscar(self) -> Poscar:
        """The POSCAR, absorber first."""
        plan = self.plan()
        return CoreHolePoscar(_structure(plan), comment=plan.title)


@dataclass
class GroundStateSet(_SupercellSet):
    """Input set of the same supercell without a core hole."""

    def plan(self) -> Plan:
        """Return the neutral run."""
        return plan_ground_state(self._absorber(), self.parameters)

    @property
    def poscar(self) -> Poscar:
        """The POSCAR, the same for every absorber of a crystal."""
        plan = self.plan()
        return Poscar(_structure(plan), comment=plan.title)


def _structure(plan: Plan) -> Structure:
    atoms = [atom for kind in plan.species for atom in kind.atoms]
    return Structure(plan.cell.lattice, [atom.element for atom in atoms], [atom.position for atom in atoms])
