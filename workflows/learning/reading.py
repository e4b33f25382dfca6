"""Reading thousands of structures: a bad one is named, and the others go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymatgen.core import Structure

from whiteline.errors import WhitelineError
from whiteline.provenance import file_checksum
from whiteline.structures import NamedStructure, check_structure, list_structure_files, read_structures

__all__ = ["Unpredicted", "read_each"]


@dataclass(frozen=True)
class Unpredicted:
    """A structure without a prediction, and why."""

    name: str
    source: str
    reason: str


def read_each(
    sources: Sequence[str], *, on_bad: Callable[[Unpredicted], None] = lambda _: None
) -> Iterator[NamedStructure]:
    """Yield the structures of files, folders, globs and collections; a bad one is named and the others go on.

    Args:
        sources: What `read_structures` takes.
        on_bad: Told of each that cannot be read.
    """
    for source in (each for given in sources for each in list_structure_files(given)):
        try:
            members = _members(Path(source))
            if members is None:
                yield from read_structures([source])
                continue
        except WhitelineError as error:
            on_bad(Unpredicted(Path(source).stem, source, str(error)))
            continue
        checksum = file_checksum(Path(source))
        for key, data in members.items():
            place = f"{source}#{key}"
            try:
                structure = Structure.from_dict(data)
                check_structure(structure, name=place)
            except (WhitelineError, KeyError, TypeError, ValueError, AttributeError) as error:
                on_bad(Unpredicted(key, place, str(error) if isinstance(error, WhitelineError) else _not_one(error)))
                continue
            name = f"{Path(source).stem}-{key}" if key.isdigit() else key
            yield NamedStructure(structure, name, place, checksum)


def _members(path: Path) -> dict[str, Any] | None:
    """Return the structures of a JSON collection by key; None for everything else, also for what is no JSON."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return None
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None  # the usual reader says what is wrong
    if isinstance(content, list):
        return {str(i): member for i, member in enumerate(content)} or None
    return content if isinstance(content, dict) and content and "lattice" not in content else None


def _not_one(error: Exception) -> str:
    return f"it is not a pymatgen structure ({type(error).__name__}: {error})"
