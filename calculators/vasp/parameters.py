"""Parameters of a VASP supercell core-hole calculation."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import Field, ValidationInfo, field_validator, model_validator

from whiteline.calculators.cells import SupercellRule
from whiteline.calculators.parameters import Parameters

__all__ = ["OWN_TAGS", "Functional", "IncarValue", "VaspParameters"]

IncarValue: TypeAlias = bool | int | float | str
Names = TypeVar("Names", dict[str, float], dict[str, str], tuple[str, ...])
Functional: TypeAlias = Literal["PBE", "PBE_52", "PBE_54", "PBE_64", "LDA", "LDA_52", "LDA_54", "LDA_64"]

# What the writer decides from the absorber and from other parameters; `incar` must not say it a second time.
OWN_TAGS = frozenset(
    {"ALGO", "CH_LSPEC", "CH_NEDOS", "CH_SIGMA", "CLL", "CLN", "CLNT", "CLZ", "EDIFF", "ENCUT", "ICORELEVEL", "ISMEAR"}
    | {"ISPIN", "LASPH", "LDAU", "LDAUJ", "LDAUL", "LDAUTYPE", "LDAUU", "LREAL", "MAGMOM", "NBANDS", "NELECT", "NELM"}
    | {"PREC", "SIGMA", "SYMPREC"}
)
_TAG = re.compile(r"[A-Z][A-Z0-9_]*")
# `Fe`, or a species as pymatgen writes it: `Fe3+`.
_SPECIES = re.compile(r"([A-Z][a-z]?)(\d*\.?\d*[+-])?")
_POTCAR = re.compile(r"[A-Z][a-z]?([_.][\w.]+)?", re.ASCII)


class VaspParameters(Parameters):
    """Everything that decides a VASP spectrum, besides the POTCAR files.

    Names of what goes unchanged into the INCAR are VASP's tags in lower case.

    Attributes:
        cell: The `primitive` cell, or a supercell whose `image_distance` or `axis_length` reaches a length.
        supercell_distance: That length, which keeps the absorber and its images apart [Å].
        core_hole: `full` (one electron taken out of the core, CLZ = 1) or `half` (half of one).
        excited_electron: Where it went: into the `conduction_band` (excited electron and core hole), or `removed`
            from the cell, whose charge a uniform background makes up for (full core hole).
        functional: Set of POTCAR files, by pymatgen's name for it; the functional is the one they were made with.
        potcars: Symbol of the POTCAR by element, instead of the recommended GW potential.
        kpoints_length: Effective length that the k grid exceeds [Å].
        kpoints_rule: `shortest`: the smallest such grid. `lightshow`: the first of Lightshow's trial grids.
        kpoints_longest: Length beyond which Lightshow's rule falls back to Γ alone [Å]; unused by `shortest`.
        nbands: Number of bands; None takes it from `nbands_rule`.
        nbands_rule: The bands that reach `band_energy` come on top of the `occupied` ones (half the valence
            electrons), or, as `lightshow` counts, on top of one band a valence electron.
        band_energy: Height above the bottom of the conduction band that the bands reach [eV].
        prec: Precision of grids and projections.
        algo: Algorithm of the electronic minimisation.
        encut: Plane-wave cutoff [eV]; `potcar` leaves it to the POTCAR files, that is to the elements. Total energies
            compare at one cutoff only.
        ediff: Change of the total energy at which the density is converged [eV].
        nelm: Most steps of the density.
        sigma: Gaussian smearing of the occupations [eV].
        lreal: Projection in real space (`Auto`) or in reciprocal space (False).
        lasph: Count non-spherical contributions inside the augmentation spheres.
        symprec: Tolerance of VASP's symmetry finder [Å]; None leaves it to VASP.
        spin: Polarised where any starting moment is not zero: `moments` counts those of the structure and those set
            here, because the excited electron is unpaired; `structure` those of the structure alone; or `none`. From
            zero moments VASP finds no others.
        moments: Starting moment by species (`Fe3+`) or element [µB] of atoms to which the structure gives none.
        default_moment: Starting moment of all others [µB]; None leaves them to VASP, which takes 1.
        hubbard_u: U - J of the d or f electrons by element [eV] (Dudarev et al., doi:10.1103/PhysRevB.57.1505).
        hubbard_u_with: Elements of which the structure needs one for U to be used at all; empty asks for none.
        ch_nedos: Number of energies (CH_NEDOS). They are spread over hundreds of eV, most of which are empty.
        ch_sigma: Gaussian broadening of the spectrum in the run (CH_SIGMA) [eV]; small, and broadened afterwards.
        site_alignment: `none`, or `total_energy`: the neutral supercell is computed too, and the onset is put at the
            difference of the two total energies (`whiteline.calculators.vasp.alignment`).
        incar: Other tags of the core-hole run.
        ground_state_incar: Other tags of the neutral run.
    """

    cell: Literal["primitive"] | SupercellRule = "image_distance"
    supercell_distance: Annotated[float, Field(gt=0, le=50)] = 9.0
    core_hole: Literal["full", "half"] = "full"
    excited_electron: Literal["conduction_band", "removed"] = "conduction_band"
    functional: Functional = "PBE_54"
    potcars: dict[str, str] = Field(default_factory=dict)
    kpoints_length: Annotated[float, Field(gt=0, le=200)] = 17.0
    kpoints_rule: Literal["shortest", "lightshow"] = "shortest"
    kpoints_longest: Annotated[float, Field(gt=0, le=400)] = 26.5
    nbands: Annotated[int, Field(ge=1, le=100_000)] | None = None
    nbands_rule: Literal["occupied", "lightshow"] = "occupied"
    band_energy: Annotated[float, Field(gt=0, le=500)] = 40.0
    prec: Literal["Normal", "Accurate"] = "Accurate"
    algo: Literal["Normal", "Fast", "VeryFast", "All"] = "Normal"
    encut: Annotated[float, Field(ge=100, le=5000)] | Literal["potcar"] = 520.0
    ediff: Annotated[float, Field(gt=0, le=1e-2)] = 1e-6
    nelm: Annotated[int, Field(ge=1, le=10_000)] = 200
    sigma: Annotated[float, Field(gt=0, le=1)] = 0.05
    lreal: Literal["Auto", False] = "Auto"
    lasph: bool = True
    symprec: Annotated[float, Field(gt=0, le=0.1)] | None = None
    spin: Literal["moments", "structure", "none"] = "moments"
    moments: dict[str, float] = Field(default_factory=dict)
    default_moment: float | None = 0.6
    hubbard_u: dict[str, float] = Field(default_factory=dict)
    hubbard_u_with: tuple[str, ...] = ()
    ch_nedos: Annotated[int, Field(ge=100, le=1_000_000)] = 40_000
    ch_sigma: Annotated[float, Field(gt=0, le=5)] = 0.05
    site_alignment: Literal["none", "total_energy"] = "none"
    incar: dict[str, IncarValue] = Field(default_factory=dict)
    ground_state_incar: dict[str, IncarValue] = Field(default_factory=dict)

    @property
    def core_hole_charge(self) -> float:
        """Electrons taken out of the core (CLZ)."""
        return 1.0 if self.core_hole == "full" else 0.5

    @field_validator("incar", "ground_state_incar")
    @classmethod
    def _check_tags(cls, values: dict[str, IncarValue]) -> dict[str, IncarValue]:
        tags = {name.strip().upper(): value for name, value in values.items()}
        taken = sorted(OWN_TAGS & set(tags))
        if taken:
            raise ValueError(f"{', '.join(taken)} is written from other parameters: leave it out here")
        for name, value in tags.items():
            # VASP reads a second tag after a semicolon and on a new line.
            if not _TAG.fullmatch(name) or re.search(r"[;\n\r]", str(value)):
                raise ValueError(f"expected tags of the INCAR with values of one line each, got {name!r}: {value!r}")
        return tags

    @field_validator("potcars", "hubbard_u", "hubbard_u_with", "moments")
    @classmethod
    def _check_elements(cls, values: Names, info: ValidationInfo) -> Names:
        from ase.data import chemical_symbols

        for name in values:
            found = _SPECIES.fullmatch(name)
            if found is None or found[1] not in chemical_symbols[1:] or (found[2] and info.field_name != "moments"):
                expected = "species" if info.field_name == "moments" else "chemical symbols"
                raise ValueError(f"expected {expected} such as Fe, got {name!r}")
        return values

    @field_validator("potcars")
    @classmethod
    def _check_potcars(cls, values: dict[str, str]) -> dict[str, str]:
        for symbol in values.values():
            if not _POTCAR.fullmatch(symbol):
                raise ValueError(f"expected symbols of potentials such as Ti_sv_GW, got {symbol!r}")
        return values

    @model_validator(mode="after")
    def _check_alignment(self) -> VaspParameters:
        if self.site_alignment == "total_energy" and self.excited_electron == "removed":
            raise ValueError(
                "site_alignment 'total_energy' compares the totals of two neutral cells: it needs excited_electron "
                "'conduction_band'"
            )
        return self
