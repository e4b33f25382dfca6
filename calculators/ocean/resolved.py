"""What an OCEAN run directory says of itself: resolved parameters, the cell, the axis, and how far the run got.

OCEAN writes every parameter, defaults included, to Common/postDefaultsOceanDatafile and CNBSE/bse.json; the input of
its last program, CNBSE/bse.in, has the axis. These are read, not ocean.in, which says only what was asked for. Where a
directory holds only some of the files, the first of them that knows is believed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from whiteline.calculators.kpoints import BOHR
from whiteline.calculators.ocean.cards import read_cards
from whiteline.calculators.ocean.inputs import INPUT_NAME
from whiteline.calculators.process import cause_of_end
from whiteline.causes import Cause
from whiteline.errors import ParseError

__all__ = ["LOG_NAME", "Axis", "ResolvedRun", "RunCell", "find_cause", "find_failure", "read_resolved"]

LOG_NAME: Final = "stdout.log"
_DONE = "Ocean is done"
_STAGE_FAILED = re.compile(r"(\w+) stage failed", re.IGNORECASE)
_STAGE_ENTERED = re.compile(r"Entering (\w+) stage", re.IGNORECASE)
_STAGE_OF_FAILURE = re.compile(r"the stage (\w+)")
_SCF_FAILED = "convergence NOT achieved"
_VERSION = re.compile(r"^Version (\S+)", re.MULTILINE)
_HASH = re.compile(r"^\s*commit hash: (\S+)", re.MULTILINE)
# Folder of each stage and the name under which its own summary keeps its word that it is complete.
_STAGES = {"OPF": "opf", "DFT": "dft", "PREP": "prep", "SCREEN": "screen", "CNBSE": "bse"}


@dataclass(frozen=True)
class Axis:
    """The axis that a run was asked for.

    Attributes:
        n_points: Number of steps with Haydock's recursion, of energies with GMRES.
        first: First energy [eV].
        last: Last energy [eV].
    """

    n_points: int
    first: float
    last: float


@dataclass(frozen=True, eq=False)
class RunCell:
    """The crystal that a run computed.

    Attributes:
        source: File that it was read from.
        lattice: Rows are the vectors, shape (3, 3) [Å].
        positions: Fractional coordinates, shape (n_atom, 3).
        numbers: Atomic number of each atom.
    """

    source: str
    lattice: np.ndarray
    positions: np.ndarray
    numbers: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ResolvedRun:
    """What a run directory says besides the spectra.

    Attributes:
        version: Version of OCEAN, with the hash of its source where it prints one; empty when unknown.
        axis: The axis; None when unknown.
        cell: The crystal; None when unknown.
        half_width: Half width at half maximum that was asked for [eV]; None when unknown or tabulated.
        gaussian: Width of an additional Gaussian in OCEAN's input [eV].
        has_core_offset: Whether the axis is shifted by the core level; None when unknown.
        summary: k grid, bands and dielectric constant, for people.
        files: Paths of the files that this was read from.
    """

    version: str = ""
    axis: Axis | None = None
    cell: RunCell | None = None
    half_width: float | None = None
    gaussian: float = 0.0
    has_core_offset: bool | None = None
    summary: str = ""
    files: tuple[Path, ...] = field(default_factory=tuple)


def read_resolved(directory: Path) -> ResolvedRun:
    """Return what the files of a run directory say; a foreign directory may hold them all in one folder.

    Raises:
        ParseError: One of the files is damaged or cut off.
    """
    datafile = _find(directory, "Common", "postDefaultsOceanDatafile")
    summary_file = _find(directory, "CNBSE", "bse.json")
    bse_in = _find(directory, "CNBSE", "bse.in")
    ocean_in = _find(directory, "", INPUT_NAME)
    resolved = _read_json(datafile) if datafile else {}
    final = _read_json(summary_file) if summary_file else {}
    source = datafile or summary_file
    tree = resolved or final
    core = _get(tree, "bse", "core") or {}
    width = _get(core, "broaden")
    offset = _get(tree, "screen", "core_offset", "enable")
    if offset is None:
        offset = _get(final, "bse", "screen", "core_offset", "enable")
    cell = _cell_of_tree(resolved, datafile) if datafile else None
    if cell is None and ocean_in:
        cell = _cell_of_cards(ocean_in)
    axis = _axis_of_bse_in(bse_in) if bse_in else None
    used = (datafile, summary_file, bse_in if axis else None)
    return ResolvedRun(
        version=_version(directory, resolved),
        axis=axis or (_axis_of_tree(core, source) if source else None),
        cell=cell,
        half_width=float(width) if width is not None and width > 0 else None,
        gaussian=float(_get(core, "gauss_broaden") or 0.0),
        has_core_offset=offset,
        summary=_summary(resolved, final),
        files=tuple(path for path in used if path),
    )


def find_failure(directory: Path) -> str:
    """Return which stage of a run failed, with its evidence; empty when none did or nothing tells.

    Raises:
        ParseError: The summary of a stage is damaged.
    """
    log = _find(directory, "", LOG_NAME) or _find(directory, "", "ocean.log")
    if log:
        text = log.read_text(encoding="utf-8", errors="replace")
        failed, entered = _STAGE_FAILED.search(text), _STAGE_ENTERED.findall(text)
        if failed:
            return f"the stage {failed.group(1).upper()} failed: see {log}"
        if _DONE not in text:
            where = f"in the stage {_stage(entered[-1])}" if entered else "while reading the input"
            return f"OCEAN ended {where} without {_DONE!r}: see {log}"
    for folder, name in _STAGES.items():
        path = _find(directory, folder, f"{name}.json")
        if path and not _is_complete(_read_json(path), name):
            return f"the stage {folder} is not complete: {path} says so"
    return ""


def find_cause(directory: Path, failure: str, *, end: str = "") -> Cause | None:
    """Return what made a run fail: what its end and its logs say of the machine, else by the stage.

    Args:
        directory: Run directory.
        failure: What `find_failure` says.
        end: How the process ended, where that is known.
    """
    logs = [directory / LOG_NAME, *sorted(directory.glob("*/*.log")), *sorted(directory.glob("DFT/*.out"))]
    cause = cause_of_end(end or failure, *logs)
    if cause is not Cause.CRASH:
        return cause
    if any(_SCF_FAILED in path.read_text(encoding="utf-8", errors="replace") for path in logs if path.is_file()):
        return Cause.SCF
    stage = _STAGE_OF_FAILURE.search(failure)
    return Cause.SCREENING if stage is not None and stage[1].startswith("SCREEN") else cause


def _stage(word: str) -> str:
    return word.upper().removesuffix("ING")


def _is_complete(tree: dict[str, Any], name: str) -> bool:
    """Return whether a stage does not deny that it is complete."""
    flags = [_get(tree, "complete"), _get(tree, name, "complete")]
    return not any(flag is not None and not flag for flag in flags)


def _find(directory: Path, folder: str, name: str) -> Path | None:
    """Return a file of a run, in its own folder or in the directory itself."""
    paths = (directory / folder / name, directory / name)
    return next((path for path in paths if path.is_file()), None)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except json.JSONDecodeError as error:
        raise ParseError(f"{path} is damaged or cut off: {error}") from error
    if not isinstance(tree, dict):
        raise ParseError(f"{path} holds no parameters of OCEAN: expected a JSON object")
    return tree


def _get(tree: Any, *names: str) -> Any:
    for name in names:
        if not isinstance(tree, dict):
            return None
        tree = tree.get(name)
    return tree


def _version(directory: Path, resolved: dict[str, Any]) -> str:
    stated = _get(resolved, "version")
    if isinstance(stated, dict) and stated.get("."):
        words = [str(stated["."]), str(stated.get("hash") or "")]
    else:
        log = _find(directory, "", LOG_NAME) or _find(directory, "", "ocean.log")
        text = log.read_text(encoding="utf-8", errors="replace") if log else ""
        words = [match.group(1) for match in (_VERSION.search(text), _HASH.search(text)) if match]
    words = [word for word in words if word]
    return " ".join(["OCEAN", *words]) if words else ""


def _axis_of_bse_in(path: Path) -> Axis | None:
    """Return the axis in the input of OCEAN's last program; None where that is not Haydock's."""
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    kind = lines[2].strip() if len(lines) > 2 else ""
    if kind == "inv":
        return None
    words = lines[3].split() if len(lines) > 3 else []
    if kind != "hay" or len(words) < 6 or not text.endswith("\n"):
        raise ParseError(f"{path} is cut off or not OCEAN's: expected hay and iterations, points, range, width, zero")
    try:
        return Axis(int(words[1]), float(words[2]), float(words[3]))
    except ValueError as error:
        raise ParseError(f"{path}, line 4: expected numbers, got {lines[3].strip()!r}") from error


def _axis_of_tree(core: dict[str, Any], source: Path) -> Axis | None:
    if not core:
        return None
    try:
        if core["solver"] == "gmres":
            return _axis_of_gmres(core["gmres"])
        first, last = core["plot"]["range"]
        return Axis(int(core["plot"]["points"]), float(first), float(last))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ParseError(
            f"{source}: expected bse.core with solver, plot and gmres, a part is missing: {error}"
        ) from error


def _axis_of_gmres(settings: dict[str, Any]) -> Axis:
    # Before version 3.2 a range, where there is one, goes before a list.
    if settings.get("estyle", "range") == "range" and settings["erange"]:
        start, stop, step = settings["erange"]
        n = int((stop - start + 0.9 * step) / step)
        return Axis(n, float(start), float(start + (n - 1) * step))
    energies = [float(energy) for energy in settings["elist"]]
    return Axis(len(energies), energies[0], energies[-1])


def _cell_of_tree(tree: dict[str, Any], source: Path) -> RunCell | None:
    structure = _get(tree, "structure") or {}
    if "xred" not in structure or "avecs" not in structure:
        return None
    try:
        return _cell(structure["avecs"], structure["xred"], structure["typat"], structure["znucl"], source)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ParseError(f"{source}: the structure is incomplete: {error}") from error


def _cell_of_cards(path: Path) -> RunCell:
    cards = read_cards(path.read_text(encoding="utf-8", errors="replace"), source=str(path))
    try:
        scale = np.array(cards["acell"], dtype=float)
        vectors = np.array(cards["rprim"], dtype=float).reshape(3, 3) * scale[:, None]
        numbers = [int(word) for word in cards["znucl"]]
        return _cell(vectors, cards["xred"], [int(word) for word in cards["typat"]], numbers, path)
    except (KeyError, ValueError, IndexError) as error:
        raise ParseError(f"{path}: expected acell, rprim, typat, znucl and xred of one structure: {error}") from error


def _cell(vectors: Any, positions: Any, types: Any, numbers: Any, source: Path) -> RunCell:
    lattice = np.array(vectors, dtype=float).reshape(3, 3) * BOHR
    fractional = np.array(positions, dtype=float).reshape(-1, 3)
    if len(types) != len(fractional):
        raise ValueError(f"{len(types)} types for {len(fractional)} positions")
    return RunCell(str(source), lattice, fractional, tuple(int(numbers[i - 1]) for i in types))


def _summary(resolved: dict[str, Any], final: dict[str, Any]) -> str:
    """Return k grid, bands and dielectric constant in words."""
    bse = {**(_get(resolved, "bse") or {}), **(_get(final, "bse") or {})}
    parts = []
    if bse.get("kmesh"):
        parts.append("k grid " + "×".join(f"{n:g}" for n in bse["kmesh"]))
    if bse.get("brange"):
        parts.append("bands {}-{} and {}-{}".format(*bse["brange"]))
    elif bse.get("nbands"):
        parts.append(f"{bse['nbands']} bands")
    epsilon = bse.get("epsilon") or _get(resolved, "structure", "epsilon")
    if epsilon:
        parts.append(f"dielectric constant {epsilon:g}")
    return ", ".join(parts)
