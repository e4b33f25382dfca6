"""Holding a lineage against the disk: what is gone, and what is not any more what it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whiteline.database.datasets.manifest import MANIFEST, read_manifest
from whiteline.errors import WhitelineError
from whiteline.fingerprint import fingerprint_crystal
from whiteline.provenance import Kind, Role, file_checksum
from whiteline.provenance.graph import LineageGraph, Link, Node
from whiteline.structures import read_structure

if TYPE_CHECKING:
    from whiteline.workflows.lineage.places import Places
    from whiteline.workflows.lineage.stored import StoredLineage

__all__ = ["check"]

# Files whose name in a record is a path, with `#key` behind where it was one of a collection.
_BY_PATH: Final = frozenset({Kind.SOURCE, Kind.FIGURE, Kind.EXPORT, Kind.REPORT})
_IN_RUNS: Final = frozenset({Kind.SOURCE, Kind.INPUT, Kind.OUTPUT, Kind.PSEUDOPOTENTIAL})
_CHECKSUM: Final = "sha256:"
_SAME: Final = "holds the same crystal still"
# Larger files that a store keeps are not read again for a lineage; `whiteline db verify` reads all [bytes].
_LARGEST_READ: Final = 10_000_000


def check(graph: LineageGraph, *, stored: StoredLineage | None, places: Places) -> LineageGraph:
    """Return the graph with what is wrong on this machine: problems of nodes whose place is known; never fails."""
    if stored is not None:
        graph = graph.with_nodes(_kept(graph, stored))
    found = []
    for node in graph.nodes.values():
        if node.problem or "kept" in node.facts:
            continue
        if node.kind in _BY_PATH:
            found.append(replace(node, problem=_problem_of_file(node, graph)))
        elif node.kind is Kind.DATASET:
            found.append(replace(node, problem=_problem_of_dataset(node, places)))
    return graph.with_nodes(found)


def _kept(graph: LineageGraph, stored: StoredLineage) -> Iterator[Node]:
    """Yield files of runs with whether the store keeps them, and with what is wrong with the copy."""
    for activity, spectrum in _makers(graph):
        kept = {file.name: file for file in stored.store.files(spectrum)}
        names = {f"{_CHECKSUM}{file.sha256}": name for name, file in kept.items()}
        for link, node in _files_of(activity, graph):
            if node.id in names:
                problem = ""
                if kept[names[node.id]].size <= _LARGEST_READ:
                    problem = _problem_of_copy(stored, spectrum, names[node.id])
                yield replace(node, facts={**node.facts, "kept": "in the store"}, problem=problem)
            elif link.name in kept and node.kind is not Kind.SOURCE:
                problem = f"changed: the store keeps {_CHECKSUM}{kept[link.name].sha256} under its name"
                yield replace(node, facts={**node.facts, "kept": "another file"}, problem=problem)


def _makers(graph: LineageGraph) -> Iterator[tuple[str, str]]:
    """Yield the job that made each spectrum, the last where there were several, and the spectrum."""
    for node in graph.nodes.values():
        if node.kind is Kind.SPECTRUM:
            jobs = [link.cause for link in graph.causes.get(node.id, ()) if link.role is Role.GENERATED]
            if jobs:
                yield max(jobs, key=lambda job: graph.nodes[job].facts.get("started", "")), node.id


def _files_of(activity: str, graph: LineageGraph) -> Iterator[tuple[Link, Node]]:
    used = ((link, graph.nodes[link.cause]) for link in graph.causes.get(activity, ()))
    made = ((link, graph.nodes[link.effect]) for link in graph.effects.get(activity, ()))
    yield from ((link, node) for link, node in (*used, *made) if node.kind in _IN_RUNS)


def _problem_of_copy(stored: StoredLineage, spectrum: str, name: str) -> str:
    try:
        stored.store.read_file(spectrum, name)
    except WhitelineError as error:
        return f"changed: {error}"
    return ""


def _problem_of_file(node: Node, graph: LineageGraph) -> str:
    """Return what is wrong with a file that is known by its path; nothing where one of its places has it."""
    named = {link.name for link in (*graph.causes.get(node.id, ()), *graph.effects.get(node.id, ())) if link.name}
    problems = [_problem_at(name, node, graph) for name in sorted(named) or [node.label]]
    return "" if "" in problems else "; ".join(problems)


def _problem_at(name: str, node: Node, graph: LineageGraph) -> str:
    path = Path(name.rpartition("#")[0] if "#" in name else name)
    is_seen = node.id.startswith(_CHECKSUM)
    try:
        if not is_seen and not path.suffix and not path.exists() and "/" not in name:
            return ""  # a database entry, or words of the user
        if not path.is_file():
            where = "" if path.is_absolute() else f", seen from {Path.cwd()}"
            return f"missing: {path} is not there{where}"
        found = file_checksum(path)
    except (OSError, ValueError) as error:
        return f"missing: {path} cannot be read ({error})"
    if is_seen and found == node.id:
        return ""
    crystal = _crystal_words(name, node, graph)
    if not is_seen:
        return f"changed on disk: {path} {crystal}" if crystal and crystal != _SAME else ""
    return f"changed on disk: {path} is {found} instead of {node.id}{f', {crystal}' if crystal else ''}"


def _crystal_words(name: str, node: Node, graph: LineageGraph) -> str:
    """Return whether a file holds the one crystal that was read from it; nothing where it was none, or several."""
    read = {link.effect for link in graph.effects.get(node.id, ()) if link.role is Role.DERIVED}
    crystals = {each for each in read if graph.nodes[each].kind is Kind.STRUCTURE}
    if len(crystals) != 1:
        return ""
    try:
        found = fingerprint_crystal(read_structure(name)).crystal_id
    except WhitelineError:
        return "holds no single structure any more"
    return _SAME if found in crystals else "holds another crystal now"


def _problem_of_dataset(node: Node, places: Places) -> str:
    """Return what is wrong with a dataset whose place is known; a table that was learned from is one file."""
    problems = []
    for place in places.of(node.id):
        path = Path(place)
        if path.is_file():
            problems.append(_problem_of_table(path, node.id))
        elif not (path / MANIFEST).is_file():
            problems.append(f"missing: {path} is not there")
        else:
            problems.append(_problem_of_folder(path, node.id))
    return "" if "" in problems else "; ".join(problems)


def _problem_of_table(path: Path, content: str) -> str:
    try:
        found = file_checksum(path).removeprefix(_CHECKSUM)
    except OSError as error:
        return f"missing: {path} cannot be read ({error.strerror})"
    return "" if found == content else f"changed on disk: {path} is {found} instead of {content}"


def _problem_of_folder(path: Path, content: str) -> str:
    """Return what is wrong with a folder; the content of its files is for `whiteline dataset verify`."""
    try:
        manifest = read_manifest(path)
    except WhitelineError as error:
        return f"changed on disk: {error}"
    if manifest.content_sha256 != content:
        return f"changed on disk: {path} is {manifest.content_sha256} instead of {content}"
    sizes: Mapping[str, int] = {name: int(file["size"]) for name, file in manifest.files.items()}
    for name, size in sizes.items():
        if not (path / name).is_file():
            return f"missing: {path / name} is not there"
        if (found := (path / name).stat().st_size) != size:
            return f"changed on disk: {path / name} has {found:,} bytes instead of {size:,}"
    return ""
