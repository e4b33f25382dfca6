"""What records say: of files that were read, of programs that ran, and of files that were made."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from pymatgen.core import Structure

from whiteline.calculators.feff import FeffCalculator
from whiteline.calculators.feff.run import wheel_files
from whiteline.convergence import Tolerance
from whiteline.database import SQLiteStore, open_store
from whiteline.errors import StoreError
from whiteline.provenance import Kind, ProvenanceRecord, content_checksum, file_checksum, library_versions, utc_now
from whiteline.settings import Settings
from whiteline.structures import NamedStructure, read_structures
from whiteline.workflows import run_materials
from whiteline.workflows.campaign.analysis import Analyst
from whiteline.workflows.campaign.definition import parse_definition
from whiteline.workflows.campaign.execution import run_task
from whiteline.workflows.campaign.structures import list_units
from whiteline.workflows.material import MaterialResult, converge_materials
from whiteline.workflows.recording import keep_in_existing, record_made, source_file, stored_checksum

CAMPAIGN = """\
name = "copper"

[structures]
paths = ["copper.cif"]

[[spectra]]
absorbers = ["Cu"]
preset = "fast"
set = { fms_radius = 2.7, scf_radius = 2.7 }
"""


@pytest.fixture
def copper_file(copper: Structure, tmp_path: Path) -> Path:
    copper.to(str(tmp_path / "copper.cif"))
    return tmp_path / "copper.cif"


def run(file: Path, quick: dict[str, Any], settings: Settings) -> MaterialResult:
    return run_materials([*read_structures([str(file)])], "Cu", parameters=quick, settings=settings)[0]


def record_of(spectrum_id: str, settings: Settings) -> ProvenanceRecord:
    with open_store(settings.database, must_exist=True) as store:
        return store.records(spectrum_id)[-1]


def test_the_record_of_a_site_names_all_that_it_rests_on(
    copper_file: Path, quick: dict[str, Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    potential = copper_file.with_name("Cu.UPF")
    potential.write_text("a pseudopotential")
    # FEFF copies no such files; any code that does goes the same way.
    monkeypatch.setattr(FeffCalculator, "files", lambda *_: {"pseudo/Cu.UPF": potential})
    result = run(copper_file, quick, settings)
    record, mean = (record_of(each.id, settings) for each in (result.sites[0], result.material))
    assert record.used[Kind.SOURCE] == mean.used[Kind.SOURCE] == {str(copper_file): file_checksum(copper_file)}
    assert record.used[Kind.PSEUDOPOTENTIAL] == {"pseudo/Cu.UPF": content_checksum(b"a pseudopotential")}
    assert {"feff.inp"} == set(record.used[Kind.INPUT])
    assert "xmu.dat" in record.generated[Kind.OUTPUT]
    assert record.executables == {wheel_files()[0].name: file_checksum(wheel_files()[0])}
    assert {"whiteline", "feff10-rs", "pymatgen", "spglib", "ase"} <= set(record.libraries)
    assert record.cores == 1


def test_rungs_certificate_and_average_of_a_series_name_the_file(
    copper_file: Path, quick: dict[str, Any], settings: Settings
) -> None:
    structures, values = [*read_structures([str(copper_file)])], {**quick, "fms_radius": 3.0}
    loose = Tolerance(spearman=0.5, area=1.0, shift=5.0)
    (result,) = converge_materials(
        structures, "Cu", parameters=values, knobs=["l_max"], tolerance=loose, settings=settings
    )
    certificate = record_of(result.sites[0].id, settings)
    records = [certificate, record_of(result.material.id, settings)]
    records += [record_of(each, settings) for each in certificate.used[Kind.SPECTRUM].values()]
    assert len(records) > 2
    assert {file_checksum(copper_file)} == {each for r in records for each in r.used[Kind.SOURCE].values()}
    assert "xraydb" in certificate.libraries


def test_a_task_of_a_campaign_keeps_the_checksum_and_an_older_one_runs_without(
    copper_file: Path, settings: Settings
) -> None:
    definition = parse_definition(CAMPAIGN, base=copper_file.parent, source="campaign.toml")
    with open_store(settings.database) as store:
        (unit,) = list_units(definition.structures, store, on_bad=print)
    analysis = Analyst.of(definition, settings).analyse(unit)
    site, mean = (draft.task for draft in analysis.drafts)
    finish = run_task(site, analysis.contents.__getitem__, settings)
    assert finish.state == "done", finish.reason
    assert record_of(site.id, settings).used[Kind.SOURCE] == {str(copper_file): file_checksum(copper_file)}
    del mean.payload["source_checksum"]  # type: ignore[attr-defined]  # as an earlier version queued it
    assert run_task(mean, analysis.contents.__getitem__, settings).state == "done"
    assert Kind.SOURCE not in record_of(mean.id, settings).used


def test_what_is_computed_of_a_stored_crystal_names_the_file_that_this_came_from(
    copper_file: Path, quick: dict[str, Any], settings: Settings
) -> None:
    stored = run(copper_file, quick, settings).material.id
    text = CAMPAIGN.replace('paths = ["copper.cif"]', f'ids = ["{stored}"]')
    definition = parse_definition(text, base=copper_file.parent, source="campaign.toml")
    with open_store(settings.database, must_exist=True) as store:
        (unit,) = list_units(definition.structures, store, on_bad=print)
    assert isinstance(unit, NamedStructure)
    assert (unit.source, unit.source_checksum) == (str(copper_file), file_checksum(copper_file))


def test_a_member_of_a_collection_names_the_file_and_a_text_no_checksum() -> None:
    assert source_file("a/set.json#mp-390", "sha256:1") == {"a/set.json": "sha256:1"}
    assert source_file("tio2#anatase", "sha256:1") == {"tio2#anatase": "sha256:1"}
    assert source_file("mp-390", "") == {}
    record = made_of({Kind.SOURCE: {"mp-390": "mp-390", "a/set.json": "sha256:1"}})
    assert stored_checksum("a/set.json#x", [record]) == "sha256:1"
    assert stored_checksum("mp-390", [record]) == ""


def made_of(used: dict[str, dict[str, str]]) -> ProvenanceRecord:
    now = utc_now()
    return ProvenanceRecord(
        activity="train-expert", used=used, generated={Kind.MODEL: {"model": "ab" * 32}}, code="whiteline",
        code_version="1", parameters={}, started_at=now, ended_at=now,
    )  # fmt: skip


def test_a_file_is_found_by_its_checksum_with_the_spectra_behind_it(
    copper_file: Path, quick: dict[str, Any], settings: Settings
) -> None:
    ids = [run(copper_file, quick, settings).sites[0].id]
    with open_store(settings.database) as store:
        record_made(store, "export", Kind.EXPORT, [copper_file], spectra=ids, started=utc_now(), parameters={"n": 1})
        found = [each.record for each in store.linked([file_checksum(copper_file)]) if not each.spectrum_id]
        assert [record.parents for record in found] == [tuple(ids)]
        many = record_made(
            store, "plot", Kind.FIGURE, [copper_file], spectra=[*ids, *map(str, range(40))], started=utc_now()
        )
        assert many is not None
        assert (many.parents, store.members(many.id)) == ((), ids)
    assert found[0].libraries == library_versions()


def test_where_a_store_cannot_be_written_the_file_stands_and_a_warning_names_it(
    copper_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("it is closed")

    monkeypatch.setattr(SQLiteStore, "put_activity", refuse)
    with open_store(tmp_path / "spectra.db") as store, caplog.at_level(logging.WARNING):
        assert record_made(store, "plot", Kind.FIGURE, [copper_file], spectra=[], started=utc_now()) is None
    assert f"where {copper_file} came from is not on record: it is closed" in caplog.text


def test_a_training_makes_no_store_and_is_kept_in_one_that_is_there(tmp_path: Path) -> None:
    record = made_of({})
    assert not keep_in_existing(tmp_path / "none.db", record)
    assert not (tmp_path / "none.db").exists()
    with open_store(tmp_path / "spectra.db") as store:
        assert keep_in_existing(tmp_path / "spectra.db", record)
        assert [each.id for each in store.activities()] == [record.id]
