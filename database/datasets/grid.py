"""The common axis of a dataset: evenly spaced points, and what they are counted from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.edges import Edge, edge_energy
from whiteline.errors import ParameterError, did_you_mean

__all__ = ["OMNIXAS_STARTS", "DatasetGrid", "GridOrigin"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# First point of the K-edge grids of arXiv:2409.19552 [eV].
OMNIXAS_STARTS: Final = {
    "Ti": 4964.504,
    "V": 5464.097,
    "Cr": 5989.168,
    "Mn": 6537.886,
    "Fe": 7111.23,
    "Co": 7709.282,
    "Ni": 8332.181,
    "Cu": 8983.173,
}
_LARGEST = 100_000
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_GRID = re.compile(rf"([a-z-]+)[ ,]+({_NUMBER}):({_NUMBER})(?::({_NUMBER}))?")
_FORM = "give `omnixas`, or `edge-relative START:STOP:STEP` with edge-relative, absolute or as-stored, in eV"


class GridOrigin(StrEnum):
    """What the points are counted from."""

    ABSOLUTE = "absolute"
    EDGE = "edge-relative"
    OMNIXAS = "omnixas"
    STORED = "as-stored"

    @property
    def meaning(self) -> str:
        """What that is, in words."""
        return _MEANINGS[self]


_MEANINGS = {
    GridOrigin.ABSOLUTE: "photon energy",
    GridOrigin.EDGE: "photon energy minus the tabulated energy of the edge (Elam, Ravel and Sieber 2002)",
    GridOrigin.OMNIXAS: "photon energy minus the element's start energy of arXiv:2409.19552",
    GridOrigin.STORED: "energy as the code counted it, from the zero named in the column energy_reference",
}


@dataclass(frozen=True)
class DatasetGrid:
    """Points `start + step * i` [eV], i = 0 … `n_points` - 1, counted from `origin`.

    Photon energies are the points plus `zero(absorber, edge)`.

    >>> DatasetGrid.parse("edge-relative -10:35:0.25").n_points
    181
    >>> DatasetGrid.parse("omnixas").zero("Ti", "K")
    4964.504

    Raises:
        ParameterError: Fewer than 2 points or too many, or a step that is not above zero.
    """

    origin: GridOrigin
    start: float
    step: float
    n_points: int

    def __post_init__(self) -> None:
        if not 2 <= self.n_points <= _LARGEST:
            raise ParameterError(f"a grid has 2 to {_LARGEST} points, got {self.n_points}")
        if not (np.isfinite(self.start) and np.isfinite(self.step) and self.step > 0):
            raise ParameterError(f"a grid has a finite start and a step above 0 eV, got {self.start} and {self.step}")

    @property
    def points(self) -> Float[Array, " energy"]:
        """The points, shape (n_points,) [eV]."""
        points: Array = self.start + self.step * np.arange(self.n_points, dtype=np.float64)
        return points

    @property
    def stop(self) -> float:
        """The last point [eV]."""
        return float(self.points[-1])

    @classmethod
    def parse(cls, text: str, *, n_points: int | None = None) -> DatasetGrid:
        """Return the grid that a text such as `edge-relative -10:35:0.25` states.

        Args:
            text: `omnixas`, or an origin and START:STOP:STEP [eV]; START:STOP with `n_points`.
            n_points: Number of points, both ends included, in place of the step.

        Raises:
            ParameterError: The text is no grid, or START, STOP and STEP do not fit one another.
        """
        wanted = text.strip().lower()
        if wanted == GridOrigin.OMNIXAS.value:
            if n_points not in (None, 141):
                raise ParameterError(f"the omnixas grid has 141 points, got --points {n_points}: leave it out")
            return cls(GridOrigin.OMNIXAS, 0.0, 0.25, 141)
        match = _GRID.fullmatch(wanted)
        if not match:
            raise ParameterError(f"expected a grid, got {text!r}: {_FORM}")
        word, start, stop, step = match[1], float(match[2]), float(match[3]), match[4]
        known = [origin.value for origin in GridOrigin if origin is not GridOrigin.OMNIXAS]
        if word not in known:
            raise ParameterError(f"unknown origin {word!r} of a grid: {did_you_mean(word, known)}; {_FORM}")
        if not stop > start:
            raise ParameterError(f"a grid goes up, got {start:g} to {stop:g} eV: {_FORM}")
        if (step is None) == (n_points is None):
            raise ParameterError(f"a grid has either a step or --points, got {text!r} and --points {n_points}")
        if n_points is not None:
            return cls(GridOrigin(word), start, (stop - start) / max(1, n_points - 1), n_points)
        width = float(step or 0)
        n_steps = (stop - start) / width if width > 0 else 0.0
        if not 0 < n_steps <= _LARGEST or abs(n_steps - round(n_steps)) > 1e-6:
            raise ParameterError(f"steps of {width:g} eV do not lead from {start:g} to {stop:g} eV: change one of them")
        return cls(GridOrigin(word), start, width, round(n_steps) + 1)

    def zero(self, absorber: str, edge: str) -> float | None:
        """Return the photon energy at the zero of the points [eV]; None where points are as stored.

        Raises:
            ParameterError: The element has no such edge, or no start is published for it.
        """
        if self.origin is GridOrigin.STORED:
            return None
        if self.origin is GridOrigin.ABSOLUTE:
            return 0.0
        if self.origin is GridOrigin.EDGE:
            return edge_energy(absorber, Edge.parse(edge))
        if edge != Edge.K or absorber not in OMNIXAS_STARTS:
            raise ParameterError(
                f"the omnixas grid knows the K edges of {', '.join(OMNIXAS_STARTS)}, and there is one of "
                f"{absorber} {edge}: narrow the query, or take another grid such as `edge-relative -10:35:0.25`"
            )
        return OMNIXAS_STARTS[absorber]

    def describe(self) -> str:
        """Return the grid in words."""
        return f"{self.n_points} points from {self.start:g} to {self.stop:g} eV by {self.step:g}, {self.origin.meaning}"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; the points are in it, so that no reader has to make them."""
        return {
            "origin": self.origin.value,
            "meaning": self.origin.meaning,
            "start": self.start,
            "step": self.step,
            "n_points": self.n_points,
            "points": self.points.tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DatasetGrid:
        """Rebuild what `to_dict` wrote."""
        return cls(GridOrigin(data["origin"]), float(data["start"]), float(data["step"]), int(data["n_points"]))
