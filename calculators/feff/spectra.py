"""From FEFF's tables to spectra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from whiteline.broadening import BroadeningRecord, Lorentzian, Origin
from whiteline.calculators.feff.eels import EelsTable
from whiteline.calculators.feff.plan import Channel
from whiteline.calculators.feff.xmu import XmuTable
from whiteline.errors import ParseError
from whiteline.polarisation import Polarisation
from whiteline.spectrum import EnergyReference, Quantity, Spectrum
from whiteline.units import MBARN_PER_A2

__all__ = ["spectrum_from_channels", "spectrum_from_eels", "spectrum_from_loss", "spectrum_from_xmu"]

_BOHR = 0.529177210544  # Å; CODATA 2022
# eV; the energies of two runs on one mesh, printed with at least three decimals.
_SAME_ENERGY = 2.0e-3
_SPIN = (Polarisation("spin up", 0.5), Polarisation("spin down", 0.5))
_HELICITY = (Polarisation("mu plus", 0.5), Polarisation("mu minus", 0.5))


def spectrum_from_xmu(table: XmuTable, *, volume: float | None = None, part: str = "") -> Spectrum:
    """Return the absorption spectrum of an xmu.dat on absolute photon energies.

    The raw intensity is FEFF's `mu`; `scale` is its normalisation factor in Mbarn.

    Args:
        table: Content of the file.
        volume: Volume that holds one excited atom [Å³].
        part: Name of the edge where it is one part of several, each with its own width.

    Raises:
        ParseError: The table is not an absorption spectrum, or it is zero.
    """
    if table.columns[3] != "mu":
        raise ParseError(f"{table.source}: expected an absorption spectrum (column mu), got {' '.join(table.columns)}")
    omega, mu = table.data[:, 0], table.data[:, 3]
    if not mu.any():
        raise ParseError(f"{table.source}: the spectrum is zero everywhere")
    # Old versions print three decimals: neighbours on a fine grid can share an energy.
    energy, first = np.unique(omega, return_index=True)
    return Spectrum(
        energy,
        mu[first],
        energy_reference=EnergyReference.ABSOLUTE,
        quantity=Quantity.CROSS_SECTION,
        scale=table.norm * MBARN_PER_A2 if table.norm else None,
        volume=volume,
        broadening=(_width_on_record(table, part),),
    )


def spectrum_from_channels(
    tables: Mapping[Channel, XmuTable], *, volume: float | None = None, part: str = ""
) -> Spectrum:
    """Return the spectrum that the runs of one edge make up, its components labelled by spin or by helicity.

    With the normalisation taken into all of them, up and down are mu_up + mu_down = mu. The components are 2 mu_up and
    2 mu_down with a weight of one half each, so that their average is the spectrum of unpolarised light. With light of
    either helicity, M the mean and D the difference of the crystal and M', D' those of the crystal with all moments
    reversed, mu± = (M + M') / 2 ± (D - D') / 4. The mean of mu+ and mu- stands for unpolarised light as well, as the
    usual sum rules take it (Thole et al., Phys. Rev. Lett. 68, 1943 (1992), doi:10.1103/PhysRevLett.68.1943).

    Args:
        tables: Content of the xmu.dat of each run (`whiteline.calculators.feff.plan`).
        volume: Volume that holds one excited atom [Å³].
        part: Name of the edge where it is one part of several, each with its own width.

    Raises:
        ParseError: The runs do not share a mesh, or one has no normalisation.
    """
    if Channel.ALL in tables:
        return spectrum_from_xmu(tables[Channel.ALL], volume=volume, part=part)
    first = next(iter(tables.values()))
    raw = {channel: _on_scale_of(first, table) for channel, table in tables.items()}
    if Channel.UP in tables:
        rows, polarisations = [2 * raw[Channel.UP], 2 * raw[Channel.DOWN]], _SPIN
    else:
        mean = (raw[Channel.MEAN] + raw[Channel.MEAN_REVERSED]) / 2
        difference = (raw[Channel.DIFFERENCE] - raw[Channel.DIFFERENCE_REVERSED]) / 2
        rows, polarisations = [mean + difference / 2, mean - difference / 2], _HELICITY
    spectrum = spectrum_from_xmu(first, volume=volume, part=part)
    _, kept = np.unique(first.data[:, 0], return_index=True)
    return replace(spectrum, components=np.array(rows)[:, kept], polarisations=polarisations)


def spectrum_from_eels(eels: EelsTable, table: XmuTable, *, volume: float | None = None, part: str = "") -> Spectrum:
    """Return the energy-loss spectrum of an eels.dat, as a cross-section per energy loss.

    The axis is that of the xmu.dat of the same run, which has more digits.

    Args:
        eels: Content of eels.dat.
        table: Content of an xmu.dat of the same run.
        volume: Volume that holds one excited atom [Å³].
        part: Name of the edge where it is one part of several, each with its own width.

    Raises:
        ParseError: The two files do not have the same energies, or the spectrum is zero.
    """
    n_expected, n_found = len(table.data), len(eels.data)
    # eels.dat prints six significant digits.
    digits = 10.0 ** (np.floor(np.log10(np.abs(table.data[:, 0]))) - 5)
    n_shared = min(n_expected, n_found)
    is_same = np.abs(eels.data[:n_shared, 0] - table.data[:n_shared, 0]) <= 0.51 * digits[:n_shared] + _SAME_ENERGY
    if n_expected != n_found or not is_same.all():
        raise ParseError(
            f"{eels.source} has {n_found} energies up to {eels.data[-1, 0]:g} eV, expected the {n_expected} up to "
            f"{table.data[-1, 0]:g} eV of {table.source}: it is cut off or of another run, run the calculation again"
        )
    return spectrum_from_loss(eels, table.data[:, 0], _width_on_record(table, part), volume=volume)


def spectrum_from_loss(
    eels: EelsTable,
    energies: Float[np.ndarray[Any, np.dtype[np.float64]], " energy"],
    width: BroadeningRecord,
    *,
    volume: float | None = None,
) -> Spectrum:
    """Return the energy-loss spectrum of an eels.dat.

    Args:
        eels: Content of the file.
        energies: Photon energy of each of its rows, shape (n_energy,) [eV].
        width: Width of the core hole that it carries.
        volume: Volume that holds one excited atom [Å³].

    Raises:
        ParseError: The spectrum is zero.
    """
    if not eels.data[:, 1].any():
        raise ParseError(f"{eels.source}: the spectrum is zero everywhere")
    energy, first = np.unique(energies, return_index=True)
    direction = eels.beam_direction
    label = "isotropic" if direction is None else "beam " + " ".join(f"{x + 0.0:g}" for x in direction)
    return Spectrum(
        energy,
        eels.data[first, 1],
        energy_reference=EnergyReference.ABSOLUTE,
        polarisations=(Polarisation(label, 1.0),),
        quantity=Quantity.ENERGY_LOSS,
        scale=MBARN_PER_A2 * _BOHR**2,
        volume=volume,
        broadening=(width,),
    )


def _width_on_record(table: XmuTable, part: str) -> BroadeningRecord:
    width = table.core_hole_width + 2 * table.extra_broadening
    return BroadeningRecord(
        Lorentzian(width), Origin.LIFETIME, applied_by=f"{table.version} ({part})" if part else table.version
    )


def _on_scale_of(first: XmuTable, table: XmuTable) -> np.ndarray:
    """Return mu of a table in the units of another, shape (n_energy,)."""
    if first.norm is None or table.norm is None:
        raise ParseError(f"{table.source} prints no normalisation: without it the runs of one edge do not add up")
    energies, others = first.data[:, 0], table.data[:, 0]
    if len(energies) != len(others) or np.abs(energies - others).max() > _SAME_ENERGY:
        raise ParseError(f"{table.source} and {first.source} are not on one mesh: run the calculation again")
    return np.asarray(table.data[:, 3] * (table.norm / first.norm))
