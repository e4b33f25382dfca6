"""From what a person says, and what the machine tells, to a deployment that fits together."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

from whiteline.database.mongo import connect_database, explained, mask
from whiteline.database.store import locate
from whiteline.errors import ParameterError, StoreError
from whiteline.settings import load_settings
from whiteline.workflows.campaign.managers.interface import clock_text
from whiteline.workflows.deployment.cluster import Partition, check_partition, has_slurm, read_partitions
from whiteline.workflows.deployment.deployment import (
    Deployment,
    ManagerKind,
    parse_manager,
    parse_modules,
    parse_walltime,
)

__all__ = ["Answers", "build_deployment", "known_partitions", "suggest", "verify"]

_CORES: Final = 8
_WALLTIME: Final = 12 * 3600.0  # s
# What each manager's jobs start with, from the virtual environment.
_PROGRAMS: Final = {ManagerKind.JOBFLOW_REMOTE: "jf", ManagerKind.FIREWORKS: "rlaunch", ManagerKind.NONE: "whiteline"}
_EXTRAS: Final = {ManagerKind.JOBFLOW_REMOTE: "[remote]", ManagerKind.FIREWORKS: "[remote]", ManagerKind.NONE: ""}
_OWN: Final = ("WHITELINE_DATABASE", "WHITELINE_RUN_DIRECTORY")


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What was said, as it was said; None for what was not. The fields are those of `Deployment`."""

    manager: str | None = None
    database: str | None = None
    partition: str | None = None
    account: str | None = None
    walltime: str | None = None
    cores: int | None = None
    memory: int | None = None
    modules: str | None = None
    gpu_partition: str | None = None
    venv: Path | None = None
    work_dir: Path | None = None
    project: str = "whiteline"

    def over(self, suggested: Answers) -> Answers:
        """Return these answers, with the suggested ones where there are none."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
        return replace(suggested, **given)


def known_partitions() -> dict[str, Partition]:
    """Return the partitions of the SLURM here; none where there is no SLURM.

    Raises:
        CalculationError: There is a SLURM, and it does not answer.
    """
    return read_partitions() if has_slurm() else {}


def suggest(folder: Path, answers: Answers, partitions: Mapping[str, Partition]) -> Answers:
    """Return an answer to every question: what was said, else what fits to this machine.

    Args:
        folder: Folder of the deployment.
        answers: What was said.
        partitions: Partitions of the SLURM here.

    Raises:
        ParameterError: A setting in the environment cannot be used.
    """
    database = answers.database or load_settings().database
    is_file = isinstance(locate(database), Path)
    chosen = partitions.get(answers.partition or "") or next((p for p in partitions.values() if p.is_default), None)
    limit = (chosen.walltime if chosen else None) or _WALLTIME
    return answers.over(
        Answers(
            manager=(ManagerKind.NONE if is_file else ManagerKind.JOBFLOW_REMOTE).value,
            database=database,
            partition=chosen.name if chosen else "",
            account="",
            walltime=clock_text(min(_WALLTIME, limit)),
            cores=min(_CORES, chosen.cores) if chosen and chosen.cores else _CORES,
            modules="",
            gpu_partition="",
            venv=Path(sys.prefix),
            work_dir=folder.absolute() / "work",
        )
    )


def build_deployment(folder: Path, answers: Answers) -> Deployment:
    """Return a deployment from answers to all questions.

    Raises:
        ParameterError: An answer cannot be used; the message says which and why.
    """
    database = answers.database or ""
    place = locate(database)
    return Deployment(
        folder=folder.expanduser().absolute(),
        manager=parse_manager(answers.manager or ""),
        database=str(place.absolute()) if isinstance(place, Path) else database,
        work_directory=(answers.work_dir or folder / "work").expanduser().absolute(),
        environment=(answers.venv or Path(sys.prefix)).expanduser().absolute(),
        partition=answers.partition or "",
        account=answers.account or "",
        walltime=parse_walltime(answers.walltime or clock_text(_WALLTIME)),
        cores=answers.cores or _CORES,
        memory=answers.memory,
        modules=parse_modules(answers.modules or ""),
        gpu_partition=answers.gpu_partition or "",
        project=answers.project,
        settings=_carried(),
    )


def verify(deployment: Deployment, partitions: Mapping[str, Partition]) -> Iterator[str]:
    """Yield what a person should know of a deployment, as far as it can be seen from here.

    Raises:
        ParameterError: SLURM has no such partition or the workers do not fit into it; the environment lacks a program.
        StoreError: The database cannot be used.
    """
    program = deployment.environment / "bin" / _PROGRAMS[deployment.manager]
    if not program.is_file():
        raise ParameterError(
            f"there is no {program}: give --venv the virtual environment in which "
            f"`pip install 'whiteline{_EXTRAS[deployment.manager]}'` was done"
        )
    yield from _verify_database(deployment)
    if not partitions:
        yield "no SLURM here: partitions and limits were not looked at; run `whiteline deploy check` where sbatch is"
        return
    for name in filter(None, (deployment.partition, deployment.gpu_partition)):
        check_partition(
            partitions.values(),
            name,
            walltime=deployment.walltime,
            cores=deployment.cores,
            memory=deployment.memory,
        )
    gpu = partitions.get(deployment.gpu_partition)
    if gpu is not None and not gpu.has_gpu:
        yield f"`sinfo` shows no GPU in partition {gpu.name!r}: training asks for one (gres gpu:1) and may be refused"


def _verify_database(deployment: Deployment) -> Iterator[str]:
    place = locate(deployment.database)
    if isinstance(place, Path):
        if not place.parent.is_dir():
            raise StoreError(f"there is no folder {place.parent} for the store: make it, on a disk that nodes see")
        yield f"the store {place} is a file: one node at a time may use it; take MongoDB for workers on several"
        return
    client, database = connect_database(place)
    with client, explained(mask(place)):
        database.command("ping")
        hosts = {host for host, _ in client.nodes}
    if hosts & {"localhost", "127.0.0.1", "::1"}:
        yield "the database is on localhost, which is another machine on every node: name its host"


def _carried() -> dict[str, str]:
    """Return the variables of this shell that workers need too: settings of Whiteline, and where SLURM is."""
    load_settings()  # refuses unknown names and bad values
    wanted = {
        name: value
        for name, value in os.environ.items()
        if (name.startswith("WHITELINE_") and not name.startswith("WHITELINE_TEST_") and name not in _OWN)
        or name == "SLURM_CONF"
    }
    for name, value in wanted.items():
        if "\n" in value:
            raise ParameterError(f"the variable {name} has several lines: give it a value of one line")
    return wanted
