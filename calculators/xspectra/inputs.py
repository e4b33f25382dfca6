"""Writing the input files of pw.x and xspectra.x (versions 6 and 7.0)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from whiteline.absorber import Absorber
from whiteline.calculators.cells import Cell, primitive_cell, supercell
from whiteline.calculators.kpoints import Grid, grid_for_length, grid_within
from whiteline.calculators.pseudopotentials.core_hole import final_channels
from whiteline.calculators.pseudopotentials.upf import Kind as PotentialKind
from whiteline.calculators.pseudopotentials.upf import Pseudopotential
from whiteline.calculators.xspectra.kinds import Kind, assign_kinds
from whiteline.calculators.xspectra.parameters import XSpectraParameters
from whiteline.calculators.xspectra.potentials import Potentials, core_file_text
from whiteline.edges import Edge
from whiteline.errors import InputError

__all__ = [
    "PREFIX",
    "Setup",
    "build_setup",
    "core_file",
    "cutoffs",
    "folders",
    "is_norm_conserving",
    "potential_of",
    "write_inputs",
]

PREFIX: Final = "pwscf"

_EDGES = (Edge.K, Edge.L1, Edge.L2, Edge.L3, Edge.L23)
_GAMMA: Grid = (1, 1, 1)


@dataclass(frozen=True, eq=False)
class Setup:
    """What the files of a calculation are made from.

    Attributes:
        cell: The cell, absorber first.
        kinds: The species, the absorber's first.
        i_kind: Index of each atom's species.
        scf_grid: k grid of the density.
        grid: k grid of the spectrum.
        has_spin: Whether the calculation is spin-polarised.
    """

    cell: Cell
    kinds: tuple[Kind, ...]
    i_kind: tuple[int, ...]
    scf_grid: Grid
    grid: Grid
    has_spin: bool


def build_setup(absorber: Absorber, parameters: XSpectraParameters) -> Setup:
    """Return cell, species and k grids of an absorber.

    Raises:
        InputError: The edge is none that XSpectra computes, or pw.x has no room for so many species.
        StructureError: The structure cannot be computed.
    """
    if absorber.edge not in _EDGES:
        names = ", ".join(edge.value for edge in _EDGES)
        raise InputError(f"XSpectra computes the edges {names}, got {absorber.edge}: use another engine, e.g. feff")
    if parameters.cell == "primitive":
        cell = primitive_cell(absorber)
    else:
        cell = supercell(absorber, distance=parameters.supercell_distance, rule=parameters.cell)
    has_spin = parameters.spin == "structure" and any(atom.moment for atom in cell.atoms)
    kinds, i_kind = assign_kinds(cell, has_spin=has_spin)
    if parameters.kpoints_rule == "lightshow":
        grid = grid_within(cell.lattice, parameters.kpoints_length, parameters.kpoints_longest)
    else:
        grid = grid_for_length(cell.lattice, parameters.kpoints_length)
    if parameters.scf_kpoints_rule == "shortest":
        scf_grid = grid_for_length(cell.lattice, parameters.scf_kpoints_length)
    else:
        scf_grid = _GAMMA if cell.n_primitive > 1 else grid
    return Setup(cell, kinds, i_kind, scf_grid, grid, has_spin)


def folders(absorber: Absorber) -> dict[str, tuple[Edge, str]]:
    """Return edge and direction of each run of xspectra.x by its folder: `x`, or `L3/x` where two edges are summed."""
    parts = absorber.edge.parts
    return {
        f"{part}/{p.label}" if len(parts) > 1 else p.label: (part, p.label)
        for part in parts
        for p in absorber.polarisations
    }


def core_file(absorber: Absorber) -> str:
    """Return the name of the file with the core wavefunction."""
    return f"{absorber.element}.wfc"


def write_inputs(
    absorber: Absorber, parameters: XSpectraParameters, potentials: Potentials, setup: Setup
) -> dict[str, str]:
    """Return scf.in, xanes.in of every direction, and the core wavefunction, by path inside the run directory."""
    runs = {f"{folder}/xanes.in": _xanes_in(absorber, parameters, setup, folder) for folder in folders(absorber)}
    return {"scf.in": _scf_in(parameters, potentials, setup), core_file(absorber): core_file_text(potentials), **runs}


def is_norm_conserving(potentials: Potentials) -> bool:
    """Return whether no pseudopotential needs augmentation charges."""
    return all(potential.kind is PotentialKind.NORM_CONSERVING for potential in potentials.all)


def cutoffs(parameters: XSpectraParameters, potentials: Potentials) -> tuple[float, float]:
    """Return the cutoffs of wavefunctions and of the density [Ry]."""
    followed = potentials.all if parameters.follows_cutoffs else ()
    wavefunction = max(parameters.ecutwfc, *(p.wavefunction_cutoff_ry or 0.0 for p in followed), 0.0)
    suggested = [p.density_cutoff_ry for p in followed]
    is_known = bool(suggested) and all(suggested)
    factor = 4.0 if is_known or is_norm_conserving(potentials) else 8.0
    density = parameters.ecutrho or wavefunction * factor
    return wavefunction, max(density, 4 * wavefunction, *(s or 0.0 for s in suggested))


def potential_of(potentials: Potentials, kind: Kind) -> Pseudopotential:
    """Return the pseudopotential of a species."""
    return potentials.absorber if kind.is_absorber else potentials.ground[kind.element]


def _scf_in(parameters: XSpectraParameters, potentials: Potentials, setup: Setup) -> str:
    cell = setup.cell
    wavefunction, density = cutoffs(parameters, potentials)
    system = {
        "ibrav": "0",
        "nat": str(len(cell.atoms)),
        "ntyp": str(len(setup.kinds)),
        "ecutwfc": _real(wavefunction),
        "ecutrho": _real(density),
    }
    if parameters.charge:
        system["tot_charge"] = _real(parameters.charge)
    system["occupations"] = f"'{parameters.occupations}'"
    if parameters.occupations == "smearing":
        system |= {"smearing": f"'{parameters.smearing}'", "degauss": _real(parameters.degauss)}
    system |= _spin(potentials, setup) if setup.has_spin else {"nspin": "1"}
    system |= _hubbard(parameters, setup)
    electrons = {
        "conv_thr": _real(parameters.conv_thr * len(cell.atoms)),
        "mixing_beta": _real(parameters.mixing_beta),
        "electron_maxstep": str(parameters.electron_maxstep),
        **_solver(parameters),
    }
    control = {
        "calculation": "'scf'",
        "prefix": f"'{PREFIX}'",
        "pseudo_dir": "'./pseudo'",
        "outdir": "'./tmp'",
        "disk_io": "'low'",
    }
    lines = [
        *_namelist("control", control),
        *_namelist("system", system),
        *_namelist("electrons", electrons),
        "ATOMIC_SPECIES",
        *_species(potentials, setup.kinds),
        "CELL_PARAMETERS angstrom",
        *(f"{x:16.10f} {y:16.10f} {z:16.10f}" for x, y, z in (cell.lattice + 0.0).tolist()),
        "ATOMIC_POSITIONS crystal",
        *(
            f"{setup.kinds[i].label:<3s} {a.position[0]:13.10f} {a.position[1]:13.10f} {a.position[2]:13.10f}"
            for i, a in zip(setup.i_kind, cell.atoms, strict=True)
        ),
        "K_POINTS automatic",
        f"{' '.join(map(str, setup.scf_grid))} 0 0 0",
    ]
    return "\n".join(lines) + "\n"


def _solver(parameters: XSpectraParameters) -> dict[str, str]:
    """Return how the density is found where that is not pw.x's own way."""
    values = {
        "mixing_mode": f"'{parameters.mixing_mode}'",
        "mixing_ndim": str(parameters.mixing_ndim),
        "diagonalization": f"'{parameters.diagonalization}'",
    }
    default = type(parameters)()
    return {key: text for key, text in values.items() if getattr(parameters, key) != getattr(default, key)}


