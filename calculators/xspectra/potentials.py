"""Which pseudopotential each atom of an XSpectra calculation gets, checked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from whiteline.absorber import Absorber
from whiteline.calculators.pseudopotentials.core_hole import LEVEL_ORDER, core_level
from whiteline.calculators.pseudopotentials.library import PseudoLibrary
from whiteline.calculators.pseudopotentials.orbitals import core_wavefunction
from whiteline.calculators.pseudopotentials.suitability import check_absorber
from whiteline.calculators.pseudopotentials.upf import Pseudopotential, read_upf
from whiteline.calculators.xspectra.parameters import XSpectraParameters
from whiteline.edges import Edge
from whiteline.errors import InputError, MissingDependencyError

__all__ = ["Potentials", "core_file_text", "find_potentials"]

# Files kept in memory: those of a few materials. A run over thousands of sites reads each once.
_MOST_FILES = 64


@dataclass(frozen=True)
class Potentials:
    """The pseudopotentials of a calculation.

    Attributes:
        ground: Those of atoms in their ground state, by element.
        absorber: The excited atom's.
        core: The one that gives the core wavefunction.
    """

    ground: Mapping[str, Pseudopotential]
    absorber: Pseudopotential
    core: Pseudopotential

    @property
    def all(self) -> tuple[Pseudopotential, ...]:
        """Those that pw.x reads."""
        return (self.absorber, *self.ground.values())

    @property
    def checksums(self) -> dict[str, str]:
        """Checksum by element; `Ti*` is the excited Ti, `Ti core` gives the core wavefunction."""
        element = self.absorber.element
        sums = {name: potential.sha256 for name, potential in self.ground.items()}
        sums |= {f"{element}*": self.absorber.sha256, f"{element} core": self.core.sha256}
        return {name: f"sha256:{value}" for name, value in sorted(sums.items())}


def find_potentials(absorber: Absorber, parameters: XSpectraParameters, *, directory: Path) -> Potentials:
    """Return the pseudopotentials of a calculation.

    Args:
        absorber: The excited atom.
        parameters: Which files are named, and the core hole.
        directory: Folder with UPF files.

    Raises:
        MissingDependencyError: A file is not there.
        InputError: One does not serve: no GIPAW data, no core hole, another element or functional.
    """
    element = absorber.element
    named = {name: _named(directory, file) for name, file in parameters.pseudopotential_files.items()}
    unknown = sorted(set(named) - set(_elements(absorber)))
    if unknown:
        raise InputError(f"pseudopotential_files names {', '.join(unknown)}, which the structure does not hold")
    if parameters.core_hole == "none":
        ground = named.get(element) or _find(element, parameters, directory)
        excited = ground
    elif parameters.core_hole_pseudopotential:
        excited = _named(directory, parameters.core_hole_pseudopotential)
        ground = named.get(element) or _find(element, parameters, directory)
    else:
        pair = _find_pair(element, absorber.edge, parameters, directory)
        ground, excited = named.get(element) or pair[0], pair[1]
    others = {
        name: ground if name == element else named.get(name) or _find(name, parameters, directory)
        for name in _elements(absorber)
    }
    core = _named(directory, parameters.core_wavefunction) if parameters.core_wavefunction else ground
    found = Potentials(others, excited, core)
    _check(found, absorber, parameters)
    return found


def core_file_text(potentials: Potentials) -> str:
    """Return the core wavefunctions as xspectra.x reads them; it counts lines by the mesh of the absorber's file."""
    return _core_text(potentials.core.path, _stamp(potentials.core.path))


def _elements(absorber: Absorber) -> list[str]:
    return [element.symbol for element in absorber.structure.composition.element_composition]


def _check(potentials: Potentials, absorber: Absorber, parameters: XSpectraParameters) -> None:
    element, edge = absorber.element, absorber.edge
    hole = "none" if parameters.core_hole == "none" else core_level(edge)
    size = " --hole 0.5" if parameters.core_hole == "half" else ""
    remedy = (
        f"make a pair that does with `whiteline pseudo make {element} --core-hole {hole}{size}`, or name other files"
    )
    _check_ground(potentials)
    _check_serves(potentials.absorber, absorber, remedy, names=None, needs_hole=hole != "none")
    _check_serves(potentials.core, absorber, remedy, names=("element", "core hole", "core orbital"), needs_hole=False)
    missing = potentials.absorber.missing_core_electrons
    if hole != "none" and missing is not None and not np.isclose(missing, parameters.hole_size):
        raise InputError(
            f"{potentials.absorber.path} lacks {missing:g} core electrons, expected {parameters.hole_size:g} for a "
            f"{parameters.core_hole} core hole: {remedy}"
        )
    if potentials.absorber.n_mesh != potentials.core.n_mesh:
        raise InputError(
            f"{potentials.core.path} has {potentials.core.n_mesh} radial points and {potentials.absorber.path} "
            f"{potentials.absorber.n_mesh}; xspectra.x reads the core wavefunction on the latter's mesh: {remedy}"
        )
    needed = LEVEL_ORDER[: LEVEL_ORDER.index(core_level(edge)) + 1]
    if not set(needed) <= set(potentials.core.core_levels):
        raise InputError(
            f"{potentials.core.path} holds the core levels {', '.join(potentials.core.core_levels)}; xspectra.x counts "
            f"{', '.join(needed)}: {remedy}"
        )


