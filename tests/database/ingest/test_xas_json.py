from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from whiteline.database import DocumentKind, SpectrumStore
from whiteline.database.ingest import ingest_with
from whiteline.database.ingest.xas_json import XasJsonReader
from whiteline.status import Status

READERS = [XasJsonReader()]


def take(store: SpectrumStore, path: Path, content: Any) -> Any:
    text = json.dumps(content)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return ingest_with([path], store, file_readers=READERS)


def test_a_spectrum_of_pymatgen_keeps_its_site_and_says_that_nothing_proves_its_convergence(
    store: SpectrumStore, tmp_path: Path, xas: dict[str, Any]
) -> None:
    report = take(store, tmp_path / "xas.json", xas)
    [document] = map(store.get, report.paths[0].ids)
    assert (document.kind, document.site_index, document.multiplicity) == (DocumentKind.SITE, 0, 4)
    assert (document.formula, document.space_group) == ("Cu", 225)
    assert (document.code, document.status) == ("unknown", Status.UNCONVERGED)
    assert document.spectrum is not None
    assert document.spectrum.energy.tolist() == xas["x"]


@pytest.mark.parametrize("wrap", [lambda d: [d, d], lambda d: {"data": [d]}, lambda d: {"mp-30": d}])
@pytest.mark.parametrize("name", ["docs.json", "docs.json.gz"])
def test_documents_of_the_materials_project_are_found_in_lists_and_packed(
    store: SpectrumStore, tmp_path: Path, xas: dict[str, Any], wrap: Any, name: str
) -> None:
    emmet = {"material_id": "mp-30", "spectrum_id": "mp-30-XANES-Cu-K", "spectrum": xas, "edge": "K"}
    report = take(store, tmp_path / name, wrap(emmet))
    [document] = map(store.get, report.paths[0].ids)
    assert (document.code, document.fidelity) == ("feff", "feff:materials-project")
    assert (document.licence, document.citation) == ("CC-BY-4.0", "doi:10.1038/sdata.2018.151")
    assert document.parameters["material_id"] == "mp-30"


def test_without_an_index_it_is_the_spectrum_of_the_material(
    store: SpectrumStore, tmp_path: Path, xas: dict[str, Any]
) -> None:
    [document] = map(store.get, take(store, tmp_path / "a.json", {**xas, "absorbing_index": None}).paths[0].ids)
    assert (document.kind, document.site_index, document.multiplicity) == (DocumentKind.MATERIAL, None, 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": [1.0]}, "60 energies and 1 intensities"),
        ({"y": [float("nan")] * 60}, "expected y as a list of finite numbers"),
        ({"x": [1.0] * 60}, "increas"),
        ({"absorbing_index": 7}, "site 7 is not in a structure of 4 sites"),
        ({"absorbing_index": -1}, "expected absorbing_index as a whole number from 0 or null, got '-1'"),
        ({"absorbing_index": 2**70, "structure": None}, "expected absorbing_index as a whole number from 0"),
        ({"absorbing_element": "Fe"}, "there is no Fe"),
        ({"edge": "Z"}, "unknown edge"),
        ({"edge": None}, "expected edge as text"),
        ({"spectrum_type": "EXAFS"}, "only spectra near the edge"),
        ({"structure": {"lattice": 3}}, "not a pymatgen structure"),
    ],
)
def test_a_damaged_spectrum_is_skipped_with_its_place_and_the_next_is_taken(
    store: SpectrumStore, tmp_path: Path, xas: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    report = take(store, tmp_path / "two.json", [{**xas, **changes}, xas])
    assert report.n_taken == 1
    [skipped] = report.skipped
    assert skipped.source.endswith("two.json#0")
    assert message in skipped.reason


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "3", '{"x": 1}', "\ud800".encode("utf-8", "surrogatepass")])
def test_what_is_no_spectrum_is_a_reason_and_no_crash(store: SpectrumStore, tmp_path: Path, text: str | bytes) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    report = ingest_with([path], store, file_readers=READERS, kind="xas-json")
    assert report.n_taken == 0
    assert len(report.skipped) == 1
