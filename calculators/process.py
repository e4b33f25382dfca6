"""Running a code as a child process that never outlives its caller."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from whiteline.causes import Cause
from whiteline.errors import MissingDependencyError, ParameterError

__all__ = [
    "GuardedProcess",
    "cause_of_end",
    "describe_end",
    "find_executable",
    "last_words",
    "program_files",
    "run_command",
]

_GUARD = Path(__file__).with_name("guard.py")
_SECRETS = ("KEY", "TOKEN", "SECRET", "PASSW", "PASSPHRASE", "CREDENTIAL")
_TRACEBACK = re.compile(r"\b[0-9A-F]{16}\b|^Image\s+PC\s+Routine")
_PASSWORD_IN_ADDRESS = re.compile(r"://[^/\s]*:[^/\s]*@")

# Bytes at the end of a log in which a cause is looked for.
_ENDING = 20_000
# How the kernel, runtimes, SLURM and the codes themselves say it; the first that is found counts. Nobody kills a code
# with signal 9 but the kernel that needs its memory: the time limit is told apart before.
_SAYINGS = (
    (Cause.TIME_LIMIT, r"^(?:[^\[]*: )?stopped after [\d.e+]+ s|DUE TO TIME LIMIT|killed by signal 24\b"),
    (Cause.DISK_FULL, r"No space left on device|Disk quota exceeded|File too large|killed by signal 25\b"),
    (
        Cause.MEMORY,
        r"killed by signal 9\b|out of memory|oom.?kill|cannot allocate|insufficient virtual memory|std::bad_alloc"
        r"|memory allocation (?:failed|error)|error allocating|allocation would exceed memory limit",
    ),
    # Hang-up, interrupt and termination come from outside: a person, a preemption, the end of the allocation.
    (Cause.WORKER_LOST, r"killed by signal (?:1|2|15)\b|CANCELLED AT|NODE FAIL|PREEMPTION"),
    (Cause.SETUP, r"exit status 12[67]\b|error while loading shared libraries|cannot start"),
)


class GuardedProcess:
    """A command in a process group of its own; leaving the block takes all of the group down.

    Ctrl-C, errors and the time limit end it through this class, `kill -9` of the caller through the guard.

    Args:
        command: Program and arguments; no shell is involved.
        directory: Working directory.
        log: File that takes standard output and standard error.
        timeout: Longest wall time [s].
        environment: Variables set on top of the caller's; the caller's keys and passwords are left out.
        pass_fds: File descriptors that the command inherits.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        log: Path,
        timeout: float,
        environment: Mapping[str, str],
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.timeout = timeout
        self.is_timed_out = False
        with log.open("wb") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_GUARD), *command],
                cwd=directory,
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=subprocess.STDOUT,
                pass_fds=tuple(pass_fds),
                start_new_session=True,
                env={**_without_secrets(os.environ), **environment},
            )
        self._timer = threading.Timer(timeout, self._expire)
        self._timer.daemon = True

    def wait(self) -> int:
        """Return the exit status; above 128 the command died of signal `status - 128`, 127 it never started."""
        return self._process.wait()

    def __enter__(self) -> GuardedProcess:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def _expire(self) -> None:
        self.is_timed_out = True
        self._kill()

    def _kill(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if not any(s in name.upper() for s in _SECRETS) and not _PASSWORD_IN_ADDRESS.search(value)
    }


def last_words(log: Path, *, n_lines: int = 4) -> str:
    """Return the last lines of a log in one line: where a code says what it stumbled over.

    The addresses that the Intel Fortran runtime lists after its own message are left out.
    """
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    words = [" ".join(line.split()) for line in lines if line.strip() and not _TRACEBACK.search(line)]
    return " | ".join(words[-n_lines:])


def find_executable(command: str, *, variable: str, remedy: str) -> list[str]:
    """Return the words of a command whose program is there and executable.

    A program that is given by a path keeps it whole: commands run in folders of their own.

    Args:
        command: Program with arguments, e.g. `mpirun -np 4 pw.x`.
        variable: The environment variable that sets it.
        remedy: How to get the program.

    Raises:
        ParameterError: The command cannot be split into words.
        MissingDependencyError: The program does not exist or is not executable.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ParameterError(f"{variable} {command!r} is not a command: {error}") from error
    if not words or shutil.which(words[0]) is None:
        raise MissingDependencyError(
            f"the executable {command!r} is not there or not executable: correct {variable}, or {remedy}"
        )
    if os.sep in words[0]:
        words[0] = str(Path(words[0]).absolute())
    return words


def program_files(*commands: str) -> tuple[Path, ...]:
    """Return the files of the programs that commands start, launchers among them; what is not there is left out.

    Args:
        commands: Programs with arguments, e.g. `mpirun -np 4 pw.x`.
    """
    found: dict[Path, None] = {}
    for command in commands:
        try:
            words = shlex.split(command)
        except ValueError:
            continue  # `find_executable` says so when it is started
        # A launcher or a container may take any number of options before the name of the program.
        found |= {Path(path): None for word in words if (path := shutil.which(word)) is not None}
    return tuple(found)


def run_command(
    command: Sequence[str],
    *,
    directory: Path,
    log: Path,
    timeout: float,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a command to its end and return what went wrong; empty when it ended with status 0.

    What went wrong is in the command's own last words. A status of 0 is no proof that a code did its work.
    """
    with GuardedProcess(
        command, directory=directory, log=log, timeout=timeout, environment=environment or {}
    ) as process:
        code = process.wait()
    return describe_end(process, code, log)


def describe_end(process: GuardedProcess, code: int, log: Path) -> str:
    """Return why a process ended, with its last words; empty when it ended with status 0."""
    if process.is_timed_out:
        return f"stopped after {process.timeout:g} s: raise WHITELINE_TIMEOUT"
    if code == 0:
        return ""
    # The guard tells of a signal as a shell does, and may be killed itself; other programs' own 255 is no signal.
    number = -code if code < 0 else code - 128
    is_signal = number in {known.value for known in signal.Signals}
    how = f"killed by signal {number}" if is_signal else f"exit status {code}"
    return f"{how} [{last_words(log)}]"


def cause_of_end(words: str, *logs: Path) -> Cause | None:
    """Return what ended a process, by what `describe_end` says of it and, where that says little, by its logs.

    >>> cause_of_end("scf: killed by signal 9 []"), cause_of_end("exit status 2 [Stop]"), cause_of_end("")
    (<Cause.MEMORY: 'memory'>, <Cause.CRASH: 'crash'>, None)

    Args:
        words: What went wrong; empty when nothing did.
        logs: Texts whose ends are searched after that.
    """
    if not words:
        return None
    for text in (words, *(_ending(log) for log in logs)):
        for cause, saying in _SAYINGS:
            if re.search(saying, text, re.IGNORECASE | re.MULTILINE):
                return cause
    return Cause.CRASH


def _ending(log: Path) -> str:
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _ENDING))
        return file.read().decode("utf-8", errors="replace")
