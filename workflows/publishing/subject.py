"""What is published: a frozen dataset or a trained model, whole, with what it says of itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whiteline.database.datasets import Dataset, verify_dataset
from whiteline.database.datasets.manifest import MANIFEST, STRUCTURES
from whiteline.database.datasets.manifest import SPECTRA as SPECTRA_TABLE
from whiteline.errors import CorruptStoreError, InputError, WhitelineError
from whiteline.provenance import Kind, ProvenanceRecord, content_checksum
from whiteline.workflows.learning.names import REPORT, SPECTRA

if TYPE_CHECKING:
    from whiteline.models.registry import ModelEntry

__all__ = ["NO_LICENCE", "PublishedFile", "Subject", "SubjectKind", "media_type", "read_subject"]

# What manifests count spectra under that name no licence, or no citation.
NO_LICENCE: Final = "unknown"
_MEDIA_TYPES: Final = {
    ".json": "application/json",
    ".gz": "application/gzip",
    ".parquet": "application/vnd.apache.parquet",
    ".safetensors": "application/octet-stream",
    ".html": "text/html",
    ".md": "text/markdown",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
    ".sh": "application/x-sh",
    ".cff": "application/yaml",
    ".yaml": "application/yaml",
    ".nxs": "application/x-hdf5",
    ".aiida": "application/zip",
}
_DATASET_FILES: Final = {
    MANIFEST: "What the dataset says of itself: query, grid, split, counts and checksums",
    SPECTRA_TABLE: "The spectra on one grid, a row each, with code, parameters, licence, citation and split",
    STRUCTURES: "The crystals, a line of JSON each, by the column structure_key of the spectra",
}
_MODEL_FILES: Final = {
    "config.json": "Architecture, channels and checksums of the other files",
    "weights.safetensors": "Weights, scaling and error bars",
    "domain.safetensors": "Features of the training spectra, for the check of how far a crystal is from them",
    "card.json": "What the model was made from and how good it is",
    SPECTRA: "Ids of the spectra of the training, validation and test part",
}


class SubjectKind(StrEnum):
    """What is published."""

    DATASET = "dataset"
    MODEL = "model"


@dataclass(frozen=True)
class PublishedFile:
    """A file of the publication: its path inside, what it holds, and where its content is now."""

    name: str
    description: str
    source: Path


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is published, after it was found whole.

    Attributes:
        name: What it is called.
        id: Its content hash.
        created: When it was made, ISO 8601, and `whiteline_version` by what.
        summary: A sentence for people.
        files: Its files, in a fixed order.
        licences: How many spectra are under each licence, or the licence of the weights; citations likewise.
        spectra: Ids of the stored spectra that it is made from, each with its code and version where these are known.
        making: The record of how it was made; None where there is none with it.
        dataset: The dataset; that which a model learned from where that is still there, else None.
        model: The model, if it is one.
    """

    kind: SubjectKind
    name: str
    id: str
    created: str
    whiteline_version: str
    summary: str
    files: tuple[PublishedFile, ...]
    licences: Mapping[str, int]
    citations: Mapping[str, int]
    spectra: Mapping[str, tuple[str, str]]
    making: ProvenanceRecord | None = None
    dataset: Dataset | None = None
    model: ModelEntry | None = None

    @property
    def folder(self) -> str:
        """Name of the folder that its files are in, inside the publication."""
        return "model" if self.kind is SubjectKind.MODEL else "data"

    @property
    def n_unlicensed(self) -> int:
        """How many spectra (or weights, 1) are under no stated licence."""
        return self.licences.get(NO_LICENCE, 0)

    @property
    def stated_licences(self) -> dict[str, int]:
        """The licences that are stated, those of most spectra at the front."""
        return _ordered({name: n for name, n in self.licences.items() if name != NO_LICENCE})

    @property
    def stated_citations(self) -> dict[str, int]:
        """The citations that are stated, those of most spectra at the front."""
        return _ordered({name: n for name, n in self.citations.items() if name != NO_LICENCE})


def read_subject(name: str, *, registry: Path) -> Subject:
    """Return a dataset or a model, after looking whether all of it is whole.

    Args:
        name: Folder of a dataset; name, beginning of the id, or folder of a model.
        registry: Folder in which models are looked for.

    Raises:
        InputError: There is neither.
        CorruptStoreError: A file was changed, cut off or put there later; the message names it.
        SchemaVersionError: A newer Whiteline wrote it.
        MissingDependencyError: pyarrow or PyTorch is not installed.
    """
    if (Path(name) / MANIFEST).is_file():
        return _read_dataset(Path(name))
    from whiteline.models.registry import find_model

    try:
        entry = find_model(registry, name)
    except CorruptStoreError:
        raise
    except InputError as error:
        raise InputError(f"{name} is no folder of a dataset (it has no {MANIFEST}); {error}") from error
    return _read_model(entry)


