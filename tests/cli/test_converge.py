"""`whiteline converge` for real on a tiny cluster, and every way to ask for the impossible."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from .conftest import Command

# The cheapest real FEFF calculation, without the parameter that is converged.
BASE = ["scf_radius=null", "fms_radius=2.7", "core_hole=none", "energy_grid=[]", "k_step=0.2", "k_max=3"]
TINY = [word for value in BASE for word in ("--set", value)]
LOOSE = ["--tolerance", "0.5", "--tolerance", "area=0.5", "--tolerance", "shift=5"]


def test_a_series_is_shown_and_drawn(whiteline: Command, copper_file: Path, tmp_path: Path) -> None:
    command = ["converge", copper_file, "-a", "Cu", "--knob", "l_max", *TINY, *LOOSE]
    answer = whiteline(*command)
    assert answer.code == 0, answer.err
    row = next(line for line in answer.out.splitlines() if "Cu0 K" in line)
    assert "converged" in row
    assert "l_max 3" in row
    converged = row.split()[0]

    shown = json.loads(whiteline("show", converged, "--json").out)
    (record,) = shown["records"]
    assert record["activity"] == "convergence"
    assert [point["values"]["l_max"] for point in record["parameters"]["points"]] == [2, 3, 4]
    assert shown["fidelity"] == "feff:converged"

    assert whiteline("plot", converged, "--convergence", "-o", "c.png").code == 0
    with Image.open(tmp_path / "c.png") as picture:
        assert min(picture.size) > 500

    again = whiteline(*command)
    assert again.code == 0
    assert "stored" in again.err


def test_an_unconverged_series_has_exit_status_1_and_is_found_by_its_status(
    whiteline: Command, copper_file: Path
) -> None:
    answer = whiteline("converge", copper_file, "-a", "Cu", "--knob", "l_max", *TINY, "--tolerance", "1e-12")
    assert answer.code == 1
    assert "best so far l_max 6" in answer.out
    found = whiteline("query", "--status", "unconverged", "--fidelity", "feff:converged", "--json").out
    assert "best so far l_max 6" in found


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--knob", "fms_radios"], "there is no knob 'fms_radios': did you mean 'fms_radius'?"),
        (["--tolerance", "0"], "the tolerance of spearman must be above 0"),
        (["--tolerance", "shift=-1"], "the tolerance of shift must be above 0"),
        (["--tolerance", "sperman=0.1"], "there is no tolerance 'sperman': did you mean 'spearman'?"),
        (["--tolerance", "tight"], "--tolerance expects a number or NAME=NUMBER, got 'tight'"),
        (["--budget", "0"], "--budget expects a time above 0 such as 600s, 90m or 2h, got '0'"),
        (["--budget", "soon"], "--budget expects a time above 0 such as 600s, 90m or 2h, got 'soon'"),
        (["--engine", "fef"], "unknown engine 'fef'"),
    ],
)
def test_what_cannot_be_converged_is_refused_in_one_line(
    whiteline: Command, copper_file: Path, options: list[str], words: str
) -> None:
    answer = whiteline("converge", copper_file, "-a", "Cu", *options)
    assert (answer.code, answer.out) == (1, "")
    assert len(answer.err.splitlines()) == 1, answer.err
    assert words in answer.err


def test_a_budget_shorter_than_one_rung_computes_nothing_and_says_so(whiteline: Command, copper_file: Path) -> None:
    answer = whiteline("converge", copper_file, "-a", "Cu", "--knob", "l_max", *TINY, "--budget", "0.001")
    assert answer.code == 1
    assert "budget: 0 of 0.001 s are spent and the next point takes about" in answer.out


def test_a_spectrum_that_was_not_converged_has_no_certificate_to_draw(whiteline: Command, ids: dict[str, str]) -> None:
    answer = whiteline("plot", ids["copper site"], "--convergence", "-o", "c.png")
    assert answer.code == 1
    assert "is no converged spectrum" in answer.err
    assert "whiteline converge" in answer.err
