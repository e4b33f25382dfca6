"""Spectra in the JSON of pymatgen (`XAS`) and of the Materials Project (`XASDoc` of emmet), alone or in lists.

Mathew et al., Sci. Data 5, 180151 (2018), doi:10.1038/sdata.2018.151, describe the Materials Project's spectra: FEFF 9,
on absolute photon energies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.database.ingest.entry import Entry, IngestOptions, Skipped
from whiteline.database.ingest.limits import unpacked_name
from whiteline.database.ingest.sample import crystal_fields, find_site, imported_id, site_fields, unknown_sample
from whiteline.database.ingest.structure_files import read_json, structure_from
from whiteline.edges import Edge, edge_energy
from whiteline.errors import InputError, ParseError
from whiteline.provenance import content_checksum
from whiteline.spectrum import EnergyReference, Quantity, Spectrum
from whiteline.status import Check, Status
from whiteline.structures import element_symbol

__all__ = ["XasJsonReader", "xas_document"]

_NAMES: Final = ("x", "y", "absorbing_element", "edge")
_DOC_NAMES: Final = ("material_id", "task_id", "task_ids", "spectrum_id", "last_updated", "xas_id")
# Names that lists of spectra are kept under, besides bare lists.
_LISTS: Final = ("data", "spectra", "docs", "response")
_TYPES: Final = ("XANES", "XAFS")
_DEEPEST: Final = 3
_LARGEST: Final = 1e300
_MOST_SITES: Final = 2**31
_CITATION: Final = "doi:10.1038/sdata.2018.151"


class XasJsonReader:
    """Reads JSON files of spectra."""

    kind = "xas-json"

    def claims(self, path: Path) -> bool:
        """Return whether the file is JSON by its name; whether it holds spectra is seen when it is read."""
        return unpacked_name(path.name).lower().endswith(".json") and _mentions_spectra(path)

    def read(self, path: Path, options: IngestOptions) -> Iterator[Entry | Skipped]:
        """Yield the spectra of a file.

        Raises:
            ParseError: It is no JSON, or holds no spectrum.
        """
        content = read_json(path, options.limits)
        checksum = content_checksum(path.read_bytes())
        n_found = 0
        for place, data in _spectra(content, ""):
            n_found += 1
            source = f"{path}#{place}" if place else str(path)
            try:
                document = xas_document(data, source=source, options=options)
            except (InputError, ParseError) as error:
                yield Skipped(source, str(error))
            else:
                yield Entry(document, {str(path): checksum})
        if not n_found:
            raise ParseError(
                f"{path} holds no spectrum: expected pymatgen's XAS or the Materials Project's XAS documents, with "
                f"{', '.join(_NAMES)}"
            )


def xas_document(data: Mapping[str, Any], *, source: str, options: IngestOptions) -> SpectrumDocument:
    """Return the document of one spectrum.

    Args:
        data: Dictionary of pymatgen's XAS, or document of the Materials Project around it.
        source: File and place.
        options: What the user said.

    Raises:
        ParseError: A part is missing or damaged, or it is no near-edge spectrum.
        InputError: Its structure or numbers cannot be used.
    """
    inner = data.get("spectrum")
    merged = {**data, **inner} if isinstance(inner, Mapping) else dict(data)
    element = _text(merged, "absorbing_element", source)
    edge = Edge.parse(_text(merged, "edge", source))
    edge_energy(element, edge)
    kind = str(merged.get("spectrum_type") or "XANES").upper().rpartition(".")[2]
    if kind not in _TYPES:
        raise ParseError(f"{source} is {kind}, expected {' or '.join(_TYPES)}: only spectra near the edge are taken")
    spectrum = _spectrum(merged, source)
    index = merged.get("absorbing_index")
    if index is not None and (isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < _MOST_SITES):
        raise ParseError(
            f"{source}: expected absorbing_index as a whole number from 0 or null, got {str(index)[:40]!a}: correct it"
        )
    is_project = any(name in data for name in _DOC_NAMES)
    code = "feff" if is_project else "unknown"
    sample = _sample(merged, element, edge, index, source)
    parameters = {"spectrum_type": kind, **_identifiers(data)}
    site = str(sample.get("site_id") or sample.get("structure_id") or index)
    check = Check("scf", is_passed=False, detail="no log says whether the calculation converged")
    values = {
        "id": imported_id(code, element, edge.value, site=site, parameters=parameters, spectrum=spectrum),
        "kind": DocumentKind.MATERIAL if index is None else DocumentKind.SITE,
        "spectrum": spectrum,
        # A published document was checked by those who published it; a bare spectrum was not.
        "status": Status.CONVERGED if is_project else Status.UNCONVERGED,
        "reason": "" if is_project else f"{check.name}: {check.detail}",
        "checks": () if is_project else (check,),
        "absorber": element,
        "edge": edge.value,
        "code": code,
        "code_version": "FEFF 9" if is_project else "",
        "fidelity": f"{code}:{'materials-project' if is_project else 'imported'}",
        "parameters": parameters,
        "site_index": index,
        "source": source,
        "licence": options.licence or ("CC-BY-4.0" if is_project else ""),
        "citation": options.citation or (_CITATION if is_project else ""),
    }
    return SpectrumDocument(**{**values, **sample})


def _mentions_spectra(path: Path) -> bool:
    """Return whether a packed file, or the beginning of a plain one, can hold spectra."""
    if path.name != unpacked_name(path.name):
        return True
    try:
        with path.open("rb") as file:
            return file.read(1).strip() in (b"", b"{", b"[")
    except OSError:
        return False


def _spectra(content: Any, place: str, depth: int = 0) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what looks like a spectrum, with its place."""
    if isinstance(content, Mapping):
        inner = content.get("spectrum")
        if all(name in content for name in ("x", "y")) or (isinstance(inner, Mapping) and "x" in inner):
            yield place, content
            return
        lists = [name for name in _LISTS if isinstance(content.get(name), list)]
        members = [(name, content[name]) for name in lists] or list(content.items())
    elif isinstance(content, list):
        members = [(str(i), member) for i, member in enumerate(content)]
    else:
        return
    if depth < _DEEPEST:
        for name, member in members:
            if isinstance(member, Mapping | list):
                yield from _spectra(member, f"{place}.{name}" if place else str(name), depth + 1)


