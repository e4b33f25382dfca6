"""What the programs of Quantum ESPRESSO say of themselves."""

from __future__ import annotations

import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Final

from whiteline.calculators.parallel import MPI_ENVIRONMENT
from whiteline.calculators.process import run_command

__all__ = ["REMEDY", "first_words", "is_parallel"]

REMEDY: Final = "install Quantum ESPRESSO (Debian: `apt install quantum-espresso`)"
# s; an executable that has not said its version by then is not asked any longer.
_PATIENCE: Final = 20.0


def first_words(program: str) -> str:
    """Return what a program says when it is started without input: its version, and that it stops."""
    path = Path(shutil.which(program) or program)
    return _first_words(path, path.stat().st_mtime_ns)


def is_parallel(program: str) -> bool:
    """Return whether a program was built with MPI; several starts of one that was not would write the same files."""
    return "Parallel version (MPI" in first_words(program)


@lru_cache(maxsize=8)
def _first_words(program: Path, changed: int) -> str:  # noqa: ARG001  # the time of change tells one build from another
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "version.out"
        run_command(
            [str(program), "-in", "none"],
            directory=Path(folder),
            log=log,
            timeout=_PATIENCE,
            environment=MPI_ENVIRONMENT,
        )
        return log.read_text(encoding="utf-8", errors="replace")
