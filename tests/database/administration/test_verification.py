from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from whiteline.database import MongoStore, SQLiteStore
from whiteline.database.administration import backup, look_over, restore, verify_store
from whiteline.database.administration.entries import EVERYTHING
from whiteline.database.administration.verification_sqlite import _HASHED, _REFERRING, _SHARED
from whiteline.errors import CorruptStoreError

from .conftest import BACKENDS, StoreOpener

if TYPE_CHECKING:
    from tests.database.conftest import DocumentMaker
    from whiteline.database.store import Item


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_whole_store_has_no_faults(open_empty: StoreOpener, items: Sequence[Item], backend: str) -> None:
    store = open_empty(backend)
    store.put_many(items)
    report = verify_store(store)
    assert report.faults == ()
    assert (report.n_spectra, report.n_records, report.n_files) == (7, 8, 5)


# Statement, place of the fault, and how it is worded. ID is that of the document `a`, G of `g`.
KEY = "SELECT key FROM spectra WHERE id = 'ID'"
DAMAGES = [
    ("UPDATE components SET data = x'0011' WHERE key = (KEY)", "ID", "cannot be read"),
    ("UPDATE components SET data = zeroblob(8 * 40 * 3) WHERE key = (KEY)", "ID", "cannot be read"),
    ("UPDATE components SET data = zeroblob(1) WHERE key = (KEY)", "ID", "components 0 numbers"),
    ("DELETE FROM components WHERE key = (KEY)", "ID", "states 40 points, its axis has 0"),
    ("UPDATE spectra SET n_points = 41 WHERE id = 'ID'", "ID", "states 41 points"),
    ("UPDATE spectra SET details = x'00' WHERE id = 'ID'", "ID", "cannot be read"),
    ("UPDATE spectra SET structure_key = 999 WHERE id = 'ID'", "ID", "its structure or its parameters are missing"),
    ("UPDATE spectra SET parameters_key = 999 WHERE id = 'ID'", "ID", "its structure or its parameters are missing"),
    ("UPDATE records SET content = x'00' WHERE spectrum_key = (KEY)", "ID", "its provenance records cannot be read"),
    ("UPDATE blobs SET content = zeroblob(9) WHERE size = 5120", "ID", "out/xmu.dat"),
    ("DELETE FROM blobs WHERE size = 5120", "files out/xmu.dat of ID", "content of this raw file is missing"),
    ("INSERT INTO components VALUES (999, 1, NULL, x'00')", "components 999", "belong to no spectrum"),
    ("INSERT INTO records VALUES (999, 'r9', '', '{}', 1)", "records r9", "belongs to no spectrum"),
    ("INSERT INTO files VALUES (999, 'left.txt', 1)", "files left.txt", "belongs to no spectrum"),
    ("INSERT INTO structures VALUES (999, x'00', x'00', '')", "structures 999", "no spectrum refers"),
    ("INSERT INTO grids VALUES (999, x'00', x'00')", "grids 999", "no spectrum refers"),
    ("INSERT INTO blobs VALUES (999, x'00', 0, x'00')", "blobs 999", "no spectrum refers"),
    ("UPDATE parameters SET content = '{}'", "parameters 1", "not what its hash says"),
    ("UPDATE contexts SET content = '{}'", "contexts 1", "not what its hash says"),
    ("UPDATE records SET context_key = 999, id = 'r9' WHERE spectrum_key = 7", "records r9 of G", "is missing"),
    ("INSERT INTO descriptions VALUES (999, x'00', '')", "descriptions 999", "no spectrum refers"),
    ("DELETE FROM elements", "ID", "queries by element miss it"),
]


@pytest.mark.parametrize(("statement", "where", "what"), DAMAGES)
def test_every_fault_of_a_file_is_named_with_its_place_and_remedy(
    filled: SQLiteStore, make_document: DocumentMaker, statement: str, where: str, what: str
) -> None:
    spectrum_id = make_document("a").id
    filled._connection().execute(statement.replace("KEY", KEY).replace("ID", spectrum_id))
    faults = verify_store(filled).faults
    place = where.replace("ID", spectrum_id).replace("G", make_document("g").id)
    named = [fault for fault in faults if fault.where == place]
    assert any(what in fault.what for fault in named), faults
    assert all(fault.remedy for fault in faults)


