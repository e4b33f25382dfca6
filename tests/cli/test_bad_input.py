"""Each thing a user may get wrong is one message that names it and the remedy, and an exit code above zero."""

from __future__ import annotations

import json
import random
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pymatgen.core import Lattice, Structure

from whiteline.cli import main
from whiteline.errors import StructureError

from .conftest import Answer, Command


def assert_refused(answer: Answer, words: str) -> None:
    assert (answer.code, answer.out) == (1, "")
    assert len(answer.err.splitlines()) == 1, answer.err
    assert answer.err.startswith("whiteline: error: ")
    assert words in answer.err


def write(*species: str | dict[str, float]) -> None:
    """Write atoms 0.3 Å apart in a row as x.cif."""
    positions = [[0.06 * i, 0.0, 0.0] for i in range(len(species))]
    Structure(Lattice.cubic(5.0), list(species), positions).to("x.cif", fmt="cif")


def missing() -> None:
    """The file is not there."""


def empty() -> None:
    Path("x.cif").write_text("")


def prose() -> None:
    Path("x.cif").write_text("once upon a time\n")


def partially_occupied() -> None:
    write({"Cu": 0.5, "Ni": 0.5})


def too_close() -> None:
    write("Cu", "Cu")


def other_element() -> None:
    write("Ni")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (missing, "no such file: x.cif"),
        (empty, "x.cif is empty"),
        (prose, "cannot read a structure from x.cif"),
        (partially_occupied, "order the cell first, e.g. with pymatgen's OrderDisorderedStructureTransformation"),
        (too_close, "x.cif: sites 0 (Cu) and 1 (Cu) are 0.30 Å apart"),
        (other_element, "x.cif: Cu is not in Ni: its elements are Ni"),
    ],
)
def test_a_structure_that_cannot_be_used(whiteline: Command, make: Callable[[], None], words: str) -> None:
    make()
    assert_refused(whiteline("run", "x.cif", "--absorber", "Cu"), words)


def test_a_molecule_is_asked_into_a_box(whiteline: Command) -> None:
    Path("water.xyz").write_text("3\nwater\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n")
    assert_refused(whiteline("run", "water.xyz", "--absorber", "O"), "put it into a box")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--absorber", "cu"], "unknown element 'cu': did you mean 'Cu'?"),
        (["--absorber", "O", "--edge", "M4"], "O has no M4 edge: its edges are K, L1, L2, L3"),
        (["--absorber", "Cu", "--edge", "Q"], "unknown edge 'Q': known: K, L1"),
        (["--absorber", "Cu", "--set", "fms_radios=3"], "did you mean 'fms_radius'?"),
        (["--absorber", "Cu", "--set", "fms_radius"], "--set expects NAME=VALUE, e.g. fms_radius=6, got 'fms_radius'"),
        (["--absorber", "Cu", "--set", "fms_radius=-3"], "parameter fms_radius"),
        (["--absorber", "Cu", "--preset", "fsat"], "feff has no preset 'fsat': did you mean 'fast'?"),
        (["--absorber", "Cu", "--engine", "fef"], "unknown engine 'fef': did you mean 'feff'?"),
    ],
)
def test_an_option_of_run_that_cannot_be_used(
    whiteline: Command, copper_file: Path, options: list[str], words: str
) -> None:
    assert_refused(whiteline("run", copper_file, *options), words)


def test_an_unknown_variable_names_the_nearest(whiteline: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITELINE_DATABSE", "x")
    assert_refused(whiteline("query"), "unknown environment variable WHITELINE_DATABSE: did you mean")


@pytest.mark.parametrize("option", ["--db", "--run-directory"])
def test_a_place_that_cannot_be_written(whiteline: Command, copper_file: Path, quick: list[str], option: str) -> None:
    # A file where a folder is needed refuses even an administrator, whom permissions do not stop.
    place = copper_file / "below"
    answer = whiteline("run", copper_file, "--absorber", "Cu", *quick, option, place / "spectra.db")
    assert_refused(answer, str(place))
    assert "choose a writable" in answer.err


def test_a_database_that_cannot_grow_loses_nothing_stored(
    whiteline: Command, store: Path, copper_file: Path, quick: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import whiteline.database.sqlite as sqlite

    connect = sqlite.connect

    def connect_to_full_disk(path: Path, *, must_exist: bool = False) -> sqlite3.Connection:
        connection = connect(path, must_exist=must_exist)
        (n_pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {n_pages}")
        return connection

    monkeypatch.setattr(sqlite, "connect", connect_to_full_disk)
    monkeypatch.setenv("WHITELINE_FEFF_COMMAND", "false")
    n_sites = 12
    answers = []
    for i in range(n_sites):
        answers.append(whiteline("run", copper_file, "--absorber", "Cu", *quick, "--set", f"k_max={4 + i}"))
        if "disk is full" in answers[-1].err:
            break
    assert "cannot grow: the disk is full" in answers[-1].err
    assert "free some space, then run again" in answers[-1].err
    assert len(whiteline("query", "--status", "converged", "--json").out.splitlines()) == 4


def random_bytes(path: Path) -> None:
    path.write_bytes(random.Random(0).randbytes(50_000))


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20_000])


def newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE letters (text)")
    connection.close()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (random_bytes, "is not a Whiteline database, or is damaged: restore a backup"),
        (truncated, "is damaged"),
        (newer, "has schema version 99, this Whiteline reads up to 3: upgrade"),
        (foreign, "is a database of another program"),
    ],
)
def test_a_store_that_cannot_be_read_is_refused_and_left_as_it_is(
    whiteline: Command, store: Path, copper_file: Path, damage: Callable[[Path], None], words: str
) -> None:
    damage(store)
    content = store.read_bytes()
    assert_refused(whiteline("query"), words)
    assert_refused(whiteline("run", copper_file, "--absorber", "Cu"), words)
    assert store.read_bytes() == content


def test_debug_shows_the_traceback_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["whiteline", "run", "x.cif", "--absorber", "Cu", "--debug"])
    with pytest.raises(StructureError, match=r"no such file: x\.cif"):
        main()


def test_a_failed_spectrum_cannot_be_plotted_or_exported(
    whiteline: Command, copper_file: Path, quick: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHITELINE_FEFF_COMMAND", "false")
    whiteline("run", copper_file, "--absorber", "Cu", *quick)
    failed = json.loads(whiteline("query", "--kind", "site", "--status", "failed", "--json").out)["id"]
    assert_refused(whiteline("plot", failed, "-o", "x.png"), "(failed) has no spectrum to plot: feff: exit status 1")
    assert_refused(whiteline("export", failed), "has no spectrum to export")
    assert not Path("x.png").exists()
