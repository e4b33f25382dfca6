"""exciting: all-electron Bethe-Salpeter equation of core levels.

Vorwerk, Aurich, Cocchi and Draxl, Electron. Struct. 1, 037001 (2019), doi:10.1088/2516-1075/ab3123; the code: Gulans et
al., J. Phys.: Condens. Matter 26, 363202 (2014), doi:10.1088/0953-8984/26/36/363202.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from monty.json import MSONable

from whiteline.absorber import Absorber
from whiteline.calculators.cells import primitive_cell
from whiteline.calculators.exciting.check import check_calculation
from whiteline.calculators.exciting.inputs import estimate_cost, write_inputs
from whiteline.calculators.exciting.knobs import find_knobs
from whiteline.calculators.exciting.parameters import ExcitingParameters
from whiteline.calculators.exciting.parse import parse_run
from whiteline.calculators.exciting.repairs import find_repair
from whiteline.calculators.exciting.run import run_exciting
from whiteline.calculators.exciting.species import SpeciesFile, check_core_level, file_name, species_files
from whiteline.calculators.interface import Estimate, Finding, Outcome, RunReport
from whiteline.calculators.parallel import choose_cores, cores_taken
from whiteline.calculators.parameters import build_parameters
from whiteline.calculators.process import program_files
from whiteline.calculators.repairs import Attempt, Repair
from whiteline.convergence import Knob
from whiteline.settings import Settings

__all__ = ["ExcitingCalculator", "ExcitingParameters"]


@dataclass(frozen=True)
class ExcitingCalculator(MSONable):
    """exciting as the workflows see it.

    Attributes:
        parameters: Everything that decides the spectrum, besides the species files.
        command: Program with arguments, e.g. `mpirun -np 16 exciting_mpismp`. No part of the calculation's identity.
        species: Folder with the species files; their content is part of the identity, their place is not.
        timeout: Longest wall time of one run [s].
        cores: Threads, where the command does not start several processes itself.
    """

    parameters: ExcitingParameters = field(default_factory=ExcitingParameters)
    command: str = "exciting_smp"
    species: Path | None = None
    timeout: float = 24 * 3600.0
    cores: int = 1

    @property
    def code(self) -> str:
        """Name of the code."""
        return "exciting"

    @property
    def parameters_dict(self) -> dict[str, Any]:
        """Complete parameters, defaults included, JSON-ready."""
        return self.parameters.model_dump(mode="json")

    @classmethod
    def from_settings(cls, values: Mapping[str, Any], settings: Settings) -> ExcitingCalculator:
        """Return a calculator from parameter values and the facts of this machine.

        Raises:
            ParameterError: A name is unknown or a value is out of range.
        """
        return cls(
            build_parameters(ExcitingParameters, values),
            command=settings.exciting_command,
            species=settings.exciting_species,
            timeout=settings.timeout,
        )

    @property
    def programs(self) -> tuple[Path, ...]:
        """Files of the programs that a run starts; those that are not there are left out."""
        return program_files(self.command)

    @property
    def n_cores(self) -> int:
        """Cores that a run takes."""
        return cores_taken(self.command, given=self.cores)

    def identity(self, absorber: Absorber) -> dict[str, Any]:
        """Return the parameters, the checksums of the species files by element, and the orientation of the site.

        Raises:
            MissingDependencyError: A species file is not there.
            InputError: A file is not the species file of its element.
        """
        return {
            **self.parameters_dict,
            "pseudopotentials": {element: s.checksum for element, s in sorted(self._species(absorber).items())},
            "orientation": absorber.orientation_id,
        }

    def inputs(self, absorber: Absorber) -> dict[str, str]:
        """Return input.xml by its path inside the run directory.

        Raises:
            StructureError: The structure is one that no code could compute.
            ParameterError: The energy window cannot hold the edge, or U is asked for an element that takes none.
        """
        return write_inputs(absorber, self.parameters)

    def files(self, absorber: Absorber) -> dict[str, Path]:
        """Return the species files by their path inside the run directory.

        Raises:
            MissingDependencyError: One of them is not there.
            InputError: One is not the species file of its element, or the level is no core state in it.
        """
        found = self._species(absorber)
        check_core_level(found[absorber.element], absorber.edge)
        return {file_name(element): species.path for element, species in found.items()}

    def knobs(self, absorber: Absorber) -> tuple[Knob, ...]:
        """Return the parameters that the spectrum is converged in, each with its ladder of values."""
        return find_knobs(absorber)

    def estimate(self, absorber: Absorber) -> Estimate:
        """Return the expected cost, to an order of magnitude.

        Raises:
            StructureError: As `inputs`.
            ParameterError: As `inputs`.
        """
        return estimate_cost(absorber, self.parameters)

    def check(self, absorber: Absorber) -> list[Finding]:
        """Return what is missing or wrong before anything starts."""
        return check_calculation(absorber, self.parameters, command=self.command, species=self.species)

    def run(self, directory: Path, *, on_stage: Callable[[str], None]) -> RunReport:
        """Run exciting on the input.xml in `directory` and return how it went.

        Raises:
            MissingDependencyError: The executable is not there.
        """
        return run_exciting(directory, command=self.command, timeout=self.timeout, on_stage=on_stage, cores=self.cores)

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

    def with_cores(self, cores: int, memory: float | None = None) -> ExcitingCalculator:  # noqa: ARG002
        """Return the calculator for so many cores."""
        return replace(self, cores=cores)

    def _species(self, absorber: Absorber) -> dict[str, SpeciesFile]:
        return species_files(self.species, primitive_cell(absorber).elements)