def _species(potentials: Potentials, kinds: Sequence[Kind]) -> list[str]:
    from ase.data import atomic_masses, atomic_numbers

    return [
        f"{kind.label:<3s} {atomic_masses[atomic_numbers[kind.element]]:.4f} {potential_of(potentials, kind).path.name}"
        for kind in kinds
    ]


def _spin(potentials: Potentials, setup: Setup) -> dict[str, str]:
    """Return the starting magnetisations: the share of an atom's valence electrons that its moment is, in [-1, 1]."""
    found = {"nspin": "2"}
    for i, kind in enumerate(setup.kinds, start=1):
        share = max(-1.0, min(1.0, kind.moment / potential_of(potentials, kind).z_valence))
        found[f"starting_magnetization({i})"] = _real(round(share, 6))
    return found


def _hubbard(parameters: XSpectraParameters, setup: Setup) -> dict[str, str]:
    values = {
        f"Hubbard_U({i})": _real(parameters.hubbard_u[kind.element])
        for i, kind in enumerate(setup.kinds, start=1)
        if parameters.hubbard_u.get(kind.element)
    }
    return {"lda_plus_u": ".true.", **values} if values else {}


def _xanes_in(absorber: Absorber, parameters: XSpectraParameters, setup: Setup, folder: str) -> str:
    edge, direction = folders(absorber)[folder]
    up = "../" * (folder.count("/") + 1)
    run = {
        "calculation": "'xanes_dipole'",
        "edge": f"'{edge}'",
        "prefix": f"'{PREFIX}'",
        "outdir": f"'{up}tmp'",
        "xniter": str(parameters.xniter),
        "xcheck_conv": str(parameters.xcheck_conv),
        "xerror": _real(parameters.xerror),
        "xiabs": "1",
        "xcoordcrys": ".false.",
        **{f"xepsilon({i})": _real(float(name == direction)) for i, name in enumerate("xyz", start=1)},
        "x_save_file": "'xanes.sav'",
    }
    plot = {
        "xnepoint": str(parameters.n_energy),
        "xemin": _real(parameters.energy_min),
        "xemax": _real(parameters.energy_max),
        "terminator": _logical(value=parameters.terminator),
        "cut_occ_states": _logical(value=parameters.cut_occ_states),
        "gamma_mode": "'constant'",
        "xgamma": _real(parameters.xgamma),
    }
    pseudos = {"filecore": f"'{up}{core_file(absorber)}'"}
    if parameters.r_paw is not None:
        channels = sorted(momentum for momentum, _ in final_channels(edge))
        pseudos |= {f"r_paw({momentum})": _real(parameters.r_paw) for momentum in channels}
    cut = {"cut_desmooth": _real(parameters.cut_desmooth), "cut_stepl": _real(parameters.cut_stepl)}
    shift = "1 1 1" if parameters.shifts_kpoints else "0 0 0"
    lines = [
        *_namelist("input_xspectra", run),
        *_namelist("plot", plot),
        *_namelist("pseudos", pseudos),
        *_namelist("cut_occ", cut),
        f"{' '.join(map(str, setup.grid))} {shift}",
    ]
    return "\n".join(lines) + "\n"


def _namelist(name: str, values: dict[str, str]) -> list[str]:
    return [f"&{name}", *(f"  {key} = {value}" for key, value in values.items()), "/"]


def _real(value: float) -> str:
    """Return a number as Fortran reads it without loss.

    >>> _real(40.0), _real(8e-9)
    ('40.0', '8d-09')
    """
    return repr(float(value)).replace("e", "d")


def _logical(*, value: bool) -> str:
    return ".true." if value else ".false."
