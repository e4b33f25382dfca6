"""What the driver of MongoDB raises, said so that a password never shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from bson.errors import BSONError
from pymongo.errors import PyMongoError

from whiteline.errors import ParameterError, StoreError

__all__ = ["explained", "mask"]


def mask(address: str) -> str:
    """Return a MongoDB address without user, password and options.

    >>> mask("mongodb://me:secret@host:27017/spectra?authSource=admin")
    'mongodb://***@host:27017/spectra'
    """
    scheme, _, rest = address.partition("//")
    plain, _, options = rest.partition("?")
    if "@" in options and "@" not in plain:  # a password with a question mark that should have been escaped
        return f"{scheme}//***"
    return f"{scheme}//" + re.sub(r".*@", "***@", plain)


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Turn what the driver raises into a `StoreError`, or `ParameterError`, that names the database and what to do."""
    try:
        yield
    except (BSONError, OverflowError, UnicodeEncodeError) as error:
        raise ParameterError(
            f"the store {address} takes no such value ({str(error)[:200]}): give text that is valid Unicode, "
            "whole numbers of up to 64 bits and documents of up to 16 MB"
        ) from error
    except PyMongoError as error:
        raise StoreError(
            f"the store {address} cannot be used ({str(error)[:200]}): check that the server runs, "
            "that this machine may reach it, and that user and password are right"
        ) from error
