"""Metrics, the bound on them, and the order of the rows."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

from whiteline import similarity
from whiteline.database import SpectrumQuery, SQLiteStore
from whiteline.database.search.grid import GRID, prepare_query, put_on_grid
from whiteline.database.search.metrics import Metric, best_scores, vectors
from whiteline.database.search.ranking import rank
from whiteline.database.search.reduction import N_REDUCED, Basis, fit_basis
from whiteline.database.search.snapshot import Snapshot
from whiteline.database.search.updating import update_index

EVERY_METRIC = pytest.mark.parametrize("metric", list(Metric), ids=str)


def curves_of(samples: Any, numbers: range) -> Any:
    return put_on_grid(samples.axis, np.stack([samples.shape(i) for i in numbers])).curves


@EVERY_METRIC
def test_scores_are_those_of_the_similarity_measures(samples: Any, metric: Metric) -> None:
    a, b = curves_of(samples, range(2))
    expected = {
        Metric.COSINE: similarity.cosine(a, b),
        Metric.PEARSON: similarity.pearson(a, b),
        Metric.SPEARMAN: similarity.spearman(a, b),
        Metric.EARTH_MOVER: similarity.earth_mover(GRID, a, b),
    }[metric]
    scores, _ = best_scores(metric, vectors(metric, a[np.newaxis, :]), vectors(metric, b[np.newaxis, :]))
    assert scores[0] == pytest.approx(expected, rel=1e-9)


@EVERY_METRIC
def test_the_best_variant_is_the_one_that_is_alike(samples: Any, metric: Metric) -> None:
    curves = curves_of(samples, range(200))
    scores, best = best_scores(metric, vectors(metric, curves), vectors(metric, curves))
    assert best.tolist() == list(range(200))
    np.testing.assert_allclose(scores, 0.0 if metric.is_distance else 1.0, atol=1e-12)


@EVERY_METRIC
def test_reduced_rows_never_lie_further_apart_than_the_whole_vectors(samples: Any, metric: Metric) -> None:
    stored, other = (vectors(metric, curves_of(samples, numbers)) for numbers in (range(150), range(150, 180)))
    basis = fit_basis(stored)
    rows, columns = basis.rows(stored), basis.columns(other)
    assert rows.shape == (150, N_REDUCED)
    squares = ((stored[:, np.newaxis, :] - other) ** 2).sum(axis=2)
    reduced = -2.0 * (rows @ columns.T)
    assert np.all(reduced <= squares + 6e-6)  # rounding of float32
    # The components keep nearly all of what tells the curves apart, or the bound would be of no use.
    assert np.median(reduced / squares) > 0.95


def test_a_basis_survives_its_file(samples: Any) -> None:
    stored = vectors(Metric.PEARSON, curves_of(samples, range(80)))
    basis = fit_basis(stored)
    np.testing.assert_array_equal(Basis.from_array(basis.to_array()).rows(stored), basis.rows(stored))


@pytest.fixture(scope="module")
def many(samples: Any, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """The index of more spectra than are scored at first."""
    folder = tmp_path_factory.mktemp("many")
    with SQLiteStore(folder / "spectra.db") as store:
        samples.fill(store, n=1200)
        return update_index(store, folder / "index").snapshot


@EVERY_METRIC
def test_the_order_is_that_of_scoring_every_row(samples: Any, many: Snapshot, metric: Metric) -> None:
    snapshot = many
    mask = snapshot.mask(SpectrumQuery())
    rows = np.flatnonzero(mask)
    for i in (3, 2000, 2001):
        curve = samples.shape(i) + np.random.default_rng(i).normal(scale=0.01, size=len(samples.axis))
        query = prepare_query(samples.axis, curve, max_shift=2.0, broadenings=(0.0,)).curves
        scores, _ = best_scores(metric, vectors(metric, snapshot.curves(rows)), vectors(metric, query))
        expected = rows[np.argsort(scores if metric.is_distance else -scores, kind="stable")]
        found = [ranked.row for ranked in islice(rank(snapshot, metric, query, mask), 20)]
        assert found == expected[:20].tolist()
        assert len(list(rank(snapshot, metric, query, mask))) == len(rows)


@EVERY_METRIC
def test_the_order_does_not_depend_on_how_many_rows_are_scored_at_a_time(
    samples: Any, many: Snapshot, metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = prepare_query(samples.axis, samples.shape(2002), max_shift=1.0, broadenings=(0.0,)).curves
    mask = many.mask(SpectrumQuery())
    expected = list(rank(many, metric, query, mask))
    monkeypatch.setattr("whiteline.database.search.ranking._FIRST", 16)
    monkeypatch.setattr("whiteline.database.search.ranking._SORTED", 50)
    found = list(rank(many, metric, query, mask))
    assert sorted(ranked.row for ranked in found) == np.flatnonzero(mask).tolist()
    # All of the inner products; of the earth mover's distance the bound is one from measurement.
    n_certain = 50 if metric.is_distance else len(found)
    assert [ranked.row for ranked in found[:n_certain]] == [ranked.row for ranked in expected[:n_certain]]
