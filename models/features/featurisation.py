"""Features of many structures: from the cache, over several processes, and past structures that have none."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TypeAlias

from whiteline.errors import CalculationError, InputError, ParameterError
from whiteline.models.features.cache import FeatureCache
from whiteline.models.features.encoder import Encoder, SiteFeatures
from whiteline.parent import leave_with_parent
from whiteline.structures import NamedStructure

__all__ = ["Featurisation", "featurise"]

logger = logging.getLogger(__name__)

# Structures that a worker takes at a time: a second of work, so that passing them is no part of it.
_CHUNK = 32
_Answer: TypeAlias = "SiteFeatures | str"

_encoder: Encoder | None = None


@dataclass(frozen=True, eq=False)
class Featurisation:
    """What came of many structures.

    Attributes:
        features: One array for each structure in their order, shapes (n_site, n_feature); None where there are none.
        failures: Why, by the place of the structure.
        n_cached: Structures whose features were in the cache.
    """

    features: list[SiteFeatures | None]
    failures: dict[int, str] = field(default_factory=dict)
    n_cached: int = 0


def featurise(
    structures: Sequence[NamedStructure],
    sites: Sequence[Sequence[int]],
    *,
    encoder: Encoder,
    cache: FeatureCache | None = None,
    workers: int = 1,
    on_done: Callable[[int], None] | None = None,
) -> Featurisation:
    """Return the features of some sites of each structure.

    A structure that cannot be encoded is named in the failures, and the others go on.

    Args:
        structures: The crystals.
        sites: Indices of the wanted sites of each.
        encoder: What turns them into numbers.
        cache: Where features are looked up and kept; none when None.
        workers: Processes; one computes in this process, which is right for a GPU.
        on_done: Called with the number of structures done so far.

    Raises:
        ParameterError: `workers` is less than 1, or another number of structures than of lists of sites was given.
        StoreError: The cache cannot be written.
        CalculationError: A worker was killed, e.g. because memory ran out.
    """
    if workers < 1:
        raise ParameterError(f"features need one worker or more, got {workers}")
    if len(structures) != len(sites):
        raise ParameterError(f"{len(structures)} structures and sites of {len(sites)}: give one list for each")
    features: list[SiteFeatures | None] = [None] * len(structures)
    failures: dict[int, str] = {}
    missing = []
    for i, (named, wanted) in enumerate(zip(structures, sites, strict=True)):
        features[i] = _look_up(named, wanted, encoder, cache)
        if features[i] is None:
            missing.append(i)
    n_cached = n_done = len(structures) - len(missing)
    chunks = [missing[start : start + _CHUNK] for start in range(0, len(missing), _CHUNK)]
    tasks = [([structures[i] for i in chunk], [list(sites[i]) for i in chunk]) for chunk in chunks]
    for chunk, answers in zip(chunks, _answers(tasks, encoder, min(workers, len(tasks))), strict=True):
        for i, answer in zip(chunk, answers, strict=True):
            if isinstance(answer, str):
                failures[i] = answer
                logger.warning("no features of %s: %s", structures[i].source, answer)
                continue
            features[i] = answer
            if cache is not None:
                cache.write(structures[i].structure, sites[i], answer, encoder)
        n_done += len(chunk)
        if on_done is not None:
            on_done(n_done)
    if cache is not None and missing:
        cache.trim()
    return Featurisation(features=features, failures=failures, n_cached=n_cached)


_Task: TypeAlias = tuple[list[NamedStructure], list[list[int]]]


def _look_up(
    named: NamedStructure, wanted: Sequence[int], encoder: Encoder, cache: FeatureCache | None
) -> SiteFeatures | None:
    if cache is None or not named.structure.is_ordered:
        return None
    return cache.read(named.structure, wanted, encoder)


def _answers(tasks: list[_Task], encoder: Encoder, workers: int) -> Iterator[list[_Answer]]:
    """Yield what came of each task, in their order."""
    if workers <= 1:
        yield from (_encode(task, encoder) for task in tasks)
        return
    # A forked process would share the threads and locks of torch.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(encoder,))
    try:
        yield from pool.map(_encode_here, tasks)
    except BrokenProcessPool as error:
        raise CalculationError(
            "a worker that made features was killed, probably because memory ran out: run it again with fewer workers; "
            "what is in the cache is not computed again"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(encoder: Encoder) -> None:
    """Prepare a worker: one thread, Ctrl-C is the parent's business, and without a parent there is nothing to do."""
    global _encoder  # a pool hands things to its workers only here
    _encoder = encoder
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leave_with_parent()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _encode_here(task: _Task) -> list[_Answer]:
    if _encoder is None:
        raise RuntimeError("a worker was not prepared")
    return _encode(task, _encoder)


def _encode(task: _Task, encoder: Encoder) -> list[_Answer]:
    """Return features, or why there are none, of each structure."""
    structures, sites = [named.structure for named in task[0]], task[1]
    try:
        return list(encoder.encode(structures, sites))
    except InputError:
        pass  # one of them; which is found by taking each alone
    answers: list[_Answer] = []
    for named, wanted in zip(task[0], sites, strict=True):
        try:
            answers += encoder.encode([named.structure], [wanted])
        except InputError as error:
            answers.append(str(error).replace("structure 0", named.name, 1))
    return answers
