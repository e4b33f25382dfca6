"""Pseudopotentials by checksum: those that a record names, and whether this machine has them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from whiteline.provenance import Kind, ProvenanceRecord, file_checksum
from whiteline.settings import Settings
from whiteline.workflows.rerun.results import Difference, Ground

__all__ = ["changed_potentials", "missing_potentials", "recorded_potentials"]

# Bytes; no pseudopotential or species file is longer.
_LONGEST: Final = 64 * 2**20
_MOST_FILES: Final = 5000


def recorded_potentials(record: ProvenanceRecord) -> dict[str, str]:
    """Return the checksums that a record has of pseudopotentials and species files, by element and by file name."""
    named = record.parameters.get("pseudopotentials")
    by_element = {str(name): str(each) for name, each in named.items()} if isinstance(named, Mapping) else {}
    return {**by_element, **record.used.get(Kind.PSEUDOPOTENTIAL, {})}


def changed_potentials(recorded: Mapping[str, str], here: Mapping[str, str]) -> list[Difference]:
    """Return those that are others here; a file of another name with the same content is the same."""
    known = set(here.values())
    by_content: dict[str, list[str]] = {}
    for name, checksum in recorded.items():
        if checksum not in known:
            by_content.setdefault(checksum, []).append(name)
    return [
        Difference(Ground.PSEUDOPOTENTIAL, ", ".join(names), checksum, next((here[n] for n in names if n in here), ""))
        for checksum, names in by_content.items()
    ]


def missing_potentials(code: str, recorded: Mapping[str, str], settings: Settings) -> list[Difference]:
    """Return those that are in no file of the folder of this machine, whatever its name."""
    folder = _folder_of(code, settings)
    here = set() if folder is None else {file_checksum(path) for path in _files_in(folder)}
    where = "no folder is set" if folder is None else f"looked for in {folder}"
    missing = changed_potentials(recorded, {checksum: checksum for checksum in here})
    return [Difference(each.ground, each.name, each.recorded, "", where) for each in missing]


def _folder_of(code: str, settings: Settings) -> Path | None:
    folders = {
        "xspectra": settings.pseudo_directory,
        "ocean": settings.pseudo_directory,
        "exciting": settings.exciting_species,
    }
    return folders.get(code)


def _files_in(folder: Path) -> Iterator[Path]:
    n_found = 0
    for home, _, names in os.walk(folder):
        for path in (Path(home) / name for name in sorted(names)):
            if n_found < _MOST_FILES and path.is_file() and path.stat().st_size <= _LONGEST:
                n_found += 1
                yield path
