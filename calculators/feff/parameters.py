"""Parameters of a FEFF calculation, with the defaults of the Materials Project's spectra."""

from __future__ import annotations

from enum import StrEnum
from math import exp, sqrt
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from whiteline.calculators.parameters import Parameters

__all__ = ["CoreHole", "EnergyGrid", "FeffParameters", "PotentialGrouping"]

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
        k_max: Upper end of the spectrum [1/Å].
        k_step: Wave-number step of the XANES card [1/Å].
        energy_step: Energy step of the XANES card near the edge [eV].
        energy_grid: Segments of the energy grid; empty leaves the grid to the XANES card.
        s02: Amplitude reduction factor; below 0.1 FEFF computes it.
        l_max: Largest angular momentum of every potential; -1 leaves it to FEFF.
        potentials: Which atoms share a potential.
        hole_width: Core-hole width [eV] instead of FEFF's table (needed for some M edges); None uses the table.
    """

    scf_radius: Annotated[float, Field(ge=2.0, le=20.0)] | None = 7.0
    scf_max_iterations: Annotated[int, Field(ge=1, le=1000)] = 100
    scf_mixing: Annotated[float, Field(gt=0, le=1)] = 0.2
    scf_n_mix: Annotated[int, Field(ge=1, le=30)] = 3
    fms_radius: Annotated[float, Field(ge=2.0, le=20.0)] = 9.0
    cluster_radius: Annotated[float, Field(ge=2.0, le=30.0)] = _LISTED_RADIUS
    core_hole: CoreHole = CoreHole.RPA
    exchange: tuple[Annotated[int, Field(ge=0, le=5)], Annotated[int, Field(ge=0, le=2)]] = (0, 2)
    fermi_shift: float = 0.0
    extra_broadening: Annotated[float, Field(ge=0)] = 0.0
    k_max: Annotated[float, Field(gt=0, le=30)] = 4.0
    k_step: Annotated[float, Field(gt=0, le=1)] = 0.04
    energy_step: Annotated[float, Field(ge=0, le=5)] = 0.1
    energy_grid: tuple[EnergyGrid, ...] = (
        EnergyGrid(kind="k_grid", start=-1, stop=0, step=0.04),
        EnergyGrid(kind="k_grid", start=0, stop=6, step=0.04),
    )
    s02: Annotated[float, Field(ge=0, le=2)] = 0.0
    l_max: Annotated[int, Field(ge=-1, le=6)] = -1
    potentials: PotentialGrouping = PotentialGrouping.SPECIES
    hole_width: Annotated[float, Field(gt=0)] | None = None

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
    def _check_radii(self) -> FeffParameters:
        needed = max(self.fms_radius, self.scf_radius or 0.0)
        if self.cluster_radius < needed:
            raise ValueError(f"cluster_radius {self.cluster_radius} Å must reach at least {needed} Å (SCF and FMS)")
        return self
