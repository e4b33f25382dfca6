"""The files that an OCEAN calculation of the user's own pseudopotentials needs, and their checksums."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from whiteline.absorber import Absorber
from whiteline.calculators.ocean.parameters import OceanParameters
from whiteline.errors import MissingDependencyError
from whiteline.provenance import content_checksum
from whiteline.structures import element_symbol

__all__ = ["checksums", "find_files"]


def find_files(absorber: Absorber, parameters: OceanParameters, folder: Path) -> dict[str, dict[str, Path]]:
    """Return the files of each element by their names in the run directory; none with OCEAN's own database.

    A projector program needs more than the UPF: `hamann` the input of ONCVPSP of the same stem, `shirley` the fill and
    the opts file of the absorber.

    Raises:
        MissingDependencyError: A file is not in the folder.
    """
    p = parameters
    elements = sorted({element_symbol(s.specie) for s in absorber.structure})
    names: dict[str, list[str]] = {e: [p.pseudopotentials[e]] for e in elements if e in p.pseudopotentials}
    if absorber.element in names:
        if p.projector_program == "hamann":
            names[absorber.element].append(str(Path(p.pseudopotentials[absorber.element]).with_suffix(".in")))
        elif absorber.element in p.projector_fill:
            names[absorber.element] += [p.projector_fill[absorber.element], p.projector_options[absorber.element]]
    found = {element: {Path(name).name: folder / name for name in files} for element, files in names.items()}
    for element, paths in found.items():
        for path in paths.values():
            if not path.is_file():
                raise MissingDependencyError(
                    f"OCEAN's file {path.name} of {element} is not in {folder}: put it there, name another one in the "
                    "parameters, or set WHITELINE_PSEUDO_DIRECTORY"
                )
    return found


def checksums(files: dict[str, dict[str, Path]]) -> dict[str, str]:
    """Return one checksum an element, of all its files."""
    joined = {element: "".join(_checksum(*_state(path)) for path in paths.values()) for element, paths in files.items()}
    return {element: content_checksum(text.encode()) for element, text in joined.items()}


def _state(path: Path) -> tuple[Path, int, int]:
    status = path.stat()
    return path, status.st_size, status.st_mtime_ns


@lru_cache(maxsize=512)
def _checksum(path: Path, size: int, modified: int) -> str:  # noqa: ARG001  # a changed file is another key
    return hashlib.sha256(path.read_bytes()).hexdigest()
