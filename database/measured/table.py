"""Columns of numbers with names, as text files of beamlines and programs hold them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import ParseError

__all__ = ["COMMENT_MARKS", "ColumnTable", "Line", "read_rows", "split_fields"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Line: TypeAlias = tuple[int, str]

COMMENT_MARKS = ("#", "%", "!")
_SHOWN = 60
_MIN_ROWS = 5


@dataclass(frozen=True, eq=False)
class ColumnTable:
    """Named columns of numbers.

    Attributes:
        source: Name of the file.
        names: Name of each column, as the file has it.
        units: Unit of each column, empty where the file names none.
        data: Numbers, shape (n_row, n_column).
        lines: Line of the file that each row stands on, length n_row.
    """

    source: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    data: Float[Array, "row column"]
    lines: tuple[int, ...]

    def refuse(self, row: int, reason: str) -> ParseError:
        """Return the error for a row that cannot be used."""
        return ParseError(f"{self.source}, line {self.lines[row]}: {reason}")


def split_fields(line: str) -> list[str]:
    """Return the fields of a line: between semicolons, else tabs, else commas, else spaces.

    >>> split_fields("8979.0, 0.1,"), split_fields("8979,0;0,1"), split_fields("  8979  0.1 ")
    (['8979.0', '0.1'], ['8979,0', '0,1'], ['8979', '0.1'])
    """
    for separator in (";", "\t", ","):
        if separator in line:
            fields = [field.strip().strip('"') for field in line.strip().split(separator)]
            # A separator at either end of every line is common.
            return fields[1 if not fields[0] else 0 : -1 if not fields[-1] else None]
    return line.split()


def read_rows(lines: Iterable[Line], source: str) -> tuple[Float[Array, "row column"], tuple[int, ...], list[Line]]:
    """Return the numbers, the line of each row, and the text that stands before them.

    Args:
        lines: Number and content of every line that is no comment.
        source: Name of the file.

    Raises:
        ParseError: There are too few rows, a row is not one of finite numbers, or it has more or fewer columns than
            the first.
    """
    rows: list[list[float]] = []
    places: list[int] = []
    header: list[Line] = []
    for number, line in lines:
        if not line.strip():
            continue
        values = _numbers(line)
        if values is None and not rows:
            header.append((number, line))
            continue
        if values is None:
            raise ParseError(
                f"{source}, line {number}: expected {len(rows[0])} numbers, got {_excerpt(line)}: "
                "repair the line, or put # in front of it"
            )
        if rows and len(values) != len(rows[0]):
            raise ParseError(
                f"{source}, line {number}: expected {len(rows[0])} columns as on line {places[0]}, got {len(values)}: "
                "the file is truncated or damaged there; copy it again or remove the line"
            )
        if not np.isfinite(values).all():
            raise ParseError(
                f"{source}, line {number}: expected finite numbers, got {_excerpt(line)}: remove this point"
            )
        rows.append(values)
        places.append(number)
    if len(rows) < _MIN_ROWS:
        begin = f", it begins with {_excerpt(header[0][1])}" if header else ""
        raise ParseError(
            f"{source}: expected columns of numbers with at least {_MIN_ROWS} rows, found {len(rows)}{begin}: give an "
            "XDI, CSV or column file of one scan, whole"
        )
    return np.array(rows, dtype=float), tuple(places), header


def _numbers(line: str) -> list[float] | None:
    """Return the numbers of a row, or None when it is something else."""
    fields = split_fields(line)
    if ";" in line or "\t" in line:
        fields = [re.sub(r"^([-+]?\d+),(\d+)", r"\1.\2", field) for field in fields]
    try:
        return [float(field) for field in fields]
    except ValueError:
        return None


def _excerpt(line: Sequence[str] | str) -> str:
    text = "".join(line).strip()
    return ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
