"""Whole searches: what is found, what is not, and on both kinds of store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mongomock
import numpy as np
import pytest

from whiteline.broadening import Gaussian, broaden
from whiteline.database import MongoStore, SpectrumQuery, SpectrumStore, SQLiteStore
from whiteline.database.query import ANY_STATUS
from whiteline.database.search import Metric, SearchIndex, search
from whiteline.database.search.curves import query_of_document
from whiteline.errors import InputError, ParameterError, StoreError
from whiteline.measured import MeasuredSpectrum, Signal

QUERIES = {
    "absorber and edge": SpectrumQuery(absorber="V", edge="K"),
    "any status": SpectrumQuery(status=ANY_STATUS),
    "unconverged": SpectrumQuery(status="unconverged"),
    "fidelity": SpectrumQuery(fidelity="feff:standard"),
    "formula": SpectrumQuery(formula="TiO"),
    "system": SpectrumQuery(chemical_system="S-V"),
    "all, any, none": SpectrumQuery(elements_all=("O",), elements_any=("Ti", "Cr"), elements_none=("Cr",)),
    "space group": SpectrumQuery(space_group=225),
    "parameter": SpectrumQuery(parameters={"fms_radius": (">=", 7.0)}, absorber="Ti"),
    "site": SpectrumQuery(site_id=f"{4:040x}"),
    "structure": SpectrumQuery(structure_id=f"{1:040x}"),
    "dates": SpectrumQuery(created_after="2026-01-05", created_before="2026-01-12"),
    "nothing": SpectrumQuery(absorber="Au"),
}


@pytest.fixture(params=["sqlite", "mongodb"])
def either(request: pytest.FixtureRequest, samples: Any, tmp_path: Path) -> Iterator[tuple[SpectrumStore, SearchIndex]]:
    """A store of either kind, with its index."""
    store: SpectrumStore
    if request.param == "sqlite":
        store = SQLiteStore(tmp_path / "either.db")
    else:
        store = MongoStore(mongomock.MongoClient()["test"])
    with store:
        samples.fill(store)
        yield store, SearchIndex(store, folder=tmp_path / "index")


def ids_of(store: SpectrumStore, query: SpectrumQuery) -> set[str]:
    return {s.id for s in store.summaries(query) if s.n_points}


@pytest.mark.parametrize("metric", list(Metric), ids=str)
def test_a_stored_spectrum_finds_itself_first(samples: Any, store: SQLiteStore, metric: Metric) -> None:
    best = search(store, samples.spectrum_of(samples.shape(7)), metric=metric, top=3)[0]
    assert best.id == samples.name_of(7)
    assert best.score == pytest.approx(0.0 if metric.is_distance else 1.0, abs=1e-5)  # stored in float32
    assert best.shift == pytest.approx(0.0, abs=1e-6)
    assert best.summary.source == "mp-7"


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.PEARSON, Metric.EARTH_MOVER], ids=str)
def test_a_shifted_broadened_noisy_spectrum_finds_its_own(samples: Any, store: SQLiteStore, metric: Metric) -> None:
    index = SearchIndex(store)
    for i in (0, 5, 16, 23):
        curve = broaden(samples.axis, samples.shape(i)[np.newaxis, :], Gaussian(1.0))[0]
        curve += np.random.default_rng(i).normal(scale=0.01, size=len(curve))
        best = search(store, samples.spectrum_of(curve, shift=2.6), metric=metric, index=index)[0]
        assert best.id == samples.name_of(i)
        assert best.shift == pytest.approx(2.6, abs=0.26)  # a step of the grid


def test_a_broadening_that_is_tried_is_reported_with_its_match(samples: Any, store: SQLiteStore) -> None:
    wide = broaden(samples.axis, samples.shape(12)[np.newaxis, :], Gaussian(2.0))[0]
    store.put(samples.document_of(100, spectrum=samples.spectrum_of(wide), status="converged", reason=""))
    spectrum = samples.spectrum_of(samples.shape(12))
    query = SpectrumQuery(id_prefix=samples.name_of(100))
    narrow, broadened = (
        search(store, spectrum, query=query, broadenings=widths)[0] for widths in ((0.0,), (0.0, 1.0, 2.0))
    )
    assert broadened.broadening == 2.0
    assert broadened.score > narrow.score
    assert broadened.score == pytest.approx(1.0, abs=1e-5)  # of smoothing in steps of the grid


def test_a_measurement_with_its_background_finds_its_spectrum(samples: Any, store: SQLiteStore) -> None:
    energy = np.arange(4860.0, 5200.0, 0.5)
    curve = np.interp(energy, samples.axis, samples.shape(13))
    mu = 2.0e-3 * curve + 0.9 - 1e-3 * (energy - 4972.0)
    measured = MeasuredSpectrum(energy, mu, signal=Signal.TRANSMISSION, derivation="ln(i0/it)")
    best = search(store, measured)[0]
    assert best.id == samples.name_of(13)
    assert best.score > 0.999


def test_a_stored_measurement_is_indexed_without_its_background(samples: Any, store: SQLiteStore) -> None:
    energy = np.arange(4860.0, 5200.0, 0.5)
    mu = np.interp(energy, samples.axis, samples.shape(51)) + 5.0 - 1e-2 * (energy - 4972.0)
    spectrum = MeasuredSpectrum(energy, mu, signal=Signal.ABSORPTION, derivation="").to_spectrum()
    store.put(samples.document_of(51, kind="measured", code="experiment", spectrum=spectrum))
    document = store.get(samples.name_of(51))
    assert isinstance(query_of_document(document), MeasuredSpectrum)
    computed = search(store, samples.spectrum_of(samples.shape(51)))[0]
    assert (computed.id, computed.summary.kind) == (samples.name_of(51), "measured")
    assert computed.score > 0.999


@pytest.mark.parametrize("name", QUERIES)
def test_a_search_finds_all_that_a_query_finds_and_nothing_else(
    samples: Any, either: tuple[SpectrumStore, SearchIndex], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, index = either
    spectrum = samples.spectrum_of(samples.shape(0))
    expected = ids_of(store, QUERIES[name])
    for few in (5000, 0):  # ids fetched at once, and every candidate asked for
        monkeypatch.setattr("whiteline.database.search.searching._FEW", few)
        found = search(store, spectrum, query=QUERIES[name], top=1000, index=index)
        assert {match.id for match in found} == expected
        assert [m.score for m in found] == sorted((m.score for m in found), reverse=True)


def test_what_is_stored_replaced_and_deleted_is_seen_at_once(
    samples: Any, either: tuple[SpectrumStore, SearchIndex]
) -> None:
    store, index = either
    looked_for = samples.spectrum_of(samples.shape(77))
    assert search(store, looked_for, index=index)[0].score < 0.999
    store.put(samples.document_of(3, spectrum=looked_for))
    store.put(samples.document_of(77, status="converged", reason=""))
    found = search(store, looked_for, index=index)
    assert {found[0].id, found[1].id} == {samples.name_of(3), samples.name_of(77)}
    store.delete(samples.name_of(77))
    store.put(samples.document_of(3))
    again = search(store, looked_for, index=index, top=1000)
    assert again[0].score < 0.999
    assert {match.id for match in again} == ids_of(store, SpectrumQuery())


def test_without_an_update_neither_new_nor_replaced_spectra_appear(samples: Any, store: SQLiteStore) -> None:
    looked_for = samples.spectrum_of(samples.shape(5))
    index = SearchIndex(store)
    index.update()
    store.put(samples.document_of(5, spectrum=samples.spectrum_of(samples.shape(88))))
    store.put(samples.document_of(90))
    found = {match.id for match in search(store, looked_for, index=index, is_updated=False, top=1000)}
    assert found == ids_of(store, SpectrumQuery()) - {samples.name_of(5), samples.name_of(90)}


def test_excluded_ids_do_not_appear(samples: Any, store: SQLiteStore) -> None:
    found = search(store, samples.spectrum_of(samples.shape(7)), exclude=[samples.name_of(7), "ab" * 20], top=1000)
    assert samples.name_of(7) not in {match.id for match in found}


def test_an_empty_store_has_no_matches(samples: Any, tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "empty.db") as store:
        assert search(store, samples.spectrum_of(samples.shape(1))) == []
        samples.fill(store, n=3)
        assert len(search(store, samples.spectrum_of(samples.shape(1)))) == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metric": "cosin"}, "did you mean 'cosine'"),
        ({"top": 0}, "top must be 1 or more"),
        ({"max_shift": -1.0}, "max_shift must be from 0"),
        ({"max_shift": float("nan")}, "max_shift must be from 0"),
        ({"broadenings": ()}, "broadenings must be one or more"),
        ({"broadenings": (-1.0,)}, "broadenings must be one or more"),
        ({"max_shift": 15.0, "broadenings": tuple(range(10))}, "combinations of shift and broadening"),
        ({"query": SpectrumQuery(limit=3)}, "leave limit and skip out"),
    ],
)
def test_values_out_of_range_are_refused(
    samples: Any, store: SQLiteStore, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        search(store, samples.spectrum_of(samples.shape(0)), **values)


def test_a_spectrum_without_an_edge_is_refused(samples: Any, store: SQLiteStore) -> None:
    with pytest.raises(InputError, match="no edge to search by"):
        search(store, samples.spectrum_of(np.zeros(len(samples.axis))))


def test_without_an_index_and_without_an_update_the_message_says_how_to_make_one(
    samples: Any, store: SQLiteStore
) -> None:
    with pytest.raises(StoreError, match="search without --no-update"):
        search(store, samples.spectrum_of(samples.shape(0)), is_updated=False)
