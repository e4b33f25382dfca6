from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mongomock
import pytest

from whiteline.database import MongoStore, SpectrumQuery, SpectrumStore, SQLiteStore
from whiteline.database.query import ANY_STATUS
from whiteline.errors import ParameterError
from whiteline.status import Status

if TYPE_CHECKING:
    from tests.database.conftest import DocumentMaker


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        ({"formula": "O4Ti2"}, "formula", "TiO2"),
        ({"chemical_system": "Ti-O"}, "chemical_system", "O-Ti"),
        ({"space_group": "P4_2/mnm"}, "space_group", 136),
        ({"space_group": "Fm-3m"}, "space_group", 225),
        ({"edge": "l2,3"}, "edge", "L23"),
        ({"status": "failed"}, "status", (Status.FAILED,)),
        ({"status": ["failed", Status.FAILED]}, "status", (Status.FAILED,)),
        ({"status": "any"}, "status", ANY_STATUS),
        ({"elements_any": "Ti"}, "elements_any", ("Ti",)),
        ({"created_after": "2026-01-05"}, "created_after", "2026-01-05T00:00:00.000+00:00"),
    ],
)
def test_equivalent_ways_to_ask_become_one(given: dict[str, Any], name: str, expected: object) -> None:
    assert getattr(SpectrumQuery(**given), name) == expected


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"absorber": "ti"}, "did you mean 'Ti'"),
        ({"elements_all": ("Ti", "Xx")}, "unknown element 'Xx'"),
        ({"status": "convergd"}, "did you mean 'converged'"),
        ({"kind": "materials"}, "did you mean 'material'"),
        ({"edge": "L9"}, "known: K, L1"),
        ({"sort": "-create_at"}, "did you mean 'created_at'"),
        ({"formula": "not a formula"}, "formula such as TiO2"),
        ({"space_group": 231}, "1 to 230"),
        ({"space_group": True}, "1 to 230"),
        ({"space_group": "²"}, "unknown space group"),
        ({"status": ()}, 'or "any" for all'),
        ({"status": None}, "one or several values"),
        ({"limit": "5"}, "limit must be 1 or more, got '5'"),
        ({"limit": 2**63}, "limit must be 1 or more"),
        ({"space_group": "Q4/mnm"}, "unknown space group"),
        ({"limit": 0}, "1 or more"),
        ({"skip": -1}, "0 or more"),
        ({"id_prefix": "%"}, "hexadecimal"),
        ({"created_before": "soon"}, "ISO 8601"),
        ({"created_before": 2026}, "ISO 8601"),
        ({"created_after": "0001-01-01T00:00+14:00"}, "ISO 8601"),
        ({"formula": "Ti0"}, "formula of known elements"),
        ({"formula": "Ti1e999"}, "formula such as TiO2"),
        ({"space_group": "9" * 5000}, "1 to 230"),
    ],
)
def test_wrong_query_fails_at_once_and_says_what_is_known(given: dict[str, Any], hint: str) -> None:
    with pytest.raises(ParameterError, match=hint):
        SpectrumQuery(**given)


def test_only_converged_spectra_are_found_unless_others_are_asked_for() -> None:
    assert SpectrumQuery().statuses == (Status.CONVERGED,)
    assert SpectrumQuery(status="unconverged").statuses == (Status.UNCONVERGED,)
    assert SpectrumQuery(status=ANY_STATUS).statuses == ()


