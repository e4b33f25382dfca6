"""Sets, samples of them, going on after an interruption, and the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pymatgen.core import Structure

from tests.workflows.rerun.conftest import Made, change
from whiteline.database.datasets import DatasetGrid, Split, create_dataset
from whiteline.database.query import SpectrumQuery
from whiteline.database.store import SpectrumStore, UnknownIdError
from whiteline.errors import InputError, ParameterError, StoreError
from whiteline.provenance import utc_now
from whiteline.settings import Settings
from whiteline.workflows.rerun import (
    RerunPlace,
    RerunReport,
    Tolerance,
    Verdict,
    find_set,
    resolve,
    run_again,
    sample,
    store_results,
    write_report,
)


def test_an_unknown_id_names_the_nearest(store: SpectrumStore, made: Made, settings: Settings) -> None:
    wrong = made.site[:4] + ("0" if made.site[4] != "0" else "1") + made.site[5:8]
    with pytest.raises(UnknownIdError, match=f"did you mean '{made.site[:8]}"):
        resolve(wrong, store, settings)


def test_what_is_on_record_and_no_spectrum_is_told_from_what_is_unknown(
    store: SpectrumStore, made: Made, settings: Settings
) -> None:
    structure = store.get(made.site).structure_id
    with pytest.raises(InputError, match="and is no stored spectrum"):
        resolve(structure, store, settings)


def test_a_dataset_is_a_set_by_its_folder_and_by_its_hash(
    store: SpectrumStore, made: Made, settings: Settings, tmp_path: Path
) -> None:
    grid = DatasetGrid.parse("edge-relative 0:10:1")
    dataset = create_dataset(store, SpectrumQuery(kind="site"), tmp_path / "copper", grid=grid, split=Split(seed=1))
    for name in (str(tmp_path / "copper"), dataset.manifest.content_sha256):
        assert find_set(name, store, settings) == [made.site]


def test_a_benchmark_is_the_set_of_what_is_stored_of_its_materials(
    store: SpectrumStore, made: Made, settings: Settings, tmp_path: Path, copper: Structure
) -> None:
    folder = tmp_path / "bench"
    folder.mkdir()
    text = 'name = "cu"\ntitle = "Copper"\nabsorber = "Cu"\nedge = "K"\n\n[codes.feff]\npresets = {fast = "fast"}\n'
    (folder / "benchmark.toml").write_text(text, encoding="utf-8")
    (folder / "structures.json").write_text(json.dumps({"copper": copper.as_dict()}), encoding="utf-8")
    assert find_set(str(folder), store, settings) == [made.site]
    with pytest.raises(InputError, match="has no spectrum of ti-o-10"):
        find_set("ti-o-10", store, settings)


def test_a_set_that_is_none_is_refused(store: SpectrumStore, settings: Settings) -> None:
    with pytest.raises(ParameterError, match="did you mean 'ti-o-10'"):
        find_set("ti-o-11", store, settings)


def test_a_sample_is_the_same_for_the_same_seed_and_in_order() -> None:
    ids = [f"{i:040x}" for i in range(100)]
    chosen = sample(ids, 10, seed=3)
    assert chosen == sample(ids, 10, seed=3) == sorted(chosen)
    assert chosen != sample(ids, 10, seed=4)
    assert sample(ids, 200, seed=3) == ids


def test_what_is_finished_is_not_run_again_and_what_could_not_run_is(
    computed: RerunPlace, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    (result,) = run_again([made.site], computed).values()
    monkeypatch.setattr("whiteline.workflows.rerun.rerunning.run_one", lambda *_: pytest.fail("it ran again"))
    assert run_again([made.site], computed) == {made.site: result}
    computed.add(replace(result, verdict=Verdict.COULD_NOT_RUN))
    with pytest.raises(pytest.fail.Exception, match="it ran again"):
        run_again([made.site], computed)


def test_a_line_that_a_crash_cut_off_does_not_count(computed: RerunPlace, made: Made, settings: Settings) -> None:
    run_again([made.site], computed)
    path = Path(computed.folder) / "results.jsonl"
    line = path.read_bytes()
    path.write_bytes(line + line[:100])
    again = RerunPlace.make(Path(computed.folder), settings, tolerance=Tolerance(), keeps_runs=False)
    again.add(next(iter(again.results().values())))
    assert len(path.read_text().splitlines()) == 3
    assert list(again.finished()) == [made.site]


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(StoreError, match="is not empty"):
        RerunPlace.make(tmp_path, settings, tolerance=Tolerance(), keeps_runs=False)


def test_two_at_a_time_give_the_same(place: RerunPlace, made: Made, store: SpectrumStore) -> None:
    document = store.get(made.site)
    other = {**document.parameters, "k_step": 0.3}
    (record,) = store.records(made.site)
    store.put(replace(document, id="d" * 40, parameters=other), replace(record, parameters=other, given_id=""))
    results = run_again([made.site, "d" * 40], place, n_processes=2)
    assert [results[each].verdict for each in (made.site, "d" * 40)] == [Verdict.IDENTICAL, Verdict.DIFFERENT]


def test_the_report_counts_shows_and_escapes(computed: RerunPlace, made: Made, store: SpectrumStore) -> None:
    old = store.get(made.site).spectrum
    assert old is not None
    (record,) = store.records(made.site)
    change(
        store,
        made.site,
        record={"host": "<script>alert(1)</script>"},
        spectrum=replace(old, components=old.components * 1.1),
    )
    results = run_again([made.site], computed)
    report = RerunReport(
        title="a & b",
        asked=[made.site],
        results=results,
        n_all=5,
        seed=7,
        started_at=record.started_at,
        ended_at=record.ended_at,
    )
    page = write_report(report, computed).read_text(encoding="utf-8")
    content = json.loads((Path(computed.folder) / "report.json").read_text(encoding="utf-8"))
    assert (content["verdicts"], content["grounds"]) == ({"different": 1}, {"other machine": {"different": 1}})
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<img") == 1
    assert "1 of 5 spectra, picked by chance with seed 7" in page
    assert not report.is_reproduced


def test_a_record_of_the_rerun_is_stored_beside_the_spectrum_when_asked_for(
    computed: RerunPlace, made: Made, store: SpectrumStore
) -> None:
    results = run_again([made.site], computed)
    assert store_results(store, [results[made.site]], utc_now()) == 1
    (activity,) = store.activities()
    assert (activity.activity, activity.parameters["verdict"]) == ("rerun", "identical")
    assert activity.id in [linked.record.id for linked in store.linked([made.site])]
    assert len(store.records(made.site)) == 1
