"""Zeros of the energy axis, kinds of intensity, and the factor between the two absolute units."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.errors import UnitError

__all__ = ["HBAR_C", "MBARN_PER_A2", "EnergyReference", "Quantity", "mbarn_per_im_epsilon"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# [eV A]; exact, h c / (2 pi e) of the SI of 2019. scipy.constants has it too and takes a fifth of a second to load.
HBAR_C: Final = 1973.2698045930252
MBARN_PER_A2: Final = 100.0  # 1 Mbarn = 1e-18 cm^2 = 0.01 A^2


class EnergyReference(StrEnum):
    """Where the axis has its zero."""

    ABSOLUTE = "absolute"
    FERMI = "fermi"
    CONDUCTION_BAND_MINIMUM = "cbm"
    CORE_LEVEL = "core_level"


class Quantity(StrEnum):
    """What the raw intensity is proportional to.

    An energy-loss spectrum is a cross-section per energy that an electron loses, integrated over the angles that the
    detector takes in [Mbarn/eV per atom]. It depends on beam and detector and does not convert to the others.
    """

    CROSS_SECTION = "cross_section"
    IM_EPSILON = "im_epsilon"
    ENERGY_LOSS = "energy_loss"


def mbarn_per_im_epsilon(photon_energy: Float[Array, " energy"], volume: float) -> Float[Array, " energy"]:
    """Return the cross-section [Mbarn] of an atom that alone gives its volume an Im epsilon of one.

    sigma = epsilon_2 E V / (hbar c), from the absorption coefficient mu = epsilon_2 E / (hbar c) = sigma / V
    of a medium whose refractive index is close to one, as all are at core levels.

    Args:
        photon_energy: Absolute photon energy, shape (n_energy,) [eV].
        volume: Volume that holds one excited atom [A^3].

    Raises:
        UnitError: A photon energy is not above zero.

    >>> mbarn_per_im_epsilon(np.array([4966.0]), 108.8).round(2).tolist()
    [27380.99]
    """
    if np.min(photon_energy) <= 0:
        raise UnitError(f"units convert above a photon energy of 0 eV, got {np.min(photon_energy):g} eV")
    return MBARN_PER_A2 * photon_energy * volume / HBAR_C
