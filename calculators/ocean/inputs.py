"""Writing ocean.in and the photon files: the primitive cell, with the absorber as its first atom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from whiteline.absorber import Absorber
from whiteline.calculators.bands import bands_for_energy
from whiteline.calculators.cells import Atom, Cell, primitive_cell
from whiteline.calculators.interface import Estimate
from whiteline.calculators.kpoints import BOHR, Grid, grid_for_length, grid_within
from whiteline.calculators.ocean.cards import Cards, number, to_paths, write_cards
from whiteline.calculators.ocean.parameters import OceanParameters
from whiteline.calculators.ocean.photons import write_photon
from whiteline.edges import Edge, edge_energy
from whiteline.errors import InputError

__all__ = [
    "CORE_LEVELS",
    "INPUT_NAME",
    "Species",
    "core_level",
    "estimate_cost",
    "final_grid",
    "find_species",
    "write_inputs",
]

INPUT_NAME: Final = "ocean.in"
# Principal and angular quantum number; one calculation holds both edges of a split level.
CORE_LEVELS: Final = {
    Edge.K: (1, 0),
    Edge.L1: (2, 0),
    Edge.L23: (2, 1),
    Edge.M1: (3, 0),
    Edge.M23: (3, 1),
    Edge.M45: (3, 2),
}
# s; they give 60 s for OCEAN 3.2.1 on diamond and 80 s on rutile, where one core took 60 and 95. Of larger crystals
# they are an extrapolation, good to a factor of several.
_SECONDS_DFT = 1.0e-7
_SECONDS_BSE = 5.0e-8
_SECONDS_LEAST = 60.0
# Ry and points for each bohr, where OCEAN chooses them itself.
_USUAL_CUTOFF = 90.0
_USUAL_POINTS_PER_BOHR = 1.5


@dataclass(frozen=True)
class Species:
    """Atoms that share a pseudopotential, a starting moment and a U.

    Attributes:
        element: Chemical symbol.
        moment: Starting magnetic moment [µB].
    """

    element: str
    moment: float


def core_level(edge: Edge) -> tuple[int, int]:
    """Return the quantum numbers n and l of a core level.

    Raises:
        InputError: OCEAN computes the edge only together with its partner.
    """
    if edge not in CORE_LEVELS:
        both = next(e for e in CORE_LEVELS if edge in e.parts)
        raise InputError(f"OCEAN computes {edge} together with its partner in one spectrum: ask for the edge {both}")
    return CORE_LEVELS[edge]


def write_inputs(absorber: Absorber, parameters: OceanParameters, *, prefix: str = "") -> dict[str, str]:
    """Return the texts of ocean.in and of one photon file for each polarisation that symmetry leaves different.

    Args:
        absorber: The excited atom.
        parameters: Everything that decides the spectrum.
        prefix: What starts a parallel program on this machine, e.g. `mpirun -np 24`.

    Raises:
        StructureError: The structure is one that no code could compute, or its moments are not collinear.
        InputError: The edge is not one that OCEAN computes by itself, a pseudopotential is not named, or a value
            holds a character that OCEAN would cut off.
    """
    level = core_level(absorber.edge)
    cell = primitive_cell(absorber)
    cards: Cards = {"dft": ("qe",), "calc": ("xas",)}
    if prefix:
        cards["para_prefix"] = (prefix,)
    cards |= _structure(cell, parameters)
    cards |= {"edges": ("1", str(level[0]), str(level[1]))}
    cards |= _electrons(cell, parameters)
    cards |= _potentials(cell, parameters)
    cards |= _screening(parameters)
    cards |= _excitation(parameters)
    formula = absorber.structure.composition.reduced_formula
    title = f"{formula} {absorber.element} {absorber.edge}, site {absorber.site_id[:12]}"
    text = write_cards(to_paths(cards) if _needs_paths(parameters) else cards, title=title)
    energy = edge_energy(absorber.element, absorber.edge)
    photons = {
        f"photon{i}": write_photon(polarisation, energy=energy)
        for i, polarisation in enumerate(absorber.polarisations, start=1)
    }
    return {INPUT_NAME: text, **photons}


def _needs_paths(parameters: OceanParameters) -> bool:
    """Return whether the cards of version 2 cannot say what is asked for (`calculators.ocean.cards`)."""
    p = parameters
    return bool(p.hubbard_u) or p.cutoff_quality != "normal" or (p.solver == "haydock" and p.haydock_spacing != 5)


def _is_polarised(cell: Cell, parameters: OceanParameters) -> bool:
    return parameters.spin == "auto" and any(atom.moment for atom in cell.atoms)


def find_species(cell: Cell, parameters: OceanParameters) -> tuple[Species, ...]:
    """Return the species of a cell, the absorber's first.

    Atoms differ where their moments do; an oxidation state alone changes nothing that OCEAN is told.
    """
    is_polarised = _is_polarised(cell, parameters)
    return tuple(dict.fromkeys(_species(atom, is_polarised=is_polarised) for atom in cell.atoms))


def _species(atom: Atom, *, is_polarised: bool) -> Species:
    return Species(atom.element, (atom.moment or 0.0) if is_polarised else 0.0)


def _structure(cell: Cell, parameters: OceanParameters) -> Cards:
    species = find_species(cell, parameters)
    is_polarised = _is_polarised(cell, parameters)
    scale = f"{1 / BOHR:.10f}"
    types = [species.index(_species(atom, is_polarised=is_polarised)) + 1 for atom in cell.atoms]
    return {
        "acell": (scale, scale, scale),
        "rprim": _rows(cell.lattice, digits=10),
        "znucl": tuple(str(_atomic_number(s.element)) for s in species),
        "typat": tuple(map(str, types)),
        "xred": _rows(cell.positions, digits=8),
    }


def _rows(rows: np.ndarray, *, digits: int) -> tuple[str, ...]:
    return tuple(f"{x:.{digits}f}" for x in (np.round(rows, digits) + 0.0).ravel().tolist())


def _atomic_number(element: str) -> int:
    from pymatgen.core import Element

    return int(Element(element).Z)


def final_grid(cell: Cell, parameters: OceanParameters) -> Grid:
    """Return the k grid of the final states."""
    if parameters.kpoints_rule == "shortest":
        return grid_for_length(cell.lattice, parameters.kpoints_length)
    cutoff, longest = parameters.kpoints_window
    return grid_within(cell.lattice, cutoff, longest)


def _electrons(cell: Cell, parameters: OceanParameters) -> Cards:
    p = parameters
    cards: Cards = {"ecut": (str(p.cutoff_ry) if p.cutoff_ry is not None else "-1",)}
    if not p.pseudopotentials and p.cutoff_quality != "normal":
        cards["ecut.quality"] = (p.cutoff_quality,)
    if p.epsilon is not None:
        cards["diemac"] = (number(p.epsilon),)
    is_polarised = _is_polarised(cell, p)
    # Quantum ESPRESSO takes fixed occupations of two spins only with a total moment that nobody knows beforehand.
    if p.occupation == "smearing" or is_polarised:
        metal = ".true." if p.occupation == "smearing" else ".false."
        cards |= {"metal": (metal,), "occopt": ("3",), "degauss": (number(p.smearing_ry),)}
    else:
        cards["occopt"] = ("1",)
    species = find_species(cell, p)
    if is_polarised:
        starts = [max(-1.0, min(1.0, s.moment / p.moment_scale)) for s in species]
        words = [f"starting_magnetization({i})={number(m)}" for i, m in enumerate(starts, start=1) if m]
        cards |= {"nspin": ("2",), "smag": (", ".join(words),)}
    else:
        cards["nspin"] = ("1",)
    words = [
        f"Hubbard_U({i})={number(p.hubbard_u[s.element])}" for i, s in enumerate(species, 1) if s.element in p.hubbard_u
    ]
    if words:
        cards["ldau"] = (", ".join(words),)
    cards["toldfe"] = (number(p.scf_tolerance_ry * len(cell.atoms)),)
    if p.scf_max_iterations is not None:
        cards["nstep"] = (str(p.scf_max_iterations),)
    if p.scf_mixing is not None:
        cards["mixing"] = (number(p.scf_mixing),)
    if p.scf_kpoints_length is not None:
        cards["ngkpt"] = tuple(map(str, grid_for_length(cell.lattice, p.scf_kpoints_length)))
    cards["nkpt"] = tuple(map(str, final_grid(cell, p)))
    if p.band_rule == "ocean":
        cards["dft_energy_range"] = (number(p.band_energy),)
    else:
        # A negative number counts conduction bands.
        cards["nbands"] = (str(-bands_for_energy(cell.volume, p.band_energy)),)
    return cards


def _potentials(cell: Cell, parameters: OceanParameters) -> Cards:
    p = parameters
    if not p.pseudopotentials:
        return {"pp_database": (p.pseudopotential_database,), "opf.program": (p.projector_program,)}
    missing = [element for element in cell.elements if element not in p.pseudopotentials]
    if missing:
        raise InputError(
            f"the parameter pseudopotentials names no file for {', '.join(missing)}: name one for every element, or "
            "none to take OCEAN's database"
        )
    files = tuple(p.pseudopotentials[s.element] for s in find_species(cell, p))
    cards: Cards = {"pp_list": files, "ppdir": ("./",), "opf.program": (p.projector_program,)}
    if p.projector_program == "shirley":
        element = cell.absorber.element
        if element not in p.projector_fill:
            raise InputError(f"projector_fill and projector_options name no files for the absorber {element}: add them")
        z = str(_atomic_number(element))
        cards |= {"opf.fill": (z, p.projector_fill[element]), "opf.opts": (z, p.projector_options[element])}
    return cards


def _screening(parameters: OceanParameters) -> Cards:
    p = parameters
    cards: Cards = {
        "screen.nkpt": (number(-p.screen_kpoints_bohr),),
        "screen_energy_range": (number(p.screen_band_energy),),
    }
    if p.screen_rule == "ocean":
        return cards
    return cards | {
        "cnbse.rad": (number(p.screen_radius_bohr),),
        "screen.shells": _numbers(p.screen_shells_bohr),
        "screen.lmax": (str(p.screen_l_max),),
        "screen.grid.rmax": (number(p.screen_grid_radius_bohr),),
        "screen.grid.rmode": p.screen_grid_mode,
        "screen.grid.ang": tuple(map(str, p.screen_grid_angular)),
        "screen.grid.deltar": _numbers(p.screen_grid_step_bohr),
        "screen.grid.shells": _numbers(p.screen_grid_shells_bohr),
        "screen.final.dr": (number(p.screen_step_bohr),),
    }


def _numbers(values: Sequence[float]) -> tuple[str, ...]:
    return tuple(number(value) for value in values)


def _excitation(parameters: OceanParameters) -> Cards:
    p = parameters
    cards: Cards = {}
    if p.real_space_mesh is not None:
        cards["cnbse.xmesh"] = tuple(map(str, p.real_space_mesh))
    if p.screening_factor is not None:
        cards["scfac"] = (number(p.screening_factor),)
    cards["cnbse.broaden"] = (number(p.half_width) if p.half_width is not None else "-1",)
    if p.core_offset is True:
        cards["core_offset"] = (".true.",)
    elif p.core_offset is not False:
        # OCEAN takes a value with a digit in it for the energy.
        cards["core_offset"] = (number(p.core_offset),)
    cards["cnbse.spect_range"] = (str(p.spectrum_points), *_numbers(p.spectrum_range))
    cards["cnbse.solver"] = (p.solver,)
    if p.gmres_grid:
        return cards | {
            # A list, because OCEAN 3.2 takes no notice of the card for a range.
            "cnbse.gmres.elist": _numbers(p.gmres_grid),
            "cnbse.gmres.ffff": (number(p.gmres_threshold),),
        }
    # OCEAN 3 reads one number from the card, and newer versions refuse a second one.
    convergence = (
        (number(p.haydock_threshold), str(p.haydock_spacing)) if _needs_paths(p) else (number(p.haydock_threshold),)
    )
    return cards | {"cnbse.niter": (str(p.haydock_iterations),), "haydock_convergence": convergence}


def estimate_cost(absorber: Absorber, parameters: OceanParameters) -> Estimate:
    """Return a rough cost: states for every k point, and the electron-hole interaction on a real-space mesh.

    Raises:
        InputError: As `write_inputs`.
    """
    core_level(absorber.edge)
    cell = primitive_cell(absorber)
    volume = cell.volume / BOHR**3
    cutoff = parameters.cutoff_ry or _USUAL_CUTOFF
    n_waves = volume * cutoff**1.5 / (6 * np.pi**2)
    n_k = int(np.prod(final_grid(cell, parameters)))
    n_bands = 4 * len(cell.atoms) + bands_for_energy(cell.volume, parameters.band_energy)
    n_screen = 4 * len(cell.atoms) + bands_for_energy(cell.volume, parameters.screen_band_energy)
    n_points = (
        int(np.prod(parameters.real_space_mesh)) if parameters.real_space_mesh else volume * _USUAL_POINTS_PER_BOHR**3
    )
    # Eight k points are what a length of 2.55 bohr gives for most cells.
    states = n_waves * (n_k * n_bands**2 + 8 * n_screen**2)
    n_actions = len(parameters.gmres_grid) * 20 or min(parameters.haydock_iterations, 100)
    spectrum = len(absorber.polarisations) * n_actions * n_k * n_bands * n_points
    n_spins = 2 if _is_polarised(cell, parameters) else 1
    return Estimate(
        cpu_time=float(_SECONDS_LEAST + n_spins * (_SECONDS_DFT * states + _SECONDS_BSE * spectrum)),
        memory=float(100 + n_spins * 16e-6 * n_k * n_bands * n_points),
    )
