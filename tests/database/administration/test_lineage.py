"""Records of datasets and files, and marks of suspicion, go where the spectra go."""

from __future__ import annotations

import gzip
import json
from itertools import product
from pathlib import Path

import pytest

from whiteline.database import SpectrumStore
from whiteline.database.administration import StoreSource, backup, compare, copy, restore, verify_archive, verify_store
from whiteline.database.administration.entries import EVERYTHING
from whiteline.errors import CorruptStoreError
from whiteline.provenance import Kind, ProvenanceRecord

from .conftest import BACKENDS, StoreOpener
from .test_backups import read_members, write_members

SINCE = "2026-03-01T00:00:00.000+00:00"


def _first(store: SpectrumStore) -> str:
    return next(iter(store.summaries(EVERYTHING))).id


@pytest.fixture
def with_lineage(filled: SpectrumStore) -> SpectrumStore:
    """The store, and in it the record of a dataset of all spectra and two marks."""
    ids = [summary.id for summary in filled.summaries(EVERYTHING)]
    record = ProvenanceRecord(
        activity="dataset",
        used={},
        generated={Kind.DATASET: {"copper": "ab" * 32}},
        code="whiteline",
        code_version="0.1.0",
        parameters={"seed": 3},
        started_at=SINCE,
        ended_at=SINCE,
    )
    filled.put_activity(record, ids)
    filled.mark([ids[0], "ab" * 32], "a bug in FEFF", marked_at=SINCE)
    return filled


def check_same(source: SpectrumStore, target: SpectrumStore) -> None:
    (record,) = source.activities()
    assert list(target.activities()) == [record]
    assert target.members(record.id) == source.members(record.id)
    assert len(target.members(record.id)) == target.count(EVERYTHING)
    assert target.marks() == source.marks()
    assert target.marks()["ab" * 32].marked_at == SINCE


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_copy_takes_them_along_and_a_second_one_has_nothing_left_to_do(
    with_lineage: SpectrumStore, open_empty: StoreOpener, backend: str
) -> None:
    target = open_empty(backend, "target")
    first, second = (copy(StoreSource(with_lineage), target) for _ in range(2))
    assert (first.n_activities, first.n_marks) == (1, 2)
    assert (second.n_activities, second.n_marks) == (0, 0)
    assert first.comparison.is_equal
    assert second.comparison.is_equal
    check_same(with_lineage, target)
    assert verify_store(target).faults == ()


def test_a_copy_of_some_spectra_knows_of_the_dataset_and_a_later_one_completes_its_members(
    with_lineage: SpectrumStore, open_empty: StoreOpener
) -> None:
    target = open_empty("sqlite", "target")
    copy(StoreSource(with_lineage, EVERYTHING.replace(id_prefix=_first(with_lineage))), target)
    (record,) = target.activities()
    assert target.members(record.id) == [s.id for s in target.summaries(EVERYTHING)]
    assert 0 < target.count(EVERYTHING) < with_lineage.count(EVERYTHING)
    copy(StoreSource(with_lineage), target)
    check_same(with_lineage, target)


def test_what_is_missing_in_the_target_is_a_difference(with_lineage: SpectrumStore, open_empty: StoreOpener) -> None:
    target = open_empty("sqlite", "target")
    copy(StoreSource(with_lineage), target)
    target.unmark(["ab" * 32])
    found = compare(StoreSource(with_lineage), target)
    assert not found.is_equal
    assert [(each.id, "not marked as suspect" in each.what) for each in found.differences] == [("ab" * 32, True)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_backup_gives_them_back(
    with_lineage: SpectrumStore, open_empty: StoreOpener, tmp_path: Path, backend: str
) -> None:
    report = backup(with_lineage, tmp_path / "backup.tar")
    assert (report.manifest.tally.n_activities, report.manifest.tally.n_marks) == (1, 2)
    target = open_empty(backend, "restored")
    assert restore(report.path, target).comparison.is_equal
    check_same(with_lineage, target)


def test_a_backup_of_format_1_has_none_and_can_still_be_restored(
    filled: SpectrumStore, open_empty: StoreOpener, tmp_path: Path
) -> None:
    path = backup(filled, tmp_path / "backup.tar").path
    members = read_members(path)
    manifest = json.loads(members["manifest.json"])
    for name in ("lineage/activities.jsonl.gz", "lineage/marks.jsonl.gz"):
        del members[name], manifest["members"][name]
    for name in ("n_activities", "activities", "n_marks", "marks"):
        del manifest["tally"][name]
    members["manifest.json"] = json.dumps({**manifest, "format_version": 1}).encode()
    target = open_empty("sqlite", "restored")
    assert restore(write_members(path, members), target).n_new == filled.count(EVERYTHING)


def test_an_edited_record_of_a_job_is_found_in_a_backup(with_lineage: SpectrumStore, tmp_path: Path) -> None:
    from whiteline.database.administration import Archive

    path = backup(with_lineage, tmp_path / "backup.tar").path
    members = read_members(path)
    name = "lineage/activities.jsonl.gz"
    members[name] = gzip.compress(gzip.decompress(members[name]).replace(b'"seed":3', b'"seed":4'), mtime=0)
    with Archive(write_members(path, members)) as archive:
        assert any(fault.where == name for fault in verify_archive(archive).faults)
        with pytest.raises(CorruptStoreError, match="was changed"):
            list(archive.activities())


@pytest.mark.parametrize(("first", "second"), list(product(BACKENDS, BACKENDS)))
def test_marks_of_the_target_stay_as_they_are(open_empty: StoreOpener, first: str, second: str) -> None:
    source, target = open_empty(first, "source"), open_empty(second, "target")
    source.mark(["ab" * 20], "this")
    target.mark(["ab" * 20, "cd" * 20], "that")
    assert copy(StoreSource(source), target).n_marks == 0
    assert {mark.reason for mark in target.marks().values()} == {"that"}
