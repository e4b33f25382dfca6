"""The ladder of FEFF's potentials, and that what FEFF says is understood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Lattice, Structure

from whiteline.absorber import Absorber
from whiteline.calculators.feff import FeffCalculator, FeffParameters
from whiteline.calculators.feff.parse import parse_run
from whiteline.calculators.feff.run import _report
from whiteline.calculators.repairs import Attempt, Repair
from whiteline.causes import Cause
from whiteline.edges import Edge
from whiteline.status import Status


def climb(absorber: Absorber, cause: Cause = Cause.SCF, **values: Any) -> list[Repair]:
    """Return all rungs, each of them in vain."""
    calculator = FeffCalculator(FeffParameters(**values))
    attempts = [Attempt(None, Status.UNCONVERGED, cause, "as asked for", 1.0)]
    while (repair := calculator.repair(absorber, attempts)) is not None:
        attempts.append(Attempt(repair, Status.UNCONVERGED, cause, "no end", 1.0))
    return [attempt.repair for attempt in attempts if attempt.repair is not None]


@pytest.fixture
def absorber(copper: Structure) -> Absorber:
    return Absorber(copper, 0, Edge.K)


def test_slower_mixing_comes_first_and_what_changes_the_physics_last(absorber: Absorber) -> None:
    rungs = climb(absorber)
    assert rungs[0].changes == {"scf_mixing": 0.1, "scf_n_mix": 3}
    order = [rung.is_physical for rung in rungs]
    assert order == sorted(order)
    assert any(order)


def test_more_iterations_come_before_all_where_fewer_were_asked_for(absorber: Absorber) -> None:
    first, *others = climb(absorber, scf_max_iterations=30)
    assert first.changes == {"scf_max_iterations": 100}
    assert all(rung.changes["scf_max_iterations"] == 100 for rung in others)


def test_what_was_asked_for_is_not_tried_again(absorber: Absorber) -> None:
    values: dict[str, Any] = {"scf_mixing": 0.1, "scf_n_mix": 3, "overlap": 1.3}
    assert all(any(values.get(k) != v for k, v in rung.changes.items()) for rung in climb(absorber, **values))


def test_another_stoichiometry_is_tried_only_where_it_is_another(absorber: Absorber) -> None:
    mixed = Structure(Lattice.cubic(4.2), ["Fe2+", "Fe3+", "O2-"], [[0.0] * 3, [0.5, 0.5, 0], [0.5, 0, 0.5]])
    groupings = [r.changes["potentials"] for r in climb(Absorber(mixed, 0, Edge.K)) if "potentials" in r.changes]
    assert groupings == ["element"]
    assert not any("potentials" in rung.changes for rung in climb(absorber))


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.SCF])
def test_no_other_cause_is_mended_by_parameters(absorber: Absorber, cause: Cause) -> None:
    assert climb(absorber, cause) == []


def test_potentials_that_come_to_nothing_are_no_crash(tmp_path: Path) -> None:
    """FEFF ends the stage as if all were well; only the next one fails, with a file that is not there."""
    log = tmp_path / "feff.log"
    log.write_text(
        "  Will repeat this iteration.\nBad counts found repeatedly - pot will exit now.\n"
        "Done with module: potentials.\nCalculating screened core-hole potential ...\n"
        "forrtl: severe (29): file not found\n"
    )
    failure = "FeffPipelineError: stage 'screen' failed (exit code: 29)"
    report = _report({}, failure, log)
    assert (report.cause, report.failure.startswith("the potentials (SCF) came to nothing")) == (Cause.SCF, True)
    log.write_text("forrtl: severe (29): file not found\n")
    assert _report({}, failure, log).cause is Cause.CRASH


@pytest.mark.parametrize(("log", "cause"), [("Convergence reached in   14 iterations.\n", None), ("", Cause.SCF)])
def test_potentials_that_did_not_converge_are_told_as_such(
    tmp_path: Path, data: Path, ti_o_10: dict[str, Structure], log: str, cause: Cause | None
) -> None:
    (tmp_path / "xmu.dat").write_bytes((data / "feff" / "mp-1203" / "xmu.dat").read_bytes())
    (tmp_path / "feff.log").write_text(log)
    outcome = parse_run(tmp_path, Absorber(ti_o_10["mp-1203"], 0, Edge.K), FeffParameters())
    assert outcome.cause is cause


def test_the_overlap_is_a_card_only_where_it_is_set(absorber: Absorber) -> None:
    assert "AFOLP" not in FeffCalculator().inputs(absorber)["feff.inp"]
    assert "\nAFOLP 1.3\n" in FeffCalculator(FeffParameters(overlap=1.3)).inputs(absorber)["feff.inp"]
