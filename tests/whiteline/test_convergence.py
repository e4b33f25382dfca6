"""The plan of a convergence series: enough, not more, and never accepted in silence."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whiteline.convergence import (
    Knob,
    Measurement,
    Plan,
    Point,
    Series,
    Tolerance,
    Verdict,
    pick_knobs,
    plan_next,
    similarity_within,
)
from whiteline.errors import ParameterError
from whiteline.similarity import compare
from whiteline.spectrum import EnergyReference, Spectrum

ENERGY = np.linspace(-10.0, 50.0, 301)
# A comparison scans two thousand shifts, and the series of these tests meet the same spectra again and again.
measure = lru_cache(maxsize=None)(similarity_within)


@cache
def spectrum(*errors: float) -> Spectrum:
    """Return a model edge; each error moves a peak and changes its height, as unconverged parameters do."""
    total = sum(errors)
    mu = np.arctan(ENERGY * 2) / np.pi + 0.5
    for centre, height in ((3.0, 0.8), (12.0, -0.3), (25.0, 0.2)):
        mu = mu + height * (1 + 3 * total) * np.exp(-(((ENERGY - centre * (1 + total)) / 2.5) ** 2))
    return Spectrum(ENERGY, mu, energy_reference=EnergyReference.FERMI)


def model(point: Point) -> Spectrum:
    """Return a spectrum whose error falls by a factor of four a rung, twice as large for the second knob."""
    return spectrum(*(0.1 * (i + 1) / 4**rung for i, rung in enumerate(point)))


def run(
    series: Series,
    compute: Callable[[Point], Spectrum | None] = model,
    *,
    cost: Callable[[Point], float] = lambda p: 4.0 ** sum(p),
) -> tuple[Plan, list[Point]]:
    """Run a series to its end; return its last plan and the points in the order in which they were computed."""
    measured: dict[Point, Measurement] = {}
    for _ in range(200):
        plan = plan_next(series, measured, cost=cost, measure=measure)
        if plan.wanted is None:
            return plan, list(measured)
        assert plan.wanted not in measured
        result = compute(plan.wanted)
        reason = "" if result is not None else f"crashed at {plan.wanted}"
        measured[plan.wanted] = Measurement(result, cost(plan.wanted), reason)
    raise AssertionError("the series does not end")


def knobs(*lengths: int) -> tuple[Knob, ...]:
    return tuple(Knob(f"k{i}", tuple(range(n))) for i, n in enumerate(lengths))


def test_a_converged_series_is_as_close_to_the_limit_as_was_asked() -> None:
    series = Series(knobs(8, 8))
    plan, points = run(series)
    assert plan.verdict is Verdict.CONVERGED
    assert plan.best is not None
    assert series.tolerance.holds(compare(spectrum(0.0), model(plan.best)))
    assert len(points) == len(set(points))


def test_it_stops_early_not_at_the_top() -> None:
    plan, points = run(Series(knobs(20, 20)))
    assert plan.best is not None
    assert max(plan.best) < 8
    assert len(points) < 20


def test_the_point_is_confirmed_with_all_knobs_higher_and_lower() -> None:
    series = Series(knobs(8, 8))
    plan, _ = run(series)
    assert plan.best is not None
    above, below = plan.confirmations[-2:]
    assert (above.lower, above.upper) == (plan.best, series.moved(plan.best, 1))
    assert (below.lower, below.upper) == (series.moved(plan.best, -1), plan.best)
    assert above.is_within


def test_two_neighbours_that_agree_once_are_not_enough() -> None:
    """Rungs 0 and 1 agree by chance: both miss what rung 2 brings."""
    errors = [0.1, 0.1, 0.02, 0.0001, 0.0, 0.0]
    plan, _ = run(Series(knobs(6)), lambda p: spectrum(errors[p[0]]))
    assert plan.best is not None
    assert plan.best > (2,)
    assert [step.is_within for step in plan.climbs[0].comparisons][:2] == [True, False]


def test_the_lowest_of_three_is_taken_where_the_highest_brings_nothing() -> None:
    steep, _ = run(Series(knobs(6)), lambda p: spectrum(0.3 if p[0] < 2 else 1e-4 / 4 ** p[0]))
    even, _ = run(Series(knobs(6)), lambda p: spectrum(0.3 if p[0] < 2 else 0.032 - 0.008 * p[0]))
    assert steep.best == (2,)
    assert even.best == (3,)
    for plan, taken in ((steep, True), (even, False)):
        ends = plan.climbs[0].ends
        assert ends is not None
        assert (ends.lower, ends.upper, ends.is_within) == ((2,), (4,), taken)
        assert all(step.is_within for step in plan.climbs[0].comparisons[-2:])


def test_knobs_that_only_matter_together_are_caught_by_the_confirmation() -> None:
    """With the other knob at rest neither shows an error; together they do."""
    errors = [0.1, 0.1, 0.03, 0.0005, 0.0, 0.0]
    plan, _ = run(Series(knobs(6, 6)), lambda p: spectrum(errors[min(p)]))
    assert plan.verdict is Verdict.CONVERGED
    assert plan.best is not None
    assert min(plan.best) >= 2
    assert [climb.rung for climb in plan.climbs] == [1, 1]
    assert not plan.confirmations[0].is_within


def test_a_cheap_knob_follows_alone_where_the_higher_point_differs() -> None:
    """The first knob matters only once the second is high: raising both again would cost a hundred times more."""

    def coupled(point: Point) -> Spectrum:
        first = 0.2 / 4 ** point[0] if point[1] >= 2 else 0.2
        return spectrum(first, 0.1 / 4 ** point[1])

    series = Series(knobs(8, 8))
    plan, points = run(series, coupled, cost=lambda p: 2.0 ** p[0] * 100.0 ** p[1])
    assert plan.verdict is Verdict.CONVERGED
    assert plan.best is not None
    start, *_ = plan.confirmations
    assert not start.is_within
    assert plan.best[0] > start.lower[0]
    assert plan.best[1] == start.lower[1]
    assert max(p[1] for p in points) == start.upper[1]
    assert series.tolerance.holds(compare(spectrum(0.0), coupled(plan.best)))


def test_a_ladder_of_two_rungs_that_agree_is_converged_and_one_whose_rungs_differ_is_not() -> None:
    alike, _ = run(Series(knobs(2)), lambda p: spectrum(0.0001 * p[0]))
    assert (alike.verdict, alike.best, alike.reason) == (Verdict.CONVERGED, (1,), "")
    apart, _ = run(Series(knobs(2)), lambda p: spectrum(0.2 * p[0]))
    assert apart.verdict is Verdict.TOP
    assert "still differ" in apart.reason


def test_a_ladder_that_ends_too_soon_is_never_converged() -> None:
    plan, _ = run(Series(knobs(3, 8)), lambda p: spectrum(0.3 * (3 - p[0]), 0.1 / 4 ** p[1]))
    assert plan.verdict is Verdict.TOP
    assert plan.best is not None
    assert "k0" in plan.reason or "last rung" in plan.reason


def test_the_next_rung_is_the_cheapest() -> None:
    _, points = run(Series(knobs(8, 8)), cost=lambda p: 100.0 * p[0] + p[1])
    climb_of_dear = next(i for i, p in enumerate(points) if p[0] > 0)
    assert all(p[0] == 0 for p in points[:climb_of_dear])
    assert climb_of_dear >= 3


def test_a_budget_ends_a_series_with_the_best_so_far() -> None:
    plan, points = run(Series(knobs(8, 8), budget=30.0))
    assert plan.verdict is Verdict.BUDGET
    assert plan.best in points
    assert sum(4.0 ** sum(p) for p in points) <= 30.0
    assert "of 30 s are spent" in plan.reason


def test_a_budget_shorter_than_one_point_computes_nothing() -> None:
    plan, points = run(Series(knobs(8), budget=0.5))
    assert (plan.verdict, plan.best, points) == (Verdict.FAILED, None, [])
    assert "budget" in plan.reason


def test_a_rung_that_crashes_is_climbed_over() -> None:
    plan, points = run(Series(knobs(9)), lambda p: None if p == (2,) else model(p))
    assert plan.verdict is Verdict.CONVERGED
    assert (2,) in points
    assert [c.reason for c in plan.climbs[0].comparisons[1:3]] == ["crashed at (2,)"] * 2


def test_a_series_of_crashes_has_no_spectrum_and_says_why() -> None:
    plan, _ = run(Series(knobs(4, 3)), lambda _: None)
    assert (plan.verdict, plan.best) == (Verdict.FAILED, None)
    assert "crashed at (0, 0)" in plan.reason


def test_spectra_that_cannot_be_compared_are_not_alike() -> None:
    """One that is zero everywhere, and one that lies elsewhere."""
    zero = Spectrum(ENERGY, np.zeros_like(ENERGY), energy_reference=EnergyReference.FERMI)
    plan, _ = run(Series(knobs(5)), lambda p: zero if p[0] % 2 else model(p))
    assert plan.verdict is Verdict.TOP
    assert all(step.similarity is None and step.reason for step in plan.climbs[0].comparisons)


def test_a_higher_start_saves_rungs_and_ends_as_close() -> None:
    plain, points = run(Series(knobs(8, 8)))
    warm, fewer = run(Series(knobs(8, 8), start=(2, 2)))
    assert warm.verdict is Verdict.CONVERGED
    assert plain.best is not None
    assert warm.best is not None
    assert len(fewer) < len(points)
    climbing = [step for climb in warm.climbs for step in climb.comparisons]
    assert all(0 in step.upper for step in climbing)  # the other knob rests where it is cheap
    assert Tolerance().holds(compare(spectrum(0.0), model(warm.best)))


def test_a_start_at_the_top_leaves_room_for_two_comparisons() -> None:
    assert Series(knobs(5, 2), start=(4, 1)).start == (2, 0)


@settings(max_examples=25, deadline=None)  # each example compares some twenty spectra
@given(st.integers(0, 10), st.lists(st.integers(2, 6), min_size=1, max_size=3))
def test_a_series_that_is_killed_anywhere_goes_on_to_the_same_end(n_done: int, lengths: list[int]) -> None:
    series = Series(knobs(*lengths))
    plan, points = run(series)
    kept = {p: Measurement(model(p), 1.0) for p in points[:n_done]}
    rest = []
    while (again := plan_next(series, kept, cost=lambda p: 4.0 ** sum(p), measure=measure)).wanted is not None:
        rest.append(again.wanted)
        kept[again.wanted] = Measurement(model(again.wanted), 1.0)
    assert rest == points[n_done:]
    assert (again.best, again.verdict) == (plan.best, plan.verdict)


@pytest.mark.parametrize("name", ["spearman", "area", "shift", "window"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_tolerance_that_nothing_meets_or_everything_is_refused(name: str, value: float) -> None:
    with pytest.raises(ParameterError, match=f"tolerance of {name} must be above 0"):
        Tolerance(**{name: value})


def test_a_knob_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(ParameterError, match="no knob 'fms_radios': did you mean 'fms_radius'"):
        pick_knobs([Knob("fms_radius", (4, 5)), Knob("k_step", (1, 2))], ["fms_radios"])


def test_bad_series_are_refused() -> None:
    with pytest.raises(ParameterError, match="at least 2"):
        Knob("one", (1,))
    with pytest.raises(ParameterError, match="at least one knob"):
        Series(())
    for budget in (0.0, math.nan, math.inf):
        with pytest.raises(ParameterError, match="budget must be above 0"):
            Series(knobs(3), budget=budget)
    with pytest.raises(ParameterError, match="not on ladders"):
        Series(knobs(3), start=(3,))
