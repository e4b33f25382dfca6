"""An energy-loss spectrum of FEFF from eels.dat alone, without the xmu.dat of the same run."""

from __future__ import annotations

import numpy as np

from whiteline.broadening import BroadeningRecord, Lorentzian, Origin
from whiteline.calculators.feff.eels import EelsTable
from whiteline.calculators.kpoints import BOHR
from whiteline.errors import ParseError
from whiteline.polarisation import Polarisation
from whiteline.spectrum import EnergyReference, Quantity, Spectrum
from whiteline.units import MBARN_PER_A2

__all__ = ["spectrum_from_loss"]


def spectrum_from_loss(table: EelsTable) -> Spectrum:
    """Return the energy-loss spectrum of a table, on the six digits of energy that it prints.

    Raises:
        ParseError: The spectrum is zero.
    """
    if not table.data[:, 1].any():
        raise ParseError(f"{table.source}: the spectrum is zero everywhere")
    energy, first = np.unique(table.data[:, 0], return_index=True)
    direction = table.beam_direction
    label = "isotropic" if direction is None else "beam " + " ".join(f"{x + 0.0:g}" for x in direction)
    return Spectrum(
        energy,
        table.data[first, 1],
        energy_reference=EnergyReference.ABSOLUTE,
        polarisations=(Polarisation(label, 1.0),),
        quantity=Quantity.ENERGY_LOSS,
        scale=MBARN_PER_A2 * BOHR**2,
        broadening=(BroadeningRecord(Lorentzian(table.core_hole_width), Origin.LIFETIME, applied_by="FEFF"),),
    )
