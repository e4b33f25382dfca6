"""Where things are run again: a clean folder with a store of its own, and the results as they come."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from monty.json import MSONable

from whiteline.errors import StoreError
from whiteline.settings import Settings
from whiteline.workflows.rerun.comparison import Tolerance
from whiteline.workflows.rerun.results import RerunResult, Verdict
from whiteline.workflows.workspace import Workspace

__all__ = ["RESULTS", "RerunPlace"]

RESULTS: Final = "results.jsonl"
_STORE: Final = "reruns.db"
_RUNS: Final = "runs"


@dataclass(frozen=True)
class RerunPlace(MSONable):
    """A folder in which things are run again, and within what they count as equal.

    What is computed goes to a store in that folder; the store of what is on record is only read.

    Attributes:
        folder: The folder.
        facts: Facts of this machine: the content of `Settings`.
        keeps_runs: Keep the run directories of what ended well, too.
        intensity: See `Tolerance`, and `energy` [eV] likewise.
    """

    folder: str
    facts: Mapping[str, Any]
    keeps_runs: bool = False
    intensity: float = Tolerance.intensity
    energy: float = Tolerance.energy

    @classmethod
    def make(cls, folder: Path, settings: Settings, *, tolerance: Tolerance, keeps_runs: bool) -> RerunPlace:
        """Return the place in a folder, which is made, or is one of an earlier rerun that goes on.

        Raises:
            StoreError: The folder holds something else, or cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            is_foreign = not (folder / RESULTS).is_file() and any(folder.iterdir())
            if not is_foreign:
                _end_line(folder / RESULTS)
        except OSError as error:
            raise StoreError(f"cannot write to {folder} ({error.strerror}): choose another place with -o") from error
        if is_foreign:
            raise StoreError(f"{folder} is not empty and holds no {RESULTS} of a rerun: choose another place with -o")
        facts = settings.model_dump(mode="json")
        return cls(str(folder.absolute()), facts, keeps_runs, tolerance.intensity, tolerance.energy)

    @property
    def tolerance(self) -> Tolerance:
        """Within what two spectra count as equal."""
        return Tolerance(self.intensity, self.energy)

    @property
    def recorded(self) -> str:
        """Address of the store of what is on record."""
        return str(self.facts["database"])

    @property
    def settings(self) -> Settings:
        """The facts of this machine, with store and run directories in the folder."""
        home = Path(self.folder)
        clean = {"database": str(home / _STORE), "run_directory": home / _RUNS, "keep_runs": self.keeps_runs}
        return Settings(**{**self.facts, **clean})

    @property
    def workspace(self) -> Workspace:
        """Where calculations run: without repairs, which are what a record already tells of."""
        settings = self.settings
        return Workspace(
            database=settings.database,
            run_directory=str(settings.run_directory),
            keep_runs=self.keeps_runs,
            most_repairs=0,
        )

    def add(self, result: RerunResult) -> None:
        """Write down a result; several processes may do so at once."""
        line = json.dumps(result.to_dict(), allow_nan=False) + "\n"
        # Opened for appending and unbuffered: the line is written in one call, whole, behind those of others.
        with (Path(self.folder) / RESULTS).open("ab", buffering=0) as file:
            file.write(line.encode())

    def results(self) -> dict[str, RerunResult]:
        """Return the latest result by id; a line that was cut off by a crash does not count."""
        found = {}
        with (Path(self.folder) / RESULTS).open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    data = json.loads(line)
                except ValueError:
                    continue
                found[data["id"]] = RerunResult.from_dict(data)
        return found

    def finished(self) -> dict[str, RerunResult]:
        """Return the results that stand: what could not run is tried again, and so is what had another tolerance."""
        return {
            each: result
            for each, result in self.results().items()
            if result.verdict is not Verdict.COULD_NOT_RUN and result.tolerance == self.tolerance
        }


def _end_line(path: Path) -> None:
    """Make sure that the next line begins on its own, also after a crash."""
    with path.open("ab+") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")
