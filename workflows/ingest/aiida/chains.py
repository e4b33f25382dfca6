"""The work chains of XSpectra in a storage of AiiDA: which calculations make one spectrum, and of which atom.

The plugins need not be installed: processes are known by their names, which are the same in aiida-quantumespresso
before 5.0 and in aiida-qe-xspec, where they live on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from whiteline.errors import ParseError
from whiteline.fingerprint import content_hash
from whiteline.workflows.ingest.aiida.graph import AiidaGraph, Node, age, short

__all__ = ["PROCESSES", "Chain", "Direction", "ending", "find_chains", "namelist"]

_CALCULATION: Final = "XspectraCalculation"
_BASE: Final = "XspectraBaseWorkChain"
_CORE: Final = "XspectraCoreWorkChain"
_CRYSTAL: Final = "XspectraCrystalWorkChain"
# Names of the processes that lead to a spectrum, or to the news that there is none.
PROCESSES: Final = (_CALCULATION, _CORE)
_PW: Final = "PwCalculation"
_PW_BASE: Final = "PwBaseWorkChain"
_PARENT: Final = "parent_folder"
_MOST_PARENTS: Final = 50


@dataclass(frozen=True, eq=False)
class Direction:
    """One direction of the field.

    Attributes:
        name: Folder of its files.
        drawn: The calculation whose spectrum counts.
        lanczos: The one that computed it: another where the spectrum was drawn anew (`xonly_plot`).
    """

    name: str
    drawn: Node
    lanczos: Node


@dataclass(frozen=True, eq=False)
class Chain:
    """The processes behind the spectrum of one atom.

    Attributes:
        graph: The nodes around them.
        core: The work chain of the atom; None where calculations were run without it.
        above: Workflows that called it, or the calculations, the nearest first, with the names of the calls.
        calculations: Calculations of xspectra.x, of those that were restarted the last.
    """

    graph: AiidaGraph
    core: Node | None
    above: tuple[tuple[Node, str], ...]
    calculations: tuple[Node, ...]

    @property
    def head(self) -> Node:
        """The process that stands for all of them."""
        return self.core if self.core is not None else self.calculations[0]

    @property
    def crystal(self) -> Node | None:
        """The work chain of all atoms of a crystal; None where it was not used."""
        return next((node for node, _ in self.above if node.process_label == _CRYSTAL), None)

    @cached_property
    def site(self) -> str:
        """What the work chain of the crystal calls the atom, e.g. `site_0`; empty where it was not used."""
        calls = (call for node, call in self.above if node.process_label == _CRYSTAL)
        return next(calls, "").removesuffix("_xspectra")

    @cached_property
    def density(self) -> Node | None:
        """The calculation of pw.x with the core hole; None where there is none."""
        for calculation in self.calculations:
            for parent in _parents(self.graph, calculation):
                if parent.process_label == _PW:
                    return parent
        # xspectra.x was never started: the last try of pw.x counts.
        within = () if self.core is None else self.graph.called(self.core)
        return max((node for node in within if node.process_label == _PW), key=age, default=None)

    @cached_property
    def directions(self) -> tuple[Direction, ...]:
        """The calculations that count: those that drew a spectrum anew where there are any, else those that computed.

        Raises:
            ParseError: What a spectrum was drawn from is not there.
        """
        drawn = [one for one in self.calculations if _is_replot(self.graph, one)] or self.calculations
        return tuple(Direction(f"xas_{i}", one, _lanczos(self.graph, one)) for i, one in enumerate(drawn))

    @cached_property
    def processes(self) -> tuple[Node, ...]:
        """The calculations and the workflows that were run for this atom alone, as they were started."""
        found = {} if self.core is None else {self.core.uuid: self.core}
        for leaf in (self.density, *self.calculations):
            if leaf is not None:
                found[leaf.uuid] = leaf
                over = self.graph.callers(leaf)
                found |= {node.uuid: node for node, _ in over if node.process_label in (_BASE, _PW_BASE)}
        return tuple(sorted(found.values(), key=age))

    @property
    def failures(self) -> list[str]:
        """How each process ended that did not end well.

        Raises:
            ParseError: One has not ended.
        """
        return [words for words in map(ending, self.processes) if words]


def ending(process: Node) -> str:
    """Return how a process ended that did not end well; empty for one that did.

    Raises:
        ParseError: It has not ended.
    """
    state = getattr(process.process_state, "value", None)
    if state in ("excepted", "killed"):
        last = str(process.exception or "").strip().rpartition("\n")[2]
        return f"{short(process)} {state}{': ' if last else ''}{last}"
    if state != "finished":
        raise ParseError(f"{short(process)} has not ended (it is {state or 'not started'}): take it when it has")
    message = f": {process.exit_message}" if process.exit_message else ""
    return f"{short(process)} ended with exit status {process.exit_status}{message}" if process.exit_status else ""


def find_chains(graph: AiidaGraph) -> Iterator[Chain]:
    """Yield the processes behind each spectrum, in the order in which they were started.

    Raises:
        LineageCycleError: A workflow called itself: the links were edited.
    """
    cores = {node.uuid: node for node in graph.processes(_CORE)}
    groups: dict[str, dict[str, Node]] = {uuid: {} for uuid in cores}
    above = {uuid: graph.callers(node) for uuid, node in cores.items()}
    for calculation in graph.processes(_CALCULATION):
        over = graph.callers(calculation)
        core = next((node.uuid for node, _ in over if node.uuid in cores), "")
        key = core or _loose_key(graph, calculation, over)
        above.setdefault(key, over)
        # A work chain that restarts a calculation counts once, with its last.
        base = next((node.uuid for node, _ in over if node.process_label == _BASE), calculation.uuid)
        groups.setdefault(key, {})[base] = calculation
    for key, calculations in groups.items():
        yield Chain(graph, cores.get(key), tuple(above[key]), tuple(calculations.values()))


def namelist(node: Node | None, name: str) -> Mapping[str, Any]:
    """Return a namelist of a node with parameters, names in lower case; empty where there is none."""
    groups = {} if node is None else node.base.attributes.all
    found = next((values for key, values in groups.items() if key.lower() == name.lower()), None)
    return {str(key).lower(): value for key, value in found.items()} if isinstance(found, Mapping) else {}


def _loose_key(graph: AiidaGraph, calculation: Node, over: list[tuple[Node, str]]) -> str:
    """Return what calculations share that were run without the work chain of an atom: all but the direction."""
    given = graph.inputs(calculation)
    said = {name: node.base.attributes.all for name, node in given.items() if name in ("parameters", "kpoints")}
    asked = namelist(given.get("parameters"), "INPUT_XSPECTRA")
    said["asked"] = {name: value for name, value in asked.items() if not name.startswith("xepsilon")}
    said["parameters"] = {n: v for n, v in said.get("parameters", {}).items() if n.upper() != "INPUT_XSPECTRA"}
    parent = given[_PARENT].uuid if _PARENT in given else calculation.uuid
    return content_hash(["aiida-loose-1", over[-1][0].uuid if over else "", parent, said])


def _is_replot(graph: AiidaGraph, calculation: Node) -> bool:
    return namelist(graph.inputs(calculation).get("parameters"), "INPUT_XSPECTRA").get("xonly_plot") is True


def _parents(graph: AiidaGraph, calculation: Node) -> Iterator[Node]:
    """Yield the calculation whose folder this one went on from, that one's, and so on."""
    here = calculation
    for _ in range(_MOST_PARENTS):
        folder = graph.inputs(here).get(_PARENT)
        made = None if folder is None else graph.creator(folder)
        if made is None:
            return
        yield made
        here = made


def _lanczos(graph: AiidaGraph, drawn: Node) -> Node:
    if not _is_replot(graph, drawn):
        return drawn
    for parent in _parents(graph, drawn):
        if parent.process_label == _CALCULATION and not _is_replot(graph, parent):
            return parent
    raise ParseError(f"{short(drawn)} was drawn from a calculation that is not there: export it with all its links")
