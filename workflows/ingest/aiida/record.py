"""What AiiDA knows of a calculation, as one of our records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from whiteline.database.documents import SpectrumDocument, utc_text
from whiteline.provenance import Kind, ProvenanceRecord, Role, content_checksum, library_versions
from whiteline.provenance.graph import LineageGraph, Link
from whiteline.provenance.graph import Node as GraphNode
from whiteline.workflows.ingest.aiida.chains import Chain
from whiteline.workflows.ingest.aiida.graph import AiidaGraph, Node, short
from whiteline.workflows.ingest.aiida.sites import computed_structure

__all__ = ["chain_record"]

# A workflow may rest on years of others: what is nearest is told.
_MOST_NODES: Final = 200
_PSEUDO: Final = "pseudos__"
_DIRECT: Final = "core.direct"  # without a batch system: its job numbers are those of processes


def chain_record(
    document: SpectrumDocument, chain: Chain, files: Mapping[str, bytes], origin: Mapping[str, str]
) -> ProvenanceRecord:
    """Return the record of a spectrum that AiiDA's work chains made.

    All nodes that it came from stand in `parameters["aiida"]`, with the links between them. The work chain and the
    structure are named among the sources, too, by their UUIDs, so that they can be asked for.

    Args:
        document: The spectrum, or the failure.
        chain: Its processes.
        files: Inputs and outputs that were read, by name.
        origin: Checksum of the archive by its path; empty for a profile.

    Raises:
        LineageCycleError: A node came from itself: the links were edited.
    """
    sums = {name: content_checksum(content) for name, content in files.items()}
    origins = [node for node in (chain.head, chain.crystal, computed_structure(chain)) if node is not None]
    return ProvenanceRecord(
        activity="aiida-import",
        used={
            Kind.SOURCE: {**origin, **{f"AiiDA {short(node)}": node.uuid for node in origins}},
            Kind.STRUCTURE: {"structure": document.structure_id},
            Kind.SITE: {"site": document.site_id},
            Kind.INPUT: {**{n: s for n, s in sums.items() if n.endswith(".in")}, **_core_wavefunction(chain)},
            Kind.PSEUDOPOTENTIAL: _pseudopotentials(chain),
        },
        generated={
            Kind.SPECTRUM: {"spectrum": document.id},
            Kind.OUTPUT: {name: checksum for name, checksum in sums.items() if not name.endswith(".in")},
        },
        code=document.code,
        code_version=document.code_version,
        parameters={**document.parameters, "aiida": _ancestry(chain)},
        started_at=utc_text(min(node.ctime for node in chain.processes)),
        ended_at=utc_text(max(node.mtime for node in chain.processes)),
        timings=dict(_timings(chain)),
        libraries=library_versions("aiida-core"),
        **_machine(chain),
    )


def _told(node: Node) -> dict[str, Any]:
    """Return what is said of a node: what it is, when it came to be, and, of a process, how it ended."""
    said = node.base.attributes.all
    state = getattr(getattr(node, "process_state", None), "value", None)
    facts = {
        "type": node.node_type.rstrip(".").rpartition(".")[2],
        "label": node.label,
        "description": node.description,
        "process": getattr(node, "process_type", None),
        "state": state if state != "finished" else None,
        "exit_status": getattr(node, "exit_status", None),
        "exit_message": getattr(node, "exit_message", None),
        "plugin": (said.get("version") or {}).get("plugin") if isinstance(said.get("version"), Mapping) else None,
        "computer": getattr(node.computer, "label", None) if state else None,
        "executable": said.get("filepath_executable") or said.get("remote_exec_path"),
        "mesh": said.get("mesh"),
    }
    return {
        "uuid": node.uuid,
        "created": _time(node.ctime),
        **{name: f for name, f in facts.items() if f not in (None, "")},
    }


def _ancestry(chain: Chain) -> dict[str, Any]:
    """Return the nodes that a spectrum came from, and by their places in that list the links from effect to cause."""
    found = {node.uuid: node for node in chain.processes}
    waiting, links = list(found.values()), []
    while waiting:
        node = waiting.pop(0)
        for cause, name in _causes(chain.graph, node):
            if cause.uuid not in found:
                if len(found) >= _MOST_NODES:
                    continue
                found[cause.uuid] = cause
                waiting.append(cause)
            links.append((node.uuid, cause.uuid, name))
    _check_acyclic(found, links)
    places = {uuid: place for place, uuid in enumerate(found)}
    user = chain.head.user
    return {
        "head": chain.head.uuid,
        "user": "" if user is None else user.email,
        "nodes": [_told(node) for node in found.values()],
        "links": [[places[effect], places[cause], name] for effect, cause, name in links],
    }


def _causes(graph: AiidaGraph, node: Node) -> Iterator[tuple[Node, str]]:
    """Yield what a node came from: the inputs of a calculation, the maker of data, the caller of a process."""
    for link in graph.incoming(node):
        if link.kind in ("input_calc", "create"):
            yield link.other, link.label
        elif link.kind in ("call_calc", "call_work"):
            yield link.other, f"called as {link.label}"


def _check_acyclic(nodes: Mapping[str, Node], links: list[tuple[str, str, str]]) -> None:
    kinds = {uuid: Kind.ACTIVITY if hasattr(node, "process_state") else Kind.SOURCE for uuid, node in nodes.items()}
    graph = LineageGraph(
        {uuid: GraphNode(id=uuid, kind=kinds[uuid], label=short(node)) for uuid, node in nodes.items()},
        tuple(Link(effect, cause, Role.DERIVED, name) for effect, cause, name in links),
    )
    graph.check_acyclic()


def _pseudopotentials(chain: Chain) -> dict[str, str]:
    given = chain.graph.inputs(chain.density)
    return dict(one for name, node in given.items() if name.startswith(_PSEUDO) for one in _checksums(node))


def _core_wavefunction(chain: Chain) -> dict[str, str]:
    node = chain.graph.inputs(next(iter(chain.calculations), None)).get("core_wfc_data")
    return {} if node is None else {f"core wavefunction ({name})": sha256 for name, sha256 in _checksums(node)}


def _checksums(node: Node) -> Iterator[tuple[str, str]]:
    """Yield the names and checksums of the files of a node; AiiDA keeps them by SHA-256."""
    for name, entry in node.base.repository.metadata.get("o", {}).items():
        if "k" in entry:
            yield name, f"sha256:{entry['k']}"


def _timings(chain: Chain) -> Iterator[tuple[str, float]]:
    stages = [("scf", chain.density), *((d.name, d.lanczos) for d in chain.directions)]
    for name, node in stages:
        results = None if node is None else chain.graph.outputs(node).get("output_parameters")
        seconds = None if results is None else results.base.attributes.all.get("wall_time_seconds")
        if isinstance(seconds, int | float):
            yield name, float(seconds)


def _machine(chain: Chain) -> dict[str, Any]:
    job = chain.density or next(iter(chain.calculations), None)
    if job is None or job.computer is None:
        return {"host": "", "system": "", "scheduler": {}, "commit": ""}
    computer, said = job.computer, job.base.attributes.all
    resources = said.get("resources") or {}
    n_processes = resources.get("tot_num_mpiprocs") or (
        resources.get("num_machines", 0) * resources.get("num_mpiprocs_per_machine", 0)
    )
    number = said.get("job_id") if computer.scheduler_type != _DIRECT else None
    return {
        "host": computer.hostname,
        "system": f"computer {computer.label} of AiiDA, {computer.scheduler_type}",
        "cores": int(n_processes * resources.get("num_cores_per_mpiproc", 1)),
        "scheduler": {"scheduler": computer.scheduler_type, "job": str(number)} if number else {},
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
