"""A measured absorption spectrum, and how it was made from what the detectors counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.edges import Edge
from whiteline.errors import InputError
from whiteline.spectrum import EnergyReference, Spectrum

__all__ = ["MeasuredSpectrum", "Signal"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


class Signal(StrEnum):
    """What the detectors saw."""

    TRANSMISSION = "transmission"
    FLUORESCENCE = "fluorescence"
    REFERENCE = "reference"
    ABSORPTION = "absorption"
    NORMALISED = "normalised"


@dataclass(frozen=True, eq=False)
class MeasuredSpectrum:
    """An absorption coefficient over photon energy, known up to a factor and a background.

    Attributes:
        energy: Strictly increasing photon energy, shape (n_energy,) [eV]. Stored as a read-only copy.
        mu: Absorption in arbitrary units, shape (n_energy,). Stored as a read-only copy.
        signal: What the detectors saw; `absorption` when the file does not say how its mu was made.
        derivation: How `mu` was made from the columns of the file, e.g. `ln(i0/itrans)`.
        element: Symbol of the absorbing element, if known.
        edge: Absorption edge, if known.
        metadata: What else the file says, name and text.
        notes: What was done to the points, e.g. that the energies were reversed.
        source: File that the spectrum came from.

    Raises:
        InputError: The arrays are not finite, not increasing, too short, or of shapes that do not fit.

    >>> foil = MeasuredSpectrum([8970.0, 8980.0], [0.1, 1.0], signal=Signal.TRANSMISSION, derivation="ln(i0/it)")
    >>> foil.to_spectrum().energy_reference.value
    'absolute'
    """

    energy: Float[Array, " energy"]
    mu: Float[Array, " energy"]
    _: KW_ONLY
    signal: Signal
    derivation: str
    element: str | None = None
    edge: Edge | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        try:
            checked = Spectrum(self.energy, self.mu, energy_reference=EnergyReference.ABSOLUTE)
        except InputError as error:
            raise InputError(f"{self.source or 'measured spectrum'}: {error}") from error
        object.__setattr__(self, "energy", checked.energy)
        object.__setattr__(self, "mu", checked.components[0])
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def to_spectrum(self) -> Spectrum:
        """Return energy and mu as a spectrum in arbitrary units, its background still in it."""
        return Spectrum(self.energy, self.mu, energy_reference=EnergyReference.ABSOLUTE)
