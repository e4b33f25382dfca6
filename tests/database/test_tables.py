from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mongomock
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as parquet  # type: ignore[import-untyped]  # ships no types
import pytest

from whiteline.database import MongoStore, SpectrumQuery, SpectrumStore, SQLiteStore
from whiteline.database.columns import check_columns, iterate
from whiteline.database.table_files import new_file, write_parquet, write_table
from whiteline.database.tables import METADATA_KEY, to_arrow, to_dataframe
from whiteline.errors import InputError, MissingDependencyError, ParameterError, StoreError
from whiteline.status import Status

if TYPE_CHECKING:
    from tests.database.conftest import DocumentMaker

EVERYTHING = SpectrumQuery(status="any", sort="id")


@pytest.fixture(params=["sqlite", "mongomock"])
def store(request: pytest.FixtureRequest, tmp_path: Path, make_document: DocumentMaker) -> Iterator[SpectrumStore]:
    """Three spectra, one of them on a longer axis, and a failed calculation."""
    opened: SpectrumStore
    if request.param == "sqlite":
        opened = SQLiteStore(tmp_path / "spectra.db")
    else:
        opened = MongoStore(mongomock.MongoClient()["whiteline"])
    spectrum = make_document().spectrum
    assert spectrum is not None
    energy = np.arange(-20.0, 60.0, 0.5)
    components = np.array([np.interp(energy, spectrum.energy, row) for row in spectrum.components])
    long = replace(spectrum, energy=energy, components=components)
    documents = [
        make_document("a", parameters={"fms_radius": 5, "mode": "x", "scf": {"n": 3}}, licence="CC-BY-4.0"),
        make_document("b", parameters={"fms_radius": 6.5, "mode": 1}, site_index=None),
        make_document("c", parameters={"is_fast": True, "scf": {"n": [1, 2]}}, spectrum=long),
        make_document("d", parameters={}, status=Status.FAILED),
    ]
    opened.put_many((document, None) for document in documents)
    with opened:
        yield opened


@pytest.fixture
def ids(make_document: DocumentMaker) -> dict[str, str]:
    return {name: make_document(name).id for name in "abcd"}


def by_id(table: Any, name: str) -> dict[str, Any]:
    return dict(zip(table["id"].to_pylist(), table[name].to_pylist(), strict=True))


def test_rows_stream_with_parameters_and_arrays(store: SpectrumStore, ids: dict[str, str]) -> None:
    rows = {row["id"]: row for row in iterate(store, EVERYTHING, columns="id,parameters.scf.n,intensity,n_points")}
    assert {rows[ids[name]]["parameters.scf.n"] for name in "abd"} == {3, None}
    assert rows[ids["c"]]["parameters.scf.n"] == [1, 2]
    assert (rows[ids["d"]]["intensity"], rows[ids["d"]]["n_points"]) == (None, 0)
    spectrum = store.get(ids["a"]).spectrum
    assert spectrum is not None
    assert rows[ids["a"]]["intensity"].tobytes() == spectrum.intensity.tobytes()


def test_summary_and_document_give_the_same_values(store: SpectrumStore) -> None:
    names = ("id", "kind", "status", "formula", "space_group", "site_index", "n_points", "energy_min", "parameters")
    from_summaries = list(iterate(store, EVERYTHING, columns=names))
    from_documents = list(iterate(store, EVERYTHING, columns=(*names, "scale")))
    assert from_summaries == [{name: row[name] for name in names} for row in from_documents]


def test_dataframe_keeps_whole_numbers_and_names_units(store: SpectrumStore, ids: dict[str, str]) -> None:
    frame = to_dataframe(store, EVERYTHING, columns="id,site_index,energy_min,parameters.fms_radius").set_index("id")
    assert frame["site_index"].dtype == "Int64"
    assert frame.loc[ids["a"], "site_index"] == 0
    assert frame["site_index"].isna().sum() == 1
    assert frame.loc[ids["c"], "energy_min"] == -20.0
    assert frame.attrs["units"] == {"energy_min": "eV"}
    assert math.isnan(frame.loc[ids["d"], "parameters.fms_radius"])
    assert len(to_dataframe(store, SpectrumQuery(absorber="Fe"))) == 0


def test_arrow_without_a_grid_keeps_every_axis_to_the_bit(store: SpectrumStore, ids: dict[str, str]) -> None:
    table = to_arrow(store, EVERYTHING).read_all()
    assert set(table["id"].to_pylist()) == {ids[name] for name in "abc"}
    for spectrum_id, energy in by_id(table, "energy").items():
        spectrum = store.get(spectrum_id).spectrum
        assert spectrum is not None
        assert energy == spectrum.energy.tolist()
        assert by_id(table, "intensity")[spectrum_id] == spectrum.intensity.tolist()
    assert by_id(table, "licence") == {ids["a"]: "CC-BY-4.0", ids["b"]: "", ids["c"]: ""}


