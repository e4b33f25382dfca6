"""Functions on the radial mesh of a UPF file, and the core wavefunction for xspectra.x."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from whiteline.calculators.pseudopotentials.core_hole import LETTERS, LEVEL_ORDER
from whiteline.calculators.pseudopotentials.upf import Pseudopotential, core_sections, read_text, sections
from whiteline.errors import ParseError

__all__ = ["CoreOrbital", "core_wavefunction", "projector_independence", "read_core_orbitals"]

_PROJECTOR = re.compile(
    r"<PP_GIPAW_ORBITAL\.\d+\s[^>]*\bl=\"\s*(\d)[^>]*>\s*<PP_GIPAW_WFS_AE[^>]*>(.*?)</PP_GIPAW_WFS_AE>", re.S
)


@dataclass(frozen=True, eq=False)
class CoreOrbital:
    """A core level's wavefunction.

    Attributes:
        level: E.g. `1s`.
        radius: Radial mesh, shape (n_mesh,) [bohr].
        wavefunction: r φ(r), shape (n_mesh,) [bohr^-1/2].
    """

    level: str
    radius: Float[np.ndarray, " mesh"]
    wavefunction: Float[np.ndarray, " mesh"]


def read_core_orbitals(potential: Pseudopotential) -> tuple[CoreOrbital, ...]:
    """Return the core wavefunctions that a file holds.

    Raises:
        ParseError: There are none, or their number of points is not the mesh's.
    """
    text = read_text(potential.path)
    radius = _values(sections(text, "PP_R", potential.path)[0][1], potential, "PP_R")
    orbitals = [
        CoreOrbital(level, radius, _values(body, potential, f"core orbital {level}"))
        for level, body in core_sections(text, potential.path)
        if level in potential.core_levels
    ]
    if not orbitals:
        raise ParseError(
            f"{potential.path} holds no core orbital (section PP_GIPAW_CORE_ORBITALS): make one that does with "
            f"`whiteline pseudo make {potential.element}`"
        )
    return tuple(orbitals)


def core_wavefunction(potential: Pseudopotential) -> str:
    """Return the core wavefunctions in the layout that xspectra.x reads as `filecore`.

    One header line, then for each level, in the order 1s 2s 2p 3s 3p 3d in which xspectra.x skips to the one it needs,
    the radial mesh as `r  r φ(r)` and an empty line.
    Take the ground-state pseudopotential's: the photon meets the atom before the hole is there.
    """
    orbitals = sorted(read_core_orbitals(potential), key=lambda orbital: LEVEL_ORDER.index(orbital.level))
    names = "".join(f" {o.level[0]} {LETTERS.index(o.level[1])}; " for o in orbitals)
    lines = [f"# number of core states {len(orbitals)} = {names}"]
    for orbital in orbitals:
        lines += [f"{r:.9g} {u:.15e}" for r, u in zip(orbital.radius, orbital.wavefunction, strict=True)]
        lines.append("")
    return "\n".join(lines) + "\n"


def projector_independence(potential: Pseudopotential, *, radius: float) -> dict[int, float]:
    """Return by angular momentum how far its GIPAW partial waves are from linear dependence, from 0 to 1.

    The smallest eigenvalue of their overlap matrix S_ij = <φ_i|φ_j> inside a sphere, each φ normalised there. ld1.x
    writes a wave that is zero where it finds no state; two equal ones make the reconstruction meaningless.

    Args:
        potential: A file of UPF version 2.
        radius: Radius of the sphere [bohr].
    """
    text = read_text(potential.path)
    r = _values(sections(text, "PP_R", potential.path)[0][1], potential, "PP_R")
    inside = r < radius
    waves: dict[int, list[Float[np.ndarray, " mesh"]]] = {}
    for momentum, body in _PROJECTOR.findall(text):
        waves.setdefault(int(momentum), []).append(_values(body, potential, "GIPAW partial wave")[inside])
    found = {}
    for momentum, channel in waves.items():
        overlap = np.array([[np.trapezoid(a * b, r[inside]) for b in channel] for a in channel])
        norms = np.sqrt(np.clip(np.diag(overlap), 1e-30, None))
        found[momentum] = float(np.linalg.eigvalsh(overlap / np.outer(norms, norms))[0])
    return found


def _values(text: str, potential: Pseudopotential, what: str) -> Float[np.ndarray, " mesh"]:
    try:
        values = np.array(re.sub("[dD]", "e", text).split(), dtype=float)
    except ValueError as error:
        raise ParseError(f"{potential.path}: {what} holds something that is no number: {error}") from error
    if len(values) != potential.n_mesh:
        raise ParseError(
            f"{potential.path}: {what} has {len(values)} values, expected {potential.n_mesh} as the header says: "
            "the file is damaged, fetch or make it again"
        )
    return values
