"""The excited atom of a work chain of XSpectra, and the crystal that it is in, as AiiDA knows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from whiteline.absorber import Absorber
from whiteline.database.documents import SpectrumDocument
from whiteline.database.ingest.sample import find_site, site_fields
from whiteline.edges import Edge
from whiteline.errors import ParseError, StructureError
from whiteline.status import Check
from whiteline.structures import check_structure
from whiteline.workflows.ingest.aiida.chains import Chain, namelist
from whiteline.workflows.ingest.aiida.graph import Node, short

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["computed_structure", "raw_parameters", "sample_fields", "site_in_cell"]

_MARKER: Final = "X"
# Å; xspectra.x prints the scale of the cell with four decimals of a bohr, which is 1e-4 of a long cell.
_PRINTED: Final = 5e-3


def computed_structure(chain: Chain) -> Node | None:
    """Return the node of the cell that was computed; None where it is not there."""
    of_core, of_density = (chain.graph.inputs(process) for process in (chain.core, chain.density))
    return of_density.get("structure", of_core.get("structure"))


def site_in_cell(chain: Chain) -> Absorber:
    """Return the excited atom in the cell that was computed.

    Raises:
        ParseError: The structure, or the atom in it, is not known.
        WhitelineError: It is no crystal that could be computed, or the element has no such edge.
    """
    node = computed_structure(chain)
    if node is None:
        raise ParseError(f"{short(chain.head)} has no structure: export it from AiiDA with all its links")
    structure, kinds = _structure(node)
    marker_node = chain.graph.inputs(chain.core).get("abs_atom_marker")
    marker = _MARKER if marker_node is None else marker_node.base.attributes.get("value")
    asked = namelist(_given(chain)[1], "INPUT_XSPECTRA")
    if marker not in kinds:
        # pw.x is given the species in the order of their names, and xspectra.x the number of one.
        number = int(asked.get("xiabs", 1))
        names = sorted(set(kinds))
        marker = names[number - 1] if 1 <= number <= len(names) else ""
    if kinds.count(marker) != 1:
        raise ParseError(
            f"{short(node)} has {kinds.count(marker)} atoms of the kind {marker!r}, expected the one excited atom"
        )
    return find_site(structure, kinds.index(marker), Edge.parse(str(asked.get("edge", Edge.K))))


def _given(chain: Chain) -> tuple[Node | None, Node | None]:
    """Return the nodes with the parameters of pw.x and of xspectra.x; None for what is not there."""
    of_core, of_density = (chain.graph.inputs(process) for process in (chain.core, chain.density))
    of_xspectra = chain.graph.inputs(next(iter(chain.calculations), None))
    return (
        of_density.get("parameters", of_core.get("scf__pw__parameters")),
        of_xspectra.get("parameters", of_core.get("xs_prod__xspectra__parameters")),
    )


def raw_parameters(chain: Chain) -> dict[str, Any]:
    """Return what was asked of pw.x and xspectra.x, where no spectrum says it."""
    found = {
        group.lower(): {str(name).lower(): value for name, value in values.items() if not name.startswith("xepsilon")}
        for node in _given(chain)
        if node is not None
        for group, values in node.base.attributes.all.items()
        if isinstance(values, Mapping)
    }
    return {group: values for group, values in found.items() if values}


def _structure(node: Node) -> tuple[Structure, list[str]]:
    """Return a crystal with the kind of each atom, from what the node says: its class need not be installed."""
    from pymatgen.core import Structure

    said = node.base.attributes.all
    elements = {kind["name"]: kind["symbols"] for kind in said["kinds"]}
    kinds = [str(site["kind_name"]) for site in said["sites"]]
    if any(len(elements[kind]) != 1 for kind in kinds):
        raise StructureError(f"{short(node)} has sites with several elements: XSpectra computes ordered crystals")
    cell, positions = np.array(said["cell"], dtype=float), np.array([s["position"] for s in said["sites"]], dtype=float)
    structure = Structure(cell, [elements[kind][0] for kind in kinds], positions, coords_are_cartesian=True)
    check_structure(structure, name=short(node))
    return structure, kinds


def sample_fields(document: SpectrumDocument, chain: Chain, site: Absorber) -> tuple[dict[str, Any], tuple[Check, ...]]:
    """Return the crystal, in the cell that the user gave where that is known, and what speaks against it.

    AiiDA knows positions to all digits, the log of xspectra.x only to some.

    Args:
        document: What was read from the files.
        chain: Its processes.
        site: The excited atom in the cell that was computed.
    """
    if not _is_same_cell(document, site):
        detail = "the structure in AiiDA is not the one that xspectra.x printed, which is kept: one was changed"
        return {}, (Check("structure", is_passed=False, detail=detail),)
    whole = _site_in_crystal(chain, site)
    return site_fields(whole if whole is not None and whole.site_id == site.site_id else site), ()


def _is_same_cell(document: SpectrumDocument, site: Absorber) -> bool:
    """Return whether the cell of a document, as it was printed, is that of the site; a failure has none of its own."""
    from pymatgen.core import Structure

    if document.spectrum is None:
        return True
    printed, known = Structure.from_dict(dict(document.structure)), site.structure
    if [s.species for s in printed] != [s.species for s in known] or document.site_index != site.site_index:
        return False
    shifts = printed.frac_coords - known.frac_coords
    is_near = np.abs((shifts - np.round(shifts)) @ known.lattice.matrix).max() < _PRINTED
    return bool(is_near and np.abs(printed.lattice.matrix - known.lattice.matrix).max() < _PRINTED)


def _site_in_crystal(chain: Chain, site: Absorber) -> Absorber | None:
    """Return the excited atom in the unit cell whose supercell was computed; None where that is not known."""
    if chain.crystal is None:
        return None
    made, given = chain.graph.outputs(chain.crystal), chain.graph.inputs(chain.crystal)
    names = ("standardized_structure", "optimized_structure", "structure")
    node = next((one for one in map({**given, **made}.get, names) if one is not None), None)
    analysis = made.get("symmetry_analysis_data")
    sites = {} if analysis is None else analysis.base.attributes.get("equivalent_sites_data", {})
    index = sites.get(chain.site, {}).get("site_index")
    if node is None or not isinstance(index, int):
        return None
    structure, _ = _structure(node)
    return find_site(structure, index, site.edge) if 0 <= index < len(structure) else None
