"""Datasets of an HDF5 file by name, read in a process of their own.

The HDF5 library may crash over a damaged file, and would take with it the process that reads, and whatever else that
does.
"""

import io
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

__all__ = ["ReadingFailedError", "read_values"]

Values: TypeAlias = dict[str, np.ndarray[Any, Any]]

_SCRIPT = __file__
_LONGEST = 600.0  # [s], for file systems that are slow


class ReadingFailedError(Exception):
    """Why a file could not be read, in the words of what read it."""


def read_values(path: Path, names: Sequence[str]) -> Values:
    """Return those of the named datasets that are there; text comes as bytes.

    Raises:
        ReadingFailedError: The file is damaged or no HDF5 file.
    """
    command = [sys.executable, "-I", _SCRIPT, str(path.absolute()), *names]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LONGEST, check=False
        )  # no shell, and this file
    except subprocess.TimeoutExpired as error:
        raise ReadingFailedError(f"not read within {_LONGEST:g} s") from error
    if done.returncode < 0:
        raise ReadingFailedError(f"the HDF5 library crashed over it, signal {-done.returncode}")
    if done.returncode > 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise ReadingFailedError(lines[-1] if lines else f"exit status {done.returncode}")
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as content:
        return dict(content)


def _write(path: str, names: Sequence[str]) -> None:
    """Write the datasets to standard output as npz."""
    h5py: Any = import_module("h5py")

    values: Values = {}
    with h5py.File(path, "r") as file:
        for name in names:
            if name in file:
                value = np.asarray(file[name][()])
                values[name] = value if value.dtype != object else value.astype(np.bytes_)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **values)
    sys.stdout.buffer.write(buffer.getvalue())


if __name__ == "__main__":
    _write(sys.argv[1], sys.argv[2:])
