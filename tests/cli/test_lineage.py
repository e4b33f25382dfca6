"""`whiteline lineage`, on spectra that FEFF computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from whiteline.provenance import file_checksum
from whiteline.provenance.graph import LineageGraph

from .conftest import Command


def test_the_help_has_an_example(whiteline: Command) -> None:
    assert "whiteline lineage 3f9a2c" in whiteline("lineage", "--help").out


def test_an_average_leads_to_its_site_files_programs_and_crystal(
    whiteline: Command, ids: dict[str, str], computed: Path
) -> None:
    answer = whiteline("lineage", ids["copper material"])
    assert (answer.code, answer.err) == (0, "")
    for words in (
        "spectrum Cu Cu K average",
        "job feff-site",
        "input file feff.inp (kept)",
        "output file xmu.dat (kept)",
        f"source file {computed / 'copper.cif'}",
        "by feff FEFF 10",
    ):
        assert words in answer.out
    assert ids["copper site"][:12] in answer.out


def test_what_came_of_a_file_is_found_from_the_file(whiteline: Command, ids: dict[str, str], computed: Path) -> None:
    answer = whiteline("lineage", computed / "copper.cif", "--descendants")
    assert answer.code == 0
    assert ids["copper material"][:12] in answer.out
    assert ids["copper[strained] material"][:12] not in answer.out


def test_json_is_the_graph(whiteline: Command, ids: dict[str, str], computed: Path) -> None:
    answer = whiteline("lineage", ids["copper site"], "--json")
    told = json.loads(answer.out)
    graph = LineageGraph.from_dict(told)
    assert answer.code == 0
    assert told["root"] == ids["copper site"]
    assert file_checksum(computed / "copper.cif") in graph.nodes
    assert whiteline("lineage", ids["copper site"], "--format", "json").out == answer.out
    near = json.loads(whiteline("lineage", ids["copper site"], "--json", "--depth", 1).out)
    assert len(near["nodes"]) < len(told["nodes"])


@pytest.mark.parametrize(
    ("name", "begins"), [("l.png", b"\x89PNG"), ("l.svg", b"<?xml"), ("l.pdf", b"%PDF"), ("l.dot", b"digraph")]
)
def test_the_ending_of_the_file_says_what_is_written(
    whiteline: Command, ids: dict[str, str], tmp_path: Path, name: str, begins: bytes
) -> None:
    assert whiteline("lineage", ids["copper material"], "-o", name).out == f"wrote {name}\n"
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_prov_json_and_trees_go_into_files_too(whiteline: Command, ids: dict[str, str], tmp_path: Path) -> None:
    assert whiteline("lineage", ids["copper site"], "--format", "prov-json", "-o", "p.json").code == 0
    assert {"entity", "activity", "agent", "used"} <= json.loads(
        (tmp_path / "p.json").read_text(encoding="utf-8")
    ).keys()
    assert whiteline("lineage", ids["copper site"], "-o", "tree.txt").code == 0
    assert "feff-site" in (tmp_path / "tree.txt").read_text(encoding="utf-8")


def test_nothing_is_written_over_and_a_picture_needs_a_file(
    whiteline: Command, ids: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "there.svg").write_text("mine", encoding="utf-8")
    answer = whiteline("lineage", ids["copper site"], "-o", "there.svg")
    assert (answer.code, "there.svg exists" in answer.err) == (1, True)
    assert (tmp_path / "there.svg").read_text(encoding="utf-8") == "mine"
    assert "-o lineage.png" in whiteline("lineage", ids["copper site"], "--format", "png").err
    assert "ends in .png" in whiteline("lineage", ids["copper site"], "--format", "png", "-o", "x.svg").err


def test_a_source_that_is_gone_is_missing_and_the_exit_status_says_so(
    whiteline: Command, ids: dict[str, str], computed: Path
) -> None:
    crystal = computed / "copper.cif"
    moved = crystal.rename(computed / "moved.cif")
    try:
        drawn = whiteline("lineage", ids["copper site"])
        told = whiteline("lineage", ids["copper site"], "--json")
    finally:
        moved.rename(crystal)
    nodes: list[dict[str, Any]] = json.loads(told.out)["nodes"]
    assert (drawn.code, told.code) == (1, 1)
    assert "source file MISSING" in drawn.out
    assert "things are missing, or are not what they were" in told.err
    assert [node["problem"] for node in nodes if "problem" in node] == [f"missing: {crystal} is not there"]


def test_what_is_nothing_on_record_is_an_error(whiteline: Command, ids: dict[str, str]) -> None:
    site = ids["copper site"]
    answer = whiteline("lineage", f"{site[:9]}{'0' if site[9] != '0' else '1'}{site[10:12]}", "--models", "none")
    assert answer.code == 1
    assert "nothing in sqlite:" in answer.err
    assert f"did you mean '{site[:12]}'?" in answer.err
