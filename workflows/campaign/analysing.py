"""Analysing many crystals, in this process or several, in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Final

from whiteline.errors import CalculationError
from whiteline.workflows.campaign.analysis import Analysis, Analyst
from whiteline.workflows.campaign.child import prepare_child
from whiteline.workflows.campaign.structures import StructureUnit

__all__ = ["analyse_all"]

# Units that wait in each process of a pool.
_AHEAD: Final = 4

_analyst: Analyst | None = None


def analyse_all(analyst: Analyst, units: Iterator[StructureUnit], n_processes: int) -> Iterator[Analysis]:
    """Yield what the units come to, in their order."""
    if n_processes == 1:
        yield from map(analyst.analyse, units)
        return
    pool = ProcessPoolExecutor(
        n_processes, mp_context=get_context("spawn"), initializer=_start_process, initargs=(analyst,)
    )
    waiting: deque[Future[Analysis]] = deque()
    try:
        for unit in units:
            waiting.append(pool.submit(_analyse, unit))
            if len(waiting) >= _AHEAD * n_processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise CalculationError(
            "a process that looks at crystals died, perhaps for want of memory: run the same command again, with a "
            "smaller -j if it happens again"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_process(analyst: Analyst) -> None:
    global _analyst  # a pool hands things to its processes only here
    _analyst = analyst
    prepare_child()


def _analyse(unit: StructureUnit) -> Analysis:
    if _analyst is None:
        raise CalculationError("a process of the pool was not started as it should be")
    return _analyst.analyse(unit)
