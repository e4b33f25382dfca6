"""Writing the files of a deployment: never over somebody's work, and secrets for their owner only."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from whiteline.errors import InputError, StoreError
from whiteline.workflows.deployment.rendering import RenderedFile

__all__ = ["Written", "write_files"]

_SECRET: Final = 0o600
_PUBLIC: Final = 0o644


@dataclass(frozen=True, kw_only=True)
class Written:
    """What became of the files: those that are new, those that were replaced, and those that were so already."""

    new: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    same: tuple[str, ...] = ()


def write_files(folder: Path, wanted: Sequence[RenderedFile], *, replace: bool = False) -> Written:
    """Write files below a folder, all or none; what is there with the same content stays as it is.

    Args:
        folder: The folder, made if it is not there.
        wanted: What to write.
        replace: Write also over files of other content.

    Raises:
        InputError: A file is there with other content, and `replace` is not asked for.
        StoreError: A file cannot be read or written.
    """
    try:
        states = {file.path: _state(folder / file.path, file.text) for file in wanted}
        different = [path for path, state in states.items() if state == "different"]
        if different and not replace:
            raise InputError(
                f"there are other files in {folder} already: {', '.join(different)}; --force replaces them, "
                "or give another folder"
            )
        for file in wanted:
            path = folder / file.path
            if states[file.path] != "same":
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, file.text, mode=_SECRET if file.is_secret else _PUBLIC)
            elif file.is_secret and stat.S_IMODE(path.stat().st_mode) != _SECRET:
                path.chmod(_SECRET)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(
            f"cannot write {error.filename or folder} ({error.strerror}): choose a folder that is yours"
        ) from error
    return Written(
        new=tuple(path for path, state in states.items() if state == "missing"),
        replaced=tuple(different),
        same=tuple(path for path, state in states.items() if state == "same"),
    )


def _state(path: Path, text: str) -> str:
    if not path.exists():
        return "missing"
    return "same" if path.is_file() and path.read_bytes() == text.encode() else "different"


def _write(path: Path, text: str, *, mode: int) -> None:
    """Write a file that is never there in half, and never readable by more than `mode` says."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)  # whatever the umask takes away
            file.write(text)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
