from collections import Counter
from dataclasses import replace

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.whiteline.provenance.graphs import average, checksum, hashed, lineages, prediction, series, site_spectrum
from whiteline.errors import InputError, LineageCycleError, ParameterError
from whiteline.provenance import Kind, Role
from whiteline.provenance.captions import is_group
from whiteline.provenance.condensing import condense, reduce_links
from whiteline.provenance.graph import LineageGraph, Link, Node


def labels(graph: LineageGraph) -> set[str]:
    return {node.label for node in graph.nodes.values()}


def links(graph: LineageGraph, each: str) -> set[str]:
    return {link.cause for link in graph.causes.get(each, ())}


@settings(deadline=None, max_examples=150)
@given(graph=lineages(), data=st.data())
def test_any_graph_fits_stays_acyclic_and_keeps_its_root(graph: LineageGraph, data: st.DataObject) -> None:
    root = data.draw(st.sampled_from(list(graph.nodes)))
    n_most = data.draw(st.integers(10, 40))
    small = condense(graph, root, n_most=n_most)
    assert len(small.nodes) <= n_most
    small.check_acyclic()
    assert small.nodes[root] == graph.nodes[root]
    assert all(link.effect in small.nodes and link.cause in small.nodes for link in small.links)


@settings(deadline=None, max_examples=50)
@given(graph=lineages(n_most=25), data=st.data())
def test_the_same_is_shown_whatever_the_graph_was_put_together_by(graph: LineageGraph, data: st.DataObject) -> None:
    root = data.draw(st.sampled_from(list(graph.nodes)))
    again = LineageGraph(dict(graph.nodes), graph.links)
    assert condense(graph, root, n_most=12).to_dict() == condense(again, root, n_most=12).to_dict()


@settings(deadline=None, max_examples=100)
@given(graph=lineages(n_most=25))
def test_left_out_links_are_implied_by_others_and_those_to_agents_stay(graph: LineageGraph) -> None:
    small = reduce_links(graph)
    assert (
        networkx.transitive_closure(small.to_networkx()).edges == networkx.transitive_closure(graph.to_networkx()).edges
    )
    assert {link for link in graph.links if link.role is Role.ASSOCIATED} <= set(small.links)


def test_four_sites_stand_apart_and_lead_to_one_source_file() -> None:
    graph, root = average()
    small = condense(graph, root)
    assert set(small.nodes) == set(graph.nodes)
    assert links(small, root) == {each for each, node in small.nodes.items() if node.label == "material-average"}
    assert links(small, hashed("TiO2", 0)) == {hashed("TiO2")}
    assert links(small, hashed("TiO2")) == {checksum("TiO2")}


def test_every_job_names_the_libraries_and_the_machine_it_ran_with() -> None:
    small = condense(*average())
    shared = {each for each, node in small.nodes.items() if node.kind in (Kind.LIBRARIES, Kind.MACHINE)}
    jobs = [each for each, node in small.nodes.items() if node.kind is Kind.ACTIVITY]
    assert len(shared) == 2
    assert all(shared <= links(small, job) for job in jobs)


def test_a_series_of_rungs_is_one_line_of_groups_down_to_the_site() -> None:
    small = condense(*series(18))
    assert {"18 spectra", "36 output files", "18 jobs", "18 input files"} <= labels(small)
    assert hashed("SrTiO3", 0) in small.nodes
    (spectra,) = (node for node in small.nodes.values() if node.label == "18 spectra")
    assert spectra.facts["among them"] == (
        "SrTiO3 Ti K site 0, converged: fms_radius 4 Å, fms_radius 5 Å, …, fms_radius 21 Å"
    )


def test_hundreds_of_training_spectra_lead_to_their_source_files_in_a_readable_picture() -> None:
    graph, root = prediction(400)
    small = condense(graph, root)
    assert {"400 spectra", "400 sites", "100 structures", "100 source files"} <= labels(small)
    assert {hashed("model"), hashed("dataset"), "soap-1"} <= set(small.nodes)
    assert len(small.nodes) < 25


