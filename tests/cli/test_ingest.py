from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from .conftest import Command

MEASURED = Path(__file__).parents[1] / "data" / "measured"
FEFF = Path(__file__).parents[1] / "data" / "feff" / "mp-1203"


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("V2O3.xdi", "cu_metal_rt.xdi"):
        shutil.copy(MEASURED / name, folder)
    (folder / "notes.txt").write_text("sample 3 fell\n", encoding="utf-8")
    return folder


def test_a_folder_is_stored_counted_and_found(whiteline: Command, scans: Path) -> None:
    answer = whiteline("ingest", scans, "--licence", "CC0-1.0", "--citation", "doi:10.1000/1")
    assert (answer.code, answer.err) == (0, "")
    assert "2 experiment, converged" in answer.out
    assert "2 spectra stored, 0 there already, 0 skipped" in answer.out
    assert "1 other files" in answer.out
    [found] = [json.loads(line) for line in whiteline("query", "--absorber", "V", "--json").out.splitlines()]
    shown = whiteline("show", found["id"])
    assert "V2O3, from" in shown.out
    assert "V K, measured" in shown.out
    assert "CC0-1.0" in shown.out


def test_the_second_time_nothing_is_added(whiteline: Command, scans: Path) -> None:
    whiteline("ingest", scans)
    answer = whiteline("ingest", scans)
    assert answer.code == 0
    assert "0 spectra stored, 2 there already" in answer.out


def test_a_dry_run_makes_no_store(whiteline: Command, scans: Path, tmp_path: Path) -> None:
    answer = whiteline("ingest", scans, "--dry-run")
    assert "2 spectra would be stored" in answer.out
    assert not (tmp_path / "spectra.db").exists()


def test_the_report_as_json_has_reasons_by_path(whiteline: Command, scans: Path) -> None:
    (scans / "broken.xdi").write_text("# XDI/1.0\n1 2\n", encoding="utf-8")
    report = json.loads(whiteline("ingest", scans, "--json").out)
    assert (report["n_taken"], report["n_present"], report["n_skipped"]) == (2, 0, 1)
    [skipped] = report["paths"][0]["skipped"]
    assert skipped["source"].endswith("broken.xdi")


def test_a_missing_path_and_nothing_to_take_are_failures(whiteline: Command, scans: Path, tmp_path: Path) -> None:
    assert whiteline("ingest", scans, tmp_path / "nowhere").code == 1
    answer = whiteline("ingest", scans / "notes.txt")
    assert answer.code == 1
    assert "of no known kind of file" in answer.out


def test_a_run_is_shown_with_its_site_unknown_where_no_crystal_is(whiteline: Command, tmp_path: Path) -> None:
    home = tmp_path / "run"
    home.mkdir()
    shutil.copy(FEFF / "xmu.dat", home)
    text = (FEFF / "feff.inp").read_text(encoding="utf-8")
    (home / "feff.inp").write_text("\n".join(line for line in text.splitlines() if line[:1] != "*"), encoding="utf-8")
    [identity] = json.loads(whiteline("ingest", home, "--json").out)["paths"][0]["ids"]
    shown = whiteline("show", identity).out
    assert "O-Ti, from" in shown
    assert "Ti K, site unknown" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--as", "mesured"], "did you mean 'measured'"),
        (["--edge", "Z"], "unknown edge"),
        (["--absorber", "Xx"], "no edges of 'Xx'"),
        (["--table", "none.toml"], "cannot read none.toml"),
    ],
)
def test_bad_options_are_named(whiteline: Command, scans: Path, options: list[str], message: str) -> None:
    answer = whiteline("ingest", scans, *options)
    assert answer.code == 1
    assert message in answer.err
