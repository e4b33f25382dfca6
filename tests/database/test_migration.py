"""Stores of earlier schema versions become present ones, on request and with a copy."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mongomock
import pytest

from whiteline.database import MongoStore, SpectrumQuery, migrate, open_store
from whiteline.database.administration import verify_store
from whiteline.database.mongo_migration import migrate_collections
from whiteline.database.query import ANY_STATUS
from whiteline.errors import ParameterError, SchemaVersionError, StoreError
from whiteline.provenance import ProvenanceRecord, content_checksum

if TYPE_CHECKING:
    from tests.database.conftest import DocumentMaker, RecordMaker

STORES = Path(__file__).parents[1] / "data" / "stores"
EXPECTED: list[dict[str, Any]] = json.loads((STORES / "v1.json").read_text(encoding="utf-8"))


@pytest.fixture
def old_file(tmp_path: Path) -> Path:
    return Path(shutil.copy(STORES / "v1.db", tmp_path / "spectra.db"))


def test_version_1_is_refused_with_the_command_and_left_alone(old_file: Path) -> None:
    before = old_file.read_bytes()
    for must_exist in (True, False):
        with pytest.raises(SchemaVersionError, match=r"schema version 1 .*run `whiteline db migrate .*spectra\.db`"):
            open_store(old_file, must_exist=must_exist)
    assert old_file.read_bytes() == before
    assert [file.name for file in old_file.parent.iterdir()] == ["spectra.db"]


def test_migrated_file_holds_the_same_documents_to_the_bit(old_file: Path) -> None:
    report = migrate(old_file)
    assert (report.old_version, report.new_version) == (1, 3)
    assert (report.n_spectra, report.n_structures, report.n_records) == (5, 1, 6)
    with open_store(old_file, must_exist=True) as store:
        for expected in EXPECTED:
            assert store.get(expected["id"]).to_dict() == expected
        assert {document.id for document in store.query(SpectrumQuery(status=ANY_STATUS))} == {
            expected["id"] for expected in EXPECTED
        }
        assert store.changes() == ([expected["id"] for expected in EXPECTED], 5)
        assert all(index.is_present for index in store.status().indexes)
        found = store.summaries(SpectrumQuery(status=ANY_STATUS, parameters={"is_fast": True}))
        assert [summary.id for summary in found] == [EXPECTED[1]["id"]]


def test_migrated_records_are_those_that_were_there(old_file: Path) -> None:
    with closing(sqlite3.connect(old_file)) as connection:
        rows = connection.execute("SELECT spectrum_id, record FROM records ORDER BY started_at").fetchall()
    expected: dict[str, list[Any]] = {}
    for spectrum_id, text in rows:
        expected.setdefault(spectrum_id, []).append(ProvenanceRecord.from_dict(json.loads(text)).to_dict())
    migrate(old_file)
    with open_store(old_file) as store:
        found = {spectrum_id: [record.to_dict() for record in store.records(spectrum_id)] for spectrum_id in expected}
    assert found == expected


def test_copy_beside_the_file_is_the_old_store(old_file: Path) -> None:
    backup = migrate(f"sqlite:///{old_file}").backup
    assert backup is not None
    assert backup.parent == old_file.parent
    assert backup.name.startswith("spectra.db.v1-")
    with pytest.raises(SchemaVersionError):
        open_store(backup)
    assert migrate(backup).n_spectra == 5


def test_migrated_store_takes_new_documents(
    old_file: Path, make_document: DocumentMaker, make_record: RecordMaker
) -> None:
    migrate(old_file)
    with open_store(old_file) as store:
        replaced = make_document(id=EXPECTED[0]["id"], source="again.cif")
        store.put_many([(replaced, make_record()), (make_document("new"), make_record(), {"xmu.dat": b"1"})])
        assert store.get(replaced.id).to_dict() == replaced.to_dict()
        assert len(store.records(replaced.id)) == 3
        assert store.changes(5)[0] == [replaced.id, make_document("new").id]
        for expected in EXPECTED:
            store.delete(expected["id"])
        assert store.status().n_spectra == 1


def test_second_migration_changes_nothing(old_file: Path) -> None:
    migrate(old_file)
    files = {file.name: file.read_bytes() for file in old_file.parent.iterdir()}
    report = migrate(old_file)
    assert (report.old_version, report.new_version, report.backup) == (3, 3, None)
    assert {file.name: file.read_bytes() for file in old_file.parent.iterdir()} == files


def test_interrupted_migration_leaves_the_file_as_it_was(old_file: Path) -> None:
    with closing(sqlite3.connect(old_file)) as connection:
        connection.execute("UPDATE records SET record = '{' WHERE key = 1")
        connection.commit()
    before = old_file.read_bytes()
    with pytest.raises(StoreError, match=r"spectra\.db cannot be used"):
        migrate(old_file)
    assert old_file.read_bytes() == before
    with pytest.raises(SchemaVersionError):
        open_store(old_file)


def test_file_with_a_record_of_no_spectrum_is_not_migrated(old_file: Path) -> None:
    with closing(sqlite3.connect(old_file)) as connection:
        connection.execute("UPDATE records SET spectrum_id = 'feed' WHERE key = 1")
        connection.commit()
    with pytest.raises(StoreError, match=r"left as it is: after its migration it would hold .*'records': 5"):
        migrate(old_file)
    with pytest.raises(SchemaVersionError):
        open_store(old_file)


def test_migration_of_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store at"):
        migrate(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("no database" * 20)
    with pytest.raises(StoreError, match="is not a Whiteline database"):
        migrate(tmp_path / "text.db")
    assert [file.name for file in tmp_path.iterdir()] == ["text.db"]


VERSION_2: list[dict[str, Any]] = json.loads((STORES / "v2.json").read_text(encoding="utf-8"))


@pytest.fixture
def file_of_version_2(tmp_path: Path) -> Path:
    return Path(shutil.copy(STORES / "v2.db", tmp_path / "spectra.db"))


def checksum(text: str) -> str:
    return content_checksum(text.encode())


def digits(text: str) -> str:
    return checksum(text).removeprefix("sha256:")[:40]


# What records of version 2 name, and the jobs that it leads to.
LEADS_TO = {
    checksum("feff.inp"): ["feff-site", "feff-site", "feff-site"],
    checksum("xmu.dat"): ["feff-site"],
    checksum("Ti.UPF"): ["xspectra-site"],
    checksum("rutile.xdi"): ["ingest"],
    digits("site"): ["feff-site", "feff-site", "material-average", "convergence", "put"],
    digits("rung 4.0"): ["feff-site", "convergence"],
    digits("model"): ["predict"],
    digits("average"): ["material-average"],
    "mp-2657": ["put"],
}


def test_version_2_is_refused_with_the_command(file_of_version_2: Path) -> None:
    with pytest.raises(SchemaVersionError, match=r"schema version 2 .*run `whiteline db migrate .*spectra\.db`"):
        open_store(file_of_version_2)


def test_file_of_version_2_keeps_its_documents_and_files(file_of_version_2: Path) -> None:
    report = migrate(file_of_version_2)
    assert (report.old_version, report.new_version) == (2, 3)
    assert (report.n_spectra, report.n_records) == (11, 12)
    with open_store(file_of_version_2) as store:
        assert [store.get(expected["id"]).to_dict() for expected in VERSION_2] == VERSION_2
        assert store.read_file(digits("site"), "feff.inp") == b" TITLE rutile\n"
        assert all(index.is_present for index in store.status().indexes)
        assert verify_store(store).faults == ()


def test_records_of_version_2_are_found_by_what_they_name(file_of_version_2: Path) -> None:
    migrate(file_of_version_2)
    with open_store(file_of_version_2) as store:
        found = {each: [linked.record.activity for linked in store.linked([each])] for each in LEADS_TO}
        assert found == LEADS_TO
        (made,) = store.records(digits("unrecorded"))
        assert (made.activity, made.parents, made.id) == ("put", (digits("site"),), made.content_id)
        assert all(store.records(document["id"]) for document in VERSION_2)


def test_file_of_version_2_with_a_damaged_record_is_migrated_and_the_record_is_named(file_of_version_2: Path) -> None:
    with closing(sqlite3.connect(file_of_version_2)) as connection:
        connection.execute("UPDATE records SET content = '{' WHERE id = (SELECT min(id) FROM records)")
        connection.commit()
    migrate(file_of_version_2)
    with open_store(file_of_version_2) as store:
        (fault,) = verify_store(store).faults
        assert "provenance records cannot be read" in fault.what


def test_database_of_version_2_is_migrated_like_the_file(file_of_version_2: Path) -> None:
    migrate(file_of_version_2)
    database: Any = mongomock.MongoClient()["old"]
    with open_store(file_of_version_2) as source, MongoStore(database) as store:
        for document in map(source.get, (expected["id"] for expected in VERSION_2)):
            store.put_many((document, record) for record in source.records(document.id))
    # As version 2 wrote it: nothing is linked, and a spectrum may be without a record.
    database["records"].update_many({}, {"$unset": {"links": ""}})
    database["records"].delete_many({"spectrum_id": digits("unrecorded")})
    database["meta"].update_one({"_id": "schema"}, {"$set": {"version": 2}})
    for collection, index in (("records", "records_by_link"), ("spectra", "spectra_suspect")):
        database[collection].drop_index(index)
    report = migrate_collections(database, address="old", is_backed_up=True)
    assert (report.old_version, report.new_version, report.n_records) == (2, 3, 12)
    with MongoStore(database) as store:
        found = {each: [linked.record.activity for linked in store.linked([each])] for each in LEADS_TO}
        assert found == LEADS_TO
        assert all(index.is_present for index in store.status().indexes)
        assert verify_store(store).faults == ()


@pytest.fixture
def old_database(make_document: DocumentMaker, make_record: RecordMaker) -> Any:
    """A database as version 1 wrote it: no `meta`, no revisions, and the axis in each spectrum."""
    database: Any = mongomock.MongoClient()["old"]
    with MongoStore(database) as store:
        store.put_many((make_document(name), make_record()) for name in ("first", "second"))
    (axis,) = database["grids"].find()
    change = {"$set": {"energy": axis["energy"]}, "$unset": {"revision": ""}}
    database["spectra"].update_many({"n_points": {"$gt": 0}}, change)
    for name in ("meta", "grids"):
        database.drop_collection(name)
    return database


def test_old_database_is_refused_and_left_alone(old_database: Any) -> None:
    before = list(old_database["spectra"].find())
    with pytest.raises(SchemaVersionError, match="make a backup, then run `whiteline db migrate`"):
        MongoStore(old_database)
    assert list(old_database["spectra"].find()) == before
    assert "meta" not in old_database.list_collection_names()


def test_database_is_not_migrated_without_a_backup(old_database: Any) -> None:
    with pytest.raises(ParameterError, match=r"mongodump.*--i-have-a-backup"):
        migrate_collections(old_database, address="old", is_backed_up=False)
    assert "meta" not in old_database.list_collection_names()


def test_migrated_database_holds_the_same_documents(old_database: Any, make_document: DocumentMaker) -> None:
    report = migrate_collections(old_database, address="old", is_backed_up=True)
    assert (report.old_version, report.new_version, report.backup) == (1, 3, None)
    assert (report.n_spectra, report.n_records) == (2, 2)
    documents = [make_document(name) for name in ("first", "second")]
    with MongoStore(old_database) as store:
        for document in documents:
            assert store.get(document.id).to_dict() == document.to_dict()
        ids, newest = store.changes()
        assert (sorted(ids), newest) == (sorted(document.id for document in documents), 2)
        assert all(index.is_present for index in store.status().indexes)
    assert old_database["spectra"].find_one({"energy": {"$exists": True}}) is None
    assert migrate_collections(old_database, address="old", is_backed_up=False).old_version == 3


def test_interrupted_migration_of_a_database_goes_on(old_database: Any, make_document: DocumentMaker) -> None:
    first = old_database["spectra"].find_one({})
    old_database["grids"].insert_one({"_id": first["grid"], "energy": first["energy"]})
    old_database["meta"].insert_one({"_id": "revision", "value": 2, "writing": []})
    old_database["spectra"].update_one({"_id": first["_id"]}, {"$set": {"revision": 1}, "$unset": {"energy": ""}})
    migrate_collections(old_database, address="old", is_backed_up=True)
    with MongoStore(old_database) as store:
        assert store.get(make_document("first").id).to_dict() == make_document("first").to_dict()
        assert len(store.changes()[0]) == 2
