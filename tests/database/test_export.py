from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from whiteline.database import DocumentKind, SpectrumDocument, SpectrumQuery, SQLiteStore
from whiteline.database.export import export
from whiteline.database.export_files import ExportReport, export_many
from whiteline.errors import InputError, ParameterError, StoreError
from whiteline.status import Status

if TYPE_CHECKING:
    from tests.database.conftest import DocumentMaker, RecordMaker


def xdi_fields(text: str) -> dict[str, str]:
    return dict(re.findall(r"^# ([A-Za-z]+\.\w+): (.*)$", text, flags=re.MULTILINE))


def test_xdi_has_the_lines_of_the_specification_in_order(make_document: DocumentMaker) -> None:
    lines = export(make_document()).splitlines()
    header = [line for line in lines if line.startswith("#")]
    assert re.fullmatch(r"# XDI/1\.0 Whiteline/\S+", header[0])
    assert header.index("# ///") < header.index("#" + "-" * 60) == len(header) - 2
    assert header[-1].split()[1:3] == ["energy", "intensity"]
    assert not any(line.startswith("#") for line in lines[len(header) :])
    fields = xdi_fields("\n".join(lines))
    assert (fields["Element.symbol"], fields["Element.edge"], fields["Column.1"]) == ("Ti", "K", "energy eV")


def test_xdi_numbers_read_back_to_the_same_bits(make_document: DocumentMaker) -> None:
    document = make_document()
    table = np.loadtxt(export(document).splitlines())
    assert document.spectrum is not None
    assert table[:, 0].tobytes() == document.spectrum.photon_energy.tobytes()
    assert table[:, 1].tobytes() == document.spectrum.intensity.tobytes()
    assert table[:, 3:].tobytes() == document.spectrum.components.T.tobytes()


def test_unknown_absolute_energy_is_said_in_the_column_and_in_a_field(make_document: DocumentMaker) -> None:
    spectrum = make_document().spectrum
    assert spectrum is not None
    fields = xdi_fields(export(make_document(spectrum=replace(spectrum, reference_energy=None))))
    assert fields["Column.1"] == "energy eV (from fermi, absolute energy unknown)"
    assert fields["Whiteline.energy_axis"] == "from fermi, absolute energy unknown"


def test_combined_edge_is_written_as_xdi_knows_it(make_document: DocumentMaker) -> None:
    fields = xdi_fields(export(make_document(edge="L23")))
    assert (fields["Element.edge"], fields["Whiteline.edge"]) == ("L", "L23")


@pytest.mark.parametrize("fmt", ["xdi", "csv"])
def test_unconverged_spectrum_warns_its_reader(make_document: DocumentMaker, fmt: str) -> None:
    text = export(make_document(reason="30 of 30 iterations"), fmt=fmt)
    assert "# WARNING: this spectrum is NOT CONVERGED: 30 of 30 iterations\n" in text
    assert "NOT CONVERGED" not in export(make_document(status=Status.CONVERGED, reason=""), fmt=fmt)


def test_header_says_how_the_spectrum_was_made(make_document: DocumentMaker, make_record: RecordMaker) -> None:
    record = make_record()
    document = make_document()
    fields = xdi_fields(export(document, record))
    assert fields["Whiteline.id"] == document.id
    assert fields["Whiteline.status"] == "unconverged"
    assert fields["Whiteline.parameter_fms_radius"] == "6.0"
    assert fields["Whiteline.record"] == record.id
    assert fields["Whiteline.check_scf"] == "NOT PASSED 30 of at most 30 iterations"


@pytest.mark.parametrize("fmt", ["xdi", "csv"])
def test_text_cannot_break_out_of_its_header_line(make_document: DocumentMaker, fmt: str) -> None:
    evil = "rutile\r\n#----\n1 2 3\u2028\x0b\x85# Element.symbol: Au"
    plain = export(make_document(source="rutile.cif"), fmt=fmt)
    text = export(make_document(source=evil, parameters={"a\nb": evil}, formula=evil), fmt=fmt)
    assert "\n1 2 3" not in text
    n_more = 1 - len([line for line in plain.splitlines() if "parameter_" in line])
    assert len(text.splitlines()) == len(plain.splitlines()) + n_more


