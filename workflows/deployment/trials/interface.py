"""What is tried out with every manager of jobs, and what goes wrong in words."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from whiteline.calculators.interface import Finding
from whiteline.errors import WhitelineError
from whiteline.workflows.deployment.probe import Probe

__all__ = ["Patience", "Trial", "TrialError", "last_lines", "remedy_for"]

# What jobs say on nodes that lack something, and what to do about it.
_REMEDIES: Final = (
    (
        r"No module named '?whiteline|whiteline: command not found",
        "the environment that activate.sh activates lacks Whiteline on the node: install it there, or correct the "
        "line with bin/activate",
    ),
    (
        r"No module named '?(jobflow_remote|jobflow)|\bjf: (command )?not found",
        "the environment that activate.sh activates lacks jobflow-remote on the node: pip install 'whiteline[remote]'",
    ),
    (
        r"No module named '?fireworks|rlaunch: (command )?not found",
        "the environment that activate.sh activates lacks FireWorks on the node: pip install 'whiteline[remote]'",
    ),
    (
        r"bin/activate: No such file",
        "nodes do not see the virtual environment: make it on a disk that they see, and run `whiteline deploy init` "
        "with --venv again",
    ),
    (
        r"(activate\.sh|whiteline\.env): (No such file|Permission denied)",
        "nodes do not see the folder of the deployment: move it to a disk that they see",
    ),
    (r"module: command not found", "batch shells here know no modules: source their set-up first in activate.sh"),
    (
        r"(Unable to locate a modulefile|module\(s\) are unknown|Lmod has detected)",
        "correct the names of modules in activate.sh; `module avail` lists them",
    ),
    (r"[Ii]nvalid partition", "correct the partition; `sinfo` lists them"),
    (r"[Ii]nvalid account|account/partition combination", "correct the account; `sacctmgr show assoc user=$USER`"),
    (r"[Rr]equested time limit|[Tt]ime limit is invalid", "ask for less walltime; `sinfo -o '%P %l'` lists the limits"),
    (
        r"[Rr]equested node configuration|[Mm]emory specification|[Mm]ore processors",
        "ask for fewer cores or less memory a worker",
    ),
    (r"Authentication failed|not authori[sz]ed", "correct user and password, or what the user may do, in MongoDB"),
    (
        r"ServerSelectionTimeout|Connection refused|Name or service not known|cannot be used",
        "nodes do not reach the database: its name must be one that they know (not localhost), and its port open to "
        "them",
    ),
    (r"No space left|[Dd]isk quota", "make room where jobs run"),
    (r"DUE TO TIME LIMIT|TIMEOUT", "the job was cut off: ask for more walltime"),
    (r"[Oo]ut [Oo]f [Mm]emory|oom-kill|OUT_OF_MEMORY", "ask for more memory a worker"),
)


class TrialError(WhitelineError, RuntimeError):
    """The test job did not come back with an answer; `remedy` says what may help.

    Args:
        message: What was seen.
        remedy: What to do; looked up in what was seen when empty.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy or remedy_for(message)


class Trial(Protocol):
    """How the manager of a deployment is tried out."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...

    def prepare(self) -> Iterator[Finding]:
        """Look at packages, files and database of the manager, and make its tables where it has none yet."""
        ...

    def script(self) -> str | None:
        """Return what would be handed to `sbatch`; None where that is not done from here."""
        ...

    def run(self, token: str, *, patience: Patience) -> Probe:
        """Run the test job and return what it found; whatever happens, nothing of it waits or runs afterwards.

        Raises:
            TrialError: It failed, or was not done in time.
            StoreError: A database does not answer.
            CalculationError: SLURM does not answer.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait for a job, and whom to tell its state meanwhile.

    Attributes:
        seconds: Longest time from submission to answer [s].
        on_state: Called with every new state.
    """

    seconds: float
    on_state: Callable[[str], None] = lambda _: None

    def looks(self, step: float = 1.0) -> Iterator[float]:
        """Yield the seconds that are gone, every `step` seconds until the time is over."""
        begin = time.monotonic()
        while (gone := time.monotonic() - begin) < self.seconds:
            yield gone
            time.sleep(step)


def remedy_for(text: str) -> str:
    """Return what to do about what a job said on a node.

    >>> remedy_for("sbatch: error: invalid partition specified: gpuu")
    'correct the partition; `sinfo` lists them'
    """
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, text):
            return remedy
    return "read the whole of it in the log of the job, and the table of failures in deploy/OPERATORS.md"


def last_lines(*paths: Path, n_lines: int = 5) -> str:
    """Return the last lines of logs, those that are there."""
    found = []
    for path in paths:
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            found += [line.strip() for line in text.splitlines() if line.strip()][-n_lines:]
    return " | ".join(dict.fromkeys(found))
