import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from whiteline.database import SPECTRUM_SCHEMA_VERSION, SpectrumDocument
from whiteline.database import documents as documents_module
from whiteline.errors import InputError, ParameterError, ParseError, SchemaVersionError
from whiteline.status import Status


def test_document_of_version_one_loads_and_loses_nothing(artefact: dict[str, Any]) -> None:
    assert artefact["schema_version"] == 1
    document = SpectrumDocument.from_dict(artefact)
    assert document.status is Status.UNCONVERGED
    assert document.spectrum is not None
    assert document.spectrum.n_energy == 40
    added = {"schema_version": 2, "licence": "", "citation": ""}
    assert json.loads(json.dumps(document.to_dict())) == {**artefact, **added}


def test_every_version_step_has_one_upgrade() -> None:
    assert sorted(documents_module._UPGRADES) == list(range(1, SPECTRUM_SCHEMA_VERSION))


def test_older_document_passes_through_every_upgrade(artefact: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {
        1: lambda data: {**data, "source": data["source"] + "+1", "licence": "", "citation": ""},
        2: lambda data: {**data, "source": data["source"] + "+2"},
    }
    monkeypatch.setattr(documents_module, "SPECTRUM_SCHEMA_VERSION", 3)
    monkeypatch.setattr(documents_module, "_UPGRADES", steps)
    assert SpectrumDocument.from_dict(artefact).source == "rutile.cif+1+2"


def test_newer_document_is_refused_with_a_remedy(artefact: dict[str, Any]) -> None:
    with pytest.raises(SchemaVersionError, match=r"schema version 99.*pip install -U"):
        SpectrumDocument.from_dict({**artefact, "schema_version": 99})


@pytest.mark.parametrize("missing", ["formula", "structure", "spectrum"])
def test_cut_document_is_named_as_such(artefact: dict[str, Any], missing: str) -> None:
    with pytest.raises(ParseError, match=missing):
        SpectrumDocument.from_dict({k: v for k, v in artefact.items() if k != missing})


def test_a_measured_spectrum_needs_no_structure(artefact: dict[str, Any]) -> None:
    unknown = {"structure": {}, "structure_id": "", "space_group": 0, "space_group_symbol": ""}
    bare = {**unknown, "formula": "", "chemical_system": "", "elements": []}
    measured = {
        **artefact,
        **bare,
        "kind": "measured",
        "status": "converged",
        "code": "experiment",
        "licence": "CC0-1.0",
    }
    stored = SpectrumDocument.from_dict({**measured, "schema_version": 2, "citation": ""})
    assert (stored.kind.value, stored.elements, stored.licence) == ("measured", (), "CC0-1.0")
    assert SpectrumDocument.from_dict(stored.to_dict()).to_dict() == stored.to_dict()


def test_only_a_failed_document_goes_without_spectrum(artefact: dict[str, Any]) -> None:
    document = SpectrumDocument.from_dict(artefact)
    with pytest.raises(InputError, match="every other has one"):
        replace(document, spectrum=None)
    with pytest.raises(InputError, match="every other has one"):
        replace(document, status=Status.FAILED)
    with pytest.raises(InputError, match="without a reason"):
        replace(document, status=Status.FAILED, spectrum=None, reason="")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "../../etc"}, "hexadecimal"),
        ({"elements": ("Fe",)}, "chemical system"),
        ({"edge": "L9"}, "unknown edge"),
        ({"created_at": "yesterday"}, "ISO 8601"),
    ],
)
def test_document_is_checked(artefact: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(SpectrumDocument.from_dict(artefact), **changes)


def test_times_are_kept_in_the_form_that_sorts(artefact: dict[str, Any]) -> None:
    document = replace(SpectrumDocument.from_dict(artefact), created_at="2026-01-05T12:00:00+02:00")
    assert document.created_at == "2026-01-05T10:00:00.000+00:00"


def test_json_text_refuses_what_no_store_can_keep() -> None:
    with pytest.raises(ParameterError, match="the parameters"):
        documents_module.json_text({"radius": float("nan")}, what="the parameters")


def test_a_computed_document_of_every_version_loads_as_it_was_written() -> None:
    paths = sorted((Path(__file__).parents[1] / "data" / "documents").glob("anatase-v*.json"))
    assert len(paths) == SPECTRUM_SCHEMA_VERSION
    for path in paths:
        stored = json.loads(path.read_text(encoding="utf-8"))
        spectrum = SpectrumDocument.from_dict(stored).spectrum
        assert spectrum is not None
        assert spectrum.components.tolist() == stored["spectrum"]["components"]
        # The white line of the Ti K edge lies where FEFF put it when this was stored.
        assert 4985 < spectrum.energy[spectrum.intensity.argmax()] < 4995
