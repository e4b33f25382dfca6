from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest

from whiteline.errors import InputError, MissingDependencyError, ParameterError, ParseError
from whiteline.models import table_files
from whiteline.models.layouts import MBARN_PER_UNIT, TableLayout
from whiteline.models.outliers import KEEP_ALL, PUBLISHED, OutlierPolicy
from whiteline.models.samples import Samples
from whiteline.models.table_files import read_column
from whiteline.models.tables import read_samples

LAYOUT = TableLayout(
    columns={"material": "mp", "spectrum": "mu", "features": "x", "formula": "formula", "zero": "e0"},
    constants={"absorber": "Cu", "edge": "K", "fidelity": "feff", "step": 0.5},
    unit="Mbarn",
)


def rows(n: int = 3, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "mp": [f"mp-{i}" for i in range(n)],
        "mu": [[0.1 * i + 0.01 * j + 0.1 for j in range(4)] for i in range(n)],
        "x": [[float(i), 1.0] for i in range(n)],
        "formula": ["Cu2O2", "Cu2O", "CuCl"][:n],
        "e0": [8983.173] * n,
    }
    return {**values, **changes}


def write(path: Path, columns: dict[str, Any]) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            cells = [[json.dumps(v) if isinstance(v, list) else v for v in column] for column in columns.values()]
            writer.writerows(zip(*cells, strict=True))
        return path
    table = pyarrow.table(columns)
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path)
    else:
        with pyarrow.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table)
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
def test_the_same_table_gives_the_same_samples_in_every_format(tmp_path: Path, suffix: str) -> None:
    samples = read_samples(write(tmp_path / f"t{suffix}", rows()), layout=LAYOUT)
    assert samples.materials == ("mp-0", "mp-1", "mp-2")
    assert samples.formulas == ("CuO", "Cu2O", "CuCl")  # reduced
    assert samples.ids[0] == "mp-0-1-Cu-K-feff"
    np.testing.assert_array_equal(samples.points, [0.0, 0.5, 1.0, 1.5])
    np.testing.assert_array_equal(samples.zeros, 8983.173)
    np.testing.assert_array_equal(samples.features, np.array(rows()["x"], dtype=np.float32))
    np.testing.assert_array_equal(samples.spectra, rows()["mu"])
    assert samples.source.startswith(f"t{suffix} sha256:")


def test_numbers_may_have_a_column_each(tmp_path: Path) -> None:
    wide = {"mp": ["1", "2"], **{f"mu_{i}": [0.1 * i + 0.1, 0.2] for i in range(12)}}
    layout = TableLayout(
        columns={"material": "mp", "spectrum": "mu_*"}, constants={"absorber": "Cu", "edge": "K", "step": 1.0}
    )
    samples = read_samples(write(tmp_path / "wide.csv", wide), layout=layout)
    np.testing.assert_allclose(samples.spectra[0], 0.1 * np.arange(12) + 0.1)
    assert samples.materials == ("1", "2")  # text, though it looks like numbers


def test_the_pool_of_omnixas_is_recognised(tmp_path: Path) -> None:
    pool = {
        "material_id": ["mp-1", "mp-2"],
        "site_index": [4, 0],
        "absorber": ["Ti", "Cu"],
        "edge": ["K", "K"],
        "fidelity": ["feff", "vasp"],
        "energy_start_ev": [4964.504, 8983.173],
        "energy_step_ev": [0.25, 0.25],
        "m3gnet_features": [[0.1, 0.2], [0.3, 0.4]],
        "spectrum": [[1e-3] * 5, [2e-3] * 5],
    }
    path = write(tmp_path / "pool.parquet", pool)
    samples = read_samples(path, formulas={"mp-1": "TiO2"})
    assert (samples.ids, samples.sites) == (("mp-1-4-Ti-K-feff", "mp-2-0-Cu-K-vasp"), (4, 0))
    assert samples.formulas == ("TiO2", "")
    np.testing.assert_array_equal(samples.zeros, [4964.504, 8983.173])
    # 1 bohr^2 = 0.280028521 Å^2 = 28.0028521 Mbarn (CODATA 2018).
    np.testing.assert_allclose(samples.spectra[:, 0], [0.0280028521, 0.0560057041], rtol=1e-8)
    assert (samples.unit, samples.encoder.split(":")[0]) == ("Mbarn", "m3gnet")
    np.testing.assert_allclose(read_samples(path, unit="bohr2").spectra[:, 0], [1e-3, 2e-3], rtol=1e-15)
    assert read_column(path, "fidelity") == ["feff", "vasp"]


