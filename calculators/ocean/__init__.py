"""OCEAN: the Bethe-Salpeter equation on Quantum ESPRESSO's states.

Vinson, Rehr, Kas and Shirley, Phys. Rev. B 83, 115106 (2011), doi:10.1103/PhysRevB.83.115106; Gilmore et al., Comput.
Phys. Commun. 197, 109 (2015), doi:10.1016/j.cpc.2015.08.014. Dipole transitions; quadrupole photons are read and not
written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from monty.json import MSONable

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Estimate, Finding, Outcome, RunReport
from whiteline.calculators.ocean.check import check_calculation
from whiteline.calculators.ocean.inputs import estimate_cost, write_inputs
from whiteline.calculators.ocean.knobs import find_knobs
from whiteline.calculators.ocean.parameters import OceanParameters
from whiteline.calculators.ocean.parse import parse_run
from whiteline.calculators.ocean.potentials import checksums, find_files
from whiteline.calculators.ocean.repairs import find_repair
from whiteline.calculators.ocean.run import run_ocean, split_command
from whiteline.calculators.parallel import MPI_ENVIRONMENT, choose_cores, cores_taken, launch, programs_started
from whiteline.calculators.parameters import build_parameters
from whiteline.calculators.repairs import Attempt, Repair
from whiteline.convergence import Knob
from whiteline.settings import Settings

__all__ = ["OceanCalculator", "OceanParameters"]


@dataclass(frozen=True)
class OceanCalculator(MSONable):
    """OCEAN as the workflows see it.

    Attributes:
        parameters: Everything that decides the spectrum.
        command: OCEAN's ocean.pl, behind what starts a parallel program: `mpirun -np 24 ocean.pl`. No part of the
            calculation's identity.
        pseudo_directory: Folder of the user's pseudopotentials.
        timeout: Longest wall time of one run [s].
        cores: MPI processes of its parallel programs, where the command does not start several itself.
    """

    parameters: OceanParameters = field(default_factory=OceanParameters)
    command: str = "ocean.pl"
    pseudo_directory: str = "."
    timeout: float = 24 * 3600.0
    cores: int = 1

    @property
    def code(self) -> str:
        """Name of the code."""
        return "ocean"

    @property
    def parameters_dict(self) -> dict[str, Any]:
        """Complete parameters, defaults included, JSON-ready."""
        return self.parameters.model_dump(mode="json")

    @classmethod
    def from_settings(cls, values: Mapping[str, Any], settings: Settings) -> OceanCalculator:
        """Return a calculator from parameter values and the facts of this machine.

        Raises:
            ParameterError: A name is unknown or a value is out of range.
        """
        parameters = build_parameters(OceanParameters, values)
        return cls(parameters, settings.ocean_command, str(settings.pseudo_directory), settings.timeout)

    @property
    def programs(self) -> tuple[Path, ...]:
        """Files of the programs that a run starts: ocean.pl, which starts OCEAN's own, and the launcher."""
        return programs_started(self.command, n_processes=self.cores)

    @property
    def n_cores(self) -> int:
        """Cores that a run takes."""
        return cores_taken(self.command, given=self.cores)

    def identity(self, absorber: Absorber) -> dict[str, Any]:
        """Return the parameters, how the site lies in space, and the checksums of the user's pseudopotentials.

        Raises:
            MissingDependencyError: A file that the calculation needs is not there.
        """
        identity = {**self.parameters_dict, "orientation": absorber.orientation_id}
        found = checksums(find_files(absorber, self.parameters, Path(self.pseudo_directory)))
        return identity | {"pseudopotentials": found} if found else identity

    def inputs(self, absorber: Absorber) -> dict[str, str]:
        """Return ocean.in and the photon files by their path inside the run directory.

        Raises:
            InputError: OCEAN cannot compute the absorber, or a value is not one it reads.
        """
        prefix = split_command(self.command)[0] or " ".join(launch([], n_processes=self.cores))
        return write_inputs(absorber, self.parameters, prefix=prefix)

    def files(self, absorber: Absorber) -> dict[str, Path]:
        """Return the user's pseudopotentials and what makes projectors of them.

        Raises:
            MissingDependencyError: One of them is not there.
        """
        found = find_files(absorber, self.parameters, Path(self.pseudo_directory))
        return {name: path for paths in found.values() for name, path in paths.items()}

    def knobs(self, absorber: Absorber) -> tuple[Knob, ...]:
        """Return the parameters that the spectrum is converged in, each with its ladder of values."""
        return find_knobs(absorber)

    def estimate(self, absorber: Absorber) -> Estimate:
        """Return the expected cost.

        Raises:
            InputError: OCEAN cannot compute the absorber.
        """
        return estimate_cost(absorber, self.parameters)

    def check(self, absorber: Absorber) -> list[Finding]:
        """Return what is missing or wrong before anything starts."""
        return check_calculation(absorber, self.parameters, command=self.command, folder=Path(self.pseudo_directory))

    def run(self, directory: Path, *, on_stage: Callable[[str], None]) -> RunReport:
        """Run OCEAN on the ocean.in in `directory` and return how it went.

        Raises:
            MissingDependencyError: The executable is not there.
        """
        is_ours = self.cores > 1 and not split_command(self.command)[0]
        return run_ocean(
            directory,
            command=self.command,
            timeout=self.timeout,
            on_stage=on_stage,
            environment=MPI_ENVIRONMENT if is_ours else {},
        )

    def parse(self, directory: Path, absorber: Absorber) -> Outcome:
        """Return what the outputs in `directory` say.

        Raises:
            ParseError: An output is missing, cut off, damaged, or of another absorber.
        """
        return parse_run(directory, absorber, self.parameters)

    def repair(self, absorber: Absorber, attempts: Sequence[Attempt]) -> Repair | None:  # noqa: ARG002
        """Return what to try next after these attempts; None when nothing is left."""
        return find_repair(self.parameters, attempts)

    def can_continue(self, directory: Path) -> bool:  # noqa: ARG002  # as the interface has it
        """Return False: an interrupted run begins anew."""
        return False

    def cores_for(self, absorber: Absorber, available: int, memory: float | None = None) -> int:
        """Return how many of a worker's cores the calculation should get; those the command takes by itself first.

        Raises:
            InputError: As `inputs`.
            MissingDependencyError: As `inputs`.
        """
        estimate = self.estimate(absorber)
        return choose_cores(self.command, estimate, available=available, memory=memory, timeout=self.timeout)

    def with_cores(self, cores: int, memory: float | None = None) -> OceanCalculator:  # noqa: ARG002
        """Return the calculator for so many cores."""
        return replace(self, cores=cores)
