"""How many bands reach an energy: a generous free-electron estimate."""

from __future__ import annotations

__all__ = ["RYDBERG", "bands_for_energy"]

RYDBERG = 13.605693122990  # eV; CODATA 2022

# Bands per Å³ and Ry^1.5. A free electron gas has 1 / 6π² of them per bohr³, that is 0.114: this is 2.2 times as many.
_DENSITY = 0.256


def bands_for_energy(volume: float, energy: float) -> int:
    """Return the number of bands of a cell up to `energy` above the bottom of the conduction band.

    n = 0.256 V E^1.5 with V in Å³ and E in Ry, as in the Ti-O-10 benchmark
    (Meng et al., Phys. Rev. Materials 8, 013801 (2024), doi:10.1103/PhysRevMaterials.8.013801).

    Args:
        volume: Volume of the cell [Å³].
        energy: Energy range [eV].

    >>> bands_for_energy(108.8, 30.0)
    91
    """
    return round(float(_DENSITY * volume * (energy / RYDBERG) ** 1.5))
