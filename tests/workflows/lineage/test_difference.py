from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.workflows.learning.toy import rock_salt, toy_document
from whiteline.absorber import find_absorbers
from whiteline.database import open_store
from whiteline.database.documents import SpectrumDocument
from whiteline.database.store import SpectrumStore, UnknownIdError
from whiteline.edges import Edge
from whiteline.provenance import Kind, ProvenanceRecord, content_checksum, utc_now
from whiteline.status import Status
from whiteline.workflows.lineage.difference import Aspect, Explanation, compare_records, explain_spectra

DECK = "TITLE CuO\nSCF 4.0\nFMS 6.0\n"


@pytest.fixture
def document() -> SpectrumDocument:
    (absorber,) = find_absorbers(rock_salt("Cu", "O"), "Cu", Edge.K)
    return toy_document(absorber, source="CuO.cif")


def put(store: SpectrumStore, document: SpectrumDocument, deck: str = DECK, **changes: object) -> ProvenanceRecord:
    record = ProvenanceRecord(
        activity="feff-site",
        used={Kind.INPUT: {"feff.inp": content_checksum(deck.encode())}},
        generated={Kind.SPECTRUM: {"spectrum": document.id}},
        code="feff",
        code_version="FEFF 10.0.0",
        parameters=document.parameters,
        started_at=utc_now(),
        ended_at=utc_now(),
        libraries={"numpy": "2.1.0"},
    )
    record = replace(record, **changes)  # type: ignore[arg-type]  # checked by the record
    store.put(document, record, {"feff.inp": deck.encode()})
    return record


def other(document: SpectrumDocument, **changes: object) -> SpectrumDocument:
    values = {"id": "ab" * 20, "spectrum": document.spectrum and document.spectrum.shift_by(0.5), **changes}
    return replace(document, **values)  # type: ignore[arg-type]  # checked by the document


def aspects(explanation: Explanation) -> dict[str, tuple[str, str]]:
    return {f"{each.aspect.value}: {each.name}": (each.first, each.second) for each in explanation.differences}


def test_a_changed_parameter_comes_before_the_changed_line_of_the_input_and_both_are_told(
    tmp_path: Path, document: SpectrumDocument
) -> None:
    twin = other(document, parameters={**document.parameters, "l_max": 4})
    with open_store(tmp_path / "s.db") as store:
        put(store, document)
        put(store, twin, DECK.replace("FMS 6.0", "FMS 8.0"))
        explanation = explain_spectra(store, document.id, twin.id)
    parameter, deck = (next(d for d in explanation.differences if d.name == name) for name in ("l_max", "feff.inp"))
    assert explanation.differences.index(parameter) < explanation.differences.index(deck)
    assert (parameter.first, parameter.second) == ("3", "4")
    assert {"-FMS 6.0", "+FMS 8.0"} < set(deck.detail.splitlines())
    assert not explanation.is_same
    assert explanation.largest is None  # the axis of the twin is shifted
    assert explanation.similarity is not None
    assert explanation.similarity.shift == pytest.approx(-0.5, abs=0.02)


def test_versions_programs_potentials_and_machines_are_told_apart(tmp_path: Path, document: SpectrumDocument) -> None:
    twin = other(document, spectrum=document.spectrum)
    with open_store(tmp_path / "s.db") as store:
        put(store, document, used={Kind.PSEUDOPOTENTIAL: {"Cu": "sha256:aa"}}, executables={"feff": "sha256:01"})
        put(
            store,
            twin,
            used={Kind.PSEUDOPOTENTIAL: {"Cu": "sha256:bb"}},
            executables={"feff": "sha256:02"},
            code_version="FEFF 10.0.1",
            libraries={"numpy": "2.2.0"},
            host="elsewhere",
        )
        found = explain_spectra(store, document.id, twin.id)
    told = aspects(found)
    assert told["pseudopotentials: Cu"] == ("sha256:aa", "sha256:bb")
    assert told["code: feff"] == ("sha256:01", "sha256:02")
    assert told["code: version"] == ("FEFF 10.0.0", "FEFF 10.0.1")
    assert told["libraries: numpy"] == ("2.1.0", "2.2.0")
    assert told["machine: host"][1] == "elsewhere"
    assert found.is_same
    assert [Aspect(each.aspect) for each in found.differences] == sorted(
        (each.aspect for each in found.differences), key=list(Aspect).index
    )


def test_a_result_differs_in_nothing_from_itself(tmp_path: Path, document: SpectrumDocument) -> None:
    with open_store(tmp_path / "s.db") as store:
        put(store, document)
        explanation = explain_spectra(store, document.id[:10], document.id)
    assert explanation.is_same
    assert explanation.differences == ()


def test_a_failed_calculation_is_told_with_its_reason(tmp_path: Path, document: SpectrumDocument) -> None:
    failed = other(document, spectrum=None, status=Status.FAILED, reason="feff: no SCF")
    with open_store(tmp_path / "s.db") as store:
        put(store, document)
        put(store, failed)
        explanation = explain_spectra(store, document.id, failed.id)
    assert "feff: no SCF" in explanation.note
    assert aspects(explanation)["subject: status"] == ("converged", "failed")


def test_an_input_whose_text_was_not_kept_says_so(tmp_path: Path, document: SpectrumDocument) -> None:
    with open_store(tmp_path / "s.db") as store:
        one, two = put(store, document), put(store, other(document), "other")
    (deck,) = (each for each in compare_records(one, two) if each.name == "feff.inp")
    assert "not kept" in deck.detail


def test_an_unknown_id_is_an_error(tmp_path: Path) -> None:
    with open_store(tmp_path / "s.db") as store, pytest.raises(UnknownIdError, match="ffff"):
        explain_spectra(store, "ffff", "ffff")
