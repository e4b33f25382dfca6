from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from whiteline.database import open_store
from whiteline.status import Status

from .conftest import QUICK, Command, write_copper


def test_what_is_stored_is_served_and_said(
    whiteline: Command, ids: dict[str, str], copper_file: Path, quick: list[str]
) -> None:
    answer = whiteline("run", copper_file, "--absorber", "Cu", *quick)
    assert answer.code == 0
    assert "Nothing was computed" in answer.out
    assert f"Next: whiteline plot {ids['copper material'][:10]} -o spectrum.png" in answer.out
    assert "copper Cu0 K: stored (1 of 1 sites)" in answer.err


def test_ids_stand_whole_at_the_start_of_the_line(
    whiteline: Command, ids: dict[str, str], tmp_path: Path, quick: list[str]
) -> None:
    folder = tmp_path / "crystals"
    folder.mkdir()
    write_copper(folder / "copper.cif")
    write_copper(folder / "copper[strained].cif", lattice_constant=3.65)
    lines = whiteline("run", folder, "--absorber", "Cu", *quick).out.splitlines()
    for name in ("copper", "copper[strained]"):
        assert any(line.split()[:3] == [ids[f"{name} site"][:10], name, "Cu0"] for line in lines)


def test_one_dopant_in_five_hundred_atoms_computes(whiteline: Command, tmp_path: Path, quick: list[str]) -> None:
    crystal = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]]) * (5, 5, 5)
    crystal.replace(0, "Ni")
    crystal.to(str(tmp_path / "big.cif"), fmt="cif")
    answer = whiteline("run", tmp_path / "big.cif", "--absorber", "Ni", *quick)
    assert answer.code == 0
    assert "(1 of 1 sites)" in answer.err


def test_a_cell_of_one_atom_computes(whiteline: Command, tmp_path: Path, quick: list[str]) -> None:
    half = 3.61 / 2
    cell = Structure(Lattice([[0, half, half], [half, 0, half], [half, half, 0]]), ["Cu"], [[0, 0, 0]])
    cell.to(str(tmp_path / "primitive.cif"), fmt="cif")
    answer = whiteline("run", tmp_path / "primitive.cif", "--absorber", "Cu", *quick)
    assert answer.code == 0
    assert "converged" in answer.out
    assert "computed" in answer.out


def test_a_forced_run_that_fails_keeps_what_was_stored(
    whiteline: Command,
    ids: dict[str, str],
    copper_file: Path,
    quick: list[str],
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WHITELINE_FEFF_COMMAND", "false")
    answer = whiteline("run", copper_file, "--absorber", "Cu", "--force", *quick)
    assert answer.code == 1
    assert "copper site 0 could not be computed again, its earlier spectrum is kept: feff" in answer.out
    with open_store(str(store), must_exist=True) as opened:
        assert opened.get(ids["copper site"]).status is Status.CONVERGED
        assert opened.get(ids["copper material"]).spectrum is not None


def test_a_failed_site_is_stored_with_its_reason_and_exit_code_one(
    whiteline: Command, copper_file: Path, quick: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHITELINE_FEFF_COMMAND", "false")
    answer = whiteline("run", copper_file, "--absorber", "Cu", *quick)
    assert answer.code == 1
    assert "copper site 0 failed: feff: exit status 1" in answer.out
    assert len(whiteline("query", "--status", "failed", "--json").out.splitlines()) == 2


def test_a_full_run_disk_stops_the_run_and_stores_no_failure(
    whiteline: Command, copper_file: Path, quick: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import whiteline.workflows.workspace as workspace

    monkeypatch.setenv("WHITELINE_FEFF_COMMAND", "false")
    full = type("Usage", (), {"free": 0})
    monkeypatch.setattr(workspace.shutil, "disk_usage", lambda _: full)
    answer = whiteline("run", copper_file, "--absorber", "Cu", *quick)
    assert (answer.code, answer.out) == (1, "")
    assert "is full: make room or choose another place with --run-directory" in answer.err
    assert whiteline("query").out.strip() == "0 spectra found"


def test_interrupted_it_says_how_to_go_on_and_leaves_nothing_running(copper_file: Path, tmp_path: Path) -> None:
    program = tmp_path / "slow-feff"
    program.write_text("#!/bin/sh\ntouch started\nexec sleep 60\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    command = [sys.executable, "-m", "whiteline.cli", "run", str(copper_file), "--absorber", "Cu"]
    settings = [word for value in QUICK for word in ("--set", value)]
    process = subprocess.Popen(
        [*command, *settings],
        env={**os.environ, "WHITELINE_FEFF_COMMAND": str(program)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "runs").glob("**/started")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith("whiteline: error: interrupted: what was finished is stored")
    assert "Traceback" not in errors
