"""What a document says of the sample: all of it from a crystal, or as little as is known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from whiteline.errors import InputError
from whiteline.fingerprint import content_hash

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from whiteline.absorber import Absorber
    from whiteline.edges import Edge
    from whiteline.spectrum import Spectrum

__all__ = ["crystal_fields", "find_site", "formula_sample", "imported_id", "site_fields", "unknown_sample"]


def unknown_sample(elements: Iterable[str] = (), *, formula: str = "") -> dict[str, Any]:
    """Return the fields of a sample of which at most elements and formula are known.

    >>> unknown_sample(["Ti", "O"])["chemical_system"]
    'O-Ti'
    """
    known = tuple(sorted(set(elements)))
    return {
        "structure_id": "",
        "structure": {},
        "formula": formula,
        "chemical_system": "-".join(known),
        "elements": known,
        "space_group": 0,
        "space_group_symbol": "",
    }


def formula_sample(text: str, element: str) -> dict[str, Any]:
    """Return the fields of a sample of a formula, as queries write it.

    Nothing is known where the text is no formula, or the element is not in it.

    >>> formula_sample("Ti2O4", "Ti")["formula"], formula_sample("sample 3", "Ti")["formula"]
    ('TiO2', '')
    """
    from whiteline.database.query import SpectrumQuery

    if not text:
        return unknown_sample()
    from pymatgen.core.composition import Composition

    try:
        formula = SpectrumQuery(formula=text).formula or ""
        elements = [one.symbol for one in Composition(formula)]
    except (InputError, ValueError):
        return unknown_sample()
    return unknown_sample(elements, formula=formula) if element in elements else unknown_sample()


def crystal_fields(structure: Structure) -> dict[str, Any]:
    """Return the fields of a crystal, without a site.

    Raises:
        StructureError: It is none that could be computed.
    """
    from whiteline.absorber import find_symmetry
    from whiteline.fingerprint import fingerprint_crystal

    symmetry = find_symmetry(structure)
    composition = structure.composition.element_composition
    return {
        "structure_id": fingerprint_crystal(structure).crystal_id,
        "structure": structure.as_dict(),
        "formula": composition.reduced_formula,
        "chemical_system": composition.chemical_system,
        "elements": tuple(sorted(e.symbol for e in composition)),
        "space_group": symmetry.number,
        "space_group_symbol": symmetry.symbol,
    }


def find_site(structure: Structure, site_index: int, edge: Edge, *, like: Absorber | None = None) -> Absorber:
    """Return the absorber at a site, with its multiplicity in the structure.

    Args:
        structure: A checked crystal.
        site_index: Index of the site.
        edge: The edge.
        like: Another site of the same structure, which knows the symmetry already.

    Raises:
        StructureError: There is no such site, or no symmetry can be found.
        ParameterError: The element does not have the edge.
    """
    from whiteline.absorber import Absorber

    absorber = Absorber(structure, site_index, edge)
    first = like or absorber
    orbits = first.symmetry.orbits
    found = replace(absorber, multiplicity=orbits.count(orbits[site_index]))
    # What belongs to the crystal is found once for all its sites: this is where cached_property keeps it.
    found.__dict__.update(symmetry=first.symmetry, fingerprint=first.fingerprint)
    return found


def site_fields(absorber: Absorber) -> dict[str, Any]:
    """Return the fields of a crystal and of one of its sites.

    Raises:
        StructureError: It is none that could be computed.
    """
    structure = absorber.structure
    composition = structure.composition.element_composition
    return {
        "absorber": absorber.element,
        "edge": absorber.edge.value,
        "structure_id": absorber.fingerprint.crystal_id,
        "structure": structure.as_dict(),
        "formula": composition.reduced_formula,
        "chemical_system": composition.chemical_system,
        "elements": tuple(sorted(e.symbol for e in composition)),
        "space_group": absorber.symmetry.number,
        "space_group_symbol": absorber.symmetry.symbol,
        "site_id": absorber.site_id,
        "site_index": absorber.site_index,
        "multiplicity": absorber.multiplicity,
    }


def imported_id(
    code: str, absorber: str, edge: str, *, site: str, parameters: Mapping[str, Any], spectrum: Spectrum | None
) -> str:
    """Return the identity of a spectrum that was computed or measured elsewhere: what is known, and its numbers.

    Nothing of it depends on names of files, so that the same spectrum from another copy is the same.
    """
    numbers = ""
    if spectrum is not None:
        digest = hashlib.sha256(spectrum.energy.astype("<f8").tobytes())
        digest.update(spectrum.components.astype("<f8").tobytes())
        numbers = digest.hexdigest()
    return content_hash(["imported-1", code, absorber, edge, site, dict(parameters), numbers])
