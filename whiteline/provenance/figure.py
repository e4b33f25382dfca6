"""The picture of a lineage, from the files that it began with to what it is about."""

from __future__ import annotations

import os
import re
import tempfile
import textwrap
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

import numpy as np

from whiteline.errors import InputError, ParameterError, StoreError
from whiteline.plotting import FORMATS
from whiteline.provenance.boxes import FONT_SIZE, LINE_HEIGHT, MARGIN, Style, text_width
from whiteline.provenance.captions import headline, is_group, plain, warnings_of
from whiteline.provenance.graph import LineageGraph, Node
from whiteline.provenance.scene import GAP, Arrow, Placed, Scene, in_rows, set_scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = ["draw", "lineage_figure", "picture"]

# Yellow things and blue jobs as in the pictures of PROV; its orange is too near to what warns.
_COLOURS: Final = {
    "entity": ("#FFF7DB", "#B58900"),
    "activity": ("#DDE9F8", "#0072B2"),
    "agent": ("#EEEEEE", "#777777"),
}
_WORDS: Final = {"entity": "thing", "activity": "job", "agent": "program or machine"}
_RED, _PURPLE = "#C00000", "#8A2A8A"
_TEXT: Final[Mapping[Style, Mapping[str, Any]]] = {
    Style.HEAD: {"weight": "bold"},
    Style.PLAIN: {},
    Style.FAINT: {"color": "#666666"},
    Style.PROBLEM: {"color": _RED, "weight": "bold"},
    Style.SUSPECT: {"color": _PURPLE, "weight": "bold"},
}
_LEAST_WIDTH = 7.0  # inches, as all lengths here
_SWATCH = 0.3
_STACK = 0.05
_ROUND = 0.08
_THICK = 2.0  # points
_TITLE_SIZE = 11.0  # points
_TITLE_LINE = 0.24
_TITLE_LETTER = 0.1
_N_MOST = 150  # nobody reads more
_DPI = 160
_N_PIXELS = 60_000  # no side of an image can have 65,536
_SVG = "http://www.w3.org/2000/svg"
_PART = re.compile(r"node-(\d+)(-\d+)?")


def draw(
    graph: LineageGraph, path: str | Path, *, root: str, title: str = "", urls: Mapping[str, str] | None = None
) -> None:
    """Write the picture of a lineage in the format that the file name asks for; a file of that name is replaced.

    Args:
        graph: What is drawn; large ones by way of `condense`.
        path: File that ends in `.png`, `.svg` or `.pdf`.
        root: Id of what the picture is about.
        title: Words above.
        urls: Where boxes lead, by id, in an SVG.

    Raises:
        InputError: There are too many nodes.
        ParameterError: The name ends in none of the known formats.
        StoreError: The file cannot be written.
        LineageCycleError: Something came from itself.
    """
    path = Path(path)
    extension = path.suffix.lstrip(".").lower()
    if extension not in FORMATS:
        raise ParameterError(f"cannot write {path}: the name of a figure ends in .png, .svg or .pdf")
    content = picture(graph, extension, root=root, title=title, urls=urls)
    try:
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(draft).chmod(0o644)
            Path(draft).replace(path)
        finally:
            Path(draft).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write {path} ({error.strerror}): choose a writable place with -o") from error


def picture(
    graph: LineageGraph, kind: str, *, root: str, title: str = "", urls: Mapping[str, str] | None = None
) -> bytes:
    """Return what `draw` writes, as `png`, `svg` or `pdf`; the same graph gives the same bytes."""
    import matplotlib

    content = BytesIO()
    # Text stays text that can be searched; ids inside do not change from time to time.
    dateless = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with (
        warnings.catch_warnings(),
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "lineage", "pdf.fonttype": 42}),
    ):
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # labels may be in any script
        figure = lineage_figure(graph, root=root, title=title, urls=urls)
        dpi = min(_DPI, _N_PIXELS / max(figure.get_size_inches()))
        figure.savefig(content, format=kind, dpi=dpi, metadata=dateless)
    return _with_titles(content.getvalue(), graph, title) if kind == "svg" else content.getvalue()