@pytest.mark.parametrize(
    "parameters",
    [
        {"$where": 1},
        {"a') OR 1=1 --": 1},
        {"a..b": 1},
        {"a.": 1},
        {'a"."b': 1},
        {"fms_radius": ("$gt", 1)},
        {"fms_radius": {"$gt": 1}},
        {"fms_radius": ("==", {"$ne": None})},
        {"fms_radius": [(">=", 4.0), ("$ne", 1)]},
        {"fms_radius": ("in", {"$gt": 1})},
        {"fms_radius": ("<", True)},
        {"fms_radius": ("in", "6.0")},
        {"fms_radius": float("nan")},
        {"fms_radius": 2**63},
        {"fms_radius": "\ud800"},
        {"fms_radius": "6\x00"},
    ],
)
def test_parameters_carry_no_operators_of_a_database(parameters: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        SpectrumQuery(parameters=parameters)


@pytest.mark.parametrize("name", ["absorber", "code", "fidelity", "formula", "chemical_system", "site_id", "id_prefix"])
@pytest.mark.parametrize("value", [{"$ne": None}, {"$where": "1"}, 1, ["feff"], "\ud800", "a\x00b"])
def test_text_fields_take_text_only(name: str, value: Any) -> None:
    with pytest.raises(ParameterError):
        SpectrumQuery(**{name: value})


def test_replace_changes_a_field_and_names_the_nearest_one() -> None:
    query = SpectrumQuery(absorber="Ti", limit=5)
    assert query.replace(absorber="Fe") == SpectrumQuery(absorber="Fe", limit=5)
    with pytest.raises(ParameterError, match="no field 'absorbr': did you mean 'absorber'"):
        query.replace(absorbr="Fe")
    with pytest.raises(ParameterError, match="1 or more"):
        query.replace(limit=0)


def test_two_queries_narrow_each_other() -> None:
    first = SpectrumQuery(absorber="Ti", elements_all=("O",), elements_any=("Li", "Na"), status="any", limit=5)
    second = SpectrumQuery(
        elements_all=("Ti",), elements_any=("Li",), created_after="2026-01-02", sort="-formula", id_prefix="ab"
    )
    both = first & second & SpectrumQuery(absorber="Ti", created_after="2026-01-01", id_prefix="abc")
    assert both == SpectrumQuery(
        absorber="Ti",
        elements_all=("O", "Ti"),
        elements_any=("Li",),
        created_after="2026-01-02",
        id_prefix="abc",
        limit=5,
        sort="-formula",
    )


def test_conditions_on_one_parameter_add_up() -> None:
    first = SpectrumQuery(parameters={"fms_radius": (">=", 4.0), "is_fast": True})
    both = first & SpectrumQuery(parameters={"fms_radius": [("<", 6.0), (">=", 4)]})
    assert [(c.name, c.operator, c.value) for c in both.conditions] == [
        ("fms_radius", ">=", 4.0),
        ("fms_radius", "<", 6.0),
        ("is_fast", "==", True),
    ]


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({"absorber": "Ti"}, {"absorber": "Fe"}, "absorber is 'Ti' in one and 'Fe' in the other"),
        ({}, {"status": "failed"}, "no status in common: converged and failed"),
        ({"elements_any": ("Li", "O")}, {"elements_any": ("Na", "O")}, "elements_any is"),
        ({"parameters": {"l_max": 1}}, {"parameters": {"l_max": True}}, "parameters.l_max is '1' in one"),
        ({"id_prefix": "ab"}, {"id_prefix": "ac"}, "id_prefix is"),
        ({"sort": "id"}, {"sort": "-id"}, "sort is"),
        ({"created_after": "2026-02-01"}, {"created_before": "2026-01-01"}, "no time in common"),
    ],
)
def test_queries_that_contradict_each_other_say_where(
    first: dict[str, Any], second: dict[str, Any], words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        SpectrumQuery(**first) & SpectrumQuery(**second)


def test_dictionary_holds_what_was_given_and_is_json() -> None:
    query = SpectrumQuery(absorber="Ti", kind="site", parameters={"fms_radius": (">=", 6.0), "l_max": ("in", [1, 2])})
    assert json.loads(json.dumps(query.to_dict())) == {
        "absorber": "Ti",
        "kind": "site",
        "status": ["converged"],
        "parameters": [["fms_radius", ">=", 6.0], ["l_max", "in", [1, 2]]],
    }


@pytest.fixture(params=["sqlite", "mongomock"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SpectrumStore]:
    opened: SpectrumStore
    if request.param == "sqlite":
        opened = SQLiteStore(tmp_path / "spectra.db")
    else:
        opened = MongoStore(mongomock.MongoClient()["whiteline"])
    with opened:
        yield opened


EVIL = [
    "'; DROP TABLE spectra; --",
    "feff' OR '1'='1",
    'a"b\\c',
    "$where",
    "{$ne: null}",
    '{"$gt": ""}',
    "a.b.c",
    "%",
    "*",
]


@pytest.mark.parametrize("text", EVIL)
def test_text_in_a_query_is_compared_and_never_run(
    store: SpectrumStore, make_document: DocumentMaker, text: str
) -> None:
    evil = make_document("evil", code=text, parameters={"label": text, "nested": {"label": text}})
    store.put_many([(evil, None), (make_document("plain", parameters={"label": "plain"}), None)])
    for query in (
        SpectrumQuery(code=text, status="any"),
        SpectrumQuery(parameters={"label": text}, status="any"),
        SpectrumQuery(parameters={"nested.label": ("in", [text])}, status="any"),
    ):
        assert [summary.id for summary in store.summaries(query)] == [evil.id]
    assert store.count(SpectrumQuery(fidelity=text, status="any")) == 0
    assert store.count(SpectrumQuery(site_id=text, status="any")) == 0
    assert store.count(SpectrumQuery(status="any")) == 2


def test_range_of_a_parameter_finds_what_lies_within(store: SpectrumStore, make_document: DocumentMaker) -> None:
    documents = [make_document(f"r{r}", parameters={"fms_radius": r}) for r in (3.0, 5, 7.0)]
    store.put_many((document, None) for document in documents)
    query = SpectrumQuery(parameters={"fms_radius": [(">", 3), ("<", 7)]}, status="any")
    assert [summary.id for summary in store.summaries(query)] == [documents[1].id]


def test_default_query_leaves_out_what_has_not_converged(store: SpectrumStore, make_document: DocumentMaker) -> None:
    good = make_document("good", status=Status.CONVERGED, reason="")
    store.put_many([(good, None), (make_document("bad"), None), (make_document("none", status=Status.FAILED), None)])
    assert [summary.id for summary in store.summaries(SpectrumQuery())] == [good.id]
    assert store.count(SpectrumQuery(status=ANY_STATUS)) == 3
    assert store.get(make_document("bad").id).status is Status.UNCONVERGED
