from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from whiteline.workflows import Workspace


def test_a_run_folder_is_fresh_and_what_dead_runs_left_is_removed(tmp_path: Path) -> None:
    workspace = Workspace("spectra.db", str(tmp_path))
    dead = tmp_path / "Cu-abc" / f"run-{socket.gethostname()}-4194304"  # above the highest pid
    mine = tmp_path / "Cu-abc" / f"run-{socket.gethostname()}-{os.getpid()}"
    for old in (dead, mine):
        old.mkdir(parents=True)
        (old / "xmu.dat").write_text("of another run")
    with workspace.run_folder("Cu", "abc") as folder:
        assert folder == mine
        assert not list(folder.iterdir())
    assert not dead.exists()


def test_the_folder_of_a_living_run_and_of_another_host_stays(tmp_path: Path) -> None:
    workspace = Workspace("spectra.db", str(tmp_path))
    living = tmp_path / "Cu-abc" / f"run-{socket.gethostname()}-{os.getppid()}"
    elsewhere = tmp_path / "Cu-abc" / "run-another-host-4194304"
    for other in (living, elsewhere):
        other.mkdir(parents=True)
    with workspace.run_folder("Cu", "abc"):
        pass
    assert living.exists()
    assert elsewhere.exists()


def test_discarding_removes_the_folder_and_its_empty_parent(tmp_path: Path) -> None:
    workspace = Workspace("spectra.db", str(tmp_path))
    with workspace.run_folder("Cu", "abc") as folder:
        workspace.discard(folder)
    assert not (tmp_path / "Cu-abc").exists()


@pytest.mark.parametrize("name", ["../../outside", "/etc/passwd", "a/b", "..", "TiO2 \n anatase", "α" * 300])
def test_no_name_leads_out_of_the_run_directory(tmp_path: Path, name: str) -> None:
    workspace = Workspace("spectra.db", str(tmp_path / "runs"))
    with workspace.run_folder(name, "abc") as folder:
        assert folder.parent.parent == tmp_path / "runs"
        assert folder.is_dir()
