"""`whiteline train`, `finetune`, `transfer` and `models list|show|export`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.workflows.learning.toy import SMALL_OPTIONS, fill_store, freeze, install_toy_encoder, leave_out_reports

from .conftest import Command

QUICK = ["--encoder", "toy", "--device", "cpu", *SMALL_OPTIONS]


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install_toy_encoder(monkeypatch)
    leave_out_reports(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def learning_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of copper crystals, and the dataset `copper`."""
    home = tmp_path_factory.mktemp("cli")
    freeze(fill_store(home), home / "copper")
    return home


@pytest.mark.parametrize("command", ["train", "finetune", "transfer"])
def test_the_help_has_an_example(whiteline: Command, command: str) -> None:
    answer = whiteline(command, "--help")
    assert answer.code == 0
    assert f"whiteline {command} " in answer.out.partition("Example")[2]


def test_an_expert_is_trained_listed_shown_and_exported(whiteline: Command, learning_home: Path) -> None:
    made = whiteline("train", "expert", learning_home / "copper", "-o", "cu-k-toy", *QUICK, "--licence", "CC-BY-4.0")
    assert (made.code, made.err) == (0, "")
    assert "made cu-k-toy" in made.out
    assert "test eta" in made.out
    assert "left out 11: no spectrum of a site" in made.out
    (listed,) = json.loads(whiteline("models", "list", "--models", ".", "--json").out)
    assert (listed["name"], listed["channels"]) == ("cu-k-toy", ["Cu K feff:toy"])
    assert "cu-k-toy" in whiteline("models", "list", "--models", ".").out
    assert "no such model" in whiteline("models", "list", "--models", ".", "--absorber", "Ti").out
    assert "CC-BY-4.0" in whiteline("models", "show", "cu-k-toy").out
    assert whiteline("models", "export", "cu-k-toy", "-o", "cu.tar.gz").code == 0
    assert Path("cu.tar.gz").stat().st_size > 1000


def test_an_ensemble_has_a_member_a_seed(whiteline: Command, learning_home: Path) -> None:
    answer = whiteline("train", "ensemble", learning_home / "copper", "-o", "five", *QUICK, "--seeds", "3-5", "--json")
    folder = Path(json.loads(answer.out)["folder"])
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["n_member"] == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "drop_out=0.1"], "did you mean 'dropout'"),
        (["--encoder", "chgnt"], "did you mean 'chgnet'"),
        (["--architecture", "residual"], "did you mean 'residual-mlp'"),
        (["--seeds", "a"], "--seeds expects whole numbers"),
        (["--absorber", "Ni"], "there is no sample of Ni: there are Cu K feff:toy"),
        (["--split-by", "formla"], "did you mean 'formula'"),
        (["--resume"], "there is no training to go on with"),
    ],
)
def test_a_wrong_option_is_one_message_and_leaves_nothing(
    whiteline: Command, learning_home: Path, options: list[str], words: str
) -> None:
    answer = whiteline("train", "expert", learning_home / "copper", "-o", "model", *QUICK, *options)
    assert (answer.code, words in answer.err) == (1, True), answer.err
    assert not Path("model").exists()


def test_no_dataset_is_an_error(whiteline: Command) -> None:
    answer = whiteline("train", "expert", "nothing", "-o", "model")
    assert (answer.code, "there is no dataset in nothing" in answer.err) == (1, True)
