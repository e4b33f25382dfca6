"""Things as data nodes: structures, sites, parameters, spectra, files and models."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from whiteline.errors import UnitError
from whiteline.fingerprint import content_hash
from whiteline.units import Quantity
from whiteline.workflows.aiida.rows import NodeKind, NodeRow, node_uuid

if TYPE_CHECKING:
    from whiteline.database.documents import SpectrumDocument
    from whiteline.provenance import ProvenanceRecord
    from whiteline.spectrum import Spectrum

__all__ = ["EXTRA", "dict_row", "file_row", "folder_row", "site_row", "spectrum_label", "spectrum_row", "structure_row"]

# Under this name extras say what a node is to Whiteline.
EXTRA: Final = "whiteline"
_UNITS: Final = {Quantity.CROSS_SECTION: "Mbarn", Quantity.IM_EPSILON: "1", Quantity.ENERGY_LOSS: "Mbarn/eV"}
_ARBITRARY: Final = "arbitrary"
# What queries look for, beside the ids.
_FACTS: Final = (
    "kind",
    "formula",
    "chemical_system",
    "space_group",
    "absorber",
    "edge",
    "site_index",
    "multiplicity",
    "code",
    "code_version",
    "fidelity",
    "status",
    "source",
    "licence",
    "citation",
)


def spectrum_row(document: SpectrumDocument, record: ProvenanceRecord, uuid: str, *, suspect: str = "") -> NodeRow:
    """Return a spectrum as XyData: the powder average, then each polarisation where there are several.

    Args:
        document: It has a spectrum.
        record: How it came about.
        uuid: UUID of the node.
        suspect: Why nobody should rest on it.
    """
    spectrum = document.spectrum
    if spectrum is None:
        raise ValueError(f"document {document.id} has no spectrum")
    arrays = {"x_array": spectrum.energy, "y_array_0": spectrum.intensity}
    names = ["intensity"]
    if len(spectrum.polarisations) > 1:
        names += [f"intensity {p.label}" for p in spectrum.polarisations]
        arrays |= {f"y_array_{i}": row for i, row in enumerate(spectrum.components, start=1)}
    unit = _unit(spectrum)
    told = {name: value for name, value in spectrum.to_dict().items() if name not in ("energy", "components")}
    return NodeRow(
        uuid=uuid,
        kind=NodeKind.SPECTRUM,
        label=spectrum_label(document),
        description=f"{document.fidelity}, {document.status}{f': {document.reason}' if document.reason else ''}",
        created=record.ended_at,
        modified=record.ended_at,
        attributes={
            **{f"array|{name}": list(array.shape) for name, array in arrays.items()},
            "x_name": "energy",
            "x_units": "eV",
            "y_names": names,
            "y_units": [unit] * len(names),
            "spectrum": told,
        },
        extras={EXTRA: _facts(document, record) | ({"suspect": suspect} if suspect else {})},
        files={f"{name}.npy": _npy(array) for name, array in arrays.items()},
    )


def spectrum_label(document: SpectrumDocument) -> str:
    """Return what people call a spectrum, e.g. `TiO2 Ti0 K` of a site and `TiO2 Ti K` of a material."""
    index = "" if document.site_index is None else str(document.site_index)
    return f"{document.formula} {document.absorber}{index} {document.edge}".strip()


def _facts(document: SpectrumDocument, record: ProvenanceRecord) -> dict[str, Any]:
    told = document.metadata()
    facts = {name: told[name] for name in _FACTS if told[name] not in ("", None)}
    return {"id": document.id, "record": record.id, "structure_id": document.structure_id, **facts}


def _unit(spectrum: Spectrum) -> str:
    """Return the unit of the raw intensity, a factor included where it has one."""
    if spectrum.scale is None:
        return _ARBITRARY
    unit = _UNITS.get(spectrum.quantity)
    if unit is None:
        raise UnitError(f"no unit is known for {spectrum.quantity}")
    return unit if spectrum.scale == 1.0 else f"{spectrum.scale:.12g} {unit}"


def _npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def structure_row(document: SpectrumDocument, record: ProvenanceRecord, sources: tuple[str, ...]) -> NodeRow:
    """Return the crystal of a document as StructureData; kinds by element, and by name where elements share a site.

    What StructureData has no place for – oxidation states, magnetic moments, other site properties – is in the extras,
    with pymatgen's whole dictionary where there is any of it.

    Args:
        document: Whose crystal.
        record: When it was used.
        sources: Checksums of the files it was read from: the same crystal from another file is another node, since
            AiiDA lets a node have one origin.
    """
    kinds: dict[tuple[tuple[str, float], ...], dict[str, Any]] = {}
    sites = []
    for site in document.structure.get("sites", ()):
        species = tuple((_symbol(each["element"]), float(each["occu"])) for each in site["species"])
        kind = kinds.setdefault(species, _kind(species))
        sites.append({"kind_name": kind["name"], "position": [float(x) for x in _position(site, document.structure)]})
    attributes = {
        "cell": [[float(x) for x in row] for row in _cell(document.structure)],
        **{f"pbc{i}": True for i in (1, 2, 3)},
        "kinds": list(kinds.values()),
        "sites": sites,
        **({"source": {"description": document.source}} if document.source else {}),
    }
    told = {
        "structure_id": document.structure_id,
        "formula": document.formula,
        "chemical_system": document.chemical_system,
        "space_group": document.space_group,
        "space_group_symbol": document.space_group_symbol,
        **({"source": document.source} if document.source else {}),
    }
    if any(_says_more(site) for site in document.structure.get("sites", ())):
        told["pymatgen"] = dict(document.structure)
    return NodeRow(
        uuid=node_uuid("structure", content_hash(document.structure), document.source, *sources),
        kind=NodeKind.STRUCTURE,
        label=document.formula,
        description=f"{document.formula}, {document.space_group_symbol}".rstrip(", "),
        created=record.started_at,
        modified=record.started_at,
        attributes=attributes,
        extras={EXTRA: told},
    )


def _says_more(site: Mapping[str, Any]) -> bool:
    has_state = any(set(each) - {"element", "occu"} for each in site["species"])
    return has_state or bool(site.get("properties"))


def _cell(structure: Mapping[str, Any]) -> Any:
    lattice = structure["lattice"]
    if "matrix" in lattice:
        return lattice["matrix"]
    from pymatgen.core import Lattice

    return Lattice.from_parameters(*(lattice[name] for name in ("a", "b", "c", "alpha", "beta", "gamma"))).matrix


def _position(site: Mapping[str, Any], structure: Mapping[str, Any]) -> Any:
    return site["xyz"] if "xyz" in site else np.asarray(site["abc"]) @ np.asarray(_cell(structure))


def _kind(species: tuple[tuple[str, float], ...]) -> dict[str, Any]:
    symbols, weights = [symbol for symbol, _ in species], [weight for _, weight in species]
    is_plain = len(species) == 1 and weights[0] == 1.0
    name = symbols[0] if is_plain else "".join(f"{s}{w:.4f}".replace(".", "") for s, w in species)
    mass = sum(_mass(s) * w for s, w in species) / sum(weights)
    return {"name": name, "symbols": symbols, "weights": weights, "mass": mass}


def _symbol(element: str) -> str:
    """Return the element of a species; deuterium and tritium are hydrogen to AiiDA."""
    return "H" if element in ("D", "T") else element


@cache
def _mass(symbol: str) -> float:
    from pymatgen.core import Element

    return float(Element(symbol).atomic_mass)


def site_row(document: SpectrumDocument, record: ProvenanceRecord) -> NodeRow:
    """Return which atom was excited, and how, as Dict."""
    told = {
        "absorber": document.absorber,
        "edge": document.edge,
        "site_index": document.site_index,
        "multiplicity": document.multiplicity,
        "site_id": document.site_id,
    }
    label = f"{document.absorber}{document.site_index} {document.edge}"
    return dict_row("absorber", told, record, label=label)


def dict_row(
    what: str, content: Mapping[str, Any], record: ProvenanceRecord, *, label: str = "", uuid: str = ""
) -> NodeRow:
    """Return facts as Dict; the same facts are the same node.

    Args:
        what: What the facts are, e.g. `parameters`.
        content: JSON-ready.
        record: When they were used.
        label: What people see; `what` when empty.
        uuid: UUID, where it is not that of the content.
    """
    return NodeRow(
        uuid=uuid or node_uuid("dict", what, content_hash(content)),
        kind=NodeKind.DICT,
        label=label or what,
        created=record.started_at,
        modified=record.started_at,
        attributes={str(name) or "_": value for name, value in content.items()},
        extras={EXTRA: {"is": what}},
    )


def file_row(
    name: str, checksum: str, content: bytes | None, record: ProvenanceRecord, *, what: str, uuid: str = ""
) -> NodeRow:
    """Return a file: with its content where that is at hand, else as Dict that says which file it was.

    A pseudopotential in the UPF format becomes UpfData, any other file SinglefileData.

    Args:
        name: As the record names it, a path perhaps.
        checksum: `sha256:…`.
        content: What is in it.
        record: When it was used.
        what: Kind of thing, e.g. `source`.
        uuid: UUID, where it is not that of the checksum.
    """
    plain = PurePosixPath(name.partition("#")[0]).name or "file"
    # Where nobody has seen the content, the record has a name in the place of the checksum, e.g. `mp-149`.
    known = {"sha256": checksum.removeprefix("sha256:")} if checksum.startswith("sha256:") else {}
    told = {"is": what, "path": name, **known}
    uuid = uuid or node_uuid("file", checksum)
    if content is None:
        row = dict_row(what, {"filename": plain, **known}, record, label=plain, uuid=uuid)
        return replace(row, extras={EXTRA: told})
    upf = _upf_attributes(plain, content) if what == "pseudopotential" else None
    return NodeRow(
        uuid=uuid,
        kind=NodeKind.FILE if upf is None else NodeKind.PSEUDOPOTENTIAL,
        label=plain,
        created=record.started_at,
        modified=record.started_at,
        attributes={"filename": plain, **(upf or {})},
        extras={EXTRA: told},
        files={plain: content},
    )


def _upf_attributes(name: str, content: bytes) -> dict[str, Any] | None:
    """Return what UpfData says of its content; None for other formats."""
    head = content[:20_000].decode("utf-8", errors="replace")
    found = re.search(r'element\s*=\s*["\']\s*([A-Za-z]{1,2})\s*["\']', head) or re.search(
        r"^\s*([A-Z][a-z]?)\s+Element\s*$", head, re.MULTILINE
    )
    if not name.lower().endswith(".upf") or found is None:
        return None
    # AiiDA tells pseudopotentials apart by MD5.
    return {"element": found[1].capitalize(), "md5": hashlib.md5(content, usedforsecurity=False).hexdigest()}


def folder_row(uuid: str, label: str, files: Mapping[str, bytes], record: ProvenanceRecord, **told: Any) -> NodeRow:
    """Return files together as FolderData."""
    return NodeRow(
        uuid=uuid,
        kind=NodeKind.FOLDER,
        label=label,
        created=record.ended_at,
        modified=record.ended_at,
        extras={EXTRA: {"is": label, **told}},
        files=files,
    )