def test_the_copper_table_of_omnixas_is_a_thousand_times_the_cross_section(tmp_path: Path) -> None:
    table = {
        "material_id": ["mp-1"],
        "site_index": [8],
        "formula": ["CuO"],
        "n_sites": [28],
        "omnixas_mu": [[0.9, 0.8]],
        "split": ["val"],
    }
    samples = read_samples(write(tmp_path / "cu.parquet", table))
    np.testing.assert_allclose(samples.spectra, 1e-3 * np.array([[0.9, 0.8]]) * MBARN_PER_UNIT["bohr2"])
    assert (samples.n_atoms, samples.absorbers, samples.n_features, samples.encoder) == ((28,), ("Cu",), 0, "")
    np.testing.assert_allclose(samples.points + samples.zeros[0], [8983.173, 8983.423])


def test_a_frozen_dataset_states_grid_and_unit_itself(tmp_path: Path) -> None:
    columns = {
        "id": ["abc"],
        "structure_id": ["f00"],
        "site_index": [2],
        "absorber": ["Ti"],
        "edge": ["K"],
        "fidelity": ["feff:standard"],
        "formula": ["TiO2"],
        "intensity": [[1.0, 2.0, 3.0]],
        "energy_zero": [4966.0],
    }
    facts = {"grid": {"points": [-1.0, 0.0, 1.0]}, "units": {"intensity": "Mbarn per absorbing atom"}}
    table = pyarrow.table(columns).replace_schema_metadata({"whiteline": json.dumps(facts)})
    pyarrow.parquet.write_table(table, tmp_path / "spectra.parquet")
    samples = read_samples(tmp_path / "spectra.parquet")
    assert (samples.ids, samples.materials, samples.crystals, samples.unit) == (("abc",), ("f00",), ("f00",), "Mbarn")
    np.testing.assert_array_equal(samples.points, [-1.0, 0.0, 1.0])
    for text in ("{", "[1]", '{"grid": {"start": 0}}', '{"grid": ["a"]}', '{"units": "Mbarn"}'):
        table = pyarrow.table(columns).replace_schema_metadata({"whiteline": text})
        pyarrow.parquet.write_table(table, tmp_path / "other.parquet")
        with pytest.raises(ParseError, match=r"other\.parquet states no grid and unit.*export the dataset again"):
            read_samples(tmp_path / "other.parquet")


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mu": [[0.1] * 4, [0.1] * 3, [0.1] * 4]}, "row 2, column 'mu' has another length than the 4 of row 1"),
        ({"mu": [[0.1] * 4, [0.0] * 4, [0.0] * 4]}, "row 2, column 'mu' is zero everywhere, and 1 more"),
        ({"mu": [[0.1] * 4, [0.1] * 4, [0.1, None, 0.1, 0.1]]}, "row 3, column 'mu' has a value that is no finite"),
        ({"x": [[1.0, 2.0], [float("nan"), 1.0], [0.0, 1.0]]}, "row 2, column 'x' has a value that is no finite"),
        ({"e0": [1.0, None, 1.0]}, "row 2, column 'e0' is no finite number"),
        ({"mp": ["a", "", "c"]}, "row 2, column 'mp' is empty"),
        ({"formula": ["CuO", "Xq2", "CuO"]}, "row 2: 'Xq2' is no formula"),
        ({"mu": ["a", "b", "c"]}, "row 1, column 'mu' is no list of numbers"),
    ],
)
def test_a_bad_row_is_named_with_file_and_column(
    tmp_path: Path, suffix: str, changes: dict[str, Any], message: str
) -> None:
    path = write(tmp_path / f"bad{suffix}", rows(**changes))
    with pytest.raises(ParseError, match=rf"bad\{suffix}, {message}"):
        read_samples(path, layout=LAYOUT)


