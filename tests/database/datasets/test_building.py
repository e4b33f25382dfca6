from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mongomock
import numpy as np
import pytest

from tests.database.datasets.conftest import GRID, make_spectrum
from whiteline.database import MongoStore, SpectrumDocument, SpectrumQuery, SQLiteStore
from whiteline.database.datasets import Dataset, DatasetGrid, Intensity, Split, SplitBy, create_dataset
from whiteline.database.datasets.manifest import SPECTRA, STRUCTURES, ids_checksum
from whiteline.edges import Edge, edge_energy
from whiteline.errors import InputError, StoreError
from whiteline.provenance import Kind
from whiteline.spectrum import EnergyReference, Quantity
from whiteline.status import Status

if TYPE_CHECKING:
    from tests.database.conftest import DocumentMaker


def test_matrix_is_the_cross_section_at_the_points_of_the_grid(
    dataset: Dataset, documents: list[SpectrumDocument]
) -> None:
    photon_energy = dataset.grid + edge_energy("Ti", Edge.K)
    expected = []
    for document in sorted(documents, key=lambda document: document.id):
        assert document.spectrum is not None
        expected.append(np.interp(photon_energy, document.spectrum.energy, document.spectrum.cross_section()))
    assert dataset.ids() == sorted(document.id for document in documents)
    # Zeros are added on one side and taken off on the other: rounding of 5000 eV, times the slope of the curve.
    np.testing.assert_allclose(dataset.matrix(), expected, rtol=0, atol=1e-11)
    assert set(dataset.table["energy_zero"].to_pylist()) == {edge_energy("Ti", Edge.K)}


def test_points_of_the_axis_keep_their_values_to_the_bit(store: SQLiteStore, tmp_path: Path) -> None:
    grid = DatasetGrid.parse("absolute 4960:5000:0.25")
    made = create_dataset(store, SpectrumQuery(limit=1), tmp_path / "one", grid=grid, intensity=Intensity.RAW)
    spectrum = store.get(made.ids()[0]).spectrum
    assert spectrum is not None
    assert made.matrix()[0].tobytes() == spectrum.crop(4960.0, 5000.0).intensity.tobytes()
    assert made.table["scale"].to_pylist() == [0.5]
    assert made.manifest.units["intensity"] == "1/scale, see quantity and scale"


@pytest.mark.parametrize("by", list(SplitBy))
def test_no_group_crosses_a_split(store: SQLiteStore, tmp_path: Path, by: SplitBy) -> None:
    made = create_dataset(store, SpectrumQuery(), tmp_path / "set", grid=GRID, split=Split(by, seed=3))
    places = defaultdict(set)
    for group, place in zip(made.table[by.value].to_pylist(), made.table["split"].to_pylist(), strict=True):
        places[group].add(place)
    assert {len(found) for found in places.values()} == {1}
    counts = {name: len(made.matrix(name)) for name in ("train", "val", "test")}
    assert counts == {name: found["spectra"] for name, found in made.manifest.split_counts.items()}
    assert sum(counts.values()) == len(made) == 42
    assert all(counts.values())


def test_manifest_says_what_is_in_it(dataset: Dataset) -> None:
    manifest = dataset.manifest
    assert (manifest.name, manifest.n_spectra, manifest.n_structures) == ("model-set", 42, 14)
    assert manifest.licences == {"CC-BY-4.0": 21, "unknown": 21}
    assert manifest.citations == {"doi:10.1/x": 12, "unknown": 30}
    assert manifest.codes == {"feff 10.0.1": 42}
    assert manifest.edges == {"Ti K": 42}
    assert manifest.query == {"status": ["converged"]}
    assert manifest.ids_sha256 == ids_checksum(dataset.ids())
    assert manifest.units == {"energy": "eV", "intensity": "Mbarn per absorbing atom"}
    assert set(manifest.files) == {SPECTRA, STRUCTURES}


