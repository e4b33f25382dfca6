"""Parameters of an XSpectra calculation: pw.x for the density with a core hole, xspectra.x for the spectrum."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from whiteline.calculators.cells import SupercellRule
from whiteline.calculators.parameters import Parameters

__all__ = ["XSpectraParameters"]

# xspectra.x prints the number of points in four columns.
_MOST_POINTS = 9999
# pw.x ends a file name at a space, comma or exclamation mark, and unpacks nothing.
_FILE_NAME = re.compile(r"(?!\.)[\w.+-]+(?<!\.gz)", re.ASCII)

# Parameters that came later, with values that change nothing.
_ADDED: Final = {"mixing_mode": "plain", "mixing_ndim": 8, "diagonalization": "david"}


class XSpectraParameters(Parameters):
    """Everything that decides an XSpectra spectrum, besides the pseudopotentials.

    Names and units of what goes unchanged into the input files are Quantum ESPRESSO's.

    Attributes:
        cell: The `primitive` cell, or a supercell whose `image_distance` or `axis_length` reaches a length.
        supercell_distance: That length, which keeps the absorber and its images apart [Å].
        core_hole: `full` (one electron taken out of the core), `half` (half of one) or `none`.
        excited_electron: Where it went: `removed` from the cell, whose charge a uniform background makes up for, or
            into the `conduction_band` of a cell that stays neutral.
        ecutwfc: Kinetic-energy cutoff of wavefunctions [Ry].
        ecutrho: Cutoff of density and potential [Ry]; None takes four times `ecutwfc` where all pseudopotentials
            conserve the norm, else eight times.
        follows_cutoffs: Raise both cutoffs to the highest that the pseudopotentials suggest.
        occupations: `smearing`, or `fixed` for an insulator with an even number of electrons.
        smearing: Kind of smearing.
        degauss: Its width [Ry].
        conv_thr: Convergence threshold of the density [Ry per atom].
        mixing_beta: Share of the new density in each step.
        electron_maxstep: Most steps of the density.
        mixing_mode: `plain`, or `local-TF` or `TF`, which screen the change of the density for uneven and for
            homogeneous systems. It and the next two, where they have their defaults, are no part of what is stored.
        mixing_ndim: Steps that the mixing remembers.
        diagonalization: `david`, or `cg`, which is slower, takes less memory and seldom breaks down.
        scf_kpoints_rule: `shortest`: the smallest k grid whose effective length exceeds `scf_kpoints_length`.
            `supercell_gamma`: Γ alone in a supercell, the grid of the spectrum in a primitive cell.
        scf_kpoints_length: Effective length that the k grid of the density exceeds [Å].
        kpoints_length: Effective length that the k grid of the spectrum exceeds [Å].
        kpoints_rule: `shortest`: the smallest such grid. `lightshow`: the first of Lightshow's trial grids.
        kpoints_longest: Length beyond which Lightshow's rule falls back to Γ alone [Å]; unused by `shortest`.
        shifts_kpoints: Move the k grid of the spectrum by half a step along each vector.
        spin: `structure`: with spin where the structure has magnetic moments. `none`: without.
        hubbard_u: U of the d or f electrons by element [eV] (simplified, rotationally invariant).
        xniter: Most Lanczos iterations for one k point.
        xcheck_conv: Iterations between two looks at convergence.
        xerror: Change of the spectrum between two looks that counts as converged.
        energy_min: First energy, from the Fermi level or highest occupied state [eV].
        energy_max: Last energy [eV].
        n_energy: Number of points.
        xgamma: Broadening in the run [eV]: the half width at half maximum of a Lorentzian, whose FWHM is twice that.
        terminator: Continue the fraction beyond the last Lanczos vector.
        cut_occ_states: Take transitions into occupied states out.
        cut_desmooth: Half width of the interval about the zero in which that cut is smoothed [eV]; at least one step
            of the energies, below which xspectra.x writes one point with both parts of the cut added.
        cut_stepl: First step of the integral behind that cut [Ry]. xspectra.x's own, 0.001, takes six times as long as
            the 0.01 of its examples, for the same spectrum to seven digits.
        r_paw: Radius of the reconstruction of the final state [bohr]; None takes 1.5 times that of the projectors.
        functional: Exchange-correlation functional that the pseudopotentials must share.
        pseudopotential_files: File name of the ground-state pseudopotential by element, for which the library's
            choice will not do.
        core_hole_pseudopotential: File name of the absorber's, likewise.
        core_wavefunction: File name of the pseudopotential that gives the core wavefunction; None takes the
            absorber's ground-state one.
    """

    cell: Literal["primitive"] | SupercellRule = "image_distance"
    supercell_distance: Annotated[float, Field(gt=0, le=50)] = 9.0
    core_hole: Literal["full", "half", "none"] = "full"
    excited_electron: Literal["removed", "conduction_band"] = "removed"
    ecutwfc: Annotated[float, Field(ge=5, le=1000)] = 40.0
    ecutrho: Annotated[float, Field(ge=20, le=10000)] | None = None
    follows_cutoffs: bool = True
    occupations: Literal["smearing", "fixed"] = "smearing"
    smearing: Literal["gauss", "mp", "mv", "fd"] = "mv"
    degauss: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    conv_thr: Annotated[float, Field(gt=0, le=1e-2)] = 1e-9
    mixing_beta: Annotated[float, Field(gt=0, le=1)] = 0.3
    electron_maxstep: Annotated[int, Field(ge=1, le=10000)] = 200
    mixing_mode: Literal["plain", "local-TF", "TF"] = "plain"
    mixing_ndim: Annotated[int, Field(ge=1, le=40)] = 8
    diagonalization: Literal["david", "cg"] = "david"
    scf_kpoints_rule: Literal["shortest", "supercell_gamma"] = "shortest"
    scf_kpoints_length: Annotated[float, Field(gt=0, le=200)] = 10.0
    kpoints_length: Annotated[float, Field(gt=0, le=200)] = 20.0
    kpoints_rule: Literal["shortest", "lightshow"] = "shortest"
    kpoints_longest: Annotated[float, Field(gt=0, le=200)] = 26.5
    shifts_kpoints: bool = False
    spin: Literal["structure", "none"] = "structure"
    hubbard_u: dict[str, Annotated[float, Field(ge=-20, le=20)]] = Field(default_factory=dict)
    xniter: Annotated[int, Field(ge=2, le=100000)] = 5000
    xcheck_conv: Annotated[int, Field(ge=1, le=10000)] = 50
    xerror: Annotated[float, Field(gt=0, le=1)] = 0.001
    energy_min: Annotated[float, Field(ge=-99, le=900)] = -10.0
    energy_max: Annotated[float, Field(ge=-99, le=900)] = 50.0
    n_energy: Annotated[int, Field(ge=2, le=_MOST_POINTS)] = 1201
    xgamma: Annotated[float, Field(gt=0, le=20)] = 0.1
    terminator: bool = True
    cut_occ_states: bool = True
    cut_desmooth: Annotated[float, Field(gt=0, le=10)] = 0.1
    cut_stepl: Annotated[float, Field(gt=0, le=1)] = 0.01
    r_paw: Annotated[float, Field(gt=0, le=10)] | None = None
    functional: Annotated[str, Field(min_length=1)] = "PBE"
    pseudopotential_files: dict[str, str] = Field(default_factory=dict)
    core_hole_pseudopotential: str | None = None
    core_wavefunction: str | None = None

    @property
    def energy_step(self) -> float:
        """Distance between two points of the spectrum [eV]."""
        return (self.energy_max - self.energy_min) / (self.n_energy - 1)

    @property
    def hole_size(self) -> float:
        """Electrons missing from the core."""
        return {"full": 1.0, "half": 0.5, "none": 0.0}[self.core_hole]

    @property
    def charge(self) -> float:
        """Charge of the cell, in electrons that it lacks."""
        return self.hole_size if self.excited_electron == "removed" else 0.0

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what was added later and has its default: calculations keep the ids that they had before."""
        values: dict[str, Any] = handler(self)
        return {name: value for name, value in values.items() if _ADDED.get(name) != value}

    @field_validator("pseudopotential_files")
    @classmethod
    def _check_names(cls, names: dict[str, str]) -> dict[str, str]:
        for name in names.values():
            _check_file_name(name)
        return names

    @field_validator("core_hole_pseudopotential", "core_wavefunction")
    @classmethod
    def _check_name(cls, name: str | None) -> str | None:
        if name is not None:
            _check_file_name(name)
        return name

    @field_validator("pseudopotential_files", "hubbard_u")
    @classmethod
    def _check_elements(cls, values: dict[str, Any]) -> dict[str, Any]:
        from ase.data import chemical_symbols

        for symbol in values:
            if symbol not in chemical_symbols[1:]:
                raise ValueError(f"expected chemical symbols as keys, got {symbol!r}")
        return values

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.energy_max <= self.energy_min:
            raise ValueError(f"energy_max {self.energy_max} eV must be above energy_min {self.energy_min} eV")
        if self.cut_occ_states and not self.energy_min < 0 < self.energy_max:
            raise ValueError(
                f"cut_occ_states needs the zero of energy inside the range, got {self.energy_min} to "
                f"{self.energy_max} eV"
            )
        if self.cut_occ_states and self.cut_desmooth < self.energy_step * (1 - 1e-9):
            raise ValueError(
                f"cut_desmooth must be at least the step of the energies, {self.energy_step:.6g} eV, got "
                f"{self.cut_desmooth}: xspectra.x would write a wrong point at the zero"
            )
        if self.ecutrho is not None and self.ecutrho < 4 * self.ecutwfc * (1 - 1e-9):
            raise ValueError(f"ecutrho must be at least four times ecutwfc = {self.ecutwfc} Ry, got {self.ecutrho}")
        return self


def _check_file_name(name: str) -> None:
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(
            "expected the name of a file in the folder of pseudopotentials, not packed, of letters, digits and "
            f". _ + -, got {name!r}"
        )
