"""What an XSpectra calculation is expected to cost."""

from __future__ import annotations

from math import pi, prod
from typing import Final

from whiteline.absorber import Absorber
from whiteline.calculators.bands import RYDBERG
from whiteline.calculators.interface import Estimate
from whiteline.calculators.kpoints import BOHR
from whiteline.calculators.xspectra.inputs import Setup, cutoffs, folders, is_norm_conserving, potential_of
from whiteline.calculators.xspectra.parameters import XSpectraParameters
from whiteline.calculators.xspectra.potentials import Potentials
from whiteline.edges import Edge

__all__ = ["BASE_MEMORY", "count_electrons", "count_waves", "estimate_cost", "estimate_memory"]

# s on one core: for a plane wave, band, k point and step of the density; for a plane wave, k point and iteration; for
# an iteration, k point and energy of the cut of occupied states with steps of 0.01.
_SCF_SECONDS: Final = 1.6e-6
_LANCZOS_SECONDS: Final = 6e-7
_CUT_SECONDS: Final = 5e-9
_SCF_STEPS: Final = 25
# Bands for each electron: half, and some empty ones.
_BANDS: Final = 0.6
# MB: the program, and for each plane wave of the density without and with augmentation charges.
BASE_MEMORY: Final = 45.0
_NC_MEMORY: Final = 5e-4
_US_MEMORY: Final = 4e-3
_COMPLEX_MEMORY: Final = 16e-6


def count_electrons(potentials: Potentials, setup: Setup) -> float:
    """Return the number of valence electrons of the neutral cell."""
    return sum(potential_of(potentials, setup.kinds[i]).z_valence for i in setup.i_kind)


def estimate_cost(absorber: Absorber, parameters: XSpectraParameters, potentials: Potentials, setup: Setup) -> Estimate:
    """Return the cost on one core, within a factor of three or so.

    Plane waves number V E^1.5 / (6 π²) in atomic units. A step of the density costs each of them for each band and
    k point, a Lanczos iteration for each k point; their number grows as the broadening falls. The cut of
    occupied states is an integral at each energy.
    """
    wavefunction, density = cutoffs(parameters, potentials)
    volume = setup.cell.volume / BOHR**3
    n_waves = count_waves(volume, wavefunction)
    n_spin = 2 if setup.has_spin else 1
    n_bands = _BANDS * count_electrons(potentials, setup)
    # Time reversal leaves half of a grid, and site symmetry takes out a few more.
    n_scf = n_spin * max(1.0, 0.4 * prod(setup.scf_grid))
    scf = _SCF_SECONDS * _SCF_STEPS * n_scf * n_bands * (1 + n_bands / 200) * n_waves
    n_resolving = 0.2 * wavefunction * RYDBERG / parameters.xgamma
    n_iterations = min(parameters.xniter, n_waves, 2 * parameters.xcheck_conv + n_resolving)
    # One recursion for each state of the core level.
    n_states = sum({Edge.L2: 2, Edge.L3: 4}.get(edge, 1) for edge, _ in folders(absorber).values())
    n_recursions = n_states * prod(setup.grid) * n_spin
    lanczos = _LANCZOS_SECONDS * n_recursions * n_iterations * n_waves * (1 + len(setup.cell.atoms) / 40)
    if parameters.cut_occ_states:
        lanczos += _CUT_SECONDS / parameters.cut_stepl * n_recursions * n_iterations * parameters.n_energy
    memory = estimate_memory(
        volume,
        wavefunction=wavefunction,
        density=density,
        n_electrons=count_electrons(potentials, setup),
        is_norm_conserving=is_norm_conserving(potentials),
    )
    return Estimate(cpu_time=scf + lanczos, memory=memory)


def estimate_memory(
    volume: float, *, wavefunction: float, density: float, n_electrons: float, is_norm_conserving: bool
) -> float:
    """Return the memory of one process that does all [MB].

    Args:
        volume: Volume of the cell [bohr³].
        wavefunction: Cutoff of wavefunctions [Ry].
        density: Cutoff of the density [Ry].
        n_electrons: Valence electrons of the neutral cell.
        is_norm_conserving: Whether no pseudopotential needs augmentation charges.
    """
    n_waves, n_density = (count_waves(volume, energy) for energy in (wavefunction, density))
    density_memory = n_density * (_NC_MEMORY if is_norm_conserving else _US_MEMORY)
    return BASE_MEMORY + density_memory + n_waves * _BANDS * n_electrons * _COMPLEX_MEMORY


def count_waves(volume: float, energy: float) -> float:
    """Return how many plane waves a cell [bohr³] has up to an energy [Ry]."""
    return float(volume * energy**1.5 / (6 * pi**2))
