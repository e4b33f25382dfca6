from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from whiteline.database import open_store
from whiteline.database.queue.tasks import Task, TaskKind
from whiteline.database.store import SpectrumStore
from whiteline.settings import Settings
from whiteline.workflows.campaign.analysis import Draft
from whiteline.workflows.campaign.definition import CampaignDefinition, parse_definition
from whiteline.workflows.campaign.history import Scaling, find_scaling
from whiteline.workflows.campaign.pricing import Price, Tally, make_price
from whiteline.workflows.plan import Problem

from .stored import copper_sites, feff, put_site

TEXT = """\
name = "copper"
[structures]
paths = ["crystals"]
[[spectra]]
absorbers = ["Cu"]
preset = "fast"
"""


@pytest.fixture
def store(settings: Settings) -> Iterator[SpectrumStore]:
    with open_store(settings.database) as store:
        yield store


def fill(
    store: SpectrumStore, slowness: Sequence[float], *, fidelity: str = "feff:fast", activity: str = "feff-site"
) -> None:
    """Store as many calculations, whose parameters differ so that none replaces another."""
    for i, times in enumerate(slowness):
        put_site(
            store,
            copper_sites()[i % 3],
            feff(fms_radius=4.0 + 0.01 * i),
            slowness=times,
            fidelity=fidelity,
            activity=activity,
        )


def definition(tail: str = "", *, head: str = "") -> CampaignDefinition:
    return parse_definition(head + TEXT + tail, base=Path("/data"), source="copper.toml")


def draft(cpu_time: float, *, kind: TaskKind = TaskKind.SITE, cores: int = 1, memory: float = 0.0) -> Draft:
    task = Task(
        id=f"{int(cpu_time):040x}",
        kind=kind,
        label=f"{cpu_time:g} s",
        material="Cu",
        absorber="Cu",
        edge="K",
        code="feff",
        fidelity="feff:fast",
        payload={},
        cores=cores,
        memory=memory,
    )
    return Draft(task=task, i_request=0, cpu_time=cpu_time)


def price(store: SpectrumStore, tail: str = "", *, head: str = "", drafts: Sequence[Draft] = ()) -> Price:
    made = definition(tail, head=head)
    tally = Tally(made.spectra[0], Scaling(factor=2.0, low=1.0, high=4.0))
    for each in drafts or [draft(100.0), draft(300.0)]:
        tally.add(each, is_stored=False, is_queued=False)
    return make_price(made, [tally], n_structures=2, problems=[], store=store)


def test_estimates_are_scaled_by_the_median_of_what_calculations_took(store: SpectrumStore) -> None:
    slowness = [1.0, 2.0, 3.0, 3.0, 3.0, 4.0, 30.0]
    fill(store, slowness)
    found = find_scaling(store, feff(), "feff:fast")
    assert found.factor == pytest.approx(3.0, rel=1e-3)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(slowness, [16, 84])), rel=1e-3)
    assert (found.n, found.basis) == (7, "7 stored calculations of feff:fast")


def test_the_latest_sixty_calculations_count(store: SpectrumStore) -> None:
    fill(store, [1.0] * 5)
    fill(store, [2.0] * 62)
    assert find_scaling(store, feff(), "feff:fast").factor == pytest.approx(2.0, rel=1e-3)


def test_other_levels_of_theory_tell_the_pace_but_not_the_spread(store: SpectrumStore) -> None:
    fill(store, [3.0] * 8, fidelity="feff:standard")
    found = find_scaling(store, feff(), "feff:fast")
    assert found.basis == "8 stored calculations by feff at other levels of theory"
    assert (found.low, found.factor, found.high) == pytest.approx((1.2, 3.0, 7.5), rel=1e-3)


def test_few_calculations_make_no_spread(store: SpectrumStore) -> None:
    fill(store, [3.0])
    found = find_scaling(store, feff(), "feff:fast")
    assert found.basis == "1 stored calculation of feff:fast, too few for a spread"
    assert (found.low, found.high) == pytest.approx((1.2, 7.5), rel=1e-3)


def test_without_history_the_formula_stands_alone_and_says_so(store: SpectrumStore) -> None:
    assert find_scaling(store, feff(), "feff:fast") == Scaling()
    assert "nothing like it is stored" in Scaling().basis


def test_certificates_and_ingested_spectra_took_no_time_of_an_engine(store: SpectrumStore) -> None:
    fill(store, [0.001] * 3, activity="convergence")
    assert find_scaling(store, feff(), "feff:fast").n == 0


def test_core_time_is_the_scaled_sum_with_its_band(store: SpectrumStore) -> None:
    found = price(store, "[workers]\ncount = 2\ncores = 2\n")
    core_time, wall_time = found.core_time, found.wall_time
    assert (core_time.low, core_time.expected, core_time.high) == (400.0, 800.0, 1600.0)
    assert found.requests[0].longest == 600.0
    # Four cores would end after 200 s, but one calculation takes 600 s.
    assert (wall_time.low, wall_time.expected, wall_time.high) == (300.0, 600.0, 1200.0)


def test_a_calculation_on_several_cores_takes_less_wall_time_and_as_much_core_time(store: SpectrumStore) -> None:
    found = price(store, "[workers]\ncores = 4\n", drafts=[draft(400.0, cores=4)])
    assert (found.requests[0].longest, found.core_time.expected) == (200.0, 800.0)


def test_averages_cost_nothing_and_are_no_sites(store: SpectrumStore) -> None:
    found = price(store, drafts=[draft(100.0), draft(0.0, kind=TaskKind.AVERAGE)])
    assert (found.total("n_sites"), found.total("n_materials"), found.core_time.expected) == (1, 1, 200.0)


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ("400 core seconds", "ends after about 50% of the work: raise it"),
        ("1000 core seconds", "may not be enough: 0.4444 are not unlikely"),
    ],
)
def test_a_budget_that_does_not_do_is_warned_of(store: SpectrumStore, budget: str, words: str) -> None:
    (found,) = price(store, head=f'budget = "{budget}"\n').warnings
    assert words in found


def test_a_budget_that_does_is_not_mentioned(store: SpectrumStore) -> None:
    assert price(store, head='budget = "1600 core seconds"\n').warnings == ()


def test_a_walltime_too_short_for_the_longest_is_warned_of(store: SpectrumStore) -> None:
    assert price(store, '[workers]\nwalltime = "1 h"\n').warnings == ()
    (maybe,) = price(store, '[workers]\nwalltime = "15 min"\n').warnings
    assert maybe == (
        "a worker's 15 min may be too short for 300 s (feff:fast), which takes about 10 min: raise workers.walltime"
    )
    assert "5 min is too short" in price(store, '[workers]\nwalltime = "5 min"\n').warnings[0]


def test_a_worker_with_too_little_memory_is_warned_of(store: SpectrumStore) -> None:
    workers = "[workers]\ncores = 2\nmemory = 1000\n"
    assert price(store, workers, drafts=[draft(10.0, memory=500.0)]).warnings == ()
    (found,) = price(store, workers, drafts=[draft(10.0, memory=501.0)]).warnings
    assert "takes 501 MB, and a worker has 500 MB for it: raise workers.memory" in found


def test_a_price_survives_json(store: SpectrumStore) -> None:
    made = definition()
    tally = Tally(made.spectra[0], Scaling())
    tally.add(draft(100.0), is_stored=False, is_queued=True)
    found = make_price(made, [tally], n_structures=1, problems=[Problem("a.cif", "it is empty")], store=store)
    plan = {**json.loads(json.dumps(found.to_dict())), "base": "/data"}
    assert Price.from_dict(plan) == found
