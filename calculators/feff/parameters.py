"""Parameters of a FEFF calculation, with the defaults of the Materials Project's spectra."""

from __future__ import annotations

from enum import StrEnum
from math import exp, sqrt
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from whiteline.calculators.parameters import Parameters

__all__ = ["CoreHole", "Elnes", "EnergyGrid", "FeffParameters", "PotentialGrouping", "SpinMode"]

# eV Å²; the energy of a free electron is this times the square of its wave number.
_HBAR2_2M = 3.80998212


# Å; the Materials Project lists the atoms within 9 Å.
_LISTED_RADIUS = 9.0


class CoreHole(StrEnum):
    """How the core hole is screened (FEFF card COREHOLE)."""

    RPA = "RPA"
    FINAL_STATE_RULE = "FSR"
    NONE = "none"


class PotentialGrouping(StrEnum):
    """Which atoms share a scattering potential."""

    ELEMENT = "element"
    SPECIES = "species"
    SITE = "site"


class SpinMode(StrEnum):
    """What is computed of the spin (FEFF cards SPIN and XMCD); `plan.py` says how.

    `spxas` resolves the spectrum by the spin of the photoelectron, `xmcd` by the helicity of the photon.
    """

    NONE = "none"
    SPXAS = "spxas"
    XMCD = "xmcd"


class Elnes(Parameters):
    """The electron beam and the detector of an energy-loss spectrum (FEFF card ELNES).

    The theory is that of Jorissen, Rehr and Verbeeck, Phys. Rev. B 81, 155108 (2010),
    doi:10.1103/PhysRevB.81.155108.

    Attributes:
        beam_energy: Energy of the beam [keV].
        beam_direction: Direction of the beam in the Cartesian axes of the structure, of any length; None averages
            over the orientations of the sample.
        collection_angle: Collection semi-angle [mrad].
        convergence_angle: Convergence semi-angle [mrad].
        n_radial: Points of the momentum-transfer mesh along the radius of an aperture.
        n_angular: Points of the innermost ring of that mesh.
        detector: Position of the detector in the two directions across the beam [mrad].
        cross_terms: Include the off-diagonal elements of the tensor; they vanish in an orientation average.
        relativistic: Relativistic momentum transfer.
    """

    beam_energy: Annotated[float, Field(ge=10, le=10_000)] = 300.0
    beam_direction: tuple[float, float, float] | None = None
    collection_angle: Annotated[float, Field(gt=0, le=200)] = 5.0
    convergence_angle: Annotated[float, Field(ge=0, le=200)] = 0.0
    n_radial: Annotated[int, Field(ge=1, le=100)] = 50
    n_angular: Annotated[int, Field(ge=1, le=50)] = 1
    detector: tuple[float, float] = (0.0, 0.0)
    cross_terms: bool = True
    relativistic: bool = True

    @model_validator(mode="after")
    def _check_direction(self) -> Elnes:
        if self.beam_direction is not None and not any(self.beam_direction):
            raise ValueError("beam_direction must not be of zero length; leave it out for an orientation average")
        return self


class EnergyGrid(Parameters):
    """One segment of the energy grid (FEFF card EGRID), relative to the Fermi level.

    Attributes:
        kind: Steps even in energy [eV], in wave number [1/Å] or exponential in energy.
        start: First point.
        stop: Last point.
        step: Step.
    """

    kind: Literal["e_grid", "k_grid", "exp_grid"]
    start: float
    stop: float
    step: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _check_order(self) -> EnergyGrid:
        if self.stop <= self.start:
            raise ValueError(f"stop {self.stop} must be above start {self.start}")
        return self


