"""What is written is held to AiiDA's own rules: types at both ends of a link, labels, who may be linked to how many.

AiiDA checks links when it stores nodes one at a time (`aiida.orm.utils.links.validate_link`); rows in bulk pass by it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

__all__ = ["StorageCheck", "check_storage"]

# The table of `validate_link`: prefixes of the types at both ends, and what must be unique of the links of a type, out
# of the source and into the target.
_WORKFLOW, _CALCULATION, _DATA = "process.workflow.", "process.calculation.", "data."
_RULES: Final = {
    "call_calc": (_WORKFLOW, _CALCULATION, "triple", "unique"),
    "call_work": (_WORKFLOW, _WORKFLOW, "triple", "unique"),
    "create": (_CALCULATION, _DATA, "pair", "unique"),
    "input_calc": (_DATA, _CALCULATION, "triple", "pair"),
    "input_work": (_DATA, _WORKFLOW, "triple", "pair"),
    "return": (_WORKFLOW, _DATA, "pair", "triple"),
}
_N_NAMED: Final = 20


@dataclass(frozen=True)
class StorageCheck:
    """What a storage of AiiDA holds, and what is wrong with it.

    Attributes:
        nodes: Number of nodes by the last word of their type.
        links: Number of links by type.
        problems: What is wrong, in words; empty where nothing is.
    """

    nodes: Counter[str]
    links: Counter[str]
    problems: tuple[str, ...]


def check_storage(storage: Any) -> StorageCheck:
    """Return what an open profile or archive holds, and each of its links and processes that AiiDA would refuse."""
    from aiida import orm

    nodes, problems = Counter[str](), list[str]()
    types: dict[int, str] = {}
    query = orm.QueryBuilder(backend=storage).append(orm.Node, project=["id", "node_type", "repository_metadata"])
    keys = set(storage.get_repository().list_objects())
    for pk, node_type, tree in query.iterall(batch_size=1000):
        types[pk] = node_type
        nodes[node_type.rstrip(".").rpartition(".")[2]] += 1
        problems += [f"node {pk} has a file without content: {key[:12]}" for key in _keys(tree) if key not in keys]
    links = Counter[str]()
    causes: dict[int, set[int]] = {}
    rules = _Rules(types)
    found = orm.QueryBuilder(backend=storage).append(
        entity_type="link", project=["input_id", "output_id", "type", "label"]
    )
    for source, target, kind, label in found.iterall(batch_size=1000):
        links[kind] += 1
        problems += rules.faults(source, target, kind, label)
        if kind in ("input_calc", "create"):
            causes.setdefault(target, set()).add(source)
    problems += _loops(causes)
    problems += _open_processes(storage)
    more = len(problems) - _N_NAMED
    named = (*problems[:_N_NAMED], *([f"and {more} more"] if more > 0 else []))
    return StorageCheck(nodes, links, named)


class _Rules:
    """AiiDA's rules for links, applied to one after the other."""

    def __init__(self, types: dict[int, str]) -> None:
        from aiida.common.links import validate_link_label

        self._types = types
        self._validate_label: Callable[[str], None] = validate_link_label
        self._taken: set[tuple[Any, ...]] = set()

    def faults(self, source: int, target: int, kind: str, label: str) -> Iterator[str]:
        """Yield what is wrong with a link."""
        words = f"{kind} link {label!r} from node {source} to node {target}"
        if kind not in _RULES:
            yield f"{words}: AiiDA has no such type of link"
            return
        from_type, to_type, out, into = _RULES[kind]
        found = self._types.get(source, "nothing"), self._types.get(target, "nothing")
        if not (found[0].startswith(from_type) and found[1].startswith(to_type)):
            yield f"{words}: expected {from_type}* and {to_type}*, got {found[0]} and {found[1]}"
        try:
            self._validate_label(label)
        except ValueError as error:
            yield f"{words}: {error}"
        for end, degree, node, other in (("out", out, source, target), ("into", into, target, source)):
            held: tuple[Any, ...] = (kind, end, node)
            held += {"unique": (), "pair": (label,), "triple": (label, other)}[degree]
            if held in self._taken:
                yield f"{words}: there is another one that AiiDA allows no second beside"
            self._taken.add(held)


def _keys(tree: dict[str, Any]) -> Iterator[str]:
    for each in (tree or {}).get("o", {}).values():
        if "k" in each:
            yield each["k"]
        else:
            yield from _keys(each)


def _loops(causes: dict[int, set[int]]) -> list[str]:
    try:
        TopologicalSorter(causes).prepare()
    except CycleError as error:
        return [f"something came from itself: nodes {' <- '.join(map(str, error.args[1]))}"]
    return []


def _open_processes(storage: Any) -> list[str]:
    """Return the processes that AiiDA would not export: not sealed, or without an end."""
    from aiida import orm

    query = orm.QueryBuilder(backend=storage).append(
        orm.ProcessNode, project=["id", "attributes.sealed", "attributes.process_state", "attributes.exit_status"]
    )
    return [
        f"process {pk} is {state}, {'sealed' if sealed else 'not sealed'}, exit status {status}"
        for pk, sealed, state, status in query.iterall(batch_size=1000)
        if not sealed or state != "finished" or not isinstance(status, int)
    ]
