"""How much is read of a file that somebody else wrote."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import stat
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from whiteline.errors import ParseError

__all__ = ["PACKED_SUFFIXES", "Limits", "check_file", "check_lines", "read_bytes", "read_text", "unpacked_name"]

_MEBIBYTE: Final = 2**20
_CHUNK: Final = _MEBIBYTE
_OPENERS: Final[dict[str, Callable[..., Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
PACKED_SUFFIXES: Final = tuple(_OPENERS)
_LINE_END = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The largest file, and the longest line, that are read.

    Attributes:
        max_bytes: Size of a file, of a packed one after unpacking; None for any.
        max_line: Length of a line of text; None for any.
        max_raw_bytes: Size of a file that is kept beside a spectrum.
    """

    max_bytes: int | None = 256 * _MEBIBYTE
    max_line: int | None = 1_000_000
    max_raw_bytes: int = 5 * _MEBIBYTE

    @classmethod
    def none(cls) -> Limits:
        """Return limits that let any file and any line pass; what is kept beside a spectrum stays small."""
        return cls(max_bytes=None, max_line=None)


def unpacked_name(name: str) -> str:
    """Return a file name without the suffix of its packing, where a name is left.

    >>> unpacked_name("xmu.dat.gz"), unpacked_name("xmu.dat"), unpacked_name("...gz")
    ('xmu.dat', 'xmu.dat', '...gz')
    """
    plain = next((name.removesuffix(suffix) for suffix in PACKED_SUFFIXES if name.endswith(suffix)), name)
    return plain if plain.strip(".") else name


def check_file(path: Path, limits: Limits) -> int:
    """Return the size of a file.

    Raises:
        ParseError: It is missing, no regular file, or larger than the limit.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise ParseError(f"cannot read {path} ({_words(error)}): check the name and its permissions") from error
    if not stat.S_ISREG(found.st_mode):
        raise ParseError(f"cannot read {path}: expected a regular file, got a folder, pipe or device")
    if limits.max_bytes is not None and found.st_size > limits.max_bytes:
        raise ParseError(
            f"{path} has {found.st_size / _MEBIBYTE:.0f} MiB, at most {limits.max_bytes / _MEBIBYTE:.0f} MiB are read: "
            "give --no-limit if it is what it should be"
        )
    return found.st_size


def read_bytes(path: Path, limits: Limits, *, has_lines: bool = False) -> bytes:
    """Return the content of a file, unpacked where its name says that it is packed.

    Args:
        path: The file.
        limits: How much is read.
        has_lines: Whether the limit on lines holds for it.

    Raises:
        ParseError: The file is missing, damaged or too large, or a line is too long; nothing larger than the limits
            is ever held.
    """
    return b"".join(_chunks(path, limits, has_lines=has_lines))


def check_lines(path: Path, limits: Limits) -> None:
    """Make sure that no line of a file is too long, without holding the file.

    Raises:
        ParseError: As `read_bytes`.
    """
    for _ in _chunks(path, limits, has_lines=True):
        pass


def _chunks(path: Path, limits: Limits, *, has_lines: bool) -> Iterator[bytes]:
    check_file(path, limits)
    opener = _OPENERS.get(path.suffix, open) if unpacked_name(path.name) != path.name else open
    size, length, n_line = 0, 0, 1
    try:
        with opener(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                size += len(chunk)
                if limits.max_bytes is not None and size > limits.max_bytes:
                    raise ParseError(
                        f"{path} unpacks to more than {limits.max_bytes / _MEBIBYTE:.0f} MiB: give --no-limit if it is "
                        "what it should be"
                    )
                if has_lines and limits.max_line is not None:
                    length, n_line = _longest(path, chunk, length, n_line, limits.max_line)
                yield chunk
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, ParseError):
            raise
        raise ParseError(f"{path} cannot be read or unpacked ({_words(error)}): copy it again") from error


def read_text(path: Path, limits: Limits) -> str:
    """Return the text of a file, unpacked where its name says that it is packed.

    Raises:
        ParseError: As `read_bytes`, and for what is no text.
    """
    content = read_bytes(path, limits, has_lines=True)
    if b"\0" in content:
        n_line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise ParseError(f"{path}, line {n_line}: expected text, got binary data")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _longest(path: Path, chunk: bytes, length: int, n_line: int, limit: int) -> tuple[int, int]:
    """Return the length and number of the line that a chunk ends in.

    Args:
        path: The file, for messages.
        chunk: The next bytes.
        length: Length of the line so far.
        n_line: Its number.
        limit: Longest line.
    """
    parts = _LINE_END.split(chunk)
    lengths = [length + len(parts[0]), *(len(part) for part in parts[1:])]
    for i, found in enumerate(lengths):
        if found > limit:
            raise ParseError(
                f"{path}, line {n_line + i}: the line has more than {limit} characters: is this a file of columns? "
                "Give --no-limit if it is what it should be"
            )
    return lengths[-1], n_line + len(parts) - 1


def _words(error: Any) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
