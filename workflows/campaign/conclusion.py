"""Whether a campaign is finished, goes on with another generation of workers, or cannot go on by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from whiteline.database.queue import CampaignQueue, CampaignState, Task, TaskState

__all__ = ["Conclusion", "Verdict", "conclude", "count_finished"]

# Generations in a row that finish nothing: after so many it is not bad luck (a preemption, a node that died).
_MOST_FRUITLESS: Final = 3
# Ready tasks that are looked at for one that fits into a worker; they come in the order in which they are claimed.
_N_LOOKED_AT: Final = 1000


class Verdict(StrEnum):
    """What comes next: nothing, because all is `FINISHED`; more workers (`GOES_ON`); or a person (`STOPPED`)."""

    FINISHED = "finished"
    GOES_ON = "goes-on"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """What was found when a generation of workers had left.

    Attributes:
        verdict: What comes next.
        reason: Why, in words for people.
        counts: Number of tasks in each state.
        n_finished: Tasks to which nothing more happens.
        n_fruitless: Generations in a row, this one included, that finished nothing.
        n_workers: How many workers the tasks that are left can use.
    """

    verdict: Verdict
    reason: str
    counts: Mapping[TaskState, int]
    n_finished: int
    n_fruitless: int = 0
    n_workers: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return what a job passes on, JSON-ready."""
        return {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "counts": {state.value: count for state, count in self.counts.items()},
        }


def count_finished(counts: Mapping[TaskState, int]) -> int:
    """Return how many tasks nothing more happens to."""
    return sum(count for state, count in counts.items() if state.is_finished)


def conclude(
    queue: CampaignQueue,
    name: str,
    *,
    n_finished_before: int,
    n_fruitless_before: int = 0,
    cores: int,
    seconds: float | None,
    endings: Sequence[str] = (),
) -> Conclusion:
    """Look at what the workers left behind, give back what the dead ones held, and say what comes next.

    Args:
        queue: The queue.
        name: Name of the campaign.
        n_finished_before: Tasks that were finished when these workers began.
        n_fruitless_before: Generations before this one, in a row, that finished nothing.
        cores: Cores of a worker.
        seconds: Wall time of a worker [s]; None without an end.
        endings: Why the workers left, as far as they lived to say so.

    Raises:
        UnknownCampaignError: There is no such campaign.
    """
    queue.reclaim(name)
    campaign, counts = queue.campaign(name), queue.counts(name)
    n_finished, n_ready = count_finished(counts), counts[TaskState.READY]
    n_left = sum(counts.values()) - n_finished
    n_fruitless = 0 if n_finished > n_finished_before else n_fruitless_before + 1

    def found(verdict: Verdict, reason: str) -> Conclusion:
        return Conclusion(
            verdict=verdict,
            reason=reason,
            counts=counts,
            n_finished=n_finished,
            n_fruitless=n_fruitless,
            # One to wait for what is with others, or with the dead until their leases are over.
            n_workers=max(1, min(n_ready, -(-n_left // max(1, cores)))),
        )

    if campaign.state is CampaignState.CANCELLED:
        return found(Verdict.STOPPED, _with_note("cancelled", campaign.note))
    if n_left == 0:
        failed = counts[TaskState.FAILED]
        return found(Verdict.FINISHED, f"all {n_finished} tasks are finished" + (f", {failed} failed" * bool(failed)))
    if campaign.state is CampaignState.PAUSED:
        remedy = f"`whiteline campaign resume {name}`, then submit it again"
        return found(Verdict.STOPPED, f"{_with_note('paused', campaign.note)}, {n_left} tasks are left: {remedy}")
    if n_ready and (reason := _why_none_fits(queue, name, cores=cores, seconds=seconds)):
        return found(Verdict.STOPPED, reason)
    if n_fruitless >= _MOST_FRUITLESS:
        said = "; ".join(sorted(set(endings))) or "none lived to say why: see the logs of their jobs"
        return found(
            Verdict.STOPPED,
            f"{n_fruitless} generations of workers in a row finished none of the {n_left} tasks that are left "
            f"({said}): put it right, then submit again",
        )
    return found(Verdict.GOES_ON, f"{n_left} tasks are left")


def _with_note(state: str, note: str) -> str:
    return f"{state} ({note})" if note else state


def _why_none_fits(queue: CampaignQueue, name: str, *, cores: int, seconds: float | None) -> str:
    """Return why no ready task fits into a worker; empty where one does."""
    ready = list(queue.tasks(name, states=(TaskState.READY,), limit=_N_LOOKED_AT))
    if not ready or len(ready) == _N_LOOKED_AT or any(_fits(task, cores, seconds) for task in ready):
        return ""
    least = min(task.cores for task in ready)
    if least > cores:
        return (
            f"no ready task fits into a worker of {cores} cores: they take {least} cores or more; "
            "raise `cores` in [workers] of the campaign file and submit that"
        )
    fitting = [task.estimate for task in ready if task.cores <= cores]
    return (
        f"no ready task fits into a worker of {cores} cores and {seconds or 0.0:.0f} s: they are expected to take "
        f"{min(fitting):.0f} to {max(fitting):.0f} s; raise `walltime` in [workers] of the campaign file and submit "
        "that"
    )


def _fits(task: Task, cores: int, seconds: float | None) -> bool:
    return task.cores <= cores and (seconds is None or task.estimate <= seconds)
