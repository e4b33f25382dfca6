"""What happens to a site whose calculation fails, and what is written down of it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import pytest
from monty.json import MontyEncoder
from pymatgen.core import Structure

from whiteline.absorber import Absorber
from whiteline.calculators.feff import FeffCalculator, FeffParameters
from whiteline.calculators.interface import Estimate, Outcome, RunReport
from whiteline.calculators.parameters import Parameters, build_parameters, load_preset
from whiteline.calculators.repairs import Attempt, Repair, next_rung
from whiteline.causes import Cause
from whiteline.database import open_store
from whiteline.database.documents import SpectrumDocument
from whiteline.edges import Edge
from whiteline.errors import ParseError
from whiteline.fingerprint import content_hash
from whiteline.provenance import ProvenanceRecord
from whiteline.settings import Settings
from whiteline.spectrum import EnergyReference, Spectrum
from whiteline.status import Status
from whiteline.workflows import Workspace
from whiteline.workflows.jobs import compute_site, site_calculation_id
from whiteline.workflows.workspace import DiskFullError

SLOWER = Repair("mixing 0.1", Cause.SCF, {"mixing": 0.1})
SLOWEST = Repair("mixing 0.05", Cause.SCF, {"mixing": 0.05})
OTHER = Repair("overlap 1", Cause.SCF, {"mixing": 0.1, "overlap": 1.0}, is_physical=True)
SMALLER = Repair("in pieces", Cause.MEMORY, {"n_pieces": 2})
LADDER = (SLOWER, SLOWEST, OTHER, SMALLER)

# The function that is decorated to be a job.
RUN: Callable[..., dict[str, Any]] = compute_site.original  # type: ignore[attr-defined]  # jobflow does not say so

Answers = Mapping[tuple[float, float, int], Any]
GOOD, BAD, CRASH = "converged", "unconverged", RunReport({"scf": 1.0}, "scf: exit status 2", Cause.CRASH)


class Knobs(Parameters):
    mixing: float = 0.2
    overlap: float = 1.15
    n_pieces: int = 1


@dataclass(frozen=True)
class Scripted:
    """A code that answers as it is told for each mixing, overlap and number of pieces."""

    answers: Answers
    parameters: Knobs = field(default_factory=Knobs)
    code: str = "feff"
    runs: list[Path] = field(default_factory=list)

    @property
    def parameters_dict(self) -> dict[str, Any]:
        return self.parameters.model_dump(mode="json")

    @property
    def _answer(self) -> Any:
        p = self.parameters
        return self.answers.get((p.mixing, p.overlap, p.n_pieces), BAD)

    def identity(self, absorber: Absorber) -> dict[str, Any]:  # noqa: ARG002
        return self.parameters_dict

    @property
    def programs(self) -> tuple[Path, ...]:
        return (Path(sys.executable),)

    @property
    def n_cores(self) -> int:
        return 3

    def inputs(self, absorber: Absorber) -> dict[str, str]:  # noqa: ARG002
        return {"code.in": json.dumps(self.parameters_dict)}

    def files(self, absorber: Absorber) -> dict[str, Path]:  # noqa: ARG002
        return {}

    def estimate(self, absorber: Absorber) -> Estimate:  # noqa: ARG002
        return Estimate(1.0)

    def can_continue(self, directory: Path) -> bool:
        return (directory / "restart").is_file()

    def repair(self, absorber: Absorber, attempts: Sequence[Attempt]) -> Repair | None:  # noqa: ARG002
        return next_rung(attempts, LADDER)

    def run(self, directory: Path, *, on_stage: Callable[[str], None]) -> RunReport:
        on_stage("scf")
        self.runs.append(directory)
        if callable(self._answer):
            self._answer(directory)
        return self._answer if isinstance(self._answer, RunReport) else RunReport({"scf": 1.0})

    def parse(self, directory: Path, absorber: Absorber) -> Outcome:  # noqa: ARG002
        if self._answer == "damaged":
            raise ParseError(f"{directory}/xmu.dat ends in the middle")
        (directory / "xmu.dat").write_text("of the code")
        energy = np.arange(5.0)
        spectrum = Spectrum(energy, energy + self.parameters.mixing, energy_reference=EnergyReference.FERMI)
        if self._answer == BAD:
            return Outcome(Status.UNCONVERGED, spectrum, "scf: no end", cause=Cause.SCF, output_files=("xmu.dat",))
        return Outcome(Status.CONVERGED, spectrum, output_files=("xmu.dat",))


@pytest.fixture
def absorber(copper: Structure) -> Absorber:
    return Absorber(copper, 0, Edge.K, multiplicity=4)


@pytest.fixture
def workspace(settings: Settings) -> Workspace:
    return Workspace.from_settings(settings)


Stored = tuple[dict[str, Any], SpectrumDocument, ProvenanceRecord]


@pytest.fixture
def compute(absorber: Absorber, workspace: Workspace) -> Callable[..., Stored]:
    """A function that computes a site and returns summary, document and the last record."""

    def start(calculator: Any, site: Absorber = absorber, **changes: Any) -> Stored:
        place = replace(workspace, **changes)
        summary = RUN(site, calculator, place, "copper", "copper.cif", "feff:test")
        with open_store(place.database) as store:
            return summary, store.get(summary["id"]), store.records(summary["id"])[-1]

    return start


def test_what_converges_at_once_needs_no_word(compute: Callable[..., Stored]) -> None:
    summary, document, record = compute(Scripted({(0.2, 1.15, 1): GOOD}))
    assert (summary["status"], summary["n_attempts"], summary["cause"]) == ("converged", 1, "")
    assert (document.checks, record.attempts) == ((), ())


def test_a_rung_that_converges_is_stored_under_the_id_that_was_asked_for(
    compute: Callable[..., Stored], absorber: Absorber
) -> None:
    calculator = Scripted({(0.05, 1.15, 1): GOOD})
    summary, document, record = compute(calculator)
    assert document.id == site_calculation_id(absorber, calculator)  # type: ignore[arg-type]
    assert (document.status, document.reason, summary["n_attempts"]) == (Status.CONVERGED, "", 3)
    assert document.spectrum is not None
    assert document.spectrum.intensity[0] == 0.05
    assert (document.parameters["mixing"], record.parameters["mixing"]) == (0.2, 0.05)


def test_checks_and_record_tell_every_attempt(compute: Callable[..., Stored]) -> None:
    _, document, record = compute(Scripted({(0.05, 1.15, 1): GOOD}))
    assert [(c.name, c.is_passed) for c in document.checks] == [
        ("as asked for", False),
        ("repair 1: mixing 0.1", False),
        ("repair 2: mixing 0.05", True),
    ]
    assert [(a["repair"], a["changes"], a["status"], a["cause"]) for a in record.attempts] == [
        ("", {}, "unconverged", "scf"),
        ("mixing 0.1", {"mixing": 0.1}, "unconverged", "scf"),
        ("mixing 0.05", {"mixing": 0.05}, "converged", None),
    ]


def test_a_change_of_the_physics_that_converges_is_stored_as_unconverged_with_its_name(
    compute: Callable[..., Stored],
) -> None:
    _, document, record = compute(Scripted({(0.1, 1.0, 1): GOOD}))
    assert document.status is Status.UNCONVERGED
    assert document.reason == "not as asked for but with overlap 1, since scf: no end"
    assert (document.parameters["overlap"], record.parameters["overlap"]) == (1.15, 1.0)


def test_where_nothing_helps_the_spectrum_is_that_of_what_was_asked_for(compute: Callable[..., Stored]) -> None:
    summary, document, record = compute(Scripted({}))
    assert (summary["status"], summary["cause"], summary["n_attempts"]) == ("unconverged", "scf", 4)
    assert document.spectrum is not None
    assert document.spectrum.intensity[0] == 0.2
    assert document.reason == "scf: no end; tried in vain: mixing 0.1, mixing 0.05, overlap 1"
    assert record.parameters == document.parameters


def test_a_spectrum_that_did_not_converge_is_better_than_none(compute: Callable[..., Stored]) -> None:
    failed = RunReport({}, "scf: bad counts", Cause.SCF)
    _, document, _ = compute(Scripted({(0.2, 1.15, 1): failed}))
    assert document.status is Status.UNCONVERGED
    assert "scf: no end; not as asked for but with mixing 0.1, since feff: scf: bad counts" in document.reason


@pytest.mark.parametrize(("most", "n"), [(0, 1), (1, 2), (9, 4)])
def test_the_ladder_is_as_long_as_settings_and_code_allow(compute: Callable[..., Stored], most: int, n: int) -> None:
    assert compute(Scripted({}), most_repairs=most)[0]["n_attempts"] == n


def test_what_mended_one_cause_stays_in_force_against_the_next(compute: Callable[..., Stored]) -> None:
    out_of_memory = RunReport({}, "nscf: killed by signal 9", Cause.MEMORY)
    calculator = Scripted({(0.1, 1.15, 1): out_of_memory, (0.1, 1.15, 2): GOOD})
    _, document, record = compute(calculator)
    assert document.status is Status.CONVERGED
    assert record.attempts[-1]["changes"] == {"mixing": 0.1, "n_pieces": 2}


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (CRASH, "crash"),
        ("damaged", "output"),
        (RunReport({}, "scf: stopped after 5 s", Cause.TIME_LIMIT), "time-limit"),
        (RunReport({}, "killed by signal 15 []"), "worker-lost"),
        (rmtree, "scratch-lost"),
    ],
)
def test_what_no_rung_mends_fails_with_its_cause(compute: Callable[..., Stored], answer: Any, cause: str) -> None:
    summary, document, record = compute(Scripted({(0.2, 1.15, 1): answer}))
    assert (document.status, summary["cause"], summary["n_attempts"]) == (Status.FAILED, cause, 1)
    assert document.reason
    assert record.attempts[0]["cause"] == cause


def test_a_full_disk_is_no_result(compute: Callable[..., Stored], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workspace, "has_full_disk", True)
    with pytest.raises(DiskFullError):
        compute(Scripted({(0.2, 1.15, 1): CRASH}))


def test_what_another_process_stored_meanwhile_is_not_stored_again(
    compute: Callable[..., Stored], workspace: Workspace, absorber: Absorber
) -> None:
    def overtake(_: Path) -> None:
        other = Scripted({(0.2, 1.15, 1): GOOD})
        place = replace(workspace, run_directory=f"{workspace.run_directory}2")
        RUN(absorber, other, place, "copper", "copper.cif", "feff:test")

    summary, document, _ = compute(Scripted({(0.2, 1.15, 1): overtake}))
    assert (summary["is_from_store"], document.status) == (True, Status.CONVERGED)
    with open_store(workspace.database) as store:
        assert len(store.records(document.id)) == 1


def test_an_interrupted_run_of_a_code_that_can_goes_on_in_its_folder(compute: Callable[..., Stored]) -> None:
    def stop(folder: Path) -> None:
        (folder / "restart").touch()
        raise ParseError("stopped")

    compute(Scripted({(0.2, 1.15, 1): stop}))
    found: list[bool] = []
    _, _, record = compute(Scripted({(0.2, 1.15, 1): lambda folder: found.append((folder / "restart").is_file())}))
    assert found == [True]
    assert record.attempts[0]["continued"] is True


def test_a_ladder_that_the_machine_ended_fails_for_that_so_that_it_is_tried_again(
    compute: Callable[..., Stored],
) -> None:
    failed, stopped = RunReport({}, "bad counts", Cause.SCF), RunReport({}, "stopped after 5 s", Cause.TIME_LIMIT)
    summary, _, _ = compute(Scripted({(0.2, 1.15, 1): failed, (0.1, 1.15, 1): stopped}))
    assert (summary["status"], summary["cause"], summary["n_attempts"]) == ("failed", "time-limit", 2)


def test_a_repair_that_goes_on_runs_where_the_attempt_before_ended(
    compute: Callable[..., Stored], monkeypatch: pytest.MonkeyPatch
) -> None:
    on = Repair("more iterations", Cause.SCF, {"mixing": 0.1}, continues=True)
    monkeypatch.setattr(Scripted, "repair", lambda _self, _absorber, attempts: next_rung(attempts, (on,)))
    calculator = Scripted({(0.1, 1.15, 1): GOOD})
    _, document, _ = compute(calculator)
    assert document.status is Status.CONVERGED
    assert calculator.runs[0] == calculator.runs[1]


# What follows runs the real FEFF.

KILLED = """
import json, os, signal, sys
from monty.json import MontyDecoder
from whiteline.calculators.feff import FeffCalculator
from whiteline.workflows.jobs import compute_site

