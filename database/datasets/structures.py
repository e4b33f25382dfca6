"""The structures of a dataset: one line of JSON each, named by their content."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from whiteline.database.documents import SpectrumDocument
from whiteline.errors import ParameterError, ParseError

__all__ = ["StructureWriter", "read_structures", "structure_key"]


def structure_key(structure: Mapping[str, Any]) -> str:
    """Return the content hash of a structure; two cells of one crystal have two, since sites are counted in a cell."""
    return hashlib.sha256(_canonical(structure).encode()).hexdigest()[:40]


class StructureWriter:
    """Writes structures into a compressed file, each once; the same structures give the same bytes."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        # Without a name and a time in its header the file depends on its content only.
        self._stream = gzip.GzipFile(filename="", mode="wb", fileobj=self._file, mtime=0)
        self._written: set[str] = set()

    @property
    def n_structures(self) -> int:
        """How many were written."""
        return len(self._written)

    def add(self, document: SpectrumDocument) -> str:
        """Write the structure of a document unless it is there; return its key, empty where it is unknown."""
        if not document.structure:
            return ""
        key = structure_key(document.structure)
        if key not in self._written:
            line = {"structure_key": key, "structure_id": document.structure_id, "structure": dict(document.structure)}
            self._stream.write(f"{_canonical(line)}\n".encode())
            self._written.add(key)
        return key

    def close(self) -> None:
        """Finish the file."""
        self._stream.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_structures(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield key and structure, as pymatgen's `as_dict` wrote it, of every line.

    Raises:
        ParseError: The file is damaged; the message names the line.
    """
    n_line = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for n_line, line in enumerate(file, 1):  # noqa: B007  # named in the message
                data = json.loads(line)
                yield data["structure_key"], data["structure"]
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise ParseError(
            f"{path} is damaged after line {n_line} ({type(error).__name__}: {error}): take a copy that is whole"
        ) from error


def _canonical(value: Mapping[str, Any]) -> str:
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"a structure cannot be written as JSON: {error}") from error