def media_type(name: str) -> str:
    """Return the media type of a file by its name.

    >>> media_type("lineage/lineage.svg"), media_type("SHA256SUMS")
    ('image/svg+xml', 'text/plain')
    """
    return _MEDIA_TYPES.get(Path(name).suffix.lower(), "text/plain")


def _read_dataset(folder: Path) -> Subject:
    if problems := verify_dataset(folder).problems:
        raise CorruptStoreError(
            f"{folder} is not as it was made and is not published: {'; '.join(problems)}; take a copy that is whole"
        )
    dataset = Dataset.open(folder)
    manifest = dataset.manifest
    edges = ", ".join(f"{edge} ({n})" for edge, n in _ordered(manifest.edges).items())
    return Subject(
        kind=SubjectKind.DATASET,
        name=manifest.name,
        id=manifest.content_sha256,
        created=manifest.created,
        whiteline_version=manifest.whiteline_version,
        summary=(
            f"{manifest.n_spectra} core-level spectra of {manifest.n_structures} crystal structures on one grid "
            f"({manifest.grid.describe()}): {edges}."
        ),
        files=tuple(PublishedFile(f"data/{name}", words, folder / name) for name, words in _DATASET_FILES.items()),
        licences=manifest.licences,
        citations=manifest.citations,
        spectra=_rows_of(dataset),
        dataset=dataset,
    )


def _read_model(entry: ModelEntry) -> Subject:
    entry.load()  # compares every file with its checksum
    card = entry.card
    record = card.lineage.get("record")
    making = ProvenanceRecord.from_dict(record) if record else None
    behind = _dataset_behind(card.lineage.get("dataset") or {})
    spectra = dict.fromkeys(_learned_from(entry, making), ("", ""))
    if behind is not None:
        spectra = {each: made for each, made in _rows_of(behind).items() if each in spectra} or spectra
    numbers = {part: described.get("n_spectra") for part, described in card.data.items()}
    learned = ", ".join(f"{n} {part}" for part, n in numbers.items()) or "unknown"
    return Subject(
        kind=SubjectKind.MODEL,
        name=card.name or entry.name,
        id=entry.id,
        created=card.created,
        whiteline_version=card.whiteline_version,
        summary=(
            f"{card.description} "
            * bool(card.description)
            + f"A model that predicts core-level spectra ({', '.join(entry.channels)}) from crystal structures; "
            f"spectra: {learned}."
        ),
        files=tuple(_model_files(entry)),
        licences={card.licence or NO_LICENCE: 1},
        citations={} if behind is None else behind.manifest.citations,
        spectra=spectra,
        making=making,
        dataset=behind,
        model=entry,
    )


def _model_files(entry: ModelEntry) -> Iterator[PublishedFile]:
    from whiteline.models.folder import files_of

    for path in files_of(entry.path):
        words = _MODEL_FILES.get(path.name, "Part of the model")
        inside = path.relative_to(entry.path)
        if len(inside.parts) > 1:
            words = f"Of the model whose predictions are corrected: {words}"
        yield PublishedFile(f"model/{inside.as_posix()}", words, path)
    if (entry.path / SPECTRA).is_file():
        yield PublishedFile(f"model/{SPECTRA}", _MODEL_FILES[SPECTRA], entry.path / SPECTRA)
    for path in sorted((entry.path / REPORT).rglob("*")):
        if path.is_file() and not path.is_symlink():
            words = "The report of how good the model is" if path.suffix == ".html" else "Part of the report"
            yield PublishedFile(f"model/{path.relative_to(entry.path).as_posix()}", words, path)


def _learned_from(entry: ModelEntry, making: ProvenanceRecord | None) -> list[str]:
    """Return the ids of the spectra of all parts; none where the list is not with the model."""
    path = entry.path / SPECTRA
    if not path.is_file():
        return []
    content = path.read_bytes()
    stated = {} if making is None else making.used.get(Kind.SPECTRA, {})
    if stated and content_checksum(content) not in stated.values():
        raise CorruptStoreError(
            f"{path} is not the list of spectra that the record of the training names, so that the model is not "
            "published: take a copy that is whole"
        )
    lists: dict[str, Any] = json.loads(content)
    return [str(each) for part in ("train", "validation", "test") for each in lists.get(part, [])]


def _dataset_behind(described: Mapping[str, Any]) -> Dataset | None:
    """Return the dataset that a model learned from, if it is where it was and what it was."""
    try:
        found = Dataset.open(str(described.get("path", "")))
        return found if found.manifest.content_sha256 == described.get("content_sha256") else None
    except WhitelineError:
        return None


def _rows_of(dataset: Dataset) -> dict[str, tuple[str, str]]:
    columns = (dataset.table[name].to_pylist() for name in ("id", "code", "code_version"))
    return {each: (code or "", version or "") for each, code, version in zip(*columns, strict=True)}


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda found: (-found[1], found[0])))
