"""Rows written into an archive of AiiDA, without a profile and without its objects: thousands of nodes a second."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from whiteline.workflows.aiida.rows import Host, LinkRow, NodeKind, NodeRow, node_uuid

__all__ = ["ArchiveContent", "ArchiveWriter"]

_BATCH: Final = 1000  # rows a statement
_COMPRESSION: Final = 6


@dataclass
class ArchiveContent:
    """What was written, counted.

    Attributes:
        nodes: Number of nodes of each class.
        links: Number of links of each type.
        n_files: Number of files; those of the same content are kept once.
    """

    nodes: Counter[str] = field(default_factory=Counter)
    links: Counter[str] = field(default_factory=Counter)
    n_files: int = 0

    @property
    def n_nodes(self) -> int:
        """Number of all nodes."""
        return self.nodes.total()

    @property
    def n_links(self) -> int:
        """Number of all links."""
        return self.links.total()


class ArchiveWriter:
    """An archive that is open for writing, to be used in a `with` block.

    AiiDA's writer takes rows of its tables in bulk; the keys are ours to count, since the archive begins empty.

    Args:
        path: File that is not there yet.
        email: Whose the nodes are; AiiDA has no node without a user.
    """

    def __init__(self, path: Path, *, email: str) -> None:
        from aiida.orm.entities import EntityTypes
        from aiida.tools.archive.implementations.sqlite_zip.main import ArchiveFormatSqlZip

        self.content = ArchiveContent()
        self._tables = EntityTypes
        self._writer: Any = ArchiveFormatSqlZip().open(path, "x", compression=_COMPRESSION)
        self._email = email
        self._keys: dict[str, int] = {}
        self._computers: dict[str, int] = {}
        self._objects: set[str] = set()
        self._nodes: list[dict[str, Any]] = []
        self._links: list[dict[str, Any]] = []
        self._latest = ""

    def __enter__(self) -> Self:
        self._writer.__enter__()
        user = {"id": 1, "email": self._email, "first_name": "", "last_name": "", "institution": ""}
        self._insert(self._tables.USER, [user])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()
        self._writer.__exit__(kind, error, trace)

    def add(self, nodes: Iterable[NodeRow], links: Iterable[LinkRow]) -> None:
        """Write nodes, and links between nodes that were given now or before."""
        for node in nodes:
            self._add_node(node)
        for link in links:
            source, target = self._keys[link.source], self._keys[link.target]
            row = {"input_id": source, "output_id": target, "type": link.kind.value, "label": link.label}
            self._links.append(row)
            self.content.links[link.kind.value] += 1
        if len(self._nodes) >= _BATCH:
            self._flush()

    def add_group(self, label: str, nodes: Iterable[str]) -> None:
        """Put nodes together under a label; the same nodes are the same group."""
        self._flush()
        uuids = sorted(set(nodes))
        group = {
            "id": 1,
            "uuid": node_uuid("group", label, *uuids),
            "label": label,
            "type_string": "core",
            "time": _moment(self._latest),
            "description": "Results that Whiteline wrote with their lineage",
            "extras": {},
            "user_id": 1,
        }
        self._insert(self._tables.GROUP, [group])
        members = [{"dbgroup_id": 1, "dbnode_id": self._keys[each]} for each in uuids]
        for start in range(0, len(members), _BATCH):
            self._insert(self._tables.GROUP_NODE, members[start : start + _BATCH])

    def add_metadata(self, **told: Any) -> None:
        """Write what `verdi archive info` shows beside the numbers."""
        self._writer.update_metadata(told)

    def _add_node(self, node: NodeRow) -> None:
        key = self._keys[node.uuid] = len(self._keys) + 1
        self._latest = max(self._latest, node.modified)
        self._nodes.append(
            {
                "id": key,
                "uuid": node.uuid,
                "node_type": _node_type(node.kind),
                "process_type": node.process_type,
                "label": node.label,
                "description": node.description,
                "ctime": _moment(node.created),
                "mtime": _moment(node.modified),
                "attributes": _plain(node.attributes),
                "extras": _plain(node.extras),
                "repository_metadata": self._put_files(node.files),
                "dbcomputer_id": None if node.host is None else self._computer(node.host),
                "user_id": 1,
            }
        )
        self.content.nodes[node.kind.value] += 1

    def _put_files(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """Write files, and return the tree of their names with the keys of their content."""
        tree: dict[str, Any] = {}
        for path, content in sorted(files.items()):
            key = hashlib.sha256(content).hexdigest()
            if key not in self._objects:
                self._objects.add(key)
                self._writer.put_object(BytesIO(content), key=key)
                self.content.n_files += 1
            *folders, name = path.split("/")
            place = tree
            for folder in folders:
                place = place.setdefault("o", {}).setdefault(folder, {})
            place.setdefault("o", {})[name] = {"k": key}
        return tree

    def _computer(self, host: Host) -> int:
        if host.name not in self._computers:
            key = self._computers[host.name] = len(self._computers) + 1
            row = {
                "id": key,
                "uuid": node_uuid("computer", host.name),
                "label": host.name,
                "hostname": host.name,
                "description": host.system,
                "scheduler_type": host.scheduler,
                # Nothing is to be started from here: whoever wants that sets the computer up as it is to them.
                "transport_type": "core.ssh",
                "metadata": {"workdir": "/tmp/aiida"},  # noqa: S108  # a name that AiiDA asks for
            }
            self._insert(self._tables.COMPUTER, [row])
        return self._computers[host.name]

    def _flush(self) -> None:
        self._insert(self._tables.NODE, self._nodes)
        self._insert(self._tables.LINK, self._links)
        self._nodes, self._links = [], []

    def _insert(self, table: Any, rows: list[dict[str, Any]]) -> None:
        self._writer.bulk_insert(table, rows, allow_defaults=True)


@cache
def _node_type(kind: NodeKind) -> str:
    from aiida import orm

    with warnings.catch_warnings():
        # UpfData is to move to aiida-pseudo one day; as long as AiiDA has it, everybody can read it.
        warnings.simplefilter("ignore")
        return str(getattr(orm, kind.value).class_node_type)


def _moment(text: str) -> datetime:
    from aiida.common.timezone import now

    return datetime.fromisoformat(text) if text else now()


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as JSON has them: tuples as lists, keys as text."""
    plain: dict[str, Any] = json.loads(json.dumps(values, allow_nan=False))
    return plain
