"""Which files of a run are kept beside its spectrum: small ones that may be passed on."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final

from whiteline.database.ingest.limits import Limits, unpacked_name

__all__ = ["LARGEST_KEPT", "may_be_kept"]

LARGEST_KEPT: Final = Limits().max_raw_bytes
# VASP's licence lets nobody pass potentials on, and vaspout.h5 holds the text of the POTCAR.
# https://vasp.at/wiki/Vaspout.h5
_LICENSED: Final = ("POTCAR", "POTCAR_*", "POTCAR.*", "*.POTCAR", "vaspout.h5", "vaspin.h5")
_FREE: Final = ("POTCAR.spec",)  # names alone


def may_be_kept(name: str) -> bool:
    """Return whether the licence of a file allows that stores, and so copies of them, hold it.

    >>> may_be_kept("INCAR"), may_be_kept("ground-state/POTCAR"), may_be_kept("vaspout.h5.gz")
    (True, False, False)
    """
    plain = unpacked_name(PurePosixPath(name).name)
    return plain in _FREE or not any(fnmatchcase(plain, pattern) for pattern in _LICENSED)
