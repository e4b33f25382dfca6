"""What only the embedded store can do wrong: files, processes and disks."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from whiteline.broadening import BroadeningRecord, Gaussian, Origin
from whiteline.database import SpectrumQuery, SQLiteStore, open_store
from whiteline.database.query import ANY_STATUS
from whiteline.database.rows import in_groups
from whiteline.database.sqlite_file import APPLICATION_ID
from whiteline.database.sqlite_filter import order_and_window
from whiteline.database.sqlite_plan import make_plan
from whiteline.errors import CorruptStoreError, ParameterError, SchemaVersionError, StoreError

if TYPE_CHECKING:
    from tests.database.conftest import DocumentMaker, RecordMaker

ALL = SpectrumQuery(status=ANY_STATUS)
ARTEFACT = Path(__file__).parents[1] / "data" / "documents" / "spectrum-v1.json"

# Writes documents one by one, each with a record; the id says whose and which it is.
WRITER = """
import json, sys
from dataclasses import replace
from pathlib import Path
from whiteline.database import SpectrumDocument, open_store
from whiteline.provenance import ProvenanceRecord

artefact, path, writer, n_documents = sys.argv[1:]
example = SpectrumDocument.from_dict(json.loads(Path(artefact).read_text(encoding="utf-8")))
record = ProvenanceRecord("feff-site", {}, {}, "feff", "10", {}, "2026-01-01", "2026-01-01")
with open_store(path) as store:
    for i in range(int(n_documents)):
        spectrum = replace(example.spectrum, shift=float(i))
        store.put(replace(example, id=f"{writer}{i:039x}", spectrum=spectrum), record)
        if i == 20:
            print("writing", flush=True)
