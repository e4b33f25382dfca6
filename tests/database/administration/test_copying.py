from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whiteline.database import SpectrumStore, SQLiteStore, open_store
from whiteline.database.administration import StoreSource, compare, copy, verify_store
from whiteline.database.administration.entries import EVERYTHING
from whiteline.errors import CorruptStoreError, ParameterError
from whiteline.status import Status

from .conftest import BACKENDS, StoreOpener

if TYPE_CHECKING:
    from tests.database.conftest import DocumentMaker, RecordMaker
    from whiteline.database.store import Item

N_KILLED = 800
N_KILLS = 3


@pytest.mark.parametrize(("first", "second"), list(product(BACKENDS, BACKENDS)))
def test_a_copy_has_documents_records_and_files_bit_for_bit(
    open_empty: StoreOpener, items: Sequence[Item], first: str, second: str
) -> None:
    source, target = open_empty(first, "source"), open_empty(second, "target")
    source.put_many(items)
    report = copy(StoreSource(source), target)
    assert report.comparison.is_equal
    assert (report.n_new, report.n_same) == (7, 0)
    assert [d.to_dict() for d in target.query(EVERYTHING)] == [d.to_dict() for d in source.query(EVERYTHING)]
    for spectrum_id in source.changes()[0]:
        assert target.records(spectrum_id) == source.records(spectrum_id)
        assert target.files(spectrum_id) == source.files(spectrum_id)
        for file in source.files(spectrum_id):
            assert target.read_file(spectrum_id, file.name) == source.read_file(spectrum_id, file.name)
    assert verify_store(target).faults == ()


@pytest.mark.parametrize("backend", BACKENDS)
def test_copying_twice_writes_nothing_the_second_time(
    filled: SpectrumStore, open_empty: StoreOpener, backend: str
) -> None:
    target = open_empty(backend, "target")
    copy(StoreSource(filled), target)
    revision = target.changes()[1]
    report = copy(StoreSource(filled), target)
    assert (report.n_new, report.n_completed, report.n_same) == (0, 0, 7)
    assert target.changes()[1] == revision
    assert report.comparison.is_equal


@pytest.mark.parametrize("is_filtered", [False, True])
@pytest.mark.parametrize("backend", BACKENDS)
def test_another_document_of_the_same_id_stays_until_it_may_be_replaced(
    filled: SpectrumStore, open_empty: StoreOpener, make_document: DocumentMaker, backend: str, is_filtered: bool
) -> None:
    target = open_empty(backend, "target")
    mine = make_document("bb", source="mine.cif")
    target.put(mine, files={"feff.inp": b"mine"})
    source = StoreSource(filled, EVERYTHING.replace(absorber="Ti") if is_filtered else EVERYTHING)
    report = copy(source, target)
    assert (report.n_new, report.n_replaced) == (6, 0)
    assert not report.comparison.is_equal
    (document, record, file) = report.comparison.differences
    assert {found.id for found in report.comparison.differences} == {mine.id}
    assert "--replace" in document.what
    assert "lacks the provenance record" in record.what
    assert "has another raw file feff.inp" in file.what
    assert target.get(mine.id).source == "mine.cif"
    assert target.read_file(mine.id, "feff.inp") == b"mine"
    again = copy(source, target, replace=True)
    assert (again.n_replaced, again.n_same) == (1, 6)
    assert again.comparison.is_equal
    assert target.get(mine.id).source == "Größe [x].cif"


@pytest.mark.parametrize("backend", BACKENDS)
def test_missing_records_and_files_are_added_to_a_document_that_is_there(
    filled: SpectrumStore, open_empty: StoreOpener, items: Sequence[Item], backend: str
) -> None:
    target = open_empty(backend, "target")
    target.put_many((item[0], None) for item in items)
    report = copy(StoreSource(filled), target)
    assert (report.n_new, report.n_completed, report.n_same) == (0, 5, 2)
    assert report.comparison.is_equal


