"""`whiteline doctor`: what this machine has, and how to get the rest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from whiteline.cli.app import app
from whiteline.cli.options import Database

if TYPE_CHECKING:
    from whiteline.settings import Settings


class Finding(NamedTuple):
    """One line of the report: what it is, whether it is usable, what was found, how to get it."""

    part: str
    is_usable: bool
    found: str
    remedy: str = ""


@app.command(epilog="[bold]Example[/bold]\n\n  whiteline doctor --db mongodb://localhost/whiteline")
def doctor(database: Database = None) -> int:
    """Show which engines, stores, GPU and pretrained models this machine has, and how to get the rest."""
    from rich.text import Text

    from whiteline.cli.tables import make_console, make_table
    from whiteline.settings import load_settings

    settings = load_settings(database=database)
    console = make_console()
    table = make_table("part", "", "found", "how to get it", wrapped=("found", "how to get it"))
    is_ready = True
    for is_needed, finding in _findings(settings):
        is_ready &= finding.is_usable or not is_needed
        word, style = ("yes", "green") if finding.is_usable else ("no", "red") if is_needed else ("–", "dim")
        table.add_row(finding.part, Text(word, style=style), finding.found, finding.remedy)
    console.print(table)
    console.print(
        "Ready: `whiteline run STRUCTURE --absorber ELEMENT`."
        if is_ready
        else "Not ready: see the lines with a red no."
    )
    return 0 if is_ready else 1


def _findings(settings: Settings) -> Iterator[tuple[bool, Finding]]:
    """Yield whether the main job needs it, and what was found."""
    yield True, _feff(settings)
    for part, program, remedy in (
        ("XSpectra", "xspectra.x", "Debian: apt install quantum-espresso"),
        ("OCEAN", "ocean.pl", "https://github.com/times-software/OCEAN"),
        ("exciting", "exciting_mpismp", "https://exciting-code.org"),
        ("VASP", "vasp_std", "https://www.vasp.at (licence)"),
        ("SLURM", "sbatch", "your cluster, or Debian: apt install slurm-wlm"),
    ):
        path = shutil.which(program)
        yield (
            False,
            Finding(part, path is not None, path or f"no {program} on the PATH", "" if path else remedy),
        )
    yield True, _store(settings)
    yield True, _folder("run directory", settings.run_directory)
    yield False, _gpu()
    yield False, _pretrained(settings)
    yield False, _package("Materials Project", "mp-api", "pip install 'whiteline[mp]' and set MP_API_KEY")


def _feff(settings: Settings) -> Finding:
    if settings.feff_command:
        program = settings.feff_command.split()[0]
        path = shutil.which(program)
        remedy = "correct or unset WHITELINE_FEFF_COMMAND"
        return Finding("FEFF", path is not None, path or f"no {program}", "" if path else remedy)
    return _package("FEFF10", "feff10-rs", "pip install feff10-rs")


def _package(part: str, name: str, remedy: str) -> Finding:
    try:
        return Finding(part, True, f"{name} {version(name)}")
    except PackageNotFoundError:
        return Finding(part, False, f"no {name}", remedy)


def _store(settings: Settings) -> Finding:
    from whiteline.database import open_store
    from whiteline.database.query import SpectrumQuery
    from whiteline.errors import WhitelineError

    address = settings.database
    if "://" not in address and not Path(address).exists():
        folder = _folder("store", Path(address).parent)
        return Finding("store", folder.is_usable, f"{address} (made by the first run)", folder.remedy)
    try:
        with open_store(address, must_exist=True) as store:
            found = f"{store.address}, {store.count(SpectrumQuery())} spectra"
    except WhitelineError as error:
        return Finding("store", False, str(error), "")
    if "://" not in address and not (os.access(address, os.W_OK) and os.access(Path(address).parent, os.W_OK)):
        return Finding("store", False, f"{found}, read-only", "make file and folder writable, or give another --db")
    return Finding("store", True, found)


def _folder(part: str, folder: Path) -> Finding:
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    is_usable = existing.is_dir() and os.access(existing, os.W_OK)
    if not is_usable:
        return Finding(part, False, f"{existing} is not writable", "--run-directory, --db, or the WHITELINE_ variables")
    free = shutil.disk_usage(existing).free / 1e9
    return Finding(part, free > 0.1, f"{folder}, {free:.1f} GB free", "" if free > 0.1 else "make room")


def _gpu() -> Finding:
    remedy = "pip install 'whiteline[learn]' with a CUDA build of torch"
    try:
        torch_version = version("torch")
    except PackageNotFoundError:
        return Finding("GPU", False, "no torch", remedy)
    import torch  # type: ignore[import-not-found]  # optional

    if torch.cuda.is_available():
        return Finding("GPU", True, f"{torch.cuda.get_device_name(0)}, torch {torch_version}")
    return Finding("GPU", False, f"none that torch {torch_version} can use", remedy)


def _pretrained(settings: Settings) -> Finding:
    from whiteline.models.pretrained import find_pretrained

    found = find_pretrained(settings.data)
    if found:
        return Finding("pretrained models", True, ", ".join(f"{m.name} ({m.architecture})" for m in found))
    where = settings.data or "WHITELINE_DATA is not set"
    return Finding("pretrained models", False, f"none ({where})", "set WHITELINE_DATA to a folder with matgl weights")
