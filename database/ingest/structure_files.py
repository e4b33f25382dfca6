"""Structures that other people's JSON holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whiteline.database.ingest.limits import Limits, read_bytes
from whiteline.errors import ParseError, StructureError
from whiteline.structures import check_structure

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["read_json", "structure_from"]


def read_json(path: Path, limits: Limits) -> Any:
    """Return the content of a JSON file, packed or not.

    Raises:
        ParseError: It is missing, too large, or no JSON.
    """
    content = read_bytes(path, limits)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        # A message about bytes that are no UTF-8 would repeat all of them.
        words = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)[:200]
        raise ParseError(f"{path} is not JSON: {words}; export it again") from error


def structure_from(data: Any, *, source: str) -> Structure:
    """Return a pymatgen structure from its dictionary, checked.

    Raises:
        StructureError: It is none, or one that no code could compute.
    """
    from pymatgen.core import Structure

    try:
        structure = Structure.from_dict(data)
    except Exception as error:  # pymatgen raises anything over a damaged dictionary
        raise StructureError(
            f"{source} is not a pymatgen structure ({type(error).__name__}: {str(error)[:120]}): export it again"
        ) from error
    check_structure(structure, name=source)
    return structure
