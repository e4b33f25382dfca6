from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whiteline.database.measured import is_athena, read_athena
from whiteline.edges import Edge
from whiteline.errors import ParseError
from whiteline.measured import Signal

ENERGY = [8970.0, 8975.0, 8978.0, 8979.5, 8981.0, 8985.0, 8990.0]
MU = [0.1, 0.1, 0.15, 0.6, 1.1, 1.0, 1.05]
HEAD = "# Athena project file -- Demeter version 0.9.26\n# This file created at 2020-01-01T00:00:00\n\n"
TAIL = "@journal = ('first line',\"\\x{3a9}\");\n\n1;\n\n# Local Variables:\n# truncate-lines: t\n# End:\n"


def perl_list(values: list[Any]) -> str:
    return "(" + ",".join(f"'{value}'" for value in values) + ")"


def perl_group(energy: list[Any] = ENERGY, mu: list[Any] = MU, **args: str) -> str:
    pairs = {"label": "Cu foil", "bkg_z": "Cu", "fft_edge": "k", **args}
    flat = ",".join(f"'{name}','{value}'" for name, value in pairs.items())
    return (
        f"$old_group = 'abcde';\n@args = ({flat},'titles',['one','it\\'s two'],'annotation',undef);\n"
        f"@x = {perl_list(energy)};\n@y = {perl_list(mu)};\n[record]   # create object and set arrays\n\n"
    )


def write(path: Path, text: str, *, is_packed: bool = True) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if is_packed else text.encode())
    return path


@pytest.mark.parametrize("is_packed", [True, False], ids=["gzip", "plain"])
def test_each_group_of_a_project_is_a_spectrum(tmp_path: Path, is_packed: bool) -> None:
    text = HEAD + perl_group() + perl_group(label="oxide") + TAIL
    path = write(tmp_path / "two.prj", text, is_packed=is_packed)
    first, second = read_athena(path)
    assert is_athena(path)
    assert (first.label, second.label) == ("Cu foil", "oxide")
    assert first.spectrum is not None
    assert (first.spectrum.element, first.spectrum.edge) == ("Cu", Edge.K)
    assert first.spectrum.energy.tolist() == ENERGY
    assert first.spectrum.mu.tolist() == MU


def test_json_and_perl_projects_hold_the_same_spectrum(tmp_path: Path) -> None:
    content = {
        "_____header1": "# Athena project file -- Demeter version 0.9.26",
        "_____order": ["bbbbb", "aaaaa"],
        "aaaaa": {"args": ["label", "second", "bkg_z", "Cu", "fft_edge", "K"], "x": ENERGY, "y": MU},
        "bbbbb": {"args": {"label": "first", "bkg_z": "Cu", "fft_edge": "K"}, "x": ENERGY, "y": [str(y) for y in MU]},
    }
    groups = read_athena(write(tmp_path / "new.prj", json.dumps(content)))
    assert [group.label for group in groups] == ["first", "second"]
    for group in groups:
        assert group.spectrum is not None
        assert group.spectrum.mu.tolist() == MU


def test_the_shift_of_the_calibration_is_added_and_noted(tmp_path: Path) -> None:
    [group] = read_athena(write(tmp_path / "shifted.prj", HEAD + perl_group(bkg_eshift="-1.5") + TAIL))
    assert group.spectrum is not None
    np.testing.assert_allclose(group.spectrum.energy, np.array(ENERGY) - 1.5, rtol=1e-12)
    assert "shifted by -1.5 eV" in group.spectrum.notes[0]


def test_normalised_groups_say_so_and_others_than_absorption_are_left_out_with_a_reason(tmp_path: Path) -> None:
    groups = [perl_group(is_nor="1"), perl_group(datatype="chi", label="chi"), perl_group(mu=["0.1"] * 6 + ["nan"])]
    normalised, chi, damaged = read_athena(write(tmp_path / "mixed.prj", HEAD + "".join(groups) + TAIL))
    assert normalised.spectrum is not None
    assert normalised.spectrum.signal is Signal.NORMALISED
    assert (chi.spectrum, damaged.spectrum) == (None, None)
    assert "chi(k)" in chi.problem
    assert "y, point 7: expected a finite number, got 'nan'" in damaged.problem


def test_a_blessed_object_and_a_hash_are_values_like_others(tmp_path: Path) -> None:
    xdi = "@xdi = (bless( {'ok' => 1, 'comments' => [], 'version' => undef}, 'Xray::XDI' ));\n"
    [group] = read_athena(write(tmp_path / "xdi.prj", HEAD + xdi + perl_group() + TAIL))
    assert group.spectrum is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + perl_group()[:80], "line 5: expected a value or a mark"),
        (HEAD + perl_group().replace("[record]", ""), "no .record"),
        (HEAD + "@x = system('rm -rf /');\n", "line 4: expected a value, got \"system"),
        (HEAD + "@x = (1, `ls`);\n", "line 4: expected a value or a mark"),
        (HEAD + "@x = " + "(" * 1000 + ");\n", "expected a value"),
        (HEAD + "use POSIX;\n", "line 4: expected an assignment"),
        (HEAD, "holds no group"),
        ("just text\n", "no Athena project"),
        ('{"_____header1": "# Athena project file", ', "no whole JSON"),
    ],
    ids=["cut", "no record", "call", "backticks", "depth", "statement", "empty", "other text", "cut json"],
)  # fmt: skip
def test_what_is_no_data_is_refused_with_its_line_and_never_run(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        read_athena(write(tmp_path / "bad.prj", text))


def test_a_project_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "bomb.prj", HEAD + "#" + " " * 5_000_000 + "\n" + perl_group() + TAIL)
    assert path.stat().st_size < 20_000
    with pytest.raises(ParseError, match="unpacks to more than 1 MiB"):
        read_athena(path, max_bytes=2**20)


def test_a_project_that_is_cut_off_inside_its_packing_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.prj", HEAD + perl_group() + TAIL)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ParseError, match="cut off"):
        read_athena(path)


def test_half_a_character_in_a_label_is_replaced(tmp_path: Path) -> None:
    group = {"args": {"label": "Cu\ud83d\n foil", "bkg_z": "Cu", "fft_edge": "K"}, "x": ENERGY, "y": MU}
    text = json.dumps({"_____header1": "# Athena project file", "aaaaa": group})
    [found] = read_athena(write(tmp_path / "half.prj", text))
    assert found.label == "Cu? foil"


def test_a_second_project_behind_the_first_is_not_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "two.prj", HEAD + perl_group() + TAIL)
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(ParseError, match="more behind the end of its packing"):
        read_athena(path)
