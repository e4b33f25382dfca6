"""A damaged HDF5 file must not end the process that reads it."""

from __future__ import annotations

from pathlib import Path

import h5py  # type: ignore[import-untyped]  # ships no types
import numpy as np
import pytest

from whiteline.calculators.vasp import hdf5_values
from whiteline.calculators.vasp.hdf5_values import ReadingFailedError, read_values


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "vaspout.h5"
    with h5py.File(path, "w") as content:
        content["results/positions/ion_types"] = ["Ti_pv", "O"]
        content["results/positions/scale"] = 2.5
        content["input/grid"] = np.arange(6.0).reshape(2, 3)
    return path


def test_values_are_those_of_the_file_and_what_is_not_there_is_left_out(file: Path) -> None:
    names = ["results/positions/ion_types", "results/positions/scale", "input/grid", "input/missing"]
    values = read_values(file, names)
    assert [bytes(name) for name in values["results/positions/ion_types"]] == [b"Ti_pv", b"O"]
    assert float(values["results/positions/scale"]) == 2.5
    np.testing.assert_array_equal(values["input/grid"], [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    assert "input/missing" not in values


def test_a_file_that_is_cut_off_is_refused_in_the_words_of_the_library(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:600])
    with pytest.raises(ReadingFailedError, match="truncated file"):
        read_values(file, ["input/grid"])


def test_a_crash_of_the_library_is_an_error_like_others(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = tmp_path / "crash.py"
    crash.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr(hdf5_values, "_SCRIPT", str(crash))
    with pytest.raises(ReadingFailedError, match="crashed over it, signal 11"):
        read_values(file, ["input/grid"])
