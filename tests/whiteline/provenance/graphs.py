"""Lineages to draw: an average of sites, a series of rungs, a model with its training spectra, and any at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from whiteline.fingerprint import content_hash
from whiteline.provenance import Kind, ProvenanceRecord, Role, Things
from whiteline.provenance.graph import LineageGraph, Link, Node, record_graph

LIBRARIES = {"whiteline": "0.1.0", "numpy": "2.4.6"}


def hashed(*words: object) -> str:
    return content_hash([str(word) for word in words])


def checksum(*words: object) -> str:
    return f"sha256:{(hashed(*words) * 2)[:64]}"


def record(activity: str, used: Things, generated: Things, **fields: Any) -> ProvenanceRecord:
    ends = ("2026-01-05T10:00:00.000+00:00", "2026-01-05T10:01:30.500+00:00")
    code = {"code": "whiteline", "code_version": "0.1.0", "libraries": LIBRARIES, "host": "node", "system": "Linux"}
    own = {"commit": "", "scheduler": {}, "parameters": {}, "started_at": ends[0], "ended_at": ends[1]}
    return ProvenanceRecord(activity=activity, used=used, generated=generated, **{**code, **own, **fields})


def site_spectrum(crystal: str, site: int, *, rung: int = 0, n_outputs: int = 1) -> tuple[str, LineageGraph]:
    """Return the id of a computed spectrum and its graph: six things, the job, and four agents."""
    spectrum = hashed("spectrum", crystal, site, rung)
    used: Things = {
        Kind.SOURCE: {f"{crystal}.cif": checksum(crystal)},
        Kind.STRUCTURE: {"structure": hashed(crystal)},
        Kind.SITE: {"site": hashed(crystal, site)},
        Kind.INPUT: {"feff.inp": checksum(crystal, site, rung, "input")},
    }
    outputs = {f"output-{i}.dat": checksum(crystal, site, rung, "output", i) for i in range(n_outputs)}
    made = record(
        "feff-site",
        used,
        {Kind.SPECTRUM: {"spectrum": spectrum}, Kind.OUTPUT: outputs},
        code="feff",
        code_version="10.0.0",
        executables={"feff10": checksum("program")},
    )
    label = f"{crystal} Ti K site {site}, converged"
    return spectrum, named(record_graph(made), {spectrum: label})


def named(graph: LineageGraph, labels: Mapping[str, str]) -> LineageGraph:
    return graph.with_nodes(replace(graph.nodes[each], label=label) for each, label in labels.items())


def average(n_sites: int = 4, *, n_outputs: int = 1) -> tuple[LineageGraph, str]:
    """Return the graph of an average and its id."""
    sites = [site_spectrum("TiO2", i, n_outputs=n_outputs) for i in range(n_sites)]
    spectra = {f"site {i}": each for i, (each, _) in enumerate(sites)}
    root = hashed("average")
    used: Things = {Kind.STRUCTURE: {"structure": hashed("TiO2")}, Kind.SPECTRUM: spectra}
    last = record_graph(record("material-average", used, {Kind.SPECTRUM: {"spectrum": root}}))
    return LineageGraph.merge([*(graph for _, graph in sites), last]), root


def series(n_rungs: int = 18) -> tuple[LineageGraph, str]:
    """Return the graph of a converged spectrum and its id."""
    rungs = [site_spectrum("SrTiO3", 0, rung=i, n_outputs=2) for i in range(n_rungs)]
    spectra = {f"fms_radius {4 + i} Å": each for i, (each, _) in enumerate(rungs)}
    root = hashed("converged")
    last = record_graph(record("convergence-site", {Kind.SPECTRUM: spectra}, {Kind.SPECTRUM: {"spectrum": root}}))
    return LineageGraph.merge([*(graph for _, graph in rungs), last]), root


def prediction(n_spectra: int = 100) -> tuple[LineageGraph, str]:
    """Return the graph of a prediction and its id: four sites a crystal were learned from."""
    learned = [site_spectrum(f"mp-{i // 4}", i % 4) for i in range(n_spectra)]
    dataset, model, root = hashed("dataset"), hashed("model"), hashed("prediction")
    spectra = {f"spectrum {i}": each for i, (each, _) in enumerate(learned)}
    encoder: Things = {Kind.ENCODER: {"soap": "soap-1"}}
    records = [
        record("dataset", {Kind.SPECTRUM: spectra}, {Kind.DATASET: {"dataset": dataset}}),
        record("train", {Kind.DATASET: {"dataset": dataset}, **encoder}, {Kind.MODEL: {"model": model}}),
        record(
            "predict",
            {Kind.MODEL: {"model": model}, Kind.SITE: {"site": hashed("new")}, **encoder},
            {Kind.SPECTRUM: {"spectrum": root}},
        ),
    ]
    return LineageGraph.merge([*(graph for _, graph in learned), *map(record_graph, records)]), root


@st.composite
def lineages(draw: st.DrawFn, *, n_most: int = 60) -> LineageGraph:
    """Return any graph in which causes come before effects, whatever is linked to what."""
    kinds = draw(st.lists(st.sampled_from(list(Kind)), min_size=1, max_size=n_most))
    words = st.sampled_from(["", "a", "b"])
    nodes = [Node(id=f"n{i}", kind=kind, label=draw(words), problem=draw(words)) for i, kind in enumerate(kinds)]
    index = st.integers(0, len(nodes) - 1)
    pairs = draw(st.lists(st.tuples(index, index, st.sampled_from(list(Role))), max_size=3 * len(nodes)))
    is_chain = draw(st.booleans())
    pairs += [(i, i + 1, Role.DERIVED) for i in range(len(nodes) - 1)] if is_chain else []
    links = {Link(f"n{max(i, j)}", f"n{min(i, j)}", role): None for i, j, role in pairs if i != j}
    return LineageGraph({node.id: node for node in nodes}, tuple(links))
