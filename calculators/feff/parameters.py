"""Parameters of a FEFF calculation, with the defaults of the Materials Project's spectra."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from whiteline.calculators.parameters import Parameters

__all__ = ["CoreHole", "EnergyGrid", "FeffParameters", "PotentialGrouping"]


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
        cluster_radius: Atoms listed in the input [Å]; None takes the larger of the two above.
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
    cluster_radius: Annotated[float, Field(ge=2.0, le=30.0)] | None = None
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
    def radius(self) -> float:
        """Radius of the cluster written to the input [Å]."""
        return self.cluster_radius or max(self.fms_radius, self.scf_radius or 0.0)

    @property
    def top_wave_number(self) -> float:
        """Wave number [1/Å] that a complete spectrum reaches at least."""
        tops = [grid.stop for grid in self.energy_grid if grid.kind == "k_grid"]
        return min(max(tops), self.k_max) if tops else self.k_max

    @model_validator(mode="after")
    def _check_radii(self) -> FeffParameters:
        needed = max(self.fms_radius, self.scf_radius or 0.0)
        if self.cluster_radius is not None and self.cluster_radius < needed:
            raise ValueError(f"cluster_radius {self.cluster_radius} Å must reach at least {needed} Å (SCF and FMS)")
        return self
