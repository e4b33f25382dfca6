"""Directions of the electric field and their shares in the powder average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import ParameterError

__all__ = ["CARTESIAN", "ISOTROPIC", "Polarisation", "check_polarisations", "inequivalent_polarisations"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_SAME_TENSOR = 1e-3  # rotations of a cell measured to 1 mÅ or so are that far from exact
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
CARTESIAN: Final = tuple(Polarisation(label, 1 / 3) for label in "xyz")


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


def inequivalent_polarisations(rotations: Float[Array, "operation 3 3"]) -> tuple[Polarisation, ...]:
    """Return those of x, y and z that a site symmetry leaves different, weighted for the powder average.

    A dipole spectrum is a symmetric tensor D of second rank with R D R^T = D for every operation R of the site's
    point group. Two diagonal elements are the same spectrum if they are equal in every tensor of that kind, that is
    if e_a e_a^T - e_b e_b^T averages to zero over the group.

    Args:
        rotations: Cartesian matrices of the point group, shape (n_operation, 3, 3).

    >>> quarter_turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    >>> group = np.array([np.linalg.matrix_power(quarter_turn, n) for n in range(4)])
    >>> [(p.label, round(3 * p.weight)) for p in inequivalent_polarisations(group)]
    [('x', 2), ('z', 1)]
    """
    columns = [np.mean([np.outer(R[:, axis], R[:, axis]) for R in rotations], axis=0) for axis in range(3)]
    first = [next(j for j in range(i + 1) if np.abs(columns[i] - columns[j]).max() < _SAME_TENSOR) for i in range(3)]
    return tuple(Polarisation("xyz"[i], first.count(i) / 3) for i in sorted(set(first)))
