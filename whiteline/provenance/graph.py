"""The lineage as a graph: things, the activities that made them and the agents behind these, linked as PROV does.

    source file <- structure <- site <- input files <- calculation <- output files <- spectrum <- average <- dataset …

Links point from the effect to its cause, so that a walk along them leads to where something came from. Nodes are named
by content: two records that used the same file meet in one node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from whiteline.errors import LineageCycleError, SchemaVersionError
from whiteline.fingerprint import content_hash
from whiteline.provenance.kinds import Kind, Role
from whiteline.provenance.record import ProvenanceRecord

if TYPE_CHECKING:
    import networkx

__all__ = ["LINEAGE_SCHEMA_VERSION", "LineageGraph", "Link", "Node", "record_graph"]

LINEAGE_SCHEMA_VERSION = 1

# What is derived from what inside one record: the nearest kind that the record names counts.
_DERIVED: dict[Kind, tuple[Kind, ...]] = {
    Kind.STRUCTURE: (Kind.SOURCE,),
    Kind.SITE: (Kind.STRUCTURE,),
    Kind.INPUT: (Kind.SITE, Kind.STRUCTURE),
}
# Made by a job out of other things that it made.
_READ_FROM: dict[Kind, tuple[Kind, ...]] = {Kind.SPECTRUM: (Kind.OUTPUT,)}
_N_SHORT = 12


@dataclass(frozen=True, kw_only=True)
class Node:
    """One thing, activity or agent.

    Attributes:
        id: Content hash, checksum or stored id.
        kind: What it is.
        label: What people call it.
        facts: What else is known, by name.
        problem: What is wrong with it, e.g. that it is not there any more; empty where nothing is known to be.
        suspect: Why nobody should rest on it; empty where nobody has said so.
    """

    id: str
    kind: Kind
    label: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    suspect: str = ""

    @property
    def short_id(self) -> str:
        """The beginning of the id, for people."""
        return self.id.removeprefix("sha256:")[:_N_SHORT]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary without what is empty."""
        told = {"label": self.label, "facts": dict(self.facts), "problem": self.problem, "suspect": self.suspect}
        return {"id": self.id, "kind": self.kind.value, **{name: value for name, value in told.items() if value}}


@dataclass(frozen=True, order=True)
class Link:
    """An effect and its cause: `effect role cause`, e.g. a calculation `used` an input file of this `name`."""

    effect: str
    cause: str
    role: Role
    name: str = ""


