"""Making and testing pseudopotentials with ld1.x of Quantum ESPRESSO."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from whiteline.calculators.process import GuardedProcess, find_executable, last_words
from whiteline.calculators.pseudopotentials.core_hole import LETTERS, CoreHole, edge_of_level, final_channels
from whiteline.calculators.pseudopotentials.orbitals import projector_independence
from whiteline.calculators.pseudopotentials.recipes import Functional, Recipe, generation_input, trial_input
from whiteline.calculators.pseudopotentials.report import PseudoReport, judge, read_configurations
from whiteline.calculators.pseudopotentials.suitability import check_absorber
from whiteline.calculators.pseudopotentials.upf import read_upf
from whiteline.errors import CalculationError, ParseError
from whiteline.status import Check

__all__ = ["MadePseudopotential", "file_name", "make_pair", "make_pseudopotential"]

_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_REMEDY = "install Quantum ESPRESSO (Debian: `apt install quantum-espresso`), whose ld1.x it is"
# Ry below the lowest valence level: far enough for the phases to start alike, and above the core.
_BELOW_VALENCE_RY = 1.0
# Smallest eigenvalue of the overlap of partial waves; equal ones have 0, orthogonal ones 1. The reconstruction divides
# by it: errors of the waves themselves, about 1e-6, then stay below one percent.
_INDEPENDENCE = 1.0e-4
_VERSION = re.compile(r"Program LD1 v\.(\S+)")


@dataclass(frozen=True)
class MadePseudopotential:
    """A pseudopotential as ld1.x wrote it, with all that it was made from.

    Attributes:
        name: File name in a library, e.g. `Ti.star1s.pbe-gipaw.UPF`.
        element: Chemical symbol.
        functional: Exchange-correlation functional.
        core_hole: Missing electrons; None for the ground state.
        content: Bytes of the UPF file.
        inputs: Input texts by stage: `generation` and `test`.
        report: What its tests say.
        ld1_version: As ld1.x prints it.
        wall_time: Time that ld1.x took [s].
    """

    name: str
    element: str
    functional: Functional
    core_hole: CoreHole | None
    content: bytes
    inputs: Mapping[str, str]
    report: PseudoReport
    ld1_version: str
    wall_time: float


def file_name(element: str, functional: Functional, core_hole: CoreHole | None = None) -> str:
    """Return the name of a made pseudopotential's file.

    >>> file_name("Ti", Functional.PBE, CoreHole("1s"))
    'Ti.star1s.pbe-gipaw.UPF'
    """
    mark = f".{core_hole.label}" if core_hole else ""
    return f"{element}{mark}.{functional.lower()}-gipaw.UPF"


def make_pair(
    recipe: Recipe,
    *,
    core_hole: CoreHole,
    functional: Functional = Functional.PBE,
    command: str = "ld1.x",
    timeout: float = 600.0,
) -> tuple[MadePseudopotential, MadePseudopotential]:
    """Return the pseudopotentials of the ground state and of the atom with a core hole, made alike.

    Raises:
        MissingDependencyError: There is no ld1.x.
        CalculationError: ld1.x did not finish.
    """
    ground = make_pseudopotential(recipe, functional=functional, command=command, timeout=timeout)
    excited = make_pseudopotential(recipe, core_hole=core_hole, functional=functional, command=command, timeout=timeout)
    return ground, excited


def make_pseudopotential(
    recipe: Recipe,
    *,
    core_hole: CoreHole | None = None,
    functional: Functional = Functional.PBE,
    command: str = "ld1.x",
    timeout: float = 600.0,
) -> MadePseudopotential:
    """Return a pseudopotential and the report on it; a test that fails is reported, not raised.

    Args:
        recipe: Element, channels and radii.
        core_hole: Electrons to take out of the core; None makes the ground state.
        functional: Exchange-correlation functional.
        command: ld1.x, with arguments if it needs any.
        timeout: Longest wall time of each of the two runs [s].

    Raises:
        ParameterError: The recipe has no such core level.
        MissingDependencyError: There is no ld1.x.
        CalculationError: ld1.x did not finish; the message holds its last words.
    """
    words = find_executable(command, variable="WHITELINE_LD1_COMMAND", remedy=_REMEDY)
    name = file_name(recipe.element, functional, core_hole)
    generation = generation_input(recipe, file_name=name, functional=functional, core_hole=core_hole)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="whiteline-ld1-") as scratch:
        directory = Path(scratch)
        output = _run(words, directory, "generation", generation, recipe.element, timeout)
        path = directory / name
        if not path.is_file():
            raise CalculationError(
                f"ld1.x made no pseudopotential of {recipe.element}: {last_words(directory / 'generation.log')}"
            )
        (made, *_) = read_configurations(output, source=directory / "generation.log")
        bottom = round(min(state.energy_ry for state in made.states) - _BELOW_VALENCE_RY, 2)
        test = trial_input(recipe, file_name=name, lowest_energy_ry=bottom, functional=functional, core_hole=core_hole)
        tested = _run(words, directory, "test", test, recipe.element, timeout)
        report = _report(recipe, core_hole, directory, path, tested)
        content = path.read_bytes()
    version = _VERSION.search(output)
    return MadePseudopotential(
        name=name,
        element=recipe.element,
        functional=functional,
        core_hole=core_hole,
        content=content,
        inputs={"generation": generation, "test": test},
        report=report,
        ld1_version=version[1] if version else "",
        wall_time=round(time.monotonic() - started, 2),
    )


def _run(words: list[str], directory: Path, stage: str, text: str, element: str, timeout: float) -> str:
    """Return ld1.x's standard output."""
    source, log = directory / f"{stage}.in", directory / f"{stage}.log"
    source.write_text(text, encoding="ascii")
    with GuardedProcess(
        [*words, "-in", source.name], directory=directory, log=log, timeout=timeout, environment=_ENVIRONMENT
    ) as process:
        code = process.wait()
    if process.is_timed_out:
        raise CalculationError(f"ld1.x, {stage} of {element}: stopped after {timeout:g} s")
    output = log.read_text(encoding="utf-8", errors="replace")
    if code != 0 or "Error in routine" in output:
        message = re.search(r"Error in routine (\w+) \(\d+\):\s*\n\s*(.*)", output)
        words_of_code = f"{message[1]}: {message[2].strip()}" if message else last_words(log)
        raise CalculationError(f"ld1.x, {stage} of {element}: {words_of_code}; change the recipe's radii or energies")
    return output


