from __future__ import annotations

import pytest

from whiteline.calculators.feff import FeffParameters
from whiteline.calculators.parameters import list_presets
from whiteline.workflows.engines import ENGINES

from .conftest import Command


def test_every_preset_of_every_engine_is_listed_with_what_it_is(whiteline: Command) -> None:
    answer = whiteline("presets")
    assert answer.code == 0
    lines = [line.split() for line in answer.out.splitlines()]
    for code in ENGINES:
        (start,) = [i for i, words in enumerate(lines) if words[:1] == [code]]
        rows = [lines[start][1:], *lines[start + 1 :]]
        for name, row in zip(list_presets(code), rows, strict=False):
            assert row[0] == name
            assert len(row) > 1, f"{code} {name} has no description"


def test_one_engine_can_be_asked_for(whiteline: Command) -> None:
    text = whiteline("presets", "--engine", "feff").out
    assert "standard" in text
    assert "ocean" not in text


def test_a_preset_shows_every_parameter_and_which_it_sets(whiteline: Command) -> None:
    answer = whiteline("presets", "fast", "--engine", "feff")
    assert answer.code == 0
    rows = {words[0]: words for line in answer.out.splitlines() if (words := line.split())}
    assert set(FeffParameters.model_fields) <= set(rows)
    assert rows["fms_radius"] == ["fms_radius", "5.5", "preset"]
    assert rows["k_max"] == ["k_max", "4.0", "default"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fsat", "--engine", "feff"], "feff: no preset 'fsat': did you mean 'fast'?"),
        (["fast", "--engine", "fef"], "unknown engine 'fef': did you mean 'feff'?"),
    ],
)
def test_a_name_that_is_none_is_refused_with_the_nearest(whiteline: Command, arguments: list[str], words: str) -> None:
    answer = whiteline("presets", *arguments)
    assert (answer.code, answer.out) == (1, "")
    assert words in answer.err
