from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Command

# The test spectra of copper begin at 8939 eV, 40 eV below the tabulated edge.
GRID = ["--grid", "edge-relative -10:35:0.5"]


def test_a_dataset_is_made_shown_and_verified(whiteline: Command, store: Path) -> None:
    answer = whiteline("dataset", "create", "copper", "-a", "Cu", *GRID)
    assert answer.code == 0, answer.err
    assert "made copper: 4 spectra, 91 points from -10 to 35 eV by 0.5" in answer.out
    assert {path.name for path in Path("copper").iterdir()} == {
        "manifest.json",
        "spectra.parquet",
        "structures.jsonl.gz",
    }
    shown = whiteline("dataset", "show", "copper").out
    assert "Cu K (4)" in shown
    assert "unknown (4)" in shown
    manifest = json.loads(whiteline("dataset", "show", "copper", "--json").out)
    assert manifest["query"] == {"absorber": "Cu", "status": ["converged"]}
    answer = whiteline("dataset", "verify", "copper")
    assert (answer.code, "4 spectra, every file whole" in answer.out) == (0, True)


def test_the_default_grid_is_that_of_omnixas(whiteline: Command, store: Path) -> None:
    answer = whiteline("dataset", "create", "copper", "--kind", "site", "--split-by", "structure_id", "--seed", "3")
    assert "2 spectra, 141 points from 0 to 35 eV by 0.25" in answer.out
    assert "split by structure_id, seed 3" in answer.out


def test_a_damaged_dataset_is_one_line_a_problem_and_exit_status_one(whiteline: Command, store: Path) -> None:
    whiteline("dataset", "create", "copper", "-a", "Cu", *GRID)
    Path("copper/structures.jsonl.gz").unlink()
    answer = whiteline("dataset", "verify", "copper")
    assert answer.code == 1
    assert answer.out.splitlines() == ["structures.jsonl.gz is missing", "copper is NOT as it was made"]


def test_what_was_left_out_is_said(whiteline: Command, store: Path) -> None:
    answer = whiteline("dataset", "create", "copper", "-a", "Cu", "--grid", "edge-relative -10:500:1")
    assert answer.code == 1
    assert "of 4 it does not cover the grid (take a narrower grid" in answer.err
    assert not Path("copper").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--absorber", "Fe"], "the query finds no spectrum"),
        (["--grid", "edge-relativ -10:35:1"], "did you mean 'edge-relative'?"),
        (["--intensity", "rw"], "did you mean 'raw'?"),
        (["--split", "1,1,1"], "three fractions"),
        (["--split-by", "id"], "unknown SplitBy 'id'"),
    ],
)
def test_a_bad_option_is_one_message(whiteline: Command, store: Path, options: list[str], words: str) -> None:
    answer = whiteline("dataset", "create", "copper", *options)
    assert (answer.code, len(answer.err.splitlines())) == (1, 1)
    assert words in answer.err
    assert not Path("copper").exists()


def test_an_earlier_dataset_is_kept(whiteline: Command, store: Path) -> None:
    whiteline("dataset", "create", "copper", "-a", "Cu", *GRID)
    before = Path("copper/manifest.json").read_bytes()
    answer = whiteline("dataset", "create", "copper", "-a", "Cu", *GRID)
    assert (answer.code, "never written over" in answer.err) == (1, True)
    assert Path("copper/manifest.json").read_bytes() == before


def test_no_dataset_is_an_error(whiteline: Command) -> None:
    for command in ("show", "verify"):
        answer = whiteline("dataset", command, "nothing")
        assert (answer.code, "there is no dataset in nothing" in answer.err) == (1, True)
