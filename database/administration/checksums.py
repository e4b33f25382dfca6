"""Checksums of what is stored: the same on every machine, in every store and in a backup.

A document is written as one line of canonical JSON: keys sorted, no spaces, ASCII, numbers as the shortest text that
reads back the same. In that line the structure stands as the SHA-256 of its own canonical JSON, and the arrays as their
shape and the SHA-256 of their bytes (little-endian float64, row after row). The SHA-256 of the line, without a line
end, is the checksum of the document. The lines of a backup are these lines, so that

    gunzip -c documents/00000.jsonl.gz | while IFS= read -r line; do printf %s "$line" | sha256sum; done

recomputes them without Whiteline.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Self

from whiteline.database.documents import SpectrumDocument, json_text
from whiteline.database.rows import pack_spectrum
from whiteline.provenance import ProvenanceRecord

__all__ = [
    "Digest",
    "canonical_json",
    "document_checksum",
    "document_line",
    "record_checksum",
    "sha256",
    "structure_checksum",
]

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def sha256(content: bytes | str) -> str:
    """Return the SHA-256 of bytes, or of text in UTF-8, as 64 hexadecimal digits."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def canonical_json(value: Any, *, what: str) -> str:
    """Return the one JSON text of a value.

    >>> canonical_json({"b": (1, 2.0), "a": "é"}, what="an example")
    '{"a":"\\\\u00e9","b":[1,2.0]}'

    Raises:
        ParameterError: `value` holds something that JSON cannot, `nan` and `inf` included.
    """
    # Read back first: keys that are no text become text before they are sorted, as in any store.
    return _ENCODER.encode(json.loads(json_text(value, what=what)))


def structure_checksum(structure: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON of a structure."""
    return sha256(canonical_json(dict(structure), what="the structure"))


def document_line(document: SpectrumDocument, *, structure: str = "") -> str:
    """Return a document as one line of canonical JSON, its structure and arrays by their checksums.

    Args:
        document: The document.
        structure: The checksum of its structure, where it is known already.
    """
    described, arrays = pack_spectrum(document)
    spectrum = None
    if described is not None and arrays is not None:
        n_rows = len(arrays.components) // len(arrays.energy)
        spectrum = {
            **described,
            "shape": [n_rows, arrays.n_points],
            "energy": sha256(arrays.energy),
            "components": sha256(arrays.components),
        }
    values = {
        **document.metadata(),
        "structure": structure or structure_checksum(document.structure),
        "spectrum": spectrum,
    }
    return canonical_json(values, what=f"document {document.id}")


def document_checksum(document: SpectrumDocument) -> str:
    """Return the checksum of a document: of its metadata, structure and arrays, whichever store holds it."""
    return sha256(document_line(document))


def record_checksum(record: ProvenanceRecord) -> str:
    """Return the SHA-256 of the canonical JSON of a provenance record."""
    return sha256(canonical_json(record.to_dict(), what=f"the provenance record {record.id}"))


class Digest:
    """One checksum of many things: the SHA-256 of one line for each, its names and its checksum.

    >>> Digest().add("3f9a", "00ff").value == sha256("3f9a 00ff\\n")
    True
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.n_added = 0

    def add(self, *words: str) -> Self:
        """Take one more thing; the order counts."""
        self._hash.update(f"{' '.join(words)}\n".encode())
        self.n_added += 1
        return self

    @property
    def value(self) -> str:
        """The checksum so far, 64 hexadecimal digits."""
        return self._hash.hexdigest()
