"""What is gone or changed on this machine is named, and nothing is guessed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.workflows.learning.toy import rock_salt
from tests.workflows.lineage.conftest import site_record
from whiteline.database.documents import SpectrumDocument
from whiteline.database.store import SpectrumStore
from whiteline.provenance import Kind, file_checksum
from whiteline.provenance.graph import LineageGraph
from whiteline.workflows.lineage import Tracer


def problems(graph: LineageGraph) -> dict[Kind, str]:
    return {node.kind: node.problem for node in graph.nodes.values() if node.problem}


@contextmanager
def changed(path: Path, change: Callable[[Path], object]) -> Iterator[None]:
    """Change a file that other tests share, and put it back."""
    content = path.read_bytes()
    change(path)
    try:
        yield
    finally:
        path.write_bytes(content)


def test_a_source_file_that_is_gone_is_missing(tracer: Tracer, oxide: SpectrumDocument) -> None:
    path = Path(oxide.source)
    with changed(path, Path.unlink):
        assert problems(tracer.ancestors(oxide.id)) == {Kind.SOURCE: f"missing: {path} is not there"}


def test_a_source_file_that_was_changed_is_named_with_both_checksums(tracer: Tracer, oxide: SpectrumDocument) -> None:
    path = Path(oxide.source)
    before = file_checksum(path)
    with changed(path, lambda path: path.write_bytes(path.read_bytes() + b"\n")):
        said = problems(tracer.ancestors(oxide.id))[Kind.SOURCE]
        assert (
            said
            == f"changed on disk: {path} is {file_checksum(path)} instead of {before}, holds the same crystal still"
        )
    with changed(path, lambda path: rock_salt("Cu", "F").to(str(path), fmt="cif")):
        assert problems(tracer.ancestors(oxide.id))[Kind.SOURCE].endswith("holds another crystal now")


def test_a_source_without_checksum_is_held_against_its_crystal(
    tracer: Tracer, store: SpectrumStore, oxide: SpectrumDocument
) -> None:
    used = {kind: named for kind, named in site_record(oxide).used.items() if kind != Kind.SOURCE}
    store.put(oxide, site_record(oxide, used=used))
    path = Path(oxide.source)
    assert problems(tracer.ancestors(oxide.id)) == {}
    assert tracer.ancestors(oxide.id).nodes[oxide.source].kind is Kind.SOURCE
    assert oxide.source in tracer.ancestors(oxide.structure_id).nodes
    with changed(path, lambda path: rock_salt("Cu", "F").to(str(path), fmt="cif")):
        assert problems(tracer.ancestors(oxide.id)) == {
            Kind.SOURCE: f"changed on disk: {path} holds another crystal now"
        }
    with changed(path, Path.unlink):
        assert problems(tracer.ancestors(oxide.id)) == {Kind.SOURCE: f"missing: {path} is not there"}


def test_a_spectrum_that_was_deleted_is_missing(home: Path, store: SpectrumStore, tracer: Tracer) -> None:
    first = json.loads((home / "model" / "spectra.json").read_text(encoding="utf-8"))["train"][0]
    store.delete(first)
    graph = tracer.ancestors(tracer.resolve("model"))
    assert {node.id: node.problem for node in graph.nodes.values() if node.problem} == {
        first: f"missing: it is not in {store.address}"
    }


def test_a_model_is_found_by_its_content_and_named_by_its_hash_when_it_is_gone(
    home: Path, made: Path, store: SpectrumStore, prediction: str
) -> None:
    model = str(store.get(prediction).parameters["model"])
    (made / "model").rename(made / "elsewhere")
    try:
        gone = Tracer(store, home / "empty").ancestors(prediction)
        found = Tracer(store, made).ancestors(prediction)
    finally:
        (made / "elsewhere").rename(made / "model")
    assert gone.nodes[model].problem == f"missing: in no folder known here; it was {made / 'model'}"
    assert found.nodes[model].problem == ""


def test_a_list_of_spectra_that_was_changed_is_named(home: Path, tracer: Tracer) -> None:
    path = home / "model" / "spectra.json"
    lists = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**lists, "train": lists["train"][1:]}), encoding="utf-8")
    said = problems(tracer.ancestors(tracer.resolve("model")))
    assert said.keys() == {Kind.SPECTRA}
    assert said[Kind.SPECTRA].startswith(f"changed on disk: {path} is {file_checksum(path)} instead of sha256:")


def test_a_dataset_that_is_gone_or_cut_off_is_named(made: Path, tracer: Tracer) -> None:
    model = tracer.resolve("model")
    with changed(made / "copper" / "spectra.parquet", lambda path: path.write_bytes(path.read_bytes()[:-1])):
        assert "bytes instead of" in problems(tracer.ancestors(model))[Kind.DATASET]
    (made / "copper").rename(made / "moved")
    try:
        assert problems(tracer.ancestors(model))[Kind.DATASET] == f"missing: {made / 'copper'} is not there"
    finally:
        (made / "moved").rename(made / "copper")


def test_a_raw_file_that_is_not_the_one_on_record_is_named(
    store: SpectrumStore, tracer: Tracer, oxide: SpectrumDocument
) -> None:
    store.put_files(oxide.id, {"feff.inp": b"another"})
    said = problems(tracer.ancestors(oxide.id))
    assert said.keys() == {Kind.INPUT}
    assert said[Kind.INPUT].startswith("changed: the store keeps sha256:")


def test_an_entry_of_a_database_is_no_file(store: SpectrumStore, tracer: Tracer, oxide: SpectrumDocument) -> None:
    from dataclasses import replace

    entry = replace(oxide, source="mp-704645")
    store.put(entry, site_record(oxide, used={Kind.STRUCTURE: {"structure": oxide.structure_id}}))
    graph = tracer.ancestors(oxide.id)
    assert problems(graph) == {}
    assert graph.nodes["mp-704645"].kind is Kind.SOURCE
