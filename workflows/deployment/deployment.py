"""What is known of a machine on which campaigns shall run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from whiteline.database.store import locate
from whiteline.errors import ParameterError, did_you_mean

__all__ = ["CPU_WORKER", "GPU_WORKER", "Deployment", "ManagerKind", "parse_manager", "parse_modules", "parse_walltime"]

CPU_WORKER: Final = "cpu"
GPU_WORKER: Final = "gpu"

# What may stand in a script or a header of SLURM as it is: no blanks, no quotes, nothing that a shell expands.
_WORD: Final = re.compile(r"[A-Za-z0-9_.,:+@%=-]+")
_PATH: Final = re.compile(r"/[A-Za-z0-9_.,:+@%=/-]*")
# What SLURM calls a time: minutes, minutes:seconds, hours:minutes:seconds, days-hours and so on.
_CLOCK: Final = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d\d))?(?::(\d\d))?")
_UNIT: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(min|h|d)\w*", re.IGNORECASE)


class ManagerKind(StrEnum):
    """Who hands the workers of a campaign to the scheduler; `NONE` leaves it to `sbatch` and a person."""

    JOBFLOW_REMOTE = "jobflow-remote"
    FIREWORKS = "fireworks"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What the answers to `whiteline deploy init` say.

    Attributes:
        folder: Where configurations go; nodes must see it.
        manager: Who hands workers to the scheduler.
        database: Address of the store, with its password.
        work_directory: Folder below which jobs run; nodes must see it.
        environment: Virtual environment with Whiteline; nodes must see it.
        partition: Partition of SLURM; empty takes the cluster's default, as `account` does.
        walltime: How long a worker may take [s].
        cores: Cores of a worker.
        memory: Memory of a worker [MB]; None takes the cluster's default.
        modules: Modules that are loaded first.
        gpu_partition: Partition with GPUs for training; empty without one.
        project: Name of the project of jobflow-remote.
        settings: More `WHITELINE_` variables of workers, such as commands of codes.

    Raises:
        ParameterError: An answer cannot be used; the message says which and why.
    """

    folder: Path
    manager: ManagerKind
    database: str
    work_directory: Path
    environment: Path
    partition: str = ""
    account: str = ""
    walltime: float = 12 * 3600.0
    cores: int = 8
    memory: int | None = None
    modules: tuple[str, ...] = ()
    gpu_partition: str = ""
    project: str = "whiteline"
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, path in (("folder", self.folder), ("work-dir", self.work_directory), ("venv", self.environment)):
            if not _PATH.fullmatch(str(path)):
                raise ParameterError(
                    f"{name} expects an absolute path without blanks and special characters, since it is written "
                    f"into scripts of a shell, got {str(path)!r}"
                )
        words = {"partition": self.partition, "account": self.account, "gpu-partition": self.gpu_partition}
        for name, word in {**words, "project": self.project}.items():
            if word and not _WORD.fullmatch(word):
                raise ParameterError(f"{name} expects one word of letters, digits and -_.,:+@%=, got {word!r}")
        if not self.project:
            raise ParameterError("project expects the name of a project of jobflow-remote, got nothing")
        if self.cores < 1:
            raise ParameterError(f"cores expects a whole number from 1, got {self.cores}")
        if self.memory is not None and self.memory < 1:
            raise ParameterError(f"memory expects MB from 1, got {self.memory}")
        if not self.is_mongo and self.manager is not ManagerKind.NONE:
            raise ParameterError(
                f"{self.manager} keeps its jobs in MongoDB, and so must the store be there: give "
                "--database mongodb://USER:PASSWORD@HOST/DATABASE, or --manager none for a store that is a file"
            )

    @property
    def is_mongo(self) -> bool:
        """Whether the store is in MongoDB; otherwise it is a file, which one node at a time may use."""
        return isinstance(locate(self.database), str)


def parse_walltime(text: str) -> float:
    """Return seconds from a time as SLURM or people write it.

    >>> parse_walltime("90"), parse_walltime("12:00:00"), parse_walltime("1-12"), parse_walltime("2 h")
    (5400.0, 43200.0, 129600.0, 7200.0)

    Raises:
        ParameterError: It is no time from one minute to a year.
    """
    given = text.strip()
    if match := _UNIT.fullmatch(given):
        seconds = float(match[1]) * {"min": 60.0, "h": 3600.0, "d": 86400.0}[match[2].lower()]
    elif match := _CLOCK.fullmatch(given):
        days, first, second, third = (int(part) if part else 0 for part in match.groups())
        if match[1]:  # days-hours:minutes:seconds, cut at the right
            seconds = 86400.0 * days + 3600.0 * first + 60.0 * second + third
        elif match[4]:
            seconds = 3600.0 * first + 60.0 * second + third
        else:
            seconds = 60.0 * first + second
    else:
        seconds = 0.0
    if not 60.0 <= seconds <= 366 * 86400.0:
        raise ParameterError(
            f"walltime expects a time from one minute, such as 12:00:00, 1-12:00:00, 90 (minutes) or 12h, got {text!r}"
        )
    return seconds


def parse_modules(text: str) -> tuple[str, ...]:
    """Return the names of modules.

    >>> parse_modules("qe/7.2, python/3.11")
    ('qe/7.2', 'python/3.11')

    Raises:
        ParameterError: One is no name of a module.
    """
    names = tuple(filter(None, (part.strip() for part in text.split(","))))
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_.+/@:=-]+", name):
            raise ParameterError(f"modules expects names such as qe/7.2,python/3.11, got {name!r}")
    return names


def parse_manager(text: str) -> ManagerKind:
    """Return the manager of this name.

    Raises:
        ParameterError: There is none.
    """
    try:
        return ManagerKind(text.strip())
    except ValueError as error:
        raise ParameterError(
            f"unknown manager {text!r}: {did_you_mean(text, [kind.value for kind in ManagerKind])}"
        ) from error
