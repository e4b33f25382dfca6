"""What every code looks like to the workflows: write inputs, run, parse, check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from whiteline.absorber import Absorber
from whiteline.spectrum import Spectrum
from whiteline.status import Check, Status

__all__ = ["Calculator", "Outcome", "RunReport"]


@dataclass(frozen=True)
class RunReport:
    """How a run went.

    Attributes:
        timings: Wall time by stage [s].
        failure: What went wrong, with stage and evidence; empty when the code finished.
    """

    timings: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""


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
    """

    status: Status
    spectrum: Spectrum | None = None
    reason: str = ""
    checks: tuple[Check, ...] = ()
    code_version: str = ""
    output_files: tuple[str, ...] = ()


class Calculator(Protocol):
    """One code with its parameters."""

    @property
    def code(self) -> str:
        """Name of the code, e.g. `feff`."""

    @property
    def parameters_dict(self) -> dict[str, Any]:
        """Complete parameters, defaults included, JSON-ready."""

    def inputs(self, absorber: Absorber) -> dict[str, str]:
        """Return the text of every input file by its path inside the run directory.

        Raises:
            InputError: The absorber or the parameters are not something the code can compute.
        """

    def estimate(self, absorber: Absorber) -> float:
        """Return the expected CPU time [s]."""

    def run(self, directory: Path, *, on_stage: Callable[[str], None]) -> RunReport:
        """Run the code on the inputs in `directory` and return how it went."""

    def parse(self, directory: Path, absorber: Absorber) -> Outcome:
        """Return what the outputs in `directory` say; a spectrum only if they are whole.

        Raises:
            ParseError: An output is damaged or belongs to another absorber.
        """
