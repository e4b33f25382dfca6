"""exciting's species files: one XML file an element, with its core states and its basis."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from whiteline.edges import Edge
from whiteline.errors import InputError, MissingDependencyError
from whiteline.provenance import content_checksum

__all__ = ["SpeciesFile", "check_core_level", "file_name", "read_species", "species_files"]

State: TypeAlias = tuple[int, int, int]

_REMEDY = "set WHITELINE_EXCITING_SPECIES to the folder `species` of your exciting"

# Principal quantum number, angular momentum l and kappa = j + 1/2 of the level of each edge.
_LEVELS: dict[Edge, State] = {
    Edge.K: (1, 0, 1),
    Edge.L1: (2, 0, 1),
    Edge.L2: (2, 1, 1),
    Edge.L3: (2, 1, 2),
    Edge.M1: (3, 0, 1),
    Edge.M2: (3, 1, 1),
    Edge.M3: (3, 1, 2),
    Edge.M4: (3, 2, 2),
    Edge.M5: (3, 2, 3),
}


@dataclass(frozen=True)
class SpeciesFile:
    """What a species file says.

    Attributes:
        path: The file.
        checksum: `sha256:` and the hash of its bytes.
        element: Chemical symbol.
        core: Core states as (n, l, kappa) in the order of the file.
        others: The other states, likewise.
    """

    path: Path
    checksum: str
    element: str
    core: tuple[State, ...]
    others: tuple[State, ...]


def file_name(element: str) -> str:
    """Return the name of the species file of an element."""
    return f"{element}.xml"


def species_files(folder: Path | None, elements: Iterable[str]) -> dict[str, SpeciesFile]:
    """Return the species file of each element.

    Raises:
        MissingDependencyError: No folder is set, or it lacks a file.
        InputError: A file is not the species file of its element.
    """
    if folder is None:
        raise MissingDependencyError(f"exciting needs a species file for each element: {_REMEDY}")
    found = {}
    for element in elements:
        path = folder / file_name(element)
        if not path.is_file():
            raise MissingDependencyError(f"the species file {path} is missing: {_REMEDY}, or put the file there")
        facts = path.stat()
        found[element] = _read(path, facts.st_mtime_ns, facts.st_size)
        if found[element].element != element:
            raise InputError(f"{path} is of {found[element].element}, expected {element}: {_REMEDY}")
    return found


def read_species(path: Path) -> SpeciesFile:
    """Return what a species file says.

    Raises:
        InputError: It is not a species file of exciting.
    """
    content = path.read_bytes()
    try:
        species = ET.fromstring(content).find("sp")  # noqa: S314  # the user's own file; expat expands no external entities
    except ET.ParseError as error:
        raise InputError(f"{path} is not XML ({error}): {_REMEDY}") from error
    states = [] if species is None else species.findall("atomicState")
    if species is None or not states:
        raise InputError(f"{path} is not a species file of exciting: it lists no atomicState; {_REMEDY}")
    try:
        numbers = [
            ((int(s.attrib["n"]), int(s.attrib["l"]), int(s.attrib["kappa"])), s.attrib["core"].strip() == "true")
            for s in states
        ]
        element = species.attrib["chemicalSymbol"].strip()
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} is damaged: a state or the chemical symbol lacks {error}; {_REMEDY}") from error
    return SpeciesFile(
        path=path,
        checksum=content_checksum(content),
        element=element,
        core=tuple(state for state, is_core in numbers if is_core),
        others=tuple(state for state, is_core in numbers if not is_core),
    )


@lru_cache(maxsize=512)
def _read(path: Path, modified: int, size: int) -> SpeciesFile:  # noqa: ARG001  # a changed file is another entry
    return read_species(path)


def check_core_level(species: SpeciesFile, edge: Edge) -> None:
    """Raise unless exciting can excite the level of `edge` with this species file.

    exciting knows a level by its number among the core states, which it takes to be 1s, 2s, 2p1/2, 2p3/2, 3s …; a state
    among them that is not core moves all that follow to another number.

    Raises:
        InputError: The level is no core state, or its number is that of another level.
    """
    for part in edge.parts:
        level = _LEVELS[part]
        if level not in species.core:
            kind = "a valence state" if level in species.others else "no state"
            raise InputError(
                f"the {part} level of {species.element} is {kind} in {species.path}, exciting excites core states "
                "only: choose a deeper edge, or make it a core state in the species file and take out its local orbital"
            )
        expected = tuple(_standard_order(level))
        if species.core[: len(expected)] != expected:
            raise InputError(
                f"the {part} level of {species.element} comes after states that are not core in {species.path}: "
                "exciting would excite another level. Make all levels above it in the file core states"
            )


def _standard_order(last: State) -> Iterable[State]:
    for n in range(1, last[0] + 1):
        for l_state in range(n):
            for kappa in (l_state, l_state + 1):
                if kappa:
                    yield (n, l_state, kappa)
                if (n, l_state, kappa) == last:
                    return