def test_every_spectrum_finds_its_own_cell(
    store: SQLiteStore, tmp_path: Path, documents: list[SpectrumDocument]
) -> None:
    # Another cell of the same crystal: its sites are counted otherwise, so that it must not be merged.
    other = replace(documents[0], id="ab" * 20, structure={**documents[0].structure, "charge": 99}, site_index=7)
    measured = replace(documents[1], id="cd" * 20, structure={}, structure_id="", site_index=None)
    store.put_many([(other, None), (measured, None)])
    made = create_dataset(store, SpectrumQuery(), tmp_path / "set", grid=GRID)
    keys = dict(zip(made.ids(), made.table["structure_key"].to_pylist(), strict=True))
    assert made.structures[keys[other.id]] == other.structure
    assert made.structures[keys[documents[0].id]] == documents[0].structure
    assert keys[measured.id] == ""
    assert made.manifest.n_structures == len(made.structures) == 15


def test_the_same_store_query_and_seed_give_the_same_bytes(
    store: SQLiteStore, tmp_path: Path, documents: list[SpectrumDocument]
) -> None:
    with MongoStore(mongomock.MongoClient()["whiteline"]) as other:
        other.put_many((document, None) for document in reversed(documents))
        query = SpectrumQuery(absorber="Ti", parameters={"fms_radius": (">", 1)})
        first = create_dataset(store, query, tmp_path / "first" / "set", grid=GRID)
        second = create_dataset(other, query, tmp_path / "second" / "set", grid=GRID)
    for name in (SPECTRA, STRUCTURES):
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes()
    assert first.manifest.content_sha256 == second.manifest.content_sha256
    assert replace(first.manifest, created="") == replace(second.manifest, created="")
    seeded = create_dataset(store, query, tmp_path / "third" / "set", grid=GRID, split=Split(seed=1))
    assert seeded.manifest.content_sha256 != first.manifest.content_sha256
    assert seeded.manifest.files[STRUCTURES] == first.manifest.files[STRUCTURES]


@pytest.fixture
def mixed(store: SQLiteStore, make_document: DocumentMaker) -> dict[str, str]:
    """Spectra that do not fit, by reason."""
    known: dict[str, Any] = {"status": Status.CONVERGED, "reason": ""}
    no_zero = replace(make_spectrum(), energy_reference=EnergyReference.FERMI, reference_energy=None)
    documents = {
        "its absolute energy is unknown": make_document("z", spectrum=no_zero, **known),
        "it has no cross-section in Mbarn": make_document("u", spectrum=make_spectrum(scale=None), **known),
        "it does not cover the grid": make_document("n", spectrum=make_spectrum().crop(4962.0, 5000.0), **known),
        "the calculation failed": make_document("f", status=Status.FAILED),
    }
    loss = make_document("l", spectrum=make_spectrum(quantity=Quantity.ENERGY_LOSS), **known)
    store.put_many((document, None) for document in (*documents.values(), loss))
    return {reason: document.id for reason, document in documents.items()} | {"loss": loss.id}


def test_what_does_not_fit_is_left_out_and_named(store: SQLiteStore, tmp_path: Path, mixed: dict[str, str]) -> None:
    made = create_dataset(store, SpectrumQuery(status="any"), tmp_path / "set", grid=GRID)
    excluded = {reason: found["ids"] for reason, found in made.manifest.excluded.items()}
    loss = mixed.pop("loss")
    units = "it has no cross-section in Mbarn"
    assert sorted(excluded.pop(units)) == sorted([mixed.pop(units), loss])
    assert excluded == {reason: [spectrum_id] for reason, spectrum_id in mixed.items()}
    assert (len(made), made.manifest.n_excluded) == (42, 5)
    assert "--extrapolate" in made.manifest.excluded["it does not cover the grid"]["remedy"]


def test_extrapolated_points_are_counted_and_hold_the_end(
    store: SQLiteStore, tmp_path: Path, mixed: dict[str, str]
) -> None:
    made = create_dataset(store, SpectrumQuery(), tmp_path / "set", grid=GRID, is_extrapolated=True)
    short = made.ids().index(mixed["it does not cover the grid"])
    # Ti K is tabulated at 4966 eV: the grid begins at 4961 eV, two points below the axis.
    assert made.table["n_extrapolated"].to_pylist()[short] == 2
    assert sum(made.table["n_extrapolated"].to_pylist()) == 2
    row = made.matrix()[short]
    assert row[0] == row[1] == row[2]
    assert made.manifest.extrapolation == "end values held"


