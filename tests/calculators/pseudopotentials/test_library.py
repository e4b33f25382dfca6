from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from whiteline.calculators.pseudopotentials.core_hole import CoreHole
from whiteline.calculators.pseudopotentials.library import PseudoLibrary
from whiteline.errors import CorruptStoreError, MissingDependencyError, ParseError, StoreError

from .conftest import Make

HOLE = CoreHole("1s")
GROUND, EXCITED, RECORD = "O.pbe-gipaw.UPF", "O.star1s.pbe-gipaw.UPF", "O.pbe-gipaw.json"


@pytest.fixture
def library(tmp_path: Path) -> PseudoLibrary:
    return PseudoLibrary(tmp_path / "pseudo")


def test_a_stored_pair_is_found_and_its_record_says_how_it_was_made(library: PseudoLibrary, make: Make) -> None:
    paths = library.store([make(), make(HOLE)])
    assert [path.name for path in paths] == [GROUND, EXCITED]
    ground, excited = library.find_pair("O", core_hole="1s")
    assert (ground.path, excited.path) == paths
    record = json.loads((library.folders[0] / RECORD).read_text())["files"]
    assert {name: entry["sha256"] for name, entry in record.items()} == {GROUND: ground.sha256, EXCITED: excited.sha256}
    assert record[EXCITED]["inputs"] == {"generation": "1", "test": "t"}
    assert record[EXCITED]["ld1_version"] == "6.7MaX"
    assert record[EXCITED]["core_hole"] == {"level": "1s", "size": 1.0}
    assert record[EXCITED]["report"]["is_passed"]


def test_for_other_atoms_the_ground_state_is_found_even_beside_a_core_hole(library: PseudoLibrary, make: Make) -> None:
    library.store([make(), make(HOLE)])
    assert library.find("O").path.name == GROUND


def test_only_the_excited_one_is_no_ground_state(library: PseudoLibrary, make: Make) -> None:
    library.store([make(HOLE)])
    with pytest.raises(MissingDependencyError, match="no ground-state PBE pseudopotential of O"):
        library.find("O")


def test_a_missing_pair_names_the_command_the_folder_and_what_candidates_lack(
    library: PseudoLibrary, make: Make
) -> None:
    library.store([make()])
    with pytest.raises(MissingDependencyError) as caught:
        library.find_pair("O", core_hole="1s")
    assert "whiteline pseudo make O --core-hole 1s" in str(caught.value)
    assert str(library.folders[0]) in str(caught.value)
    assert "WHITELINE_PSEUDO_DIRECTORY" in str(caught.value)
    with pytest.raises(MissingDependencyError, match=r"core orbital: 1s; the L23 edge needs 2p"):
        library.find_pair("O", core_hole="2p")


def test_a_full_hole_does_not_stand_in_for_half_a_one(library: PseudoLibrary, make: Make) -> None:
    library.store([make(), make(HOLE)])
    with pytest.raises(MissingDependencyError, match=r"size of the hole: 1\.0 electrons, expected 0\.5.*--hole 0\.5"):
        library.find_pair("O", hole=0.5)


def test_pseudopotentials_of_another_functional_are_not_mixed_in(library: PseudoLibrary, make: Make) -> None:
    library.store([make()])
    with pytest.raises(MissingDependencyError, match="no ground-state PZ pseudopotential"):
        library.find("O", functional="PZ")


def test_folders_are_searched_in_order_and_only_the_first_is_written(tmp_path: Path, samples: Path, make: Make) -> None:
    second = tmp_path / "second"
    second.mkdir()
    shutil.copy(samples / GROUND, second / "A.UPF")
    library = PseudoLibrary((tmp_path / "first", second))
    assert library.find("O").path == second / "A.UPF"
    library.store([make()])
    assert library.find("O").path == tmp_path / "first" / GROUND
    assert [path.name for path in second.iterdir()] == ["A.UPF"]


def test_gipaw_comes_before_none_in_a_folder(tmp_path: Path, samples: Path) -> None:
    plain = (samples / GROUND).read_text().replace('has_gipaw="true"', 'has_gipaw="false"')
    (tmp_path / "A.UPF").write_text(plain)
    assert PseudoLibrary(tmp_path).find("O").path.name == "A.UPF"
    shutil.copy(samples / GROUND, tmp_path / "Z.UPF")
    assert PseudoLibrary(tmp_path).find("O").path.name == "Z.UPF"


