"""What goes wrong between a store and its server: killed, gone and back, and several writers at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mongomock
import pytest

from tests.servers import MongoServer, start_mongo_server
from whiteline.database import MongoStore, SpectrumDocument, SpectrumQuery, open_store
from whiteline.database.mongo_meta import Revisions
from whiteline.database.query import ANY_STATUS
from whiteline.errors import SchemaVersionError, StoreError
from whiteline.provenance import ProvenanceRecord

if TYPE_CHECKING:
    from tests.database.conftest import DocumentMaker, RecordMaker

ALL = SpectrumQuery(status=ANY_STATUS)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MongoServer]:
    server = start_mongo_server(tmp_path / "data")
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whiteline.database.mongo._TIMEOUT_MS", 1000)
    monkeypatch.setattr("whiteline.database.mongo._GROUP", 20)


def test_server_killed_while_it_is_written_to_holds_every_spectrum_once_after_another_run(
    server: MongoServer, make_document: DocumentMaker, make_record: RecordMaker
) -> None:
    documents = [make_document(str(i)) for i in range(60)]
    records = [make_record() for _ in documents]
    address = f"{server.address}/spectra"

    def items(*, fails_at: int | None) -> Iterator[tuple[SpectrumDocument, ProvenanceRecord, dict[str, bytes]]]:
        for i, (document, record) in enumerate(zip(documents, records, strict=True)):
            if i == fails_at:
                server.kill()
            yield document, record, {"xmu.dat": b"shared"} if i % 10 == 0 else {}

    with open_store(address) as store, pytest.raises(StoreError, match=r"127\.0\.0\.1.*spectra cannot be used"):
        store.put_many(items(fails_at=35))
    server.start()
    with open_store(address, must_exist=True) as store:
        n_before = store.count(ALL)
        assert n_before in (20, 40)  # groups of 20; the second may have arrived
        assert store.put_many(items(fails_at=None)) == 60
        assert store.count(ALL) == 60
        assert {len(store.records(document.id)) for document in documents} == {1}
        assert store.get(documents[0].id).to_dict() == documents[0].to_dict()
        assert store.status().n_files == 6
        assert store.read_file(documents[10].id, "xmu.dat") == b"shared"


def test_connection_that_is_lost_and_back_serves_the_next_call(
    server: MongoServer, make_document: DocumentMaker
) -> None:
    document = make_document()
    with open_store(f"{server.address}/spectra") as store:
        store.put(document)
        server.kill()
        with pytest.raises(StoreError, match="check that the server runs"):
            store.put(make_document("while it is away"))
        with pytest.raises(StoreError, match="check that the server runs"):
            store.count(ALL)
        server.start()
        store.put(make_document("later"))
        assert store.count(ALL) == 2
        assert store.get(document.id).to_dict() == document.to_dict()


def test_server_restarted_between_two_calls_is_not_noticed(server: MongoServer, make_document: DocumentMaker) -> None:
    with open_store(f"{server.address}/spectra") as store:
        store.put(make_document("before"))
        server.kill()
        server.start()
        store.put(make_document("after"))
        assert store.count(ALL) == 2


def test_two_writers_of_the_same_documents_at_once_lose_and_double_nothing(
    mongo_address: str, make_document: DocumentMaker, make_record: RecordMaker
) -> None:
    documents = [make_document(str(i)) for i in range(60)]
    records = [[make_record(f"2026-0{month}-05T10:00:00.000+00:00") for _ in documents] for month in (1, 2)]
    address = f"{mongo_address.rstrip('/')}/writers_{time.time_ns()}"
    with open_store(address) as first, open_store(address) as second:

        def write(i_writer: int) -> int:
            order = documents if i_writer == 0 else documents[::-1]
            by_id = dict(zip((document.id for document in documents), records[i_writer], strict=True))
            items = [(document, by_id[document.id], {"log": b"the same"}) for document in order]
            return (first, second)[i_writer].put_many(items[:5]) + (first, second)[i_writer].put_many(
                (document, record) for document, record, _ in items[5:]
            )

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(write, range(2))) == [60, 60]
        assert first.count(ALL) == 60
        assert {len(first.records(document.id)) for document in documents} == {2}
        assert first.read_file(documents[0].id, "log") == b"the same"
        ids, newest = first.changes()
        assert sorted(ids) == sorted(document.id for document in documents)
        assert newest == 120


def test_changes_stop_before_a_group_that_is_still_being_written(make_document: DocumentMaker) -> None:
    database: Any = mongomock.MongoClient()["test"]
    with MongoStore(database) as store:
        store.put(make_document("first"))
        with Revisions(database["meta"]).taking(5):
            store.put(make_document("overtakes"))
            assert store.changes() == ([make_document("first").id], 1)
        ids, newest = store.changes(1)
        assert (ids, newest) == ([make_document("overtakes").id], 7)


def test_writer_that_was_killed_holds_changes_up_for_a_while_only(make_document: DocumentMaker) -> None:
    database: Any = mongomock.MongoClient()["test"]
    with MongoStore(database) as store:
        long_ago = {"first": 1, "since": time.time() - 3600}
        database["meta"].update_one({"_id": "revision"}, {"$set": {"value": 3}, "$push": {"writing": long_ago}})
        store.put(make_document())
        assert store.changes() == ([make_document().id], 4)


def test_database_of_a_newer_schema_is_refused() -> None:
    database: Any = mongomock.MongoClient()["test"]
    MongoStore(database).close()
    database["meta"].update_one({"_id": "schema"}, {"$set": {"version": 99}})
    with pytest.raises(SchemaVersionError, match=r"schema version 99.*pip install -U"):
        MongoStore(database)


def test_database_without_a_store_is_not_made_by_reading() -> None:
    database: Any = mongomock.MongoClient()["test"]
    with pytest.raises(StoreError, match=r"no store at .* yet"):
        MongoStore(database, must_exist=True)
    assert database.list_collection_names() == []


def test_empty_store_that_was_made_is_a_store() -> None:
    database: Any = mongomock.MongoClient()["test"]
    MongoStore(database).close()
    assert MongoStore(database, must_exist=True).count(ALL) == 0


def test_file_longer_than_a_document_may_be_is_kept_in_chunks(
    monkeypatch: pytest.MonkeyPatch, make_document: DocumentMaker
) -> None:
    monkeypatch.setattr("whiteline.database.mongo_files.CHUNK_SIZE", 100)
    database: Any = mongomock.MongoClient()["test"]
    content = bytes(i * i % 251 for i in range(5000))
    with MongoStore(database) as store:
        store.put(make_document(), None, {"a": content, "b": content})
        assert database["blobs"].count_documents({}) > 2
        assert store.read_file(make_document().id, "b") == content
        store.delete(make_document().id)
        assert database["blobs"].count_documents({}) == 0


def test_damaged_file_is_named(make_document: DocumentMaker) -> None:
    database: Any = mongomock.MongoClient()["test"]
    with MongoStore(database) as store:
        store.put(make_document(), None, {"xmu.dat": b"content"})
        database["blobs"].delete_many({})
        with pytest.raises(StoreError, match=r"xmu\.dat of spectrum .* is damaged .*restore it from a backup"):
            store.read_file(make_document().id, "xmu.dat")
