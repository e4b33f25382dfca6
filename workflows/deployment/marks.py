"""Marks in a database: what one machine leaves there, and another finds if it is the same database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from whiteline.database.mongo import connect_database, explained, mask
from whiteline.database.store import locate
from whiteline.errors import StoreError

__all__ = ["has_mark", "put_mark", "remove_marks"]

_COLLECTION: Final = "deployment_checks"
_SIDES: Final = ("here", "node")


def put_mark(address: str, token: str, side: str) -> None:
    """Leave a mark in the database of a store.

    Args:
        address: Address of the store.
        token: What the marks of one check have in common.
        side: Who leaves it: `here` or `node`.

    Raises:
        StoreError: It cannot be written.
    """
    place = locate(address)
    if isinstance(place, Path):
        with _explained(place):
            _file(place, token, side).write_text("", encoding="utf-8")
        return
    with _collection(place) as marks:
        marks.insert_one({"_id": f"{token}-{side}"})


def has_mark(address: str, token: str, side: str) -> bool:
    """Return whether there is a mark.

    Raises:
        StoreError: The database cannot be read.
    """
    place = locate(address)
    if isinstance(place, Path):
        return _file(place, token, side).exists()
    with _collection(place) as marks:
        return marks.find_one({"_id": f"{token}-{side}"}) is not None


def remove_marks(address: str, token: str) -> None:
    """Remove the marks of a check.

    Raises:
        StoreError: The database cannot be written.
    """
    place = locate(address)
    if isinstance(place, Path):
        with _explained(place):
            for side in _SIDES:
                _file(place, token, side).unlink(missing_ok=True)
        return
    with _collection(place) as marks:
        marks.delete_many({"_id": {"$in": [f"{token}-{side}" for side in _SIDES]}})


@contextmanager
def _collection(address: str) -> Iterator[Any]:
    client, database = connect_database(address)
    with client, explained(mask(address)):
        yield database[_COLLECTION]


@contextmanager
def _explained(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot write beside {place} ({error.strerror}): its folder must be yours") from error


def _file(store: Path, token: str, side: str) -> Path:
    return store.with_name(f".{store.name}.check-{token}-{side}")
