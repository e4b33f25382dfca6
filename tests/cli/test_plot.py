from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from whiteline.database import open_store
from whiteline.provenance import Kind, file_checksum

from .conftest import Command

BEGINNINGS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that commands draw, kept as they are saved."""
    import whiteline.plotting

    kept: list[Figure] = []

    def keep(figure: Figure, path: Path, **_: object) -> None:
        kept.append(figure)
        path.touch()  # its checksum goes on record

    monkeypatch.setattr(whiteline.plotting, "save_figure", keep)
    return kept


@pytest.mark.parametrize("extension", ["png", "svg", "pdf"])
def test_the_name_decides_the_format(whiteline: Command, ids: dict[str, str], tmp_path: Path, extension: str) -> None:
    answer = whiteline("plot", ids["copper material"][:10], "-o", tmp_path / f"copper.{extension}")
    assert (answer.code, answer.out) == (0, f"wrote {tmp_path / f'copper.{extension}'}\n")
    assert (tmp_path / f"copper.{extension}").read_bytes().startswith(BEGINNINGS[extension])


@pytest.mark.parametrize("extension", ["png", "svg", "pdf"])
def test_a_figure_names_its_spectra_and_is_found_by_its_checksum(
    whiteline: Command, ids: dict[str, str], tmp_path: Path, store: Path, extension: str
) -> None:
    path = tmp_path / f"copper.{extension}"
    whiteline("plot", ids["copper site"], ids["copper material"], "-o", path)
    assert ids["copper site"].encode() in path.read_bytes()
    with open_store(store) as opened:
        (found,) = opened.linked([file_checksum(path)])
    assert (found.record.activity, found.spectrum_id) == ("plot", "")
    assert found.record.parents == (ids["copper site"], ids["copper material"])
    assert found.record.generated == {Kind.FIGURE: {str(path): file_checksum(path)}}


def test_the_legend_tells_two_crystals_of_one_formula_apart(
    whiteline: Command, ids: dict[str, str], figures: list[Figure]
) -> None:
    whiteline("plot", ids["copper material"], ids["copper[strained] material"], "-o", "x.png")
    legend = figures[0].axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "copper Cu Cu K average, feff:standard+",
        "copper[strained] Cu Cu K average, feff:standard+",
    ]


def test_the_legend_falls_back_on_ids(whiteline: Command, ids: dict[str, str], figures: list[Figure]) -> None:
    whiteline("plot", ids["copper site"], ids["copper site"], "-o", "x.png")
    legend = figures[0].axes[0].get_legend()
    assert legend is not None
    assert all(f"({ids['copper site'][:7]})" in text.get_text() for text in legend.get_texts())


def test_alignment_units_and_window_reach_the_figure(
    whiteline: Command, ids: dict[str, str], figures: list[Figure]
) -> None:
    both = (ids["copper site"], ids["copper[strained] site"])
    whiteline("plot", *both, "-o", "x.png", "--align", "--units", "max", "--window", 8970, 9010, "--title", "[Cu]")
    (axes,) = figures[0].axes
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_texts()[1].get_text().endswith(" eV)")
    assert axes.get_ylabel() == "Intensity (maximum one)"
    assert axes.get_xlim() == (8970, 9010)
    assert axes.get_title() == "[Cu]"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "x.jpg"], "the name of a figure ends in .png, .svg or .pdf"),
        (["-o", "x"], "the name of a figure ends in .png, .svg or .pdf"),
        (["-o", "missing/x.png"], "cannot write missing/x.png"),
        (["-o", "x.png", "--units", "aera"], "unknown units 'aera': did you mean 'area'?"),
        (["-o", "x.png", "--window", "9010", "8970"], "lower and its upper end"),
        (["-o", "x.png", "--window", "1", "2"], "shows nothing: the spectra reach from 89"),
        (["-o", "x.png", "--offset", "nan"], "the offset must be a finite number"),
    ],
)
def test_a_bad_option_is_one_message(whiteline: Command, ids: dict[str, str], options: list[str], words: str) -> None:
    answer = whiteline("plot", ids["copper site"], *options)
    assert (answer.code, len(answer.err.splitlines())) == (1, 1)
    assert words in answer.err
