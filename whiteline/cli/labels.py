"""Short names of what is stored, for tables and legends."""

from __future__ import annotations

from pathlib import PurePath

__all__ = ["program_name", "source_name"]


def source_name(source: str) -> str:
    """Return the short name of a structure's source: the stem of its file, its key in a collection, or its id.

    >>> [source_name(s) for s in ("crystals/anatase.cif", "ti-o-10.json#mp-390", "list.json#2", "mp-390", "Cu 3.61")]
    ['anatase', 'mp-390', 'list-2', 'mp-390', 'Cu 3.61']
    """
    place, separator, key = source.rpartition("#")
    path = PurePath(place if separator else source)
    stem = path.stem if path.suffix[1:].isalpha() else path.name
    if not separator:
        return stem
    return f"{stem}-{key}" if key.isdigit() else key


def program_name(code: str, version: str) -> str:
    """Return code and version, without saying the code's name twice.

    >>> program_name("feff", "FEFF 10.0.0"), program_name("whiteline", "0.1.0"), program_name("feff", "")
    ('FEFF 10.0.0', 'whiteline 0.1.0', 'feff')
    """
    if version.casefold().startswith(code.casefold()):
        return version
    return f"{code} {version}".strip()