def test_rows_on_different_grids_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", rows(start=[0.0, 0.0, 0.1], axis=[[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 4]]))
    constants: dict[str, str | float] = {"absorber": "Cu", "edge": "K", "step": 0.5}
    columns = {"material": "mp", "spectrum": "mu"}
    with pytest.raises(ParseError, match="row 3, column 'start' is not the 0 eV of row 1"):
        read_samples(path, layout=TableLayout(columns={**columns, "start": "start"}, constants=constants))
    with pytest.raises(ParseError, match="row 3, column 'axis' has another grid"):
        read_samples(path, layout=TableLayout(columns={**columns, "points": "axis"}, constants=constants))
    del constants["step"]
    with pytest.raises(InputError, match=r"grid of .* is not known"):
        read_samples(path, layout=TableLayout(columns=columns, constants=constants))


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_text("no table")
    with pytest.raises(ParseError, match=r"is no \.parquet table"):
        read_samples(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="there is no table"):
        read_samples(tmp_path / "u.parquet")
    with pytest.raises(InputError, match="a table ends in"):
        read_samples(tmp_path / "u.xlsx")
    with pytest.raises(InputError, match="no known layout"):
        read_samples(write(tmp_path / "v.parquet", rows()))
    with pytest.raises(InputError, match="has no row"):
        read_samples(write(tmp_path / "w.parquet", {n: pyarrow.array(c)[:0] for n, c in rows().items()}), layout=LAYOUT)
    with pytest.raises(InputError, match="no column 'mux': did you mean 'mu'"):
        layout = TableLayout(columns={**LAYOUT.columns, "spectrum": "mux"}, constants=LAYOUT.constants)
        read_samples(write(tmp_path / "v.parquet", rows()), layout=layout)
    with pytest.raises(InputError, match="no column 'mux'"):
        read_column(tmp_path / "v.parquet", "mux")


def test_units_that_do_not_convert_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", rows())
    with pytest.raises(ParameterError, match="Mbarn do not convert to 'counts'"):
        read_samples(path, layout=LAYOUT, unit="counts")
    as_it_is = TableLayout(columns=LAYOUT.columns, constants=LAYOUT.constants, unit="counts")
    assert read_samples(path, layout=as_it_is).unit == "counts"


def test_a_layout_that_cannot_be_is_refused() -> None:
    with pytest.raises(ParameterError, match="did you mean 'spectrum'"):
        TableLayout(columns={"spectra": "mu"})
    with pytest.raises(ParameterError, match="names no column for absorber"):
        TableLayout(columns={"material": "mp", "spectrum": "mu", "edge": "e"})
    with pytest.raises(ParameterError, match="a column or a constant"):
        TableLayout(columns={**LAYOUT.columns, "edge": "e"}, constants={"absorber": "Cu", "edge": "K"})


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(module: str) -> None:
        raise ModuleNotFoundError(module)

    monkeypatch.setattr(table_files, "import_module", refuse)
    with pytest.raises(MissingDependencyError, match=r"whiteline\[tables\]"):
        read_samples(write(tmp_path / "t.csv", rows()))


def spread(n: int = 60) -> Samples:
    spectra = 1 + 0.1 * np.random.default_rng(0).normal(size=(n, 8))
    spectra[5, 3] = 5.0
    names = {"absorbers": "Cu", "edges": "K", "fidelities": "feff:fast", "materials": "m", "formulas": "CuO"}
    return Samples(
        ids=tuple(f"s{i}" for i in range(n)),
        features=np.zeros((n, 0), dtype=np.float32),
        spectra=spectra,
        points=np.arange(8.0),
        zeros=np.zeros(n),
        unit="Mbarn",
        **{name: (value,) * n for name, value in names.items()},  # type: ignore[arg-type]  # all are tuples of text
    )


def test_nothing_is_an_outlier_by_default() -> None:
    found = KEEP_ALL.find(spread())
    assert (found.is_outlier.sum(), found.n_outliers) == (0, {"Cu K feff:fast": 0})
    assert len(found.remove(spread())) == 60


def test_the_published_policy_takes_spectra_with_any_point_beyond_its_limit() -> None:
    samples = spread()
    expected = np.any(np.abs(samples.spectra - samples.spectra.mean(0)) > 2.5 * samples.spectra.std(0), axis=1)
    found = PUBLISHED.find(samples)
    np.testing.assert_array_equal(found.is_outlier, expected)
    assert "s5" in found.ids
    assert found.to_dict()["n_outliers"] == {"Cu K feff:fast": int(expected.sum())}
    assert found.to_dict()["policy"] == {"name": "published", "k": {"feff": 2.5, "vasp": 5.0}}
    assert len(found.remove(samples)) == 60 - expected.sum()


def test_a_policy_says_something_of_every_fidelity() -> None:
    with pytest.raises(ParameterError, match="says nothing of 'feff:fast'"):
        OutlierPolicy("mine", {"vasp": 3.0}).find(spread())
    with pytest.raises(ParameterError, match="k > 0"):
        OutlierPolicy("mine", {"vasp": 0.0})
