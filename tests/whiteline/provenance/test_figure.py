import warnings
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from matplotlib.text import Text

from tests.whiteline.provenance.graphs import average, checksum, hashed, lineages, prediction
from whiteline.errors import InputError, ParameterError, StoreError
from whiteline.provenance import Kind, Role
from whiteline.provenance.condensing import condense
from whiteline.provenance.figure import draw, lineage_figure, picture
from whiteline.provenance.graph import LineageGraph, Link, Node

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "a $x^2$ <b>&amp;\n\x1b[31m\u202e\ud800 \\frac % 漢"


def texts(graph: LineageGraph, root: str, title: str = "") -> list[str]:
    (axes,) = lineage_figure(graph, root=root, title=title).axes
    return [text.get_text() for text in axes.texts]


def parsed(graph: LineageGraph, root: str, urls: dict[str, str] | None = None) -> ElementTree.Element:
    return ElementTree.fromstring(picture(graph, "svg", root=root, urls=urls))  # noqa: S314  # our own


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_name_of_the_file_says_the_format(ending: str, start: bytes, tmp_path: Path) -> None:
    graph, root = average(2)
    path = tmp_path / f"lineage.{ending}"
    draw(graph, path, root=root, title="Lineage")
    assert path.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [path]


def test_another_ending_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    graph, root = average(1)
    with pytest.raises(ParameterError, match=r"\.png, \.svg or \.pdf"):
        draw(graph, tmp_path / "lineage.gif", root=root)
    with pytest.raises(StoreError, match="choose a writable place"):
        draw(graph, tmp_path / "nowhere" / "lineage.png", root=root)


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_same_lineage_gives_the_same_bytes(kind: str) -> None:
    graph, root = average(1)
    assert picture(graph, kind, root=root) == picture(graph, kind, root=root)


def test_boxes_say_what_they_are_and_jobs_name_programs_by_letter() -> None:
    graph, root = average(1)
    words = texts(graph, root, "A title")
    assert {"A title", "source file", "TiO2.cif", "feff-site", "by A, B, C, D", "A  software", "feff 10.0.0"} <= set(
        words
    )
    assert hashed("TiO2")[:12] in words


def test_problems_and_suspicions_are_written_in_words_and_in_the_legend() -> None:
    graph, root = average(1)
    source = replace(graph.nodes[checksum("TiO2")], problem="missing: TiO2.cif")
    words = texts(graph.with_nodes([source, replace(graph.nodes[root], suspect="wrong sign")]), root)
    assert {"missing: TiO2.cif", "suspect: wrong sign", "missing or changed", "suspect"} <= set(words)
    assert not {"missing or changed", "suspect"} & set(texts(graph, root))


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_what_records_say_is_never_markup(kind: str) -> None:
    node = Node(id=HOSTILE, kind=Kind.SOURCE, label=HOSTILE, problem=HOSTILE, suspect=HOSTILE, facts={HOSTILE: HOSTILE})
    root = Node(id="root", kind=Kind.ACTIVITY, label=HOSTILE)
    graph = LineageGraph({each.id: each for each in (node, root)}, (Link("root", HOSTILE, Role.USED, HOSTILE),))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert picture(graph, kind, root="root", title=HOSTILE)


def test_text_of_an_svg_can_be_searched_and_dollars_stay() -> None:
    graph, root = average(1)
    page = parsed(graph.with_nodes([replace(graph.nodes[root], label="cost $1$ <b>")]), root)
    assert {"cost $1$ <b>", "source file"} <= {each.text for each in page.iter(f"{SVG}text")}


def test_boxes_of_an_svg_lead_where_asked_and_have_titles() -> None:
    graph, root = average(1)
    page = parsed(graph, root, urls={root: "https://example.org/?a=1&b=2"})
    leading = {each.get("{http://www.w3.org/1999/xlink}href") for each in page.iter(f"{SVG}a")}
    assert leading == {"https://example.org/?a=1&b=2"}
    titles = [each.text or "" for each in page.iter(f"{SVG}title")]
    assert all(any(each in title for title in titles) for each in graph.nodes)


def test_letters_stay_readable_however_much_there_is() -> None:
    (few, many) = (lineage_figure(graph, root=root) for graph, root in (average(1), average(8)))
    assert many.get_size_inches()[0] > few.get_size_inches()[0]
    for figure in (few, many):
        assert {text.get_fontsize() for text in figure.findobj(Text) if text.get_text()} <= {9.0, 11.0}


def test_a_program_that_the_picture_is_about_is_a_box_among_the_others() -> None:
    graph, _ = average(1)
    root = checksum("program")
    words = texts(condense(graph.descendants(root), root), root)
    assert "executable" in words
    assert not any(word.startswith("by ") for word in words)


def test_what_nobody_could_read_is_refused_with_the_remedy() -> None:
    graph, root = prediction(40)
    with pytest.raises(InputError, match=r"at most 150 nodes.*condense the lineage first"):
        lineage_figure(graph, root=root)


def test_a_picture_is_never_larger_than_an_image_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whiteline.provenance.figure._N_PIXELS", 500)
    graph, root = average(1)
    png = picture(graph, "png", root=root)
    width, height = (int.from_bytes(png[i : i + 4], "big") for i in (16, 20))
    assert 400 < max(width, height) <= 500


@settings(deadline=None, max_examples=10)
@given(graph=lineages(n_most=15))
def test_any_lineage_can_be_drawn(graph: LineageGraph) -> None:
    assert picture(graph, "svg", root=next(iter(graph.nodes)))
