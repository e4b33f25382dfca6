"""From a prediction back to the files of the crystals, and forth again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mongomock
import pytest

from tests.workflows.learning.toy import toy_document
from tests.workflows.lineage.conftest import site_record
from whiteline.absorber import find_absorbers
from whiteline.database import MongoStore
from whiteline.database.documents import SpectrumDocument
from whiteline.database.query import SpectrumQuery
from whiteline.database.store import SpectrumStore
from whiteline.edges import Edge
from whiteline.errors import LineageCycleError, SchemaVersionError
from whiteline.provenance import Kind, ProvenanceRecord, file_checksum, utc_now
from whiteline.provenance.graph import LineageGraph, Node
from whiteline.structures import read_structure
from whiteline.workflows.lineage import Tracer


def kinds(graph: LineageGraph) -> set[Kind]:
    return {node.kind for node in graph.nodes.values()}


def of_kind(graph: LineageGraph, kind: Kind) -> list[Node]:
    return [node for node in graph.nodes.values() if node.kind is kind]


def problems(nodes: Iterable[Node]) -> dict[str, str]:
    return {node.id: node.problem for node in nodes if node.problem}


def test_a_prediction_leads_to_files_crystals_and_programs_of_what_was_learned_from(
    tracer: Tracer, prediction: str
) -> None:
    graph = tracer.ancestors(prediction)
    things = {Kind.SOURCE, Kind.STRUCTURE, Kind.SITE, Kind.INPUT, Kind.OUTPUT, Kind.SPECTRUM, Kind.SPECTRA}
    learned = {Kind.DATASET, Kind.ENCODER, Kind.MODEL, Kind.ACTIVITY}
    assert kinds(graph) == things | learned | {Kind.SOFTWARE, Kind.EXECUTABLE, Kind.LIBRARIES, Kind.MACHINE}
    assert problems(graph.nodes.values()) == {}
    sources = {Path(node.label).name for node in of_kind(graph, Kind.SOURCE)}
    assert "CuI.cif" in sources
    assert len(sources) == 2  # and that of the one spectrum that stands for all


def test_nodes_are_called_what_people_call_them(tracer: Tracer, prediction: str, oxide: SpectrumDocument) -> None:
    nodes = tracer.ancestors(prediction).nodes
    assert nodes[prediction].label.startswith("CuI Cu K average, predicted by model, ")
    (model,) = (node for node in nodes.values() if node.kind is Kind.MODEL)
    assert model.label == "model (Cu K feff:toy)"
    graph = tracer.ancestors(oxide.id)
    assert graph.nodes[oxide.id].label == "CuO Cu K site 0, feff:toy, converged"
    assert graph.nodes[oxide.structure_id].label == "CuO, Fm-3m (225)"
    assert [node.facts["kept"] for node in of_kind(graph, Kind.INPUT)] == ["in the store"]


def test_of_many_spectra_one_is_followed_and_all_when_asked_for(
    tracer: Tracer, store: SpectrumStore, home: Path, prediction: str
) -> None:
    lists = json.loads((home / "model" / "spectra.json").read_text(encoding="utf-8"))
    learned = {each for part in ("train", "validation", "test") for each in lists[part]}
    some = {node.id for node in of_kind(tracer.ancestors(prediction), Kind.SPECTRUM)} & learned
    every = Tracer(store, home, is_complete=True).ancestors(prediction)
    assert len(some) == 1
    assert learned <= every.nodes.keys()
    words = [node.label for node in of_kind(tracer.ancestors(prediction), Kind.SPECTRA)]
    assert any(f"{len(learned)} spectra: {len(lists['train'])} train" in each for each in words)


def test_what_came_of_a_source_file_reaches_the_prediction(tracer: Tracer, made: Path, prediction: str) -> None:
    source = tracer.resolve(str(made / "crystals" / "CuO.cif"))
    assert source == file_checksum(made / "crystals" / "CuO.cif")
    graph = tracer.descendants(source)
    assert prediction in graph.nodes
    assert {Kind.DATASET, Kind.MODEL, Kind.SPECTRA} <= kinds(graph)
    assert len(of_kind(graph, Kind.SOURCE)) == 1


def test_a_program_leads_to_all_that_rests_on_it(tracer: Tracer, store: SpectrumStore, prediction: str) -> None:
    (program,) = of_kind(tracer.ancestors(prediction), Kind.EXECUTABLE)
    found = {node.id for node in of_kind(tracer.descendants(program.id), Kind.SPECTRUM)}
    assert found >= {each.id for each in store.summaries(SpectrumQuery(code="feff"))} | {prediction}


def test_a_site_leads_only_to_what_was_made_of_it(
    tracer: Tracer, store: SpectrumStore, oxide: SpectrumDocument
) -> None:
    (nitride, _) = store.summaries(SpectrumQuery(formula="Cu4N", kind="site"))
    found = tracer.descendants(oxide.site_id).nodes
    assert oxide.id in found
    assert nitride.id not in found


def test_depth_counts_links(tracer: Tracer, oxide: SpectrumDocument) -> None:
    assert tracer.ancestors(oxide.id, depth=0).nodes.keys() == {oxide.id}
    near = tracer.ancestors(oxide.id, depth=1)
    assert kinds(near) == {Kind.SPECTRUM, Kind.ACTIVITY, Kind.OUTPUT}
    assert Kind.MODEL not in kinds(tracer.descendants(oxide.id, depth=2))
    assert tracer.descendants(oxide.id).nodes.keys() > tracer.descendants(oxide.id, depth=2).nodes.keys()


def test_a_model_is_traced_both_ways_where_no_store_knows_it(home: Path, oxide: SpectrumDocument) -> None:
    tracer = Tracer(None, home)
    model = tracer.resolve("model")
    graph = tracer.ancestors(model)
    assert {Kind.DATASET, Kind.SPECTRA, Kind.ENCODER} <= kinds(graph)
    assert set(problems(graph.nodes.values()).values()) == {"missing: no store is open, name it with --db"}
    assert model in tracer.descendants(oxide.id).nodes


def test_a_converged_spectrum_leads_to_every_rung(tracer: Tracer, store: SpectrumStore, made: Path) -> None:
    path = made / "crystals" / "CuO.cif"
    (absorber,) = find_absorbers(read_structure(str(path)), "Cu", Edge.K)
    rungs = [toy_document(absorber, source=str(path), fidelity=f"feff:toy+{i}") for i in range(3)]
    for rung in rungs:
        store.put(rung, site_record(rung))
    best = toy_document(absorber, source=str(path), fidelity="feff:toy converged")
    named = {Kind.SPECTRUM: {f"l_max {i}": rung.id for i, rung in enumerate(rungs)}}
    certificate = site_record(best, activity="convergence", used=named, generated={Kind.SPECTRUM: {"x": best.id}})
    store.put(replace(best, parents=(rungs[-1].id,)), certificate)
    graph = tracer.ancestors(best.id)
    assert graph.nodes.keys() >= {rung.id for rung in rungs}
    assert len(of_kind(graph, Kind.ACTIVITY)) == 4
    assert file_checksum(path) in graph.nodes
    assert best.id in tracer.descendants(rungs[0].id).nodes


def test_an_earlier_attempt_counts_only_when_all_is_asked_for(
    tracer: Tracer, store: SpectrumStore, home: Path, oxide: SpectrumDocument
) -> None:
    earlier, made = store.records(oxide.id)[0], store.records(oxide.id)[-1]
    assert earlier.id != made.id
    assert earlier.id not in tracer.ancestors(oxide.id).nodes
    assert {earlier.id, made.id} <= Tracer(store, home, is_complete=True).ancestors(oxide.id).nodes.keys()
    again = site_record(oxide, used={Kind.INPUT: {"feff.inp": f"sha256:{'0' * 64}"}})
    store.put(oxide, again)
    (old,) = made.used[Kind.SITE].values()
    assert oxide.id not in tracer.descendants(old).nodes


def test_jobs_that_made_files_are_found_from_the_file_and_from_the_spectrum(
    tracer: Tracer, store: SpectrumStore, tmp_path: Path, oxide: SpectrumDocument
) -> None:
    figure = tmp_path / "figure.png"
    figure.write_bytes(b"a picture")
    checksum = file_checksum(figure)
    store.put_activity(_activity({Kind.SPECTRUM: {"x": oxide.id}}, {Kind.FIGURE: {str(figure): checksum}}))
    assert tracer.resolve(str(figure)) == checksum
    assert tracer.ancestors(checksum).nodes.keys() >= {oxide.id, oxide.structure_id}
    assert checksum in tracer.descendants(oxide.id).nodes


def test_members_of_a_job_are_one_node(tracer: Tracer, store: SpectrumStore, oxide: SpectrumDocument) -> None:
    ids = [each.id for each in store.summaries(SpectrumQuery(kind="site"))]
    made = {Kind.EXPORT: {"all.parquet": f"sha256:{'1' * 64}"}}
    record = _activity({}, made)
    store.put_activity(record, ids)
    above = tracer.ancestors(f"sha256:{'1' * 64}")
    assert [node.label for node in of_kind(above, Kind.SPECTRA)] == [f"{len(ids)} spectra, 1 shown"]
    below = tracer.descendants(oxide.id)
    assert {record.id, f"sha256:{'1' * 64}"} <= below.nodes.keys()


def test_a_calculation_is_traced_by_the_id_of_its_record(
    tracer: Tracer, store: SpectrumStore, oxide: SpectrumDocument
) -> None:
    record = store.records(oxide.id)[-1]
    assert tracer.resolve(record.id[:10]) == record.id
    assert file_checksum(Path(oxide.source)) in tracer.ancestors(record.id).nodes
    assert oxide.id in tracer.descendants(record.id).nodes


def test_edited_records_that_go_round_in_circles_are_an_error_that_names_the_loop(
    tracer: Tracer, store: SpectrumStore, oxide: SpectrumDocument
) -> None:
    (nitride, _) = store.query(SpectrumQuery(formula="Cu4N", kind="site"))
    store.put(oxide, site_record(oxide, used={Kind.SPECTRUM: {"x": nitride.id}}))
    store.put(nitride, site_record(nitride, used={Kind.SPECTRUM: {"x": oxide.id}}))
    for trace in (tracer.ancestors, tracer.descendants):
        with pytest.raises(LineageCycleError, match=oxide.id[:12]):
            trace(oxide.id)


def test_an_output_that_is_a_copy_of_an_input_is_no_circle(
    tracer: Tracer, store: SpectrumStore, oxide: SpectrumDocument
) -> None:
    record = site_record(oxide)
    copied = {**record.generated, Kind.OUTPUT: {"copy.inp": record.used[Kind.INPUT]["feff.inp"]}}
    store.put(oxide, site_record(oxide, generated=copied))
    assert record.used[Kind.INPUT]["feff.inp"] in tracer.ancestors(oxide.id).nodes


def test_a_lineage_is_the_same_in_mongodb(tracer: Tracer, store: SpectrumStore, home: Path, prediction: str) -> None:
    with MongoStore(mongomock.MongoClient()["test"]) as other:
        for document in store.query(SpectrumQuery(status="any")):
            files = {file.name: store.read_file(document.id, file.name) for file in store.files(document.id)}
            for record in store.records(document.id):
                other.put(document, record, files)
        for record in store.activities():
            other.put_activity(record, store.members(record.id))
        there = Tracer(other, home)
        (source, *_) = of_kind(there.ancestors(prediction), Kind.SOURCE)
        assert there.ancestors(prediction).to_dict() == tracer.ancestors(prediction).to_dict()
        assert set(there.descendants(source.id).nodes) == set(tracer.descendants(source.id).nodes)


def test_a_record_of_a_newer_schema_is_an_error(
    tracer: Tracer, home: Path, oxide: SpectrumDocument, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whiteline.provenance.record.PROVENANCE_SCHEMA_VERSION", 1)
    with pytest.raises(SchemaVersionError, match="provenance record has schema version 2"):
        tracer.ancestors(oxide.id)


def test_suspect_things_are_marked(tracer: Tracer, store: SpectrumStore, oxide: SpectrumDocument) -> None:
    store.mark([oxide.structure_id], "a wrong lattice constant")
    assert tracer.ancestors(oxide.id).nodes[oxide.structure_id].suspect == "a wrong lattice constant"


def _activity(used: Any, generated: Any) -> ProvenanceRecord:
    return ProvenanceRecord("plot", used, generated, "whiteline", "0.1.0", {}, utc_now(), utc_now())
