"""A lineage as text for Graphviz, https://graphviz.org/doc/info/lang.html."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Set
from typing import Final

from whiteline.provenance.captions import details, headline, is_group, plain, warnings_of
from whiteline.provenance.graph import LineageGraph, Link, Node
from whiteline.provenance.kinds import Kind, Role

__all__ = ["dot_text"]

_HEAD: Final = """\
digraph lineage {
  graph [rankdir=TB, fontname="sans-serif", fontsize=10, color="#999999"];
  node [shape=box, style="filled", fontname="sans-serif", fontsize=10];
  edge [fontname="sans-serif", fontsize=9, color="#555555"];"""
_LOOKS: Final = {
    "entity": 'style="rounded,filled", fillcolor="#FFF7DB"',
    "activity": 'fillcolor="#DDE9F8"',
    "agent": 'fillcolor="#EEEEEE"',
}
_N_WRAP = 40
_FILES = frozenset({Kind.INPUT, Kind.OUTPUT, Kind.PSEUDOPOTENTIAL})


def dot_text(graph: LineageGraph) -> str:
    """Return the graph in the language of Graphviz, arrows from causes to effects.

    A job stands in a frame with the files that only it used or made, programs and machines in one of theirs.
    """
    frames = _frames(graph)
    framed = {each for _, members in frames for each in members}
    lines = [_HEAD]
    for i, (title, members) in enumerate(frames):
        lines += [f"  subgraph cluster_{i} {{", f"    label={_quoted([title])};"]
        lines += [f"    {_node(graph.nodes[each])}" for each in members]
        lines.append("  }")
    lines += [f"  {_node(node)}" for each, node in graph.nodes.items() if each not in framed]
    lines += [f"  {line}" for line in _edges(graph)]
    return "\n".join([*lines, "}", ""])


def _frames(graph: LineageGraph) -> list[tuple[str, list[str]]]:
    """Return the title and the ids of what is framed together."""
    frames = []
    for each, node in graph.nodes.items():
        if node.kind is Kind.ACTIVITY:
            ends = [link.cause for link in graph.causes.get(each, ())] + [
                link.effect for link in graph.effects.get(each, ())
            ]
            files = [other for other in dict.fromkeys(ends) if _is_only_of(graph, other, each)]
            if files:
                frames.append((headline(node) if is_group(node) else node.label, [each, *files]))
    agents = [each for each, node in graph.nodes.items() if node.kind.prov_type == "agent"]
    return [*frames, ("programs and machines", agents)] if agents else frames


def _is_only_of(graph: LineageGraph, file: str, activity: str) -> bool:
    """Whether a file was used or made by one job alone."""
    links = [*graph.causes.get(file, ()), *graph.effects.get(file, ())]
    jobs = {end for link in links for end in (link.cause, link.effect) if graph.nodes[end].kind is Kind.ACTIVITY}
    return graph.nodes[file].kind in _FILES and jobs == {activity}


def _node(node: Node) -> str:
    told = [headline(node), *details(node), *([] if is_group(node) else [node.short_id]), *warnings_of(node)]
    lines = [line for words in told for line in textwrap.wrap(words, _N_WRAP)]
    warning = (
        ', color="#C00000", penwidth=2' if node.problem else ', color="#8A2A8A", penwidth=2' if node.suspect else ""
    )
    said = f"label={_quoted(lines)}, tooltip={_quoted([node.id])}"
    return f"{_name(node.id)} [{said}, {_LOOKS[node.kind.prov_type]}{warning}];"


def _edges(graph: LineageGraph) -> Iterator[str]:
    links: dict[tuple[str, str], list[Link]] = {}
    for link in graph.links:
        links.setdefault((link.cause, link.effect), []).append(link)
    for (cause, effect), some in links.items():
        words = [f"{link.role} {link.name}".strip() for link in some]
        yield f"{_name(cause)} -> {_name(effect)} [tooltip={_quoted(words)}{_line({link.role for link in some})}];"


def _line(roles: Set[Role]) -> str:
    if roles == {Role.ASSOCIATED}:
        return ', style=dotted, arrowhead=none, color="#AAAAAA"'
    return ", style=dashed" if roles == {Role.DERIVED} else ""


def _name(text: str) -> str:
    """Return an id as Graphviz takes it, on one line."""
    return _quoted([text])


def _quoted(lines: Iterable[str]) -> str:
    """Return lines as one string in which nothing is an escape, an entity or the end of the string."""
    escaped = (plain(line).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in lines)
    return '"' + "\\n".join(escaped) + '"'
