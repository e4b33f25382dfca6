"""SHA256SUMS: the list that `sha256sum -c` of GNU coreutils reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from whiteline.errors import ParseError
from whiteline.provenance import file_checksum

__all__ = ["CHECKSUMS", "checksum_lines", "checksums_of", "parse_checksums"]

CHECKSUMS: Final = "SHA256SUMS"
_LINE: Final = re.compile(r"(\\?)([0-9a-f]{64}) [ *](.+)")
# What coreutils writes for characters that would end a line, behind a backslash in front of it.
_ESCAPES: Final = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}


def checksums_of(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file in a folder but the list itself, 64 digits by POSIX path, in their order."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name: file_checksum(folder / name).removeprefix("sha256:") for name in names if name != CHECKSUMS}


def checksum_lines(sums: Mapping[str, str]) -> str:
    """Return the text of the list."""
    return "".join(f"{_line(name, each)}\n" for name, each in sums.items())


def _line(name: str, checksum: str) -> str:
    escaped = "".join(_ESCAPES.get(character, character) for character in name)
    return f"{'' if escaped == name else chr(92)}{checksum}  {escaped}"


def parse_checksums(text: str) -> dict[str, str]:
    r"""Return what `checksum_lines` wrote.

    >>> parse_checksums(checksum_lines({"a b\n": "0" * 64})) == {"a b\n": "0" * 64}
    True

    Raises:
        ParseError: A line is no checksum with a name.
    """
    sums = {}
    for n_line, line in enumerate(text.split("\n"), 1):
        match = _LINE.fullmatch(line)
        if match:
            sums[_unescaped(match[3]) if match[1] else match[3]] = match[2]
        elif line:
            raise ParseError(
                f"{CHECKSUMS}, line {n_line}: expected 64 digits, two spaces and a name, got {line[:80]!r}: it was "
                "edited, take a copy that is whole"
            )
    return sums


def _unescaped(name: str) -> str:
    back = {written: meant for meant, written in _ESCAPES.items()}
    return re.sub(r"\\[\\nr]", lambda found: back[found[0]], name)
