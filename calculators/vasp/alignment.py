"""Putting the spectra of different sites on one axis by total-energy differences.

The Kohn-Sham axis of a core-hole run counts from the core level of its own absorber, in a potential of its own: between
two sites it says little. The total energy of the cell with the electron in its lowest empty level does. With

    E' = E - E_onset + E_XCH - E_GS

the onset lies at the excitation energy of the cell. E_onset = E_F - E_core is the lowest empty level, where the excited
electron sits. VASP counts the energies of a frozen core from reference atoms of its own, with the hole and without;
their difference is the same for all sites of an element with one POTCAR, so that E' compares between sites and
compounds and is no photon energy.

    symbol      here                            unit
    E           axis as VASP wrote it           eV
    E_XCH       total of the core-hole cell     eV
    E_GS        total of the neutral cell       eV

Prendergast and Galli, Phys. Rev. Lett. 96, 215502 (2006), doi:10.1103/PhysRevLett.96.215502 (XCH); England et al.,
Chem. Phys. Lett. 514, 187 (2011), doi:10.1016/j.cplett.2011.08.063 (alignment); Guo et al., Sci. Data 10, 349 (2023),
doi:10.1038/s41597-023-02262-4 (with VASP).
"""

from __future__ import annotations

from collections import Counter

from whiteline.calculators.vasp.output import VaspOutput
from whiteline.errors import ParseError

__all__ = ["alignment_shift"]

# Å³; lattices are printed with nine decimals.
_SAME_VOLUME = 1e-3


def alignment_shift(excited: VaspOutput, ground: VaspOutput) -> float:
    """Return what is added to the axis of a core-hole run [eV].

    Args:
        excited: The core-hole run.
        ground: The neutral run of the same cell.

    Raises:
        ParseError: The two are not of one cell, the neutral run has a core hole, or an energy is missing.
    """
    if ground.core_hole is not None:
        raise ParseError(f"{ground.source} is a run with a core hole, expected the neutral cell")
    if _composition(excited) != _composition(ground) or abs(excited.volume - ground.volume) > _SAME_VOLUME:
        raise ParseError(
            f"{ground.source} is of {dict(_composition(ground))} in {ground.volume:.3f} Å³, expected the cell of "
            f"{excited.source}, {dict(_composition(excited))} in {excited.volume:.3f} Å³: compute the same supercell"
        )
    if excited.onset is None or excited.total_energy is None or ground.total_energy is None:
        raise ParseError(
            f"{excited.source} or {ground.source} lacks the total energy, the Fermi level or the core level: keep the "
            "OUTCAR of both"
        )
    return excited.total_energy - ground.total_energy - excited.onset


def _composition(output: VaspOutput) -> Counter[str]:
    return Counter(output.atom_elements)
