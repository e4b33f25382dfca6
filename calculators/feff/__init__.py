"""FEFF: real-space multiple scattering (Rehr et al., Phys. Chem. Chem. Phys. 12, 5503 (2010), doi:10.1039/b926434e)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monty.json import MSONable

from whiteline.absorber import Absorber
from whiteline.calculators.feff.check import check_calculation
from whiteline.calculators.feff.cluster import build_cluster
from whiteline.calculators.feff.inputs import estimate_cost, write_inputs
from whiteline.calculators.feff.knobs import find_knobs
from whiteline.calculators.feff.parameters import FeffParameters
from whiteline.calculators.feff.parse import parse_run
from whiteline.calculators.feff.plan import plan_runs
from whiteline.calculators.feff.repairs import find_repair
from whiteline.calculators.feff.run import ELNES_STAGES, XANES_STAGES, run_feff, wheel_files
from whiteline.calculators.interface import Estimate, Finding, Outcome, RunReport
from whiteline.calculators.parameters import build_parameters
from whiteline.calculators.process import program_files
from whiteline.calculators.repairs import Attempt, Repair
from whiteline.convergence import Knob
from whiteline.settings import Settings

__all__ = ["FeffCalculator", "FeffParameters"]


@dataclass(frozen=True)
class FeffCalculator(MSONable):
    """FEFF as the workflows see it.

    Attributes:
        parameters: Everything that decides the spectrum.
        command: External FEFF executable; empty takes the FEFF10 wheel. No part of the calculation's identity.
        timeout: Longest wall time of one FEFF run [s].
    """

    parameters: FeffParameters = field(default_factory=FeffParameters)
    command: str = ""
    timeout: float = 24 * 3600.0

    @property
    def code(self) -> str:
        """Name of the code."""
        return "feff"

    @property
    def parameters_dict(self) -> dict[str, Any]:
        """Complete parameters, defaults included, JSON-ready."""
        return self.parameters.model_dump(mode="json")

    @classmethod
    def from_settings(cls, values: Mapping[str, Any], settings: Settings) -> FeffCalculator:
        """Return a calculator from parameter values and the facts of this machine.

        Raises:
            ParameterError: A name is unknown or a value is out of range.
        """
        parameters = build_parameters(FeffParameters, values)
        return cls(parameters, command=settings.feff_command, timeout=settings.timeout)

    @property
    def programs(self) -> tuple[Path, ...]:
        """Files of the programs that a run starts; those that are not there are left out."""
        return program_files(self.command) if self.command else wheel_files()

    @property
    def n_cores(self) -> int:
        """Cores that a run takes."""
        return 1

    def identity(self, absorber: Absorber) -> dict[str, Any]:
        """Return the parameters, with the orientation of the site where a beam or the axis of the spins has one.

        FEFF needs no other files. What it averages over all orientations does not depend on them.
        """
        if not self.parameters.has_direction:
            return self.parameters_dict
        return {**self.parameters_dict, "orientation": absorber.orientation_id}

    def inputs(self, absorber: Absorber) -> dict[str, str]:
        """Return each feff.inp by its path inside the run directory.

        Raises:
            StructureError: FEFF cannot compute the absorber.
        """
        return write_inputs(absorber, self.parameters)

    def files(self, absorber: Absorber) -> dict[str, Path]:  # noqa: ARG002  # as the interface has it
        """Return nothing: FEFF makes its potentials itself."""
        return {}

    def knobs(self, absorber: Absorber) -> tuple[Knob, ...]:  # noqa: ARG002  # as the interface has it
        """Return the parameters that the spectrum is converged in, each with its ladder of values."""
        return find_knobs(self.parameters)

    def estimate(self, absorber: Absorber) -> Estimate:
        """Return the expected cost.

        Raises:
            StructureError: FEFF cannot compute the absorber.
        """
        n_runs = len(plan_runs(absorber.edge, self.parameters.spin))
        return estimate_cost(build_cluster(absorber, self.parameters), self.parameters, n_runs=n_runs)

    def check(self, absorber: Absorber) -> list[Finding]:
        """Return what is missing or wrong before anything starts."""
        return check_calculation(absorber, self.parameters, command=self.command)

    def run(self, directory: Path, *, on_stage: Callable[[str], None]) -> RunReport:
        """Run FEFF on every feff.inp in `directory`, one after the other, and return how it went."""
        timings: dict[str, float] = {}
        for path in sorted(directory.rglob("feff.inp")):
            part = path.parent.relative_to(directory)
            prefix = f"{part} " if part.name else ""
            report = run_feff(
                path.parent,
                command=self.command,
                timeout=self.timeout,
                on_stage=lambda stage, prefix=prefix: on_stage(prefix + stage),  # type: ignore[misc]
                stages=ELNES_STAGES if self.parameters.elnes else XANES_STAGES,
            )
            timings |= {prefix + stage: seconds for stage, seconds in report.timings.items()}
            if report.failure:
                return RunReport(timings, prefix + report.failure, report.cause)
        return RunReport(timings)

    def parse(self, directory: Path, absorber: Absorber) -> Outcome:
        """Return what the outputs in `directory` say.

        Raises:
            ParseError: An output is missing, cut off, damaged, or of another absorber.
        """
        return parse_run(directory, absorber, self.parameters)

    def repair(self, absorber: Absorber, attempts: Sequence[Attempt]) -> Repair | None:
        """Return what to try next after these attempts; None when nothing is left."""
        return find_repair(absorber, self.parameters, attempts)

    def can_continue(self, directory: Path) -> bool:  # noqa: ARG002  # as the interface has it
        """Return False: an interrupted run begins anew."""
        return False

    def cores_for(self, absorber: Absorber, available: int, memory: float | None = None) -> int:  # noqa: ARG002
        """Return 1: FEFF computes on one core."""
        return 1

    def with_cores(self, cores: int, memory: float | None = None) -> FeffCalculator:  # noqa: ARG002
        """Return the calculator as it is: FEFF computes on one core."""
        return self