def test_spin_orbit_files_are_for_nobody_and_paw_sets_not_for_the_absorber(tmp_path: Path, samples: Path) -> None:
    text = (samples / GROUND).read_text()
    shutil.copy(samples / EXCITED, tmp_path / "C.UPF")
    (tmp_path / "B.UPF").write_text(text.replace('relativistic="scalar"', 'relativistic="full"'))
    with pytest.raises(MissingDependencyError):
        PseudoLibrary(tmp_path).find("O")
    (tmp_path / "A.UPF").write_text(text.replace('pseudo_type="USPP"', 'pseudo_type="PAW"'))
    assert PseudoLibrary(tmp_path).find("O").path.name == "A.UPF"
    with pytest.raises(MissingDependencyError):
        PseudoLibrary(tmp_path).find_pair("O")


def test_cutoffs_are_the_tested_ones_where_there_is_a_record(
    library: PseudoLibrary, samples: Path, tmp_path: Path, make: Make
) -> None:
    library.store([make()])
    assert library.cutoffs(library.find("O")) == (40.0, 200.0)
    shutil.copy(samples / GROUND, tmp_path / "A.UPF")
    found = library.cutoffs(PseudoLibrary(tmp_path).find("O"))
    assert found == pytest.approx((41.63, 210.77), abs=0.01)


def test_what_is_no_upf_file_or_of_another_element_does_not_disturb(tmp_path: Path, samples: Path) -> None:
    shutil.copy(samples / GROUND, tmp_path / "O.UPF")
    (tmp_path / "notes.UPF").write_text("buy oxygen")
    (tmp_path / "N.UPF").write_text((samples / GROUND).read_text().replace('" O"', '"N"')[:40000])
    library = PseudoLibrary(tmp_path)
    assert library.find("O").path.name == "O.UPF"
    assert [p.path.name for p in library.all()] == ["O.UPF"]
    with pytest.raises(ParseError, match="cut off or damaged"):
        library.find("N")


def test_the_same_recipe_made_again_keeps_the_first_file(library: PseudoLibrary, make: Make) -> None:
    (path,) = library.store([make()])
    before = path.read_bytes()
    library.store([make(content=before + b"\n")])  # ld1.x writes the date into the file
    assert path.read_bytes() == before
    library.find("O")


def test_a_different_file_is_replaced_only_by_force(library: PseudoLibrary, make: Make) -> None:
    (path,) = library.store([make()])
    other = make(content=path.read_bytes() + b"\n", recipe="2")
    with pytest.raises(StoreError, match="is a different file"):
        library.store([other])
    library.store([other], force=True)
    assert path.read_bytes() == other.content
    assert library.find("O").path == path


def test_a_users_own_file_is_never_overwritten_silently(library: PseudoLibrary, make: Make) -> None:
    library.folders[0].mkdir()
    (library.folders[0] / GROUND).write_text("mine")
    with pytest.raises(StoreError, match="is a different file"):
        library.store([make()])


def test_what_failed_a_test_is_stored_only_by_force(library: PseudoLibrary, make: Make) -> None:
    with pytest.raises(StoreError, match="ghost states: p at -9 Ry"):
        library.store([make(), make(HOLE, is_passed=False)])
    assert not library.folders[0].exists()
    library.store([make(), make(HOLE, is_passed=False)], force=True)
    ground, excited = library.find_pair("O")
    assert (library.failures(ground), library.failures(excited)) == ("", "ghost states: p at -9 Ry")


def test_a_file_that_changed_since_it_was_made_is_refused(library: PseudoLibrary, make: Make) -> None:
    ground, excited = library.store([make(), make(HOLE)])
    excited.write_bytes(excited.read_bytes() + b"\n")
    assert library.find("O").path == ground
    with pytest.raises(CorruptStoreError, match="has changed since it was made"):
        library.find_pair("O")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"schema_version": 99, "files": {}}',
        '{"schema_version": 1}',
        '{"schema_version": 1, "files": {"O.pbe-gipaw.UPF": {}}}',
    ],
)
def test_a_damaged_or_newer_record_is_refused(library: PseudoLibrary, make: Make, text: str) -> None:
    library.store([make()])
    (library.folders[0] / RECORD).write_text(text)
    with pytest.raises(CorruptStoreError):
        library.find("O")


def test_a_folder_that_cannot_be_written_is_a_store_error_and_leaves_nothing(tmp_path: Path, make: Make) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        PseudoLibrary(tmp_path / "file").store([make()])


def test_what_was_killed_between_its_two_files_is_stored_again_without_force(
    library: PseudoLibrary, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, n_written = os.fsync, iter(range(2))

    def killed_at_the_second(descriptor: int) -> None:
        if next(n_written) == 1:
            raise KeyboardInterrupt
        sync(descriptor)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("os.fsync", killed_at_the_second)
        library.store([make()])
    library.store([make()])
    assert library.find("O").path.name == GROUND


def test_no_half_written_file_stays(library: PseudoLibrary, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        library.store([make()])
    assert list(library.folders[0].iterdir()) == []
