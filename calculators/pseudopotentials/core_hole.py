"""Core holes: which level an edge empties, and where its electron goes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from whiteline.edges import Edge
from whiteline.errors import ParameterError, did_you_mean

__all__ = ["LETTERS", "LEVEL_ORDER", "CoreHole", "core_level", "edge_of_level", "final_channels"]

LETTERS = "spdf"
# As xspectra.x counts core levels.
LEVEL_ORDER = tuple(f"{n}{LETTERS[momentum]}" for n in range(1, 6) for momentum in range(min(n, 3)))
# Subshells of the X-ray notation: 1 is s, 2 and 3 are p1/2 and p3/2, 4 and 5 are d3/2 and d5/2.
_LETTER_OF_SUBSHELL = {"": "s", "1": "s", "2": "p", "3": "p", "4": "d", "5": "d"}


@dataclass(frozen=True)
class CoreHole:
    """Electrons taken out of one core level.

    Attributes:
        level: Core level, e.g. `1s`.
        size: Number of missing electrons: 1 is a full core hole, 0.5 a half one (the transition state).
    """

    level: str
    size: float = 1.0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[1-5][spd]", self.level):
            raise ParameterError(f"core level must look like 1s or 2p, got {self.level!r}")
        if not 0 < self.size <= 1:
            raise ParameterError(f"a core hole is more than 0 and at most 1 electron, got {self.size:g}")

    @property
    def label(self) -> str:
        """Mark in file names.

        >>> CoreHole("1s").label, CoreHole("2p", 0.5).label
        ('star1s', 'half2p')
        """
        names = {1.0: "star", 0.5: "half"}
        return f"{names.get(self.size, f'hole{self.size:g}-')}{self.level}"


def core_level(edge: Edge) -> str:
    """Return the level whose electron an edge takes.

    >>> core_level(Edge.K), core_level(Edge.L23)
    ('1s', '2p')
    """
    shell, subshell = edge.value[0], edge.parts[0].value[1:]
    return f"{'KLM'.index(shell) + 1}{_LETTER_OF_SUBSHELL[subshell]}"


def final_channels(edge: Edge) -> tuple[tuple[int, int], ...]:
    """Return angular momentum and needed number of projectors of each dipole-allowed final channel.

    Two projectors are needed where most of the intensity goes, l + 1: one cannot follow the wavefunction over the
    energies of a spectrum.

    >>> final_channels(Edge.K), final_channels(Edge.L3)
    (((1, 2),), ((2, 2), (0, 1)))
    """
    initial = LETTERS.index(core_level(edge)[1])
    return ((initial + 1, 2), (initial - 1, 1)) if initial else ((1, 2),)


def edge_of_level(level: str) -> Edge:
    """Return the edge, spin-orbit partners together, that empties a core level.

    >>> edge_of_level("2p")
    <Edge.L23: 'L23'>

    Raises:
        ParameterError: No edge of the list does.
    """
    known = {core_level(edge): edge for edge in Edge}  # the last edge of a level is the one of both partners
    if level not in known:
        raise ParameterError(f"unknown core level {level!r}: {did_you_mean(level, known)}")
    return known[level]
