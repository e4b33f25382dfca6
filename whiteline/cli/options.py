"""Options that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from whiteline.database.store import SpectrumStore

__all__ = [
    "AbsorbingElement",
    "Assignments",
    "Database",
    "EdgeName",
    "Engines",
    "PresetName",
    "Structures",
    "open_existing",
    "parse_assignments",
    "suspicions",
]


Database = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="PATH|mongodb://…",
        help="Store to use (default: WHITELINE_DATABASE, or the data folder).",
    ),
]

Structures = Annotated[
    list[str],
    typer.Argument(
        metavar="STRUCTURE",
        help="CIF, POSCAR, XYZ with a cell, pymatgen JSON (file#key), folder, glob or mp-id.",
    ),
]
AbsorbingElement = Annotated[str, typer.Option("--absorber", "-a", metavar="ELEMENT", help="Absorbing element.")]
EdgeName = Annotated[str, typer.Option("--edge", "-e", help="K, L1, L2, L3, L23, M1 … M5, M23, M45.")]
PresetName = Annotated[
    str, typer.Option("--preset", "-p", help="standard, fast or published:NAME; `whiteline presets` lists them.")
]
# What `workflows.engines` lists; naming it here keeps the help fast.
Engines = Annotated[
    list[str],
    typer.Option("--engine", metavar="CODE", help="feff, xspectra, ocean, vasp, exciting or all; repeatable."),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="NAME=VALUE", help="Parameter on top of the preset; repeatable."),
]


def open_existing(address: str | None) -> SpectrumStore:
    """Open a store for reading; there is an error when there is none yet."""
    from whiteline.database import open_store
    from whiteline.settings import load_settings

    return open_store(load_settings(database=address).database, must_exist=True)


def suspicions(address: str | None, *ids: str) -> dict[str, str]:
    """Return why things that need no store are marked as suspect in that of this machine; nothing where there is none.

    Args:
        address: Of the store, as the user gave it.
        ids: Content hashes of datasets or models.
    """
    from whiteline.errors import StoreError

    try:
        with open_existing(address) as store:
            return {each: mark.reason for each, mark in store.marks(ids).items()}
    except StoreError:
        if address is not None:
            raise
        return {}


def parse_assignments(texts: list[str] | None) -> dict[str, Any]:
    """Return `name=value` texts as a mapping; values are JSON where they can be, else text.

    >>> parse_assignments(["fms_radius=6.5", "scf_radius=null", "core_hole=FSR"])
    {'fms_radius': 6.5, 'scf_radius': None, 'core_hole': 'FSR'}
    """
    import json

    from whiteline.errors import ParameterError

    values: dict[str, Any] = {}
    for text in texts or []:
        name, separator, value = text.partition("=")
        if not separator or not name.strip():
            raise ParameterError(f"--set expects NAME=VALUE, e.g. fms_radius=6, got {text!r}")
        try:
            values[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            values[name.strip()] = value.strip()
    return values
