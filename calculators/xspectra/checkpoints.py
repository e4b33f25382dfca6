"""What pw.x and xspectra.x leave when they stop in time, and go on from."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from whiteline.calculators.xspectra.inputs import PREFIX

__all__ = ["Checkpoint", "DensityCheckpoint", "LanczosCheckpoint"]

_UNFINISHED: Final = b"unfinished"
_HEAD_BYTES: Final = 256


class Checkpoint(Protocol):
    """What one program goes on from."""

    def is_there(self) -> bool:
        """Return whether there is something to go on from."""

    def take(self) -> bool:
        """Put it where the program looks for it; return whether there is any."""

    def clear(self) -> None:
        """Remove it, and all results: old files of another run can mislead a program."""

    def has_result(self) -> bool:
        """Return whether the program's result is there."""


@dataclass(frozen=True)
class DensityCheckpoint:
    """Density, mixing history and wavefunctions in `tmp`, and two small files that say where the run stood.

    pw.x removes those two when it reads them and touches the large ones only when it stops again, so that a copy of
    the two is enough to start a second time.

    Attributes:
        directory: Run directory.
    """

    directory: Path

    @property
    def _tmp(self) -> Path:
        return self.directory / "tmp"

    @property
    def _kept(self) -> Path:
        return self.directory / "restart"

    def is_there(self) -> bool:
        """Return whether pw.x stopped in time, and whatever ran after that was killed before it wrote."""
        if self._marks(self._tmp):
            return True
        kept = self._marks(self._kept)
        large = [path for path in self._tmp.rglob("*") if path.is_file()]
        return bool(kept and large) and _newest(large) <= _newest(kept)

    def take(self) -> bool:
        """Put the two files into `tmp`, and a copy aside."""
        if not self.is_there():
            return False
        marks = self._marks(self._tmp)
        if marks:
            shutil.rmtree(self._kept, ignore_errors=True)
            self._kept.mkdir()
            # The time of the copy is when pw.x had written everything, not when pw.x wrote the small file.
            for path in marks:
                shutil.copyfile(path, self._kept / path.name)
        else:
            for path in self._marks(self._kept):
                shutil.copyfile(path, self._tmp / path.name)
        return True

    def clear(self) -> None:
        """Remove `tmp` and what stands aside."""
        shutil.rmtree(self._tmp, ignore_errors=True)
        shutil.rmtree(self._kept, ignore_errors=True)

    def has_result(self) -> bool:
        """Return whether the density is there."""
        return any((self._tmp / f"{PREFIX}.save").glob("charge-density.*"))

    def _marks(self, folder: Path) -> list[Path]:
        return sorted(folder.glob(f"{PREFIX}.restart_*"))


@dataclass(frozen=True)
class LanczosCheckpoint:
    """The coefficients of the k points that are done, in `xanes.sav`.

    Attributes:
        folder: Folder of one direction.
    """

    folder: Path

    @property
    def _saved(self) -> Path:
        return self.folder / "xanes.sav"

    def is_there(self) -> bool:
        """Return whether xspectra.x stopped before its last k point."""
        if not self._saved.is_file():
            return False
        with self._saved.open("rb") as file:
            return _UNFINISHED in file.read(_HEAD_BYTES)

    def take(self) -> bool:
        """Return whether there is something to go on from; it is where it is looked for."""
        return self.is_there()

    def clear(self) -> None:
        """Remove coefficients and spectrum."""
        self._saved.unlink(missing_ok=True)
        (self.folder / "xanes.dat").unlink(missing_ok=True)

    def has_result(self) -> bool:
        """Return whether the spectrum is there."""
        return (self.folder / "xanes.dat").is_file()


def _newest(paths: Iterable[Path]) -> float:
    return max(path.stat().st_mtime for path in paths)
