"""A lineage in a terminal."""

from __future__ import annotations

from whiteline.cli.tables import make_console
from whiteline.provenance import Kind, Role
from whiteline.provenance.graph import LineageGraph, Link, Node
from whiteline.workflows.lineage.tree import draw_tree


def drawn(nodes: list[Node], links: list[tuple[str, str]], *, is_complete: bool = False) -> list[str]:
    graph = LineageGraph({node.id: node for node in nodes}, tuple(Link(*ends, Role.USED) for ends in links))
    console = make_console()
    with console.capture() as captured:
        console.print(draw_tree(graph, nodes[0].id, is_complete=is_complete))
    return [line.rstrip() for line in captured.get().splitlines()]


def named(*ids: str, kind: Kind = Kind.SPECTRUM) -> list[Node]:
    return [Node(id=each, kind=kind) for each in ids]


def test_each_thing_is_shown_once_below_the_nearest() -> None:
    lines = drawn(named("a", "b", "c", "d"), [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("a", "d")])
    assert [line.split()[-1] for line in lines] == ["a", "b", "c", "d"]


def test_what_stands_above_already_is_pointed_at() -> None:
    links = [("a", "b"), ("b", "c"), ("c", "d"), ("a", "e"), ("e", "c"), ("e", "f")]
    lines = drawn(named("a", "b", "c", "d", "e", "f"), links)
    assert sum(line.endswith("c  (above)") for line in lines) == 1
    assert sum(line.endswith(" d") for line in lines) == 1


def test_files_that_came_from_the_same_things_show_them_once() -> None:
    nodes = [*named("a"), *named("b", "c", kind=Kind.INPUT), *named("d", kind=Kind.SITE)]
    lines = drawn(nodes, [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])
    assert [line.split()[-1] for line in lines] == ["a", "b", "c", "d"]


def test_of_many_alike_some_are_shown_and_all_with_a_problem() -> None:
    nodes = named("a", *(f"s{i}" for i in range(30)))
    nodes[-1] = Node(id="s29", kind=Kind.SPECTRUM, problem="missing: gone")
    links = [("a", f"s{i}") for i in range(30)]
    short, whole = drawn(nodes, links), drawn(nodes, links, is_complete=True)
    assert short[-1].endswith("… and 22 spectra more (--all shows them)")
    assert any("MISSING" in line for line in short)
    assert len(whole) == 32


def test_labels_are_printed_as_they_are() -> None:
    (line,) = drawn([Node(id="a", kind=Kind.SOURCE, label="[red]x.cif[/red]\x1b[31m")], [])
    assert "[red]x.cif[/red]" in line
    assert "\x1b" not in line
