"""How the queue of a campaign keeps a crystal, which many of its tasks share."""

from __future__ import annotations

import gzip
import hashlib
import json

from monty.json import MontyEncoder
from pymatgen.core import Structure

__all__ = ["pack_structure", "unpack_structure"]


def pack_structure(structure: Structure) -> tuple[str, bytes]:
    """Return key and content under which the queue keeps a structure: the same bytes for the same numbers."""
    text = json.dumps(structure.as_dict(), cls=MontyEncoder, sort_keys=True, separators=(",", ":"))
    content = gzip.compress(text.encode(), mtime=0)
    return f"structure:{hashlib.sha1(content, usedforsecurity=False).hexdigest()}", content


def unpack_structure(content: bytes) -> Structure:
    """Return the structure of a content that `pack_structure` made."""
    return Structure.from_dict(json.loads(gzip.decompress(content)))