def lineage_figure(graph: LineageGraph, *, root: str, title: str = "", urls: Mapping[str, str] | None = None) -> Figure:
    """Return the picture of a lineage; arguments and errors are those of `draw`."""
    from matplotlib.figure import Figure

    if len(graph.nodes) > _N_MOST:
        raise InputError(
            f"a picture of a lineage can show at most {_N_MOST} nodes, got {len(graph.nodes):,}: condense the lineage "
            "first, or ask for fewer steps"
        )
    scene = set_scene(graph, root, least_width=_LEAST_WIDTH)
    inner = max(_LEAST_WIDTH, scene.extent[0], scene.agents_extent[0])
    heading = textwrap.wrap(plain(title), int(inner / _TITLE_LETTER))
    legend = _legend(graph, scene)
    places, legend_height = in_rows(
        [(_SWATCH + text_width(words) + GAP, LINE_HEIGHT) for words, _ in legend], inner, below=0.05
    )
    tops = np.cumsum([GAP, len(heading) * _TITLE_LINE, legend_height + GAP, scene.extent[1] + GAP])
    has_agents = bool(scene.agents)
    width, height = inner + 2 * GAP, tops[-1] + has_agents * (scene.agents_extent[1] + 3 * LINE_HEIGHT)
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0.0, width), ylim=(height, 0.0))
    axes.set_axis_off()
    brush = _Brush(axes, {each: i for i, each in enumerate(graph.nodes)}, root, urls or {})
    for i, line in enumerate(heading):
        brush.write(line, GAP, tops[0] + i * _TITLE_LINE, size=_TITLE_SIZE, weight="bold")
    for (words, look), (x, y) in zip(legend, places, strict=True):
        brush.swatch(words, look, GAP + x, tops[1] + y)
    left = GAP + (inner - scene.extent[0]) / 2
    for arrow in scene.arrows:
        brush.arrow(arrow, left, tops[2])
    for placed in scene.boxes:
        brush.box(placed, left, tops[2])
    if has_agents:
        brush.write("Programs and machines, named by their letters in the jobs", GAP, tops[3], weight="bold")
    for placed in scene.agents:
        brush.box(placed, GAP, tops[3] + 2 * LINE_HEIGHT)
    return figure


def _legend(graph: LineageGraph, scene: Scene) -> list[tuple[str, Mapping[str, Any] | Arrow]]:
    """Return words for each kind of box and arrow that there is, and what it looks like."""
    nodes = graph.nodes.values()
    found = {node.kind.prov_type for node in nodes}
    entries: list[tuple[str, Mapping[str, Any] | Arrow]] = [
        (_WORDS[each], _look(*_COLOURS[each])) for each in _COLOURS if each in found
    ]
    entries.append(("what this is about", _look("white", "black", linewidth=_THICK)))
    if any(node.problem for node in nodes):
        entries.append(("missing or changed", _look("white", _RED, linewidth=_THICK)))
    if any(node.suspect for node in nodes):
        entries.append(("suspect", _look("white", _PURPLE, linewidth=_THICK, linestyle="--")))
    short = np.linspace((0.0, LINE_HEIGHT / 2), (_SWATCH, LINE_HEIGHT / 2), 4)
    for words, is_derived in (("used or made", False), ("derived from", True)):
        if any(arrow.is_derived is is_derived for arrow in scene.arrows):
            entries.append((words, Arrow(short, is_derived)))
    return entries


def _look(face: str, edge: str, *, linewidth: float = 0.9, linestyle: str = "-") -> dict[str, Any]:
    return {"facecolor": face, "edgecolor": edge, "linewidth": linewidth, "linestyle": linestyle}


