"""Folders that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whiteline.errors import InputError, StoreError

__all__ = ["new_folder"]


@contextmanager
def new_folder(target: Path, *, what: str) -> Iterator[Path]:
    """Yield a folder that becomes `target` when all went well, and goes otherwise.

    Args:
        target: Where it is to be; nothing may be there.
        what: What it will be, for messages, e.g. `a dataset`.

    Raises:
        InputError: Something is there already.
        StoreError: It cannot be written.
    """
    if target.exists() or target.is_symlink():
        raise InputError(f"{target} is there already, and {what} is never written over: give another name")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise StoreError(f"cannot make {target} ({error.strerror}): choose a writable place") from error
    try:
        yield folder
        mask = os.umask(0o077)
        os.umask(mask)
        folder.chmod(0o777 & ~mask)
        folder.rename(target)
    except StoreError:
        raise  # it is about what was read
    except OSError as error:
        raise StoreError(f"cannot write {target} ({error.strerror or error}): make room or choose another") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
