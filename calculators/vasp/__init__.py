"""VASP: plane waves and PAW, a supercell with a core hole.

Karsai, Humer, Flage-Larsen, Blaha, Kresse, Phys. Rev. B 98, 235205 (2018), doi:10.1103/PhysRevB.98.235205.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from monty.json import MSONable

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Estimate, Finding, Outcome, RunReport
from whiteline.calculators.parallel import choose_cores, cores_taken, programs_started
from whiteline.calculators.parameters import build_parameters
from whiteline.calculators.repairs import Attempt, Repair
from whiteline.calculators.vasp.check import check_calculation
from whiteline.calculators.vasp.inputs import estimate_cost, plan_calculation, write_inputs
from whiteline.calculators.vasp.knobs import find_knobs
from whiteline.calculators.vasp.parameters import VaspParameters
from whiteline.calculators.vasp.parse import parse_run
from whiteline.calculators.vasp.potentials import PotcarLibrary
from whiteline.calculators.vasp.repairs import find_repair
from whiteline.calculators.vasp.run import run_vasp
from whiteline.convergence import Knob
from whiteline.settings import Settings

__all__ = ["VaspCalculator", "VaspParameters"]


@dataclass(frozen=True)
class VaspCalculator(MSONable):
    """VASP as the workflows see it.

    Attributes:
        parameters: Everything that decides the spectrum besides the POTCAR files.
        command: Command that starts VASP. No part of the calculation's identity, nor are the following.
        potcars: Folder with POTCAR files as pymatgen lays them out; empty takes pymatgen's own setting.
        timeout: Longest wall time of one VASP run [s].
        cores: MPI processes, where the command does not start several itself.
    """

    parameters: VaspParameters = field(default_factory=VaspParameters)
    command: str = "vasp_std"
    potcars: str = ""
    timeout: float = 24 * 3600.0
    cores: int = 1

    @property
    def code(self) -> str:
        """Name of the code."""
        return "vasp"

    @property
    def parameters_dict(self) -> dict[str, Any]:
        """Complete parameters, defaults included, JSON-ready."""
        return self.parameters.model_dump(mode="json")

    @property
    def library(self) -> PotcarLibrary:
        """The POTCAR files of this machine."""
        return PotcarLibrary.find(Path(self.potcars) if self.potcars else None, self.parameters.functional)

    @classmethod
    def from_settings(cls, values: Mapping[str, Any], settings: Settings) -> VaspCalculator:
        """Return a calculator from parameter values and the facts of this machine.

        Raises:
            ParameterError: A name is unknown or a value is out of range.
        """
        return cls(
            build_parameters(VaspParameters, values),
            command=settings.vasp_command,
            potcars=str(settings.vasp_potcars) if settings.vasp_potcars else "",
            timeout=settings.timeout,
        )

    @property
    def programs(self) -> tuple[Path, ...]:
        """Files of the programs that a run starts; those that are not there are left out."""
        return programs_started(self.command, n_processes=self.cores)

    @property
    def n_cores(self) -> int:
        """Cores that a run takes."""
        return cores_taken(self.command, given=self.cores)

    def identity(self, absorber: Absorber) -> dict[str, Any]:
        """Return the parameters, the checksums of the potentials and, where directions differ, the orientation.

        Raises:
            MissingDependencyError: A potential is not here.
            ParameterError: The edge or a potential does not fit the absorber.
            StructureError: VASP cannot compute the absorber.
        """
        library = self.library
        symbols = plan_calculation(absorber, self.parameters, library).symbols
        potentials = {potcar.element: potcar.checksum for potcar in map(library.read, symbols)}
        identity = {**self.parameters_dict, "pseudopotentials": potentials}
        if len(absorber.polarisations) > 1:
            identity["orientation"] = absorber.orientation_id
        return identity

    def inputs(self, absorber: Absorber) -> dict[str, str]:
        """Return the text of every input by its path; POTCAR.spec where no POTCAR files are set.

        Raises:
            StructureError: VASP cannot compute the absorber.
            ParameterError: The edge or a potential does not fit the absorber.
            MissingDependencyError: POTCAR files are set, and one of them is not there.
        """
        return write_inputs(absorber, self.parameters, self.library)

    def files(self, absorber: Absorber) -> dict[str, Path]:  # noqa: ARG002  # as the interface has it
        """Return nothing: the POTCAR is put together from several files and is an input."""
        return {}

    def knobs(self, absorber: Absorber) -> tuple[Knob, ...]:
        """Return the parameters that the spectrum is converged in, each with its ladder of values.

        Raises:
            StructureError: The structure is one that VASP could not compute.
        """
        return find_knobs(absorber, self.parameters)

    def estimate(self, absorber: Absorber) -> Estimate:
        """Return the expected cost.

        Raises:
            StructureError: As `inputs`.
            ParameterError: As `inputs`.
        """
        return estimate_cost(plan_calculation(absorber, self.parameters, self.library), self.parameters)

    def check(self, absorber: Absorber) -> list[Finding]:
        """Return what is missing or wrong before anything starts."""
        return check_calculation(absorber, self.parameters, command=self.command, library=self.library)

    def run(self, directory: Path, *, on_stage: Callable[[str], None]) -> RunReport:
        """Run VASP on the inputs in `directory`, the neutral cell first, and return how it went.

        Raises:
            MissingDependencyError: VASP is not there, or the directory has no POTCAR.
        """
        return run_vasp(directory, command=self.command, timeout=self.timeout, on_stage=on_stage, cores=self.cores)

    def parse(self, directory: Path, absorber: Absorber) -> Outcome:
        """Return what the outputs in `directory` say.

        Raises:
            ParseError: An output is missing, cut off, damaged, or of another absorber.
        """
        return parse_run(directory, absorber, self.parameters)

    def repair(self, absorber: Absorber, attempts: Sequence[Attempt]) -> Repair | None:  # noqa: ARG002
        """Return what custodian would change after these attempts; None when nothing is left."""
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

    def with_cores(self, cores: int, memory: float | None = None) -> VaspCalculator:  # noqa: ARG002
        """Return the calculator for so many cores."""
        return replace(self, cores=cores)
