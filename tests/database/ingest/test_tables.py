from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types
import pytest
from pymatgen.core import Structure

from whiteline.database import SpectrumStore
from whiteline.database.ingest import IngestOptions, Limits, ingest_with
from whiteline.database.ingest.table_description import load_descriptions, read_description
from whiteline.database.ingest.table_files import TableReader
from whiteline.errors import ParseError
from whiteline.status import Status
from whiteline.units import MBARN_PER_A2

from .conftest import ENERGY, MU

POOL = {
    "material_id": ["mp-1", "mp-2"],
    "site_index": [0, 3],
    "absorber": ["Ti", "Cu"],
    "edge": ["K", "K"],
    "fidelity": ["feff", "vasp"],
    "energy_start_ev": [4964.5, 8983.0],
    "energy_step_ev": [0.25, 0.25],
    "spectrum": [MU, MU[::-1]],
    "m3gnet_features": [[0.1], [0.2]],
}


def sites(n: int = 2, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "material_id": "mp-30", "site_index": 0, "split": "train", "formula": "Cu", "chemsys": "Cu",
        "spacegroup": "Fm-3m", "multiplicity": 4, "e_fermi": -8.0, "v_int": -14.0, "gamma_ch": 1.729,
        "xsedge_norm": 2.5e-4, "scf_iter": 12, "raw_omega": ENERGY, "raw_mu": MU, **changes,
    }  # fmt: skip
    rows = [{**row, "raw_mu": [value + i for value in row["raw_mu"]]} for i in range(n)]
    return {name: [one[name] for one in rows] for name in row}


