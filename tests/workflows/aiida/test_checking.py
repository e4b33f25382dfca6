"""What AiiDA would refuse is found also in what was written in bulk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from whiteline.workflows.aiida.archive import ArchiveWriter
from whiteline.workflows.aiida.checking import check_storage
from whiteline.workflows.aiida.profile import opened_archive
from whiteline.workflows.aiida.rows import LinkKind, LinkRow, NodeKind, NodeRow, node_uuid

MOMENT = "2026-01-01T00:00:00.000+00:00"
ENDED = {"process_state": "finished", "exit_status": 0, "sealed": True}


def node(name: str, kind: NodeKind) -> NodeRow:
    attributes = ENDED if kind.is_process else {}
    return NodeRow(uuid=node_uuid(name), kind=kind, created=MOMENT, modified=MOMENT, attributes=attributes)


DATA = node("data", NodeKind.DICT)
OTHER = node("other", NodeKind.DICT)
RUN = node("run", NodeKind.CALCULATION)
WORK = node("work", NodeKind.WORKFLOW)
AGAIN = node("again", NodeKind.WORKFLOW)


def link(source: NodeRow, target: NodeRow, kind: LinkKind, label: str = "x") -> LinkRow:
    return LinkRow(source.uuid, target.uuid, kind, label)


def problems(folder: Path, *links: LinkRow, nodes: tuple[NodeRow, ...] = (DATA, OTHER, RUN, WORK, AGAIN)) -> str:
    with ArchiveWriter(folder / "one.aiida", email="a@b") as archive:
        archive.add(nodes, links)
    with opened_archive(folder / "one.aiida") as storage:
        return "; ".join(check_storage(storage).problems)


def test_links_between_the_right_nodes_are_well(tmp_path: Path) -> None:
    links = [
        link(DATA, RUN, LinkKind.INPUT_CALC),
        link(RUN, OTHER, LinkKind.CREATE),
        link(WORK, RUN, LinkKind.CALL_CALC),
        link(DATA, WORK, LinkKind.INPUT_WORK),
        link(WORK, OTHER, LinkKind.RETURN),
    ]
    assert problems(tmp_path, *links) == ""


@pytest.mark.parametrize(
    ("links", "words"),
    [
        ([link(RUN, WORK, LinkKind.CALL_CALC)], "expected process.workflow"),
        ([link(DATA, RUN, LinkKind.INPUT_CALC, "a b")], "only alphanumeric"),
        ([link(DATA, RUN, LinkKind.INPUT_CALC), link(OTHER, RUN, LinkKind.INPUT_CALC)], "allows no second"),
        ([link(WORK, RUN, LinkKind.CALL_CALC), link(AGAIN, RUN, LinkKind.CALL_CALC, "y")], "allows no second"),
        ([link(RUN, DATA, LinkKind.CREATE), link(DATA, RUN, LinkKind.INPUT_CALC)], "came from itself"),
    ],
    ids=["types", "label", "two inputs of a name", "two callers", "loop"],
)
def test_what_aiida_refuses_is_named(tmp_path: Path, links: list[LinkRow], words: str) -> None:
    assert words in problems(tmp_path, *links)


def test_a_process_that_is_not_sealed_is_named(tmp_path: Path) -> None:
    running = replace(RUN, attributes={"process_state": "running"})
    assert "is running, not sealed" in problems(tmp_path, nodes=(running,))
