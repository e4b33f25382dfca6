"""Packages that only some tasks need, loaded when one of these begins."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from whiteline.errors import MissingDependencyError

__all__ = ["load_optional"]


def load_optional(module: str, *, purpose: str, extra: str) -> Any:
    """Return a module of an optional package.

    Args:
        module: Its full name, e.g. `pyarrow.parquet`.
        purpose: What needs it, for the message.
        extra: Extra of Whiteline that installs it.

    Raises:
        MissingDependencyError: The package is not installed.

    >>> load_optional("json", purpose="a table", extra="tables").__name__
    'json'
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise MissingDependencyError(
            f"{purpose} needs {package}, which is not installed: `pip install 'whiteline[{extra}]'`"
        ) from error