def test_stored_axes_must_count_from_one_zero(
    store: SQLiteStore, tmp_path: Path, make_document: DocumentMaker, mixed: dict[str, str]
) -> None:
    grid = DatasetGrid.parse("as-stored 4960:5000:1")
    with pytest.raises(InputError, match=r"counts from .*narrow the query"):
        create_dataset(store, SpectrumQuery(), tmp_path / "set", grid=grid)
    query = SpectrumQuery(id_prefix=mixed["its absolute energy is unknown"])
    made = create_dataset(store, query, tmp_path / "set", grid=grid, intensity=Intensity.RAW)
    assert made.table["energy_zero"].to_pylist() == [None]
    assert made.table["energy_reference"].to_pylist() == ["fermi"]


@pytest.mark.parametrize(
    ("query", "grid", "words"),
    [
        ({"absorber": "Fe"}, "edge-relative 0:5:1", "the query finds no spectrum"),
        ({}, "absolute 0:10:1", "of 42 it does not cover the grid .take a narrower grid"),
        ({"status": "failed"}, "edge-relative 0:5:1", "of 1 the calculation failed"),
    ],
)
def test_an_empty_dataset_is_an_error_that_says_why(
    store: SQLiteStore, tmp_path: Path, make_document: DocumentMaker, query: dict[str, Any], grid: str, words: str
) -> None:
    store.put(make_document("f", status=Status.FAILED))
    with pytest.raises(InputError, match=words):
        create_dataset(store, SpectrumQuery(**query), tmp_path / "set", grid=DatasetGrid.parse(grid))
    assert [path.name for path in tmp_path.iterdir() if "set" in path.name] == []


def test_nothing_is_ever_written_over(store: SQLiteStore, dataset: Dataset, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in dataset.path.iterdir()}
    (tmp_path / "empty").mkdir()
    for name in ("model-set", "empty", "spectra.db"):
        with pytest.raises(InputError, match="never written over"):
            create_dataset(store, SpectrumQuery(), tmp_path / name, grid=GRID)
    assert {path.name: path.read_bytes() for path in dataset.path.iterdir()} == before


def test_an_interruption_leaves_nothing(store: SQLiteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("whiteline.database.datasets.building._write_spectra", interrupt)
    with pytest.raises(KeyboardInterrupt):
        create_dataset(store, SpectrumQuery(), tmp_path / "set", grid=GRID)
    assert [path.name for path in tmp_path.iterdir() if "set" in path.name] == []


def test_a_place_that_cannot_be_written_is_named(store: SQLiteStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose a writable place"):
        create_dataset(store, SpectrumQuery(), tmp_path / "file" / "set", grid=GRID)


def test_window_of_a_query_is_what_it_lists(store: SQLiteStore, tmp_path: Path) -> None:
    query = SpectrumQuery(sort="-formula", skip=2, limit=5)
    made = create_dataset(store, query, tmp_path / "set", grid=GRID)
    assert made.ids() == sorted(summary.id for summary in store.summaries(query))
    assert json.loads((made.path / "manifest.json").read_text())["query"]["limit"] == 5


def test_a_dataset_is_on_record_with_its_spectra_before_its_folder_appears(
    store: SQLiteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "rename", killed)
        create_dataset(store, SpectrumQuery(), tmp_path / "set", grid=GRID)
    assert not (tmp_path / "set").exists()
    made = create_dataset(store, SpectrumQuery(), tmp_path / "set", grid=GRID, split=Split(seed=3))
    (found,) = store.linked([made.manifest.content_sha256])
    assert found.record.generated == {Kind.DATASET: {"set": made.manifest.content_sha256}}
    assert store.members(found.record.id) == made.ids()
    assert (found.record.seeds, found.record.parameters["split"]["by"]) == ({"split": 3}, "formula")


def test_a_dataset_of_a_store_that_cannot_be_written_stands_without_a_record(
    store: SQLiteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("it is closed")

    monkeypatch.setattr(SQLiteStore, "put_activity", refuse)
    made = create_dataset(store, SpectrumQuery(), tmp_path / "set", grid=GRID)
    assert made.manifest.n_spectra
    assert "where set came from is not on record: it is closed" in caplog.text
