"""Parameters of an exciting calculation: density, screening, and the Bethe-Salpeter equation of a core level."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from whiteline.broadening import Origin
from whiteline.calculators.parameters import Parameters

__all__ = ["HARTREE", "ExcitingParameters", "Functional"]

# eV; the value that exciting multiplies its energies by, printed in the heads of its tables.
HARTREE = 27.2113839

Functional: TypeAlias = Literal["GGA_PBE", "GGA_PBE_SOL", "LDA_PW"]

_FRACTION = Annotated[float, Field(ge=0, le=1)]
# Parameters that came later, with values that change nothing.
_ADDED: Final = {"scf_mixer": "msec", "scf_mixing": None}


class ExcitingParameters(Parameters):
    """Everything that decides an exciting spectrum, besides the species files.

    Names in quotes are exciting's own, as its input reference explains them.

    Attributes:
        functional: Exchange and correlation (`xctype`).
        rgkmax: Smallest muffin-tin radius times the largest wave number of the basis; its size.
        gmaxvr_per_bohr: Cutoff of density and potential [1/bohr]; None leaves it to exciting.
        l_max: Largest angular momentum in the muffin tins, of basis, Hamiltonian and density; None leaves it to
            exciting.
        muffin_tin_radii_bohr: Radius by element [bohr]. For the others exciting finds radii that do not overlap.
        scf_kpoints_length: Effective length that the k grid of the density exceeds [Å]; None takes the grid of the
            spectrum.
        scf_empty_states: Empty states in the density.
        scf_max_iterations: Most iterations of the density.
        scf_mixer: How the potential is mixed (`mixer`): multi-secant Broyden, Pulay or linear. It and the next, where
            they have their defaults, are no part of what is stored.
        scf_mixing: First share of the new potential in linear mixing (`beta0`); None leaves it to exciting.
        kpoints_rule: `shortest`: the smallest k grid whose effective length exceeds `kpoints_length`. `lightshow`: the
            first of Lightshow's trial grids.
        kpoints_length: Effective length that the k grid of spectrum and screening exceeds [Å].
        kpoints_longest: Length beyond which Lightshow's rule falls back to one point [Å]; unused by `shortest`.
        kpoints_offset: Shift of that grid, which takes it off all symmetry, in steps of the grid (`vkloff`).
        band_energy: Conduction bands reach this far above their bottom, by a free-electron estimate [eV].
        empty_states: Empty states from which these bands are taken; at least as many as there are bands.
        gqmax_per_bohr: Cutoff of the matrix elements, for local fields [1/bohr].
        screening: How the Coulomb interaction of electron and hole is screened (`screentype`).
        screening_empty_states: Empty states in the screening.
        bse_type: `singlet`: with exchange and attraction; `triplet`: without exchange; `RPA`: without attraction; `IP`:
            independent particles.
        broadening: Full width at half maximum of the Lorentzian that exciting applies [eV]. Its `broad` is half of it.
        broadening_origin: What that Lorentzian stands for.
        energy_window: First and last transition energy [eV], Kohn-Sham; None puts it around the level of a free atom.
        window_below: How far that window starts below the level [eV].
        window_above: How far it reaches above the level [eV].
        energy_step: Distance between two points [eV].
        hubbard_u: U of the d or f electrons by element [eV], in the fully localised limit with J = 0.
        spin: `none`: magnetic moments of the structure are left out. Nothing else is offered: which versions of
            exciting solve the Bethe-Salpeter equation of core levels with spin has not been established.
        distribute: Distribute the Hamiltonian over the processes of an MPI run (`distribute`).
        storage: Size of the pieces in which interaction matrices are stored [MB] (`eecs`); None leaves it to exciting.
    """

    functional: Functional = "GGA_PBE"
    rgkmax: Annotated[float, Field(ge=3, le=14)] = 8.0
    gmaxvr_per_bohr: Annotated[float, Field(ge=6, le=60)] | None = None
    l_max: Annotated[int, Field(ge=4, le=20)] | None = None
    muffin_tin_radii_bohr: dict[str, Annotated[float, Field(ge=0.3, le=4)]] = Field(default_factory=dict)
    scf_kpoints_length: Annotated[float, Field(gt=0, le=200)] | None = None
    scf_empty_states: Annotated[int, Field(ge=1, le=5000)] = 30
    scf_max_iterations: Annotated[int, Field(ge=1, le=2000)] = 200
    scf_mixer: Literal["msec", "pulay", "lin"] = "msec"
    scf_mixing: Annotated[float, Field(gt=0, le=1)] | None = None
    kpoints_rule: Literal["shortest", "lightshow"] = "shortest"
    kpoints_length: Annotated[float, Field(gt=0, le=200)] = 17.0
    kpoints_longest: Annotated[float, Field(gt=0, le=200)] = 26.458861
    kpoints_offset: tuple[_FRACTION, _FRACTION, _FRACTION] = (0.05, 0.03, 0.13)
    band_energy: Annotated[float, Field(gt=0, le=300)] = 30.0
    empty_states: Annotated[int, Field(ge=1, le=5000)] = 50
    gqmax_per_bohr: Annotated[float, Field(ge=0, le=20)] = 4.0
    screening: Literal["full", "diag", "noinvdiag", "longrange"] = "full"
    screening_empty_states: Annotated[int, Field(ge=1, le=5000)] = 100
    bse_type: Literal["singlet", "triplet", "RPA", "IP"] = "singlet"
    broadening: Annotated[float, Field(ge=0.01, le=20)] = 0.3
    broadening_origin: Origin = Origin.NUMERICAL
    energy_window: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] | None = None
    window_below: Annotated[float, Field(ge=5, le=500)] = 25.0
    window_above: Annotated[float, Field(ge=5, le=500)] = 55.0
    energy_step: Annotated[float, Field(ge=0.001, le=5)] = 0.1
    hubbard_u: dict[str, Annotated[float, Field(ge=-20, le=20)]] = Field(default_factory=dict)
    spin: Literal["none"] = "none"
    distribute: bool = False
    storage: Annotated[int, Field(ge=1, le=10**6)] | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what was added later and has its default: calculations keep the ids that they had before."""
        values: dict[str, Any] = handler(self)
        return {name: value for name, value in values.items() if _ADDED.get(name, ...) != value}

    @field_validator("hubbard_u", "muffin_tin_radii_bohr")
    @classmethod
    def _check_elements(cls, values: dict[str, Any]) -> dict[str, Any]:
        from ase.data import chemical_symbols

        for symbol in values:
            if symbol not in chemical_symbols[1:]:
                raise ValueError(f"expected chemical symbols as keys, got {symbol!r}")
        return dict(sorted(values.items()))

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        if self.energy_window is not None:
            lo, hi = self.energy_window
            if not hi - lo >= 10 * self.energy_step:
                raise ValueError(
                    f"energy_window must hold at least ten steps of {self.energy_step} eV, got {lo} to {hi} eV"
                )
        return self
