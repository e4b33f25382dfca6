from __future__ import annotations

import json
import re
import stat
import sys
from pathlib import Path

import pytest

from .conftest import Command

# The virtual environment of the tests, and nothing that SLURM is asked.
INIT = ("deploy", "init", "here", "--yes", "--unchecked", "--manager")


@pytest.fixture(autouse=True)
def _without_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever SLURM this machine has, these tests do not ask it."""
    monkeypatch.delenv("SLURM_CONF", raising=False)


def test_init_writes_once_and_changes_nothing_the_second_time(whiteline: Command, tmp_path: Path) -> None:
    first = whiteline(*INIT, "jobflow-remote", "--database", "mongodb://me:secret@db.example.org/x")
    assert (first.code, first.err) == (0, "")
    assert "wrote: README.md, activate.sh, whiteline.env" in first.out
    again = whiteline(*INIT, "jobflow-remote", "--database", "mongodb://me:secret@db.example.org/x")
    assert again.out.startswith("unchanged: README.md")
    assert "secret" not in first.out + again.out
    assert stat.S_IMODE((tmp_path / "here" / "whiteline.env").stat().st_mode) == 0o600


def test_other_answers_replace_nothing_without_force(whiteline: Command, tmp_path: Path) -> None:
    whiteline(*INIT, "none", "--partition", "main")
    refused = whiteline(*INIT, "none", "--partition", "long")
    assert refused.code == 1
    assert "slurm/campaign-worker.sbatch; --force replaces them" in refused.err
    assert whiteline(*INIT, "none", "--partition", "long", "--force").code == 0
    assert "--partition=long" in (tmp_path / "here" / "slurm" / "campaign-worker.sbatch").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("slurm",), "unknown manager 'slurm'"),
        (("fireworks",), "fireworks keeps its jobs in MongoDB"),
        (("none", "--walltime", "soon"), "walltime expects a time"),
        (("none", "--partition", "a b"), "partition expects one word"),
        (("none", "--modules", "qe/7.2;id"), "modules expects names"),
        (("none", "--work-dir", "/a b"), "work-dir expects an absolute path"),
    ],
)
def test_a_bad_answer_is_one_line_and_writes_nothing(
    whiteline: Command, tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    answer = whiteline(*INIT, *options)
    assert (answer.code, answer.out) == (1, "")
    assert words in answer.err
    assert len(answer.err.splitlines()) == 1
    assert not (tmp_path / "here").exists()


def test_questions_are_asked_on_a_terminal_and_the_address_is_not_shown(
    whiteline: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def answer(text: str, **options: object) -> object:
        asked.append((text, options.get("hide_input", False)))
        return {"Partition of workers": "long", "Cores of a worker": "3"}.get(text, options["default"])

    monkeypatch.setattr("typer.prompt", answer)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    done = whiteline("deploy", "init", "here", "--unchecked", "--manager", "none", "--walltime", "2h")
    assert (done.code, done.err) == (0, "")
    assert [is_hidden for text, is_hidden in asked if text.startswith("Address")] == [True]
    assert not any("Walltime" in text or "Manager" in text for text, _ in asked)
    script = (tmp_path / "here" / "slurm" / "campaign-worker.sbatch").read_text()
    assert re.findall(r"--(partition|ntasks|time|mem)=(\S+)", script) == [
        ("partition", "long"),
        ("ntasks", "3"),
        ("time", "02:00:00"),
    ]


def test_check_names_a_folder_without_a_deployment(whiteline: Command) -> None:
    answer = whiteline("deploy", "check", "nowhere")
    assert answer.code == 1
    assert "✗ files" in answer.out
    assert "whiteline deploy init" in answer.out


def test_check_goes_step_by_step_and_stops_where_it_fails(
    whiteline: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whiteline(*INIT, "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = whiteline("deploy", "check", "here", "--json")
    found = json.loads(answer.out)
    assert answer.code == 1
    assert [(step["subject"], step["level"]) for step in found] == [
        ("files", "ok"),
        ("store", "ok"),
        ("clock here", "ok"),
        ("script", "ok"),
        ("SLURM", "error"),
    ]
    assert "login node" in found[-1]["detail"]


def test_check_tells_of_a_file_that_others_can_read(whiteline: Command, tmp_path: Path) -> None:
    whiteline(*INIT, "none")
    (tmp_path / "here" / "whiteline.env").chmod(0o644)
    answer = whiteline("deploy", "check", "here", "--no-job")
    assert "! files" in answer.out
    assert "→ chmod 600" in answer.out


@pytest.mark.parametrize("command", ["init", "check"])
def test_the_help_has_examples(whiteline: Command, command: str) -> None:
    answer = whiteline("deploy", command, "--help")
    assert answer.code == 0
    assert f"whiteline deploy {command} " in answer.out.partition("Example")[2]
