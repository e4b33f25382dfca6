"""The folders in which the attempts of one calculation run, and what dead processes left in them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from whiteline.calculators.interface import RunReport
from whiteline.causes import Cause

__all__ = ["NOTE_NAME", "RunFolders", "TakenFolder", "write_files"]

NOTE_NAME: Final = "whiteline-run.json"
# s; whoever ended a run on another machine has stored it by then, or is dead.
_PATIENCE = 120.0


@dataclass(frozen=True)
class TakenFolder:
    """A folder for one attempt.

    Attributes:
        path: Where it is.
        report: How the run in it went, where one ended well and was not stored; None: it is still to run.
        seconds: Wall time of that run [s].
        inputs_id: Content hash of its input files.
        is_continued: Whether an interrupted run left in it what the next one goes on from.
    """

    path: Path
    report: RunReport | None = None
    seconds: float = 0.0
    inputs_id: str = ""
    is_continued: bool = False


@dataclass(frozen=True)
class RunFolders:
    """The folders `run-<host>-<pid>` of a calculation, with `.2`, `.3` … behind for attempts after the first.

    A note in each says which calculation it is of, what was changed for it and, once the code has ended, how.

    Attributes:
        home: Folder that holds them, and nothing else.
        calculation_id: Whose they are.
        is_forced: Adopt nothing that is left: compute it anew.
    """

    home: Path
    calculation_id: str
    is_forced: bool = False

    def take(self, n: int, changes: Mapping[str, Any], can_continue: Callable[[Path], bool]) -> TakenFolder:
        """Return the folder for attempt `n`: one that a dead process left, where it is of use, else a new one.

        Raises:
            OSError: The folder cannot be made.
        """
        folder = self._folder(n)
        for old in list(self._left_behind(n)):
            note = self._read_note(old, changes)
            report, seconds = _read_report(note)
            is_whole = report is not None and not report.failure
            is_of_use = note is not None and not self.is_forced and (is_whole or can_continue(old))
            # Of two processes that take a folder at once, one finds it gone.
            if is_of_use and _move(old, folder):
                if not is_whole:
                    return TakenFolder(folder, is_continued=True)
                return TakenFolder(folder, report, seconds, str((note or {}).get("inputs")))
            if _is_left_behind_here(old):
                shutil.rmtree(old, ignore_errors=True)
        return self.renew(n)

    def renew(self, n: int) -> TakenFolder:
        """Return a new, empty folder for attempt `n`: old files of another run can mislead a code.

        Raises:
            OSError: The folder cannot be made.
        """
        folder = self._folder(n)
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        return TakenFolder(folder)

    def note(
        self,
        folder: Path,
        changes: Mapping[str, Any],
        report: RunReport | None = None,
        *,
        seconds: float = 0.0,
        inputs_id: str = "",
    ) -> None:
        """Write down that a run begins in a folder, or with a report how it ended."""
        ended = None if report is None else {**asdict(report), "seconds": seconds}
        note = {
            "calculation": self.calculation_id,
            "changes": dict(changes),
            "inputs": inputs_id,
            "ended": ended,
        }
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=NOTE_NAME, delete=False, encoding="utf-8") as file:
            json.dump(note, file)
        Path(file.name).replace(folder / NOTE_NAME)

    def clear(self, *, keep: Path | None = None) -> None:
        """Remove the folders of this process and of dead ones of this host, and the home if that leaves it empty.

        Args:
            keep: Stays, without its note where the code ended well: what it says is stored.
        """
        for old in self._folders():
            if old != keep and _is_left_behind_here(old):
                shutil.rmtree(old, ignore_errors=True)
        if keep is not None and (report := _read_report(_load(keep / NOTE_NAME))[0]) and not report.failure:
            (keep / NOTE_NAME).unlink(missing_ok=True)
        with suppress(OSError):
            self.home.rmdir()

    def _folder(self, n: int) -> Path:
        return self.home / (f"run-{socket.gethostname()}-{os.getpid()}" + (f".{n}" if n > 1 else ""))

    def _folders(self) -> Iterator[Path]:
        return iter(sorted(self.home.glob("run-*-*")))

    def _left_behind(self, n: int) -> Iterator[Path]:
        for old in self._folders():
            if _number(old) == n and (_is_left_behind_here(old) or self._is_left_behind_elsewhere(old)):
                yield old

    def _is_left_behind_elsewhere(self, old: Path) -> bool:
        """Return whether a process on another machine ended a run long ago, by the clock of the disk they share."""
        if _owner(old)[0] == socket.gethostname():
            return False
        try:
            with tempfile.TemporaryFile(dir=self.home) as now:
                is_long_ago = os.fstat(now.fileno()).st_mtime - (old / NOTE_NAME).stat().st_mtime > _PATIENCE
        except OSError:
            return False
        return is_long_ago and _read_report(_load(old / NOTE_NAME))[0] is not None

    def _read_note(self, folder: Path, changes: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the note in a folder, if it is of this calculation with these changes."""
        note = _load(folder / NOTE_NAME)
        asked = json.loads(json.dumps({"calculation": self.calculation_id, "changes": dict(changes)}))
        is_same = note is not None and {name: note.get(name) for name in asked} == asked
        return note if is_same else None


def write_files(folder: Path, inputs: Mapping[str, str], files: Mapping[str, Path]) -> None:
    """Write the texts and copy the files that a calculation needs into a folder."""
    for name in {*inputs, *files}:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    for name, text in inputs.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, path in files.items():
        shutil.copyfile(path, folder / name)


def _load(path: Path) -> dict[str, Any] | None:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) else None


def _read_report(note: Mapping[str, Any] | None) -> tuple[RunReport | None, float]:
    """Return how the run of a note ended, None for one that did not, and its wall time [s]."""
    try:
        ended = dict((note or {})["ended"])
        seconds = float(ended.pop("seconds"))
        cause = None if ended["cause"] is None else Cause(ended["cause"])
        return RunReport(**{**ended, "cause": cause}), seconds
    except (KeyError, TypeError, ValueError):
        return None, 0.0


def _owner(folder: Path) -> tuple[str, int]:
    """Return host and process of a run folder; process 0 where its name is not one of ours."""
    host, _, tail = folder.name.removeprefix("run-").rpartition("-")
    pid = tail.partition(".")[0]
    return host, int(pid) if pid.isdecimal() else 0


def _number(folder: Path) -> int:
    n = folder.name.rpartition("-")[2].partition(".")[2]
    return int(n) if n.isdecimal() else 1


def _is_left_behind_here(folder: Path) -> bool:
    host, pid = _owner(folder)
    return host == socket.gethostname() and pid > 0 and (pid == os.getpid() or not _is_alive(pid))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _move(old: Path, new: Path) -> bool:
    """Take a folder over; return whether it was there to take."""
    if old == new:
        return True
    try:
        if new.exists():
            shutil.rmtree(new)
        old.rename(new)
    except OSError:
        return False
    return True
