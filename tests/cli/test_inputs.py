from __future__ import annotations

import json
from pathlib import Path

import pytest

from whiteline.cli.commands import inputs as command
from whiteline.errors import MissingDependencyError

from .conftest import Command, write_copper


def test_inputs_are_written_to_the_folder_and_nothing_runs(
    whiteline: Command, copper_file: Path, tmp_path: Path
) -> None:
    answer = whiteline("inputs", copper_file, "--absorber", "Cu", "-o", "ready")
    assert (answer.code, answer.err) == (0, "")
    assert "1 of 1 calculation(s) ready in ready: 1 input files." in answer.out
    folder = tmp_path / "ready" / "copper" / "feff" / "Cu0-K"
    assert sorted(path.name for path in folder.iterdir()) == ["feff.inp", "whiteline.json"]
    note = json.loads((folder / "whiteline.json").read_text())
    assert (note["absorber"]["multiplicity"], note["source"]) == (4, str(copper_file))
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "spectra.db").exists()


def test_a_second_time_says_unchanged(whiteline: Command, copper_file: Path) -> None:
    for state in ("written", "unchanged"):
        answer = whiteline("inputs", copper_file, "--absorber", "Cu", "-o", "ready")
        assert answer.code == 0
        assert state in answer.out


def test_other_inputs_are_replaced_only_by_force(whiteline: Command, copper_file: Path) -> None:
    call = ("inputs", copper_file, "--absorber", "Cu", "-o", "ready")
    whiteline(*call)
    refused = whiteline(*call, "--set", "fms_radius=5")
    assert refused.code == 1
    assert "feff, copper Cu0 K: refused: the folder holds other inputs (feff.inp differs): --force" in refused.out
    assert "0 of 1 calculation(s) ready" in refused.out
    forced = whiteline(*call, "--set", "fms_radius=5", "--force")
    assert (forced.code, "replaced" in forced.out) == (0, True)


def test_a_reason_that_several_sites_share_is_said_once(
    whiteline: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whiteline.calculators.feff import FeffCalculator

    def inputs(*_: object) -> dict[str, str]:
        raise MissingDependencyError("no pseudopotential of Cu [GIPAW]: whiteline pseudo make Cu")

    for name in ("first", "second"):
        write_copper(tmp_path / f"{name}.cif")
    monkeypatch.setattr(FeffCalculator, "inputs", inputs)
    answer = whiteline("inputs", "first.cif", "second.cif", "-a", "Cu", "-o", "ready")
    assert answer.code == 1
    reason = "feff, all 2 sites: failed: no pseudopotential of Cu [GIPAW]: whiteline pseudo make Cu"
    assert answer.out.count("GIPAW") == 1
    assert reason in answer.out
    assert not (tmp_path / "ready").exists()


def test_of_many_sites_only_those_with_a_problem_are_listed(
    whiteline: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_MOST_ROWS", 1)
    for name in ("first", "second", "third"):
        write_copper(tmp_path / f"{name}.cif")
    whiteline("inputs", "second.cif", "-a", "Cu", "-o", "ready", "--set", "fms_radius=5")
    answer = whiteline("inputs", "first.cif", "second.cif", "third.cif", "-a", "Cu", "-o", "ready")
    listed = [line.split()[0] for line in answer.out.splitlines() if "Cu0 K" in line and "written" not in line]
    assert "second" in listed
    assert "2 more site(s) are not listed." in answer.out


def test_materials_of_one_name_have_rows_and_folders_of_their_own(whiteline: Command, tmp_path: Path) -> None:
    for i, folder in enumerate(("a", "b")):
        (tmp_path / folder).mkdir()
        write_copper(tmp_path / folder / "x.cif", lattice_constant=3.6 + 0.1 * i)
    answer = whiteline("inputs", "a/x.cif", "b/x.cif", "-a", "Cu", "-o", "ready")
    assert answer.code == 0
    names = {line.split()[0] for line in answer.out.splitlines() if line.endswith("written")}
    assert names == {path.name for path in (tmp_path / "ready").iterdir()}
    assert len(names) == 2


def test_a_place_that_cannot_be_written_is_one_message(whiteline: Command, copper_file: Path) -> None:
    answer = whiteline("inputs", copper_file, "-a", "Cu", "-o", copper_file / "below")
    assert (answer.code, answer.out) == (1, "")
    assert len(answer.err.splitlines()) == 1
    assert "choose another place" in answer.err


def test_an_output_folder_is_asked_for(whiteline: Command, copper_file: Path) -> None:
    answer = whiteline("inputs", copper_file, "--absorber", "Cu")
    assert (answer.code, answer.out) == (2, "")
    assert "Missing option '--output'" in answer.err


def test_engines_that_lack_their_files_are_named_with_the_remedy_and_the_others_write(
    whiteline: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHITELINE_PSEUDO_DIRECTORY", str(tmp_path / "nowhere"))
    structures = f"{data / 'structures' / 'ti-o-10.json'}"
    answer = whiteline("inputs", structures, "--absorber", "Ti", "--engine", "all", "-o", "ready")
    assert (answer.code, answer.err) == (1, "")
    assert len(list((tmp_path / "ready").glob("*/feff/Ti*-K/feff.inp"))) == 13
    assert len(list((tmp_path / "ready").glob("*/ocean/Ti*-K/ocean.in"))) == 13
    assert "xspectra, all 13 sites: failed: no pair of PBE pseudopotentials of Ti" in answer.out
    assert "exciting, all 13 sites: incomplete" in answer.out
    assert len(list((tmp_path / "ready").glob("*/exciting/Ti*-K/input.xml"))) == 13
    assert "set WHITELINE_EXCITING_SPECIES" in answer.out
