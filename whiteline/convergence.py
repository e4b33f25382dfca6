"""Converging a spectrum in several parameters: which point to compute next, and when it is enough.

Each knob is a ladder of values, cheapest first. One knob climbs at a time while the others rest on their lowest rung;
which one is decided by the cost of the next rung. A knob has arrived when the spectra of three rungs on end agree,
neighbour with neighbour, within the tolerance. The middle one is taken, or the lowest where the highest brings next to
nothing (and rungs below it were seen to differ).
All knobs on their rungs together are then held against all of them one rung higher, and one lower, which says what the
last rung bought. Where the higher point differs, knobs follow to it one by one, the cheapest first, until it does not.

Nothing here computes or stores. The plan is a function of what has been measured, so that a series that was killed goes
on by asking again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeAlias

from monty.json import MSONable

from whiteline.errors import InputError, ParameterError, did_you_mean
from whiteline.similarity import Similarity, compare
from whiteline.spectrum import Spectrum

__all__ = [
    "Climb",
    "Comparison",
    "Knob",
    "Measurement",
    "Plan",
    "Point",
    "Series",
    "Tolerance",
    "Verdict",
    "pick_knobs",
    "plan_next",
    "similarity_within",
]

Point: TypeAlias = tuple[int, ...]

# A knob has arrived after so many neighbours on end that agree.
_IN_A_ROW = 2
# The share of the tolerance below which the lowest of them is as good as the highest. Errors of several knobs add up,
# and what is above the highest is not known: with the whole tolerance the result would miss it.
_NEGLIGIBLE = 0.2


@dataclass(frozen=True)
class Knob(MSONable):
    """A parameter that buys accuracy with time.

    Attributes:
        name: Name of the parameter.
        rungs: Its values, cheapest first, at least two.
        unit: Unit of the values; empty for numbers.
        labels: Words for the values that are more than a number or a name; empty writes the values.
        fixed: Other parameters without which the knob would not turn, with the values that they must have.
    """

    name: str
    rungs: tuple[Any, ...]
    unit: str = ""
    labels: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rungs", tuple(self.rungs))
        if len(self.rungs) < 2:
            raise ParameterError(f"knob {self.name} has {len(self.rungs)} rungs, a ladder needs at least 2")
        object.__setattr__(self, "labels", tuple(self.labels))

    def describe(self, rung: int) -> str:
        """Return the value of a rung in words.

        >>> Knob("fms_radius", (4.0, 5.5), "Å").describe(1)
        'fms_radius 5.5 Å'
        """
        value = self.labels[rung] if self.labels else f"{self.rungs[rung]}"
        return f"{self.name} {value} {self.unit}".rstrip()


@dataclass(frozen=True)
class Tolerance(MSONable):
    """How far neighbouring rungs may differ.

    Attributes:
        spearman: Largest 1 - Spearman.
        area: Largest difference of area, 0 to 1.
        shift: Largest shift of one onto the other [eV].
        window: Range from the onset on which they are compared [eV].
    """

    spearman: float = 0.005
    area: float = 0.02
    shift: float = 0.5
    window: float = 35.0

    def __post_init__(self) -> None:
        for name in ("spearman", "area", "shift", "window"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ParameterError(f"the tolerance of {name} must be above 0, got {getattr(self, name)}")

    def holds(self, similarity: Similarity) -> bool:
        """Return whether two spectra agree."""
        return (
            1 - similarity.spearman <= self.spearman
            and similarity.area_difference <= self.area
            and abs(similarity.shift) <= self.shift
        )

    def scaled(self, factor: float) -> Tolerance:
        """Return the tolerance with each measure multiplied, over the same range."""
        return replace(self, spearman=factor * self.spearman, area=factor * self.area, shift=factor * self.shift)


@dataclass(frozen=True)
class Series(MSONable):
    """What is to be converged.

    Attributes:
        knobs: The ladders.
        tolerance: When neighbours agree.
        start: Rung of every knob at which its climb begins, while the others rest on their lowest; the lowest when
            empty.
        budget: Wall time that may be spent [s]; None sets no limit.

    Raises:
        ParameterError: There is no knob, the start is not on the ladders, or the budget is not above zero.
    """

    knobs: tuple[Knob, ...]
    tolerance: Tolerance = field(default_factory=Tolerance)
    start: Point = ()
    budget: float | None = None

    def __post_init__(self) -> None:
        if not self.knobs:
            raise ParameterError("a series needs at least one knob")
        object.__setattr__(self, "knobs", tuple(self.knobs))
        if self.budget is not None and not 0 < self.budget < float("inf"):
            raise ParameterError(f"the budget must be above 0 s and finite, got {self.budget:g} s: None sets no limit")
        start = tuple(self.start) or (0,) * len(self.knobs)
        if len(start) != len(self.knobs) or any(
            not 0 <= rung < len(knob.rungs) for rung, knob in zip(start, self.knobs, strict=False)
        ):
            raise ParameterError(f"the start {start} is not on ladders of {[len(k.rungs) for k in self.knobs]} rungs")
        # Two comparisons on end need three rungs.
        lowest = [max(0, min(rung, len(k.rungs) - 1 - _IN_A_ROW)) for rung, k in zip(start, self.knobs, strict=True)]
        object.__setattr__(self, "start", tuple(lowest))

    @property
    def rest(self) -> Point:
        """Where the others stand while one knob climbs: cheap, whatever the start."""
        return (0,) * len(self.knobs)

    def values(self, point: Point) -> dict[str, Any]:
        """Return the parameters of a point."""
        values: dict[str, Any] = {}
        for knob, rung in zip(self.knobs, point, strict=True):
            values |= {**knob.fixed, knob.name: knob.rungs[rung]}
        return values

    def describe(self, point: Point) -> str:
        """Return the values of a point in words."""
        return ", ".join(knob.describe(rung) for knob, rung in zip(self.knobs, point, strict=True))

    def moved(self, point: Point, step: int) -> Point:
        """Return the point with every knob `step` rungs higher, as far as its ladder goes."""
        return tuple(
            max(0, min(rung + step, len(knob.rungs) - 1)) for rung, knob in zip(point, self.knobs, strict=True)
        )


@dataclass(frozen=True, eq=False)
class Measurement:
    """What one point came to.

    Attributes:
        spectrum: Its spectrum; None when the calculation failed.
        seconds: Wall time [s].
        reason: Why it failed.
    """

    spectrum: Spectrum | None
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """Two points held against each other.

    Attributes:
        lower: The cheaper one.
        upper: The dearer one.
        similarity: How alike they are; None where they cannot be compared, and `reason` says why.
        is_within: Whether they agree within the tolerance.
        reason: Why they cannot be compared.
    """

    lower: Point
    upper: Point
    similarity: Similarity | None
    is_within: bool
    reason: str = ""


@dataclass(frozen=True)
class Climb:
    """How one knob went.

    Attributes:
        knob: Its name.
        comparisons: Neighbouring rungs, lowest first.
        rung: The rung that was taken; None while it climbs.
        has_arrived: Whether it met the tolerance; False where its ladder ended first.
        ends: The lowest and the highest of the three rungs that agree with their neighbours, held against a fifth of
            the tolerance; None where none do.
    """

    knob: str
    comparisons: tuple[Comparison, ...]
    rung: int | None
    has_arrived: bool
    ends: Comparison | None = None


class Verdict(StrEnum):
    """How a series ended, or that it runs."""

    RUNNING = "running"
    CONVERGED = "converged"
    TOP = "top of a ladder"
    BUDGET = "budget spent"
    FAILED = "failed"


@dataclass(frozen=True)
class Plan:
    """What is known of a series, and what comes next.

    Attributes:
        verdict: How it ended, or that it runs.
        wanted: The point to compute next; None at the end.
        best: The point whose spectrum stands for the series; None where no calculation succeeded, or while it runs.
        climbs: One for each knob.
        confirmations: The final points held against their neighbours with all knobs higher and lower.
        reason: Why it did not end converged.
    """

    verdict: Verdict
    wanted: Point | None
    best: Point | None
    climbs: tuple[Climb, ...]
    confirmations: tuple[Comparison, ...] = ()
    reason: str = ""


def pick_knobs(knobs: Sequence[Knob], names: Sequence[str]) -> tuple[Knob, ...]:
    """Return the named knobs, all of them when none is named.

    Raises:
        ParameterError: There is no knob of that name.
    """
    known = {knob.name: knob for knob in knobs}
    for name in names:
        if name not in known:
            raise ParameterError(f"there is no knob {name!r}: {did_you_mean(name, known)}")
    return tuple(known[name] for name in dict.fromkeys(names)) if names else tuple(knobs)


def similarity_within(one: Spectrum, other: Spectrum, window: float) -> Similarity:
    """Return how alike two spectra of one code are over `window` from their onset [eV].

    On a coarse k grid the steepest rise may be at any line: only the cosine decides on the shift.
    """
    return compare(one, other, window=window, edge_tolerance=None)


def plan_next(
    series: Series,
    measured: Mapping[Point, Measurement],
    *,
    cost: Callable[[Point], float],
    measure: Callable[[Spectrum, Spectrum, float], Similarity] = similarity_within,
) -> Plan:
    """Return what is known of a series after these measurements, and the point to compute next.

    Args:
        series: What is to be converged.
        measured: What has been computed so far.
        cost: Expected time of a point, in any unit: its scale is taken from what the measured points took.
        measure: How alike two spectra are over a window [eV]; one that remembers makes asking again cheap.
    """
    comparisons = _Comparisons(series, measured, measure)
    climbs, wanted = [], []
    for i, knob in enumerate(series.knobs):
        climb, missing = _climb(i, knob, comparisons)
        climbs.append(climb)
        wanted += [missing] if missing is not None else []
    if wanted:
        return _go_on(min(wanted, key=cost), series, measured, tuple(climbs), (), cost)
    final = tuple(climb.rung if climb.rung is not None else 0 for climb in climbs)
    confirmation = _confirm(final, comparisons, cost)
    final, confirmations = confirmation.final, confirmation.steps
    if confirmation.missing is not None:
        return _go_on(confirmation.missing, series, measured, tuple(climbs), tuple(confirmations), cost)
    if confirmation.is_at_top:
        return _end_at_top(final, climbs, confirmations, measured)
    lower = series.moved(final, -1)
    if lower != final:
        if lower not in measured:
            return _go_on(lower, series, measured, tuple(climbs), tuple(confirmations), cost)
        confirmations.append(comparisons(lower, final))
    stuck = [climb.knob for climb in climbs if not climb.has_arrived]
    reason = f"the ladder of {', '.join(stuck)} ended before its spectra agreed" if stuck else ""
    return Plan(Verdict.TOP if stuck else Verdict.CONVERGED, None, final, tuple(climbs), tuple(confirmations), reason)


class _Comparisons:
    """Compares measured points."""

    def __init__(
        self,
        series: Series,
        measured: Mapping[Point, Measurement],
        measure: Callable[[Spectrum, Spectrum, float], Similarity],
    ) -> None:
        self.series = series
        self.negligible = series.tolerance.scaled(_NEGLIGIBLE)
        self.measured = measured
        self.measure = measure

    def __call__(self, lower: Point, upper: Point, tolerance: Tolerance | None = None) -> Comparison:
        one, other = self.measured[lower], self.measured[upper]
        if one.spectrum is None or other.spectrum is None:
            return Comparison(lower, upper, None, is_within=False, reason=one.reason or other.reason or "failed")
        tolerance = tolerance or self.series.tolerance
        try:
            similarity = self.measure(other.spectrum, one.spectrum, tolerance.window)
        except InputError as error:
            return Comparison(lower, upper, None, is_within=False, reason=str(error))
        return Comparison(lower, upper, similarity, is_within=tolerance.holds(similarity))


@dataclass
class _Confirmation:
    """How far the confirmation of a final point has come.

    Attributes:
        final: The point that is confirmed, or is to be.
        steps: Comparisons so far.
        missing: The point that has to be computed to go on.
        is_at_top: Whether a ladder ended before the spectra agreed.
    """

    final: Point
    steps: list[Comparison] = field(default_factory=list)
    missing: Point | None = None
    is_at_top: bool = False


def _confirm(final: Point, comparisons: _Comparisons, cost: Callable[[Point], float]) -> _Confirmation:
    """Hold the point where the climbs ended against the one with every knob a rung higher.

    Where they differ, the knobs follow to the higher point one by one, the cheapest first, until they agree: raising
    all of them at once would ask for a point above that costs many times more. Those that were raised have nothing
    above them yet, and are held against one more rung of theirs alone.
    """
    series, measured = comparisons.series, comparisons.measured
    state = _Confirmation(final)

    def holds(upper: Point) -> bool | None:
        state.missing = next((point for point in (state.final, upper) if point not in measured), None)
        if state.missing is not None:
            return None
        state.steps.append(comparisons(state.final, upper))
        return state.steps[-1].is_within

    ceiling = series.moved(final, 1)
    while (answer := holds(ceiling) if ceiling != state.final else False) is False:
        if ceiling == state.final:
            # Nothing is above: the highest point of all ladders, which may have been computed already or not.
            state.missing = None if ceiling in measured else ceiling
            state.is_at_top = state.missing is None
            return state
        state.final = min(_raised(state.final, ceiling), key=cost)
        if state.final == ceiling:
            ceiling = series.moved(ceiling, 1)
    if answer is None:
        return state
    followed = [i for i, (rung, limit) in enumerate(zip(state.final, ceiling, strict=True)) if rung == limit]
    while True:
        upper = tuple(
            min(rung + 1, len(knob.rungs) - 1) if i in followed else rung
            for i, (rung, knob) in enumerate(zip(state.final, series.knobs, strict=True))
        )
        if upper == state.final:
            state.is_at_top = not state.steps[-1].is_within
            return state
        if holds(upper) is not False:
            return state
        state.final = upper


def _raised(point: Point, ceiling: Point) -> list[Point]:
    """Return the points with one knob a rung nearer to the ceiling."""
    return [
        (*point[:i], rung + 1, *point[i + 1 :])
        for i, (rung, limit) in enumerate(zip(point, ceiling, strict=True))
        if rung < limit
    ]


def _climb(i: int, knob: Knob, comparisons: _Comparisons) -> tuple[Climb, Point | None]:
    """Return how a knob went and the rung that it misses, if it climbs on."""
    start, rest = comparisons.series.start, comparisons.series.rest
    steps: list[Comparison] = []
    n_agreeing = 0
    for rung in range(start[i], len(knob.rungs)):
        point = (*rest[:i], rung, *rest[i + 1 :])
        if point not in comparisons.measured:
            return Climb(knob.name, tuple(steps), None, has_arrived=False), point
        if rung == start[i]:
            continue
        step = comparisons((*rest[:i], rung - 1, *rest[i + 1 :]), point)
        steps.append(step)
        n_agreeing = n_agreeing + 1 if step.is_within else 0
        if n_agreeing == _IN_A_ROW:
            ends = comparisons((*rest[:i], rung - _IN_A_ROW, *rest[i + 1 :]), point, comparisons.negligible)
            # A knob that changed nothing yet has not shown that it would: it may need the others to be higher.
            has_moved = rung - _IN_A_ROW > start[i]
            taken = rung - _IN_A_ROW if ends.is_within and has_moved else rung - 1
            return Climb(knob.name, tuple(steps), taken, has_arrived=True, ends=ends), None
    # A ladder of two rungs has one comparison only, which then has to do.
    has_arrived = len(knob.rungs) == 2 and n_agreeing == 1
    return Climb(knob.name, tuple(steps), len(knob.rungs) - 1, has_arrived=has_arrived), None


def _go_on(
    wanted: Point,
    series: Series,
    measured: Mapping[Point, Measurement],
    climbs: tuple[Climb, ...],
    confirmations: tuple[Comparison, ...],
    cost: Callable[[Point], float],
) -> Plan:
    spent = sum(m.seconds for m in measured.values())
    estimated = sum(cost(point) for point in measured)
    next_cost = cost(wanted) * (spent / estimated if spent > 0 and estimated > 0 else 1.0)
    if series.budget is None or spent + next_cost <= series.budget:
        return Plan(Verdict.RUNNING, wanted, None, climbs, confirmations)
    best = _best(measured, cost)
    words = f"{spent:.3g} of {series.budget:.3g} s are spent and the next point takes about {next_cost:.3g} s"
    return Plan(
        Verdict.FAILED if best is None else Verdict.BUDGET, None, best, climbs, confirmations, f"budget: {words}"
    )


def _end_at_top(
    final: Point, climbs: list[Climb], confirmations: list[Comparison], measured: Mapping[Point, Measurement]
) -> Plan:
    reason = "every knob stands on the last rung of its ladder and the spectra still differ"
    if not confirmations and all(climb.has_arrived for climb in climbs):
        # Ladders of two rungs that agreed: there is no higher point to hold them against.
        return Plan(Verdict.CONVERGED, None, final, tuple(climbs))
    if measured[final].spectrum is not None:
        return Plan(Verdict.TOP, None, final, tuple(climbs), tuple(confirmations), reason)
    best = _best(measured, lambda point: float(sum(point)))
    reasons = "; ".join(dict.fromkeys(m.reason for m in measured.values() if m.reason))
    if best is None:
        return Plan(Verdict.FAILED, None, None, tuple(climbs), tuple(confirmations), f"no point succeeded: {reasons}")
    return Plan(Verdict.TOP, None, best, tuple(climbs), tuple(confirmations), f"{reason}: {reasons}")


def _best(measured: Mapping[Point, Measurement], cost: Callable[[Point], float]) -> Point | None:
    """Return the dearest point that has a spectrum."""
    usable = [point for point, m in measured.items() if m.spectrum is not None]
    return max(usable, key=lambda point: (cost(point), point)) if usable else None
