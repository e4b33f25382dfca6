"""Averages and converged spectra, put together of what was run again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.workflows.rerun.conftest import Made, change
from whiteline.database.store import SpectrumStore
from whiteline.errors import LineageCycleError
from whiteline.provenance import Kind, ProvenanceRecord
from whiteline.workflows.rerun import Ground, RerunPlace, Verdict, run_again

POINT_ID, CONVERGED_ID = "a" * 40, "c" * 40


def test_an_average_that_was_stored_otherwise_is_different(
    computed: RerunPlace, made: Made, store: SpectrumStore
) -> None:
    old = store.get(made.average).spectrum
    assert old is not None
    change(store, made.average, spectrum=replace(old, components=old.components * 1.01))
    results = run_again([made.average], computed)
    assert results[made.average].verdict is Verdict.DIFFERENT
    assert results[made.site].verdict is Verdict.IDENTICAL


def test_what_differs_in_a_site_is_told_of_its_average(computed: RerunPlace, made: Made, store: SpectrumStore) -> None:
    (record,) = store.records(made.site)
    change(store, made.site, record={"code_version": "FEFF 9.6.4"})
    result = run_again([made.average], computed)[made.average]
    assert [each.ground for each in result.differences] == [Ground.PROGRAM]
    assert result.differences[0].now == record.code_version


def test_an_average_without_one_of_its_sites_could_not_run(
    computed: RerunPlace, made: Made, store: SpectrumStore
) -> None:
    store.delete(made.site)
    result = run_again([made.average], computed)[made.average]
    assert result.verdict is Verdict.COULD_NOT_RUN
    assert made.site in result.reason


def test_a_spectrum_that_is_stored_as_made_of_itself_is_refused(
    computed: RerunPlace, made: Made, store: SpectrumStore
) -> None:
    change(store, made.average, parents=(made.average,))
    with pytest.raises(LineageCycleError, match="made of itself"):
        run_again([made.average], computed)


@pytest.fixture
def converged(store: SpectrumStore, made: Made) -> str:
    """A series of two points, the second of which nobody can run: the first stands for it."""
    site = store.get(made.site)
    point = replace(site, id=POINT_ID, parameters={"fms_radios": 3.0})
    store.put(point, replace(store.records(made.site)[0], parameters=point.parameters, given_id=""))
    record = ProvenanceRecord(
        activity="convergence",
        used={Kind.SPECTRUM: {"fms_radius 2.7": site.id, "fms_radius 3": point.id}},
        generated={Kind.SPECTRUM: {"spectrum": CONVERGED_ID}},
        code="whiteline",
        code_version="0.1.0",
        parameters={},
        started_at="2026-01-01T00:00:00.000+00:00",
        ended_at="2026-01-01T00:00:01.000+00:00",
    )
    store.put(replace(site, id=CONVERGED_ID, fidelity="feff:converged", parents=(site.id,)), record)
    return CONVERGED_ID


def test_a_converged_spectrum_is_the_point_that_stands_for_it(computed: RerunPlace, made: Made, converged: str) -> None:
    results = run_again([converged], computed)
    assert set(results) == {made.site, converged}
    assert results[converged].verdict is Verdict.IDENTICAL
    assert results[converged].parts == {made.site: Verdict.IDENTICAL}


def test_the_worst_point_counts_where_the_whole_series_is_run(computed: RerunPlace, converged: str) -> None:
    result = run_again([converged], computed, is_whole_series=True)[converged]
    assert result.verdict is Verdict.COULD_NOT_RUN
    assert result.reason.startswith("1 of 2 points of the series: could not run")


def test_a_converged_spectrum_that_is_not_that_of_its_point_is_different(
    computed: RerunPlace, converged: str, store: SpectrumStore
) -> None:
    old = store.get(converged).spectrum
    assert old is not None
    change(store, converged, spectrum=replace(old, components=old.components * 2))
    assert run_again([converged], computed)[converged].verdict is Verdict.DIFFERENT
