"""`whiteline lineage`, on spectra that FEFF computed."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Command


def test_the_help_has_an_example(whiteline: Command) -> None:
    assert "whiteline lineage 3f9a2c" in whiteline("lineage", "--help").out


def test_an_average_leads_to_its_site_input_file_and_crystal(whiteline: Command, ids: dict[str, str]) -> None:
    answer = whiteline("lineage", ids["copper material"])
    assert (answer.code, answer.err) == (0, "")
    for words in ("spectrum Cu Cu K average", "feff-site by feff", "feff.inp (kept)", "there, the same crystal"):
        assert words in answer.out
    assert ids["copper site"][:12] in answer.out


def test_a_source_that_is_gone_is_missing_and_the_exit_status_says_so(
    whiteline: Command, ids: dict[str, str], computed: Path
) -> None:
    crystal = computed / "copper.cif"
    moved = crystal.rename(computed / "moved.cif")
    try:
        answer = whiteline("lineage", ids["copper site"], "--json")
    finally:
        moved.rename(crystal)
    tree = json.loads(answer.out)
    assert answer.code == 1
    (structure,) = [node for node in tree["made_from"] if node["kind"] == "structure"]
    assert structure["made_from"][0]["is_missing"]


def test_what_is_neither_spectrum_nor_model_is_an_error(whiteline: Command, store: Path) -> None:
    answer = whiteline("lineage", "abcdef", "--models", "none")
    assert answer.code == 1
    assert "no spectrum in" in answer.err
    assert "there is no model 'abcdef'" in answer.err
