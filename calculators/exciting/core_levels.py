"""Where a core level lies in density-functional theory, and the energy window that must hold its edge.

exciting counts transition energies from Kohn-Sham core levels, up to some percent below measured edges: N K of boron
nitride at 378 eV instead of 401, Ti L3 of rutile at 439 instead of 456. No table of edges says where to compute; levels
of free atoms in the same functional do. From level to lowest conduction state the run of boron nitride has 4.6 eV less
than the atom's N 1s, that of rutile 2.7 eV less than the atom's Ti 2p3/2, and the rise of Ti K in monoclinic TiO begins
4.5 eV below the atom's Ti 1s. Chemical shifts are of the same size; `window_below` and `window_above` leave room for
several times as much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from whiteline.calculators.exciting.parameters import ExcitingParameters, Functional
from whiteline.edges import Edge
from whiteline.errors import ParameterError

__all__ = ["EnergyWindow", "core_level", "energy_window"]

# eV; how far the edge in a solid may be from the level of the free atom.
_BELOW, _ABOVE = 15.0, 15.0


@dataclass(frozen=True)
class EnergyWindow:
    """Transition energies that are computed.

    Attributes:
        start: First energy [eV].
        stop: End of the last step, at which exciting computes no more [eV].
        n_points: Number of points, each at the start of its step.
        levels: Levels of the free atom for the parts of the edge, lowest edge first [eV].
    """

    start: float
    stop: float
    n_points: int
    levels: tuple[float, ...]

    @property
    def is_safe(self) -> bool:
        """Whether it holds every edge, wherever a solid moves it."""
        return self.start <= min(self.levels) - _BELOW and max(self.levels) + _ABOVE <= self.stop

    @property
    def is_hopeless(self) -> bool:
        """Whether it holds no edge, wherever a solid moves it."""
        return self.stop < min(self.levels) - _BELOW or max(self.levels) + _ABOVE < self.start


def core_level(element: str, edge: Edge, *, functional: Functional) -> float:
    """Return how far below the vacuum the level of a single edge lies in the free atom [eV].

    Raises:
        ParameterError: The free atom does not have the level.

    >>> core_level("Ti", Edge.L3, functional="GGA_PBE_SOL")
    441.9
    """
    level = _levels(functional).get((element, edge))
    if level is None:
        raise ParameterError(
            f"a free {element} atom has no electron in the {edge} level: choose another edge, or set energy_window "
            "to where you expect it"
        )
    return level


def energy_window(element: str, edge: Edge, parameters: ExcitingParameters) -> EnergyWindow:
    """Return the window of an edge: the one asked for, or one around the levels of the free atom.

    Raises:
        ParameterError: The free atom does not have the level, or the window asked for cannot hold the edge.
    """
    levels = tuple(core_level(element, part, functional=parameters.functional) for part in edge.parts)
    if parameters.energy_window is not None:
        start, stop = parameters.energy_window
        n_points = round((stop - start) / parameters.energy_step)
    else:
        start = max(min(levels) - parameters.window_below, parameters.energy_step)
        n_points = round((max(levels) + parameters.window_above - start) / parameters.energy_step)
        stop = start + n_points * parameters.energy_step
    window = EnergyWindow(start, stop, n_points, levels)
    if window.is_hopeless:
        raise ParameterError(
            f"energy_window {start:.1f} to {stop:.1f} eV cannot hold the {edge} edge of {element}, whose Kohn-Sham "
            f"level lies near {levels[0]:.0f} eV: leave energy_window out, or correct it"
        )
    return window


@cache
def _levels(functional: str) -> Mapping[tuple[str, str], float]:
    text = (files("whiteline.calculators.exciting") / "core_levels.csv").read_text(encoding="utf-8")
    head, *rows = [line.split(",") for line in text.splitlines() if not line.startswith("#")]
    found = {}
    for name, element, *energies in rows:
        if name == functional:
            found.update({(element, e): float(x) for e, x in zip(head[2:], energies, strict=True) if x})
    return MappingProxyType(found)
