"""What the findings of a test job mean."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import whiteline
from whiteline.calculators.interface import Finding, Level
from whiteline.workflows.deployment.probe import Probe
from whiteline.workflows.deployment.trials.interface import remedy_for

__all__ = ["MOST_CLOCK_SKEW", "judge", "judge_clock"]

MOST_CLOCK_SKEW: Final = 5.0  # s; SLURM's own authentication gives up at 300
_LEAST_FREE: Final = 100 * 10**6  # bytes; one run of FEFF takes about 20 MB
_GOOD_FREE: Final = 2 * 10**9


def judge(found: Probe, *, cores: int | None = None, wants_gpu: bool = False, has_mark: bool) -> Iterator[Finding]:
    """Yield what the findings of a node mean.

    Args:
        found: What the test job found.
        cores: Cores that it was asked to have.
        wants_gpu: Whether it should have a GPU.
        has_mark: Whether the mark that it left in its database came to the database here.
    """
    where = f"{found.host}, {found.job or 'no job of a scheduler'}, {found.cores} cores"
    if cores is not None and found.cores < cores:
        yield Finding("node", Level.WARNING, f"{where}, {cores} were asked for", "one task a core: ntasks, one node")
    else:
        yield Finding("node", Level.OK, where)
    yield from _software(found)
    yield from _database(found, has_mark=has_mark)
    if found.clock_offset is not None:
        yield judge_clock(f"clock of {found.host}", found.clock_offset)
    yield from _scratch(found)
    if found.feff == "ok":
        yield Finding("FEFF on the node", Level.OK, "computed copper")
    else:
        remedy = "pip install --upgrade feff10-rs there, or correct WHITELINE_FEFF_COMMAND in whiteline.env"
        yield Finding("FEFF on the node", Level.ERROR, found.feff, remedy)
    if wants_gpu:
        is_there = bool(found.gpu) and not found.gpu.startswith("error")
        remedy = "" if is_there else "ask for the GPU in the resources (gres: gpu:1); install torch with CUDA there"
        yield Finding("GPU", Level.OK if is_there else Level.ERROR, found.gpu or "none", remedy)


def judge_clock(subject: str, offset: float) -> Finding:
    """Return what it means that a clock is so far ahead of the database's [s]."""
    text = f"{abs(offset):.1f} s {'ahead of' if offset > 0 else 'behind'} the database's"
    if abs(offset) <= MOST_CLOCK_SKEW:
        return Finding(subject, Level.OK, text)
    remedy = (
        "let it follow a time server (chrony); leases go by the database's clock and stay right, but times in records "
        "do not, and SLURM refuses machines that are minutes apart"
    )
    return Finding(subject, Level.WARNING, text, remedy)


def _software(found: Probe) -> Iterator[Finding]:
    text = f"Whiteline {found.whiteline}, Python {found.python_version} ({found.python})"
    if found.whiteline != whiteline.__version__:
        remedy = (
            f"install the same on both sides: here it is {whiteline.__version__}; another version may know a "
            "calculation by another id"
        )
        yield Finding("software", Level.ERROR, text, remedy)
    elif found.python_version.rpartition(".")[0] != platform.python_version().rpartition(".")[0]:
        yield Finding("software", Level.WARNING, text, f"here it is Python {platform.python_version()}; take one")
    elif found.environment and Path(found.environment).resolve() != Path(found.prefix).resolve():
        # A scheduler hands the PATH of the submitting shell on, and what is in it is found there.
        remedy = f"the environment that activate.sh activates, {found.environment}, lacks it: install Whiteline there"
        yield Finding("software", Level.ERROR, text, remedy)
    else:
        yield Finding("software", Level.OK, text)


def _database(found: Probe, *, has_mark: bool) -> Iterator[Finding]:
    name = "store on the node"
    if found.store != "ok":
        yield Finding(name, Level.ERROR, found.store, remedy_for(found.store))
    elif found.is_same_database and has_mark:
        yield Finding(name, Level.OK, f"{found.database}, the same as here, written and read back")
    else:
        remedy = (
            "activate.sh must set the same WHITELINE_DATABASE there, with a name of the host that means one machine "
            "everywhere (not localhost); a file must be on a disk that both see"
        )
        yield Finding(name, Level.ERROR, f"{found.database} is another store than the one here", remedy)


def _scratch(found: Probe) -> Iterator[Finding]:
    if found.scratch != "ok" or found.free is None:
        remedy = remedy_for(found.scratch)
        yield Finding("scratch", Level.ERROR, f"{found.run_directory}: {found.scratch}", remedy)
        return
    text = f"{found.run_directory}, {found.free / 1e9:.1f} GB free"
    remedy = "make room, or set WHITELINE_RUN_DIRECTORY in whiteline.env to a larger disk"
    if found.free < _LEAST_FREE:
        yield Finding("scratch", Level.ERROR, text, remedy)
    elif found.free < _GOOD_FREE:
        yield Finding("scratch", Level.WARNING, text, remedy)
    else:
        yield Finding("scratch", Level.OK, text)
