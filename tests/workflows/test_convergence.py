"""Convergence for real, with FEFF on a tiny cluster: certificates, budgets, and going on after a stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Structure

from whiteline.absorber import Absorber
from whiteline.calculators.feff import FeffCalculator
from whiteline.calculators.interface import Outcome, RunReport
from whiteline.convergence import Comparison, Knob, Plan, Series, Tolerance, Verdict
from whiteline.database import SpectrumQuery, open_store
from whiteline.edges import Edge
from whiteline.errors import ParameterError
from whiteline.progress import Progress
from whiteline.settings import Settings
from whiteline.spectrum import EnergyReference, Spectrum
from whiteline.status import Status
from whiteline.structures import NamedStructure
from whiteline.workflows.certificate import ACTIVITY, certificate_document
from whiteline.workflows.convergence import RUNG_MARK, of_series
from whiteline.workflows.jobs import average_sites, site_document
from whiteline.workflows.material import MaterialResult, converge_materials
from whiteline.workflows.workspace import Workspace

# Three seconds a rung: no self-consistency, the nearest neighbours only.
TINY = {"scf_radius": None, "fms_radius": 3.0, "cluster_radius": 6.0, "l_max": 2}
ENERGY = np.array([0.0, 1.0])
LOOSE = Tolerance(spearman=0.05, area=0.1, shift=1.0)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One store for all tests of this module: rungs that one has computed, the others find."""
    folder = tmp_path_factory.mktemp("convergence")
    return Settings(database=str(folder / "spectra.db"), run_directory=folder / "runs", timeout=300)


@pytest.fixture
def primitive_copper() -> Structure:
    return Structure([[0, 1.805, 1.805], [1.805, 0, 1.805], [1.805, 1.805, 0]], ["Cu"], [[0, 0, 0]])


def converge(structure: Structure, settings: Settings, **options: Any) -> MaterialResult:
    named = NamedStructure(structure, "copper", "copper.cif")
    options = {"knobs": ["energy_grid"], "parameters": TINY, "tolerance": LOOSE, **options}
    return converge_materials([named], "Cu", settings=settings, **options)[0]


def certificate(settings: Settings, result: MaterialResult) -> dict[str, Any]:
    with open_store(settings.database) as store:
        (record,) = [r for r in store.records(result.sites[0].id) if r.activity == ACTIVITY][-1:]
    return dict(record.parameters)


def n_runs(settings: Settings) -> dict[str, int]:
    """Return how often each rung was computed."""
    with open_store(settings.database) as store:
        return {
            d.id: len(store.records(d.id)) for d in store.query(SpectrumQuery(fidelity="feff:standard+", status="any"))
        }


def test_a_budget_ends_with_the_best_so_far_and_more_time_goes_on_from_there(
    primitive_copper: Structure, settings: Settings
) -> None:
    first = converge(primitive_copper, settings, budget=1e-3)
    assert first.sites[0].status is Status.FAILED
    assert "budget" in first.sites[0].reason
    assert n_runs(settings) == {}

    # Time for one rung: what the next takes is known once that one is there.
    short = converge(primitive_copper, settings, budget=1e3, tolerance=Tolerance(spearman=1e-9))
    assert short.sites[0].status is Status.UNCONVERGED
    assert "best so far energy_grid step 0.025" in short.sites[0].reason

    done = n_runs(settings)
    final = converge(primitive_copper, settings)
    assert final.sites[0].status is Status.CONVERGED
    assert final.material.status is Status.CONVERGED
    # Nothing was computed twice: the looser series found all its rungs.
    assert {id_: n for id_, n in n_runs(settings).items() if id_ in done} == done
    assert set(n_runs(settings).values()) == {1}


def test_the_certificate_holds_every_rung_and_every_comparison(primitive_copper: Structure, settings: Settings) -> None:
    result = converge(primitive_copper, settings)
    record = certificate(settings, result)
    assert record["verdict"] == "converged"
    assert record["tolerance"]["spearman"] == LOOSE.spearman
    with open_store(settings.database) as store:
        for point in record["points"]:
            document = store.get(point["id"])
            assert document.parameters["energy_grid"] == point["values"]["energy_grid"]
            assert point["seconds"] > 0
    (climb,) = record["climbs"]
    assert climb["has_arrived"]
    assert [c["is_within"] for c in climb["comparisons"]][-2:] == [True, True]
    best = next(p for p in record["points"] if p["rungs"] == record["best"])
    assert result.sites[0].parents == (best["id"],)
    assert result.sites[0].parameters["energy_grid"] == best["values"]["energy_grid"]
    assert result.sites[0].fidelity == "feff:converged"
    assert {check.name for check in result.sites[0].checks} >= {"converged energy_grid"}


def test_a_converged_site_is_served_from_the_store(primitive_copper: Structure, settings: Settings) -> None:
    seen: list[Progress] = []
    converge(primitive_copper, settings)
    before = n_runs(settings)
    again = converge(primitive_copper * (2, 1, 1), settings, on_progress=seen.append)
    assert not again.is_computed[0]
    assert n_runs(settings) == before
    assert [progress.stage for progress in seen] == ["stored"]


