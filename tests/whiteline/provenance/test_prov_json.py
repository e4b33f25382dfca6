import json
import re
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from prov.model import (
    ProvActivity,
    ProvAssociation,
    ProvDerivation,
    ProvDocument,
    ProvGeneration,
    ProvRecord,
    ProvUsage,
)

from tests.whiteline.provenance.graphs import average, hashed, lineages
from whiteline.provenance import Kind
from whiteline.provenance.condensing import condense
from whiteline.provenance.graph import LineageGraph, Node
from whiteline.provenance.prov_json import prov_document

# https://www.w3.org/TR/prov-n/#prod-PN_LOCAL, without the letters outside of ASCII.
NAME = re.compile(
    r"(whiteline|sha256):([A-Za-z0-9_]|%[0-9A-F]{2})((([A-Za-z0-9_.-]|%[0-9A-F]{2})*([A-Za-z0-9_-]|%[0-9A-F]{2}))?)"
)


def read(graph: LineageGraph) -> ProvDocument:
    return ProvDocument.deserialize(content=json.dumps(prov_document(graph)))


def n_records(document: ProvDocument, kind: type[ProvRecord] | None = None) -> int:
    return sum(1 for _ in document.get_records(kind))


@settings(deadline=None, max_examples=40)
@given(graph=lineages(n_most=15))
def test_one_record_is_read_for_each_node_and_each_link_and_survives_a_round_trip(graph: LineageGraph) -> None:
    document = read(graph)
    assert n_records(document) == len(graph.nodes) + len(graph.links)
    assert ProvDocument.deserialize(content=document.serialize()) == document


def test_links_are_what_prov_calls_them() -> None:
    graph, _ = average(2)
    document = read(graph)
    for kind, role in (
        (ProvUsage, "used"),
        (ProvGeneration, "wasGeneratedBy"),
        (ProvDerivation, "wasDerivedFrom"),
        (ProvAssociation, "wasAssociatedWith"),
    ):
        assert n_records(document, kind) == sum(link.role == role for link in graph.links) > 0


def test_a_condensed_lineage_is_valid_too() -> None:
    small = condense(*average(8))
    assert n_records(read(small)) == len(small.nodes) + len(small.links)


def test_jobs_have_their_start_and_end() -> None:
    activity = next(iter(read(average(1)[0]).get_records(ProvActivity)))
    assert isinstance(activity, ProvActivity)
    assert activity.get_startTime() == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert activity.get_endTime() == datetime(2026, 1, 5, 10, 1, 30, 500_000, tzinfo=UTC)


def test_a_job_of_unknown_time_is_told_without() -> None:
    node = Node(id="a", kind=Kind.ACTIVITY, facts={"started": "long ago", "ended": "1 week later"})
    assert not {"prov:startTime", "prov:endTime"} & set(
        prov_document(LineageGraph({"a": node}))["activity"]["whiteline:a"]
    )


def test_facts_labels_and_problems_are_kept() -> None:
    node = Node(id="sha256:0a", kind=Kind.SOURCE, label="TiO2.cif", facts={"read on": "node"}, problem="missing")
    assert prov_document(LineageGraph({node.id: node}))["entity"] == {
        "sha256:0a": {
            "prov:type": {"$": "whiteline:source", "type": "xsd:QName"},
            "prov:label": "TiO2.cif",
            "whiteline:read%20on": "node",
            "whiteline:problem": "missing",
        }
    }


@given(ids=st.sets(st.text(min_size=1), min_size=1, max_size=8))
def test_any_id_becomes_a_valid_name_and_no_two_the_same(ids: set[str]) -> None:
    names = prov_document(LineageGraph({each: Node(id=each, kind=Kind.ENCODER) for each in ids}))["entity"]
    assert len(names) == len(ids)
    assert all(NAME.fullmatch(name) for name in names)


def test_programs_are_software_agents() -> None:
    graph, _ = average(1)
    kinds = {
        each["prov:type"][1]["$"]
        for each in prov_document(graph)["agent"].values()
        if isinstance(each["prov:type"], list)
    }
    assert kinds == {"prov:SoftwareAgent"}
    assert f"whiteline:{hashed('average')}" in prov_document(graph)["entity"]
