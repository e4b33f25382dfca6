import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from whiteline.database import SpectrumDocument, open_store

from .conftest import Command


@pytest.fixture
def site(ids: dict[str, str]) -> str:
    return ids["copper site"]


def test_inputs_outputs_and_log_of_a_run_are_listed(whiteline: Command, site: str) -> None:
    answer = whiteline("files", site[:10])
    assert answer.code == 0
    assert {"feff.inp", "xmu.dat", "feff.log"} <= {line.split()[0] for line in answer.out.splitlines() if line.split()}


def test_a_file_is_printed_as_it_was(whiteline: Command, site: str) -> None:
    answer = whiteline("files", site, "feff.inp")
    assert answer.out.startswith("TITLE")
    assert "POTENTIALS" in answer.out


def test_all_files_are_written_and_nothing_is_written_over(whiteline: Command, site: str, tmp_path: Path) -> None:
    assert whiteline("files", site, "-o", tmp_path / "run").code == 0
    kept = (tmp_path / "run" / "xmu.dat").read_bytes()
    assert kept.startswith(b"#")
    again = whiteline("files", site, "-o", tmp_path / "run")
    assert again.code != 0
    assert "choose another folder" in again.err
    assert (tmp_path / "run" / "xmu.dat").read_bytes() == kept


def test_an_unknown_name_is_answered_with_those_there_are(whiteline: Command, site: str) -> None:
    answer = whiteline("files", site, "vasprun.xml")
    assert answer.code != 0
    assert "feff.inp" in answer.err


def test_a_spectrum_without_files_says_so(whiteline: Command, ids: dict[str, str]) -> None:
    answer = whiteline("files", ids["copper material"])
    assert answer.code == 0
    assert "no files" in answer.err


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "a/../../outside.txt"])
def test_a_foreign_store_writes_nothing_outside_of_the_folder(whiteline: Command, tmp_path: Path, name: str) -> None:
    artefact = Path(__file__).parents[1] / "data" / "documents" / "spectrum-v1.json"
    document = SpectrumDocument.from_dict(json.loads(artefact.read_text()))
    path = tmp_path / "foreign.db"
    with open_store(path) as store:
        store.put(document, files={"log": b"evil"})
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE files SET name = ?", (name,))
        connection.commit()
    answer = whiteline("files", document.id, "-o", tmp_path / "out", "--db", path)
    assert answer.code == 1
    assert "unsafe name" in answer.err
    assert not (tmp_path / "out").exists()
    assert [each.name for each in tmp_path.iterdir() if not each.name.startswith("foreign.db")] == []
