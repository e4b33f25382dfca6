"""The record of a training in files that other programs read: `metrics.csv` and TensorBoard's event file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from whiteline.errors import MissingDependencyError

if TYPE_CHECKING:
    from lightning.fabric.loggers.logger import Logger

    from whiteline.models.training.loop import EpochReport

__all__ = ["EpochLog"]


class EpochLog(AbstractContextManager["EpochLog"]):
    """A folder with the losses of each epoch; no folder writes nothing."""

    def __init__(self, folder: Path | None, seeds: Sequence[int]) -> None:
        self._seeds = seeds
        self._loggers: list[Logger] = []
        if folder is None:
            return
        from lightning.fabric.loggers import CSVLogger, TensorBoardLogger

        folder.mkdir(parents=True, exist_ok=True)
        # Lightning's reader of earlier rows keeps those of a training that is resumed.
        self._loggers.append(CSVLogger(folder.parent, name=folder.name, version="", flush_logs_every_n_steps=1))
        try:
            self._loggers.append(TensorBoardLogger(folder.parent, name=folder.name, version=""))
        except ModuleNotFoundError as error:
            raise MissingDependencyError("logs need TensorBoard: `pip install 'whiteline[learn]'`") from error

    def write(self, report: EpochReport) -> None:
        """Add the losses of an epoch, one column a member."""
        row = {"learning_rate": report.learning_rate, "seconds": report.seconds}
        for what in ("train", "validation"):
            row |= {f"{what}/{seed}": loss for seed, loss in zip(self._seeds, getattr(report, what), strict=True)}
        for logger in self._loggers:
            logger.log_metrics(row, step=report.epoch)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for logger in self._loggers:
            logger.finalize("success" if error is None else "failed")
