"""Files that are whole or not there: written beside their place and moved into it in one step."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whiteline.errors import StoreError

__all__ = ["replaced"]


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a file to write; once it is written and on the disk, it takes the place of `path`.

    Raises:
        StoreError: The folder is closed to us, or the disk is full.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        # mkstemp is for our eyes only; a model is for the group.
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror or error}): check permissions and space"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
