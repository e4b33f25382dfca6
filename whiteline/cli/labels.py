"""Short names of what is stored, for tables and legends."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from whiteline.progress import duration

__all__ = ["duration", "listing", "program_name", "source_name"]


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


def listing(names: Sequence[str], *, n_all: int, n_shown: int = 3) -> str:
    """Return which of `n_all` things are meant, without naming more than `n_shown`.

    >>> listing(["a", "b"], n_all=5), listing(["a", "b"], n_all=2), listing(list("abcde"), n_all=6)
    ('a, b', 'all 2', 'a, b, c and 2 more')
    """
    if len(names) == n_all > 1:
        return f"all {n_all}"
    rest = len(names) - n_shown
    return ", ".join(names[:n_shown]) + (f" and {rest} more" if rest > 0 else "")
