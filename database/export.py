"""A stored spectrum as a file for other programs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline import __version__
from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.errors import InputError, ParameterError, UnitError, did_you_mean
from whiteline.provenance import ProvenanceRecord
from whiteline.spectrum import Spectrum
from whiteline.status import Status
from whiteline.units import EnergyReference

__all__ = ["ExportFormat", "export"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# XDI knows no combined edges: https://github.com/XraySpectroscopy/XAS-Data-Interchange, its dictionary.
_XDI_EDGES = {"L23": "L", "M23": "M", "M45": "M"}


class ExportFormat(StrEnum):
    """What spectra can be written as: one a file as text, or many a file."""

    XDI = "xdi"
    CSV = "csv"
    JSON = "json"
    NEXUS = "nexus"
    PARQUET = "parquet"

    @property
    def is_text(self) -> bool:
        """Whether it holds one spectrum, as text."""
        return self not in (ExportFormat.NEXUS, ExportFormat.PARQUET)

    @property
    def suffix(self) -> str:
        """How names of such files end."""
        return ".nxs" if self is ExportFormat.NEXUS else f".{self.value}"

    @classmethod
    def parse(cls, name: str) -> ExportFormat:
        """Return the format of that name.

        Raises:
            ParameterError: There is none; the message names the nearest.
        """
        if name not in set(cls):
            raise ParameterError(f"unknown format {name!r}: {did_you_mean(name, [f.value for f in cls])}")
        return cls(name)


def export(document: SpectrumDocument, record: ProvenanceRecord | None = None, fmt: ExportFormat | str = "xdi") -> str:
    """Return the text of a file with the spectrum of a document and what it was made from.

    XDI follows version 1.0 of the XAS Data Interchange specification; what it has no word for stands in the
    namespace `Whiteline`. Numbers are written so that they read back to the same bits.

    Args:
        document: What to export.
        record: How it came about, if that is known.
        fmt: `xdi`, `csv` or `json`.

    Raises:
        InputError: The calculation failed, so that there is no spectrum.
        ParameterError: No such format, or none that is text.
    """
    if not ExportFormat.parse(fmt).is_text:
        raise ParameterError(f"{fmt} is no text: write it to a file with whiteline.database.export_files.export_many")
    if document.spectrum is None:
        raise InputError(
            f"document {document.id} failed ({document.reason}) and has no spectrum to export: "
            "compute it again with other parameters"
        )
    if fmt == ExportFormat.JSON:
        provenance = None if record is None else record.to_dict()
        return json.dumps({**document.to_dict(), "provenance": provenance}, indent=1, allow_nan=False) + "\n"
    lines = _xdi(document, document.spectrum, record)
    if fmt == ExportFormat.CSV:
        lines = _csv(document, document.spectrum, record)
    return "\n".join(lines) + "\n"


def _xdi(document: SpectrumDocument, spectrum: Spectrum, record: ProvenanceRecord | None) -> Iterator[str]:
    energy, axis = _energy(spectrum)
    columns = {"energy": energy, **_intensities(spectrum)}
    units = ["eV" if axis == "absolute" else f"eV ({axis})", *(_unit(name) for name in list(columns)[1:])]
    yield f"# XDI/1.0 Whiteline/{__version__}"
    for i_column, (name, unit) in enumerate(zip(columns, units, strict=True), 1):
        yield f"# Column.{i_column}: {name} {unit}".rstrip()
    yield f"# Element.symbol: {_one_line(document.absorber)}"
    yield f"# Element.edge: {_XDI_EDGES.get(document.edge, document.edge)}"
    if document.formula:
        yield f"# Sample.name: {_one_line(document.formula)}"
    for name, value in _facts(document, spectrum, record):
        yield f"# Whiteline.{name}: {value}"
    yield "# ///"
    yield from (f"# {line}" for line in _comments(document))
    yield "#" + "-" * 60
    yield "# " + " ".join(columns)
    yield from _table(columns, " ")


def _csv(document: SpectrumDocument, spectrum: Spectrum, record: ProvenanceRecord | None) -> Iterator[str]:
    energy, _ = _energy(spectrum)
    columns = {"energy_ev": energy, **_intensities(spectrum)}
    yield f"# Whiteline {__version__}"
    yield from (f"# {line}" for line in _comments(document))
    yield f"# absorber: {_one_line(document.absorber)}"
    yield f"# edge: {document.edge}"
    yield f"# formula: {_one_line(document.formula)}"
    yield from (f"# {name}: {value}" for name, value in _facts(document, spectrum, record))
    yield ",".join(columns)
    yield from _table(columns, ",")


def _energy(spectrum: Spectrum) -> tuple[Float[Array, " energy"], str]:
    """Return the axis, absolute where that is known, and what it is counted from."""
    if spectrum.reference_energy is None:
        return spectrum.energy, f"from {spectrum.energy_reference.value}, absolute energy unknown"
    return spectrum.photon_energy, EnergyReference.ABSOLUTE.value


def _intensities(spectrum: Spectrum) -> dict[str, Float[Array, " energy"]]:
    columns = {"intensity": spectrum.intensity}
    try:
        columns["cross_section_mbarn"] = spectrum.cross_section()
    except UnitError:
        # In arbitrary units there is no such column; the intensity says so.
        columns.pop("cross_section_mbarn", None)
    if len(spectrum.polarisations) > 1:
        for i_row, (polarisation, row) in enumerate(zip(spectrum.polarisations, spectrum.components, strict=True)):
            label = re.sub(r"[^A-Za-z0-9]+", "_", polarisation.label).strip("_") or str(i_row)
            name = f"component_{label}"
            columns[name if name not in columns else f"{name}_{i_row}"] = row
    return columns


def _unit(column: str) -> str:
    return "Mbarn" if column == "cross_section_mbarn" else ""


def _facts(
    document: SpectrumDocument, spectrum: Spectrum, record: ProvenanceRecord | None
) -> Iterator[tuple[str, str]]:
    """Yield name and one-line value of everything that a reader may want to know."""
    _, axis = _energy(spectrum)
    facts: dict[str, object] = {
        "id": document.id,
        "kind": document.kind.value,
        "status": document.status.value,
        "reason": document.reason,
        "edge": document.edge,
        "energy_axis": axis,
        "energy_reference": spectrum.energy_reference.value,
        "energy_shift": spectrum.shift,
        "quantity": spectrum.quantity.value,
        "scale": "unknown, arbitrary units" if spectrum.scale is None else spectrum.scale,
        "polarisations": {p.label: p.weight for p in spectrum.polarisations},
        "broadening": [applied.to_dict() for applied in spectrum.broadening],
        "code": document.code,
        "code_version": document.code_version,
        "fidelity": document.fidelity,
        "space_group": f"{document.space_group_symbol} ({document.space_group})" if document.space_group else "",
        "site_index": document.site_index,
        "multiplicity": document.multiplicity,
        "structure_id": document.structure_id,
        "source": document.source,
        "licence": document.licence,
        "citation": document.citation,
        "parents": list(document.parents),
        "created_at": document.created_at,
    }
    facts.update({f"check_{c.name}": f"{_verdict(c.is_passed)} {c.detail}" for c in document.checks})
    facts.update({f"parameter_{name}": value for name, value in document.parameters.items()})
    if record is not None:
        facts.update({"activity": record.activity, "record": record.id, "libraries": dict(record.libraries)})
        facts.update({"executables": dict(record.executables), "commit": record.commit})
    for name, value in facts.items():
        if value not in (None, "", [], {}):
            yield re.sub(r"[^A-Za-z0-9_]", "_", name), _one_line(value)


def _verdict(is_passed: bool) -> str:  # noqa: FBT001  # the one thing it is about
    return "passed" if is_passed else "NOT PASSED"


def _comments(document: SpectrumDocument) -> Iterator[str]:
    origin = "measured" if document.kind is DocumentKind.MEASURED else "computed, not measured"
    sample = _one_line(document.formula) or "an unknown sample"
    yield f"{_one_line(document.absorber)} {document.edge} edge of {sample}, {origin}"
    if document.status is Status.UNCONVERGED:
        yield f"WARNING: this spectrum is NOT CONVERGED: {_one_line(document.reason)}"


def _one_line(value: object) -> str:
    """Return text without line breaks and control characters, which would end or fake a header line."""
    text = value if isinstance(value, str) else json.dumps(value)
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())


def _table(columns: dict[str, Float[Array, " energy"]], separator: str) -> Iterator[str]:
    for row in zip(*(column.tolist() for column in columns.values()), strict=True):
        yield separator.join(repr(number) for number in row)
