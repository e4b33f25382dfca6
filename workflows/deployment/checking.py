"""Trying a deployment out, step by step, up to a real job that does on a node what workers do."""

from __future__ import annotations

import secrets
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Final

from whiteline.calculators.interface import Finding, Level
from whiteline.database import open_store
from whiteline.database.queue import open_queue
from whiteline.errors import MissingDependencyError, ParameterError, WhitelineError
from whiteline.settings import load_settings
from whiteline.workflows.deployment.cluster import (
    check_partition,
    header_of,
    read_partitions,
    refusal_of,
)
from whiteline.workflows.deployment.deployment import CPU_WORKER, GPU_WORKER, ManagerKind, parse_walltime
from whiteline.workflows.deployment.environment import ENVIRONMENT_FILE, applied, read_environment
from whiteline.workflows.deployment.judging import judge, judge_clock
from whiteline.workflows.deployment.marks import has_mark, put_mark, remove_marks
from whiteline.workflows.deployment.trials.interface import Patience, Trial, TrialError, remedy_for

__all__ = ["check_deployment", "find_manager"]

_SHOWN: Final = ("partition", "account", "ntasks", "cpus-per-task", "mem", "gres", "time")

_TRIALS: Final = {
    ManagerKind.JOBFLOW_REMOTE: ("jobflow_remote", "JobflowRemoteTrial"),
    ManagerKind.FIREWORKS: ("fireworks", "FireWorksTrial"),
    ManagerKind.NONE: ("slurm", "SlurmTrial"),
}


def find_manager(folder: Path) -> ManagerKind:
    """Return the manager that a deployment is configured for."""
    for kind, file in (
        (ManagerKind.JOBFLOW_REMOTE, "jobflow-remote/project.yaml"),
        (ManagerKind.FIREWORKS, "fireworks/my_launchpad.yaml"),
    ):
        if (folder / file).is_file():
            return kind
    return ManagerKind.NONE


def check_deployment(
    folder: Path,
    *,
    manager: ManagerKind | None = None,
    worker: str = CPU_WORKER,
    timeout: float = 600.0,
    has_job: bool = True,
    on_state: Callable[[str], None] = lambda _: None,
) -> Iterator[Finding]:
    """Yield what is found, step by step; a step in which something does not work is the last.

    Args:
        folder: What `whiteline deploy init` wrote.
        manager: The manager to try; the one that is configured when None.
        worker: Its worker, `cpu` or `gpu`.
        timeout: How long to wait for the test job [s].
        has_job: Whether to run the test job.
        on_state: Told the state of the test job.
    """
    check = _Check(folder.absolute(), manager, worker, Patience(seconds=timeout, on_state=on_state))
    steps = [("files", check.files), ("store", check.store), ("manager", check.manage), ("SLURM", check.scheduler)]
    if has_job:
        steps.append(("test job", check.job))
    variables: dict[str, str] = {}
    is_fine = True
    for subject, step in steps:
        try:
            with applied(variables):
                for finding in step():
                    is_fine &= finding.level is not Level.ERROR
                    yield finding
        except WhitelineError as error:  # its message says what to do, unless it is that of a job on a node
            yield Finding(subject, Level.ERROR, str(error), error.remedy if isinstance(error, TrialError) else "")
            is_fine = False
        if not is_fine:
            return
        variables = check.variables


@dataclass
class _Check:
    """The steps of a check; each uses what those before it found.

    Attributes:
        folder: Folder of the deployment.
        chosen: Manager to try; None for the one that is configured.
        worker: Its worker.
        patience: For the test job.
        variables: Environment of the deployment, once it is read.
    """

    folder: Path
    chosen: ManagerKind | None
    worker: str
    patience: Patience
    variables: dict[str, str] = field(default_factory=dict)

    def files(self) -> Iterator[Finding]:
        """Read the variables, and look who else could."""
        self.variables = read_environment(self.folder)
        path = self.folder / ENVIRONMENT_FILE
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            remedy = f"chmod 600 {path}"
            yield Finding("files", Level.WARNING, f"others can read {path}, which may hold a password", remedy)
        else:
            yield Finding("files", Level.OK, str(self.folder))

    def store(self) -> Iterator[Finding]:
        """Open the store, write into its database and read it back, and compare clocks."""
        settings = load_settings()
        token = secrets.token_hex(8)
        with open_store(settings.database) as store:
            put_mark(settings.database, token, "here")
            is_found = has_mark(settings.database, token, "here")
            remove_marks(settings.database, token)
            if not is_found:  # a secondary that lags, for example
                yield Finding("store", Level.ERROR, f"{store.address} does not give back what was written")
                return
            yield Finding("store", Level.OK, f"{store.address}, written and read back")
        with open_queue(settings.database) as queue:
            before = time.time()
            now = queue.now()
            yield judge_clock("clock here", (before + time.time()) / 2 - now)

    def manage(self) -> Iterator[Finding]:
        """Look at the manager: package, files, database."""
        yield from self._trial.prepare()

    def scheduler(self) -> Iterator[Finding]:
        """Ask SLURM whether it would take a worker."""
        script = self._trial.script()
        if script is None:
            yield Finding("SLURM", Level.OK, "not asked: this worker is not submitted with sbatch from here")
            return
        partitions = read_partitions()
        yield Finding("SLURM", Level.OK, f"partitions {', '.join(partitions)}")
        asked = header_of(script)
        shown = ", ".join(f"{name} {asked[name]}" for name in _SHOWN if name in asked)
        try:
            # Some clusters take a job that fits nowhere, and let it wait for ever.
            check_partition(
                partitions.values(),
                asked.get("partition", ""),
                walltime=parse_walltime(asked["time"]) if "time" in asked else None,
                cores=int(asked.get("ntasks", "1")) * int(asked.get("cpus-per-task", "1")),
                memory=int(asked["mem"]) if asked.get("mem", "").isdigit() else None,
            )
        except ParameterError as error:
            yield Finding("resources", Level.ERROR, str(error))
        if refusal := refusal_of(script):
            yield Finding("resources", Level.ERROR, f"SLURM refuses {shown}: {refusal}", remedy_for(refusal))
        else:
            yield Finding("resources", Level.OK, shown)

    def job(self) -> Iterator[Finding]:
        """Run a job through the manager, and tell what its node found."""
        settings = load_settings()
        token = secrets.token_hex(8)
        put_mark(settings.database, token, "here")
        try:
            begin = time.monotonic()
            found = self._trial.run(token, patience=self.patience)
            took = time.monotonic() - begin
            is_marked = has_mark(settings.database, token, "node")
        finally:
            remove_marks(settings.database, token)
        yield Finding("test job", Level.OK, f"through {self._trial.name} and back in {took:.0f} s")
        script = self._trial.script()
        asked = header_of(script) if script else {}
        cores = int(asked["ntasks"]) * int(asked.get("cpus-per-task", "1")) if "ntasks" in asked else None
        yield from judge(found, cores=cores, wants_gpu=self.worker == GPU_WORKER, has_mark=is_marked)

    @cached_property
    def _trial(self) -> Trial:
        module, name = _TRIALS[self.chosen or find_manager(self.folder)]
        try:
            trial = getattr(import_module(f"{__package__}.trials.{module}"), name)
        except ImportError as error:
            raise MissingDependencyError(
                f"no {error.name} here: pip install 'whiteline[remote]' in this environment"
            ) from error
        if name == "JobflowRemoteTrial":
            made: Trial = trial(self.folder, self.worker)
        else:
            made = trial(self.folder, self.worker, load_settings().run_directory.parent)
        return made
