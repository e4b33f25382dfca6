"""What a reader finds in a file: a spectrum to store, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from whiteline.database.documents import SpectrumDocument
from whiteline.database.ingest.limits import Limits
from whiteline.edges import Edge
from whiteline.provenance import ProvenanceRecord

__all__ = [
    "AddressReader",
    "Entry",
    "FileReader",
    "Folder",
    "FolderReader",
    "FoundRun",
    "IngestOptions",
    "Skipped",
]


@dataclass(frozen=True, kw_only=True)
class IngestOptions:
    """What the user says of the files, and how much of them is read.

    Attributes:
        absorber: Absorbing element, where the files name none.
        edge: Absorption edge, where the files name none.
        licence: Licence of the spectra, in place of what the files say.
        citation: What to cite, in place of what the files say.
        limits: How much is read.
    """

    absorber: str | None = None
    edge: Edge | None = None
    licence: str = ""
    citation: str = ""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, eq=False)
class Entry:
    """One spectrum, or one failed calculation.

    Attributes:
        document: What is stored.
        inputs: Checksum of each file that it was read from, by its path.
        files: Raw files to keep beside it, by name.
        record: How it came about, where its source knows more than that it was read from these files.
    """

    document: SpectrumDocument
    inputs: Mapping[str, str]
    files: Mapping[str, bytes] = field(default_factory=dict)
    record: ProvenanceRecord | None = None


@dataclass(frozen=True)
class Skipped:
    """Something that could not be taken.

    Attributes:
        source: File or folder, with the place in it.
        reason: Why, and what to do.
    """

    source: str
    reason: str


class FileReader(Protocol):
    """Reads one kind of file."""

    @property
    def kind(self) -> str:
        """Name of the kind, as `--as` takes it."""

    def claims(self, path: Path) -> bool:
        """Return whether the file looks like one of this kind; a cheap test of its name and first bytes."""

    def read(self, path: Path, options: IngestOptions) -> Iterator[Entry | Skipped]:
        """Yield what the file holds.

        Raises:
            WhitelineError: The file as a whole cannot be read.
        """


class AddressReader(Protocol):
    """Reads what has an address in the place of a path, such as a profile of another program."""

    @property
    def kind(self) -> str:
        """Name of the kind, as `--as` takes it."""

    @property
    def scheme(self) -> str:
        """How its addresses begin, colon included."""

    def read(self, path: Path, options: IngestOptions) -> Iterator[Entry | Skipped]:
        """Yield what there is at an address.

        Raises:
            WhitelineError: It cannot be read.
        """


@dataclass(frozen=True)
class Folder:
    """A folder that is walked through.

    Attributes:
        path: The folder.
        files: Names of the regular files in it.
        folders: Names of the folders in it.
    """

    path: Path
    files: frozenset[str]
    folders: frozenset[str]


class FoundRun(Protocol):
    """A calculation whose files lie in a folder."""

    @property
    def takes_subfolders(self) -> bool:
        """Whether the folders below belong to it, too."""

    def read(self, options: IngestOptions) -> Iterator[Entry | Skipped]:
        """Yield the spectra of the calculation, or why it has none.

        Raises:
            WhitelineError: The files as a whole cannot be read.
        """


class FolderReader(Protocol):
    """Recognises the runs of one code."""

    @property
    def kind(self) -> str:
        """Name of the code, as `--as` takes it."""

    def find(self, folder: Folder) -> FoundRun | None:
        """Return the run whose files lie in a folder, None where there is none."""
