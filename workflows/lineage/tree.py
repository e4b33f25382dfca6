"""A lineage as a tree for terminals: each thing once, below what it is nearest to, and what is alike cut short."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rich.text import Text
from rich.tree import Tree

from whiteline.provenance import Kind, Role
from whiteline.provenance.captions import counted, plain
from whiteline.provenance.condensing import reduce_links
from whiteline.provenance.graph import LineageGraph, Node
from whiteline.workflows.lineage.walking import Direction

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["draw_tree"]

# Things of one kind below one thing, before the rest is only counted.
_N_ALIKE: Final = 8
_BEHIND: Final = Role.ASSOCIATED
_AGENTS: Final = (Kind.SOFTWARE, Kind.EXECUTABLE, Kind.LIBRARIES, Kind.MACHINE)
# Facts that have a line; others are in the JSON form.
_FACTS: Final = ("folder", "query", "reason")


def draw_tree(graph: LineageGraph, root: str, *, towards: Direction = "cause", is_complete: bool = False) -> Tree:
    """Return a tree of rich.

    Args:
        graph: A lineage.
        root: Id of the node at the top.
        towards: Whether what things came from stands below them, or what came of them.
        is_complete: Show all, however many are alike.
    """
    agents = {node.id for node in graph.nodes.values() if node.kind.prov_type == "agent" and node.id != root}
    things = {each: node for each, node in graph.nodes.items() if each not in agents}
    links = tuple(link for link in graph.links if link.effect in things and link.cause in things)
    reduced = reduce_links(LineageGraph(things, links))
    grower = _Grower(graph, reduced, towards, is_complete=is_complete)
    tree = Tree(grower.words(root), guide_style="dim")
    grower.grow(tree, root)
    return tree


@dataclass(eq=False)
class _Grower:
    """What has been shown already is not shown again."""

    graph: LineageGraph
    reduced: LineageGraph
    towards: Direction
    is_complete: bool
    _seen: set[str] = field(default_factory=set)

    def grow(self, tree: Tree, top: str) -> None:
        """Add everything below a node. No recursion: a lineage may be deeper than Python's stack."""
        waiting: list[tuple[Tree, str]] = [(tree, top)]
        while waiting:
            branch, here = waiting.pop()
            if here in self._seen:
                _point_above(branch)
                continue
            self._seen.add(here)
            grown = list(self._branches(branch, here))
            waiting += reversed(grown)

    def _branches(self, branch: Tree, here: str) -> Iterator[tuple[Tree, str]]:
        """Add what is directly below a node; yield the branches that have something below them."""
        below = self._below(here)
        shown = below if self.is_complete else self._fewer(below)
        last = {self._key(each): each for each in shown}
        for each in shown:
            deeper = self._below(each)
            if each in self._seen and deeper:
                branch.add(self.words(each).append("  (above)", style="dim"))
                continue
            grown = branch.add(self.words(each))
            # Of files that came from the same things, the last one shows these for all.
            if deeper and last[self._key(each)] == each:
                yield grown, each
            else:
                self._seen.add(each)
        if hidden := Counter(self.graph.nodes[each].kind for each in below if each not in shown):
            branch.add(Text(f"… and {counted(hidden)} more (--all shows them)", style="dim"))

    def _key(self, each: str) -> tuple[Kind, object]:
        """Return what is the same for things with the same below them."""
        below = frozenset(self._below(each))
        return self.graph.nodes[each].kind, below or each

    def _below(self, here: str) -> list[str]:
        links: Mapping[str, Sequence[object]] = self.reduced.causes if self.towards == "cause" else self.reduced.effects
        ends = [getattr(link, self.towards) for link in links.get(here, ())]
        # What was made or used by jobs in numbers comes last.
        return sorted(dict.fromkeys(ends), key=lambda each: _ORDER.index(self.graph.nodes[each].kind))

    def _fewer(self, below: Sequence[str]) -> list[str]:
        """Return the first of each kind, and all that have something wrong with them."""
        numbers: Counter[Kind] = Counter()
        shown = []
        totals = Counter(self.graph.nodes[each].kind for each in below)
        for each in below:
            node = self.graph.nodes[each]
            numbers[node.kind] += 1
            is_few = totals[node.kind] <= _N_ALIKE or numbers[node.kind] < _N_ALIKE
            if is_few or node.problem or node.suspect:
                shown.append(each)
        return shown

    def words(self, each: str) -> Text:
        """Return what is said of a node; below a job, who was behind it."""
        node = self.graph.nodes[each]
        text = _words(node)
        agents = [self.graph.nodes[link.cause] for link in self.graph.causes.get(each, ()) if link.role is _BEHIND]
        if agents:
            text.append(f"\nby {', '.join(_agent_words(agents))}", style="dim")
        for agent in (agent for agent in agents if agent.suspect):
            text.append(f"\n{agent.kind.words} {plain(agent.label)} is suspect: {plain(agent.suspect)}", style="yellow")
        return text


def _agent_words(agents: Sequence[Node]) -> Iterator[str]:
    libraries = next((agent.label for agent in agents if agent.kind is Kind.LIBRARIES), "")
    for agent in sorted(agents, key=lambda agent: _ORDER.index(agent.kind)):
        label = plain(agent.label)
        if agent.kind is Kind.MACHINE:
            yield f"on {label}"
        elif agent.kind is not Kind.SOFTWARE or not libraries.startswith(f"{label} "):  # Whiteline itself: once
            yield f"{label} {agent.short_id}" if agent.kind.is_file else label


def _point_above(branch: Tree) -> None:
    if isinstance(branch.label, Text):
        branch.label.append("  (above)", style="dim")


_ORDER: Final = [
    *(Kind.SITE, Kind.STRUCTURE, Kind.SOURCE, Kind.PSEUDOPOTENTIAL, Kind.INPUT, Kind.OUTPUT, Kind.ENCODER),
    *(Kind.DATASET, Kind.SPECTRA, Kind.MODEL, Kind.SPECTRUM, Kind.FIGURE, Kind.EXPORT, Kind.REPORT, Kind.ACTIVITY),
    *_AGENTS,
]


def _words(node: Node) -> Text:
    """Return what is said of a node; text of others is printed as it is, without markup."""
    text = Text(f"{node.kind.words} ", style="bold")
    if node.problem:
        text.append("MISSING " if node.problem.startswith("missing") else "CHANGED ", style="bold red")
    if node.suspect:
        text.append("SUSPECT ", style="bold yellow")
    text.append(plain(node.label), style="red" if node.problem else "")
    if node.facts.get("kept"):
        text.append(" (kept)" if node.facts["kept"] == "in the store" else " (another is kept)", style="dim")
    if node.label not in (node.id, node.short_id):
        text.append(f"{'  ' if node.label else ''}{node.short_id}", style="dim")
    if node.kind is Kind.ACTIVITY:
        ran = [node.facts.get("started", "")[:19], node.facts.get("took", "")]
        text.append(f"  {', '.join(each for each in ran if each)}", style="dim")
    for name in _FACTS:
        if node.facts.get(name):
            text.append(f"\n{name}: {plain(node.facts[name])}", style="dim")
    for style, words in (("red", node.problem), ("yellow", node.suspect)):
        if words:
            text.append(f"\n{plain(words)}", style=style)
    return text
