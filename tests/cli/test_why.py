import json
from pathlib import Path

from tests.cli.conftest import Command


def test_the_help_has_an_example(whiteline: Command) -> None:
    assert "whiteline why 3f9a2c 77b01e" in whiteline("why", "--help").out


def test_two_real_calculations_differ_by_crystal_and_by_the_lines_of_feff_inp(
    whiteline: Command, ids: dict[str, str]
) -> None:
    answer = whiteline("why", ids["copper site"], ids["copper[strained] site"])
    assert answer.code == 0
    assert "1 - Spearman" in answer.out
    assert "source: " in answer.out
    changed = [line.strip() for line in answer.out.splitlines() if line.strip()[:1] in "+-"]
    assert any("Cu" in line and line.startswith("-") for line in changed)
    assert not [line for line in answer.out.splitlines() if line.strip().startswith("l_max")]  # they have it in common


def test_the_same_twice_differs_in_nothing(whiteline: Command, ids: dict[str, str]) -> None:
    told = json.loads(whiteline("why", ids["copper site"], ids["copper site"], "--json").out)
    assert told["is_same"]
    assert told["differences"] == []


def test_an_unknown_id_is_an_error_that_names_it(whiteline: Command, store: Path) -> None:
    answer = whiteline("why", "ffffffff", "eeeeeeee")
    assert answer.code == 1
    assert "'ffffffff'" in answer.err
