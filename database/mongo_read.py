"""Documents as MongoDB keeps them, made whole again: structures and axes stand in collections of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from whiteline.database.documents import SpectrumDocument
from whiteline.database.rows import PLAIN_COLUMNS, unpack_document
from whiteline.errors import CorruptStoreError

__all__ = ["read_energies", "read_structures", "unpack"]

Stored: TypeAlias = dict[str, Any]


def read_structures(database: Any, group: Sequence[Stored], known: dict[str, Stored]) -> dict[str, Stored]:
    """Return the structures of a group by their keys, those in `known` without reading them again."""
    keys = {stored["structure_key"] for stored in group}
    missing = database["structures"].find({"_id": {"$in": sorted(keys - known.keys())}})
    return {key: known[key] for key in keys & known.keys()} | {s["_id"]: s["structure"] for s in missing}


def read_energies(database: Any, grids: set[str], *, address: str) -> dict[str, bytes]:
    """Return axes by their content hashes; a failed calculation has none.

    Raises:
        CorruptStoreError: Some are missing.
    """
    wanted = sorted(grid for grid in grids if grid)
    if not wanted:
        return {}
    found = {s["_id"]: bytes(s["energy"]) for s in database["grids"].find({"_id": {"$in": wanted}})}
    if len(found) < len(wanted):
        raise CorruptStoreError(
            f"the store {address} lacks {len(wanted) - len(found)} axes of its spectra: restore the "
            "collection grids from a backup"
        )
    return found


def unpack(stored: Stored, structures: Mapping[str, Stored], energies: Mapping[str, bytes]) -> SpectrumDocument:
    """Return the document of a row."""
    details = dict(stored["details"])
    described = details.pop("spectrum")
    plain = {name: stored[name] for name in PLAIN_COLUMNS[1:]}
    return unpack_document(
        {
            **plain,
            **details,
            "id": stored["_id"],
            "elements": stored["elements"],
            "parameters": stored["parameters"],
        },
        structure=structures[stored["structure_key"]],
        described=described,
        energy=energies[stored["grid"]] if stored["grid"] else None,
        components=stored["components"],
    )
