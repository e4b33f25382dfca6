import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from whiteline.database import open_store


def test_the_help_has_an_example(whiteline: Command) -> None:
    assert "--mark" in whiteline("affected", "--help").out


def test_a_version_of_feff_reaches_sites_and_averages_and_marks_are_shown_wherever_they_are_listed(
    whiteline: Command, ids: dict[str, str]
) -> None:
    answer = whiteline("affected", "--code", "feff", "--mark", "a [bug] was found")
    assert answer.code == 0
    assert "4 marked as suspect: a [bug] was found" in answer.out
    listed = whiteline("query", "--suspect").out
    assert "4 spectra suspect: a [bug] was found" in listed
    assert whiteline("query", "--no-suspect", "--count").out.strip() == "0"
    told = [json.loads(line) for line in whiteline("query", "--json").out.splitlines()]
    assert {row["suspect"] for row in told} == {"a [bug] was found"}
    assert "SUSPECT" in whiteline("show", ids["copper material"]).out
    assert "4 marks taken away" in whiteline("affected", "--code", "feff", "--unmark").out
    assert "SUSPECT" not in whiteline("show", ids["copper site"]).out


def test_an_input_file_is_found_by_its_content_or_by_the_beginning_of_its_checksum(
    whiteline: Command, store: Path, ids: dict[str, str], tmp_path: Path
) -> None:
    with open_store(store) as opened:
        (record,) = opened.records(ids["copper site"])
        deck = opened.read_file(ids["copper site"], "feff.inp")
    path = tmp_path / "some.inp"
    path.write_bytes(deck)
    for named in (path, record.used["input"]["feff.inp"], record.used["input"]["feff.inp"][7:20]):
        lines = whiteline("affected", "--file", named, "--ids").out.splitlines()
        assert f"spectrum {ids['copper site']}" in lines
        assert len(lines) == 2  # the site and its average


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "say what turned out to be wrong"),
        (["--library", "numpy"], "NAME==VERSION"),
        (["--pseudopotential", "nothing.UPF"], "give the path of the file as it was"),
        (["--code", "feff", "--mark", " "], "--mark takes the reason"),
        (["--spectrum", "ffff"], "ffff"),
    ],
)
def test_what_cannot_be_looked_for_is_an_error_that_says_what_can(
    whiteline: Command, store: Path, arguments: list[str], words: str
) -> None:
    answer = whiteline("affected", *arguments)
    assert answer.code == 1
    assert words in answer.err


def test_nothing_found_is_no_error(whiteline: Command, store: Path) -> None:
    assert "nothing on record rests on it" in whiteline("affected", "--code-version", "FEFF 5*").out


def test_a_dataset_that_rests_on_it_says_that_it_is_suspect(whiteline: Command, store: Path, tmp_path: Path) -> None:
    made = whiteline("dataset", "create", tmp_path / "copper", "--grid", "edge-relative -5:20:1")
    assert made.code == 0, made.err
    whiteline("affected", "--code", "feff", "--mark", "a bug was found")
    assert "SUSPECT: a bug was found" in whiteline("dataset", "show", tmp_path / "copper").out
    assert "1 on record" in whiteline("db", "status").out
