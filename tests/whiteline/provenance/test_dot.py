import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings

from tests.whiteline.provenance.graphs import average, hashed, lineages
from whiteline.provenance import Kind, Role
from whiteline.provenance.dot import dot_text
from whiteline.provenance.graph import LineageGraph, Link, Node

NODE = re.compile(r'^ +"([^"]*)" \[label=', re.MULTILINE)
EDGE = re.compile(r'^ +"([^"]*)" -> "([^"]*)" \[', re.MULTILINE)
FRAME = re.compile(r'subgraph cluster_\d+ \{\n +label="([^"]*)";\n(.*?)\n  \}', re.DOTALL)


@settings(deadline=None, max_examples=30)
@given(graph=lineages(n_most=15))
def test_every_node_and_every_linked_pair_is_there_once(graph: LineageGraph) -> None:
    text = dot_text(graph)
    assert sorted(NODE.findall(text)) == sorted(graph.nodes)
    assert sorted(EDGE.findall(text)) == sorted({(link.cause, link.effect) for link in graph.links})


def test_a_job_is_framed_with_its_own_files() -> None:
    graph, _ = average(2)
    frames = FRAME.findall(dot_text(graph))
    assert [title for title, _ in frames] == ["feff-site", "feff-site", "programs and machines"]
    kinds = {graph.nodes[name].kind for name in NODE.findall(frames[0][1])}
    assert kinds == {Kind.ACTIVITY, Kind.INPUT, Kind.OUTPUT}


def test_labels_are_escaped() -> None:
    label = 'a "b" \\N & <c>\nd'
    text = dot_text(LineageGraph({"x": Node(id="x", kind=Kind.SOURCE, label=label)}))
    assert '"source file\\na \\"b\\" \\\\N &amp; <c> d\\nx"' in text


def test_problems_are_in_red() -> None:
    graph, root = average(1)
    text = dot_text(graph.with_nodes([replace(graph.nodes[root], problem="missing")]))
    (line,) = (line for line in text.splitlines() if line.strip().startswith(f'"{hashed("average")}" ['))
    assert "#C00000" in line
    assert "\\nmissing" in line


GRAPHVIZ = shutil.which("dot")


@pytest.mark.skipif(GRAPHVIZ is None, reason="Graphviz is not installed")
def test_graphviz_reads_it() -> None:
    graph, _ = average(2)
    hostile = Node(id='"\\', kind=Kind.SOURCE, label='\\" ]; } <b> & \x00 漢')
    text = dot_text(
        LineageGraph({**graph.nodes, hostile.id: hostile}, (*graph.links, Link(hashed("TiO2"), '"\\', Role.DERIVED)))
    )
    done = subprocess.run([str(GRAPHVIZ), "-Tplain"], input=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.count("\nnode ") == len(graph.nodes) + 1
