"""What every code looks like to the workflows: write inputs, run, parse, check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, Self

from whiteline.absorber import Absorber
from whiteline.calculators.parameters import Parameters
from whiteline.calculators.repairs import Attempt, Repair
from whiteline.causes import Cause
from whiteline.convergence import Knob
from whiteline.settings import Settings
from whiteline.spectrum import Spectrum
from whiteline.status import Check, Status

__all__ = ["Calculator", "Estimate", "Finding", "Level", "Outcome", "RunReport"]


@dataclass(frozen=True)
class Estimate:
    """What a calculation is expected to cost, within a factor of two or so.

    Attributes:
        cpu_time: CPU time [s].
        memory: Largest memory [MB]; 0 when unknown.
    """

    cpu_time: float
    memory: float = 0.0


class Level(StrEnum):
    """How much a finding matters: the calculation may start, may be wrong, cannot work."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One line of what is known before a calculation starts.

    Attributes:
        subject: What was looked at, e.g. `pseudopotential of Ti`.
        level: How much it matters.
        detail: What was found.
        remedy: What to do about it; empty when nothing is needed.
    """

    subject: str
    level: Level
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class RunReport:
    """How a run went.

    Attributes:
        timings: Wall time by stage [s].
        failure: What went wrong, with stage and evidence; empty when the code finished.
        cause: What made it go wrong; None when the code finished.
    """

    timings: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""
    cause: Cause | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run directory says.

    Attributes:
        status: How the calculation ended.
        spectrum: The spectrum; None exactly when the status is `failed`.
        reason: Why the status is not `converged`.
        checks: Convergence and sanity checks.
        code_version: Version that the code printed.
        output_files: Paths, inside the run directory, of the files that the spectrum was read from.
        cause: What kept it from converging, or made it fail; None where it converged.
    """

    status: Status
    spectrum: Spectrum | None = None
    reason: str = ""
    checks: tuple[Check, ...] = ()
    code_version: str = ""
    output_files: tuple[str, ...] = ()
    cause: Cause | None = None


class Calculator(Protocol):
    """One code with its parameters."""

    @property
    def code(self) -> str:
        """Name of the code, e.g. `feff`."""

    @property
    def parameters(self) -> Parameters:
        """Typed parameters: all that decides the spectrum, besides other files and the absorber."""

    @property
    def parameters_dict(self) -> dict[str, Any]:
        """Complete parameters, defaults included, JSON-ready."""

    @classmethod
    def from_settings(cls, values: Mapping[str, Any], settings: Settings) -> Self:
        """Return a calculator from parameter values and the facts of this machine.

        Raises:
            ParameterError: A name is unknown or a value is out of range.
        """

    @property
    def programs(self) -> tuple[Path, ...]:
        """Files of the programs that `run` starts on this machine; those that are not there are left out."""

    @property
    def n_cores(self) -> int:
        """Cores that `run` takes: those that a command asks for itself, else those that were given."""

    def identity(self, absorber: Absorber) -> dict[str, Any]:
        """Return all that decides the spectrum besides site and edge, JSON-ready.

        These are the parameters, and where they matter the checksums of pseudopotentials by element
        (`pseudopotentials`) and the orientation of the site (`orientation`).

        Raises:
            MissingDependencyError: A file that the calculation needs is not there.
        """

    def inputs(self, absorber: Absorber) -> dict[str, str]:
        """Return the text of every input file by its path inside the run directory.

        Raises:
            InputError: The absorber or the parameters are not something the code can compute.
            MissingDependencyError: A file that the input is made from is not there.
        """

    def files(self, absorber: Absorber) -> dict[str, Path]:
        """Return the files that are copied beside the inputs, by their path inside the run directory.

        Raises:
            MissingDependencyError: One of them is not there.
        """

    def knobs(self, absorber: Absorber) -> tuple[Knob, ...]:
        """Return the parameters that the spectrum is converged in, each with its ladder of values.

        Raises:
            StructureError: The structure is one that no code could compute.
        """

    def estimate(self, absorber: Absorber) -> Estimate:
        """Return the expected cost.

        Raises:
            InputError: As `inputs`.
        """

    def check(self, absorber: Absorber) -> list[Finding]:
        """Return what is missing or wrong on this machine and with this absorber, before anything starts."""

    def run(self, directory: Path, *, on_stage: Callable[[str], None]) -> RunReport:
        """Run the code on the inputs in `directory` and return how it went.

        Raises:
            MissingDependencyError: An executable is not there.
        """

    def parse(self, directory: Path, absorber: Absorber) -> Outcome:
        """Return what the outputs in `directory` say; a spectrum only if they are whole.

        Raises:
            ParseError: An output is damaged or belongs to another absorber.
        """

    def repair(self, absorber: Absorber, attempts: Sequence[Attempt]) -> Repair | None:
        """Return what to try next after these attempts, the last of which did not converge; None when nothing is left.

        It is found from the attempts alone, and every ladder ends.
        """

    def can_continue(self, directory: Path) -> bool:
        """Return whether `run` would go on from what an interrupted run left in `directory`."""

    def cores_for(self, absorber: Absorber, available: int, memory: float | None = None) -> int:
        """Return how many of a worker's cores the calculation should get: the fewest that it does well with.

        Many calculations at once, a core each, waste none; one takes more where a core's share of the memory is not
        enough, or one core too slow for the time limit, or where the command starts several processes itself.

        Args:
            absorber: The absorber.
            available: Cores of the worker.
            memory: Memory of the worker [MB]; None where that is no matter.

        Raises:
            InputError: As `inputs`.
            MissingDependencyError: As `inputs`.
        """

    def with_cores(self, cores: int, memory: float | None = None) -> Self:
        """Return the calculator for so many cores with so much memory [MB], machine facts that no identity knows."""
