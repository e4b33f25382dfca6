"""Writing INCAR, POSCAR, KPOINTS and POTCAR: directly as text, the same text that pymatgen would write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from whiteline.absorber import Absorber
from whiteline.calculators.cells import Cell
from whiteline.calculators.interface import Estimate
from whiteline.calculators.kpoints import Grid, grid_for_length, grid_within
from whiteline.calculators.vasp.incar import Tags, core_hole_tags, format_tags, ground_state_tags
from whiteline.calculators.vasp.levels import core_level
from whiteline.calculators.vasp.parameters import VaspParameters
from whiteline.calculators.vasp.potentials import (
    PotcarLibrary,
    core_electrons,
    potential_symbols,
    valence_electrons,
)
from whiteline.calculators.vasp.species import (
    Species,
    build_cell,
    core_hole_species,
    ground_state_cell,
    ground_state_species,
)
from whiteline.errors import ParameterError

__all__ = ["GROUND_STATE", "Plan", "estimate_cost", "k_grid", "plan_calculation", "plan_ground_state", "write_inputs"]

GROUND_STATE = "ground-state"

# Fits to one run: 84 atoms in 1742 Å³ at 400 eV, 704 bands, 14 k points, two spins and 16 steps took 183 000 s on the
# cores together and 10.3 GB of wavefunctions. PREC = Accurate.
_GRID_POINTS = 340.0  # per Å³ at 400 eV
_SECONDS = 1.0e-6  # per band, k point, spin, grid point and step
_STEPS = 20
_HBAR2_2M = 3.80998212  # eV Å²
_DEFAULT_CUTOFF = 420.0  # eV; of most GW potentials


@dataclass(frozen=True, eq=False)
class Plan:
    """One VASP run before it is text.

    Attributes:
        title: First line of the POSCAR.
        cell: The cell.
        species: Its species in the order of the POSCAR.
        symbols: POTCAR of each species.
        grid: k points along each reciprocal vector, Γ included.
        tags: INCAR.
    """

    title: str
    cell: Cell
    species: tuple[Species, ...]
    symbols: tuple[str, ...]
    grid: Grid
    tags: Tags

    def poscar(self) -> str:
        """Return the text of the POSCAR."""
        lattice = self.cell.lattice
        # VASP wants a right-handed cell.
        vectors = -lattice if np.linalg.det(lattice) < 0 else lattice
        lines = [
            self.title,
            "1.0",
            *(_numbers(row) for row in vectors.tolist()),
            " ".join(kind.element for kind in self.species),
            " ".join(str(len(kind.atoms)) for kind in self.species),
            "direct",
            *(f"{_numbers(atom.position)} {kind.element}" for kind in self.species for atom in kind.atoms),
            "",
        ]
        return "\n".join(lines)

    def kpoints(self) -> str:
        """Return the text of the KPOINTS."""
        first, second, third = self.grid
        return f"Automatic kpoint scheme\n0\nGamma\n{first} {second} {third}\n"

    def texts(self, library: PotcarLibrary) -> dict[str, str]:
        """Return the text of every file by name; POTCAR.spec stands for a POTCAR that is not here.

        Raises:
            MissingDependencyError: A potential is not in the library.
        """
        texts = {"INCAR": format_tags(self.tags), "KPOINTS": self.kpoints(), "POSCAR": self.poscar()}
        if library.root is None:
            return {**texts, "POTCAR.spec": "\n".join(self.symbols)}
        return {**texts, "POTCAR": "".join(library.read(symbol).text for symbol in self.symbols)}


def plan_calculation(absorber: Absorber, parameters: VaspParameters, library: PotcarLibrary) -> Plan:
    """Return the core-hole run of an absorber.

    Raises:
        StructureError: The supercell would be too large, or the structure is one that no code could compute.
        ParameterError: The edge or a potential does not fit the absorber.
        MissingDependencyError: A potential's valence is not known without its file.
    """
    level = core_level(absorber.edge)
    cell = build_cell(absorber, parameters)
    species = core_hole_species(cell)
    elements = [kind.element for kind in species]
    symbols = potential_symbols(elements, parameters, absorber=absorber.element, n_core=level.n_core)
    valence = [valence_electrons(symbol, library) for symbol in symbols]
    if core_electrons(symbols[0], valence[0]) < level.n_core:
        raise ParameterError(
            f"{symbols[0]} has the level of {absorber.label} among its {valence[0]:g} valence electrons, a core hole "
            f"needs it in the core: name another potential with potcars={{'{absorber.element}': ...}}"
        )
    return Plan(
        title=_title(absorber, f"{absorber.element} {absorber.edge}, site {absorber.site_id[:12]}"),
        cell=cell,
        species=species,
        symbols=tuple(symbols),
        grid=k_grid(cell, parameters),
        tags=core_hole_tags(cell, species, level, valence, parameters),
    )


def plan_ground_state(absorber: Absorber, parameters: VaspParameters) -> Plan:
    """Return the neutral run of the same supercell: the same text for every absorber of a crystal.

    Raises:
        StructureError: As `plan_calculation`.
        ParameterError: As `plan_calculation`.
    """
    level = core_level(absorber.edge)
    cell = ground_state_cell(build_cell(absorber, parameters))
    species = ground_state_species(cell)
    elements = [kind.element for kind in species]
    return Plan(
        title=_title(absorber, "ground state"),
        cell=cell,
        species=species,
        # Totals compare between the same potentials only, the absorber's included.
        symbols=tuple(potential_symbols(elements, parameters, absorber=absorber.element, n_core=level.n_core)),
        grid=k_grid(cell, parameters),
        tags=ground_state_tags(species, parameters),
    )


def write_inputs(absorber: Absorber, parameters: VaspParameters, library: PotcarLibrary) -> dict[str, str]:
    """Return the text of every input by its path; the neutral run is in a folder of its own.

    Raises:
        StructureError: As `plan_calculation`.
        ParameterError: As `plan_calculation`.
        MissingDependencyError: A potential is not in the library.
    """
    texts = plan_calculation(absorber, parameters, library).texts(library)
    if parameters.site_alignment == "total_energy":
        neutral = plan_ground_state(absorber, parameters).texts(library)
        texts |= {f"{GROUND_STATE}/{name}": text for name, text in neutral.items()}
    return texts


def k_grid(cell: Cell, parameters: VaspParameters) -> Grid:
    """Return the k grid of a cell."""
    if parameters.kpoints_rule == "lightshow":
        return grid_within(cell.lattice, parameters.kpoints_length, parameters.kpoints_longest)
    return grid_for_length(cell.lattice, parameters.kpoints_length)


def estimate_cost(plan: Plan, parameters: VaspParameters) -> Estimate:
    """Return a rough cost, scaled from one run of another material; a factor of three or so either way."""
    cutoff = parameters.encut if parameters.encut != "potcar" else _DEFAULT_CUTOFF
    bands = int(str(plan.tags.get("NBANDS", 1)))
    n_k = float(np.prod(plan.grid)) / 2 + 0.5  # time reversal alone
    n_spin = 2 if plan.tags["ISPIN"] == 2 else 1
    grid_points = _GRID_POINTS * plan.cell.volume * (cutoff / 400.0) ** 1.5
    waves = plan.cell.volume * (cutoff / _HBAR2_2M) ** 1.5 / (6 * np.pi**2)
    is_double = parameters.site_alignment == "total_energy"
    return Estimate(
        cpu_time=_SECONDS * bands * n_k * n_spin * grid_points * _STEPS * (1.3 if is_double else 1.0),
        memory=bands * n_k * n_spin * waves * 16e-6,
    )


def _title(absorber: Absorber, what: str) -> str:
    return f"{absorber.structure.composition.element_composition.reduced_formula} {what}"


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:21.16f}" for value in values)
