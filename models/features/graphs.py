"""The neighbours of every atom of a crystal, as the directed edges of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from whiteline.structures import element_symbol

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["Graph", "join_graphs", "neighbour_graph"]

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Integers: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]

# Å; an atom is no neighbour of itself, its periodic images are.
_SAME_POSITION = 1.0e-8


@dataclass(frozen=True, eq=False)
class Graph:
    """Atoms, and an edge from each of them to every atom within a cutoff.

    Attributes:
        species: Place of each atom's element in the table of an encoder, shape (n_atom,).
        source: Atom that an edge starts from, shape (n_edge,).
        target: Atom that it leads to, shape (n_edge,).
        vectors: From source to target, shape (n_edge, 3) [Å].
    """

    species: Integers
    source: Integers
    target: Integers
    vectors: Floats

    @property
    def n_edges(self) -> int:
        """The number of directed edges."""
        return len(self.source)


def neighbour_graph(structure: Structure, *, cutoff: float, elements: Sequence[str]) -> Graph:
    """Return the graph of a crystal.

    Args:
        structure: Ordered, with elements of the table only.
        cutoff: Longest edge [Å].
        elements: Symbols in the order in which the encoder counts them.
    """
    places = {symbol: i for i, symbol in enumerate(elements)}
    source, target, images, _ = structure.get_neighbor_list(cutoff, numerical_tol=_SAME_POSITION)
    fractions = structure.frac_coords
    steps = fractions[target] + images - fractions[source]
    return Graph(
        species=np.array([places[element_symbol(site.specie)] for site in structure], dtype=np.int64),
        source=np.asarray(source, dtype=np.int64),
        target=np.asarray(target, dtype=np.int64),
        vectors=steps @ structure.lattice.matrix,
    )


def join_graphs(graphs: Sequence[Graph]) -> tuple[Graph, Integers]:
    """Return one graph that holds several side by side, and the place of each one's first atom."""
    sizes = np.array([len(graph.species) for graph in graphs])
    starts = np.cumsum(sizes) - sizes
    joined = Graph(
        species=np.concatenate([graph.species for graph in graphs]),
        source=np.concatenate([graph.source + start for graph, start in zip(graphs, starts, strict=True)]),
        target=np.concatenate([graph.target + start for graph, start in zip(graphs, starts, strict=True)]),
        vectors=np.concatenate([graph.vectors for graph in graphs]),
    )
    return joined, starts