def _check_ground(potentials: Potentials) -> None:
    for name, potential in potentials.ground.items():
        if potential.element != name:
            raise InputError(f"{potential.path} is of {potential.element}, expected {name}: name another file")
        if potential.has_core_hole:
            raise InputError(f"{potential.path} has a core hole, expected {name} in its ground state: name another")
    if len({potential.functional for potential in potentials.all}) > 1:
        names = ", ".join(f"{p.path.name} ({p.functional})" for p in potentials.all)
        raise InputError(f"the pseudopotentials are of different functionals: {names}; name files of one functional")


def _check_serves(
    potential: Pseudopotential, absorber: Absorber, remedy: str, *, names: Sequence[str] | None, needs_hole: bool
) -> None:
    """Refuse a pseudopotential that fails one of the named checks, or any."""
    checks = check_absorber(potential, edge=absorber.edge, element=absorber.element, needs_core_hole=needs_hole)
    failed = [check for check in checks if not check.is_passed and (names is None or check.name in names)]
    if failed:
        reasons = "; ".join(f"{check.name}: {check.detail}" for check in failed)
        raise InputError(f"{potential.path} does not serve {absorber.element} {absorber.edge} ({reasons}): {remedy}")


def _named(directory: Path, name: str) -> Pseudopotential:
    path = directory / name
    if not path.is_file():
        raise MissingDependencyError(
            f"the pseudopotential {name} is not in {directory}: put it there, or set WHITELINE_PSEUDO_DIRECTORY"
        )
    return _read(path)


def _find(element: str, parameters: XSpectraParameters, directory: Path) -> Pseudopotential:
    return _read(_find_once(directory, _stamp(directory), element, parameters.functional))


def _find_pair(
    element: str, edge: Edge, parameters: XSpectraParameters, directory: Path
) -> tuple[Pseudopotential, Pseudopotential]:
    ground, excited = _find_pair_once(
        directory, _stamp(directory), element, parameters.functional, core_level(edge), parameters.hole_size
    )
    return _read(ground), _read(excited)


def _read(path: Path) -> Pseudopotential:
    return _read_once(path, _stamp(path))


# Looking through a folder costs a tenth of a second, which thousands of sites need not pay: what was found counts
# until the folder or the file changes. The stamps are there to tell that.


@lru_cache(maxsize=_MOST_FILES)
def _find_once(directory: Path, stamp: tuple[int, int], element: str, functional: str) -> Path:  # noqa: ARG001
    return PseudoLibrary(directory).find(element, functional=functional).path


@lru_cache(maxsize=_MOST_FILES)
def _find_pair_once(
    directory: Path,
    stamp: tuple[int, int],  # noqa: ARG001
    element: str,
    functional: str,
    level: str,
    size: float,
) -> tuple[Path, Path]:
    pair = PseudoLibrary(directory).find_pair(element, core_hole=level, hole=size, functional=functional)
    return pair[0].path, pair[1].path


@lru_cache(maxsize=_MOST_FILES)
def _read_once(path: Path, stamp: tuple[int, int]) -> Pseudopotential:  # noqa: ARG001
    potential = read_upf(path)
    # What a test of the file found counts more than what its maker wrote into it.
    wavefunction, density = PseudoLibrary(path.parent).cutoffs(potential)
    return replace(potential, wavefunction_cutoff_ry=wavefunction, density_cutoff_ry=density)


@lru_cache(maxsize=_MOST_FILES)
def _core_text(path: Path, stamp: tuple[int, int]) -> str:
    return core_wavefunction(_read_once(path, stamp))


def _stamp(path: Path) -> tuple[int, int]:
    if not path.exists():
        return (0, 0)
    found = path.stat()
    return found.st_mtime_ns, found.st_size