@dataclass(frozen=True, eq=False)
class _Brush:
    """What draws on axes whose unit is the inch.

    Attributes:
        axes: The axes.
        index: A number of each node, by which its parts are found again in an SVG.
        root: What the picture is about.
        urls: Where boxes lead.
    """

    axes: Axes
    index: Mapping[str, int]
    root: str
    urls: Mapping[str, str]

    def write(self, text: str, x: float, y: float, *, size: float = FONT_SIZE, **style: Any) -> Text:
        """Write one line with its middle half a line below y; dollar signs in names of files are no formulas."""
        middle = y + LINE_HEIGHT / 2
        return self.axes.text(x, middle, text, fontsize=size, va="center_baseline", parse_math=False, **style)

    def swatch(self, words: str, look: Mapping[str, Any] | Arrow, x: float, y: float) -> None:
        """Draw an entry of the legend."""
        from matplotlib.patches import Rectangle

        if isinstance(look, Arrow):
            self.arrow(look, x, y)
        else:
            tall = 0.7 * LINE_HEIGHT
            self.axes.add_patch(Rectangle((x, y + (LINE_HEIGHT - tall) / 2), _SWATCH, tall, **look))
        self.write(words, x + _SWATCH + MARGIN, y)

    def arrow(self, arrow: Arrow, left: float, top: float) -> None:
        """Draw the way from a cause to its effect."""
        from matplotlib.patches import FancyArrowPatch
        from matplotlib.path import Path as Way

        points = arrow.points + np.array([left, top])
        way = Way(points, [Way.MOVETO, *[Way.CURVE4] * (len(points) - 1)])
        style = "-|>,head_length=5,head_width=2.4"
        line = (0, (4, 2)) if arrow.is_derived else "-"
        self.axes.add_patch(
            FancyArrowPatch(
                path=way, arrowstyle=style, mutation_scale=1, color="#555555", linewidth=0.9, linestyle=line, zorder=1
            )
        )

    def box(self, placed: Placed, left: float, top: float) -> None:
        """Draw a node; several behind one another where it stands for several."""
        from matplotlib.patches import FancyBboxPatch

        box, x, y = placed.box, placed.x + left, placed.y + top
        node, url = box.node, self.urls.get(placed.box.node.id)
        look = _node_look(node, is_root=node.id == self.root)
        shape = f"round,pad=0,rounding_size={_ROUND if node.kind.prov_type == 'entity' else 0.0}"
        for shift in (_STACK, 0.0) if is_group(node) else (0.0,):
            patch = FancyBboxPatch((x + shift, y + shift), box.width, box.height, boxstyle=shape, zorder=2, **look)
            self.axes.add_patch(patch)
        patch.set_gid(f"node-{self.index[node.id]}")
        patch.set_url(url)
        for i, line in enumerate(box.lines):
            text = self.write(
                line.text, x + MARGIN, y + MARGIN + i * LINE_HEIGHT, zorder=3, url=url, **_TEXT[line.style]
            )
            text.set_gid(f"node-{self.index[node.id]}-{i}")


def _node_look(node: Node, *, is_root: bool) -> dict[str, Any]:
    face, edge = _COLOURS[node.kind.prov_type]
    if node.problem or node.suspect:
        return _look(face, _RED if node.problem else _PURPLE, linewidth=_THICK, linestyle="-" if node.problem else "--")
    return _look(face, "black", linewidth=_THICK) if is_root else _look(face, edge)


def _with_titles(svg: bytes, graph: LineageGraph, title: str) -> bytes:
    """Return an SVG with what browsers show of a box under the mouse, and screen readers read."""
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    page = ElementTree.fromstring(svg)  # noqa: S314  # written by ourselves, above
    nodes = list(graph.nodes.values())
    for part in [page, *page.iter(f"{{{_SVG}}}g")]:
        found = _PART.fullmatch(part.get("id", ""))
        if found is None and part is not page:
            continue
        words = ElementTree.Element(f"{{{_SVG}}}title")
        words.text = "\n".join(_told(nodes[int(found[1])])) if found else plain(title) or "Lineage"
        part.insert(0, words)
    return bytes(ElementTree.tostring(page, encoding="utf-8", xml_declaration=True))


def _told(node: Node) -> list[str]:
    facts = [f"{plain(name)}: {plain(value)}" for name, value in node.facts.items()]
    label = [] if is_group(node) else [plain(node.label), plain(node.id)]
    return [line for line in (headline(node), *label, *facts, *warnings_of(node)) if line]
