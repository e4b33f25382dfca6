"""Raw files beside a document: named safely, addressed by content, compressed."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from whiteline.errors import CorruptStoreError, ParameterError

__all__ = ["LARGEST_FILE", "PackedFile", "StoredFile", "check_file_name", "pack_files", "unpack_file"]

LARGEST_FILE = 900_000_000  # bytes; SQLite holds values of up to 10^9
_LONGEST_NAME = 255
_LEVEL = 6


@dataclass(frozen=True)
class StoredFile:
    """A raw file of a spectrum.

    Attributes:
        name: Relative POSIX path, e.g. `scf/scf.out`.
        size: Length as it was given [bytes].
        sha256: Checksum of the content, 64 hexadecimal digits.
    """

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class PackedFile:
    """A raw file ready to be stored; `data` is its content, compressed by zlib."""

    name: str
    size: int
    sha256: str
    data: bytes


def check_file_name(name: str) -> str:
    """Return `name` if a file may be stored, and later unpacked into any folder, under it.

    >>> check_file_name("scf/scf.out")
    'scf/scf.out'

    Raises:
        ParameterError: It is no relative POSIX path, leaves its folder, or holds control characters.
    """
    is_plain = (
        isinstance(name, str)
        and 0 < len(name) <= _LONGEST_NAME
        and name.isprintable()
        and "\\" not in name
        and ".." not in name.split("/")
        and not name.startswith("/")
        and str(PurePosixPath(name)) == name
        and name != "."
    )
    if not is_plain:
        raise ParameterError(
            f"a stored file is named by a relative path such as scf/scf.out, of up to {_LONGEST_NAME} printable "
            f"characters, without `..`, backslash or leading slash; got {str(name)[:300]!r}: rename it"
        )
    return name


def pack_files(files: Mapping[str, bytes], *, spectrum_id: str) -> tuple[PackedFile, ...]:
    """Return the files of a spectrum, checked and compressed.

    Raises:
        ParameterError: A name is unsafe, or a content is not bytes or too large.
    """
    return tuple(_pack(check_file_name(name), content, spectrum_id) for name, content in files.items())


def _pack(name: str, content: bytes, spectrum_id: str) -> PackedFile:
    if not isinstance(content, bytes | bytearray | memoryview):
        raise ParameterError(
            f"file {name} of spectrum {spectrum_id} must be bytes, got {type(content).__name__}: "
            "read it with Path.read_bytes()"
        )
    raw = bytes(content)
    if len(raw) > LARGEST_FILE:
        raise ParameterError(
            f"file {name} of spectrum {spectrum_id} has {len(raw)} bytes, a store keeps up to {LARGEST_FILE}: "
            "keep it in a file archive and name it in the provenance record"
        )
    return PackedFile(name, len(raw), hashlib.sha256(raw).hexdigest(), zlib.compress(raw, _LEVEL))


def unpack_file(stored: StoredFile, data: bytes, *, spectrum_id: str) -> bytes:
    """Return the content of a file, made sure to be what was stored.

    Raises:
        CorruptStoreError: Length or checksum differ from those of the stored file.
    """
    if not 0 <= stored.size <= LARGEST_FILE:
        raise _damaged(stored, spectrum_id, f"expected at most {LARGEST_FILE} bytes, it is said to have {stored.size}")
    try:
        # Bounded: damaged or foreign bytes never expand to more than was stored.
        content = zlib.decompressobj().decompress(data, stored.size + 1)
    except zlib.error as error:
        raise _damaged(stored, spectrum_id, str(error)) from error
    if len(content) != stored.size or hashlib.sha256(content).hexdigest() != stored.sha256:
        raise _damaged(stored, spectrum_id, f"expected {stored.size} bytes of sha256 {stored.sha256}")
    return content


def _damaged(stored: StoredFile, spectrum_id: str, why: str) -> CorruptStoreError:
    return CorruptStoreError(
        f"file {stored.name} of spectrum {spectrum_id} is damaged in the store ({why}): restore it from a backup, "
        "or store it again with put_files"
    )
