"""Running many things again, side by side, each calculation once however many averages it is part of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from jobflow import Flow, job

from whiteline.database import open_store
from whiteline.database.store import SpectrumStore
from whiteline.errors import LineageCycleError
from whiteline.progress import Progress, report
from whiteline.workflows.local import run_flow
from whiteline.workflows.rerun.composites import put_together
from whiteline.workflows.rerun.place import RerunPlace
from whiteline.workflows.rerun.recreating import Making, Recorded, parts_of
from whiteline.workflows.rerun.results import RerunResult
from whiteline.workflows.rerun.running import REASONS, run_one

__all__ = ["run_again"]


def run_again(
    ids: Sequence[str],
    place: RerunPlace,
    *,
    n_processes: int = 1,
    is_whole_series: bool = False,
    on_start: Callable[[dict[str, float], int], None] = lambda *_: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> dict[str, RerunResult]:
    """Run stored spectra again and compare; return the results of all of them and of what they were made of, by id.

    What has a result in the folder already is not run again. Interrupted, it keeps what was finished.

    Args:
        ids: Whole ids of stored spectra.
        place: Where to run, and within what spectra count as equal.
        n_processes: Calculations at a time.
        is_whole_series: Run every point of a converged spectrum again, not only the one that stands for it.
        on_start: Called once with the recorded wall time [s] of each calculation by its label, and `n_processes`.
        on_progress: Called with every step.

    Raises:
        StoreError: A store or the folder cannot be used.
        LineageCycleError: What is stored says that a spectrum was made of itself.
        CalculationError: A worker process died.
    """
    plan = _Plan(is_whole_series)
    with open_store(place.recorded, must_exist=True) as store:
        for each in dict.fromkeys(ids):
            plan.add(each, store)
    with open_store(place.settings.database) as reruns:
        reruns.check_writable()
    finished = place.finished()
    leaves = [each for each in plan.leaves if each not in finished]
    on_start({plan.labels[each]: plan.seconds.get(each, 0.0) for each in leaves}, n_processes)
    if leaves:
        tasks = (_rerun(place, each, plan.labels[each]) for each in leaves)
        run_flow(Flow([*tasks]), n_processes=n_processes, on_progress=on_progress)
    results = place.results()
    with open_store(place.recorded, must_exist=True) as store:
        for each, parts in plan.composites.items():  # what others are made of comes before them
            if each not in finished or any(part not in finished for part in parts):
                result = put_together(place, Recorded.read(store, each), [results[part] for part in parts], store)
                place.add(result)
                results[each] = result
    return {each: results[each] for each in (*plan.leaves, *plan.composites)}


@job
def _rerun(place: RerunPlace, spectrum_id: str, label: str) -> dict[str, str]:
    """Run one thing again and write down what came of it."""
    report(Progress(label, "looking at the record"))
    result = run_one(place, spectrum_id, label)
    place.add(result)
    return {"id": spectrum_id, "verdict": result.verdict.value}


@dataclass
class _Plan:
    """What is run, each once, and what is then put together of it.

    Attributes:
        is_whole_series: Whether all points of a series are run.
        leaves: Ids of what is run.
        composites: Ids of the parts by the id of what is made of them, in an order in which they can be made.
        labels: Names by id; `seconds` the wall time on record [s] likewise.
    """

    is_whole_series: bool
    leaves: dict[str, None] = field(default_factory=dict)
    composites: dict[str, tuple[str, ...]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, spectrum_id: str, store: SpectrumStore, above: tuple[str, ...] = ()) -> None:
        """Add a spectrum and all that it is made of."""
        if spectrum_id in above:
            loop = " <- ".join(each[:12] for each in (*above, spectrum_id))
            raise LineageCycleError(
                f"a spectrum is stored as made of itself: {loop}; documents were edited: take the untouched ones, e.g. "
                "from a backup"
            )
        if spectrum_id in self.labels:
            return
        try:
            found = Recorded.read(store, spectrum_id)
        except REASONS:  # whoever runs it says what is wrong with it
            self._add_leaf(spectrum_id, f"spectrum {spectrum_id[:12]}", 0.0)
            return
        if found.making not in (Making.AVERAGE, Making.CONVERGENCE):
            self._add_leaf(spectrum_id, found.label, found.common["seconds_recorded"])
            return
        parts = parts_of(found.document, found.making, found.record, is_whole_series=self.is_whole_series)
        for part in parts:
            self.add(part, store, (*above, spectrum_id))
        self.labels[spectrum_id] = found.label
        self.composites[spectrum_id] = parts

    def _add_leaf(self, spectrum_id: str, label: str, seconds: float) -> None:
        self.labels[spectrum_id] = label
        self.seconds[spectrum_id] = seconds
        self.leaves[spectrum_id] = None
