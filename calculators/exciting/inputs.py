"""Writing input.xml.

Grammar: exciting's input reference (http://exciting.wikidot.com/ref:input) and the schemas in its source.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

import numpy as np

from whiteline.absorber import Absorber
from whiteline.calculators.bands import bands_for_energy
from whiteline.calculators.cells import Cell, primitive_cell
from whiteline.calculators.exciting.core_levels import EnergyWindow, energy_window
from whiteline.calculators.exciting.parameters import HARTREE, ExcitingParameters
from whiteline.calculators.exciting.species import file_name
from whiteline.calculators.interface import Estimate
from whiteline.calculators.kpoints import BOHR, Grid, grid_for_length, grid_within
from whiteline.edges import Edge
from whiteline.errors import ParameterError

__all__ = ["INPUT_NAME", "Plan", "estimate_cost", "left_out_moment", "plan_calculation", "write_inputs"]

INPUT_NAME = "input.xml"

# µB; databases give non-magnetic atoms moments of some hundredths.
_NO_MOMENT = 0.1

# Total angular momentum of a level gives 2j + 1 core states to the Hamiltonian.
_DEGENERACY = {"K": 2, "L1": 2, "L2": 2, "L3": 4, "M1": 2, "M2": 2, "M3": 4, "M4": 4, "M5": 6}
_F_ELEMENTS = frozenset(range(57, 72)) | frozenset(range(89, 104))


@dataclass(frozen=True, eq=False)
class Plan:
    """What the parameters come to for an absorber.

    Attributes:
        cell: The primitive cell, absorber first.
        edge: Absorption edge.
        scf_grid: k grid of the density.
        grid: k grid of spectrum and screening.
        n_bands: Conduction bands.
        n_empty: Empty states in the spectrum, at least as many.
        window: Transition energies that are computed.
    """

    cell: Cell
    edge: Edge
    scf_grid: Grid
    grid: Grid
    n_bands: int
    n_empty: int
    window: EnergyWindow

    @property
    def n_transitions(self) -> int:
        """Rank of the Bethe-Salpeter Hamiltonian: core states times bands times k points."""
        return sum(_DEGENERACY[part] for part in self.edge.parts) * self.n_bands * int(np.prod(self.grid))


def plan_calculation(absorber: Absorber, parameters: ExcitingParameters) -> Plan:
    """Return what the parameters come to for an absorber.

    Raises:
        StructureError: The structure is one that no code could compute.
        ParameterError: The energy window cannot hold the edge.
    """
    cell = primitive_cell(absorber)
    p = parameters
    if p.kpoints_rule == "lightshow":
        grid = grid_within(cell.lattice, p.kpoints_length, p.kpoints_longest)
    else:
        grid = grid_for_length(cell.lattice, p.kpoints_length)
    n_bands = max(bands_for_energy(cell.volume, p.band_energy), 1)
    return Plan(
        cell=cell,
        edge=absorber.edge,
        scf_grid=grid if p.scf_kpoints_length is None else grid_for_length(cell.lattice, p.scf_kpoints_length),
        grid=grid,
        n_bands=n_bands,
        n_empty=max(p.empty_states, n_bands),
        window=energy_window(absorber.element, absorber.edge, p),
    )


def write_inputs(absorber: Absorber, parameters: ExcitingParameters) -> dict[str, str]:
    """Return the text of input.xml by its name.

    Raises:
        StructureError: The structure is one that no code could compute.
        ParameterError: The energy window cannot hold the edge, or U is asked for an element without d or f electrons.
    """
    plan = plan_calculation(absorber, parameters)
    root = ET.Element("input")
    formula = absorber.structure.composition.element_composition.reduced_formula
    ET.SubElement(root, "title").text = f"{formula} {absorber.element} {absorber.edge}, site {absorber.site_id[:12]}"
    _add_structure(root, plan.cell, parameters)
    _add_ground_state(root, plan, parameters)
    _add_spectrum(root, plan, parameters)
    ET.indent(root)
    return {INPUT_NAME: f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'}


def _add_structure(root: ET.Element, cell: Cell, parameters: ExcitingParameters) -> None:
    structure = ET.SubElement(root, "structure", speciespath=".", autormt="true")
    crystal = ET.SubElement(structure, "crystal")
    for vector in cell.lattice / BOHR + 0.0:
        ET.SubElement(crystal, "basevect").text = " ".join(f"{x:.10f}" for x in vector)
    for element in cell.elements:
        attributes = {"speciesfile": file_name(element)}
        if element in parameters.muffin_tin_radii_bohr:
            attributes["rmt"] = f"{parameters.muffin_tin_radii_bohr[element]:g}"
        species = ET.SubElement(structure, "species", attributes)
        for atom in cell.atoms:
            if atom.element == element:
                ET.SubElement(species, "atom", coord=" ".join(f"{x:.10f}" for x in atom.position))
        u = parameters.hubbard_u.get(element, 0.0)
        if u:
            ET.SubElement(species, "LDAplusU", l=str(_correlated_l(element)), U=f"{u / HARTREE:.8g}", J="0.0")


def _correlated_l(element: str) -> int:
    from pymatgen.core.periodic_table import Element

    properties = Element(element)
    if properties.Z in _F_ELEMENTS:
        return 3
    if properties.is_transition_metal:
        return 2
    raise ParameterError(
        f"hubbard_u is for d and f electrons, {element} has none that matter: take it out of hubbard_u"
    )


def _add_ground_state(root: ET.Element, plan: Plan, parameters: ExcitingParameters) -> None:
    p = parameters
    attributes = {
        "do": "fromscratch",
        "xctype": p.functional,
        "ngridk": _words(plan.scf_grid),
        "rgkmax": f"{p.rgkmax:g}",
        "nempty": str(p.scf_empty_states),
        "maxscl": str(p.scf_max_iterations),
    }
    if p.scf_mixer != "msec":
        attributes["mixer"] = p.scf_mixer
    if p.scf_mixing is not None:
        attributes["beta0"] = f"{p.scf_mixing:g}"
    if p.gmaxvr_per_bohr is not None:
        attributes["gmaxvr"] = f"{p.gmaxvr_per_bohr:g}"
    if p.l_max is not None:
        attributes |= dict.fromkeys(("lmaxapw", "lmaxmat", "lmaxvr"), str(p.l_max))
    if any(p.hubbard_u.get(element) for element in plan.cell.elements):
        attributes["ldapu"] = "FullyLocalisedLimit"
    ET.SubElement(root, "groundstate", attributes)


def _add_spectrum(root: ET.Element, plan: Plan, parameters: ExcitingParameters) -> None:
    p = parameters
    xs = ET.SubElement(
        root,
        "xs",
        xstype="BSE",
        ngridk=_words(plan.grid),
        ngridq=_words(plan.grid),  # exciting's BSE wants both to be the same
        vkloff=" ".join(f"{x:g}" for x in p.kpoints_offset),
        nempty=str(plan.n_empty),
        gqmax=f"{p.gqmax_per_bohr:g}",
        rgkmax=f"{p.rgkmax:g}",
        broad=f"{p.broadening / 2 / HARTREE:.6g}",
        tevout="true",
        tappinfo="true",
    )
    window = plan.window
    interval = f"{window.start / HARTREE:.10g} {window.stop / HARTREE:.10g}"
    ET.SubElement(xs, "energywindow", intv=interval, points=str(window.n_points))
    ET.SubElement(xs, "screening", screentype=p.screening, nempty=str(p.screening_empty_states))
    # The absorber is the first atom of the first species; xasatom counts inside the species.
    bse = {
        "xas": "true",
        "xasspecies": "1",
        "xasatom": "1",
        "xasedge": plan.edge.value,
        "bsetype": p.bse_type,
        "nstlxas": f"1 {plan.n_bands}",
    }
    if p.distribute:
        bse["distribute"] = "true"
    if p.storage is not None:
        bse["eecs"] = str(p.storage)
    ET.SubElement(xs, "BSE", bse)
    ET.SubElement(ET.SubElement(xs, "qpointset"), "qpoint").text = "0.0 0.0 0.0"


def _words(grid: Grid) -> str:
    return " ".join(str(n) for n in grid)


def estimate_cost(absorber: Absorber, parameters: ExcitingParameters) -> Estimate:
    """Return a rough cost, good to an order of magnitude.

    The density costs a diagonalisation of the LAPW Hamiltonian a k point and iteration (1.2e-9 s times the cube of its
    rank, from the published run of monoclinic TiO), the spectrum a diagonalisation of the Bethe-Salpeter Hamiltonian
    (5e-9 s times the cube) of which three matrices of 16 bytes a number are held.
    """
    plan = plan_calculation(absorber, parameters)
    radius = min(parameters.muffin_tin_radii_bohr.values(), default=1.6)
    n_waves = plan.cell.volume / BOHR**3 * (parameters.rgkmax / radius) ** 3 / (6 * np.pi**2)
    n_points = int(np.prod(plan.scf_grid)) / min(len(absorber.symmetry.rotations), 48) + 1
    density = 20 * n_points * 1.2e-9 * n_waves**3
    # States at the k points of the spectrum, for the spectrum and for the screening.
    states = 3 * int(np.prod(plan.grid)) * 1.2e-9 * n_waves**3
    rank = plan.n_transitions
    return Estimate(
        cpu_time=float(20 + density + states + 5e-9 * rank**3),
        memory=float(300 + 3 * 16 * rank**2 / 1e6),
    )


def left_out_moment(absorber: Absorber) -> float:
    """Return the largest magnetic moment of a site, which input.xml leaves out [µB]; 0 where no site has one.

    Moments below 0.1 µB are none.
    """
    structure = absorber.structure
    moments = [getattr(site.specie, "spin", None) or site.properties.get("magmom") or 0.0 for site in structure]
    largest = float(max(np.linalg.norm(np.atleast_1d(np.asarray(m, dtype=float))) for m in moments))
    return largest if largest > _NO_MOMENT else 0.0