def test_what_only_the_target_has_stays_and_is_no_difference(
    filled: SpectrumStore, open_empty: StoreOpener, make_document: DocumentMaker, make_record: RecordMaker
) -> None:
    target = open_empty("sqlite", "target")
    own, shared = make_document("own"), make_document("a")
    target.put(own)
    target.put(shared, make_record("2025-01-01T00:00:00.000+00:00"), {"notes.txt": b"mine"})
    report = copy(StoreSource(filled), target)
    assert report.comparison.is_equal
    assert target.has(own.id)
    assert target.read_file(shared.id, "notes.txt") == b"mine"
    assert len(target.records(shared.id)) == 3


def test_a_query_narrows_what_is_copied(filled: SpectrumStore, open_empty: StoreOpener) -> None:
    target = open_empty("sqlite", "target")
    report = copy(StoreSource(filled, EVERYTHING.replace(status=Status.FAILED)), target)
    assert report.comparison.source.n_spectra == 1
    assert report.comparison.is_equal
    assert target.count(EVERYTHING) == 1


def test_a_store_is_not_copied_onto_itself(filled: SQLiteStore) -> None:
    with SQLiteStore(filled.path) as again, pytest.raises(ParameterError, match="the same store"):
        copy(StoreSource(filled), again)


def test_a_damaged_raw_file_is_named_and_not_spread(filled: SQLiteStore, open_empty: StoreOpener) -> None:
    filled._connection().execute("UPDATE blobs SET content = zeroblob(9) WHERE size = 520")
    target = open_empty("sqlite", "target")
    with pytest.raises(CorruptStoreError, match=r"feff\.inp of spectrum \w+ is damaged"):
        copy(StoreSource(filled), target)
    assert verify_store(target).faults == ()


def test_an_unreadable_document_is_told_with_what_to_do(filled: SQLiteStore, open_empty: StoreOpener) -> None:
    filled._connection().execute("UPDATE components SET data = x'00' WHERE key = 1")
    with pytest.raises(CorruptStoreError, match="whiteline db verify"):
        copy(StoreSource(filled), open_empty("sqlite", "target"))


def test_progress_goes_from_copying_to_comparing_and_never_beyond_one(
    filled: SpectrumStore, open_empty: StoreOpener
) -> None:
    seen: list[tuple[float, str]] = []
    copy(StoreSource(filled), open_empty("sqlite", "target"), on_progress=lambda *step: seen.append(step))
    assert [share for share, _ in seen] == sorted(share for share, _ in seen)
    assert seen[-1][0] == 1.0


def test_a_comparison_finds_what_was_changed_behind_its_back(filled: SpectrumStore, open_empty: StoreOpener) -> None:
    target = open_empty("sqlite", "target")
    copy(StoreSource(filled), target)
    spectrum_id = target.changes()[0][0]
    target.put(replace(target.get(spectrum_id), citation="doi:10.0/0"))
    found = compare(StoreSource(filled), target)
    assert [difference.id for difference in found.differences] == [spectrum_id]
    assert found.source.documents != found.target.documents
    assert found.source.records == found.target.records


def test_a_copy_killed_again_and_again_ends_as_the_source(
    tmp_path: Path, make_document: DocumentMaker, make_record: RecordMaker
) -> None:
    source, target = tmp_path / "source.db", tmp_path / "target.db"
    record = make_record()
    with open_store(source) as store:
        store.put_many(
            (make_document(f"document {i}"), replace(record, given_id=f"{i}"), {"log": f"run {i // 3}".encode() * 500})
            for i in range(N_KILLED)
        )
    command = [sys.executable, "-m", "whiteline.cli", "db", "copy", str(source), str(target)]
    n_killed = 0
    counts = [0]
    for _ in range(N_KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_more(target, counts[-1], process)
        n_killed += process.poll() is None
        process.kill()
        process.wait()
        counts.append(n_stored(target))
    assert n_killed >= 1
    assert counts == sorted(counts)
    assert 0 < counts[1] < N_KILLED
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with open_store(source) as ours, open_store(target) as theirs:
        assert theirs.count(EVERYTHING) == N_KILLED
        assert compare(StoreSource(ours), theirs).is_equal
        assert verify_store(theirs).faults == ()


def n_stored(path: Path) -> int:
    if not path.exists():
        return 0
    with open_store(path) as store:
        return store.count(EVERYTHING)


def wait_for_more(path: Path, n_before: int, process: subprocess.Popen[bytes], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline and n_stored(path) <= n_before:
        time.sleep(0.01)
