"""Raw files in a MongoDB store: names in the collection `files`, content once in `blobs`, in chunks.

Chunks are named by the hash of the compressed content, so that two versions of zlib never mix theirs.

A name is written before its content, and content that is removed is put back if a name came to refer to it
meanwhile: so two writers that share content never leave a file without it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from bson import Binary

from whiteline.database.blobs import PackedFile, StoredFile
from whiteline.database.mongo_meta import insert_new

__all__ = ["list_files", "read_content", "remove_files", "write_files"]

CHUNK_SIZE = 8 * 2**20  # bytes; a document holds 16 MiB at most


def write_files(database: Any, spectrum_id: str, files: Iterable[PackedFile]) -> None:
    """Write raw files of a spectrum; those of the same name are replaced."""
    for file in files:
        packed = hashlib.sha256(file.data).hexdigest()
        pieces = [file.data[start : start + CHUNK_SIZE] for start in range(0, len(file.data), CHUNK_SIZE)]
        row = {
            "_id": f"{spectrum_id}/{file.name}",
            "spectrum_id": spectrum_id,
            "name": file.name,
            "size": file.size,
            "sha256": file.sha256,
            "packed": packed,
            "n_chunks": len(pieces),
        }
        old = database["files"].find_one({"_id": row["_id"]})
        database["files"].replace_one({"_id": row["_id"]}, row, upsert=True)
        for i, piece in enumerate(pieces):
            # In place of one that is there: it is the same, unless it was damaged.
            chunk = {"_id": f"{packed}/{i}", "content": Binary(piece)}
            database["blobs"].replace_one({"_id": chunk["_id"]}, chunk, upsert=True)
        if old is not None and old["packed"] != packed:
            _remove_unused(database, old)


def list_files(database: Any, spectrum_id: str) -> list[StoredFile]:
    """Return the raw files of a spectrum by name."""
    found = database["files"].find({"spectrum_id": spectrum_id})
    return sorted((_stored(row) for row in found), key=lambda file: file.name)


def read_content(database: Any, spectrum_id: str, name: str) -> tuple[StoredFile, bytes] | None:
    """Return a raw file and its compressed content; None if the spectrum has no such file."""
    row = database["files"].find_one({"_id": f"{spectrum_id}/{name}"})
    if row is None:
        return None
    found = (database["blobs"].find_one({"_id": f"{row['packed']}/{i}"}) for i in range(row["n_chunks"]))
    return _stored(row), b"".join(bytes(chunk["content"]) for chunk in found if chunk is not None)


def remove_files(database: Any, spectrum_id: str) -> None:
    """Remove the raw files of a spectrum, and content that no other spectrum has."""
    rows = list(database["files"].find({"spectrum_id": spectrum_id}))
    database["files"].delete_many({"spectrum_id": spectrum_id})
    for row in rows:
        _remove_unused(database, row)


def _remove_unused(database: Any, row: dict[str, Any]) -> None:
    if database["files"].find_one({"packed": row["packed"]}) is not None:
        return
    for i in range(row["n_chunks"]):
        removed = database["blobs"].find_one_and_delete({"_id": f"{row['packed']}/{i}"})
        if removed is not None and database["files"].find_one({"packed": row["packed"]}) is not None:
            insert_new(database["blobs"], removed)
            return


def _stored(row: dict[str, Any]) -> StoredFile:
    return StoredFile(row["name"], row["size"], row["sha256"])
