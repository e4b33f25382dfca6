"""INCAR tags of the core-hole run and of the neutral run beside it.

Manual: https://vasp.at/wiki/Supercell_core-hole_calculations; method: Karsai et al., Phys. Rev. B 98, 235205 (2018),
doi:10.1103/PhysRevB.98.235205.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from math import ceil
from typing import TypeAlias

from whiteline.calculators.bands import bands_for_energy
from whiteline.calculators.cells import Atom, Cell
from whiteline.calculators.vasp.levels import CoreLevel
from whiteline.calculators.vasp.parameters import IncarValue, VaspParameters
from whiteline.calculators.vasp.species import Species

__all__ = ["Tags", "core_hole_tags", "format_tags", "ground_state_tags", "n_bands", "starting_moments"]

Tags: TypeAlias = dict[str, IncarValue | list[float] | list[int]]

# What VASP starts an atom with where MAGMOM says nothing [µB].
_VASP_MOMENT = 1.0
_LAST_WITHOUT_F = 56


def core_hole_tags(
    cell: Cell, species: Sequence[Species], level: CoreLevel, valence: Sequence[float], parameters: VaspParameters
) -> Tags:
    """Return the tags of the core-hole run.

    Args:
        cell: The cell.
        species: Its species, the absorber's first.
        level: Excited core level.
        valence: Valence electrons of an atom of each species.
        parameters: Parameters.
    """
    tags = _common_tags(species, parameters)
    tags["NBANDS"] = n_bands(cell, species, valence, parameters)
    tags |= {
        "ICORELEVEL": 2,
        "CLNT": 1,
        "CLN": level.n,
        "CLL": level.l,
        "CLZ": parameters.core_hole_charge,
        "CH_LSPEC": True,
        "CH_NEDOS": parameters.ch_nedos,
        "CH_SIGMA": parameters.ch_sigma,
    }
    if parameters.excited_electron == "removed":
        # VASP adds what leaves the core to the electrons of the cell; the neutral number takes it out again.
        tags["NELECT"] = _n_electrons(species, valence)
    return {**tags, "LCHARG": False, "LWAVE": False, **parameters.incar}


def ground_state_tags(species: Sequence[Species], parameters: VaspParameters) -> Tags:
    """Return the tags of the neutral run: the same but for the core hole and the empty bands."""
    return {**_common_tags(species, parameters), "LCHARG": False, "LWAVE": False, **parameters.ground_state_incar}


def n_bands(cell: Cell, species: Sequence[Species], valence: Sequence[float], parameters: VaspParameters) -> int:
    """Return the number of bands: the occupied ones of the majority spin and those up to `band_energy` above them."""
    if parameters.nbands is not None:
        return parameters.nbands
    empty = bands_for_energy(cell.volume, parameters.band_energy)
    electrons = _n_electrons(species, valence)
    if parameters.nbands_rule == "lightshow":
        return round(electrons) + empty
    moments = starting_moments(_atoms(species), parameters) if _is_polarised(_atoms(species), parameters) else None
    unpaired = abs(sum(moments)) if moments else 0.0
    return ceil((electrons + parameters.core_hole_charge + unpaired) / 2) + empty


def starting_moments(atoms: Sequence[Atom], parameters: VaspParameters) -> list[float] | None:
    """Return the moment of each atom [µB]; None where neither the structure nor the parameters give any."""
    found = [_moment(atom, parameters) for atom in atoms]
    if all(moment is None for moment in found):
        return None
    return [_VASP_MOMENT if moment is None else moment for moment in found]


def format_tags(tags: Mapping[str, object]) -> str:
    """Return the text of an INCAR, written as pymatgen writes one.

    >>> print(format_tags({"ISPIN": 2, "MAGMOM": [5.0, 0.6, 0.6], "LDAUU": [5.3, 0.0]}), end="")
    ISPIN = 2
    MAGMOM = 1*5.0 2*0.6
    LDAUU = 5.3 0.0
    """
    return "".join(f"{name} = {_format(name, value)}\n" for name, value in tags.items())


def _format(name: str, value: object) -> str:
    if not isinstance(value, list):
        return str(value)
    if name == "MAGMOM":
        return " ".join(f"{len(list(group))}*{moment}" for moment, group in groupby(value))
    return " ".join(map(str, value))


def _common_tags(species: Sequence[Species], parameters: VaspParameters) -> Tags:
    p = parameters
    atoms = _atoms(species)
    tags: Tags = {"PREC": p.prec, "ALGO": p.algo, "LREAL": p.lreal, "LASPH": p.lasph}
    if p.encut != "potcar":
        tags["ENCUT"] = p.encut
    tags |= {"EDIFF": p.ediff, "NELM": p.nelm, "ISMEAR": 0, "SIGMA": p.sigma}
    if p.symprec is not None:
        tags["SYMPREC"] = p.symprec
    is_polarised = _is_polarised(atoms, p)
    tags["ISPIN"] = 2 if is_polarised else 1
    moments = starting_moments(atoms, p) if is_polarised else None
    if moments is not None:
        tags["MAGMOM"] = moments
    return {**tags, **_hubbard_tags(species, p)}


def _hubbard_tags(species: Sequence[Species], parameters: VaspParameters) -> Tags:
    from pymatgen.core import Element

    elements = [kind.element for kind in species]
    needed = parameters.hubbard_u_with
    values = [parameters.hubbard_u.get(element, 0.0) for element in elements]
    if not any(values) or (needed and not set(needed) & set(elements)):
        return {}
    numbers = [Element(element).Z for element in elements]
    shells = [3 if z > _LAST_WITHOUT_F and Element.from_Z(z).block == "f" else 2 for z in numbers]
    return {
        "LDAU": True,
        "LDAUTYPE": 2,
        "LDAUL": [shell if value else -1 for shell, value in zip(shells, values, strict=True)],
        "LDAUU": values,
        "LDAUJ": [0.0] * len(values),
        # The density matrix of the shell with U belongs to what is mixed from step to step.
        "LMAXMIX": 6 if max(numbers) > _LAST_WITHOUT_F else 4,
    }


def _is_polarised(atoms: Sequence[Atom], parameters: VaspParameters) -> bool:
    if parameters.spin == "structure":
        return any(atom.moment for atom in atoms)
    moments = starting_moments(atoms, parameters)
    return parameters.spin == "moments" and (moments is None or any(moments))


def _moment(atom: Atom, parameters: VaspParameters) -> float | None:
    if atom.moment is not None:
        return atom.moment
    kind = atom.label.split(",")[0]
    return parameters.moments.get(kind, parameters.moments.get(atom.element, parameters.default_moment))


def _n_electrons(species: Sequence[Species], valence: Sequence[float]) -> float:
    return sum(len(kind.atoms) * count for kind, count in zip(species, valence, strict=True))


def _atoms(species: Sequence[Species]) -> list[Atom]:
    return [atom for kind in species for atom in kind.atoms]
