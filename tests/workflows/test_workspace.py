from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from whiteline.calculators.interface import RunReport
from whiteline.causes import Cause
from whiteline.errors import StoreError
from whiteline.workflows import Workspace
from whiteline.workflows.run_folders import NOTE_NAME, RunFolders
from whiteline.workflows.workspace import DiskFullError

ID = "abcdef" * 7
DEAD = 4194304  # above the highest pid
ENDED = RunReport({"pot": 2.0})


def never(folder: Path) -> bool:
    return False


@pytest.fixture
def folders(tmp_path: Path) -> RunFolders:
    return Workspace("spectra.db", str(tmp_path)).run_folders("Cu", ID)


@pytest.fixture
def leave(folders: RunFolders) -> Callable[..., Path]:
    """A function that makes what a process left behind."""

    def make(
        pid: int = DEAD, report: RunReport | None = ENDED, *, host: str = "", n: int = 1, **changes: float
    ) -> Path:
        folder = folders.home / (f"run-{host or socket.gethostname()}-{pid}" + (f".{n}" if n > 1 else ""))
        folder.mkdir(parents=True)
        (folder / "xmu.dat").write_text(f"of {pid}")
        folders.note(folder, changes, report, seconds=2.5)
        return folder

    return make


def test_a_run_folder_is_fresh_and_what_dead_runs_left_is_removed(
    folders: RunFolders, leave: Callable[..., Path]
) -> None:
    dead, mine = leave(DEAD, None), leave(os.getpid(), RunReport(failure="crashed", cause=Cause.CRASH))
    taken = folders.take(1, {}, never)
    assert (taken.path, taken.report) == (mine, None)
    assert not list(mine.iterdir())
    assert not dead.exists()


def test_the_folder_of_a_living_run_and_of_another_host_stays(folders: RunFolders, leave: Callable[..., Path]) -> None:
    living, elsewhere = leave(os.getppid()), leave(host="another-host")
    assert folders.take(1, {}, never).report is None
    folders.clear()
    assert living.exists()
    assert elsewhere.exists()


def test_what_a_dead_process_ended_well_is_taken_over_with_its_report(
    folders: RunFolders, leave: Callable[..., Path]
) -> None:
    dead = leave()
    taken = folders.take(1, {}, never)
    assert (taken.report, taken.seconds, taken.is_continued) == (ENDED, 2.5, False)
    assert (taken.path / "xmu.dat").read_text() == f"of {DEAD}"
    assert not dead.exists()


@pytest.mark.parametrize("what", ["changes", "attempt", "calculation", "forced", "damaged"])
def test_what_is_not_the_same_calculation_is_not_taken_over(
    folders: RunFolders, leave: Callable[..., Path], what: str
) -> None:
    dead = leave(**({"scf_mixing": 0.1} if what == "changes" else {}))
    if what == "damaged":
        (dead / NOTE_NAME).write_text('{"calculation":')
    asked = {
        "calculation": RunFolders(folders.home, "0" * 40),
        "forced": RunFolders(folders.home, ID, is_forced=True),
    }.get(what, folders)
    assert asked.take(2 if what == "attempt" else 1, {}, never).report is None


def test_an_attempt_after_a_repair_is_taken_over_under_the_same_changes(
    folders: RunFolders, leave: Callable[..., Path]
) -> None:
    leave(n=2, scf_mixing=0.1)
    assert folders.take(2, {"scf_mixing": 0.1}, never).report == ENDED


@pytest.mark.parametrize("report", [None, RunReport(failure="stopped after 5 s", cause=Cause.TIME_LIMIT)])
def test_an_interrupted_run_goes_on_where_its_code_can(
    folders: RunFolders, leave: Callable[..., Path], report: RunReport | None
) -> None:
    leave(DEAD, report)
    taken = folders.take(1, {}, lambda folder: (folder / "xmu.dat").is_file())
    assert (taken.report, taken.is_continued) == (None, True)
    assert (taken.path / "xmu.dat").is_file()


def test_what_another_host_ended_long_ago_is_taken_over(folders: RunFolders, leave: Callable[..., Path]) -> None:
    elsewhere = leave(host="another-host")
    an_hour_ago = (elsewhere / NOTE_NAME).stat().st_mtime - 3600
    os.utime(elsewhere / NOTE_NAME, (an_hour_ago, an_hour_ago))
    assert folders.take(1, {}, never).report == ENDED


def test_a_folder_that_is_kept_is_never_taken_for_one_to_be_stored(folders: RunFolders) -> None:
    kept, other = (folders.take(n, {}, never).path for n in (1, 2))
    folders.note(kept, {}, ENDED)
    folders.clear(keep=kept)
    assert kept.exists()
    assert not other.exists()
    assert folders.take(1, {}, never).report is None


def test_clearing_removes_the_folders_and_their_empty_home(folders: RunFolders) -> None:
    folders.take(1, {}, never)
    folders.clear()
    assert not folders.home.exists()


@pytest.mark.parametrize("name", ["../../outside", "/etc/passwd", "a/b", "..", "TiO2 \n anatase", "α" * 300])
def test_no_name_leads_out_of_the_run_directory(tmp_path: Path, name: str) -> None:
    taken = Workspace("spectra.db", str(tmp_path / "runs")).run_folders(name, ID).take(1, {}, never)
    assert taken.path.parent.parent == tmp_path / "runs"
    assert taken.path.is_dir()


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, DiskFullError), (errno.EACCES, StoreError)])
def test_a_run_directory_that_cannot_be_made_says_whether_the_disk_is_full(
    tmp_path: Path, number: int, kind: type[StoreError]
) -> None:
    with pytest.raises(StoreError, match="WHITELINE_RUN_DIRECTORY") as caught, Workspace("", str(tmp_path)).usable():
        raise OSError(number, os.strerror(number))
    assert type(caught.value) is kind


def test_a_full_disk_is_told_from_a_calculation_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace("", str(tmp_path))
    workspace.refuse_full_disk()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 0))
    with pytest.raises(DiskFullError, match="make room or choose another place"):
        workspace.refuse_full_disk()
