"""Spectra as NeXus files (HDF5) after the application definition NXxas.

NXxas exists in two forms: that for raw data of a scan, with an instrument, and the generic one of 2024 and later, which
knows calculated spectra (https://manual.nexusformat.org). A file written here has the fields that each demands.
What an instrument would have measured is stated as what it is: a calculation has an incoming beam of one.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from whiteline import __version__
from whiteline.database.documents import DocumentKind, SpectrumDocument, json_text
from whiteline.database.optional import load_optional
from whiteline.database.table_files import new_file
from whiteline.errors import InputError, UnitError
from whiteline.provenance import ProvenanceRecord
from whiteline.spectrum import Spectrum
from whiteline.units import Quantity

if TYPE_CHECKING:
    from typing_extensions import Buffer  # of collections.abc from Python 3.12 on

__all__ = ["write_nexus"]

_ABSOLUTE_UNITS = {Quantity.CROSS_SECTION: "Mbarn", Quantity.IM_EPSILON: "", Quantity.ENERGY_LOSS: "Mbarn/eV"}
# The definition's words for what the detectors saw.
_MODES = {"transmission": "Transmission", "fluorescence": "Fluorescence Yield"}
# IUPAC's notation of sums of edges.
_EDGE_NAMES = {"L23": "L2,3", "M23": "M2,3", "M45": "M4,5"}


def write_nexus(path: str | Path, items: Iterable[tuple[SpectrumDocument, ProvenanceRecord | None]]) -> int:
    """Write spectra as one NeXus file, an entry each, in place of an earlier file; return their number.

    Args:
        path: The file, by custom ending in `.nxs`.
        items: Documents, each with how it came about if that is known.

    Raises:
        InputError: There is no document, or one failed and has no spectrum.
        MissingDependencyError: h5py is not installed.
        StoreError: The file cannot be written.
    """
    h5py = load_optional("h5py", purpose="a NeXus file", extra="hdf5")
    n_entries = 0
    with new_file(Path(path)) as draft, _Draft(draft, "w+b") as disk:
        with h5py.File(disk, "w") as file:
            facts = {"creator": "Whiteline", "creator_version": __version__, "file_name": _text(Path(path).name)}
            _describe(file, "NXroot", facts)
            for document, record in items:
                name = "entry" if n_entries == 0 else f"entry_{n_entries + 1}"
                _write_entry(h5py, file.create_group(name), document, record)
                file.attrs.setdefault("default", name)
                n_entries += 1
                disk.check()
            if not n_entries:
                raise InputError("no spectrum to write: the query finds none, widen it")
        disk.check()  # of what was written on closing
    return n_entries


class _Draft(FileIO):
    """A file that remembers what went wrong instead of telling HDF5, which cannot close a file on a full disk."""

    _fault: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        """Write all of `data`, or nothing more after a fault."""
        view = memoryview(data).cast("B")
        n_written = 0
        try:
            while self._fault is None and n_written < len(view):
                n_written += super().write(view[n_written:])
        except OSError as error:
            self._fault = error
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Set the length, unless there was a fault."""
        try:
            return super().truncate(size) if self._fault is None else 0
        except OSError as error:
            self._fault = error
            return 0

    def check(self) -> None:
        """Raise what went wrong, if anything did."""
        if self._fault is not None:
            raise self._fault


def _write_entry(h5py: Any, entry: Any, document: SpectrumDocument, record: ProvenanceRecord | None) -> None:
    spectrum = document.spectrum
    if spectrum is None:
        raise InputError(
            f"document {document.id} failed ({document.reason}) and has no spectrum to export: "
            "leave it out, e.g. with --status converged"
        )
    is_measured = document.kind is DocumentKind.MEASURED
    sample = document.formula or document.source or "unknown"
    _describe(entry, "NXentry", {"default": "data"})
    entry["definition"] = "NXxas"
    origin = "measured" if is_measured else "computed"
    entry["title"] = _text(f"{document.absorber} {document.edge} edge of {sample}, {origin}")
    entry["start_time"] = document.created_at if record is None else record.started_at
    entry["entry_identifier"] = document.id
    entry["is_experimental"] = is_measured
    _group(entry, "element", "NXelement", {"symbol": document.absorber})
    _group(entry, "edge", "NXabsorption_edge", {"name": _EDGE_NAMES.get(document.edge, document.edge)})
    _write_arrays(h5py, entry, spectrum)
    _write_mode(entry["data"], document)
    _write_instrument(h5py, entry, document)
    _write_sample(entry, document, sample)
    _write_process(entry, document, record)


def _write_arrays(h5py: Any, entry: Any, spectrum: Spectrum) -> None:
    energy, intensity, facts = _plotted(spectrum)
    entry["energy"] = energy
    entry["energy"].attrs["units"] = "eV"
    entry["intensity"] = intensity
    entry["intensity"].attrs.update(facts)
    data = _group(entry, "data", "NXdata", {})
    data.attrs.update({"signal": "intensity", "axes": "energy", "energy_indices": 0})
    links = {"energy": "energy", "intensity": "intensity", "absorbed_beam": "intensity"}
    for name, target in links.items():
        entry[target].attrs.setdefault("target", entry[target].name)
        data[name] = h5py.SoftLink(entry[target].name)
    if len(spectrum.polarisations) > 1:
        components = _group(entry, "components", "NXcollection", {"energy": h5py.SoftLink(entry["energy"].name)})
        components["intensity"] = spectrum.components
        components["label"] = [_text(polarisation.label) for polarisation in spectrum.polarisations]
        components["weight"] = np.array([polarisation.weight for polarisation in spectrum.polarisations])
        components["intensity"].attrs["long_name"] = "raw intensity of each polarisation"


