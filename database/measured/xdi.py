"""The header of XDI files, versions 1.0 and 1.1.

XAS Data Interchange: https://github.com/XraySpectroscopy/XAS-Data-Interchange, doi:10.1088/1742-6596/712/1/012148.
A header line is `# Namespace.tag: value`; `# ///` begins the user's comments and `#---` ends the header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from whiteline.database.measured.columns import split_unit
from whiteline.database.measured.table import Line
from whiteline.errors import ParseError

__all__ = ["Header", "is_xdi", "read_xdi_header"]

_VERSION = re.compile(r"#\s*XDI/(\d+)(?:\.\d+)*\b")
_FIELD = re.compile(r"([A-Za-z]\w*)\.(\w+)\s*:\s*(.*)")
_COLUMN = re.compile(r"column\.(\w+)")
_READ_FAMILIES = ("column.", "element.", "mono.d_spacing")


@dataclass(frozen=True)
class Header:
    """What stands above the numbers.

    Attributes:
        names: Name of each column; empty when the header has none.
        units: Unit of each column.
        metadata: Name and text of every other field, names in lower case.
        lines: Line of each field of `metadata`.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    metadata: Mapping[str, str]
    lines: Mapping[str, int]


def is_xdi(first_line: str) -> bool:
    """Return whether a file that begins with this line says that it is XDI."""
    return _VERSION.match(first_line) is not None


def read_xdi_header(comments: Iterable[Line], source: str) -> Header:
    """Return the fields and the columns of an XDI header.

    Args:
        comments: Number and text of all lines that begin with #, the first one included.
        source: Name of the file.

    Raises:
        ParseError: The version is unknown, or a field that is needed is damaged or there twice.
    """
    metadata: dict[str, str] = {}
    lines: dict[str, int] = {}
    columns: dict[int, str] = {}
    for number, text in comments:
        version = _VERSION.match(text)
        if version and version[1] != "1":
            raise ParseError(f"{source}, line {number}: expected XDI 1.x, got {text.strip('# ')!r}: save it as XDI 1.0")
        body = text.lstrip("#").strip()
        if body.startswith("///"):
            break
        found = _FIELD.fullmatch(body)
        name = f"{found[1]}.{found[2]}".lower() if found else body.lower()
        if not found or not found[3]:
            if name.startswith(_READ_FAMILIES):
                raise ParseError(
                    f"{source}, line {number}: expected `# Namespace.tag: value`, got {text.strip()[:60]!a}: "
                    "write the value after a colon, or remove the line"
                )
            continue
        # Beamlines add the address of the motor or counter after two bars.
        value = found[3].partition("||")[0].strip()
        column = _COLUMN.fullmatch(name)
        if column:
            _add_column(columns, column[1], value, f"{source}, line {number}")
        elif name.startswith(_READ_FAMILIES) and metadata.get(name, value) != value:
            raise ParseError(
                f"{source}, line {number}: {name} is {value!r} here and {metadata[name]!r} on line {lines[name]}: "
                "keep the right one"
            )
        else:
            metadata.setdefault(name, value)
            lines.setdefault(name, number)
    labels = _in_order(columns, source)
    return Header(tuple(name for name, _ in labels), tuple(unit for _, unit in labels), metadata, lines)


def _add_column(columns: dict[int, str], index: str, label: str, place: str) -> None:
    if not index.isdigit() or not 1 <= int(index) <= 1000:
        raise ParseError(f"{place}: expected Column.N with N from 1, got Column.{index}: number the columns")
    if columns.get(int(index), label) != label:
        raise ParseError(f"{place}: Column.{index} is {label!r} here and {columns[int(index)]!r} above: keep one")
    columns[int(index)] = label


def _in_order(columns: Mapping[int, str], source: str) -> list[tuple[str, str]]:
    missing = sorted(set(range(1, len(columns) + 1)) - set(columns))
    if missing:
        raise ParseError(
            f"{source}: the header has Column.{max(columns)} and no Column.{missing[0]}: name every column in a row"
        )
    return [_name_and_unit(columns[i]) for i in sorted(columns)]


def _name_and_unit(label: str) -> tuple[str, str]:
    name, _, unit = label.partition(" ")
    return (name, unit.strip()) if unit.strip() else split_unit(name)
