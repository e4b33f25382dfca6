"""What a dataset says of itself: how it was made, what is in it, and the checksums of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from whiteline.database.datasets.grid import DatasetGrid
from whiteline.database.datasets.split import Split
from whiteline.errors import InputError, ParseError, SchemaVersionError, StoreError

__all__ = [
    "DATASET_SCHEMA_VERSION",
    "MANIFEST",
    "SPECTRA",
    "STRUCTURES",
    "Manifest",
    "checksum",
    "ids_checksum",
    "read_manifest",
]

DATASET_SCHEMA_VERSION: Final = 1
MANIFEST: Final = "manifest.json"
SPECTRA: Final = "spectra.parquet"
STRUCTURES: Final = "structures.jsonl.gz"
_FORMAT: Final = "whiteline-dataset"
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The manifest of a dataset.

    Attributes:
        name: What it is called.
        created: When it was made, ISO 8601, UTC; the one field that the content hash leaves out.
        whiteline_version: What made it; `document_schema_version` the layout of the documents it was made from.
        query: What was asked of the store, and `ids_sha256` what was found: sha256 of the sorted ids, a line each.
        grid: The common axis.
        intensity: `cross_section` or `raw`, and `units` of energies and intensities.
        interpolation: How spectra were put on the grid, and `extrapolation` what was done beyond their ends.
        split: How it is divided, and `split_counts` into how many spectra and groups.
        codes: How many spectra are of each code and version; `licences`, `citations`, `statuses`, `edges` likewise.
        excluded: Reason to remedy and ids of the spectra that the query found and that are not in it.
        files: Name to sha256 and size in bytes.
    """

    name: str
    created: str
    whiteline_version: str
    document_schema_version: int
    query: Mapping[str, Any]
    grid: DatasetGrid
    intensity: str
    units: Mapping[str, str]
    interpolation: str
    extrapolation: str
    n_spectra: int
    n_structures: int
    ids_sha256: str
    split: Split
    split_counts: Mapping[str, Mapping[str, int]]
    codes: Mapping[str, int]
    licences: Mapping[str, int]
    citations: Mapping[str, int]
    statuses: Mapping[str, int]
    edges: Mapping[str, int]
    excluded: Mapping[str, Mapping[str, Any]]
    files: Mapping[str, Mapping[str, Any]]

    @property
    def n_excluded(self) -> int:
        """How many spectra the query found that are not in the dataset."""
        return sum(len(found["ids"]) for found in self.excluded.values())

    @property
    def content_sha256(self) -> str:
        """Checksum of everything but the time of making; the same store, query and seed give the same."""
        described = replace(self, created="").to_dict()
        text = json.dumps(described, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary without the content hash."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            "format": _FORMAT,
            "schema_version": DATASET_SCHEMA_VERSION,
            **plain,
            "grid": self.grid.to_dict(),
            "split": self.split.to_dict(),
        }

    def to_text(self) -> str:
        """Return the text of the file."""
        return json.dumps({**self.to_dict(), "content_sha256": self.content_sha256}, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Manifest:
        """Rebuild what `to_dict` wrote.

        Raises:
            SchemaVersionError: A newer Whiteline wrote it.
            ParseError: It is no manifest, or lacks something.
        """
        version = data.get("schema_version")
        if data.get("format") != _FORMAT or not isinstance(version, int):
            raise ParseError(f"expected the manifest of a dataset, with format {_FORMAT!r} and a schema_version")
        if version > DATASET_SCHEMA_VERSION:
            raise SchemaVersionError(
                f"the dataset has schema version {version}, this Whiteline reads up to {DATASET_SCHEMA_VERSION}: "
                "upgrade with `pip install -U whiteline`"
            )
        try:
            values = {f.name: data[f.name] for f in fields(cls)}
            grid, split = DatasetGrid.from_dict(data["grid"]), Split.from_dict(data["split"])
            return cls(**{**values, "grid": grid, "split": split})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ParseError(f"lacks or garbles {error}: it was edited or cut off") from error


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of the dataset in a folder, after checking it against its own content hash.

    Raises:
        InputError: There is no dataset.
        ParseError: The manifest was edited or cut off.
        SchemaVersionError: A newer Whiteline wrote it.
    """
    path = folder / MANIFEST
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"there is no dataset in {folder}: it has no {MANIFEST}") from error
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
    except (ValueError, RecursionError) as error:
        raise ParseError(f"{path} is no JSON ({error}): it was cut off or edited, take a copy that is whole") from error
    if not isinstance(data, dict):
        raise ParseError(f"{path} is no manifest of a dataset: expected a JSON object, got a {type(data).__name__}")
    try:
        manifest = Manifest.from_dict(data)
    except SchemaVersionError as error:
        raise SchemaVersionError(f"{path}: {error}") from error
    except ParseError as error:
        raise ParseError(f"{path}: {error}; take a copy that is whole") from error
    if data.get("content_sha256") != manifest.content_sha256 or data["grid"] != manifest.grid.to_dict():
        raise ParseError(f"{path} does not match its own content_sha256: it was edited, take a copy that is whole")
    return manifest


def checksum(path: Path) -> str:
    """Return the sha256 of a file, read in pieces.

    Raises:
        StoreError: It cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror}): it is missing or closed to you") from error
    return digest.hexdigest()


def ids_checksum(ids: list[str]) -> str:
    """Return the sha256 of sorted ids, a line each."""
    return hashlib.sha256("".join(f"{each}\n" for each in sorted(ids)).encode()).hexdigest()