# What a restore does not mend: leftovers, what is no part of a document, and records that can be read and are others.
LEFT = ("VALUES (999", "SET n_points", "FROM elements", "id = 'r9'", "UPDATE contexts SET content = '{}'")
MENDED = [
    *(statement for statement, _, _ in DAMAGES if not any(words in statement for words in LEFT)),
    "UPDATE structures SET content = x'00'",
    "DELETE FROM structures",
    "UPDATE grids SET content = zeroblob(8)",
    "DELETE FROM grids",
    "UPDATE parameters SET content = '{'",
    "UPDATE descriptions SET content = '{'",
    "UPDATE contexts SET content = '{'",
    "DELETE FROM contexts",
]


@pytest.mark.parametrize("statement", MENDED)
def test_what_was_damaged_is_mended_from_a_backup(
    filled: SQLiteStore, make_document: DocumentMaker, tmp_path: Path, statement: str
) -> None:
    saved = backup(filled, tmp_path / "saved.tar").path
    filled._connection().execute(statement.replace("KEY", KEY).replace("ID", make_document("a").id))
    assert verify_store(filled).faults
    report = restore(saved, filled, is_into_existing=True, replace=True)
    assert report.comparison.is_equal
    assert verify_store(filled).faults == ()


def test_what_is_damaged_stays_until_it_may_be_replaced(
    filled: SQLiteStore, make_document: DocumentMaker, tmp_path: Path
) -> None:
    saved = backup(filled, tmp_path / "saved.tar").path
    spectrum_id = make_document("a").id
    filled._connection().execute("UPDATE spectra SET details = '{' WHERE id = ?", (spectrum_id,))
    report = restore(saved, filled, is_into_existing=True)
    assert (report.n_replaced, report.n_same) == (0, 6)
    (difference,) = report.comparison.differences
    assert difference.id == spectrum_id
    assert "is damaged there" in difference.what


def test_a_damaged_spectrum_is_told_apart_from_bad_input(filled: SQLiteStore, make_document: DocumentMaker) -> None:
    spectrum_id = make_document("a").id
    filled._connection().execute("UPDATE records SET content = '{'")
    with pytest.raises(CorruptStoreError, match=f"spectrum {spectrum_id} in .*whiteline db verify"):
        filled.records(spectrum_id)
    filled._connection().execute("UPDATE grids SET content = zeroblob(8)")
    with pytest.raises(CorruptStoreError, match=f"spectrum {spectrum_id} in .*whiteline db verify"):
        filled.get(spectrum_id)
    filled._connection().execute("UPDATE parameters SET content = '{'")
    with pytest.raises(CorruptStoreError, match=r"spectrum \w+ in .*whiteline db verify"):
        list(filled.summaries(EVERYTHING))


def test_a_deleted_spectrum_leaves_no_fault(filled: SQLiteStore, items: Sequence[Item]) -> None:
    for item in items:
        if filled.has(item[0].id):
            filled.delete(item[0].id)
    assert verify_store(filled).faults == ()


def test_every_table_of_the_file_is_looked_at(filled: SQLiteStore) -> None:
    looked_at = {row[0] for row in (*_REFERRING, *_SHARED)} | {*_HASHED, "spectra", "elements", "meta"}
    looked_at |= {"links", "activities", "members"}  # each has a test in `test_linked_records`
    tables = filled._connection().execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    assert {name for (name,) in tables} == looked_at | {"marks"}


def test_infinity_in_stored_numbers_is_a_fault(filled: SQLiteStore, make_document: DocumentMaker) -> None:
    sql = "UPDATE components SET data = ? WHERE key = (SELECT key FROM spectra WHERE id = ?)"
    infinity = np.full(80, np.inf, dtype="<f8").tobytes()
    filled._connection().execute(sql, (infinity, make_document("a").id))
    (fault,) = verify_store(filled).faults
    assert "nan or infinity" in fault.what


def test_damaged_pages_are_found(open_empty: StoreOpener, items: Sequence[Item]) -> None:
    store = open_empty("sqlite", "damaged")
    assert isinstance(store, SQLiteStore)
    store.put_many(items)
    store._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    content = bytearray(store.path.read_bytes())
    middle = len(content) // 8192 // 2
    for page in range(middle, middle + 6):
        content[8192 * page : 8192 * page + 100] = bytes(range(100))
    store.path.write_bytes(content)
    try:
        with SQLiteStore(store.path) as reopened:
            faults = verify_store(reopened).faults
    except CorruptStoreError as error:  # where the damage lies in the schema itself
        assert "restore a backup" in str(error)
        return
    assert any("integrity check" in fault.what or "damaged" in fault.what for fault in faults)
    assert all(fault.remedy for fault in faults)


