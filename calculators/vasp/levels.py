"""The core level of an edge, as VASP numbers it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, NamedTuple

from whiteline.edges import Edge
from whiteline.errors import ParameterError

__all__ = ["CoreLevel", "core_level", "supported_edges"]


class CoreLevel(NamedTuple):
    """A core level.

    Attributes:
        n: Main quantum number (CLN).
        l: Angular momentum (CLL).
        n_core: Electrons of a core that is filled up to it.
    """

    n: int
    l: int  # noqa: E741  # the quantum number's name
    n_core: int


_LEVELS: Final = MappingProxyType(
    {Edge.K: CoreLevel(1, 0, 2), Edge.L1: CoreLevel(2, 0, 4), Edge.L23: CoreLevel(2, 1, 10)}
)


def supported_edges() -> tuple[Edge, ...]:
    """Return the edges whose core levels VASP computes here."""
    return tuple(_LEVELS)


def core_level(edge: Edge) -> CoreLevel:
    """Return the core level of an edge.

    >>> core_level(Edge.L23)
    CoreLevel(n=2, l=1, n_core=10)

    Raises:
        ParameterError: VASP has no such level: it does not split L2 from L3, and shallower levels are no core.
    """
    if edge in _LEVELS:
        return _LEVELS[edge]
    if edge in (Edge.L2, Edge.L3):
        raise ParameterError(
            f"VASP computes core levels without spin-orbit coupling and does not tell L2 from L3: ask for the edge L23 "
            f"instead of {edge}"
        )
    raise ParameterError(
        f"VASP is not set up for the {edge} edge: its edges are {', '.join(_LEVELS)}; take FEFF for the others"
    )
