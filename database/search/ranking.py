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

_FIRST: Final = 512  # rows that are scored first; five times as many whenever those were too few
_MORE = 5
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
    scored: list[tuple[float, int, int]] = []
    is_scored: Mask = np.zeros(len(rows), dtype=bool)
    n_yielded, n_scored = 0, 0
    sign = 1.0 if metric.is_distance else -1.0
    while n_scored < len(rows):
        n_scored = min(max(_FIRST, _MORE * n_scored), len(rows))
        top = _largest(bounds, n_scored)
        new = np.sort(top[~is_scored[top]])
        is_scored[new] = True
        scores, variants = best_scores(metric, vectors(metric, snapshot.curves(rows[new])), wanted)
        scored += zip((sign * scores).tolist(), rows[new].tolist(), variants.tolist(), strict=True)
        scored.sort()
        limit = np.inf if n_scored == len(rows) else _limit(metric, float(bounds[top].min()))
        while n_yielded < len(scored) and scored[n_yielded][0] < limit:
            cost, row, variant = scored[n_yielded]
            n_yielded += 1
            yield Ranked(row, sign * cost, variant)


def _limit(metric: Metric, worst: float) -> float:
    """Return the cost below which no row with a bound of `worst` or less can be."""
    if metric.is_distance:
        return _ABSOLUTE_OVER_LENGTH * float(np.sqrt(max(-2.0 * (worst + _ROUNDING), 0.0)))
    return -1.0 - worst - _ROUNDING


def _largest(values: Float[Single, " row"], n: int) -> Int[Indices, " largest"]:
    if n >= len(values):
        return np.arange(len(values))
    return np.argpartition(values, len(values) - n)[len(values) - n :]


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
