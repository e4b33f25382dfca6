"""Parameters of an OCEAN calculation, with the defaults of the Ti-O-10 benchmark where it states them."""

from __future__ import annotations

from math import exp
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, field_validator, model_validator

from whiteline.calculators.ocean.cards import FORBIDDEN
from whiteline.calculators.parameters import Parameters

__all__ = ["OceanParameters"]

# OCEAN takes a radius of the screened potential for one of its shells when they differ by less.
_SAME_RADIUS = 0.01
# What a material without a gap gets for its dielectric constant in the published inputs.
_METALLIC = 1.0e6


def _check_word(word: str) -> str:
    if not word or any(c in FORBIDDEN or c in "/" or c.isspace() for c in word):
        raise ValueError(
            f"{word!r} must be one word without / or any of {' '.join(FORBIDDEN)}, which OCEAN would cut off"
        )
    return word


Word: TypeAlias = Annotated[str, AfterValidator(_check_word)]
Positive: TypeAlias = Annotated[float, Field(gt=0)]
Shells: TypeAlias = Annotated[tuple[Positive, ...], Field(min_length=1)]


class OceanParameters(Parameters):
    """Everything that decides an OCEAN spectrum.

    Names that end in `_ry` and `_bohr` are in OCEAN's own units.

    Attributes:
        pseudopotential_database: OCEAN's set of pseudopotentials; used where `pseudopotentials` is empty.
        pseudopotentials: File name by element, in the folder of the settings; all elements or none.
        cutoff_ry: Plane-wave cutoff, of which OCEAN takes whole numbers [Ry]; None takes what the database recommends.
        cutoff_quality: Which of the database's recommendations.
        projector_program: Makes the projectors: `hamann` (ONCVPSP input beside the UPF) or `shirley` (fill and opts).
        projector_fill: File `.fill` by element, for `shirley`.
        projector_options: File `.opts` by element, for `shirley`.
        kpoints_rule: `shortest` grid whose effective length exceeds `kpoints_length`, or that of `lightshow`.
        kpoints_length: Effective length of the grid of the final states [Å].
        kpoints_window: Length to exceed and length not to exceed of the rule `lightshow` [Å].
        scf_kpoints_length: Effective length of the grid of the density [Å]; None leaves it to OCEAN.
        screen_kpoints_bohr: Length of the grid of the screening [bohr].
        band_rule: `ocean` estimates the bands from `band_energy` itself; `free_electron` counts conduction bands
            with n = 0.256 V E^1.5.
        band_energy: Energy range of the final states [eV].
        screen_band_energy: Energy range of the states that screen [eV].
        scf_tolerance_ry: Convergence of the total energy, for each atom [Ry].
        scf_max_iterations: Most iterations of the density; None leaves it to OCEAN.
        scf_mixing: Share of the new density; None leaves it to OCEAN.
        dielectric_constant: High-frequency dielectric constant; None takes it from `band_gap`.
        band_gap: Estimates the dielectric constant as exp(3.5 / gap), a gap in eV; None computes it with DFPT.
        occupation: `fixed` for an insulator, `smearing` for a metal.
        smearing_ry: Width of the Fermi-Dirac smearing [Ry].
        spin: `auto` polarises where the structure has magnetic moments.
        moment_scale: Moment that stands for a starting magnetisation of one [µB]; it decides no converged result.
        hubbard_u: Hubbard U by element [eV].
        screen_rule: `explicit` writes the fields from `screen_shells_bohr` to `screen_l_max`, `ocean` leaves them out.
        screen_shells_bohr: Radii at which the screened potential is joined to the model [bohr].
        screen_radius_bohr: The one of them that the spectrum takes [bohr].
        screen_grid_shells_bohr: Ends of the radial segments around the absorber [bohr]; -1 is the augmentation radius.
            A second value of 4 bohr or less crashes OCEAN 3.2.1 where that radius reaches beyond it.
        screen_grid_angular: Angular grid of each segment.
        screen_grid_step_bohr: Radial step of each segment [bohr].
        screen_grid_mode: Quadrature within the augmentation radius and outside.
        screen_grid_radius_bohr: Radius of the grid [bohr].
        screen_step_bohr: Step of the screened potential [bohr].
        screen_l_max: Largest angular momentum of the response.
        real_space_mesh: Points of the electron-hole interaction along the vectors; None leaves them to OCEAN.
        screening_factor: Factor on the Slater integrals of the multiplets; None takes OCEAN's.
        half_width: Half width at half maximum of the core hole [eV]; None takes OCEAN's table.
        core_offset: False: the axis has its zero at the conduction band of each site. True: shifted by the site's
            core level relative to the average of the sites. A number: absolute shift with this offset [eV].
        spectrum_points: Number of steps of the axis.
        spectrum_range: First and last energy [eV].
        solver: `haydock` gives a spectrum in one go, `gmres` solves at each of `gmres_energies`.
        haydock_iterations: Most iterations.
        haydock_threshold: Relative change of the spectrum below which it is converged.
        haydock_spacing: Iterations between two spectra that are compared.
        gmres_energies: First and last energy and step of `gmres` [eV].
        gmres_threshold: Residual of `gmres`.
    """

    pseudopotential_database: Word = "ONCVPSP-PBE-PDv0.4-stringent"
    pseudopotentials: dict[str, Word] = Field(default_factory=dict)
    cutoff_ry: Annotated[int, Field(ge=10, le=1000)] | None = None
    cutoff_quality: Literal["low", "normal", "high"] = "normal"
    projector_program: Literal["hamann", "shirley"] = "hamann"
    projector_fill: dict[str, Word] = Field(default_factory=dict)
    projector_options: dict[str, Word] = Field(default_factory=dict)
    kpoints_rule: Literal["shortest", "lightshow"] = "shortest"
    kpoints_length: Annotated[float, Field(ge=2, le=200)] = 17.0
    kpoints_window: tuple[Positive, Positive] = (8.466835, 26.458861)
    scf_kpoints_length: Annotated[float, Field(ge=2, le=200)] | None = None
    screen_kpoints_bohr: Positive = 2.55
    band_rule: Literal["ocean", "free_electron"] = "ocean"
    band_energy: Annotated[float, Field(gt=0, le=500)] = 50.0
    screen_band_energy: Annotated[float, Field(gt=0, le=1000)] = 150.0
    scf_tolerance_ry: Annotated[float, Field(gt=0, le=1e-3)] = 1.0e-10
    scf_max_iterations: Annotated[int, Field(ge=1, le=1000)] | None = None
    scf_mixing: Annotated[float, Field(gt=0, le=1)] | None = None
    dielectric_constant: Annotated[float, Field(gt=1, le=1e7)] | None = None
    band_gap: Annotated[float, Field(ge=0, le=30)] | None = None
    occupation: Literal["fixed", "smearing"] = "fixed"
    smearing_ry: Annotated[float, Field(gt=0, le=1)] = 0.02
    spin: Literal["auto", "off"] = "auto"
    moment_scale: Annotated[float, Field(ge=1, le=20)] = 10.0
    hubbard_u: dict[str, Annotated[float, Field(ge=0, le=20)]] = Field(default_factory=dict)
    screen_rule: Literal["explicit", "ocean"] = "explicit"
    screen_shells_bohr: Shells = (3.5, 4.0, 4.5, 5.0, 5.5, 6.0)
    screen_radius_bohr: Positive = 5.5
    screen_grid_shells_bohr: Annotated[tuple[float, ...], Field(min_length=1)] = (-1.0, 5.0, 6.0, 8.0, 10.0)
    screen_grid_angular: Annotated[tuple[Annotated[int, Field(ge=5, le=32)], ...], Field(min_length=1)] = (
        5,
        11,
        11,
        9,
        7,
    )
    screen_grid_step_bohr: Shells = (0.10, 0.15, 0.25, 0.25, 0.25)
    screen_grid_mode: Annotated[tuple[Literal["lagrange", "legendre", "uniform"], ...], Field(min_length=1)] = (
        "lagrange",
        "uniform",
    )
    screen_grid_radius_bohr: Positive = 10.0
    screen_step_bohr: Positive = 0.02
    screen_l_max: Annotated[int, Field(ge=0, le=4)] = 2
    real_space_mesh: (
        tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None
    ) = None
    screening_factor: Annotated[float, Field(gt=0, le=1)] | None = None
    half_width: Annotated[float, Field(gt=0, le=20)] | None = None
    core_offset: bool | float = False
    spectrum_points: Annotated[int, Field(ge=10, le=1_000_000)] = 1000
    spectrum_range: tuple[float, float] = (-20.0, 80.0)
    solver: Literal["haydock", "gmres"] = "haydock"
    haydock_iterations: Annotated[int, Field(ge=10, le=100_000)] = 1000
    haydock_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.001
    haydock_spacing: Annotated[int, Field(ge=1, le=100)] = 5
    gmres_energies: tuple[float, float, Positive] | None = None
    gmres_threshold: Annotated[float, Field(gt=0, lt=1)] = 5.0e-8

    @property
    def epsilon(self) -> float | None:
        """Dielectric constant to write; None leaves it to DFPT."""
        if self.dielectric_constant is not None:
            return self.dielectric_constant
        if self.band_gap is None:
            return None
        # exp(3.5 / gap) is above the limit by then.
        return _METALLIC if self.band_gap < 0.25 else min(exp(3.5 / self.band_gap), _METALLIC)

    @property
    def gmres_grid(self) -> tuple[float, ...]:
        """Energies that `gmres` solves at [eV], the last one included; none with another solver."""
        if self.solver != "gmres" or self.gmres_energies is None:
            return ()
        start, stop, step = self.gmres_energies
        # Rounded to what OCEAN's own files keep of them; a hundredth of a step is room for the rounding of the range.
        return tuple(round(start + i * step, 6) for i in range(int((stop - start) / step + 0.01) + 1))

    @field_validator("hubbard_u", "pseudopotentials", "projector_fill", "projector_options")
    @classmethod
    def _check_elements(cls, values: dict[str, Any]) -> dict[str, Any]:
        from ase.data import chemical_symbols

        for symbol in values:
            if symbol not in chemical_symbols[1:]:
                raise ValueError(f"expected chemical symbols as keys, got {symbol!r}")
        return dict(sorted(values.items()))

    @model_validator(mode="after")
    def _check_screening(self) -> OceanParameters:
        if not any(abs(self.screen_radius_bohr - radius) < _SAME_RADIUS for radius in self.screen_shells_bohr):
            raise ValueError(
                f"screen_radius_bohr {self.screen_radius_bohr:g} must be one of screen_shells_bohr "
                f"{self.screen_shells_bohr}: the screened potential is made at these radii only"
            )
        outer = [shell for shell in self.screen_grid_shells_bohr if shell > 0]
        if outer != sorted(set(outer)):
            raise ValueError(f"screen_grid_shells_bohr must increase behind -1, got {self.screen_grid_shells_bohr}")
        return self

    @model_validator(mode="after")
    def _check_ranges(self) -> OceanParameters:
        pairs = {"spectrum_range": self.spectrum_range, "kpoints_window": self.kpoints_window}
        if self.solver == "gmres":
            if self.gmres_energies is None:
                raise ValueError("solver gmres needs gmres_energies: first and last energy and step in eV")
            if len(self.gmres_grid) < 2:
                raise ValueError(f"gmres_energies must hold two energies or more, got {self.gmres_energies}")
        for name, (first, last) in pairs.items():
            if first >= last:
                raise ValueError(f"{name} must increase, got {first:g} and {last:g}")
        return self

    @model_validator(mode="after")
    def _check_files(self) -> OceanParameters:
        if self.pseudopotentials and self.cutoff_ry is None:
            raise ValueError("pseudopotentials of your own need cutoff_ry: only a database recommends one")
        if self.projector_program == "shirley" and not (self.pseudopotentials and self.projector_fill):
            raise ValueError("projector_program shirley needs pseudopotentials, projector_fill and projector_options")
        if set(self.projector_fill) != set(self.projector_options):
            raise ValueError("projector_fill and projector_options must name the same elements")
        return self
