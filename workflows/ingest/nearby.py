"""The crystal that a run belongs to, where its own files do not hold it: in a file beside it, or above."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import numpy as np

from whiteline.absorber import Absorber
from whiteline.database.ingest import Limits
from whiteline.database.ingest.limits import read_bytes, unpacked_name
from whiteline.database.ingest.sample import find_site
from whiteline.database.ingest.walk import list_folder
from whiteline.edges import Edge
from whiteline.errors import ParseError, StructureError
from whiteline.structures import check_structure, element_symbol, read_structure
from whiteline.workflows.ingest.staging import select

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["REACH", "file_above", "find_structures", "matching_site"]

# Å; neighbours within it are compared, and by how much their distances may differ: inputs are written with few digits.
REACH: Final = 5.0
_TOLERANCE: Final = 0.02
_NAMES: Final = ("POSCAR", "structure.json", "CONTCAR", "*.cif", "*.vasp")
_MOST_FILES: Final = 6
_MOST_BYTES: Final = 16 * 2**20
_LEVELS: Final = 3


def file_above(home: Path, name: str, *, levels: int) -> dict[str, Path]:
    """Return the nearest file of a name in the folders above a run, by that name; no link that leads elsewhere."""
    for place in list(home.absolute().parents)[:levels]:
        try:
            found = select(list_folder(place), (name,))
        except OSError:
            return {}
        if found:
            return found
    return {}


def find_structures(home: Path, limits: Limits) -> Iterator[Structure]:
    """Yield the crystals in files beside a run and in the two folders above; what cannot be read is left out."""
    folder = home.absolute()
    for _ in range(_LEVELS):
        yield from _in_folder(folder, limits)
        if folder == folder.parent:
            return
        folder = folder.parent


def matching_site(
    structure: Structure, element: str, edge: Edge, neighbours: Mapping[str, Sequence[float]], *, reach: float = REACH
) -> Absorber | None:
    """Return the first site of a crystal with these neighbours; None where there is none.

    Args:
        structure: The crystal.
        element: Absorbing element.
        edge: Absorption edge.
        neighbours: Sorted distances to the neighbours by element, complete up to `reach` [Å].
        reach: How far they are known [Å].
    """
    for i, site in enumerate(structure):
        if element_symbol(site.specie) != element:
            continue
        found: dict[str, list[float]] = {}
        for neighbour in structure.get_neighbors(site, reach + _TOLERANCE):
            found.setdefault(element_symbol(neighbour.specie), []).append(float(neighbour.nn_distance))
        if all(_agree(sorted(found.get(e, [])), neighbours.get(e, []), reach) for e in {*found, *neighbours}):
            return find_site(structure, i, edge)
    return None


def _agree(here: Sequence[float], there: Sequence[float], reach: float) -> bool:
    """Return whether distances agree; an atom right at the limit may count in one and not in the other."""
    n = min(len(here), len(there))
    rest = [*here[n:], *there[n:]]
    is_same = np.allclose(here[:n], there[:n], rtol=0, atol=_TOLERANCE)
    return bool(is_same and all(distance > reach - 2 * _TOLERANCE for distance in rest))


def _in_folder(path: Path, limits: Limits) -> Iterator[Structure]:
    try:
        folder = list_folder(path)
    except OSError:
        return
    for pattern in _NAMES:
        names = [name for name in sorted(folder.files) if fnmatchcase(unpacked_name(name), pattern)]
        for name in names[:_MOST_FILES]:
            try:
                changed = (path / name).stat().st_mtime_ns
                yield _read(path / name, limits, changed)
            except (OSError, ParseError, StructureError):
                continue


@lru_cache(maxsize=32)  # the many sites of a material have one structure
def _read(path: Path, limits: Limits, changed: int) -> Structure:  # noqa: ARG001  # tells a new file from the old
    small = Limits(max_bytes=_MOST_BYTES, max_line=None, max_raw_bytes=limits.max_raw_bytes)
    content = read_bytes(path, small)
    with TemporaryDirectory(prefix="whiteline-") as name:
        copy = Path(name) / unpacked_name(path.name)
        copy.write_bytes(content)
        structure = read_structure(copy)
    check_structure(structure, name=str(path))
    return structure
