from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from whiteline.errors import InputError, StoreError
from whiteline.workflows.deployment.environment import applied, read_environment
from whiteline.workflows.deployment.rendering import RenderedFile
from whiteline.workflows.deployment.writing import write_files

FILES = [RenderedFile(path="a.txt", text="a\n"), RenderedFile(path="b/b.env", text="b\n", is_secret=True)]


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    assert write_files(tmp_path, FILES).new == ("a.txt", "b/b.env")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert write_files(tmp_path, FILES).same == ("a.txt", "b/b.env")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_nothing_is_written_where_one_file_is_somebodys_own(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "b.env").write_text("mine\n")
    with pytest.raises(InputError, match=r"b/b\.env; --force replaces"):
        write_files(tmp_path, FILES)
    assert not (tmp_path / "a.txt").exists()
    assert write_files(tmp_path, FILES, replace=True).replaced == ("b/b.env",)
    assert (tmp_path / "b" / "b.env").read_text() == "b\n"


def test_a_secret_that_others_could_read_is_closed(tmp_path: Path) -> None:
    write_files(tmp_path, FILES)
    (tmp_path / "b" / "b.env").chmod(0o644)
    write_files(tmp_path, FILES)
    assert stat.S_IMODE((tmp_path / "b" / "b.env").stat().st_mode) == 0o600


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        write_files(tmp_path, FILES)


@pytest.mark.parametrize("line", ["export X=$(id)", "X=a b", "rm -rf x", "export X='open"])
def test_a_line_of_more_than_a_value_is_refused_and_not_shown(tmp_path: Path, line: str) -> None:
    (tmp_path / "whiteline.env").write_text(f"# comment\n\n{line}\n")
    with pytest.raises(InputError, match=r"line 3 of .*whiteline.env is no `export NAME=VALUE`") as error:
        read_environment(tmp_path)
    assert line not in str(error.value)


def test_a_folder_without_a_deployment_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no deployment in .*whiteline deploy init"):
        read_environment(tmp_path)


def test_variables_are_those_of_the_jobs_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITELINE_MOST_REPAIRS", "1")
    with applied({"WHITELINE_TIMEOUT": "60"}):
        assert os.environ["WHITELINE_TIMEOUT"] == "60"
        assert "WHITELINE_MOST_REPAIRS" not in os.environ
    assert os.environ["WHITELINE_MOST_REPAIRS"] == "1"
    assert "WHITELINE_TIMEOUT" not in os.environ
