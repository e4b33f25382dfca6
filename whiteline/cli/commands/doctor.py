"""`whiteline doctor`: what this machine has, and how to get the rest."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from whiteline.cli.app import app
from whiteline.cli.options import Database

if TYPE_CHECKING:
    from whiteline.settings import Settings

# s; a program that is asked for its version says it at once or not at all.
_LONGEST_LOOK = 10.0


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
    for finding in _engines(settings):
        yield False, finding
    slurm = shutil.which("sbatch")
    remedy = "your cluster, or Debian: apt install slurm-wlm"
    yield False, Finding("SLURM", slurm is not None, slurm or "no sbatch on the PATH", "" if slurm else remedy)
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


def _engines(settings: Settings) -> Iterator[Finding]:
    """Yield what there is of the engines that are the user's own, and of the files that they need."""
    from concurrent.futures import ThreadPoolExecutor

    espresso = partial(_program, remedy="Debian: apt install quantum-espresso", read_version=_espresso_version)
    ocean = partial(_program, remedy="https://github.com/times-software/OCEAN", read_version=_ocean_version)
    vasp = partial(_program, remedy="https://www.vasp.at (licence)")
    exciting = partial(_program, remedy="https://exciting-code.org")
    potcars = settings.vasp_potcars or _pymatgen_potcars()
    looks: list[Callable[[], Finding]] = [
        partial(espresso, "XSpectra pw.x", settings.pw_command, "WHITELINE_PW_COMMAND"),
        partial(espresso, "XSpectra", settings.xspectra_command, "WHITELINE_XSPECTRA_COMMAND"),
        partial(espresso, "XSpectra ld1.x", settings.ld1_command, "WHITELINE_LD1_COMMAND"),
        partial(_files, "XSpectra UPF", settings.pseudo_directory, "*.[Uu][Pp][Ff]", "whiteline pseudo make ELEMENT"),
        partial(ocean, "OCEAN", settings.ocean_command, "WHITELINE_OCEAN_COMMAND"),
        partial(vasp, "VASP", settings.vasp_command, "WHITELINE_VASP_COMMAND"),
        partial(_files, "VASP POTCARs", potcars, "*", "set WHITELINE_VASP_POTCARS or PMG_VASP_PSP_DIR"),
        partial(exciting, "exciting", settings.exciting_command, "WHITELINE_EXCITING_COMMAND"),
        partial(_files, "exciting species", settings.exciting_species, "*.xml", "set WHITELINE_EXCITING_SPECIES"),
    ]
    # A program takes half a second to start MPI and say its version, waiting most of it.
    with ThreadPoolExecutor(len(looks)) as pool:
        yield from pool.map(lambda look: look(), looks)


def _program(
    part: str, command: str, variable: str, *, remedy: str, read_version: Callable[[list[str]], str] = lambda _: ""
) -> Finding:
    """Return whether a command of the settings can be started, where its program is and which version it is."""
    from whiteline.calculators.process import find_executable
    from whiteline.errors import WhitelineError

    try:
        words = find_executable(command, variable=variable, remedy=remedy)
    except WhitelineError:
        return Finding(part, False, f"no {command} ({variable})", remedy)
    program = shutil.which(words[0]) or words[0]
    place = " ".join([program, *words[1:]])
    found_version = read_version([str(Path(program).absolute()), *words[1:]])
    return Finding(part, True, f"{place}, version {found_version}" if found_version else place)


def _pymatgen_potcars() -> Path | None:
    from pymatgen.core import SETTINGS

    folder = SETTINGS.get("PMG_VASP_PSP_DIR")
    return Path(folder) if folder else None


def _espresso_version(command: list[str]) -> str:
    """Return the version in the banner that the programs of Quantum ESPRESSO begin with, input or not."""
    from tempfile import TemporaryDirectory

    from whiteline.calculators.process import run_command

    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        run_command(command, directory=Path(folder), log=log, timeout=_LONGEST_LOOK)
        banner = re.search(r"Program \w+ v\.?([\w.]+)", log.read_text(encoding="utf-8", errors="replace"))
    return banner.group(1) if banner else ""


def _ocean_version(command: list[str]) -> str:
    """Return what stands in the file that OCEAN installs beside its ocean.pl."""
    program = next((path for word in command if (path := shutil.which(word)) and path.endswith(".pl")), None)
    note = Path(program).resolve().with_name("Version") if program else None
    return (
        note.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip() if note and note.is_file() else ""
    )


def _files(part: str, folder: Path | None, pattern: str, remedy: str) -> Finding:
    if folder is None:
        return Finding(part, False, "no folder is set", remedy)
    n_files = sum(1 for _ in folder.glob(pattern))
    return Finding(
        part, n_files > 0, f"{folder}, {f'{n_files} found' if n_files else 'nothing there'}", "" if n_files else remedy
    )


def _package(part: str, name: str, remedy: str) -> Finding:
    try:
        return Finding(part, True, f"{name} {version(name)}")
    except PackageNotFoundError:
        return Finding(part, False, f"no {name}", remedy)


def _store(settings: Settings) -> Finding:
    from whiteline.database import open_store
    from whiteline.database.query import ANY_STATUS, SpectrumQuery
    from whiteline.errors import WhitelineError

    address = settings.database
    if "://" not in address and not Path(address).exists():
        folder = _folder("store", Path(address).parent)
        return Finding("store", folder.is_usable, f"{address} (made by the first run)", folder.remedy)
    try:
        with open_store(address, must_exist=True) as store:
            found = f"{store.address}, {store.count(SpectrumQuery(status=ANY_STATUS))} spectra"
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
    import torch

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