def test_many_files_of_one_run_are_one_node_and_three_are_not() -> None:
    for n_files, n_shown in ((3, 3), (15, 1)):
        root, graph = site_spectrum("TiO2", 0, n_outputs=n_files)
        outputs = [node for node in condense(graph, root).nodes.values() if node.kind is Kind.OUTPUT]
        assert len(outputs) == n_shown
    assert outputs[0].label == "15 output files"
    assert outputs[0].facts["among them"] == "output-0.dat, output-1.dat, …, output-14.dat"


def test_a_few_files_of_each_of_a_few_runs_are_told_by_run() -> None:
    small = condense(*average(4, n_outputs=2))
    outputs = [node for node in small.nodes.values() if node.kind is Kind.OUTPUT]
    assert [node.label for node in outputs] == ["2 output files"] * 4


def test_suspect_spectra_stand_apart_from_the_others() -> None:
    graph, root = series(18)
    some = [site_spectrum("SrTiO3", 0, rung=i)[0] for i in (3, 5)]
    marked = graph.with_nodes(replace(graph.nodes[each], suspect="wrong sign") for each in some)
    suspects = {node.id: node.suspect for node in condense(marked, root).nodes.values() if node.suspect}
    assert suspects == dict.fromkeys(some, "wrong sign")


def test_a_group_says_how_many_of_it_have_a_problem() -> None:
    nodes = {f"s{i}": Node(id=f"s{i}", kind=Kind.SOURCE, problem="missing" if i < 2 else "") for i in range(40)}
    chain = {f"n{i}": Node(id=f"n{i}", kind=Kind.STRUCTURE) for i in range(40)}
    links = [Link(f"n{i}", f"s{i}", Role.DERIVED) for i in range(40)] + [
        Link(f"n{i}", f"n{i + 1}", Role.DERIVED) for i in range(39)
    ]
    small = condense(LineageGraph({**nodes, **chain}, tuple(links)), "n0", n_most=10)
    assert "2 of 40: missing" in {node.problem for node in small.nodes.values()}


def test_what_is_near_the_root_is_kept_longest_and_source_files_are_counted() -> None:
    nodes = [Node(id="0", kind=Kind.SPECTRUM)]
    nodes += [Node(id=str(i), kind=Kind.STRUCTURE) for i in range(1, 60)]
    nodes += [Node(id=f"file {i}", kind=Kind.SOURCE) for i in range(2)]
    chain = [Link(str(i), str(i + 1), Role.DERIVED) for i in range(59)]
    ends = [Link("59", "file 0", Role.DERIVED), Link("30", "file 1", Role.DERIVED)]
    small = condense(LineageGraph({node.id: node for node in nodes}, (*chain, *ends)), "0", n_most=12)
    assert {str(i) for i in range(8)} <= set(small.nodes)
    assert Counter(is_group(node) for node in small.nodes.values())[True] <= 2
    assert sum(node.kind is Kind.SOURCE for node in small.nodes.values()) in (1, 2)


def test_descendants_of_a_file_are_condensed_from_the_file_on() -> None:
    graph, _ = prediction(200)
    root = checksum("program")
    small = condense(graph.descendants(root), root)
    assert {root, hashed("model"), hashed("prediction")} <= set(small.nodes)
    assert "200 spectra" in labels(small)


def test_what_cannot_be_condensed_is_refused() -> None:
    graph, root = average(1)
    with pytest.raises(InputError, match="one of its"):
        condense(graph, "nobody")
    with pytest.raises(ParameterError, match="10 nodes or more, got n_most=9"):
        condense(graph, root, n_most=9)
    loop = LineageGraph(graph.nodes, (*graph.links, Link(checksum("TiO2"), root, Role.DERIVED)))
    with pytest.raises(LineageCycleError, match="came from itself"):
        condense(loop, root)
