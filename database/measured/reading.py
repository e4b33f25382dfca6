"""A measured spectrum from a file, whatever the layout of its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from whiteline.database.measured.columns import derive, is_row_of_names, split_unit
from whiteline.database.measured.table import COMMENT_MARKS, ColumnTable, Line, read_rows, split_fields
from whiteline.database.measured.xdi import Header, is_xdi, read_xdi_header
from whiteline.edges import Edge, edge_energy
from whiteline.errors import ParameterError, ParseError
from whiteline.measured import MeasuredSpectrum, Signal

__all__ = ["read_measured"]

_MAX_BYTES = 64 * 2**20
_MAX_LINE = 20_000
_FIELD = re.compile(r"([A-Za-z][\w .]{0,40}?)\s*[:=]\s*(\S.*)")
_NUMBER = re.compile(r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?")
# What Whiteline's own export and XDI's dictionary write for sums of two edges.
_XDI_EDGES = {"L": Edge.L23}
_KNOWN_FORMATS = {
    b"\x1f\x8b": "a gzip archive (Athena projects are; `whiteline ingest` reads them): export the group, or unpack it",
    b"PK\x03\x04": "a zip archive or a spreadsheet: save it as CSV",
    b"\x89HDF": "an HDF5 or NeXus file: export energy and detectors as CSV",
    b"%PDF": "a PDF: give the data file",
}


def read_measured(
    path: str | Path, *, signal: Signal | str | None = None, columns: Sequence[str] | None = None
) -> MeasuredSpectrum:
    """Return the spectrum of an XDI, CSV, Athena or other column file of one scan.

    Columns are known by their names. Files without names are read when they have two columns: photon energy in eV
    and absorption.

    Args:
        path: The file.
        signal: Transmission, fluorescence, reference …, where the file has several; transmission first when None.
        columns: Names of the columns in place of those in the file, e.g. `energy_kev`, `i0`, `itrans`; `-` for one
            that is left out.

    Raises:
        ParseError: The file cannot be read, is damaged, or does not say what its columns are.
        ParameterError: The signal is unknown.
    """
    if signal is not None and signal not in list(Signal):
        raise ParameterError(f"unknown signal {signal!r}: expected {', '.join(Signal)}")
    path = Path(path)
    lines = _lines(path)
    source = path.name
    is_comment = [text.lstrip().startswith(COMMENT_MARKS) for _, text in lines]
    comments = [(n, text.lstrip()) for (n, text), is_one in zip(lines, is_comment, strict=True) if is_one]
    rows = [line for line, is_one in zip(lines, is_comment, strict=True) if not is_one]
    is_standard = bool(comments) and is_xdi(comments[0][1])
    header = read_xdi_header(comments, source) if is_standard else _free_header(comments)
    data, places, preamble = read_rows(rows, source)
    names, units, note = _labels(header, [*comments, *preamble], data.shape[1], columns, source)
    table = ColumnTable(source=source, names=names, units=units, data=data, lines=places)
    made = derive(table, signal=None if signal is None else Signal(signal), d_spacing=_d_spacing(header, source))
    element, edge, edge_note = _absorber(header, source, is_strict=is_standard)
    return MeasuredSpectrum(
        made.energy,
        made.mu,
        signal=made.signal,
        derivation=made.formula,
        element=element,
        edge=edge,
        metadata=header.metadata,
        notes=tuple(text for text in (note, edge_note, *made.notes, _end_note(lines)) if text),
        source=str(path),
    )


def _lines(path: Path) -> list[Line]:
    try:
        if not path.is_file():
            reason = "it is no regular file" if path.exists() else "no such file"
            raise ParseError(f"cannot read {path}: {reason}; give a file with one measured spectrum")
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise ParseError(f"{path} has {size / 2**20:.0f} MiB: a spectrum has at most {_MAX_BYTES // 2**20} MiB")
        content = path.read_bytes()
    except OSError as error:
        raise ParseError(f"cannot read {path} ({error.strerror}): check its permissions") from error
    for magic, hint in _KNOWN_FORMATS.items():
        if content.startswith(magic):
            raise ParseError(f"{path} is {hint}")
    if b"\0" in content:
        n_line = content[: content.index(b"\0")].count(b"\n") + 1
        raise ParseError(f"{path}, line {n_line}: expected text, got binary data: export the spectrum as XDI or CSV")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Degree and angstrom signs of old programs.
        text = content.decode("latin-1")
    lines = list(enumerate(re.split(r"\r\n|\n|\r", text), start=1))
    for number, line in lines:
        if len(line) > _MAX_LINE:
            raise ParseError(
                f"{path}, line {number}: the line has {len(line)} characters, expected at most {_MAX_LINE}: is this a "
                "file of columns?"
            )
    if not text.strip():
        raise ParseError(f"{path} is empty: copy the file again")
    return lines


def _end_note(lines: Sequence[Line]) -> str:
    # Nothing tells a number that was cut from a whole one.
    return "the last line has no line end: if the file was cut off, so was its last point" if lines[-1][1] else ""


def _free_header(comments: Sequence[Line]) -> Header:
    metadata: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, text in comments:
        found = _FIELD.fullmatch(text.lstrip("".join(COMMENT_MARKS)).strip())
        if found and found[1].lower() not in metadata:
            metadata[found[1].lower()] = found[2].strip()
            lines[found[1].lower()] = number
    return Header((), (), metadata, lines)


def _labels(
    header: Header, texts: Sequence[Line], n_column: int, columns: Sequence[str] | None, source: str
) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Return names and units of the columns, and a note when they were assumed."""
    if n_column < 2:
        raise ParseError(f"{source}: expected photon energy and absorption, got one column: export both")
    if columns is not None:
        if len(columns) != n_column:
            raise ParseError(
                f"{source}: {len(columns)} columns are named ({', '.join(columns)}) and the file has {n_column}: name "
                "each, with - for those that are left out"
            )
        return _split(columns)
    if header.names:
        if len(header.names) != n_column:
            raise ParseError(
                f"{source}: the header names {len(header.names)} columns ({', '.join(header.names)}) and the rows have "
                f"{n_column}: correct the header, or give --columns"
            )
        return header.names, header.units, ""
    for _, text in reversed(texts):
        body = text.lstrip("".join(COMMENT_MARKS) + " ")
        for labels in (split_fields(body), re.split(r"\s{2,}", body.strip())):
            if len(labels) == n_column and is_row_of_names(labels):
                return _split(labels)
    if n_column == 2:
        return ("energy", "mu"), ("", ""), "columns without names were taken as photon energy (eV) and absorption"
    raise ParseError(
        f"{source}: the {n_column} columns have no names: give them, e.g. --columns "
        f"{','.join(('energy', 'i0', 'itrans', *('-',) * n_column)[: max(n_column, 2)])}"
    )


