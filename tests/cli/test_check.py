from __future__ import annotations

from pathlib import Path

import pytest

from whiteline.calculators.feff import FeffCalculator
from whiteline.calculators.interface import Estimate, Finding, Level
from whiteline.cli.commands import check as command
from whiteline.workflows.engines import ENGINES

from .conftest import Command


@pytest.fixture
def titania(data: Path) -> str:
    return f"{data / 'structures' / 'ti-o-10.json'}"


def test_a_calculation_that_may_start_is_ready_with_its_cost(whiteline: Command, copper_file: Path) -> None:
    answer = whiteline("check", copper_file, "--absorber", "Cu")
    assert answer.code == 0
    assert "Ready: 1 calculation(s) can start." in answer.out
    line = next(line for line in answer.out.splitlines() if line.startswith("copper"))
    assert line.split()[:4] == ["copper", "Cu0", "K", "4"]
    assert line.split()[5].rstrip(",") in {"s", "min", "h"}
    assert line.split()[7] in {"MB", "GB"}


def test_what_holds_for_all_sites_is_said_once_and_times_are_added(
    whiteline: Command, titania: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FeffCalculator, "estimate", lambda *_: Estimate(cpu_time=600.0, memory=1500.0))
    lines = whiteline("check", f"{titania}#mp-1203", "-a", "Ti").out.splitlines()
    (executable,) = [line for line in lines if " executable " in line]
    assert executable.split()[-2:] == ["all", "3"]
    assert [line.split()[-4:] for line in lines if line.startswith("mp-1203")] == [["10", "min,", "1.5", "GB"]] * 3
    (total,) = [line for line in lines if line.startswith("total, largest")]
    assert total.split()[-4:] == ["30", "min,", "1.5", "GB"]


def test_an_error_comes_first_with_its_remedy_and_exit_code_one(
    whiteline: Command, copper_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHITELINE_FEFF_COMMAND", "no-such-feff")
    answer = whiteline("check", copper_file, "--absorber", "Cu")
    assert answer.code == 1
    assert answer.out.splitlines()[2].split()[:3] == ["feff", "error", "executable"]
    assert "unset WHITELINE_FEFF_COMMAND" in answer.out
    assert "Not ready: 1 of 1 calculation(s) cannot start" in answer.out


def test_a_remedy_with_square_brackets_stays_whole(
    whiteline: Command, copper_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = Finding("library", Level.WARNING, "no [gipaw] in Cu.UPF", "pip install 'whiteline[learn]'")
    monkeypatch.setattr(FeffCalculator, "check", lambda *_: [finding])
    answer = whiteline("check", copper_file, "--absorber", "Cu")
    assert answer.code == 0
    assert "no [gipaw] in Cu.UPF" in answer.out
    assert "→ pip install 'whiteline[learn]'" in answer.out


def test_findings_that_differ_in_numbers_only_are_cut_short(whiteline: Command, titania: str) -> None:
    text = whiteline("check", titania, "-a", "Ti", "--preset", "fast").out
    assert text.count(" cluster ") == command._MOST_ALIKE
    assert "more finding(s) that are ok and differ in their numbers only." in text


def test_one_engine_that_cannot_be_set_up_is_named_beside_the_others(whiteline: Command, copper_file: Path) -> None:
    answer = whiteline("check", copper_file, "-a", "Cu", "--engine", "feff", "--engine", "vasp", "--preset", "nobody")
    assert (answer.code, answer.err) == (1, "")
    assert "feff: feff has no preset 'nobody'" in answer.out
    assert "vasp: vasp has no preset 'nobody'" in answer.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--engine", "fef"], "unknown engine 'fef': did you mean 'feff'?"),
        (["--preset", "published:lightshw"], "feff has no preset 'published:lightshw'"),
        (["--set", "fms_radios=3"], "did you mean 'fms_radius'?"),
        (["--set", "ocean.x=3"], "ocean.x is a parameter of no engine that is used: known: feff"),
        (["--edge", "Q"], "unknown edge 'Q'"),
    ],
)
@pytest.mark.parametrize("name", ["check", "inputs"])
def test_an_option_that_cannot_be_used(
    whiteline: Command, copper_file: Path, name: str, options: list[str], words: str
) -> None:
    place = ["-o", "inputs"] if name == "inputs" else []
    answer = whiteline(name, copper_file, "-a", "Cu", *options, *place)
    assert (answer.code, answer.out) == (1, "")
    assert words in answer.err


def test_an_unknown_setting_is_refused(whiteline: Command, copper_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITELINE_FEF_COMMAND", "feff")
    answer = whiteline("check", copper_file, "-a", "Cu")
    assert (answer.code, answer.out) == (1, "")
    assert "did you mean 'WHITELINE_FEFF_COMMAND'?" in answer.err


@pytest.mark.parametrize("name", ["run", "check", "inputs", "presets"])
def test_the_help_names_every_engine_and_has_an_example(whiteline: Command, name: str) -> None:
    text = " ".join(whiteline(name, "--help").out.split())
    assert all(engine in text for engine in ENGINES)
    assert f"whiteline {name}" in text.partition("Examples")[2]