arguments = json.loads(sys.argv[1], cls=MontyDecoder)
FeffCalculator.parse = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
compute_site.original(*arguments)
"""


def test_a_run_whose_runner_was_killed_before_it_stored_is_read_and_not_run_again(
    compute: Callable[..., Stored],
    absorber: Absorber,
    workspace: Workspace,
    quick: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calculator = FeffCalculator(build_parameters(FeffParameters, quick))
    arguments = json.dumps([absorber, calculator, workspace, "copper", "copper.cif", "feff:test"], cls=MontyEncoder)
    killed = subprocess.run([sys.executable, "-c", KILLED, arguments], check=False)
    assert killed.returncode == -signal.SIGKILL
    monkeypatch.setattr(FeffCalculator, "run", lambda *_, **__: pytest.fail("FEFF ran again"))
    summary, document, record = compute(calculator)
    assert (document.status, summary["is_from_store"]) == (Status.CONVERGED, False)
    assert record.attempts[0]["adopted"] is True
    assert record.timings
    assert not list(Path(workspace.run_directory).iterdir())


@pytest.mark.parametrize("what", ["output", "input"])
def test_a_run_that_is_found_damaged_or_of_other_inputs_is_run_again(
    compute: Callable[..., Stored], absorber: Absorber, workspace: Workspace, quick: dict[str, Any], what: str
) -> None:
    calculator = FeffCalculator(build_parameters(FeffParameters, quick))
    folders = workspace.run_folders("copper-Cu0-K", site_calculation_id(absorber, calculator))
    left = folders.renew(1).path
    inputs = {} if what == "input" else calculator.inputs(absorber)
    folders.note(left, {}, RunReport({"pot": 1.0}), inputs_id=content_hash(inputs))
    (left / "xmu.dat").write_text("cut off")
    _, document, record = compute(calculator)
    assert (document.status, record.attempts) == (Status.CONVERGED, ())


def test_feff_that_does_not_converge_is_repaired_and_it_is_on_record(
    compute: Callable[..., Stored], quick: dict[str, Any]
) -> None:
    values = {**quick, "l_max": 2, "scf_radius": 2.7, "scf_max_iterations": 2}
    summary, document, record = compute(FeffCalculator(build_parameters(FeffParameters, values)))
    assert (document.status, summary["n_attempts"]) == (Status.CONVERGED, 2)
    assert [attempt["repair"] for attempt in record.attempts] == ["", "scf_max_iterations 100"]
    assert record.attempts[0]["reason"] == "scf: the potentials did not converge in 2 iterations"
    assert (document.parameters["scf_max_iterations"], record.parameters["scf_max_iterations"]) == (2, 100)


def test_a_crystal_that_fails_with_the_fast_preset_is_mended_by_slower_mixing(
    compute: Callable[..., Stored], data: Path
) -> None:
    structure = Structure.from_file(data / "structures" / "mp-1181556.cif")
    calculator = FeffCalculator(build_parameters(FeffParameters, load_preset("feff", "fast")))
    summary, document, record = compute(calculator, Absorber(structure, 1, Edge.K))
    assert (document.status, summary["n_attempts"]) == (Status.CONVERGED, 2)
    assert [attempt["cause"] for attempt in record.attempts] == ["scf", None]
    assert record.parameters["scf_mixing"] == 0.1
    assert document.parameters["scf_mixing"] == 0.2
