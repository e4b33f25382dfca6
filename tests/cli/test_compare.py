from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

# Registers the command even where only this file is run.
import whiteline.cli.commands.compare  # noqa: F401

from .conftest import Command

DATA = Path(__file__).parents[1] / "data" / "measured"
FOIL = DATA / "cu_metal_rt.xdi"


@pytest.fixture
def copper(ids: dict[str, str]) -> str:
    return ids["copper material"]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that commands draw, kept as they are saved."""
    import whiteline.plotting

    kept: list[Figure] = []
    save = whiteline.plotting.save_figure

    def keep(figure: Figure, path: Path, **more: Any) -> None:
        kept.append(figure)
        save(figure, path, **more)

    monkeypatch.setattr(whiteline.plotting, "save_figure", keep)
    return kept


def test_a_real_foil_is_compared_with_computed_copper(whiteline: Command, copper: str) -> None:
    answer = whiteline("compare", copper[:10], FOIL)
    assert (answer.code, answer.err) == (0, "")
    assert "Cu K of Cu" in answer.out
    assert "transmission mutrans; edge at 8980.50 eV" in answer.out
    assert "the theory already carries its lifetime, 1.73 eV" in answer.out
    for word in ("shift of the theory", "instrument width", "Spearman", "earth mover's distance"):
        assert word in answer.out


def test_json_holds_parameters_with_uncertainties_and_both_similarities(whiteline: Command, copper: str) -> None:
    told = json.loads(whiteline("compare", copper, FOIL, "--json", "--window", "-15", "25").out)
    shift = told["parameters"]["shift"]
    # The computed edge lies some eV too high, as FEFF's thresholds do.
    assert -15 < shift["value"] < 0
    assert shift["uncertainty"] > 0
    assert told["window"][0] >= 8980.5 - 15
    # Any two K edges are as alike as this, once they lie on each other.
    assert min(told["similarity"]["cosine"], told["similarity_before"]["cosine"]) > 0.98
    assert (told["measured"]["element"], told["measured"]["derivation"]) == ("Cu", "mutrans")


def test_the_figure_shows_measurement_raw_and_fitted_theory_and_residual(
    whiteline: Command, copper: str, figures: list[Figure]
) -> None:
    answer = whiteline("compare", copper, FOIL, "-o", "foil.png")
    assert answer.out.splitlines()[-1] == "wrote foil.png"
    found = whiteline("affected", "--file", FOIL, "--ids").out.split()
    assert found[0] == "figure"  # on record with the measured file that it shows
    upper, lower = figures[0].axes
    assert [line.get_linestyle() for line in upper.lines] == ["-", ":", "-"]
    measured, raw, fitted = (np.asarray(line.get_ydata()) for line in upper.lines)
    assert not (raw == fitted).all()
    assert np.asarray(lower.lines[1].get_ydata()) == pytest.approx(measured - fitted)


@pytest.mark.parametrize("name", ["foil.png", "foil.pdf"])
def test_the_figure_is_written(whiteline: Command, copper: str, tmp_path: Path, name: str) -> None:
    assert whiteline("compare", copper, FOIL, "-o", tmp_path / name).code == 0
    assert (tmp_path / name).stat().st_size > 1000


def test_another_element_is_refused_unless_forced(whiteline: Command, copper: str) -> None:
    answer = whiteline("compare", copper, DATA / "V2O3.xdi")
    assert (answer.code, answer.out) == (1, "")
    assert f"V2O3.xdi is of V K and {copper[:10]} of Cu K" in answer.err
    forced = whiteline("compare", copper, DATA / "V2O3.xdi", "--force", "--json")
    # From the K edge of copper to that of vanadium.
    assert json.loads(forced.out)["parameters"]["shift"]["value"] == pytest.approx(5465 - 8979, abs=30)


def test_another_edge_is_refused_and_corrected_by_the_user(whiteline: Command, copper: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.xdi"
    wrong.write_text(FOIL.read_text().replace("Element.edge: K", "Element.edge: L3"))
    assert "wrong.xdi is of Cu L3" in whiteline("compare", copper, wrong).err
    assert whiteline("compare", copper, wrong, "--edge", "k").code == 0


def test_spectra_that_do_not_overlap_are_refused_with_the_edge_energy(whiteline: Command, copper: str) -> None:
    answer = whiteline("compare", copper, DATA / "V2O3.xdi", "--element", "Cu")
    assert answer.code == 1
    assert "covers 5365.0 to 6300.2 eV and the edge lies at 8979.0 eV: they do not overlap" in answer.err


def test_columns_without_names_are_named_on_the_command_line(whiteline: Command, copper: str, tmp_path: Path) -> None:
    rows = [line for line in FOIL.read_text().splitlines() if not line.startswith("#")]
    plain = tmp_path / "plain.dat"
    plain.write_text("\n".join(rows) + "\n")
    assert "--columns energy,i0,itrans,-" in whiteline("compare", copper, plain).err
    answer = whiteline("compare", copper, plain, "--columns", "energy,i0,itrans,-")
    assert answer.code == 0
    assert "the file names no edge, transmission ln(i0/itrans)" in answer.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.xdi"], "cannot read none.xdi: no such file"),
        ([FOIL, "--signal", "fluorescense"], "unknown signal 'fluorescense'"),
        ([FOIL, "--signal", "fluorescence"], "no fluorescence in the columns energy, i0, itrans, mutrans"),
        ([FOIL, "--window", "10", "60"], "a window reaches from below to above the edge"),
        ([FOIL, "--max-shift", "1"], "more than 1 eV: is it the same element and edge?"),
        ([FOIL, "--edge", "K9"], "unknown edge 'K9'"),
        ([FOIL, "-o", "foil.docx"], "the name of a figure ends in .png, .svg or .pdf"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    whiteline: Command, copper: str, arguments: list[str | Path], message: str
) -> None:
    answer = whiteline("compare", copper, *arguments)
    assert (answer.code, answer.out) == (1, "")
    assert message in answer.err
    assert answer.err.count("\n") == 1


def test_the_help_has_examples(whiteline: Command) -> None:
    answer = whiteline("compare", "--help")
    assert answer.code == 0
    assert "whiteline compare 3f9a2c measured.xdi" in answer.out.partition("Examples")[2]
