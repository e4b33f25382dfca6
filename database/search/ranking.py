"""The rows of an index from the best score on, without scoring them all.

A matrix product bounds the score of every row (`whiteline.database.search.reduction`). Those with the best bounds are
scored on their whole curves; a score is final once no row that was not scored has a bound as good. For the three
inner products that is exact, as `1 - |v - v'|^2 / 2` bounds the product of vectors of length one. The earth mover's
distance is a sum of absolute differences, which is no less than the length of the difference, and in practice several
times that: the factor is set from measurement.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from heapq import heappop, heappush
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from whiteline.database.search.metrics import MAX_PRODUCT, Metric, best_scores, vectors
from whiteline.database.search.snapshot import Snapshot

__all__ = ["Ranked", "rank"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Single: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]
Indices: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

_FIRST: Final = 512  # rows that are scored first
_SORTED: Final = 16_384  # rows that are sorted by their bounds; eight times as many whenever those were too few
_MORE = 8
_TASK: Final = 65_536  # rows that a thread takes at a time
_MAX_THREADS: Final = 4
_ROUNDING: Final = 3e-6  # of a bound in float32
# Of one norm over the other for the differences between a query and its best matches.
_ABSOLUTE_OVER_LENGTH: Final = 4.0


class Ranked(NamedTuple):
    """A row, its score, and the variant of the query that has it."""

    row: int
    score: float
    variant: int


def rank(
    snapshot: Snapshot, metric: Metric, query: Float[Array, "variant grid"], mask: Bool[Mask, " row"]
) -> Iterator[Ranked]:
    """Yield the rows of a mask, the best score first; equal scores in the order of the rows.

    Args:
        snapshot: The index.
        metric: The measure.
        query: Curves of the variants, shape (n_variant, n_grid).
        mask: Which rows are wanted, shape (n_row,).
    """
    wanted = vectors(metric, query)
    rows = np.flatnonzero(mask)
    bounds = _bounds(snapshot, metric, snapshot.bases[metric].columns(wanted), rows)
    waiting: list[tuple[float, int, int]] = []  # a heap: what was scored and is not final
    sign = 1.0 if metric.is_distance else -1.0
    n_scored = 0
    for chosen in _by_bound(bounds):
        new = np.sort(chosen)
        scores, variants = best_scores(metric, vectors(metric, snapshot.curves(rows[new])), wanted)
        for found in zip((sign * scores).tolist(), rows[new].tolist(), variants.tolist(), strict=True):
            heappush(waiting, found)
        n_scored += len(new)
        limit = np.inf if n_scored == len(rows) else _limit(metric, float(bounds[chosen[-1]]))
        while waiting and waiting[0][0] < limit:
            cost, row, variant = heappop(waiting)
            yield Ranked(row, sign * cost, variant)


def _limit(metric: Metric, worst: float) -> float:
    """Return the cost below which no row with a bound of `worst` or less can be."""
    if metric.is_distance:
        return _ABSOLUTE_OVER_LENGTH * float(np.sqrt(max(-2.0 * (worst + _ROUNDING), 0.0)))
    return -1.0 - worst - _ROUNDING


def _by_bound(bounds: Float[Single, " row"]) -> Iterator[Int[Indices, " chosen"]]:
    """Yield the places of all rows in parts, the best bounds first.

    Each part is half of what came before: few rows are scored in vain, and many do not take many parts.
    """
    is_taken: Mask = np.zeros(len(bounds), dtype=bool)
    n_taken, n_sorted = 0, 0
    while n_sorted < len(bounds):
        # Sorting all of them would take longer than the search.
        n_sorted = min(max(_SORTED, _MORE * n_sorted), len(bounds))
        top = np.argpartition(bounds, len(bounds) - n_sorted)[len(bounds) - n_sorted :]
        top = top[~is_taken[top]]
        top = top[np.argsort(-bounds[top], kind="stable")]
        is_taken[top] = True
        start = 0
        while start < len(top):
            part = top[start : start + max(_FIRST, n_taken // 2)]
            start += len(part)
            n_taken += len(part)
            yield part


def _bounds(
    snapshot: Snapshot, metric: Metric, query: Float[Single, "variant reduced"], rows: Int[Indices, " row"]
) -> Float[Single, " row"]:
    """Return minus half the least squared distance to a variant that each of some rows may have, shape (n_row,)."""
    bounds = np.empty(len(rows), dtype=np.float32)
    tasks: list[tuple[Single, Single, Indices, Single]] = []
    places = np.searchsorted(rows, snapshot.starts)
    for i, segment in enumerate(snapshot.segments):
        wanted = rows[places[i] : places[i + 1]] - snapshot.starts[i]
        reduced, out = segment.reduced[metric], bounds[places[i] : places[i + 1]]
        parts = [slice(start, start + _TASK) for start in range(0, len(wanted), _TASK)]
        tasks += [(query, reduced, wanted[part], out[part]) for part in parts]
    n_threads = min(_MAX_THREADS, len(os.sched_getaffinity(0)), max(len(tasks), 1))
    with ThreadPoolExecutor(n_threads) as pool:
        for _ in pool.map(_bound, tasks):
            pass
    return bounds


def _bound(task: tuple[Single, Single, Indices, Single]) -> None:
    """Fill in the bounds of some rows of a segment."""
    query, reduced, rows, out = task
    first, n_span = int(rows[0]), int(rows[-1] - rows[0]) + 1
    # Rows in a run are read faster than picked ones, so that few gaps are computed, too.
    is_run = 2 * len(rows) > n_span
    n_rows = n_span if is_run else len(rows)
    bounds = np.empty(n_rows, dtype=np.float32)
    n_block = max(16, MAX_PRODUCT // query.size)
    products = np.empty((len(query), n_block), dtype=np.float32)
    for start in range(0, n_rows, n_block):
        part = slice(start, min(start + n_block, n_rows))
        block = reduced[first + part.start : first + part.stop] if is_run else reduced[rows[part]]
        held = products[:, : len(block)]
        np.matmul(query, block.T, out=held)
        held.max(axis=0, out=bounds[part])
    out[:] = bounds[rows - first] if is_run else bounds
