"""Walking through a folder that somebody else made: no loops, nothing outside of it, nothing that is no file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from whiteline.database.ingest.entry import Folder, Skipped

__all__ = ["list_folder", "walk"]

# Folders of programs, not of users.
_IGNORED = frozenset({".git", "__pycache__", ".ipynb_checkpoints"})
_DEEPEST = 40


def walk(root: Path) -> Iterator[tuple[Folder, list[Path]] | Skipped]:
    """Yield each folder below `root`, top first, with the folders below it, from which the caller may remove some.

    Links to folders are not followed. Links to files count where they stay inside `root`.
    """
    home = root.resolve()
    waiting = [(root, 0)]
    while waiting:
        path, depth = waiting.pop()
        try:
            folder = list_folder(path, home=home)
        except OSError as error:
            yield Skipped(str(path), f"cannot list the folder ({error.strerror or error}): check its permissions")
            continue
        below = [path / name for name in sorted(folder.folders) if name not in _IGNORED]
        if depth == _DEEPEST and below:
            yield Skipped(str(path), f"folders lie more than {_DEEPEST} deep: give the path of one further down")
            below = []
        yield folder, below
        waiting += [(child, depth + 1) for child in reversed(below)]


def list_folder(path: Path, *, home: Path | None = None) -> Folder:
    """Return the regular files and the folders in a folder.

    Args:
        path: The folder.
        home: Where links to files must stay, resolved; the folder itself when None.

    Raises:
        OSError: It cannot be listed.
    """
    home = path.resolve() if home is None else home
    files, folders = set(), set()
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.add(entry.name)
            elif entry.is_file(follow_symlinks=False) or (entry.is_symlink() and _stays(Path(entry.path), home)):
                files.add(entry.name)
    return Folder(path, frozenset(files), frozenset(folders))


def _stays(link: Path, home: Path) -> bool:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # a link to nothing, or a loop
        return False
    return target.is_file() and target.is_relative_to(home)
