from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .conftest import Command

SAMPLES = Path(__file__).parents[1] / "data" / "upf"

needs_ld1 = pytest.mark.skipif(shutil.which("ld1.x") is None, reason="ld1.x of Quantum ESPRESSO is not installed")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHITELINE_PSEUDO_DIRECTORY", str(tmp_path / "pseudo"))
    return tmp_path / "pseudo"


@needs_ld1
def test_make_keeps_a_tested_pair_that_list_and_check_agree_on(whiteline: Command, folder: Path) -> None:
    made = whiteline("pseudo", "make", "Be")
    assert (made.code, made.err) == (0, "")
    assert made.out.count("passed") == 2
    names = ["Be.pbe-gipaw.UPF", "Be.star1s.pbe-gipaw.UPF"]
    assert sorted(path.name for path in folder.glob("*.UPF")) == names
    listed = whiteline("pseudo", "list").out
    assert all(name in listed for name in names)
    assert "1 hole in 1s" in listed
    assert whiteline("pseudo", "check", *(folder / name for name in names)).code == 0


@needs_ld1
def test_make_does_not_replace_another_file_and_says_so(whiteline: Command, folder: Path) -> None:
    folder.mkdir()
    (folder / "Be.pbe-gipaw.UPF").write_text("mine")
    answer = whiteline("pseudo", "make", "Be", "--core-hole", "none")
    assert answer.code == 1
    assert "is a different file" in answer.out
    assert (folder / "Be.pbe-gipaw.UPF").read_text() == "mine"


def test_make_without_ld1_names_the_remedy(whiteline: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITELINE_LD1_COMMAND", "no-such-ld1.x")
    answer = whiteline("pseudo", "make", "O")
    assert answer.code == 1
    assert "WHITELINE_LD1_COMMAND" in answer.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("Xe",), "no recipe makes a pseudopotential of 'Xe'"),
        (("O", "--core-hole", "q"), "core level must look like 1s or 2p"),
        (("O", "--core-hole", "2p"), "no core level 2p"),
        (("O", "--hole", "3"), "at most 1 electron"),
        (("O", "--functional", "PPE"), "did you mean 'PBE'?"),
    ],
)
def test_make_refuses_what_it_cannot_make_before_it_makes_anything(
    whiteline: Command, folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.setenv("WHITELINE_LD1_COMMAND", "true")
    answer = whiteline("pseudo", "make", *words)
    assert answer.code == 1
    assert message in answer.err
    assert not folder.exists()


def test_a_code_that_fails_for_one_element_is_told_and_the_exit_code_says_so(
    whiteline: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHITELINE_LD1_COMMAND", "false")
    answer = whiteline("pseudo", "make", "O", "Be")
    assert answer.code == 1
    assert answer.out.count("not kept: ld1.x, generation of") == 2


def test_list_of_an_empty_library_says_what_can_be_made(whiteline: Command) -> None:
    answer = whiteline("pseudo", "list")
    assert answer.code == 0
    assert "whiteline pseudo make ELEMENT" in answer.out
    assert " Ti " in answer.out.partition("Recipes:")[2]


def test_check_says_what_a_file_lacks_for_an_edge(whiteline: Command) -> None:
    excited = SAMPLES / "O.star1s.pbe-gipaw.UPF"
    assert whiteline("pseudo", "check", excited, SAMPLES / "O.pbe-gipaw.UPF").code == 0
    answer = whiteline("pseudo", "check", excited, "--edge", "L23")
    assert answer.code == 1
    assert "0 for d, 2 for s; the L23 edge needs 2 for d and 1 for s" in answer.out


def test_check_of_what_is_no_upf_file_is_one_clear_message(whiteline: Command, tmp_path: Path) -> None:
    (tmp_path / "O.UPF").write_text("oxygen")
    answer = whiteline("pseudo", "check", tmp_path / "O.UPF")
    assert answer.code == 1
    assert "expected a UPF file" in answer.err


@pytest.mark.parametrize("command", ["make", "list", "check"])
def test_the_help_of_every_subcommand_has_an_example(whiteline: Command, command: str) -> None:
    answer = whiteline("pseudo", command, "--help")
    assert answer.code == 0
    assert f"whiteline pseudo {command} " in answer.out.partition("Example")[2]
