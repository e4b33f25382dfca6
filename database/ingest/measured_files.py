"""Measured spectra: XDI, Athena's projects and columns of text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.database.ingest.entry import Entry, IngestOptions, Skipped
from whiteline.database.ingest.limits import check_file
from whiteline.database.ingest.sample import formula_sample, imported_id
from whiteline.database.measured import is_athena, read_athena, read_measured
from whiteline.edges import Edge, edge_energy
from whiteline.errors import InputError, ParseError
from whiteline.measured import MeasuredSpectrum
from whiteline.provenance import content_checksum
from whiteline.status import Status

__all__ = ["MeasuredReader", "measured_document"]

_XDI: Final = b"XDI/"
_FIRST: Final = 64
_SAMPLE_NAMES: Final = ("sample.name", "label", "sample")
# eV; how far the edge may lie outside of the scan: a calibration may be off, and a scan may begin late.
_EDGE_REACH: Final = 50.0


class MeasuredReader:
    """Reads measured spectra; claims XDI files and Athena projects, and reads columns of text where asked to."""

    kind = "measured"

    def claims(self, path: Path) -> bool:
        """Return whether the file says that it is XDI or an Athena project."""
        if path.suffix.lower() in (".xdi", ".prj"):
            return True
        try:
            with path.open("rb") as file:
                first = file.read(_FIRST)
        except OSError:
            return False
        return first.lstrip(b"\xef\xbb\xbf# \t").startswith(_XDI)

    def read(self, path: Path, options: IngestOptions) -> Iterator[Entry | Skipped]:
        """Yield the spectrum of a file, or those of a project.

        Raises:
            ParseError: The file cannot be read.
        """
        check_file(path, options.limits)
        content = path.read_bytes()
        inputs = {str(path): content_checksum(content)}
        files = {path.name: content} if len(content) <= options.limits.max_raw_bytes else {}
        if is_athena(path):
            for group in read_athena(path, max_bytes=options.limits.max_bytes):
                if group.spectrum is None:
                    yield Skipped(f"{path}#{group.label}", group.problem)
                else:
                    yield _entry(group.spectrum, options, inputs, files)
            return
        yield _entry(read_measured(path), options, inputs, files)


def measured_document(measured: MeasuredSpectrum, options: IngestOptions) -> SpectrumDocument:
    """Return the document of a measured spectrum.

    Its id is a hash of energies, absorption, element and edge, so that copies of a file are one spectrum.

    Raises:
        ParseError: Nothing says which edge it is, or the scan does not reach it.
    """
    element, edge = measured.element or options.absorber, measured.edge or options.edge
    if element is None or edge is None:
        missing = " and ".join(name for name, one in (("--absorber", element), ("--edge", edge)) if one is None)
        raise ParseError(f"{measured.source} does not say which edge was measured: give {missing}")
    _check_edge(measured, element, edge)
    spectrum = measured.to_spectrum()
    meta = measured.metadata
    return SpectrumDocument(
        id=imported_id("experiment", element, edge.value, site="", parameters={}, spectrum=spectrum),
        kind=DocumentKind.MEASURED,
        spectrum=spectrum,
        status=Status.CONVERGED,
        absorber=element,
        edge=edge.value,
        code="experiment",
        code_version="",
        fidelity=f"experiment:{measured.signal.value}",
        parameters=_parameters(measured),
        source=measured.source,
        licence=options.licence or meta.get("licence", meta.get("license", "")),
        citation=options.citation or meta.get("citation", meta.get("reference.doi", "")),
        **formula_sample(meta.get("sample.formula", meta.get("sample.stoichiometry", "")), element),
    )


def _entry(
    measured: MeasuredSpectrum, options: IngestOptions, inputs: dict[str, str], files: dict[str, bytes]
) -> Entry | Skipped:
    try:
        return Entry(measured_document(measured, options), inputs, files)
    except (InputError, ParseError) as error:
        return Skipped(measured.source, str(error))


def _check_edge(measured: MeasuredSpectrum, element: str, edge: Edge) -> None:
    tabulated = edge_energy(element, edge)
    first, last = float(measured.energy[0]), float(measured.energy[-1])
    if not first - _EDGE_REACH <= tabulated <= last + _EDGE_REACH:
        raise ParseError(
            f"{measured.source} goes from {first:.1f} to {last:.1f} eV, the {element} {edge} edge lies at "
            f"{tabulated:.1f} eV: correct element and edge, or the unit of the energies"
        )


def _parameters(measured: MeasuredSpectrum) -> dict[str, Any]:
    """Return how it was measured, and what else the file says under `header`."""
    header = dict(measured.metadata)
    return {
        "signal": measured.signal.value,
        "derivation": measured.derivation,
        "notes": list(measured.notes),
        "sample": next((header[name] for name in _SAMPLE_NAMES if name in header), ""),
        "header": header,
    }
