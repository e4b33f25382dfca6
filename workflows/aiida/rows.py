"""Rows of an AiiDA graph before AiiDA sees them: nodes, links and files, named by what they hold."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from keyword import iskeyword
from typing import Any, Final

__all__ = ["Host", "LinkKind", "LinkRow", "NodeKind", "NodeRow", "link_label", "node_uuid", "unique_labels"]

# Makes our ids and those of other programs different things; it must never change.
_NAMESPACE: Final = uuid.UUID("5f1dcb3c-7a5c-5f0c-9b0e-3a8a4f1b6d11")
_LONGEST_LABEL: Final = 255  # characters of AiiDA's columns
_LONGEST_NAME: Final = 200  # of a link, so that a namespace and a number fit beside it


class NodeKind(StrEnum):
    """Classes of `aiida.orm` that nodes are written as."""

    STRUCTURE = "StructureData"
    DICT = "Dict"
    FILE = "SinglefileData"
    PSEUDOPOTENTIAL = "UpfData"
    SPECTRUM = "XyData"
    FOLDER = "FolderData"
    CODE = "InstalledCode"
    RUN = "CalcJobNode"
    CALCULATION = "CalcFunctionNode"
    WORKFLOW = "WorkChainNode"

    @property
    def is_process(self) -> bool:
        """Whether it is a process and not data."""
        return self in (NodeKind.RUN, NodeKind.CALCULATION, NodeKind.WORKFLOW)


class LinkKind(StrEnum):
    """Values of `aiida.common.links.LinkType`."""

    INPUT_CALC = "input_calc"
    INPUT_WORK = "input_work"
    CREATE = "create"
    RETURN = "return"
    CALL_CALC = "call_calc"
    CALL_WORK = "call_work"


@dataclass(frozen=True)
class Host:
    """A machine that something ran on; AiiDA has one computer for each.

    Attributes:
        name: Name of the machine.
        scheduler: Entry point of AiiDA's scheduler plugin.
        system: Operating system and Python.
    """

    name: str
    scheduler: str = "core.direct"
    system: str = ""


@dataclass(frozen=True, kw_only=True)
class NodeRow:
    """A node as it will be written.

    Attributes:
        uuid: Follows from the content, so that writing it twice gives one node.
        kind: Class of the node.
        label: What people see; `description` says more.
        attributes: What AiiDA keeps for good, and `extras` what may be changed.
        files: Content of its repository by relative path.
        created: Start, ISO 8601; `modified` is the end.
        process_type: Entry point of a process; None for data.
        host: Machine of a run or a code.
    """

    uuid: str
    kind: NodeKind
    created: str
    modified: str
    label: str = ""
    description: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    process_type: str | None = None
    host: Host | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label[:_LONGEST_LABEL])


@dataclass(frozen=True)
class LinkRow:
    """A link from `source` to `target`, as AiiDA draws it: from cause to effect."""

    source: str
    target: str
    kind: LinkKind
    label: str


def node_uuid(*said: str) -> str:
    """Return the UUID of what is said: the same for the same words, on any machine.

    >>> node_uuid("spectrum", "3f9a2c") == node_uuid("spectrum", "3f9a2c")
    True
    """
    return str(uuid.uuid5(_NAMESPACE, "\n".join(said)))


def link_label(name: str) -> str:
    """Return a name as AiiDA allows it on a link: letters, digits and single underscores, and a name in Python.

    >>> link_label("site 3"), link_label("Ti.pbe-sp-van.UPF"), link_label("2x2"), link_label("π")
    ('site_3', 'Ti_pbe_sp_van_UPF', 'n_2x2', 'thing')
    """
    words = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:_LONGEST_NAME].rstrip("_")
    return f"n_{words}" if words[:1].isdigit() or iskeyword(words) else words or "thing"


def unique_labels(names: Iterable[str]) -> list[str]:
    """Return a label for each name, no two alike.

    >>> unique_labels(["a b", "a-b", "c"])
    ['a_b', 'a_b_2', 'c']
    """
    taken: set[str] = set()
    counts: Counter[str] = Counter()
    found = []
    for name in names:
        base = label = link_label(name)
        while label in taken:
            counts[base] += 1
            label = f"{base}_{counts[base] + 1}"
        taken.add(label)
        found.append(label)
    return found
