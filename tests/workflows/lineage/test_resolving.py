"""What people may type, and what they are told when there is no such thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from whiteline.database.documents import SpectrumDocument
from whiteline.database.query import SpectrumQuery
from whiteline.database.store import AmbiguousIdError, SpectrumStore, UnknownIdError
from whiteline.provenance import Kind, content_checksum
from whiteline.workflows.lineage import Tracer

from .conftest import FILE


def test_beginnings_of_ids_name_spectra_structures_sites_and_files(tracer: Tracer, oxide: SpectrumDocument) -> None:
    for whole in (oxide.id, oxide.structure_id, oxide.site_id, content_checksum(FILE)):
        assert tracer.resolve(whole) == whole
        assert tracer.resolve(whole.removeprefix("sha256:")[:16]) == whole


def test_a_model_is_named_by_its_name_its_folder_or_its_hash(tracer: Tracer, home: Path) -> None:
    model = tracer.resolve("model")
    assert tracer.resolve(str(home / "model")) == model
    assert tracer.resolve(model[:8]) == model
    assert tracer.ancestors(model).nodes[model].kind is Kind.MODEL


def test_a_dataset_is_named_by_its_folder(tracer: Tracer, made: Path) -> None:
    graph = tracer.ancestors(tracer.resolve(str(made / "copper")))
    assert Kind.SPECTRUM in {node.kind for node in graph.nodes.values()}


def test_a_dataset_that_no_store_knows_tells_its_own_spectra(made: Path, tmp_path: Path) -> None:
    tracer = Tracer(None, tmp_path)
    content = tracer.resolve(str(made / "copper"))
    graph = tracer.ancestors(content)
    assert graph.nodes[content].label == "copper (12 spectra)"
    assert [node.label for node in graph.nodes.values() if node.kind is Kind.SPECTRA] == ["12 spectra, 1 shown"]


def test_a_file_leads_to_its_crystal_where_its_checksum_is_not_on_record(
    tracer: Tracer, tmp_path: Path, oxide: SpectrumDocument
) -> None:
    copy = tmp_path / "copy.cif"
    copy.write_bytes(Path(oxide.source).read_bytes() + b"\n")
    assert tracer.resolve(str(copy)) == oxide.structure_id


def test_an_unknown_id_is_an_error_that_names_the_nearest(tracer: Tracer, oxide: SpectrumDocument) -> None:
    mistyped = f"{oxide.id[:10]}{'0' if oxide.id[10] != '0' else '1'}{oxide.id[11]}"
    with pytest.raises(UnknownIdError, match=f"did you mean '{oxide.id[:12]}'"):
        tracer.resolve(mistyped)
    with pytest.raises(UnknownIdError, match="did you mean 'model'"):
        tracer.resolve("modle")


def test_a_beginning_of_several_ids_is_an_error_that_names_them(tracer: Tracer, store: SpectrumStore) -> None:
    firsts = [summary.id[0] for summary in store.summaries(SpectrumQuery(status="any"))]
    twice = max(firsts, key=firsts.count)
    with pytest.raises(AmbiguousIdError, match="give more digits"):
        tracer.resolve(twice)
