from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from whiteline.errors import ParameterError
from whiteline.workflows.deployment.answers import Answers, build_deployment, suggest, verify
from whiteline.workflows.deployment.cluster import Partition
from whiteline.workflows.deployment.deployment import Deployment, ManagerKind, parse_manager, parse_walltime

MAIN = Partition(name="main", is_default=True, walltime=7200.0, cores=4, memory=8000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 1800),
        ("30:30", 1830),
        ("2:00:00", 7200),
        ("1-0", 86400),
        ("1-2:30", 95400),
        ("90min", 5400),
        ("1 d", 86400),
    ],
)
def test_a_walltime_is_read_as_slurm_reads_it(text: str, seconds: float) -> None:
    assert parse_walltime(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "0", "30 s", "-5", "1:2:3:4", "10000-0", "5 parsecs"])
def test_what_is_no_walltime_is_named(text: str) -> None:
    with pytest.raises(ParameterError, match="walltime expects a time from one minute"):
        parse_walltime(text)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"partition": "main; rm -rf ~"}, "partition expects one word"),
        ({"account": "me\n#SBATCH --uid=0"}, "account expects one word"),
        ({"work_directory": Path("/scratch/$(id)")}, "work-dir expects an absolute path without blanks"),
        ({"environment": Path("venv")}, "venv expects an absolute path"),
        ({"folder": Path("/home/me/my folder")}, "folder expects an absolute path without blanks"),
        ({"cores": 0}, "cores expects a whole number from 1"),
        ({"memory": 0}, "memory expects MB from 1"),
        ({"database": "spectra.db"}, "jobflow-remote keeps its jobs in MongoDB"),
        ({"database": "postgres://host/x"}, "unknown kind of store"),
        ({"project": ""}, "project expects the name"),
    ],
)
def test_an_answer_that_no_script_could_take_is_refused(
    make_deployment: Callable[..., Deployment], changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        make_deployment(**changes)


def test_the_nearest_manager_is_named() -> None:
    with pytest.raises(ParameterError, match="did you mean 'fireworks'"):
        parse_manager("firework")


def test_suggestions_fit_into_the_default_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITELINE_DATABASE", "mongodb://db.example.org/spectra")
    found = suggest(tmp_path, Answers(cores=2), {"main": MAIN})
    assert (found.manager, found.partition, found.walltime, found.cores) == ("jobflow-remote", "main", "02:00:00", 2)
    monkeypatch.setenv("WHITELINE_DATABASE", "spectra.db")
    assert suggest(tmp_path, Answers(), {}).manager == "none"


def test_settings_of_the_shell_go_with_the_workers_but_not_those_of_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHITELINE_PW_COMMAND", "mpirun pw.x")
    monkeypatch.setenv("WHITELINE_TEST_MONGO_URI", "mongodb://localhost")
    monkeypatch.delenv("SLURM_CONF", raising=False)
    answers = suggest(tmp_path, Answers(database="mongodb://db.example.org/spectra"), {})
    settings = build_deployment(tmp_path, answers).settings
    assert settings["WHITELINE_PW_COMMAND"] == "mpirun pw.x"
    assert not any(name.startswith(("WHITELINE_TEST", "WHITELINE_DATABASE")) for name in settings)


def test_an_environment_without_the_program_of_the_manager_is_refused(
    make_deployment: Callable[..., Deployment],
) -> None:
    with pytest.raises(ParameterError, match=r"bin/jf: give --venv .*whiteline\[remote\]"):
        list(verify(make_deployment(), {}))


def test_a_file_as_store_is_allowed_without_a_manager_and_its_limit_is_told(
    make_deployment: Callable[..., Deployment], tmp_path: Path
) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "whiteline").touch()
    deployment = make_deployment(
        manager=ManagerKind.NONE, database=str(tmp_path / "spectra.db"), walltime=60.0, cores=4
    )
    notes = list(verify(deployment, {"main": MAIN, "gpu": Partition(name="gpu")}))
    assert "one node at a time" in notes[0]
    assert "shows no GPU in partition 'gpu'" in notes[1]