def _text(data: Mapping[str, Any], name: str, source: str) -> str:
    value = data.get(name)
    if isinstance(value, Mapping):  # an enumeration or element that was serialised as an object
        value = value.get("value", value.get("element"))
    if not isinstance(value, str) or not value:
        raise ParseError(f"{source}: expected {name} as text, got {str(value)[:40]!a}: export the spectrum again")
    return value


def _spectrum(data: Mapping[str, Any], source: str) -> Spectrum:
    axes = []
    for name in ("x", "y"):
        values = data.get(name)
        if isinstance(values, Mapping):  # a numpy array as monty serialises it
            values = values.get("data")
        if not isinstance(values, list) or not all(map(_is_number, values)):
            raise ParseError(f"{source}: expected {name} as a list of finite numbers: export the spectrum again")
        axes.append(np.array(values, dtype=float))
    if len(axes[0]) != len(axes[1]):
        raise ParseError(f"{source} has {len(axes[0])} energies and {len(axes[1])} intensities: export it again")
    return Spectrum(*axes, energy_reference=EnergyReference.ABSOLUTE, quantity=Quantity.CROSS_SECTION)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST


def _sample(data: Mapping[str, Any], element: str, edge: Edge, index: int | None, source: str) -> dict[str, Any]:
    if not isinstance(data.get("structure"), Mapping):
        return unknown_sample()
    structure = structure_from(data["structure"], source=f"{source}, structure")
    elements = [element_symbol(site.specie) for site in structure]
    if element not in elements:
        raise ParseError(f"{source}: there is no {element} in its structure of {structure.composition.reduced_formula}")
    if index is None:
        return {**crystal_fields(structure), "multiplicity": elements.count(element)}
    absorber = find_site(structure, index, edge)
    if absorber.element != element:
        raise ParseError(f"{source}: site {index} is {absorber.element}, the spectrum is of {element}: correct one")
    return site_fields(absorber)


def _identifiers(data: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(data[name])[:200] for name in _DOC_NAMES if name != "last_updated" and data.get(name)}