def _write_mode(data: Any, document: SpectrumDocument) -> None:
    """Write how the absorption was observed; nothing where a measurement does not say."""
    signal = "transmission"
    if document.kind is DocumentKind.MEASURED:
        signal = str(document.parameters.get("signal", ""))
    if signal in _MODES:
        data["mode"] = _MODES[signal]
    if document.kind is not DocumentKind.MEASURED:
        data["mode"].attrs["note"] = "a calculated absorption coefficient is what transmission measures"


def _plotted(spectrum: Spectrum) -> tuple[Any, Any, dict[str, Any]]:
    """Return axis, intensity in the best units that are known, and what to say of it."""
    facts: dict[str, Any] = {"quantity": spectrum.quantity.value}
    energy = spectrum.energy if spectrum.reference_energy is None else spectrum.photon_energy
    facts["energy_reference"] = spectrum.energy_reference.value if spectrum.reference_energy is None else "absolute"
    if spectrum.scale is None:
        return energy, spectrum.intensity, {**facts, "units": "", "long_name": "intensity (arbitrary units)"}
    try:
        facts |= {"units": "Mbarn", "long_name": "cross-section per absorbing atom", "quantity": "cross_section"}
        return energy, spectrum.cross_section(), facts
    except UnitError:
        facts |= {"units": _ABSOLUTE_UNITS[spectrum.quantity], "long_name": spectrum.quantity.value}
        return energy, spectrum.scale * spectrum.intensity, {**facts, "quantity": spectrum.quantity.value}


def _write_instrument(h5py: Any, entry: Any, document: SpectrumDocument) -> None:
    """Write what the definition for raw data demands, linked to the spectrum."""
    is_measured = document.kind is DocumentKind.MEASURED
    instrument = _group(entry, "instrument", "NXinstrument", {})
    kind, name = ("Synchrotron X-ray Source", "unknown") if is_measured else ("Simulation", document.code)
    _group(instrument, "source", "NXsource", {"type": kind, "name": name, "probe": "x-ray"})
    ones = np.ones(entry["energy"].shape)
    links = {name: h5py.SoftLink(entry[name].name) for name in ("energy", "intensity")}
    _group(instrument, "monochromator", "NXmonochromator", {"energy": links["energy"]})
    incoming = _group(instrument, "incoming_beam", "NXdetector", {"data": ones})
    incoming["data"].attrs["long_name"] = "incoming beam, one by definition: the intensity is normalised by it"
    _group(instrument, "absorbed_beam", "NXdetector", {"data": links["intensity"]})
    monitor = _group(entry, "monitor", "NXmonitor", {"mode": "monitor", "preset": 1.0, "data": ones})
    for field in (incoming["data"], monitor["data"], monitor["preset"]):
        field.attrs["units"] = ""


def _write_sample(entry: Any, document: SpectrumDocument, name: str) -> None:
    known = {"chemical_formula": document.formula, "space_group": document.space_group_symbol}
    sample = _group(entry, "sample", "NXsample", {"name": name, **{k: v for k, v in known.items() if v}})
    if not document.structure:
        return
    if document.structure.get("@class") == "Structure":  # a cluster has no cell, and CIF no place for it
        _write_note(sample, "structure", "chemical/x-cif", _cif(document.structure), "the crystal as CIF")
    text = json_text(dict(document.structure), what=f"the structure of {document.id}")
    _write_note(sample, "structure_pymatgen", "application/json", text, "the structure to the last digit")
    sample["structure_id"] = document.structure_id
    if document.site_index is not None:
        sample["site_index"] = document.site_index


def _cif(structure: Mapping[str, Any]) -> str:
    from pymatgen.core import Structure
    from pymatgen.io.cif import CifWriter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about rounding and missing oxidation states; the exact cell stands beside it
        return str(CifWriter(Structure.from_dict(dict(structure)), significant_figures=12))


def _write_process(entry: Any, document: SpectrumDocument, record: ProvenanceRecord | None) -> None:
    facts = {"program": document.code, "version": document.code_version, "date": document.created_at}
    process = _group(entry, "process", "NXprocess", facts)
    metadata = {name: value for name, value in document.metadata().items() if name != "parameters"}
    notes = {"parameters": dict(document.parameters), "document": metadata}
    if document.spectrum is not None:
        axes = {"energy", "components"}
        notes["spectrum"] = {k: v for k, v in document.spectrum.to_dict().items() if k not in axes}
    if record is not None:
        notes["record"] = record.to_dict()
    for name, value in notes.items():
        _write_note(process, name, "application/json", json_text(value, what=f"{name} of {document.id}"), name)


def _write_note(parent: Any, name: str, kind: str, text: str, description: str) -> None:
    _group(parent, name, "NXnote", {"type": kind, "data": text, "description": description})


def _group(parent: Any, name: str, kind: str, fields: Mapping[str, Any]) -> Any:
    group = parent.create_group(name)
    _describe(group, kind, {})
    for field, value in fields.items():
        group[field] = _text(value) if isinstance(value, str) else value
    return group


def _text(text: str) -> str:
    """Return text that HDF5 can hold: it ends at a NUL and must be UTF-8."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()


def _describe(group: Any, kind: str, attributes: Mapping[str, Any]) -> None:
    group.attrs["NX_class"] = kind
    group.attrs.update(attributes)
