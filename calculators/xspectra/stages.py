"""Running pw.x or xspectra.x in parts, so that what is killed goes on where its last part ended.

Both programs stop by themselves when the time they are given is over, and write what the next start goes on from: pw.x
between two k points, with the density, its history and the wavefunctions; xspectra.x after a k point, with the
coefficients of those that are done. The result is that of a run in one piece.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from whiteline.calculators.process import cause_of_end, run_command
from whiteline.calculators.xspectra.checkpoints import Checkpoint, DensityCheckpoint, LanczosCheckpoint
from whiteline.calculators.xspectra.logs import JOB_DONE, SCF_UNCONVERGED, XANES_DONE
from whiteline.causes import Cause

__all__ = ["CHECKPOINT", "Stage", "density_stage", "lanczos_stage", "run_stage"]

# s; the most that a kill costs, beside the time a program takes to read its files again.
CHECKPOINT: Final = 1800.0
# What is kept of the time limit for a program to get to where it stops, and the most of that [s].
_SHARE, _LONGEST_RESERVE = 0.25, 600.0
# At the end of the lines that are added to an input when it is run.
_ADDED: Final = "! added"
_NAMELIST = re.compile(r"^[ \t]*&\w+[^\n]*\n", re.MULTILINE)
# The box that every program of Quantum ESPRESSO draws about its last words.
_ERROR_BOX = re.compile(r"%{20,}\s*\n(.*?)\n\s*%{20,}", re.DOTALL)
_CAUSES = (
    (Cause.SCF, r"problems? computing cholesky|[cr]diaghg|S matrix not positive|too many bands are not converged"),
    (Cause.SETUP, r"No plane waves found|not enough slots|processors?/pools"),
    (Cause.INPUT, r"in routine\s+(read_namelists|iosys|card_\w+|input_xspectra|plot|pseudos|cut_occ)\b|smearing is"),
)


@dataclass(frozen=True)
class Stage:
    """One program on one input.

    Attributes:
        name: What it does.
        path: The input.
        command: Program and arguments.
        limit: Name of the time limit in its first namelist.
        mark: What it writes when its work is done.
        stopped: What it writes when its time was over before.
        checkpoint: What it goes on from.
        layout: How it is spread over processes, where what it leaves is of use to no other.
    """

    name: str
    path: Path
    command: tuple[str, ...]
    limit: str
    mark: str
    stopped: str
    checkpoint: Checkpoint
    layout: str = ""

    @property
    def log(self) -> Path:
        """What it prints, last part only."""
        return self.path.with_suffix(".out")

    @property
    def part(self) -> Path:
        """The input as it is run."""
        return self.path.with_suffix(".part.in")

    @property
    def is_of_input(self) -> bool:
        """Whether what it left is of this input."""
        lines = _read(self.part).splitlines(keepends=True)
        asked = "".join(line for line in lines if not line.rstrip().endswith(_ADDED))
        return self.part.is_file() and asked == self.path.read_text(encoding="utf-8")

    @property
    def can_go_on(self) -> bool:
        """Whether it left what it can go on from, spread over processes as it is now."""
        is_alike = not self.layout or f"! {self.layout} {_ADDED}\n" in _read(self.part)
        return is_alike and self.is_of_input and self.checkpoint.is_there()

    @property
    def is_done(self) -> bool:
        """Whether it did its work before."""
        text = _read(self.log)
        return self.is_of_input and self.mark in text and self.stopped not in text and self.checkpoint.has_result()

    def write_part(self, *, seconds: float, goes_on: bool) -> None:
        """Write the input of one part; what is no namelist is left as it is."""
        lines = [f"  {self.limit} = {max(1, int(seconds))} {_ADDED}\n"]
        lines += [f"  restart_mode = 'restart' {_ADDED}\n"] if goes_on else []
        lines += [f"  ! {self.layout} {_ADDED}\n"] if self.layout else []
        text = self.path.read_text(encoding="utf-8")
        self.part.write_text(_NAMELIST.sub(lambda m: m[0] + "".join(lines), text, count=1), encoding="utf-8")


def density_stage(directory: Path, command: list[str], *, layout: str) -> Stage:
    """Return the run of pw.x on the scf.in of a run directory."""
    return Stage(
        name="density (SCF)",
        path=directory / "scf.in",
        command=tuple(command),
        limit="max_seconds",
        mark=JOB_DONE,
        stopped="Maximum CPU time exceeded",
        checkpoint=DensityCheckpoint(directory),
        layout=layout,
    )


def lanczos_stage(directory: Path, path: Path, command: list[str]) -> Stage:
    """Return the run of xspectra.x on one xanes.in of a run directory."""
    return Stage(
        name=f"Lanczos {path.parent.relative_to(directory)}",
        path=path,
        command=tuple(command),
        limit="time_limit",
        mark=XANES_DONE,
        stopped="Calculation not finished",
        checkpoint=LanczosCheckpoint(path.parent),
    )


def run_stage(stage: Stage, *, timeout: float, environment: Mapping[str, str]) -> tuple[str, Cause | None]:
    """Run a program to its end, part by part, and return what went wrong and its cause; empty and None where nothing.

    Args:
        stage: The program and its input.
        timeout: Longest wall time of all parts together [s].
        environment: Variables set on top of the caller's.
    """
    ends_at = time.monotonic() + timeout
    reserve = min(_SHARE * timeout, _LONGEST_RESERVE)
    goes_on = is_inherited = stage.can_go_on and stage.checkpoint.take()
    longest = CHECKPOINT
    while (left := ends_at - time.monotonic()) > reserve:
        if not goes_on:
            stage.checkpoint.clear()
        stage.write_part(seconds=min(longest, left - reserve), goes_on=goes_on)
        end = run_command(
            [*stage.command, "-in", stage.part.name],
            directory=stage.path.parent,
            log=stage.log,
            timeout=left,
            environment=environment,
        )
        text = _read(stage.log)
        if stage.stopped in text:
            goes_on = stage.checkpoint.take()
            # Where it stopped before its first step, another part as long would stop there again.
            longest *= 1 if goes_on else 2
        elif stage.mark in text and (not end or SCF_UNCONVERGED in text):
            return "", None
        elif end.startswith("stopped after"):
            break
        elif is_inherited:
            # What a killed process left may be damaged.
            goes_on = False
        else:
            return _failure(stage, end, text)
        is_inherited = False
    return f"stopped after {timeout:g} s: raise WHITELINE_TIMEOUT; see {stage.log}", Cause.TIME_LIMIT


def _failure(stage: Stage, end: str, text: str) -> tuple[str, Cause | None]:
    box = _ERROR_BOX.search(text)
    words = f"{' '.join(box[1].split())} ({end or 'exit status 0'})" if box else end
    words = words or f"{stage.command[0]} ended with status 0, but did not write {stage.mark!r}"
    cause = next((cause for cause, saying in _CAUSES if re.search(saying, words, re.IGNORECASE)), None)
    return f"{words}; see {stage.log}", cause or cause_of_end(words, stage.log)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
