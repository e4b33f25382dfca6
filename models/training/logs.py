"""The record of a training in files that other programs read: `metrics.csv` and TensorBoard's event file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from whiteline.errors import MissingDependencyError, StoreError

if TYPE_CHECKING:
    from lightning.fabric.loggers import TensorBoardLogger

__all__ = ["EpochLog"]


class EpochLog(AbstractContextManager["EpochLog"]):
    """A folder with the losses of each epoch; no folder writes nothing.

    A training that is resumed writes the table anew, with the epochs before, so that each has one row in it. Event
    files are never changed: TensorBoard reads that of every attempt.

    Raises:
        StoreError: The folder cannot be written.
        MissingDependencyError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path | None, seeds: Sequence[int]) -> None:
        self._folder, self._seeds = folder, seeds
        self._file: TextIO | None = None
        self._events: TensorBoardLogger | None = None
        if folder is None:
            return
        from lightning.fabric.loggers import TensorBoardLogger

        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot log to {folder} ({error.strerror}): choose another folder") from error
        try:
            self._events = TensorBoardLogger(folder.parent, name=folder.name, version="")
        except ModuleNotFoundError as error:
            raise MissingDependencyError("logs need TensorBoard: `pip install 'whiteline[learn]'`") from error

    def write(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Add the last epoch.

        Args:
            history: Every epoch that was reported, the fields of `EpochReport`.

        Raises:
            StoreError: The table cannot be written.
        """
        if self._folder is None or self._events is None:
            return
        table = self._folder / "metrics.csv"
        rows = [self._row(epoch) for epoch in (history if self._file is None else history[-1:])]
        try:
            if self._file is None:
                self._file = table.open("w", newline="", encoding="utf-8", buffering=1)
                csv.writer(self._file).writerow(rows[0])
            csv.writer(self._file).writerows(row.values() for row in rows)
        except OSError as error:
            raise StoreError(f"cannot write {table} ({error.strerror}): check permissions and space") from error
        self._events.log_metrics({k: v for k, v in rows[-1].items() if k != "step"}, step=rows[-1]["step"])

    def _row(self, epoch: Mapping[str, Any]) -> dict[str, Any]:
        row = {"step": epoch["epoch"], "learning_rate": epoch["learning_rate"], "seconds": epoch["seconds"]}
        for what in ("train", "validation"):
            row |= {f"{what}/{seed}": loss for seed, loss in zip(self._seeds, epoch[what], strict=True)}
        return row

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        if self._events is not None:
            self._events.finalize("success" if error is None else "failed")