def test_arrow_on_a_grid_is_the_matrix_of_the_store(store: SpectrumStore) -> None:
    grid = np.linspace(-8.0, 25.0, 67)
    table = to_arrow(store, EVERYTHING, grid=grid).read_all()
    ids, matrix = store.matrix(EVERYTHING, grid)
    assert table["id"].to_pylist() == ids
    assert table.schema.field("intensity").type == pa.list_(pa.float64(), 67)
    assert np.array(table["intensity"].to_pylist()).tobytes() == matrix.tobytes()
    facts = json.loads(table.schema.metadata[METADATA_KEY])
    assert facts["grid_ev"] == grid.tolist()
    assert facts["query"]["status"] == ["converged", "unconverged", "failed"]
    assert table.schema.field("scale").metadata[b"unit"].startswith(b"Mbarn per atom")


def test_parameter_of_one_type_has_it_and_a_mixed_one_is_json(store: SpectrumStore, ids: dict[str, str]) -> None:
    columns = "id,parameters.fms_radius,parameters.mode,parameters.is_fast,parameters.scf.n,parameters.none"
    table = to_arrow(store, EVERYTHING, columns=columns).read_all()
    types = {field.name: str(field.type) for field in table.schema}
    assert types["parameters.fms_radius"] == "double"
    assert types["parameters.is_fast"] == "bool"
    assert by_id(table, "parameters.mode") == {ids["a"]: '"x"', ids["b"]: "1", ids["c"]: None, ids["d"]: None}
    assert by_id(table, "parameters.scf.n")[ids["c"]] == "[1,2]"
    assert table["parameters.none"].null_count == 4


def test_many_rows_come_in_several_batches(tmp_path: Path, make_document: DocumentMaker) -> None:
    with SQLiteStore(tmp_path / "many.db") as store:
        store.put_many((make_document(f"{i}"), None) for i in range(2100))
        sizes = [batch.num_rows for batch in to_arrow(store, EVERYTHING, grid=np.array([0.0, 1.0, 5.0]))]
    assert sizes == [1000, 1000, 100]


def test_grid_beyond_the_data_names_the_spectrum(store: SpectrumStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="choose a grid that all spectra cover"):
        write_parquet(store, EVERYTHING, tmp_path / "spectra.parquet", grid=np.array([0.0, 55.0]))
    assert not list(tmp_path.glob("*parquet*"))
    with pytest.raises(InputError, match="strictly increasing"):
        to_arrow(store, EVERYTHING, grid=np.array([1.0, 0.0]))
    with pytest.raises(ParameterError, match="a grid is for the column intensity"):
        to_arrow(store, EVERYTHING, columns="id", grid=np.array([0.0, 1.0]))


def test_parquet_reads_back_with_its_metadata(store: SpectrumStore, tmp_path: Path) -> None:
    path = tmp_path / "spectra.parquet"
    path.write_text("an earlier file")
    assert write_parquet(store, EVERYTHING, path) == 3
    table = parquet.read_table(path)
    assert table.equals(to_arrow(store, EVERYTHING).read_all())
    assert json.loads(table.schema.metadata[METADATA_KEY])["units"]["energy"] == "eV"


def test_csv_has_one_line_a_spectrum_and_json_in_its_cells(store: SpectrumStore, tmp_path: Path) -> None:
    path = tmp_path / "spectra.csv"
    assert write_table(store, EVERYTHING, path, columns="id,elements,site_index,parameters.scf.n") == 4
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert {row["elements"] for row in rows} == {'["O", "Ti"]'}
    assert sorted(row["parameters.scf.n"] for row in rows) == ["", "", "3", "[1, 2]"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("fms_radius", "there is no column 'fms_radius'"),
        ("formla", "did you mean 'formula'"),
        ("parameters.a..b", "there is no column 'parameters.a..b'"),
        ("parameters.a'); DROP", "there is no column"),
        (" , ", "expected names of columns, got none"),
    ],
)
def test_unknown_column_names_the_nearest(names: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        check_columns(names)


def test_an_interrupted_write_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("earlier")
    with pytest.raises(KeyboardInterrupt), new_file(path) as draft:
        draft.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(StoreError, match="choose a writable place"), new_file(tmp_path / "none" / "a.csv"):
        pass


@pytest.mark.parametrize(("package", "call"), [("pandas", to_dataframe), ("pyarrow", to_arrow)])
def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, call: Any
) -> None:
    import importlib

    found = importlib.import_module

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return found(name, *rest)

    monkeypatch.setattr("whiteline.database.optional.import_module", without)
    with (
        SQLiteStore(tmp_path / "spectra.db") as store,
        pytest.raises(MissingDependencyError, match=rf"needs {package}.*whiteline\[tables\]"),
    ):
        call(store, SpectrumQuery())