def _report(recipe: Recipe, core_hole: CoreHole | None, directory: Path, path: Path, output: str) -> PseudoReport:
    potential = read_upf(path)
    report = judge(
        read_configurations(output, source=directory / "test.log"),
        derivatives=_derivatives(directory / "ld11.dlog"),
        pseudo_derivatives=_derivatives(directory / "ld11ps.dlog"),
        radius=recipe.matching_radius,
        density_cutoff_ry=potential.density_cutoff_ry or 0.0,
    )
    edge = edge_of_level(core_hole.level if core_hole else "1s")
    suited = check_absorber(potential, edge=edge, element=recipe.element, needs_core_hole=core_hole is not None)
    waves = projector_independence(potential, radius=recipe.matching_radius)
    needed = [waves.get(momentum, 0.0) for momentum, n_needed in final_channels(edge) if n_needed > 1]
    detail = ", ".join(f"{LETTERS[momentum]} {value:.4f}" for momentum, value in waves.items())
    independent = Check(
        "independence",
        min(needed) > _INDEPENDENCE,
        f"{detail} of 1 between partial waves, {_INDEPENDENCE:g} needed for the {edge} edge",
    )
    return replace(report, checks=(*report.checks, independent, *suited))


def _derivatives(path: Path) -> np.ndarray:
    try:
        table: np.ndarray = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise ParseError(f"{path.name} of ld1.x cannot be read: {error}; run it again") from error
    return table
