"""Directions of the electric field and their shares in the powder average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from whiteline.errors import ParameterError

__all__ = ["ISOTROPIC", "Polarisation", "check_polarisations"]

_WEIGHT_TOLERANCE = 1e-6  # lets 0.333333 stand for a third, and six of them sum to one


@dataclass(frozen=True)
class Polarisation:
    """One direction of the electric field and its share in the powder average.

    Attributes:
        label: Name of the direction, e.g. `x`.
        weight: Share in the powder average: 1/3 for each of x, y, z; 2/3 and 1/3 for x and z of
            a uniaxial crystal.
    """

    label: str
    weight: float


ISOTROPIC: Final = (Polarisation("isotropic", 1.0),)


def check_polarisations(polarisations: tuple[Polarisation, ...], n_component: int) -> None:
    """Raise unless there is one polarisation a component, of its own label, and the weights sum to one.

    Raises:
        ParameterError: Says which of these fails.

    >>> check_polarisations((Polarisation("x", 2 / 3), Polarisation("z", 1 / 3)), 2)
    """
    if len(polarisations) != n_component:
        raise ParameterError(
            f"one polarisation a component is needed, got {len(polarisations)} for {n_component} components: "
            "give polarisations="
        )
    labels = [p.label for p in polarisations]
    if len(set(labels)) != len(labels):
        raise ParameterError(f"polarisation labels must differ, got {labels}")
    weights = [p.weight for p in polarisations]
    if not abs(sum(weights) - 1.0) < _WEIGHT_TOLERANCE or min(weights) < 0:
        raise ParameterError(f"polarisation weights must be at least 0 and sum to 1, got {weights}")
