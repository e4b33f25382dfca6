from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from .conftest import Command


def test_xdi_goes_to_standard_output_with_its_header(whiteline: Command, ids: dict[str, str]) -> None:
    lines = whiteline("export", ids["copper site"]).out.splitlines()
    assert lines[0].startswith("# XDI/1.0")
    assert "# Element.symbol: Cu" in lines
    assert f"# Whiteline.id: {ids['copper site']}" in lines


def test_csv_and_json_hold_the_same_axis(whiteline: Command, ids: dict[str, str], tmp_path: Path) -> None:
    whiteline("export", ids["copper site"], "--format", "csv", "--output", tmp_path / "copper.csv")
    content = json.loads(whiteline("export", ids["copper site"], "--format", "json").out)
    lines = [line for line in (tmp_path / "copper.csv").read_text().splitlines() if line[:1].isdigit()]
    energy = [float(line.split(",")[0]) for line in lines]
    # Text keeps fewer digits than a double.
    np.testing.assert_allclose(energy, content["spectrum"]["energy"], rtol=1e-9)


def test_a_file_is_announced_and_written_whole(whiteline: Command, ids: dict[str, str], tmp_path: Path) -> None:
    answer = whiteline("export", ids["copper site"], "-o", tmp_path / "copper.xdi")
    assert answer.out == f"wrote {tmp_path / 'copper.xdi'}\n"
    assert (tmp_path / "copper.xdi").read_text() == whiteline("export", ids["copper site"]).out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--format", "xid"], "unknown format 'xid': did you mean 'xdi'?"),
        (["--output", "missing/copper.xdi"], "cannot write missing/copper.xdi"),
    ],
)
def test_a_bad_option_is_one_message(whiteline: Command, ids: dict[str, str], options: list[str], words: str) -> None:
    answer = whiteline("export", ids["copper site"], *options)
    assert (answer.code, len(answer.err.splitlines())) == (1, 1)
    assert words in answer.err
