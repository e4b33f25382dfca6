"""What a backup is: a tar file that standard tools open, with its own description and a manifest at its end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from whiteline.database.administration.entries import TallyResult
from whiteline.errors import CorruptStoreError, SchemaVersionError

__all__ = [
    "ACTIVITIES",
    "FORMAT_VERSION",
    "KINDS",
    "MANIFEST",
    "MARKS",
    "README",
    "README_TEXT",
    "Manifest",
    "Member",
    "blob_name",
    "is_member_name",
    "part_name",
]

FORMAT: Final = "whiteline-backup"
FORMAT_VERSION: Final = 2
MANIFEST: Final = "manifest.json"
README: Final = "README.txt"
# What is kept of lineage beside the spectra; backups of format 1 lack both.
ACTIVITIES: Final = "lineage/activities.jsonl.gz"
MARKS: Final = "lineage/marks.jsonl.gz"
# Members of each part, in the order in which they are written.
KINDS: Final = ("structures", "index", "arrays", "records", "files", "documents")
_BLOB: Final = re.compile(r"blobs/[0-9a-f]{2}/[0-9a-f]{64}\.gz")
_PART: Final = re.compile(r"(structures|index|records|files|documents)/\d{5,}\.jsonl\.gz|arrays/\d{5,}\.npy")

README_TEXT: Final = """\
A backup of a Whiteline store of core-level spectra, format 2.

It needs no Whiteline to be read: tar, gzip, JSON and NumPy's .npy format are all there is to it. Spectra come in parts
00000, 00001, ... in the order of their ids; each part is complete by itself.

  documents/00000.jsonl.gz   one line a spectrum, JSON with sorted keys: everything but structure and arrays.
                             The SHA-256 of a line, without its line end, is the checksum of the spectrum.
  structures/00000.jsonl.gz  one line a crystal structure (pymatgen's dictionary). "structure" in a document is the
                             SHA-256 of such a line.
  arrays/00000.npy           64-bit floats, one array after another.
  index/00000.jsonl.gz       one line an array: its place and length in arrays/00000.npy, counted in numbers, and the
                             SHA-256 of its bytes. "energy" and "components" of a document's "spectrum" are such
                             checksums; "shape" is that of the components, row after row. Energies are in eV.
  records/00000.jsonl.gz     one line a provenance record, with the id of its spectrum.
  files/00000.jsonl.gz       one line a raw file: its spectrum, name, length in bytes and SHA-256.
  blobs/3f/3f9a....gz        the raw file whose content has this SHA-256, once however many spectra share it.
  lineage/activities.jsonl.gz  one line a job that made no spectrum (a dataset, a model, a figure, a file): its
                             provenance record, and the ids of the spectra that it used beside those it names.
  lineage/marks.jsonl.gz     one line a thing that is marked as suspect: its id, the reason, and since when.
  manifest.json              counts, versions, and length and SHA-256 of every other member. It is written last: a
                             backup without it was cut.
"""


def part_name(kind: str, i_part: int) -> str:
    """Return the name of a member.

    >>> part_name("documents", 3), part_name("arrays", 3)
    ('documents/00003.jsonl.gz', 'arrays/00003.npy')
    """
    return f"{kind}/{i_part:05d}{'.npy' if kind == 'arrays' else '.jsonl.gz'}"


def blob_name(checksum: str) -> str:
    """Return the name of the member that holds the raw file of this SHA-256.

    >>> blob_name("3f9a")
    'blobs/3f/3f9a.gz'
    """
    return f"blobs/{checksum[:2]}/{checksum}.gz"


def is_member_name(name: str) -> bool:
    """Return whether a backup has members of such a name; all others are refused."""
    return name in (MANIFEST, README, ACTIVITIES, MARKS) or bool(_BLOB.fullmatch(name) or _PART.fullmatch(name))


@dataclass(frozen=True)
class Member:
    """One file of a backup, as the manifest knows it.

    Attributes:
        size: Length [bytes], and `content_size` that of what it decompresses to.
        sha256: Checksum of the member as it lies in the tar file.
    """

    size: int
    sha256: str
    content_size: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup holds.

    Attributes:
        created_at: When it was begun: ISO 8601, UTC.
        source: Address of the store.
        revision: Newest revision of the store when it was begun.
        whiteline: Version that wrote it.
        schema_versions: Of the documents, spectra and records in it.
        n_parts: Number of parts.
        n_structures: Number of different structures.
        n_blobs: Number of different raw files.
        tally: Counts and digests of spectra, records and files, and of jobs and marks.
        members: Every other member by its name.
    """

    created_at: str
    source: str
    revision: int
    whiteline: str
    schema_versions: Mapping[str, int]
    n_parts: int
    n_structures: int
    n_blobs: int
    tally: TallyResult
    members: Mapping[str, Member]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, data: Any, *, path: object) -> Manifest:
        """Rebuild what `to_dict` wrote; `path` is the backup, for messages.

        Raises:
            SchemaVersionError: A newer Whiteline wrote it.
            CorruptStoreError: It is no manifest.
        """
        found = data.get("format_version") if isinstance(data, dict) and data.get("format") == FORMAT else None
        if not isinstance(found, int) or found < 1:
            raise CorruptStoreError(f"{path} is no Whiteline backup: its {MANIFEST} does not say that it is one")
        if found > FORMAT_VERSION:
            raise SchemaVersionError(
                f"the backup {path} has format {found}, this Whiteline reads up to {FORMAT_VERSION}: "
                "upgrade with `pip install -U whiteline`"
            )
        try:
            values = {name: data[name] for name in cls.__dataclass_fields__}
            values["tally"] = TallyResult(**data["tally"])
            values["members"] = {name: Member(**member) for name, member in data["members"].items()}
            _check_counts(values["n_parts"], values["members"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CorruptStoreError(
                f"the {MANIFEST} of {path} was edited ({error}): use the untouched file or another backup"
            ) from error
        return cls(**values)


def _check_counts(n_parts: object, members: Mapping[str, Member]) -> None:
    """Raise unless there are as many parts as the manifest counts, and lengths are lengths."""
    found = sum(name.startswith("documents/") for name in members)
    if n_parts != found:
        raise ValueError(f"it counts {n_parts!r} parts and names {found}")
    for name, member in members.items():
        if not all(isinstance(size, int) and size >= 0 for size in (member.size, member.content_size)):
            raise ValueError(f"{name} has no length")
