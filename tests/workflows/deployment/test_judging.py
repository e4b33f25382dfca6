from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import whiteline
from whiteline.calculators.interface import Level
from whiteline.settings import Settings
from whiteline.workflows.deployment.judging import judge
from whiteline.workflows.deployment.marks import has_mark, put_mark, remove_marks
from whiteline.workflows.deployment.probe import Probe, probe
from whiteline.workflows.deployment.trials.interface import remedy_for

GOOD = Probe(
    host="node07",
    job="slurm 1",
    cores=8,
    python="/venv/bin/python",
    python_version=platform.python_version(),
    environment="/venv",
    prefix="/venv",
    whiteline=whiteline.__version__,
    database="mongodb://db/spectra",
    store="ok",
    is_same_database=True,
    clock_offset=0.1,
    run_directory="/scratch",
    free=10**11,
    scratch="ok",
    feff="ok",
)


def test_a_good_node_is_good() -> None:
    assert {finding.level for finding in judge(GOOD, cores=8, has_mark=True)} == {Level.OK}


@pytest.mark.parametrize(
    ("changes", "subject", "level", "words"),
    [
        ({"clock_offset": -7.0}, "clock of node07", Level.WARNING, "7.0 s behind the database's"),
        ({"whiteline": "0.0.1"}, "software", Level.ERROR, "Whiteline 0.0.1"),
        ({"python_version": "3.99.0"}, "software", Level.WARNING, "Python 3.99.0"),
        ({"environment": "/other"}, "software", Level.ERROR, "/venv/bin/python"),
        ({"is_same_database": False}, "store on the node", Level.ERROR, "another store than the one here"),
        ({"store": "error: Connection refused"}, "store on the node", Level.ERROR, "Connection refused"),
        ({"free": 10**9}, "scratch", Level.WARNING, "1.0 GB free"),
        ({"free": 10**6}, "scratch", Level.ERROR, "0.0 GB free"),
        ({"free": None, "scratch": "error: [Errno 13]"}, "scratch", Level.ERROR, "Errno 13"),
        ({"feff": "error: no wheel"}, "FEFF on the node", Level.ERROR, "no wheel"),
        ({"cores": 1}, "node", Level.WARNING, "1 cores, 8 were asked for"),
    ],
)
def test_what_is_wrong_with_a_node_is_named_with_a_remedy(
    changes: dict[str, Any], subject: str, level: Level, words: str
) -> None:
    found = [f for f in judge(replace(GOOD, **changes), cores=8, has_mark=True) if f.level is not Level.OK]
    assert [(f.subject, f.level) for f in found] == [(subject, level)]
    assert words in found[0].detail
    assert found[0].remedy


def test_a_node_that_writes_elsewhere_is_found_out() -> None:
    assert any(f.level is Level.ERROR for f in judge(GOOD, has_mark=False))


def test_a_gpu_that_is_not_there_fails_only_the_worker_that_needs_it() -> None:
    found = [f for f in judge(GOOD, has_mark=True, wants_gpu=True) if f.level is Level.ERROR]
    assert [f.subject for f in found] == ["GPU"]


def test_an_answer_of_another_version_can_be_read() -> None:
    assert Probe.from_dict({"host": "a", "colour": "red"}) == Probe(host="a")
    assert Probe.from_dict(GOOD.to_dict()) == GOOD


def test_this_machine_can_be_probed(tmp_path: Path) -> None:
    settings = Settings(database=str(tmp_path / "spectra.db"), run_directory=tmp_path / "runs")
    put_mark(settings.database, "t", "here")
    found = probe("t", settings=settings)
    assert (found.store, found.scratch, found.feff, found.is_same_database) == ("ok", "ok", "ok", True)
    assert has_mark(settings.database, "t", "node")
    remove_marks(settings.database, "t")
    assert not has_mark(settings.database, "t", "node")
    assert list((tmp_path / "runs").iterdir()) == []


def test_what_does_not_work_is_told_and_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = probe("t", settings=Settings(database=str(tmp_path / "file" / "x.db"), run_directory=tmp_path / "file"))
    assert found.store.startswith("error")
    assert found.scratch.startswith("error")
    assert found.feff.startswith("error")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("ModuleNotFoundError: No module named 'whiteline'", "lacks Whiteline"),
        ("slurm_script: line 15: rlaunch: command not found", "whiteline[remote]"),
        ("submit.sh: line 9: jf: command not found", "whiteline[remote]"),
        ("/home/me/venv/bin/activate: No such file or directory", "do not see the virtual environment"),
        ("error: Invalid account or account/partition combination specified", "account"),
        ("Lmod has detected the following error: The following module(s) are unknown", "module avail"),
    ],
)
def test_what_nodes_say_has_a_remedy(said: str, words: str) -> None:
    assert words in remedy_for(said)