def test_csv_names_its_columns_and_holds_the_cross_section(make_document: DocumentMaker) -> None:
    document = make_document()
    assert document.spectrum is not None
    rows = csv.DictReader(line for line in export(document, fmt="csv").splitlines() if line[0] != "#")
    assert rows.fieldnames == ["energy_ev", "intensity", "cross_section_mbarn", "component_x", "component_z"]
    values = [float(row["cross_section_mbarn"]) for row in rows]
    assert values == document.spectrum.cross_section().tolist()
    arbitrary = replace(document.spectrum, scale=None)
    assert "mbarn" not in export(make_document(spectrum=arbitrary), fmt="csv")


def test_json_loads_as_the_document(make_document: DocumentMaker, make_record: RecordMaker) -> None:
    document, record = make_document(), make_record()
    data = json.loads(export(document, record, "json"))
    assert SpectrumDocument.from_dict(data).to_dict() == document.to_dict()
    assert data["provenance"]["id"] == record.id


def test_failed_document_and_unknown_format_are_refused(make_document: DocumentMaker) -> None:
    with pytest.raises(InputError, match="FEFF stopped in pot"):
        export(make_document(status=Status.FAILED))
    with pytest.raises(ParameterError, match="did you mean 'xdi'"):
        export(make_document(), fmt="xdl")
    with pytest.raises(ParameterError, match="nexus is no text"):
        export(make_document(), fmt="nexus")


def test_measured_spectrum_is_not_said_to_be_computed(make_document: DocumentMaker) -> None:
    values: dict[str, Any] = {"kind": DocumentKind.MEASURED, "code": "experiment", "formula": "", "space_group": 0}
    text = export(make_document(**values, licence="CC0-1.0", citation="doi:10.1/x", status=Status.CONVERGED, reason=""))
    assert "# Ti K edge of an unknown sample, measured\n" in text
    assert "computed" not in text
    fields = xdi_fields(text)
    assert (fields["Whiteline.licence"], fields["Whiteline.citation"]) == ("CC0-1.0", "doi:10.1/x")
    assert "Whiteline.space_group" not in fields


@pytest.fixture
def store(tmp_path: Path, make_document: DocumentMaker) -> Iterator[SQLiteStore]:
    with SQLiteStore(tmp_path / "spectra.db") as opened:
        good = {"status": Status.CONVERGED, "reason": ""}
        documents = [make_document("a", **good), make_document("b", **good, formula="../../x/\0"), make_document("c")]
        opened.put_many((each, None) for each in (*documents, make_document("d", status=Status.FAILED)))
        yield opened


def test_many_as_text_are_files_named_by_what_they_are(
    store: SQLiteStore, make_document: DocumentMaker, tmp_path: Path
) -> None:
    report = export_many(store, SpectrumQuery(status="any"), tmp_path / "out", fmt="xdi")
    assert report == ExportReport(n_spectra=3, n_files=3, n_failed=1)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert f"TiO2-Ti0-K-feff-{make_document('a').id[:10]}.xdi" in names
    assert f"_.._x_-Ti0-K-feff-{make_document('b').id[:10]}.xdi" in names


def test_spectra_that_are_skipped_did_not_fail(store: SQLiteStore, tmp_path: Path) -> None:
    report = export_many(store, SpectrumQuery(skip=1), tmp_path / "out", fmt="json")
    assert report == ExportReport(n_spectra=1, n_files=1, n_failed=0)


@pytest.mark.parametrize("fmt", ["xdi", "csv"])
def test_an_absorber_adds_no_line_to_a_header(make_document: DocumentMaker, fmt: str) -> None:
    text = export(make_document(absorber="Ti\n1.0 2.0"), fmt=fmt)
    assert "\n1.0 2.0" not in text


def test_many_by_id_are_one_file_each_spectrum_once(
    store: SQLiteStore, make_document: DocumentMaker, tmp_path: Path
) -> None:
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]  # ships no types

    ids = [make_document(name).id for name in "ca"]
    chosen = [ids[0][:8], ids[1], ids[0]]
    assert export_many(store, chosen, tmp_path / "two.parquet", fmt="parquet") == ExportReport(2, 1)
    assert parquet.read_table(tmp_path / "two.parquet")["id"].to_pylist() == ids
    assert export_many(store, chosen, tmp_path / "two.nxs", fmt="nexus") == ExportReport(2, 1)


def test_nothing_found_and_no_folder_are_errors(store: SQLiteStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the query finds none"):
        export_many(store, SpectrumQuery(absorber="Fe"), tmp_path / "out", fmt="csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write into"):
        export_many(store, SpectrumQuery(), tmp_path / "file", fmt="csv")
    with pytest.raises(StoreError, match="it is a folder or a device"):
        export_many(store, SpectrumQuery(), tmp_path, fmt="nexus")