class FeffParameters(Parameters):
    """Everything that decides a FEFF spectrum.

    Attributes:
        scf_radius: Cluster of the self-consistent potentials [Å]; None skips self-consistency.
        scf_max_iterations: Most iterations of the potentials.
        scf_mixing: Convergence accelerator `ca`; smaller is slower and steadier.
        scf_n_mix: Iterations of plain mixing before Broyden's method.
        fms_radius: Cluster of full multiple scattering [Å].
        cluster_radius: Atoms listed in the input [Å]. It reaches beyond the SCF radius, because FEFF also builds a
            cluster around each neighbour's potential. Follows a larger `fms_radius` or `scf_radius` by itself.
        core_hole: Treatment of the core hole.
        exchange: Self-energy model (0: Hedin-Lundqvist) and the background one (2: ground state).
        fermi_shift: Shift of the Fermi level Vr [eV].
        extra_broadening: Constant imaginary potential Vi [eV], which adds 2 Vi to the width.
        k_max: Upper end of the spectrum [1/Å]; FEFF takes no less than 2.
        k_step: Wave-number step of the XANES card [1/Å].
        energy_step: Energy step of the XANES card near the edge [eV].
        energy_grid: Segments of the energy grid; empty leaves the grid to the XANES card.
        s02: Amplitude reduction factor; below 0.1 FEFF computes it.
        l_max: Largest angular momentum of every potential; -1 leaves it to FEFF.
        potentials: Which atoms share a potential.
        overlap: Largest overlap of the muffin tins, 1 for spheres that touch (FEFF card AFOLP); None leaves it to FEFF,
            which takes 1.15.
        hole_width: Core-hole width [eV], the full one at half maximum; None takes FEFF's table, which covers every
            K, L and M edge (for M edges it holds what xraydb holds). The spectrum carries the width that was used.
        spin: Resolution by spin or by helicity; needs a structure with moments.
        elnes: Beam and detector of an energy-loss spectrum instead of absorption.
    """

    scf_radius: Annotated[float, Field(ge=2.0, le=20.0)] | None = 7.0
    # FEFF takes more than 100 iterations for 100 without a word, and stops at a mixing above 0.5.
    scf_max_iterations: Annotated[int, Field(ge=1, le=100)] = 100
    scf_mixing: Annotated[float, Field(gt=0, le=0.5)] = 0.2
    scf_n_mix: Annotated[int, Field(ge=1, le=30)] = 3
    fms_radius: Annotated[float, Field(ge=2.0, le=20.0)] = 9.0
    cluster_radius: Annotated[float, Field(ge=2.0, le=30.0)] = _LISTED_RADIUS
    core_hole: CoreHole = CoreHole.RPA
    exchange: tuple[Annotated[int, Field(ge=0, le=5)], Annotated[int, Field(ge=0, le=2)]] = (0, 2)
    fermi_shift: float = 0.0
    extra_broadening: Annotated[float, Field(ge=0)] = 0.0
    k_max: Annotated[float, Field(ge=2, le=30)] = 4.0
    k_step: Annotated[float, Field(ge=0.01, le=1)] = 0.04
    energy_step: Annotated[float, Field(ge=0, le=5)] = 0.1
    energy_grid: tuple[EnergyGrid, ...] = (
        EnergyGrid(kind="k_grid", start=-1, stop=0, step=0.04),
        EnergyGrid(kind="k_grid", start=0, stop=6, step=0.04),
    )
    s02: Annotated[float, Field(ge=0, le=2)] = 0.0
    l_max: Annotated[int, Field(ge=-1, le=6)] = -1
    potentials: PotentialGrouping = PotentialGrouping.SPECIES
    overlap: Annotated[float, Field(ge=1.0, le=1.3)] | None = None
    hole_width: Annotated[float, Field(gt=0)] | None = None
    spin: SpinMode = SpinMode.NONE
    elnes: Elnes | None = None

    @property
    def has_direction(self) -> bool:
        """Whether the spectrum depends on how the crystal lies in space: along the beam, or the axis of the spins."""
        return self.spin is not SpinMode.NONE or (self.elnes is not None and self.elnes.beam_direction is not None)

    @property
    def complete_above(self) -> float:
        """Wave number [1/Å] that the last point of a complete spectrum exceeds: one step below the top of the grid."""
        if not self.energy_grid:
            return self.k_max - self.k_step
        last = self.energy_grid[-1]
        if last.kind == "k_grid":
            return last.stop - last.step
        energy = last.stop - last.step if last.kind == "e_grid" else last.stop * exp(-last.step)
        return sqrt(max(energy, 0.0) / _HBAR2_2M)

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what was added later and is not set: calculations keep the ids that they had before."""
        values: dict[str, Any] = handler(self)
        if values.get("overlap", ...) is None:
            del values["overlap"]
        return values

    @model_validator(mode="before")
    @classmethod
    def _follow_radii(cls, values: Any) -> Any:
        """Let the list of atoms reach as far as the clusters made of it, unless its radius was given."""
        if not isinstance(values, dict) or "cluster_radius" in values:
            return values
        given = [values.get(name) for name in ("fms_radius", "scf_radius")]
        radii = [radius for radius in given if isinstance(radius, int | float)]
        return {**values, "cluster_radius": max(_LISTED_RADIUS, *radii)} if radii else values

    @model_validator(mode="after")
    def _check_technique(self) -> FeffParameters:
        if self.elnes is not None and self.spin is not SpinMode.NONE:
            raise ValueError("elnes and spin exclude each other: FEFF computes energy loss without spin")
        return self

    @model_validator(mode="after")
    def _check_radii(self) -> FeffParameters:
        needed = max(self.fms_radius, self.scf_radius or 0.0)
        if self.cluster_radius < needed:
            raise ValueError(f"cluster_radius {self.cluster_radius} Å must reach at least {needed} Å (SCF and FMS)")
        return self
