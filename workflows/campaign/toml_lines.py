"""Where a key of a TOML file stands: the standard reader says it only of errors in the syntax."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

__all__ = ["KeyPath", "find_line"]

KeyPath: TypeAlias = tuple[str | int, ...]

_KEY: Final = r"(?:[\w-]+|\"[^\"]*\"|'[^']*')"
_DOTTED: Final = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER: Final = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT: Final = re.compile(rf"\s*({_DOTTED})\s*=")
# What hides brackets that open nothing.
_HIDING: Final = re.compile(r"\"(?:\\.|[^\"\\])*\"|'[^']*'|#.*")


def find_line(text: str, path: KeyPath, value: Any = None) -> int | None:
    """Return the line, counted from 1, of a key or table, of the nearest thing around it, or None.

    Args:
        text: Well-formed TOML.
        path: Names, with the number of the member (from 0) behind the name of an array.
        value: What stands there: it finds the line of a member of a long array.

    >>> find_line("a = 1\\n[[b]]\\nc = 2\\n[[b]]\\nc = [\\n  3,\\n  'x',\\n]", ("b", 1, "c", 1), "x")
    7
    """
    lines = text.splitlines()
    found: dict[KeyPath, int] = {}
    for where, line in _positions(lines):
        found.setdefault(where, line)
    for length in range(len(path), 0, -1):
        if number := found.get(path[:length], 0):
            is_member = length < len(path) and isinstance(path[length], int)
            return _line_of_member(lines, number, value) if is_member and isinstance(value, str) else number
    return None


def _line_of_member(lines: list[str], start: int, value: str) -> int:
    written = (json.dumps(value, ensure_ascii=False), f"'{value}'")
    members = range(start, len(lines) + 1)
    return next((n for n in members if any(text in lines[n - 1] for text in written)), start)


def _positions(lines: list[str]) -> Iterator[tuple[KeyPath, int]]:
    """Yield where each table and key begins; what lies in inline tables is left to the key before them."""
    table: KeyPath = ()
    arrays: dict[KeyPath, int] = {}
    n_open = 0
    for number, line in enumerate(lines, start=1):
        shown = _HIDING.sub("", line)
        if not n_open and (header := _HEADER.match(line)):
            table = _resolve(_parts(header[2]), arrays, is_new=header[1] == "[[")
            yield table, number
            continue
        if not n_open and (assignment := _ASSIGNMENT.match(line)):
            yield (*table, *_parts(assignment[1])), number
        n_open = max(0, n_open + sum(map(shown.count, "[{")) - sum(map(shown.count, "]}")))


def _resolve(parts: list[str], arrays: dict[KeyPath, int], *, is_new: bool) -> KeyPath:
    path: KeyPath = ()
    for i, part in enumerate(parts):
        path = (*path, part)
        if is_new and i == len(parts) - 1:
            arrays[path] = arrays.get(path, -1) + 1
        if path in arrays:
            path = (*path, arrays[path])
    return path


def _parts(key: str) -> list[str]:
    rest: Any = tomllib.loads(f"{key} = 0")
    parts = []
    while isinstance(rest, dict):
        ((part, rest),) = rest.items()
        parts.append(part)
    return parts
