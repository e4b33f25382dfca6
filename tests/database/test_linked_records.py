"""What every store knows of lineage: records found by what they name, jobs that made no spectrum, and marks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mongomock
import pytest
from pymongo import MongoClient

from whiteline.database import MongoStore, SpectrumQuery, SpectrumStore, SQLiteStore, open_store
from whiteline.database.administration import verify_store
from whiteline.database.linked import RecordCondition
from whiteline.database.query import ANY_STATUS
from whiteline.errors import ParameterError, SchemaVersionError
from whiteline.provenance import Kind, ProvenanceRecord
from whiteline.status import Status

if TYPE_CHECKING:
    from tests.database.conftest import DocumentMaker

ALL = SpectrumQuery(status=ANY_STATUS)
DATASET = "d5" * 32
FILE = f"sha256:{'ab' * 32}"
POTENTIAL = f"sha256:{'ac' * 32}"


def record_of(
    made: Mapping[Any, Any], used: Mapping[Any, Any] | None = None, *, day: int = 5, **more: Any
) -> ProvenanceRecord:
    moment = f"2026-01-{day:02d}T10:00:00.000+00:00"
    values = {
        "code": "feff",
        "code_version": "10.0.1",
        "parameters": {"fms_radius": 6.0},
        "libraries": {"numpy": "2.2.6"},
        "commit": "",
        "host": "node-1",
        "system": "Linux",
        **more,
    }
    return ProvenanceRecord(
        activity="feff-site", used=used or {}, generated=made, started_at=moment, ended_at=moment, **values
    )


class LineageContract:
    """The claims; a subclass gives the store."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SpectrumStore]:
        raise NotImplementedError

    @pytest.fixture
    def ids(self, store: SpectrumStore, make_document: DocumentMaker) -> dict[str, str]:
        """Two sites, their average, and a dataset of all three."""
        sites = [make_document(name) for name in ("first", "second")]
        average = make_document("average", parents=tuple(site.id for site in sites))
        ids = {"first": sites[0].id, "second": sites[1].id, "average": average.id}
        for day, site in enumerate(sites, start=1):
            used = {Kind.SOURCE: {"a.cif": FILE}, Kind.SITE: {"site": f"{day}{'0' * 39}"}}
            store.put(site, record_of({Kind.SPECTRUM: {"spectrum": site.id}}, used, day=day))
        made, parents = {Kind.SPECTRUM: {"spectrum": average.id}}, {"site 0": sites[0].id, "site 1": sites[1].id}
        store.put(average, record_of(made, {Kind.SPECTRUM: parents}, day=3, code="whiteline", code_version="0.1.0"))
        dataset = record_of({Kind.DATASET: {"ti": DATASET}}, day=4, code="whiteline", code_version="0.1.0")
        store.put_activity(dataset, [ids["average"], ids["first"], ids["second"]])
        return {**ids, "dataset": dataset.id}

    def found(self, store: SpectrumStore, *ids: str) -> list[tuple[int, str]]:
        """Return day and spectrum of each record that is linked to one of these ids."""
        return [(int(each.record.started_at[8:10]), each.spectrum_id) for each in store.linked(ids)]

    def test_record_is_found_by_what_it_used_and_made(self, store: SpectrumStore, ids: dict[str, str]) -> None:
        assert self.found(store, FILE) == [(1, ids["first"]), (2, ids["second"])]
        assert self.found(store, f"2{'0' * 39}") == [(2, ids["second"])]
        assert self.found(store, DATASET) == [(4, "")]
        assert self.found(store, "f" * 40) == []
        assert store.linked([]) == []

    def test_spectrum_leads_to_its_own_record_its_users_and_what_it_is_a_member_of(
        self, store: SpectrumStore, ids: dict[str, str]
    ) -> None:
        assert self.found(store, ids["first"]) == [(1, ids["first"]), (3, ids["average"]), (4, "")]
        assert self.found(store, ids["first"], ids["second"], DATASET) == [
            *((1, ids["first"]), (2, ids["second"]), (3, ids["average"]), (4, ""))
        ]

    def test_record_is_found_by_its_own_id(self, store: SpectrumStore, ids: dict[str, str]) -> None:
        (record,) = store.records(ids["first"])
        assert self.found(store, record.id) == [(1, ids["first"])]
        assert self.found(store, ids["dataset"]) == [(4, "")]
        assert store.linked_ids(record.id[:12]) == [record.id]

    def test_ids_that_begin_alike_are_told_apart(self, store: SpectrumStore, make_document: DocumentMaker) -> None:
        alike = [f"{'0' * 39}{i}" for i in range(3)]
        for i, each in enumerate(alike):
            document = make_document(str(i), structure_id="", site_id="", source="")
            store.put(
                document, record_of({Kind.SPECTRUM: {"spectrum": document.id}}, {Kind.SITE: {"site": each}}, day=i + 1)
            )
        assert self.found(store, alike[1]) == [(2, make_document("1").id)]
        assert store.linked_ids("0" * 20) == alike
        assert store.linked_ids("0" * 20, 2) == alike[:2]
        assert store.linked_ids(alike[2]) == [alike[2]]

    def test_ids_are_listed_by_their_beginning_in_order(self, store: SpectrumStore, ids: dict[str, str]) -> None:
        assert store.linked_ids("abab") == [FILE]
        assert store.linked_ids("sha256:abab") == [FILE]
        assert store.linked_ids("aba") == [FILE]
        assert store.linked_ids("sha256:d5d5") == []
        assert store.linked_ids("d5d5") == [DATASET]
        assert store.linked_ids(ids["first"][:10]) == [ids["first"]]
        every = store.linked_ids("", 100)
        assert every == sorted(every, key=lambda each: each.removeprefix("sha256:"))
        assert {*ids.values(), FILE, DATASET} < set(every)
        assert store.linked_ids("", 3) == every[:3]

    def test_name_of_a_source_is_found_whole(self, store: SpectrumStore, make_document: DocumentMaker) -> None:
        store.put(make_document(source="cafe.cif"))
        assert store.linked_ids("cafe.cif") == ["cafe.cif"]
        assert store.linked_ids("cafe") == []
        assert store.linked_ids("cafe.ci") == []
        assert [each.spectrum_id for each in store.linked(["cafe.cif"])] == [make_document().id]

    def test_spectrum_without_a_record_gets_one_that_says_what_its_document_does(
        self, store: SpectrumStore, make_document: DocumentMaker
    ) -> None:
        document = make_document(parents=("ab" * 20,), source="mp-2657")
        store.put_many([(document, None), (document, None)])
        (record,) = store.records(document.id)
        assert record.activity == "put"
        assert record.used == {
            Kind.SOURCE: {"mp-2657": "mp-2657"},
            Kind.STRUCTURE: {"structure": document.structure_id},
            Kind.SITE: {"site": document.site_id},
            Kind.SPECTRUM: {"spectrum 1": "ab" * 20},
        }
        assert record.generated == {Kind.SPECTRUM: {"spectrum": document.id}}
        assert (record.code, record.parameters) == (document.code, document.parameters)
        assert (record.started_at, record.host, record.libraries) == (document.created_at, "", {})
        assert record.id == record.content_id
        store.delete(document.id)
        store.put(document)
        assert store.records(document.id) == [record]

    def test_spectrum_that_has_a_record_gets_no_other(self, store: SpectrumStore, make_document: DocumentMaker) -> None:
        document = make_document()
        record = record_of({Kind.SPECTRUM: {"spectrum": document.id}})
        store.put_many([(document, None), (document, record), (document, None)])
        store.put(replace(document, source="again.cif"))
        assert store.records(document.id) == [record]

    def test_failed_and_measured_spectra_have_a_record(
        self, store: SpectrumStore, make_document: DocumentMaker
    ) -> None:
        bare = make_document("measured", structure_id="", site_id="", source="", parents=())
        store.put_many([(make_document("failed", status=Status.FAILED), None), (bare, None)])
        assert [len(store.records(document.id)) for document in store.query(ALL)] == [1, 1]

    def test_same_activity_is_stored_once(self, store: SpectrumStore, ids: dict[str, str]) -> None:
        early = record_of({Kind.FIGURE: {"a.png": FILE}}, day=1)
        for _ in range(2):
            store.put_activity(early)
        assert [record.id for record in store.activities()] == [early.id, ids["dataset"]]
        assert next(store.activities()) == early
        assert store.status().n_activities == 2

    def test_members_keep_their_order_and_are_completed_not_doubled(
        self, store: SpectrumStore, ids: dict[str, str], make_document: DocumentMaker
    ) -> None:
        record = record_of({Kind.DATASET: {"more": "d6" * 32}})
        late = make_document("late")
        store.put_activity(record, iter([ids["second"], late.id, ids["first"], ids["second"]]))
        assert store.members(record.id) == [ids["second"], ids["first"]]
        store.put(late)
        store.put_activity(record, [late.id, ids["first"]])
        assert store.members(record.id) == [ids["second"], ids["first"], late.id]
        assert store.members("f" * 40) == []

    def test_members_of_several_portions_are_found_again(
        self, store: SpectrumStore, make_document: DocumentMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("whiteline.database.mongo_lineage._N_MEMBERS", 4)
        documents = [make_document(str(i)) for i in range(11)]
        store.put_many((document, None) for document in documents)
        record = record_of({Kind.DATASET: {"ti": DATASET}}, day=6)
        store.put_activity(record, [document.id for document in documents[:9]])
        store.put_activity(record, [document.id for document in documents])
        assert store.members(record.id) == [document.id for document in documents]
        assert [each.record.id for each in store.linked([documents[10].id])][-1] == record.id

    def test_deleted_spectrum_leaves_no_link_and_no_membership_and_its_mark(
        self, store: SpectrumStore, ids: dict[str, str]
    ) -> None:
        (record,) = store.records(ids["first"])
        store.mark([ids["first"]], "a bug")
        store.delete(ids["first"])
        assert self.found(store, FILE) == [(2, ids["second"])]
        assert self.found(store, record.id) == []
        assert store.members(ids["dataset"]) == [ids["average"], ids["second"]]
        assert list(store.marks()) == [ids["first"]]
        assert verify_store(store).faults == ()

    def test_refused_activity_leaves_nothing(self, store: SpectrumStore) -> None:
        with pytest.raises(ParameterError, match="cannot be stored as JSON"):
            store.put_activity(record_of({Kind.DATASET: {"ti": DATASET}}, parameters={"x": float("nan")}))
        assert list(store.activities()) == []
        assert store.linked([DATASET]) == []

    @pytest.mark.parametrize(
        ("condition", "days"),
        [
            ({"code": "feff"}, [1, 2]),
            ({"code": "fe"}, []),
            ({"code": "f*"}, [1, 2]),
            ({"code": "whiteline", "host": "node-?"}, [3, 4]),
            ({"code_version": "0.1.?"}, [3, 4]),
            ({"code_version": "0?1*"}, [3, 4]),
            ({"code_version": "0[.]1.0"}, [3, 4]),
            ({"code_version": "10.0"}, []),
            ({"libraries": {"numpy": "2.*"}, "code": "feff"}, [1, 2]),
            ({"libraries": {"numpy": "2.2"}}, []),
            ({"libraries": {"a.b$c": "1"}}, []),
            ({"commit": "0"}, []),
        ],
    )
    def test_records_are_found_by_what_stood_behind_them(
        self, store: SpectrumStore, ids: dict[str, str], condition: dict[str, Any], days: list[int]
    ) -> None:
        assert ids
        found = list(store.find_records(RecordCondition(**condition)))
        assert sorted(int(each.record.started_at[8:10]) for each in found) == days

    def test_records_are_found_by_the_beginning_of_the_commit(
        self, store: SpectrumStore, make_document: DocumentMaker
    ) -> None:
        document = make_document()
        store.put_many((document, record_of({}, day=i + 1, commit=f"ab{i}0+changes")) for i in range(3))
        found = [each.record.commit for each in store.find_records(RecordCondition(commit="ab1"))]
        assert found == ["ab10+changes"]
        assert len(list(store.find_records(RecordCondition(commit="ab")))) == 3

    def test_record_of_schema_version_1_is_linked_by_what_it_names(
        self, store: SpectrumStore, make_document: DocumentMaker
    ) -> None:
        document = make_document()
        old = {
            **record_of({}).to_dict(),
            "schema_version": 1,
            "id": "ee" * 16,
            "parents": ["cc" * 20],
            "outputs": {"spectrum": document.id},
            "inputs": {"feff.inp": FILE},
            "parameters": {"pseudopotentials": {"Ti": POTENTIAL}},
        }
        store.put(
            document, ProvenanceRecord.from_dict({n: v for n, v in old.items() if n not in ("used", "generated")})
        )
        for each in (FILE, POTENTIAL, "cc" * 20, "ee" * 16, document.id):
            assert [linked.spectrum_id for linked in store.linked([each])] == [document.id], each
        assert verify_store(store).faults == ()

    def test_record_of_a_newer_schema_is_named_as_such(
        self, store: SpectrumStore, make_document: DocumentMaker
    ) -> None:
        document = make_document()
        store.put(document, record_of({Kind.SPECTRUM: {"spectrum": document.id}}))
        self.make_newer(store)
        with pytest.raises(SchemaVersionError, match="schema version 99"):
            store.records(document.id)
        with pytest.raises(SchemaVersionError, match="schema version 99"):
            store.linked([document.id])
        store.delete(document.id)
        assert store.linked([document.id]) == []

    def make_newer(self, store: Any) -> None:
        """Raise the schema version of the only record to 99."""
        raise NotImplementedError

    def test_marks_are_counted_kept_and_taken_away(self, store: SpectrumStore, ids: dict[str, str]) -> None:
        marked = [ids["first"], POTENTIAL]
        assert store.mark(marked, "wrong pseudopotential") == 2
        assert store.mark([*marked, ids["first"]], "wrong pseudopotential") == 0
        assert store.mark([POTENTIAL], "another reason") == 1
        assert {each: mark.reason for each, mark in store.marks().items()} == {
            ids["first"]: "wrong pseudopotential",
            POTENTIAL: "another reason",
        }
        assert list(store.marks([ids["first"], "f" * 40])) == [ids["first"]]
        assert store.marks([]) == {}
        assert store.status().n_marks == 2
        assert store.unmark([*marked, ids["second"]]) == 2
        assert store.marks() == {}

    def test_mark_needs_a_reason(self, store: SpectrumStore) -> None:
        with pytest.raises(ParameterError, match="needs a reason"):
            store.mark(["ab"], " ")

    def test_query_finds_suspect_spectra_or_the_others(
        self, store: SpectrumStore, ids: dict[str, str], make_document: DocumentMaker
    ) -> None:
        store.mark([ids["first"], make_document("later").id, FILE], "a bug")
        store.put(make_document("first", source="again.cif"))  # written anew, it is as suspect as before
        store.put(make_document("later"))
        suspect, others = ALL.replace(is_suspect=True), ALL.replace(is_suspect=False)
        assert {found.id for found in store.summaries(suspect)} == {ids["first"], make_document("later").id}
        assert {found.id for found in store.query(others)} == {ids["second"], ids["average"]}
        assert (store.count(suspect), store.count(others & SpectrumQuery(absorber="Ti", status=ANY_STATUS))) == (2, 2)
        assert store.group(suspect, ["absorber"]) == [(("Ti",), 2)]
        assert [found.id for found in store.query(suspect.replace(id_prefix=ids["first"][:8], limit=5))] == [
            ids["first"]
        ]
        assert verify_store(store).faults == ()
        store.unmark([ids["first"]])
        assert {found.id for found in store.query(suspect)} == {make_document("later").id}

    def test_untouched_store_has_no_faults(self, store: SpectrumStore, ids: dict[str, str]) -> None:
        assert ids
        assert verify_store(store).faults == ()


class TestSQLiteLineage(LineageContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SpectrumStore]:
        with SQLiteStore(tmp_path / "spectra.db") as store:
            yield store

    def make_newer(self, store: Any) -> None:
        store._rows(
            """UPDATE contexts SET content = replace(content, '"schema_version":2', '"schema_version":99')""", ()
        )

    def test_damaged_record_does_not_keep_its_spectrum_from_being_deleted(
        self, store: Any, make_document: DocumentMaker
    ) -> None:
        document = make_document()
        store.put(document, record_of({Kind.SPECTRUM: {"spectrum": document.id}}, {Kind.SOURCE: {"a.cif": FILE}}))
        store._rows("UPDATE records SET content = '{'", ())
        store.delete(document.id)
        assert store._rows("SELECT * FROM links", ()) == []

    def test_what_is_missing_or_left_over_is_found(self, store: Any, ids: dict[str, str]) -> None:
        store._rows("DELETE FROM links WHERE subject = 1", ())
        store._rows("INSERT INTO links VALUES (x'00', 2), (x'01', 99)", ())
        store._rows("DELETE FROM records WHERE spectrum_key = 3", ())
        store._rows("INSERT INTO members VALUES (9, 0, 1), (1, 9, 99)", ())
        store._rows("UPDATE activities SET content = replace(content, 'd5d5', 'd7d7')", ())
        faults = {f"{fault.where}: {fault.what}" for fault in verify_store(store).faults}
        for expected in (
            f"{ids['first']}: 4 links are missing",
            f"{ids['second']}: 1 links that no record",
            "links of 99: 1 links that no record",
            f"{ids['average']}: has no provenance record",
            "members 0 of job 9: the record of this job is missing",
            f"members 9 of record {ids['dataset']}: this member is no stored spectrum",
            f"record {ids['dataset']}: is not what its id says",
        ):
            assert any(fault.startswith(expected) for fault in faults), (expected, faults)


class TestMongomockLineage(LineageContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SpectrumStore]:  # noqa: ARG002  # as the contract's
        with MongoStore(mongomock.MongoClient()["test"]) as store:
            yield store

    def make_newer(self, store: Any) -> None:
        store.database["records"].update_many({}, {"$set": {"record.schema_version": 99}})

    def test_what_is_missing_or_left_over_is_found(self, store: Any, ids: dict[str, str]) -> None:
        database = store.database
        database["records"].update_one({"spectrum_id": ids["first"]}, {"$set": {"links": []}})
        database["records"].delete_many({"spectrum_id": ids["average"]})
        database["members"].insert_one({"_id": "x/0", "activity": "x", "start": 0, "spectra": ["ab"]})
        database["spectra"].update_one({"_id": ids["second"]}, {"$set": {"suspect": True}})
        faults = {f"{fault.where}: {fault.what}" for fault in verify_store(store).faults}
        for expected in (
            f"of {ids['first']}: its links are not what it names",
            f"{ids['average']}: has no provenance record",
            "members x/0: the record of this job is missing",
            "members x/0: 1 of its members are no stored spectra",
            f"{ids['second']}: queries show a mark that is gone",
        ):
            assert any(expected in fault for fault in faults), (expected, faults)


class TestMongoServerLineage(TestMongomockLineage):
    """Over a real connection: to `WHITELINE_TEST_MONGO_URI`, or to a server that is started for the tests."""

    @pytest.fixture
    def store(self, mongo_address: str) -> Iterator[SpectrumStore]:
        name = f"whiteline_test_{uuid.uuid4().hex}"
        base, _, options = mongo_address.partition("?")
        with open_store(f"{base.rstrip('/')}/{name}" + (f"?{options}" if options else "")) as store:
            yield store
        with MongoClient[dict[str, Any]](mongo_address) as client:
            client.drop_database(name)
