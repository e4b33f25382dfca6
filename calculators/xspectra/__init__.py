"""XSpectra: X-ray absorption by Lanczos recursion on plane waves (Quantum ESPRESSO's pw.x and xspectra.x).

Taillefumier et al., Phys. Rev. B 66, 195107 (2002), doi:10.1103/PhysRevB.66.195107; Gougoussis et al., Phys. Rev. B 80,
075102 (2009), doi:10.1103/PhysRevB.80.075102; L2,3: Bunău and Calandra, Phys. Rev. B 87, 205105 (2013),
doi:10.1103/PhysRevB.87.205105.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from monty.json import MSONable

from whiteline.absorber import Absorber
from whiteline.calculators.interface import Estimate, Finding, Outcome, RunReport
from whiteline.calculators.parallel import can_launch, cores_needed, cores_started, cores_taken, programs_started
from whiteline.calculators.parameters import build_parameters
from whiteline.calculators.repairs import Attempt, Repair
from whiteline.calculators.xspectra.check import check_calculation
from whiteline.calculators.xspectra.estimate import estimate_cost
from whiteline.calculators.xspectra.inputs import Setup, build_setup, cutoffs, write_inputs
from whiteline.calculators.xspectra.knobs import find_knobs
from whiteline.calculators.xspectra.parameters import XSpectraParameters
from whiteline.calculators.xspectra.parse import parse_run
from whiteline.calculators.xspectra.potentials import Potentials, find_potentials
from whiteline.calculators.xspectra.repairs import find_repair
from whiteline.calculators.xspectra.run import can_continue, run_xspectra
from whiteline.convergence import Knob
from whiteline.settings import Settings

__all__ = ["XSpectraCalculator", "XSpectraParameters"]


@dataclass(frozen=True)
class XSpectraCalculator(MSONable):
    """XSpectra as the workflows see it.

    Attributes:
        parameters: Everything that decides the spectrum besides the pseudopotentials.
        pseudo_directory: Folder with UPF files. It, the commands and the time limit are no part of the identity.
        pw_command: Command that starts pw.x.
        xspectra_command: Command that starts xspectra.x.
        timeout: Longest wall time of one run of a program [s].
        cores: Cores to use, where the commands do not start several processes themselves.
        memory: Memory of these cores [MB]; None where that is no matter.
    """

    parameters: XSpectraParameters = field(default_factory=XSpectraParameters)
    pseudo_directory: str = "pseudopotentials"
    pw_command: str = "pw.x"
    xspectra_command: str = "xspectra.x"
    timeout: float = 24 * 3600.0
    cores: int = 1
    memory: float | None = None

    @property
    def code(self) -> str:
        """Name of the code."""
        return "xspectra"

    @property
    def parameters_dict(self) -> dict[str, Any]:
        """Complete parameters, defaults included, JSON-ready."""
        return self.parameters.model_dump(mode="json")

    @classmethod
    def from_settings(cls, values: Mapping[str, Any], settings: Settings) -> XSpectraCalculator:
        """Return a calculator from parameter values and the facts of this machine.

        Raises:
            ParameterError: A name is unknown or a value is out of range.
        """
        return cls(
            build_parameters(XSpectraParameters, values),
            pseudo_directory=str(settings.pseudo_directory),
            pw_command=settings.pw_command,
            xspectra_command=settings.xspectra_command,
            timeout=settings.timeout,
        )

    @property
    def programs(self) -> tuple[Path, ...]:
        """Files of the programs that a run starts; those that are not there are left out."""
        return programs_started(self.pw_command, self.xspectra_command, n_processes=self.cores)

    @property
    def n_cores(self) -> int:
        """Cores that a run takes."""
        return max(cores_taken(command, given=self.cores) for command in (self.pw_command, self.xspectra_command))

    def identity(self, absorber: Absorber) -> dict[str, Any]:
        """Return parameters, checksums of the pseudopotentials, and how the surroundings of the site lie in space.

        The cutoffs are those that are written, which may follow what is recorded beside the pseudopotentials.

        Raises:
            MissingDependencyError: A pseudopotential is not there.
            InputError: One does not serve.
        """
        potentials = self._potentials(absorber)
        wavefunction, density = cutoffs(self.parameters, potentials)
        return {
            **self.parameters_dict,
            "ecutwfc": wavefunction,
            "ecutrho": density,
            "pseudopotentials": potentials.checksums,
            "orientation": absorber.orientation_id,
        }

    def inputs(self, absorber: Absorber) -> dict[str, str]:
        """Return scf.in, the core wavefunction, and xanes.in of each direction in a folder of its own.

        Raises:
            InputError: The edge, the structure or a pseudopotential cannot be used.
            MissingDependencyError: A pseudopotential is not there.
        """
        setup, potentials = self._prepare(absorber)
        return write_inputs(absorber, self.parameters, potentials, setup)

    def files(self, absorber: Absorber) -> dict[str, Path]:
        """Return the pseudopotentials, in the folder `pseudo` of the run directory.

        Raises:
            MissingDependencyError: One is not there.
            InputError: One does not serve.
        """
        return {f"pseudo/{p.path.name}": p.path for p in self._potentials(absorber).all}

    def knobs(self, absorber: Absorber) -> tuple[Knob, ...]:
        """Return the parameters that the spectrum is converged in, each with its ladder of values.

        Raises:
            StructureError: The structure is one that pw.x could not compute.
        """
        return find_knobs(absorber, self.parameters)

    def estimate(self, absorber: Absorber) -> Estimate:
        """Return the expected cost on one core.

        Raises:
            InputError: As `inputs`.
            MissingDependencyError: As `inputs`.
        """
        setup, potentials = self._prepare(absorber)
        return estimate_cost(absorber, self.parameters, potentials, setup)

    def check(self, absorber: Absorber) -> list[Finding]:
        """Return what is missing or wrong before anything starts."""
        return check_calculation(
            absorber,
            self.parameters,
            pw_command=self.pw_command,
            xspectra_command=self.xspectra_command,
            pseudo_directory=Path(self.pseudo_directory),
        )

    def run(self, directory: Path, *, on_stage: Callable[[str], None]) -> RunReport:
        """Run pw.x, and xspectra.x for each direction, and return how it went.

        Raises:
            MissingDependencyError: An executable is not there.
        """
        return run_xspectra(
            directory,
            pw_command=self.pw_command,
            xspectra_command=self.xspectra_command,
            timeout=self.timeout,
            on_stage=on_stage,
            cores=self.cores,
            memory=self.memory,
        )

    def parse(self, directory: Path, absorber: Absorber) -> Outcome:
        """Return what the outputs in `directory` say.

        Raises:
            ParseError: An output is missing, cut off, damaged, or of another absorber.
        """
        return parse_run(directory, absorber, self.parameters)

    def repair(self, absorber: Absorber, attempts: Sequence[Attempt]) -> Repair | None:
        """Return what to try next after these attempts; None when nothing is left."""
        cutoff, _ = cutoffs(self.parameters, self._potentials(absorber))
        return find_repair(self.parameters, attempts, cutoff=cutoff)

    def can_continue(self, directory: Path) -> bool:
        """Return whether pw.x or xspectra.x stopped in time in `directory`, and left what they go on from."""
        return can_continue(directory)

    def cores_for(self, absorber: Absorber, available: int, memory: float | None = None) -> int:
        """Return how many of a worker's cores the calculation should get.

        One, where its memory is enough and the time limit allows; those that the commands ask for themselves, where
        they start several processes.

        Raises:
            InputError: As `inputs`.
            MissingDependencyError: As `inputs`.
        """
        started = max(
            cores_started(command.split(), available=available) for command in (self.pw_command, self.xspectra_command)
        )
        if started > 1 or not can_launch():
            return started
        return cores_needed(self.estimate(absorber), available=available, memory=memory, timeout=self.timeout)

    def with_cores(self, cores: int, memory: float | None = None) -> XSpectraCalculator:
        """Return the calculator for so many cores with so much memory [MB]: over them, pools are chosen to fit."""
        return replace(self, cores=cores, memory=memory)

    def _prepare(self, absorber: Absorber) -> tuple[Setup, Potentials]:
        setup = build_setup(absorber, self.parameters)
        return setup, self._potentials(absorber)

    def _potentials(self, absorber: Absorber) -> Potentials:
        return find_potentials(absorber, self.parameters, directory=Path(self.pseudo_directory))