@dataclass(frozen=True, eq=False)
class LineageGraph:
    """Nodes by id, and the links between them.

    Attributes:
        nodes: Every node by its id.
        links: Every link; both ends are nodes.
    """

    nodes: Mapping[str, Node] = field(default_factory=dict)
    links: tuple[Link, ...] = ()

    @classmethod
    def merge(cls, graphs: Iterable[LineageGraph]) -> LineageGraph:
        """Return all nodes and links of several graphs; of a node that several know, the one that says most is kept."""
        nodes: dict[str, Node] = {}
        links: dict[Link, None] = {}
        for graph in graphs:
            for node in graph.nodes.values():
                other = nodes.get(node.id)
                nodes[node.id] = node if other is None else _richer(other, node)
            links.update(dict.fromkeys(graph.links))
        return cls(nodes, tuple(links))

    @cached_property
    def causes(self) -> Mapping[str, tuple[Link, ...]]:
        """Links from each node to what it came from."""
        return _by(self.links, "effect")

    @cached_property
    def effects(self) -> Mapping[str, tuple[Link, ...]]:
        """Links to each node from what came of it."""
        return _by(self.links, "cause")

    def with_nodes(self, nodes: Iterable[Node]) -> LineageGraph:
        """Return the graph with these nodes in the place of those of the same ids."""
        return replace(self, nodes={**self.nodes, **{node.id: node for node in nodes}})

    def ancestors(self, *ids: str, depth: int | None = None) -> LineageGraph:
        """Return what the nodes came from, themselves included, at most so many steps away."""
        return self._reached(ids, self.causes, "cause", depth)

    def descendants(self, *ids: str, depth: int | None = None) -> LineageGraph:
        """Return what came of the nodes, themselves included, at most so many steps away."""
        return self._reached(ids, self.effects, "effect", depth)

    def _reached(
        self, ids: Iterable[str], steps: Mapping[str, tuple[Link, ...]], end: str, depth: int | None
    ) -> LineageGraph:
        reached, border, n_steps = dict.fromkeys(ids), list(ids), 0
        while border and (depth is None or n_steps < depth):
            following = {getattr(link, end): None for each in border for link in steps.get(each, ())}
            border = [each for each in following if each not in reached]
            reached.update(dict.fromkeys(border))
            n_steps += 1
        nodes = {each: self.nodes[each] for each in reached if each in self.nodes}
        links = tuple(link for link in self.links if link.effect in nodes and link.cause in nodes)
        return LineageGraph(nodes, links)

    def check_acyclic(self) -> None:
        """Make sure that nothing came from itself.

        Raises:
            LineageCycleError: Something did; the message names the loop.
        """
        import networkx

        try:
            loop = networkx.find_cycle(self.to_networkx())
        except networkx.NetworkXNoCycle:
            return
        names = [self.nodes[effect] for effect, *_ in loop]
        words = " <- ".join(f"{node.kind.words} {node.short_id}" for node in (*names, names[0]))
        raise LineageCycleError(
            f"something came from itself: {words}; no program writes such records, they were edited: take the "
            "untouched ones, e.g. from a backup"
        )

    def to_networkx(self) -> networkx.DiGraph[str]:
        """Return the graph for the algorithms of networkx, an edge from each effect to its cause."""
        import networkx

        graph: networkx.DiGraph[str] = networkx.DiGraph()
        graph.add_nodes_from(self.nodes)
        graph.add_edges_from((link.effect, link.cause) for link in self.links)
        return graph

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        links = [
            {
                "effect": link.effect,
                "cause": link.cause,
                "role": link.role.value,
                **({"name": link.name} if link.name else {}),
            }
            for link in self.links
        ]
        return {
            "schema_version": LINEAGE_SCHEMA_VERSION,
            "nodes": [node.to_dict() for node in self.nodes.values()],
            "links": links,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LineageGraph:
        """Rebuild what `to_dict` wrote.

        Raises:
            SchemaVersionError: A newer Whiteline wrote it.
            LineageCycleError: It was edited so that something came from itself.
        """
        if data["schema_version"] > LINEAGE_SCHEMA_VERSION:
            raise SchemaVersionError(
                f"the lineage has schema version {data['schema_version']}, this Whiteline reads up to "
                f"{LINEAGE_SCHEMA_VERSION}: upgrade with `pip install -U whiteline`"
            )
        nodes = {each["id"]: Node(**{**each, "kind": Kind(each["kind"])}) for each in data["nodes"]}
        links = (
            Link(each["effect"], each["cause"], Role(each["role"]), each.get("name", "")) for each in data["links"]
        )
        graph = cls(nodes, tuple(links))
        graph.check_acyclic()
        return graph


def record_graph(record: ProvenanceRecord) -> LineageGraph:
    """Return what one record says: the activity, what it used and made, and who is behind it."""
    nodes: dict[str, Node] = {record.id: _activity(record)}
    links: list[Link] = []
    used, generated = _named(record.used), _named(record.generated)
    for kind, name, each in used:
        nodes.setdefault(each, Node(id=each, kind=kind, label=name))
        links.append(Link(record.id, each, Role.USED, name))
    for kind, name, each in generated:
        nodes.setdefault(each, Node(id=each, kind=kind, label=name))
        links.append(Link(each, record.id, Role.GENERATED, name))
    links += _derivations(used, _DERIVED, used) + _derivations(generated, _READ_FROM, generated)
    for agent in _agents(record):
        nodes[agent.id] = agent
        links.append(Link(record.id, agent.id, Role.ASSOCIATED))
    return LineageGraph(nodes, tuple(dict.fromkeys(link for link in links if link.effect != link.cause)))


_Named = list[tuple[Kind, str, str]]


def _named(things: Mapping[str, Mapping[str, str]]) -> _Named:
    return [(Kind(kind), name, each) for kind, named in things.items() for name, each in named.items() if each]


def _derivations(made: _Named, rules: Mapping[Kind, tuple[Kind, ...]], causes: _Named) -> list[Link]:
    links = []
    for kind, _, effect in made:
        nearest = next((cause for cause in rules.get(kind, ()) if any(each[0] is cause for each in causes)), None)
        links += [Link(effect, each, Role.DERIVED) for cause, _, each in causes if cause is nearest]
    return links


def _activity(record: ProvenanceRecord) -> Node:
    facts = {
        "started": record.started_at,
        "ended": record.ended_at,
        "took": f"{record.wall_time:.1f} s",
        "host": record.host,
        **({"cores": str(record.cores)} if record.cores else {}),
        **{f"seed {name}": str(seed) for name, seed in record.seeds.items()},
        **({"attempts": str(len(record.attempts))} if record.attempts else {}),
    }
    return Node(id=record.id, kind=Kind.ACTIVITY, label=record.activity, facts=facts)


def _agents(record: ProvenanceRecord) -> list[Node]:
    """Return the programs, libraries and the machine behind a job, each named by what is said of it."""
    code = f"{record.code} {record.code_version}".strip()
    found = [Node(id=_agent_id("software", code), kind=Kind.SOFTWARE, label=code)] if code else []
    found += [Node(id=each, kind=Kind.EXECUTABLE, label=name) for name, each in record.executables.items()]
    if record.libraries:
        said = dict(sorted(record.libraries.items())) | ({"commit": record.commit} if record.commit else {})
        whiteline = f"whiteline {said['whiteline']}" if "whiteline" in said else "no whiteline"
        label = f"{whiteline} and {len(record.libraries) - ('whiteline' in said)} libraries"
        found.append(Node(id=_agent_id("libraries", said), kind=Kind.LIBRARIES, label=label, facts=said))
    if record.host:
        facts = {"system": record.system}
        found.append(
            Node(
                id=_agent_id("machine", [record.host, record.system]), kind=Kind.MACHINE, label=record.host, facts=facts
            )
        )
    return found


def _agent_id(kind: str, said: Any) -> str:
    return content_hash([f"agent-{kind}", said])


def _richer(one: Node, other: Node) -> Node:
    """Return the node that says more; a problem or a suspicion that either knows of stays."""
    kept = other if (len(other.facts), len(other.label)) > (len(one.facts), len(one.label)) else one
    return replace(kept, problem=one.problem or other.problem, suspect=one.suspect or other.suspect)


def _by(links: Iterable[Link], end: str) -> dict[str, tuple[Link, ...]]:
    found: dict[str, list[Link]] = {}
    for link in links:
        found.setdefault(getattr(link, end), []).append(link)
    return {each: tuple(some) for each, some in found.items()}