"""


def start_writer(path: Path, writer: str, *, n_documents: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(ARTEFACT), str(path), writer, str(n_documents)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_that_make_and_write_one_store_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "spectra.db"
    writers = [start_writer(path, writer, n_documents=200) for writer in "ab"]
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0, 0]
    with open_store(path, must_exist=True) as store:
        assert store.count(ALL) == 400
        assert store.count(SpectrumQuery(status=ANY_STATUS, id_prefix="a")) == 200
        assert len(store.records("b" + "0" * 39)) == 1


def test_killed_writer_leaves_only_whole_documents(tmp_path: Path) -> None:
    path = tmp_path / "spectra.db"
    with start_writer(path, "a", n_documents=10**6) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        time.sleep(0.05)  # a while in which it is somewhere in the middle of a document
        writer.send_signal(signal.SIGKILL)
    with open_store(path) as store:
        documents = list(store.query(SpectrumQuery(status=ANY_STATUS, sort="id")))
        assert len(documents) >= 21
        for i, document in enumerate(documents):
            assert document.id == f"a{i:039x}"
            assert document.spectrum is not None
            assert document.spectrum.shift == i
            assert len(store.records(document.id)) == 1
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_threads_share_a_store(tmp_path: Path, make_document: DocumentMaker) -> None:
    with SQLiteStore(tmp_path / "spectra.db") as store:

        def write_and_read(i: int) -> bool:
            document = make_document(f"{i}")
            store.put(document)
            return store.get(document.id).to_dict() == document.to_dict()

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(write_and_read, range(80)))
        assert store.count(ALL) == 80


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_process_opens_its_own_connection(tmp_path: Path, make_document: DocumentMaker) -> None:
    with SQLiteStore(tmp_path / "spectra.db") as store:
        before = store._connection()
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            mine = store._connection()
            store.close()
            before.execute("SELECT 1")  # is its parent's to close
            os.write(write_end, b"own" if mine is not before else b"old")
            os._exit(0)
        os.close(write_end)
        os.waitpid(pid, 0)
        assert os.read(read_end, 3) == b"own"
        os.close(read_end)
        store.put(make_document())
        assert store.count(ALL) == 1


def _garbage(path: Path) -> None:
    path.write_bytes(b"energy mu\n7112.0 0.1\n" * 100)


def _cut_header(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\x00")


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE nodes (id INTEGER); INSERT INTO nodes VALUES (7);")


def _marked_foreign(path: Path) -> None:
    _foreign(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA application_id = 1196444487;")


@pytest.mark.parametrize("spoil", [_garbage, _cut_header, _foreign, _marked_foreign])
def test_file_that_is_no_store_is_refused_and_left_alone(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    path = tmp_path / "spectra.db"
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(CorruptStoreError, match=r"spectra\.db.*(move the file away|another path)"):
        open_store(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["spectra.db"]


def test_damage_in_the_middle_is_named_with_a_remedy(tmp_path: Path, make_document: DocumentMaker) -> None:
    path = tmp_path / "spectra.db"
    with SQLiteStore(path) as store:
        store.put_many((make_document(str(i)), None) for i in range(300))
    content = bytearray(path.read_bytes())
    # All but the first page, where the format and the names of the tables stand.
    content[8192:] = b"\x5a" * (len(content) - 8192)
    path.write_bytes(content)
    with SQLiteStore(path) as store, pytest.raises(CorruptStoreError, match=r"spectra\.db is damaged.*recover"):
        list(store.query(ALL))
    assert path.stat().st_size == len(content)


def test_newer_schema_is_refused_with_a_remedy(tmp_path: Path, make_document: DocumentMaker) -> None:
    path = tmp_path / "spectra.db"
    with SQLiteStore(path) as store:
        store.put(make_document())
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(SchemaVersionError, match=r"spectra\.db has schema version 99.*pip install -U"):
        open_store(path)


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"folder .*file.* cannot be made.*writable place"):
        open_store(tmp_path / "file" / "below" / "spectra.db")
    with pytest.raises(StoreError, match=r"is a folder: give the file"):
        open_store(tmp_path)


def test_reading_never_makes_a_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no store at .*spectra\.db yet"):
        open_store(tmp_path / "new" / "spectra.db", must_exist=True)
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_named_and_loses_nothing(tmp_path: Path, make_document: DocumentMaker) -> None:
    with SQLiteStore(tmp_path / "spectra.db") as store:
        store.put(make_document("kept"))
        (n_pages,) = store._connection().execute("PRAGMA page_count").fetchone()
        store._connection().execute(f"PRAGMA max_page_count = {n_pages}")
        with pytest.raises(StoreError, match=r"spectra\.db .*disk is full.*free some space"):
            store.put_many((make_document(str(i)), None) for i in range(400))
        assert [s.id for s in store.summaries(ALL)] == [make_document("kept").id]
        store._connection().execute("PRAGMA max_page_count = 100000")
        assert store.put_many((make_document(str(i)), None) for i in range(400)) == 400
        assert store.count(ALL) == 401


def test_store_that_cannot_be_written_is_read_and_says_so_on_writing(
    tmp_path: Path, make_document: DocumentMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spectra.db"
    with SQLiteStore(path) as store:
        store.put(make_document())
    # Permissions do not stop an administrator, so that the answer to the question is replaced.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with open_store(path, must_exist=True) as store:
        assert store.get(make_document().id).to_dict() == make_document().to_dict()
        with pytest.raises(StoreError, match=r"spectra\.db is read-only.*writable"):
            store.put(make_document("another"))
        with pytest.raises(StoreError, match="is read-only"):
            store.check_writable()


def test_unused_axes_and_structures_are_removed(
    tmp_path: Path, make_document: DocumentMaker, make_record: RecordMaker
) -> None:
    def sizes(store: SQLiteStore) -> list[int]:
        tables = ("spectra", "structures", "grids", "components", "records")
        return [store._rows(f"SELECT count(*) FROM {table}", ())[0][0] for table in tables]  # noqa: S608

    with SQLiteStore(tmp_path / "spectra.db") as store:
        first, second = make_document("first"), make_document("second")
        assert first.spectrum is not None
        store.put_many([(first, make_record()), (second, make_record())])
        assert sizes(store) == [2, 1, 1, 2, 2]
        store.put(make_document("first", spectrum=first.spectrum.shift_by(0.5)))
        assert sizes(store) == [2, 1, 2, 2, 2]
        store.put(first)
        assert sizes(store) == [2, 1, 1, 2, 2]
        store.delete(first.id)
        store.delete(second.id)
        assert sizes(store) == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("write", ["{path}", "sqlite:///{path}"])
def test_address_opens_the_same_store(tmp_path: Path, make_document: DocumentMaker, write: str) -> None:
    with open_store(write.format(path=tmp_path / "spectra.db")) as store:
        store.put(make_document())
        address = store.address
    with open_store(address, must_exist=True) as store:
        assert store.count(ALL) == 1


@pytest.mark.parametrize(
    ("address", "hint"),
    [("mongo://host/x", "did you mean 'mongodb'"), (":memory:", "needs a file"), ("sqlite://", "needs a file")],
)
def test_unknown_address_is_refused(address: str, hint: str) -> None:
    with pytest.raises(ParameterError, match=hint):
        open_store(address)


@pytest.mark.parametrize("address", ["mongodb:/me:s3cr3t@host/x", "MongoDB+srv:host", "sqlite:/x.db", "sqlite:x.db"])
def test_a_mistyped_address_makes_no_folder(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError, match="two slashes") as caught:
        open_store(address)
    assert "s3cr3t" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("sizes", "groups"), [([0] * 5, [2, 2, 1]), ([9, 1, 1, 9], [1, 2, 1]), ([], [])])
def test_a_group_is_written_before_its_raw_files_fill_the_memory(
    make_document: DocumentMaker, monkeypatch: pytest.MonkeyPatch, sizes: list[int], groups: list[int]
) -> None:
    monkeypatch.setattr("whiteline.database.rows._GROUP_BYTES", 8)
    items = [(make_document(), None, {"log": bytes(size)} if size else None) for size in sizes]
    assert [len(group) for group in in_groups(items, 2)] == groups


def test_a_size_that_no_file_can_have_is_not_unpacked(tmp_path: Path, make_document: DocumentMaker) -> None:
    with SQLiteStore(tmp_path / "spectra.db") as store:
        store.put(make_document(), files={"log": bytes(1000)})
        store._connection().execute("UPDATE blobs SET size = 1 << 50")
        with pytest.raises(CorruptStoreError, match="expected at most"):
            store.read_file(make_document().id, "log")


def test_a_damaged_raw_file_is_mended_by_storing_it_again(tmp_path: Path, make_document: DocumentMaker) -> None:
    with SQLiteStore(tmp_path / "spectra.db") as store:
        store.put(make_document(), files={"log": b"converged"})
        store._connection().execute("UPDATE blobs SET content = x'00'")
        store.put_files(make_document().id, {"log": b"converged"})
        assert store.read_file(make_document().id, "log") == b"converged"


def test_equal_numbers_of_other_types_are_kept_apart(tmp_path: Path, make_document: DocumentMaker) -> None:
    spectrum = make_document().spectrum
    assert spectrum is not None
    whole = BroadeningRecord(Gaussian(1.0), Origin.INSTRUMENT)
    object.__setattr__(whole.profile, "fwhm", 1)  # as callers without type checks give it
    documents = [
        make_document(f"document {i}", spectrum=replace(spectrum, broadening=(record,)))
        for i, record in enumerate((whole, BroadeningRecord(Gaussian(1.0), Origin.INSTRUMENT)))
    ]
    with SQLiteStore(tmp_path / "spectra.db") as store:
        store.put_many((document, None) for document in documents)
        widths = store._connection().execute(
            "SELECT json_extract(content, '$.spectrum.broadening[0].profile.fwhm') FROM descriptions"
        )
        assert [repr(width) for (width,) in widths] == ["1", "1.0"]


def test_closed_store_says_so(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "spectra.db")
    store.close()
    with pytest.raises(StoreError, match="has been closed"):
        store.count(ALL)


@pytest.mark.parametrize(
    "address",
    [
        "mongodb://me:s3cr3t@[bad/spectra",
        "mongodb://me:s3cr3t@x@localhost:99999999/spectra",
        "mongodb://me:s3:cr3t@localhost/spectra?authMechanismProperties=AWS_SESSION_TOKEN:s3cr3t",
        "mongodb://me:s3cr3t?x@localhost/spectra",
    ],
)
def test_password_appears_in_no_message(address: str) -> None:
    with pytest.raises((ParameterError, StoreError)) as caught:
        open_store(address)
    chain: list[Any] = [caught.value, caught.value.__cause__]
    assert not any("s3cr3t" in str(error) or "s3:cr3t" in str(error) for error in chain)
    assert caught.value.__cause__ is None or caught.value.__cause__.__class__.__module__ != "pymongo.errors"


def test_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whiteline.database.mongo._TIMEOUT_MS", 50)
    with pytest.raises(StoreError, match=r"mongodb://\*\*\*@127\.0\.0\.1:1/spectra cannot be used.*server runs"):
        open_store("mongodb://me:s3cr3t@127.0.0.1:1/spectra")


def test_package_imports_neither_pymatgen_nor_pymongo() -> None:
    code = "import sys, whiteline.database; print({'pymatgen', 'pymongo', 'numpy', 'bson'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({"sort": "-created_at"}, "spectra_by_time"),
        ({"absorber": "Ti", "edge": "K"}, "spectra_by_absorber"),
        ({"absorber": "Ti", "edge": "K", "fidelity": "feff:fast"}, "spectra_by_fidelity"),
        ({"formula": "TiO2"}, "spectra_by_formula"),
        ({"chemical_system": "Ti-O"}, "spectra_by_system"),
        ({"elements_all": ("Ti", "O")}, "spectra_by_system"),
        ({"elements_none": ("Li",)}, "spectra_by_system"),
        ({"space_group": 136, "absorber": "Ti"}, "spectra_by_space_group"),
        ({"absorber": "Ti", "parameters": {"fms_radius": 6.0}}, "spectra_by_parameters"),
        ({"id_prefix": "ab", "sort": "id"}, "sqlite_autoindex_spectra_1"),
        ({"structure_id": "ab"}, "spectra_by_structure"),
        ({"site_id": "ab"}, "spectra_by_site"),
        ({"status": "failed"}, "spectra_not_converged"),
    ],
)
@pytest.mark.parametrize("status", ["converged", "any"])
def test_common_query_reads_no_more_than_an_index(
    tmp_path: Path, query: dict[str, Any], index: str, status: str
) -> None:
    wanted = SpectrumQuery(**{"status": status, "limit": 50, **query})
    with SQLiteStore(tmp_path / "spectra.db") as store:
        plan = make_plan(store._connection(), wanted)
        where = f"{plan.condition}{order_and_window(wanted)}"
        sql = f"EXPLAIN QUERY PLAN SELECT s.key FROM {plan.table} WHERE {where}"  # noqa: S608
        steps = [str(row[3]) for row in store._rows(sql, plan.values)]
    assert any(f"INDEX {index}" in step for step in steps)
    assert not any(step == "SCAN s" for step in steps)


@pytest.mark.parametrize("few", [0, 5000])
@pytest.mark.parametrize("few_sets", [0, 20_000])
@pytest.mark.parametrize(
    "query",
    [
        {"elements_all": ("O", "Ti"), "elements_none": ("Li",)},
        {"elements_any": ("Li", "Ni"), "absorber": "Ni"},
        {"parameters": {"n": (">=", 3), "kind": ("!=", "odd")}},
        {"elements_none": ("Ni",), "parameters": {"n": ("in", [1, 2, 9])}, "absorber": "Ti"},
    ],
)
def test_every_way_to_a_result_leads_to_the_same(
    tmp_path: Path,
    make_document: DocumentMaker,
    monkeypatch: pytest.MonkeyPatch,
    query: dict[str, Any],
    few: int,
    few_sets: int,
) -> None:
    monkeypatch.setattr("whiteline.database.sqlite_plan.FEW", few)
    monkeypatch.setattr("whiteline.database.sqlite_plan._FEW_SETS", few_sets)
    systems = [("Ti", "O-Ti"), ("Ni", "Ni-O"), ("Ti", "Li-O-Ti"), ("Ti", "Ti")]
    with SQLiteStore(tmp_path / "spectra.db") as store:
        for i in range(24):
            absorber, system = systems[i % 4]
            parameters = {"n": i % 5, "kind": "odd" if i % 2 else "even"}
            changes = {"absorber": absorber, "chemical_system": system, "created_at": f"2026-01-{1 + i:02d}"}
            store.put(make_document(str(i), parameters=parameters, **changes))
        everything = SpectrumQuery(status="any", sort="-created_at", **query)
        found = [summary.id for summary in store.summaries(everything)]
        assert 0 < len(found) == store.count(everything) < 24
        assert [summary.id for summary in store.summaries(everything.replace(limit=3))] == found[:3]


def test_store_without_an_index_still_finds(tmp_path: Path, make_document: DocumentMaker) -> None:
    query = SpectrumQuery(status="any", elements_all=("Ti",), parameters={"fms_radius": 6.0}, limit=5)
    with SQLiteStore(tmp_path / "spectra.db") as store:
        store.put(make_document(parameters={"fms_radius": 6.0}))
        for name in ("spectra_by_system", "spectra_by_parameters"):
            store._rows(f"DROP INDEX {name}", ())
        assert [summary.id for summary in store.summaries(query)] == [make_document().id]


def test_damaged_raw_file_is_named(tmp_path: Path, make_document: DocumentMaker) -> None:
    with SQLiteStore(tmp_path / "spectra.db") as store:
        store.put(make_document(), None, {"xmu.dat": b"content"})
        store._rows("UPDATE blobs SET content = x'00'", ())
        with pytest.raises(CorruptStoreError, match=r"xmu\.dat of spectrum .* is damaged .*restore it from a backup"):
            store.read_file(make_document().id, "xmu.dat")


def test_shared_contents_are_kept_once(tmp_path: Path, make_document: DocumentMaker, make_record: RecordMaker) -> None:
    tables = ("structures", "grids", "parameters", "descriptions", "contexts", "blobs")
    with SQLiteStore(tmp_path / "spectra.db") as store:
        store.put_many((make_document(str(i)), make_record(), {"log": b"same"}) for i in range(10))
        store.put(make_document("later"), make_record(), {"log": b"same"})
        assert [store._rows(f"SELECT count(*) FROM {table}", ())[0][0] for table in tables] == [1] * 6  # noqa: S608
