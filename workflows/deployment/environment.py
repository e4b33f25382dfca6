"""The variables of a deployment: the file `whiteline.env` that jobs and shells read."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from whiteline.errors import InputError

__all__ = ["ENVIRONMENT_FILE", "applied", "read_environment"]

ENVIRONMENT_FILE: Final = "whiteline.env"

_EXPORT: Final = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)=(.*)")


def read_environment(folder: Path) -> dict[str, str]:
    """Return the variables that the `whiteline.env` of a deployment exports.

    Raises:
        InputError: There is none, or a line of it is more than the export of a plain value.
    """
    path = folder / ENVIRONMENT_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(
            f"no deployment in {folder} (cannot read {path}: {error.strerror}): `whiteline deploy init {folder}` "
            "writes one"
        ) from error
    found = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _EXPORT.fullmatch(line.strip())
        words = _words(match[2]) if match else None
        if match is None or words is None:
            # The line itself is not shown: it may hold a password.
            raise InputError(f"line {number} of {path} is no `export NAME=VALUE` with a plain or quoted value")
        found[match[1]] = words[0] if words else ""
    return found


def _words(text: str) -> list[str] | None:
    """Return the one word that a shell would take a value for; None where it would do more with it."""
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    is_plain = "'" in text or not re.search(r"[$`]", text)
    return words if len(words) <= 1 and is_plain else None


@contextmanager
def applied(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while.

    Other variables of Whiteline are unset meanwhile: jobs do not have them either.
    """
    before = dict(os.environ)
    for name in before:
        if name.startswith("WHITELINE_") and not name.startswith("WHITELINE_TEST_"):
            del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