def test_two_knobs_climb_one_at_a_time_and_are_confirmed_together(
    primitive_copper: Structure, settings: Settings
) -> None:
    values = {name: value for name, value in TINY.items() if name != "l_max"}
    result = converge(primitive_copper, settings, knobs=["l_max", "energy_grid"], parameters=values)
    record = certificate(settings, result)
    rest = record["rest"]
    climbing = [c for climb in record["climbs"] for c in climb["comparisons"]]
    assert all(sum(a != b for a, b in zip(c["upper"], rest, strict=True)) <= 1 for c in climbing)
    above = record["confirmations"][-2 if len(record["confirmations"]) > 1 else -1]
    assert above["is_within"]
    assert all(upper >= lower for upper, lower in zip(above["upper"], above["lower"], strict=True))


def test_a_rung_that_crashes_is_kept_as_failed_and_climbed_over(
    primitive_copper: Structure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = FeffCalculator.run

    def crash_at_second_step(self: FeffCalculator, directory: Path, **options: Any) -> RunReport:
        if self.parameters.energy_grid[0].step == 0.07:
            return RunReport(failure="pot: forrtl: severe (174)")
        return run(self, directory, **options)

    monkeypatch.setattr(FeffCalculator, "run", crash_at_second_step)
    settings = Settings(database=str(tmp_path / "s.db"), run_directory=tmp_path / "runs", timeout=300)
    result = converge(primitive_copper, settings)
    record = certificate(settings, result)
    assert [p["status"] for p in sorted(record["points"], key=lambda p: p["rungs"])][:2] == ["converged", "failed"]
    assert any("severe (174)" in p["reason"] for p in record["points"])
    assert result.sites[0].status is Status.CONVERGED
    assert result.sites[0].parameters["energy_grid"][0]["step"] < 0.07


def test_a_site_that_cannot_be_computed_fails_by_itself_and_its_time_is_that_of_the_clock(
    primitive_copper: Structure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Some codes report the time of the whole and of its stages.
    report = RunReport({"all": 9000.0, "part": 8000.0}, failure="pot: killed")
    monkeypatch.setattr(FeffCalculator, "run", lambda *_, **__: report)
    settings = Settings(database=str(tmp_path / "s.db"), run_directory=tmp_path / "runs")
    lonely = NamedStructure(Structure(np.eye(3) * 12.0, ["Cu"], [[0, 0, 0]]), "lonely", "lonely.cif")
    near = NamedStructure(primitive_copper, "copper", "copper.cif")
    alone, other = converge_materials([lonely, near], "Cu", knobs=["l_max"], parameters=TINY, settings=settings)
    assert [result.sites[0].status for result in (alone, other)] == [Status.FAILED] * 2
    assert "no neighbour within 6.0 Å" in alone.sites[0].reason
    assert "pot: killed" in other.sites[0].reason
    # The three runs were none at all: seconds of overhead, not the hours that the stages claim.
    assert sum(point["seconds"] for point in certificate(settings, other)["points"]) < 9000


def test_each_confirmation_is_named_by_what_the_final_point_was_held_against(primitive_copper: Structure) -> None:
    series = Series((Knob("l_max", (1, 2, 3, 4, 5)),))
    steps = [((1,), (2,), False), ((2,), (3,), True), ((1,), (2,), False)]
    confirmations = tuple(Comparison(low, high, None, is_within=is_within) for low, high, is_within in steps)
    plan = Plan(Verdict.CONVERGED, None, (2,), (), confirmations)
    absorber = Absorber(primitive_copper, 0, Edge.K)
    made = certificate_document("0" * 40, absorber, FeffCalculator(), series, plan, None, source="", fidelity="feff")
    assert [check.name for check in made.checks] == [f"confirmed l_max {n}" for n in (2, 4, 2)]


def test_sites_that_have_no_average_give_a_failed_material(primitive_copper: Structure, tmp_path: Path) -> None:
    workspace, calculator = Workspace(str(tmp_path / "s.db"), str(tmp_path)), FeffCalculator()
    absorber = Absorber(primitive_copper, 0, Edge.K)
    sites = []
    with open_store(workspace.database) as store:
        for i, start in enumerate((0.0, 500.0)):
            spectrum = Spectrum(start + ENERGY, ENERGY, energy_reference=EnergyReference.ABSOLUTE)
            outcome = Outcome(Status.CONVERGED, spectrum)
            facts: dict[str, Any] = {"code": "feff", "parameters": {}, "source": "", "fidelity": "feff"}
            store.put(site_document(f"{i}" * 40, absorber, outcome, **facts))
            sites.append({"id": f"{i}" * 40, "site_index": i, "multiplicity": 1, "is_from_store": False})
    average = average_sites.original  # type: ignore[attr-defined]  # the function that jobflow wraps
    made = average(absorber, calculator, workspace, sites, "", "feff")
    with open_store(workspace.database) as store:
        assert made["status"] == "failed"
        assert "the spectra share fewer than 2 points" in store.get(made["id"]).reason


def test_an_unknown_knob_is_named_with_the_nearest(primitive_copper: Structure, settings: Settings) -> None:
    with pytest.raises(ParameterError, match="no knob 'energy_gird': did you mean 'energy_grid'"):
        converge(primitive_copper, settings, knobs=["energy_gird"])


def test_the_progress_of_a_rung_is_told_as_that_of_its_series() -> None:
    rung = Progress(f"copper{RUNG_MARK}l_max 3{RUNG_MARK} Cu0 K", "done", 3.0)
    assert of_series(rung) == Progress("copper Cu0 K", "l_max 3: computed", 3.0)
    end = Progress("copper Cu0 K", "done")
    assert of_series(end) is end
