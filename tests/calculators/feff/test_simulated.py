"""The simulated FEFF of the benchmarks: read by the real parser, and never taken for the real one."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core.structure import Structure

from whiteline.absorber import Absorber
from whiteline.calculators.feff import FeffCalculator, FeffParameters
from whiteline.calculators.interface import Outcome, RunReport
from whiteline.calculators.parameters import build_parameters
from whiteline.edges import Edge
from whiteline.errors import ParseError
from whiteline.status import Status

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "simulated_feff.py"

Run = Callable[..., tuple[RunReport, Callable[[], Outcome]]]


@pytest.fixture
def run(copper: Structure, tmp_path: Path) -> Run:
    """A function that runs the simulated FEFF and returns the report, and what parses the outputs."""

    def start(*options: str, edge: Edge = Edge.K, name: str = "run", **values: Any) -> Any:
        command = shlex.join([sys.executable, "-I", "-S", str(SCRIPT), *options])
        calculator = FeffCalculator(build_parameters(FeffParameters, values), command=command, timeout=2)
        absorber = Absorber(copper, 0, edge)
        for path, text in calculator.inputs(absorber).items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_text(text)
        report = calculator.run(tmp_path / name, on_stage=lambda _: None)
        return report, lambda: calculator.parse(tmp_path / name, absorber)

    return start


@pytest.mark.parametrize("edge", [Edge.K, Edge.L3, Edge.L23])
@pytest.mark.parametrize("grid", [{}, {"energy_grid": [], "k_max": 6.0}])
def test_its_files_are_read_as_those_of_feff_and_say_what_they_are(run: Run, edge: Edge, grid: dict[str, Any]) -> None:
    report, parse = run(edge=edge, **grid)
    outcome = parse()
    assert (report.failure, outcome.status, outcome.code_version) == ("", Status.CONVERGED, "FEFF 0.simulated")
    assert outcome.spectrum is not None


def test_the_same_input_gives_the_same_spectrum_and_a_larger_cluster_a_similar_one(run: Run) -> None:
    spectra = [run(name=name, fms_radius=radius)[1]().spectrum for name, radius in (("1", 5.0), ("2", 5.0), ("3", 8.0))]
    first, again, larger = [spectrum.components for spectrum in spectra if spectrum]
    assert np.array_equal(first, again)
    assert 0 < np.abs(first - larger).max() < 0.05


def test_it_takes_the_time_that_it_is_told(run: Run) -> None:
    report, _ = run("--seconds", "0.3")
    assert report.timings["feff"] >= 0.3


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("crash", "killed by signal 11"),
        ("memory", "killed by signal 9"),
        ("exit", "exit status 2 .*Fortran runtime error: Index"),
        ("disk", "exit status 2 .*No space left on device"),
    ],
)
def test_it_fails_in_the_words_of_the_real_one(run: Run, failure: str, words: str) -> None:
    report, _ = run("--failures", f"{failure}=1")
    assert re.search(words, report.failure)


def test_it_hangs_until_its_time_is_over(run: Run) -> None:
    report, _ = run("--failures", "hang=1")
    assert report.failure.startswith("stopped after 2 s")


def test_a_truncated_table_is_refused(run: Run) -> None:
    report, parse = run("--failures", "truncated=1")
    assert report.failure == ""
    with pytest.raises(ParseError, match=r"xmu\.dat"):
        parse()


def test_scf_that_does_not_converge_is_mended_by_slower_mixing_for_some(run: Run) -> None:
    def n_converged(mixing: float) -> int:
        runs = [
            run("--failures", "scf=1", name=f"{radius} {mixing}", scf_mixing=mixing, fms_radius=radius)
            for radius in np.arange(3.0, 9.0)
        ]
        return sum(parse().status is Status.CONVERGED for _, parse in runs)

    assert n_converged(0.2) == 0
    assert 0 < n_converged(0.1) <= n_converged(0.05) < 6


def test_a_failure_of_the_machine_can_happen_once_only(run: Run, tmp_path: Path) -> None:
    options = ("--failures", "exit=1", "--once", str(tmp_path / "marks"))
    assert [bool(run(*options, name=name)[0].failure) for name in ("first", "second")] == [True, False]


def test_what_it_does_not_know_is_refused(run: Run) -> None:
    assert "has no XANES" in run(elnes={"beam_energy": 200})[0].failure
    assert "expected scf, crash" in run("--failures", "fire=1")[0].failure
