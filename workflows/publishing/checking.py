"""Whether a publication is as it was made: every file, its checksum, and that nothing was added."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from whiteline.errors import InputError, ParseError, StoreError
from whiteline.workflows.publishing.checksums import CHECKSUMS, checksums_of, parse_checksums
from whiteline.workflows.publishing.crate import METADATA

__all__ = ["check_published"]


def check_published(folder: str | Path) -> tuple[str, ...]:
    """Return every problem of a published folder in words; none when it is as it was made.

    Raises:
        InputError: There is no publication.
        StoreError: A file cannot be read.
    """
    home = Path(folder)
    if not (home / CHECKSUMS).is_file() or not (home / METADATA).is_file():
        raise InputError(f"{folder} is no published folder: it has no {CHECKSUMS} or no {METADATA}")
    try:
        return tuple(_problems(home))
    except OSError as error:
        raise StoreError(f"{error.filename} cannot be read ({error.strerror}): check its permissions") from error


def _problems(home: Path) -> Iterator[str]:
    try:
        stated = parse_checksums((home / CHECKSUMS).read_text(encoding="utf-8"))
    except (ParseError, UnicodeDecodeError) as error:
        yield str(error)
        return
    found = checksums_of(home)
    for name, wanted in stated.items():
        if name not in found:
            yield f"{name} is missing"
        elif found[name] != wanted:
            yield f"{name} was changed or cut off: its sha256 is {found[name]}, published was {wanted}"
    yield from (f"{name} is no part of the publication: it was put there later" for name in found.keys() - stated)
    yield from _metadata_problems(home, found)


def _metadata_problems(home: Path, found: dict[str, str]) -> Iterator[str]:
    try:
        graph: list[dict[str, Any]] = json.loads((home / METADATA).read_bytes())["@graph"]
        described = {unquote(entity["@id"]): entity["sha256"] for entity in graph if "sha256" in entity}
    except (ValueError, KeyError, TypeError) as error:
        yield f"{METADATA} is no description of a publication ({error}): it was edited or cut off"
        return
    for name, wanted in described.items():
        if found.get(name, wanted) != wanted:
            yield f"{METADATA} states another sha256 of {name} than it has"
