"""Absorption edges: which there are, which an element has, and which are sums of two."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from enum import StrEnum
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from whiteline.errors import MissingDependencyError, ParameterError, did_you_mean

__all__ = ["Edge", "edge_energy"]


class Edge(StrEnum):
    """An absorption edge in IUPAC's short notation; `L23` stands for L2,3.

    >>> Edge.parse("l2,3")
    <Edge.L23: 'L23'>
    >>> Edge.L23.parts
    (<Edge.L3: 'L3'>, <Edge.L2: 'L2'>)
    """

    K = "K"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L23 = "L23"
    M1 = "M1"
    M2 = "M2"
    M3 = "M3"
    M4 = "M4"
    M5 = "M5"
    M23 = "M23"
    M45 = "M45"

    @classmethod
    def parse(cls, text: str) -> Edge:
        """Return the edge that `text` names, whatever its case, commas and spaces.

        Raises:
            ParameterError: No such edge; the message names the nearest one.
        """
        name = text.strip().upper().replace(",", "").replace("_", "").replace(" ", "")
        try:
            return cls(name)
        except ValueError:
            raise ParameterError(f"unknown edge {text!r}: {did_you_mean(name, [edge.value for edge in cls])}") from None

    @property
    def parts(self) -> tuple[Edge, ...]:
        """The single edges of a combined one, lowest energy first; otherwise the edge itself."""
        shell, subshells = self.value[0], self.value[1:]
        if len(subshells) < 2:
            return (self,)
        return tuple(Edge(shell + subshell) for subshell in reversed(subshells))


@lru_cache(maxsize=512)
def edge_energy(element: str, edge: Edge) -> float:
    """Return the tabulated energy [eV] of the lowest part of `edge`.

    Elam, Ravel and Sieber, Radiat. Phys. Chem. 63, 121 (2002), doi:10.1016/S0969-806X(01)00227-4, through xraydb.

    Raises:
        ParameterError: The element is unknown or has no such edge.
    """
    known = _tabulated_edges(element)
    if not known:
        raise ParameterError(f"no edges of {element!r} are tabulated: expected a chemical symbol from H to Cf, e.g. Ti")
    missing = [part for part in edge.parts if part not in known]
    if missing:
        edges = ", ".join(e for e in known if e in set(Edge))
        raise ParameterError(f"{element} has no {missing[0]} edge: its edges are {edges}")
    return known[edge.parts[0]]


def _tabulated_edges(element: str) -> dict[str, float]:
    """Return the energies [eV] of an element's edges by name, as xraydb tabulates them; empty when it has none.

    Importing xraydb takes half a second, for libraries that reading one table of its file does not need.
    """
    package = find_spec("xraydb")
    if package is None or not package.submodule_search_locations:
        raise MissingDependencyError("xraydb is not installed: `pip install xraydb`")
    file = Path(package.submodule_search_locations[0]) / "xraydb.sqlite"
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as tables:
        rows = tables.execute("SELECT iupac_symbol, absorption_edge FROM xray_levels WHERE element = ?", (element,))
        return {name: float(energy) for name, energy in rows}
