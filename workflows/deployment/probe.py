"""What a machine finds when it does the work of a campaign: run in a job, read where the job was submitted."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

import whiteline
from whiteline.database import open_store
from whiteline.database.mongo import mask
from whiteline.database.queue import open_queue
from whiteline.database.store import locate
from whiteline.errors import WhitelineError
from whiteline.settings import Settings, load_settings
from whiteline.workflows.campaign.scheduler import read_allocation
from whiteline.workflows.deployment.marks import has_mark, put_mark

__all__ = ["Probe", "probe"]

# The cheapest real FEFF calculation: about two seconds.
_QUICK: Final[Mapping[str, Any]] = {
    "scf_radius": None,
    "fms_radius": 2.7,
    "l_max": 1,
    "core_hole": "none",
    "energy_grid": [],
    "k_step": 0.2,
    "k_max": 3.0,
}


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What was found. Texts that begin with `error` tell what does not work.

    Attributes:
        host: Name of the machine.
        job: What the scheduler calls the job; empty outside of one.
        cores: Cores of the job.
        python: Interpreter, and `python_version` its version.
        environment: Virtual environment that the shell had activated; empty without one.
        prefix: The one that the interpreter belongs to.
        whiteline: Version of Whiteline, and `package` the folder that it is in.
        database: Address of the store, without credentials.
        store: `ok`, or why the store cannot be used.
        is_same_database: Whether the mark of the machine that submitted is in it.
        clock_offset: How far the clock is ahead of the database's [s]; None where that cannot be asked.
        run_directory: Where calculations run.
        free: Free space there [bytes]; None where nothing can be written.
        scratch: `ok`, or why calculations cannot run there.
        feff: `ok`, or why FEFF does not run.
        gpu: Name of the GPU that the job can use; empty without one.
    """

    host: str = ""
    job: str = ""
    cores: int = 0
    python: str = ""
    python_version: str = ""
    environment: str = ""
    prefix: str = ""
    whiteline: str = ""
    package: str = ""
    database: str = ""
    store: str = ""
    is_same_database: bool = False
    clock_offset: float | None = None
    run_directory: str = ""
    free: int | None = None
    scratch: str = ""
    feff: str = ""
    gpu: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the findings, JSON-ready."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return what `to_dict` of this or another version of Whiteline wrote."""
        return cls(**{field.name: data[field.name] for field in fields(cls) if field.name in data})


def probe(token: str, *, wants_gpu: bool = False, settings: Settings | None = None) -> Probe:
    """Return what this machine finds; what does not work is part of it and raises nothing.

    Args:
        token: Token of the marks in the database (`marks`).
        wants_gpu: Whether to look for a GPU, which takes seconds.
        settings: Those of this machine when None.
    """
    settings = settings or load_settings()
    allocation = read_allocation()
    store, is_same = _store(settings, token)
    free, scratch = _scratch(settings)
    return Probe(
        host=socket.gethostname(),
        job=allocation.job,
        cores=allocation.cores,
        python=sys.executable,
        python_version=platform.python_version(),
        environment=os.environ.get("VIRTUAL_ENV", ""),
        prefix=sys.prefix,
        whiteline=whiteline.__version__,
        package=str(Path(whiteline.__file__).parent),
        database=_shown(settings.database),
        store=store,
        is_same_database=is_same,
        clock_offset=_clock_offset(settings) if store == "ok" else None,
        run_directory=str(settings.run_directory),
        free=free,
        scratch=scratch,
        feff=_said(lambda: _run_feff(settings)) if scratch == "ok" else "error: nowhere to run it",
        gpu=_gpu() if wants_gpu else "",
    )


def _shown(address: str) -> str:
    place = locate(address)
    return str(place) if isinstance(place, Path) else mask(place)


def _store(settings: Settings, token: str) -> tuple[str, bool]:
    is_same = False

    def look() -> None:
        nonlocal is_same
        with open_store(settings.database):
            is_same = has_mark(settings.database, token, "here")
            put_mark(settings.database, token, "node")

    return _said(look), is_same


def _clock_offset(settings: Settings) -> float | None:
    """Return how far this clock is ahead of the database's [s], but for half of what asking takes."""
    try:
        with open_queue(settings.database) as queue:
            before = time.time()
            there = queue.now()
            return (before + time.time()) / 2 - there
    except WhitelineError:
        return None


def _scratch(settings: Settings) -> tuple[int | None, str]:
    free = None

    def look() -> None:
        nonlocal free
        settings.run_directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.run_directory) as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(settings.run_directory).free

    return (free, said) if (said := _said(look)) == "ok" else (None, said)


def _run_feff(settings: Settings) -> None:
    """Compute the K edge of copper; nothing is stored."""
    from pymatgen.core import Lattice, Structure

    from whiteline.absorber import find_absorbers
    from whiteline.edges import Edge
    from whiteline.errors import CalculationError
    from whiteline.workflows.engines import make_calculator

    copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
    absorber = find_absorbers(copper, "Cu", Edge.K)[0]
    calculator = make_calculator("feff", preset="fast", values=_QUICK, settings=settings)
    with tempfile.TemporaryDirectory(prefix="probe-", dir=settings.run_directory) as folder:
        for name, text in calculator.inputs(absorber).items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        report = calculator.run(Path(folder), on_stage=lambda _: None)
        if report.failure:
            raise CalculationError(report.failure)
        calculator.parse(Path(folder), absorber)


def _gpu() -> str:
    try:
        import torch
    except ImportError:
        return "error: no torch: pip install 'whiteline[learn]' in the environment of the node"
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    return f"error: torch {torch.__version__} finds no GPU (CUDA_VISIBLE_DEVICES={given})"


def _said(look: Callable[[], object]) -> str:
    try:
        look()
    except (WhitelineError, OSError) as error:
        return f"error: {error}"
    return "ok"


def main() -> None:
    """Write the findings into a file: `python -m whiteline.workflows.deployment.probe --token T --output FILE`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--token", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--gpu", action="store_true")
    given = parser.parse_args()
    text = json.dumps(probe(given.token, wants_gpu=given.gpu).to_dict())
    part = given.output.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(given.output)  # whoever waits for it reads all of it


if __name__ == "__main__":
    main()