def edit(database: Any, collection: str, condition: dict[str, Any], change: dict[str, Any]) -> None:
    assert database[collection].update_one(condition, {"$set": change}).modified_count


@pytest.mark.parametrize(
    ("collection", "change", "what"),
    [
        ("spectra", {"components": b"\x00" * 7}, "components 0 numbers"),
        ("spectra", {"n_points": 41}, "states 41 points, its axis has 40"),
        ("spectra", {"structure_key": "none"}, "cannot be read"),
        ("spectra", {"details": {}}, "cannot be read"),
        ("records", {"record": {"schema_version": 1}}, "its provenance records cannot be read"),
        ("files", {"size": 4}, "its raw file"),
        ("files", {"packed": "none"}, "its raw file"),
    ],
)
def test_every_fault_of_a_database_is_named(
    open_empty: StoreOpener,
    items: Sequence[Item],
    make_document: DocumentMaker,
    collection: str,
    change: dict[str, Any],
    what: str,
) -> None:
    store = open_empty("mongo")
    assert isinstance(store, MongoStore)
    store.put_many(items)
    spectrum_id = make_document("a").id
    field = "_id" if collection == "spectra" else "spectrum_id"
    edit(store.database, collection, {field: spectrum_id}, change)
    faults = verify_store(store).faults
    assert any(fault.where == spectrum_id and what in fault.what for fault in faults), faults


@pytest.mark.parametrize(
    ("collection", "change"),
    [
        ("spectra", {"components": b"\x00" * 7}),
        ("spectra", {"details": {}}),
        ("spectra", {"structure_key": "none"}),
        ("structures", {"structure": {"lattice": None}}),
        ("grids", {"energy": b"\x00" * 8}),
        ("blobs", {"content": b"\x00"}),
        ("files", {"packed": "none"}),
    ],
)
def test_what_was_damaged_in_a_database_is_mended_from_a_backup(
    open_empty: StoreOpener, items: Sequence[Item], tmp_path: Path, collection: str, change: dict[str, Any]
) -> None:
    store = open_empty("mongo")
    assert isinstance(store, MongoStore)
    store.put_many(items)
    saved = backup(store, tmp_path / "saved.tar").path
    edit(store.database, collection, {}, change)
    report = restore(saved, store, is_into_existing=True, replace=True)
    assert report.comparison.is_equal
    assert verify_store(store).faults == ()


def test_what_a_killed_writer_left_in_a_database_is_named(
    open_empty: StoreOpener, items: Sequence[Item], make_document: DocumentMaker
) -> None:
    store = open_empty("mongo")
    assert isinstance(store, MongoStore)
    store.put_many(items)
    spectrum_id = make_document("a").id
    store.database["spectra"].delete_one({"_id": spectrum_id})
    faults = verify_store(store).faults
    assert {fault.where.partition(" ")[0] for fault in faults} == {"records", "files"}
    assert all(spectrum_id in fault.where and "run its command again" in fault.remedy for fault in faults)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_overview_counts_by_status_kind_code_and_absorber(
    open_empty: StoreOpener, items: Sequence[Item], backend: str
) -> None:
    store = open_empty(backend)
    store.put_many(items)
    found = look_over(store)
    assert found.counts == {
        "status": {"unconverged": 6, "failed": 1},
        "kind": {"site": 6, "material": 1},
        "code": {"feff": 7},
        "absorber": {"Ti": 7},
    }
    assert (found.status.n_spectra, found.status.n_records, found.status.n_files) == (7, 8, 5)
    assert found.newest == "2026-01-05T10:00:00.000+00:00"
    assert found.missing_indexes == ()
    assert found.revision == store.changes()[1] > 0


def test_a_missing_index_is_told_and_made_again(filled: SQLiteStore) -> None:
    name = filled.status().indexes[1].name
    filled._connection().execute(f"DROP INDEX {name}")
    assert look_over(filled).missing_indexes == (name,)
    assert filled.prepare() == (name,)
    assert look_over(filled).missing_indexes == ()
