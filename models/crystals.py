"""Names and sizes of the crystals behind samples, from their structures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from whiteline.errors import InputError
from whiteline.fingerprint import fingerprint_crystal
from whiteline.models.samples import Samples

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["name_crystals"]


def name_crystals(samples: Samples, structures: Mapping[str, Structure]) -> Samples:
    """Return the samples with reduced formula, number of atoms and content hash of their crystals.

    With these, a split by formula, chemical system or size is possible, and two materials that are one crystal stay
    together (`whiteline.models.duplicates`).

    Args:
        samples: What is named.
        structures: Structure of every material.

    Raises:
        InputError: A material has no structure.
        StructureError: A structure is disordered, empty or has atoms on top of one another.
    """
    wanted = sorted(set(samples.materials))
    if missing := [material for material in wanted if material not in structures]:
        raise InputError(f"{len(missing)} of {len(wanted)} materials have no structure, such as {missing[0]!r}: add it")
    own = {material: structures[material] for material in wanted}
    formulas = {material: str(structure.composition.reduced_formula) for material, structure in own.items()}
    hashes = {material: fingerprint_crystal(structure).crystal_id for material, structure in own.items()}
    return replace(
        samples,
        formulas=tuple(formulas[material] for material in samples.materials),
        crystals=tuple(hashes[material] for material in samples.materials),
        n_atoms=tuple(len(own[material]) for material in samples.materials),
    )
