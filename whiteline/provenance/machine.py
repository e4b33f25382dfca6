"""What a record says of where something ran: versions, checksums of programs, the commit, the batch job."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = [
    "cached_checksum",
    "content_checksum",
    "executable_checksums",
    "file_checksum",
    "library_versions",
    "scheduler_job",
    "source_commit",
    "utc_now",
]

_LIBRARIES = ("whiteline", "feff10-rs", "pymatgen", "spglib", "jobflow", "numpy", "scipy")
_SCHEDULER_VARIABLES = (
    "SLURM_CLUSTER_NAME",
    "SLURM_JOB_ID",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_JOB_NODELIST",
    "SLURM_RESTART_COUNT",
)
_GIT_TIMEOUT = 5.0  # s


def utc_now() -> str:
    """Return the present time as ISO 8601 text in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def content_checksum(content: bytes) -> str:
    """Return the checksum of a file's content as records, site files and parameters name it.

    >>> content_checksum(b"")[:19]
    'sha256:e3b0c44298fc'
    """
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def file_checksum(path: Path) -> str:
    """Return `content_checksum` of a file, read in pieces.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def executable_checksums(paths: Iterable[Path]) -> dict[str, str]:
    """Return the checksum of each program by its name; those that cannot be read are left out.

    A program is read once a process: only where its size or time of change differs is it read again.
    """
    found = {}
    for path in paths:
        try:
            found[path.name] = cached_checksum(path)
        except OSError:
            continue
    return found


def cached_checksum(path: Path) -> str:
    """Return `file_checksum` of a file that many jobs use, read again only where its size or time of change differs.

    Raises:
        OSError: It cannot be read.
    """
    place = path.resolve(strict=True)
    state = place.stat()
    return _checksum_of(place, state.st_size, state.st_mtime_ns)


@cache
def _checksum_of(path: Path, size: int, modified: int) -> str:  # noqa: ARG001  # a changed file is another key
    return file_checksum(path)


def library_versions(*extra: str) -> dict[str, str]:
    """Return the installed versions of the libraries that shape a result.

    >>> "numpy" in library_versions()
    True
    """
    found = ((name, _version(name)) for name in (*_LIBRARIES, *extra))
    return {name: text for name, text in found if text}


@cache  # metadata are parsed anew each time: ten milliseconds a record
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


@cache
def source_commit() -> str:
    """Return the git commit that Whiteline runs from, with `+changes` where files differ; empty outside a checkout."""
    home = Path(__file__).resolve().parents[2]
    if not (home / ".git").exists():
        return ""
    commit = _git(home, "rev-parse", "HEAD")
    if not commit:
        return ""
    return f"{commit}+changes" if _git(home, "status", "--porcelain", "--untracked-files=no") else commit


def _git(home: Path, *words: str) -> str:
    command = ["git", "-C", str(home), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""  # no git, or not our checkout: then nobody knows
    return done.stdout.strip()


def scheduler_job() -> dict[str, str]:
    """Return what a batch system says of the job that this runs in, by its own names; empty outside of one."""
    return {name: os.environ[name] for name in _SCHEDULER_VARIABLES if os.environ.get(name)}