def _split(labels: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    pairs = [split_unit(label) for label in labels]
    return tuple(name for name, _ in pairs), tuple(unit for _, unit in pairs), ""


def _d_spacing(header: Header, source: str) -> float | None:
    text = header.metadata.get("mono.d_spacing")
    if text is None:
        return None
    number = _NUMBER.match(text)
    # Beamlines that do not know it write None or a word; only angles need it.
    value = float(number[0]) if number else None
    if value is not None and not 0.1 < value < 100:
        line = header.lines["mono.d_spacing"]
        raise ParseError(f"{source}, line {line}: expected a d-spacing of some Å, got {text!r}: correct or remove it")
    return value


def _absorber(header: Header, source: str, *, is_strict: bool) -> tuple[str | None, Edge | None, str]:
    """Return element and edge as far as the header names them, and a note about an edge that is not known here."""
    names = ("element.symbol", "element", "absorber", "atsym"), ("element.edge", "edge", "whiteline.edge")
    first, second = (next((name for name in group if name in header.metadata), "") for group in names)
    element = header.metadata.get(first, "").capitalize() or None
    text = header.metadata.get("whiteline.edge", header.metadata.get(second, ""))
    note = ""
    try:
        edge = (_XDI_EDGES.get(text.upper()) or Edge.parse(text)) if text else None
    except ParameterError:
        edge, note = None, f"{text!r} is no edge that Whiteline knows"
    if element is not None:
        try:
            edge_energy(element, edge or Edge.K)
        except ParameterError as error:
            if is_strict:
                raise ParseError(f"{source}, line {header.lines[first]}: {error}") from error
            return None, None, f"element {element!r} and edge {text!r} in the header make no sense and were left out"
    return element, edge, note
