from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from whiteline.database import open_store
from whiteline.provenance import Kind, file_checksum

from .conftest import Command


def test_xdi_goes_to_standard_output_with_its_header(whiteline: Command, ids: dict[str, str]) -> None:
    lines = whiteline("export", ids["copper site"]).out.splitlines()
    assert lines[0].startswith("# XDI/1.0")
    assert "# Element.symbol: Cu" in lines
    assert f"# Whiteline.id: {ids['copper site']}" in lines


def test_csv_and_json_hold_the_same_axis(whiteline: Command, ids: dict[str, str], tmp_path: Path) -> None:
    whiteline("export", ids["copper site"], "--format", "csv", "--output", tmp_path / "copper.csv")
    content = json.loads(whiteline("export", ids["copper site"], "--format", "json").out)
    lines = [line for line in (tmp_path / "copper.csv").read_text().splitlines() if line[:1].isdigit()]
    energy = [float(line.split(",")[0]) for line in lines]
    # Text keeps fewer digits than a double.
    np.testing.assert_allclose(energy, content["spectrum"]["energy"], rtol=1e-9)


def test_a_file_is_announced_and_written_whole(whiteline: Command, ids: dict[str, str], tmp_path: Path) -> None:
    answer = whiteline("export", ids["copper site"], "-o", tmp_path / "copper.xdi")
    assert answer.out == f"wrote {tmp_path / 'copper.xdi'}\n"
    assert (tmp_path / "copper.xdi").read_text() == whiteline("export", ids["copper site"]).out


def test_a_query_exports_all_that_it_finds(whiteline: Command, ids: dict[str, str]) -> None:
    import h5py  # type: ignore[import-untyped]  # ships no types
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]  # ships no types

    assert whiteline("export", "--kind", "site", "-o", "sites.nxs").out == "wrote 2 spectra to sites.nxs\n"
    with h5py.File("sites.nxs") as file:
        assert {entry["entry_identifier"].asstr()[()] for entry in file.values()} == {
            name for kind, name in ids.items() if kind.endswith("site")
        }
    assert whiteline("export", "-a", "Cu", "-o", "all.parquet").out == "wrote 4 spectra to all.parquet\n"
    assert set(parquet.read_table("all.parquet")["id"].to_pylist()) == set(ids.values())
    answer = whiteline("export", "-a", "Cu", "-n", 3, "-f", "csv", "-o", "out")
    assert answer.out == "wrote 3 spectra to 3 files in out\n"
    assert len(list(Path("out").glob("Cu-*.csv"))) == 3


def test_exported_files_are_found_by_their_checksums(whiteline: Command, ids: dict[str, str], store: Path) -> None:
    whiteline("export", "--kind", "site", "-o", "sites.parquet")
    whiteline("export", ids["copper site"], ids["copper material"], "-f", "csv", "-o", "out")
    with open_store(store) as opened:
        (table,) = opened.linked([file_checksum(Path("sites.parquet"))])
        texts = [opened.linked([file_checksum(path)])[0].record for path in sorted(Path("out").iterdir())]
    assert set(table.record.parents) == {name for kind, name in ids.items() if kind.endswith("site")}
    assert {record.parents for record in texts} == {(ids["copper site"],), (ids["copper material"],)}
    assert all(Kind.EXPORT in record.generated for record in texts)


def test_several_ids_are_one_file_each_in_a_folder(whiteline: Command, ids: dict[str, str]) -> None:
    some = [ids["copper site"], ids["copper material"][:12]]
    assert whiteline("export", *some, "-o", "two").out == "wrote 2 spectra to 2 files in two\n"
    assert sorted(path.stem[-10:] for path in Path("two").glob("*.xdi")) == sorted(name[:10] for name in some)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either ids or a query"),
        (["ab", "--absorber", "Cu"], "give either ids or a query"),
        (["--absorber", "Cu"], "name a folder with -o"),
        (["--absorber", "Cu", "-f", "nexus"], "name a file with -o"),
        (["--absorber", "Fe", "-o", "iron.nxs"], "the query finds none"),
        (["--absorber", "Cu", "-o", "missing/all.parquet"], "choose a writable place"),
        (["ffffffffff", "-o", "one.nxs"], "no spectrum in"),
    ],
)
def test_what_cannot_be_exported_is_one_message(
    whiteline: Command, store: Path, words: list[str], message: str
) -> None:
    answer = whiteline("export", *words)
    assert (answer.code, len(answer.err.splitlines())) == (1, 1)
    assert message in answer.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--format", "xid"], "unknown format 'xid': did you mean 'xdi'?"),
        (["--output", "missing/copper.xdi"], "cannot write missing/copper.xdi"),
    ],
)
def test_a_bad_option_is_one_message(whiteline: Command, ids: dict[str, str], options: list[str], words: str) -> None:
    answer = whiteline("export", ids["copper site"], *options)
    assert (answer.code, len(answer.err.splitlines())) == (1, 1)
    assert words in answer.err