def write(path: Path, columns: dict[str, Any]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_a_table_with_a_grid_takes_code_edge_and_licence_from_columns_and_description(
    store: SpectrumStore, tmp_path: Path
) -> None:
    path = write(tmp_path / "pool.parquet", POOL)
    report = ingest_with([path], store, file_readers=[TableReader()])
    first, second = map(store.get, report.paths[0].ids)
    assert (first.absorber, first.code, first.fidelity) == ("Ti", "feff", "feff:omnixas")
    assert (second.absorber, second.code, second.site_index) == ("Cu", "vasp", 3)
    assert first.spectrum is not None
    assert first.spectrum.energy[[0, 1]].tolist() == [4964.5, 4964.75]
    assert (first.licence, first.citation) == ("BSD-3-Clause", "doi:10.1103/PhysRevMaterials.9.043803")
    assert first.source == f"{path}#1"
    assert (first.structure, first.structure_id) == ({}, "")
    assert ingest_with([path], store, file_readers=[TableReader()]).n_present == 2


def test_a_structure_beside_the_table_makes_the_site_known(
    store: SpectrumStore, tmp_path: Path, copper: Structure
) -> None:
    path = write(tmp_path / "sites.parquet", sites())
    structures = {"mp-30": json.loads(copper.to_json())}
    (tmp_path / "cu_structures.json.gz").write_bytes(gzip.compress(json.dumps(structures).encode()))
    report = ingest_with([path], store, file_readers=[TableReader()])
    document = store.get(report.paths[0].ids[0])
    assert (document.formula, document.space_group, document.multiplicity) == ("Cu", 225, 4)
    assert document.site_id
    [record] = store.records(document.id)
    assert {Path(name).name for name in record.used["source"]} == {"sites.parquet", "cu_structures.json.gz"}


def test_scale_and_width_come_from_their_columns(store: SpectrumStore, tmp_path: Path) -> None:
    report = ingest_with([write(tmp_path / "s.parquet", sites(1))], store, file_readers=[TableReader()])
    spectrum = store.get(report.paths[0].ids[0]).spectrum
    assert spectrum is not None
    assert spectrum.scale == pytest.approx(2.5e-4 * MBARN_PER_A2, rel=1e-12)
    assert spectrum.broadening[0].profile.fwhm == pytest.approx(1.729)  # type: ignore[union-attr]  # a Lorentzian


def test_rows_that_break_a_check_of_the_description_are_unconverged(store: SpectrumStore, tmp_path: Path) -> None:
    path = write(tmp_path / "s.parquet", sites(1, split="outlier", scf_iter=100))
    document = store.get(ingest_with([path], store, file_readers=[TableReader()]).paths[0].ids[0])
    assert document.status is Status.UNCONVERGED
    assert document.reason == "scf: scf_iter is 100; authors' selection: split is outlier"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"raw_mu": [1.0, float("nan"), 3.0]}, "column raw_mu: expected finite numbers, got 'nan at place 2'"),
        ({"raw_omega": ENERGY[::-1]}, "increas"),
        ({"raw_omega": ENERGY[:-1]}, "59 values and the intensity 60"),
        ({"xsedge_norm": None}, "column xsedge_norm: expected a finite number, got 'None'"),
        ({"site_index": -1}, "column site_index: expected a whole number from 0"),
        ({"material_id": " "}, "column material_id: expected text"),
    ],
)
def test_a_row_that_is_damaged_is_skipped_by_its_number(
    store: SpectrumStore, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    report = ingest_with([write(tmp_path / "s.parquet", sites(1, **changes))], store, file_readers=[TableReader()])
    [skipped] = report.skipped
    assert skipped.source.endswith("s.parquet#1")
    assert message in skipped.reason


def test_columns_of_no_known_table_are_named_with_what_the_nearest_needs(store: SpectrumStore, tmp_path: Path) -> None:
    path = write(tmp_path / "other.parquet", {"energy": [1.0], "absorber": ["Ti"]})
    [skipped] = ingest_with([path], store, file_readers=[TableReader()]).skipped
    assert "nearest is omnixas-pool, which needs edge, energy_start_ev" in skipped.reason


def test_a_table_of_the_users_own_needs_a_description_and_no_code(store: SpectrumStore, tmp_path: Path) -> None:
    description = tmp_path / "own.toml"
    description.write_text(
        'name = "own"\ncode = {value = "ocean"}\nfidelity_suffix = "own"\n[columns]\nintensity = "sigma"\n'
        '[constants]\nabsorber = "Cu"\nedge = "L3"\n[energy]\nreference = "core_level"\naxis = "e"\n',
        encoding="utf-8",
    )
    path = write(tmp_path / "own.parquet", {"e": [[-1.0, 0.0, 1.0]], "sigma": [[0.0, 1.0, 0.5]]})
    report = ingest_with([path], store, file_readers=[TableReader((description,))])
    document = store.get(report.paths[0].ids[0])
    assert (document.code, document.edge, document.fidelity, document.kind) == ("ocean", "L3", "ocean:own", "material")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "is no TOML"),
        ('name = "x"\ncolour = "red"', "describes no table"),
        (load_descriptions()[0].model_dump_json(), "is no TOML"),
    ],
)
def test_a_description_that_says_too_little_or_too_much_is_refused(text: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        read_description(text, "own.toml")


def test_a_description_cannot_name_a_structure_file_elsewhere() -> None:
    text = (
        'name = "x"\ncode = {value = "feff"}\nfidelity_suffix = "x"\n[columns]\nintensity = "y"\n[constants]\n'
        'absorber = "Cu"\nedge = "K"\n[energy]\nreference = "absolute"\naxis = "x"\n[structures]\nfile = "../s.json"\n'
    )
    with pytest.raises(ParseError, match="expected the name of a file beside the table"):
        read_description(text, "own.toml")


def test_a_row_that_unpacks_to_far_more_than_its_file_is_refused(store: SpectrumStore, tmp_path: Path) -> None:
    path = write(tmp_path / "bomb.parquet", {**POOL, "spectrum": [MU, [0.0] * 3_000_000]})
    assert path.stat().st_size < 100_000
    options = IngestOptions(limits=Limits(max_bytes=1_000_000))
    [skipped] = ingest_with([path], store, file_readers=[TableReader()], options=options).skipped
    assert "unpacks to more than is read at once" in skipped.reason
    assert ingest_with([path], store, file_readers=[TableReader()]).n_taken == 2


def test_a_damaged_footer_is_refused_and_ends_no_process(store: SpectrumStore, tmp_path: Path) -> None:
    content = write(tmp_path / "pool.parquet", POOL).read_bytes()
    name, reasons = b"m3gnet_features", []
    places = [i for i in range(len(content)) if content.startswith(name, i)]
    for i, place in enumerate(places):
        path = tmp_path / f"damaged-{i}.parquet"
        path.write_bytes(content[:place] + b"\xe7" + content[place + 1 :])
        reasons += [one.reason for one in ingest_with([path], store, file_readers=[TableReader()]).skipped]
    assert any("its footer cannot be read" in reason for reason in reasons)


def test_a_footer_of_which_pyarrow_dies_is_refused(store: SpectrumStore, data: Path) -> None:
    """Found by fuzzing: the size of a histogram of levels in the footer is wrong, and nothing catches what follows."""
    path = data / "tables" / "histogram.parquet"
    [skipped] = ingest_with([path], store, file_readers=[TableReader()]).skipped
    assert "is no whole Parquet file (its footer cannot be read): copy it again" in skipped.reason


def test_formula_and_space_group_are_stored_as_queries_ask_for_them(store: SpectrumStore, tmp_path: Path) -> None:
    columns = sites(1, formula="Cu2O2", chemsys="Cu-O", spacegroup="C2/c")
    report = ingest_with([write(tmp_path / "s.parquet", columns)], store, file_readers=[TableReader()])
    document = store.get(report.paths[0].ids[0])
    assert (document.formula, document.chemical_system) == ("CuO", "Cu-O")
    assert (document.space_group, document.space_group_symbol) == (15, "C2/c")


def test_a_formula_and_a_group_that_are_none_are_unknown(store: SpectrumStore, tmp_path: Path) -> None:
    columns = sites(1, formula="sample 3", chemsys="Cu-Qq", spacegroup="round")
    report = ingest_with([write(tmp_path / "s.parquet", columns)], store, file_readers=[TableReader()])
    document = store.get(report.paths[0].ids[0])
    assert (document.formula, document.elements, document.space_group) == ("", (), 0)


OWN = (
    'name = "x"\ncode = {value = "feff"}\nfidelity_suffix = "x"\n[columns]\nintensity = "y"\n[constants]\n'
    'absorber = "Cu"\nedge = "K"\n[energy]\nreference = "absolute"\naxis = "x"\n[[checks]]\nname = "scf"\n'
    'column = "flag"\n'
)


def test_a_check_of_text_holds_for_a_column_of_numbers(store: SpectrumStore, tmp_path: Path) -> None:
    description = tmp_path / "own.toml"
    description.write_text(f'{OWN}not_equal = "0"\n', encoding="utf-8")
    path = write(tmp_path / "own.parquet", {"x": [ENERGY, ENERGY], "y": [MU, MU[::-1]], "flag": [0, 1]})
    report = ingest_with([path], store, file_readers=[TableReader((description,))])
    assert report.taken == {"feff, converged": 1, "feff, unconverged": 1}


def test_a_check_without_a_condition_is_refused() -> None:
    with pytest.raises(ParseError, match="expected below, not_equal or both"):
        read_description(OWN, "own.toml")
