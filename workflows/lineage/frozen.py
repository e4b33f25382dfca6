"""What folders of frozen datasets say of lineage, where no store knows how they were made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from whiteline.database.datasets.frozen import Dataset
from whiteline.database.datasets.manifest import MANIFEST, SPECTRA, checksum
from whiteline.database.tables import load_pyarrow
from whiteline.errors import MissingDependencyError, ParseError, WhitelineError
from whiteline.fingerprint import content_hash
from whiteline.provenance import Kind, Role
from whiteline.provenance.graph import LineageGraph, Link, Node
from whiteline.workflows.lineage.places import Choice, Places
from whiteline.workflows.lineage.stored import list_graph

__all__ = ["DatasetLineage"]


@dataclass(frozen=True, eq=False)
class DatasetLineage:
    """The lineage that datasets tell of themselves.

    Attributes:
        places: Where datasets may be.
        choice: Which spectra of a long list are followed.
    """

    places: Places
    choice: Choice

    def find(self, content: str) -> Dataset | None:
        """Return the dataset with a content hash; None where no folder that is known here has it."""
        for place in self.places.of(content):
            if not (Path(place) / MANIFEST).is_file():
                continue
            try:
                found = Dataset.open(place)
            except WhitelineError:
                continue  # edited since; what is wrong with it is told where lineages are checked
            if found.manifest.content_sha256 == content:
                return found
        return None

    def describe(self, content: str) -> LineageGraph:
        """Return the node of a dataset with what its manifest says."""
        dataset = self.find(content)
        if dataset is None:
            return LineageGraph()
        manifest = dataset.manifest
        facts = {
            "folder": str(dataset.path),
            "created": manifest.created,
            "query": ", ".join(f"{name} {value}" for name, value in manifest.query.items()),
            "grid": manifest.grid.describe(),
        }
        label = f"{manifest.name} ({manifest.n_spectra:,} spectra)"
        return LineageGraph({content: Node(id=content, kind=Kind.DATASET, label=label, facts=facts)})

    def causes(self, node: Node) -> Iterator[LineageGraph]:
        """Yield the spectra that are in a dataset."""
        dataset = self.find(node.id) if node.kind is Kind.DATASET else None
        if dataset is None:
            return
        own = content_hash(["spectra of", node.id])
        try:
            ids = _ids(dataset)
        except MissingDependencyError:
            yield _unread(node.id, own, f"{len(dataset):,} spectra, not read: pip install 'whiteline[tables]'", "")
        except WhitelineError as error:
            yield _unread(node.id, own, f"{len(dataset):,} spectra", f"changed on disk: {error}")
        else:
            graph = list_graph(own, ids, self.choice.of(ids), of=node.id)
            links = tuple(replace(link, role=Role.DERIVED) for link in graph.links)
            yield replace(graph, links=links)


def _ids(dataset: Dataset) -> list[str]:
    """Return the ids of a dataset without reading its spectra.

    Raises:
        ParseError: The file was edited or cut off; libraries may crash over such a file.
        StoreError: It cannot be read.
        MissingDependencyError: pyarrow is not installed.
    """
    parquet = load_pyarrow("pyarrow.parquet")
    path = dataset.path / SPECTRA
    found, stated = checksum(path), dataset.manifest.files.get(SPECTRA, {}).get("sha256")
    if found != stated:
        raise ParseError(f"{path} is sha256:{found} instead of sha256:{stated}")
    ids: list[str] = parquet.read_table(path, columns=["id"])["id"].to_pylist()
    return ids


def _unread(dataset: str, own: str, label: str, problem: str) -> LineageGraph:
    node = Node(id=own, kind=Kind.SPECTRA, label=label, problem=problem)
    return LineageGraph({own: node}, (Link(dataset, own, Role.DERIVED, "spectra"),))
