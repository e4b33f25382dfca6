"""`whiteline rerun`, on spectra that FEFF computed."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Command


def test_the_help_has_an_example(whiteline: Command) -> None:
    assert "whiteline rerun --all-of" in whiteline("rerun", "--help").out


def test_a_site_comes_out_the_same_and_the_folder_is_kept_when_asked_for(
    whiteline: Command, ids: dict[str, str], tmp_path: Path
) -> None:
    answer = whiteline("rerun", ids["copper site"][:10], "--keep", "-o", tmp_path / "again")
    assert answer.code == 0
    assert "identical: energies and intensities of" in answer.out
    assert (tmp_path / "again" / "report.html").is_file()
    assert list((tmp_path / "again" / "runs").rglob("feff.inp"))
    again = whiteline("rerun", ids["copper site"], "--json", "--keep", "-o", tmp_path / "again")
    content = json.loads(again.out)
    assert (content["verdicts"], content["results"][0]["making"]) == ({"identical": 1}, "calculation")


def test_neither_an_id_nor_a_set_is_an_error(whiteline: Command, ids: dict[str, str]) -> None:
    for arguments in ((), (ids["copper site"], "--all-of", "ti-o-10")):
        answer = whiteline("rerun", *arguments)
        assert answer.code == 1
        assert "ids of stored spectra, or a set of them with --all-of" in answer.err


def test_an_unknown_id_names_the_nearest(whiteline: Command, ids: dict[str, str]) -> None:
    site = ids["copper site"]
    answer = whiteline("rerun", site[:6] + ("0" if site[6] != "0" else "1"))
    assert answer.code == 1
    assert f"did you mean '{site[:7]}" in answer.err
