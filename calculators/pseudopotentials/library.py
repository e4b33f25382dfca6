"""A folder of pseudopotentials: finding the right ones, and keeping made ones with their records."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from whiteline.calculators.pseudopotentials.core_hole import CoreHole, edge_of_level
from whiteline.calculators.pseudopotentials.ld1 import MadePseudopotential
from whiteline.calculators.pseudopotentials.suitability import check_absorber
from whiteline.calculators.pseudopotentials.upf import Kind, Pseudopotential, read_element, read_upf
from whiteline.errors import CorruptStoreError, MissingDependencyError, ParseError, StoreError
from whiteline.status import Check

__all__ = ["PseudoLibrary"]

RECORD_SCHEMA_VERSION = 1
_SUFFIXES = {".upf"}


class PseudoLibrary:
    """UPF files in one or several folders, searched in order; new ones go to the first.

    Every search looks at the folders anew, and reads only the heads of files of other elements. A file that a record
    stands beside is used only while its checksum is the recorded one.

    Args:
        folders: A folder, or several; those that do not exist count as empty.
    """

    def __init__(self, folders: Path | Iterable[Path]) -> None:
        self.folders = (folders,) if isinstance(folders, Path) else tuple(folders)

    def find(self, element: str, *, functional: str = "PBE") -> Pseudopotential:
        """Return the ground-state pseudopotential of an element; those with GIPAW data come first in each folder.

        Args:
            element: Chemical symbol.
            functional: Exchange-correlation functional; pseudopotentials of different ones must not meet.

        Raises:
            MissingDependencyError: There is none; the message says how to get one.
            ParseError: A file of this element is damaged.
            CorruptStoreError: A file is not the one that its record describes.
        """
        for folder in self.folders:
            found = [p for p in self._of_element(folder, element) if _is_usable(p, functional) and not p.has_core_hole]
            if found:
                return _verified(min(found, key=_preference))
        raise MissingDependencyError(
            f"no ground-state {functional} pseudopotential of {element} in {self._places}: "
            f"{self._remedy(f'whiteline pseudo make {element} --core-hole none')}"
        )

    def find_pair(
        self, element: str, *, core_hole: str = "1s", hole: float = 1.0, functional: str = "PBE"
    ) -> tuple[Pseudopotential, Pseudopotential]:
        """Return the ground-state and the excited pseudopotential of an absorber, from the same folder.

        Args:
            element: Chemical symbol of the absorber.
            core_hole: Core level that lacks electrons.
            hole: Number of missing electrons.
            functional: Exchange-correlation functional.

        Raises:
            MissingDependencyError: There is no pair; the message says what the candidates lack.
            ParseError: A file of this element is damaged.
            CorruptStoreError: A file is not the one that its record describes.
        """
        wanted = CoreHole(core_hole, hole)
        refused: list[str] = []
        for folder in self.folders:
            # The absorber's partial waves come from GIPAW sections that PAW sets lack.
            candidates = [
                p for p in self._of_element(folder, element) if _is_usable(p, functional) and p.kind is not Kind.PAW
            ]
            excited = [p for p in candidates if p.has_core_hole and _lacks(p, wanted, refused)]
            ground = [p for p in candidates if not p.has_core_hole and _lacks(p, None, refused, level=core_hole)]
            pairs = [(g, e) for g in ground for e in excited if g.kind == e.kind]
            if pairs:
                pair = min(pairs, key=lambda pair: (_preference(pair[0]), _preference(pair[1])))
                return _verified(pair[0]), _verified(pair[1])
        size = "" if hole == 1.0 else f" --hole {hole:g}"
        remedy = self._remedy(f"whiteline pseudo make {element} --core-hole {core_hole}{size}")
        raise MissingDependencyError(
            f"no pair of {functional} pseudopotentials of {element} without and with {hole:g} electron missing from "
            f"{core_hole} in {self._places}{''.join(f'; {text}' for text in refused)}: {remedy}"
        )

    def cutoffs(self, potential: Pseudopotential) -> tuple[float | None, float | None]:
        """Return the cutoffs for wavefunctions and for the density [Ry]: as tested if recorded, else as the file says.

        Raises:
            CorruptStoreError: The record is damaged.
        """
        entry = _read_record(_record_path(potential.path))["files"].get(potential.path.name)
        if entry is None:
            return potential.wavefunction_cutoff_ry, potential.density_cutoff_ry
        return entry["report"]["wavefunction_cutoff_ry"], entry["report"]["density_cutoff_ry"]

    def failures(self, potential: Pseudopotential) -> str:
        """Return which tests a file failed and was stored all the same; empty where none is on record.

        Raises:
            CorruptStoreError: The record is damaged.
        """
        entry = _read_record(_record_path(potential.path))["files"].get(potential.path.name)
        checks = [Check.from_dict(check) for check in entry["report"]["checks"]] if entry else []
        return "; ".join(f"{check.name}: {check.detail}" for check in checks if not check.is_passed)

    def all(self) -> tuple[Pseudopotential, ...]:
        """Return every readable pseudopotential, folder by folder, by name."""
        found = []
        for folder in self.folders:
            for path in _files(folder):
                try:
                    found.append(read_upf(path))
                except ParseError:
                    continue  # `check` says what is wrong with a file; a list shows what can be used
        return tuple(found)

    def store(self, made: Iterable[MadePseudopotential], *, force: bool = False) -> tuple[Path, ...]:
        """Keep made pseudopotentials and their record in the first folder; return their paths.

        What was made before from the same inputs by the same ld1.x stays as it is.

        Args:
            made: Pseudopotentials of one element and functional.
            force: Also keep those that failed a test, and replace different files.

        Raises:
            StoreError: A test failed, a different file has the name, or the folder cannot be written.
        """
        made = tuple(made)
        folder = self.folders[0]
        failed = [f"{m.name} ({m.report.failures})" for m in made if not m.report.is_passed]
        if failed and not force:
            raise StoreError(
                f"not stored, for tests failed: {'; '.join(failed)}; change the recipe, or store with --force"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for item in made:
                self._store_one(folder, item, force=force)
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{folder} cannot be written: {error}; choose another library folder") from error
        return tuple(folder / item.name for item in made)

    def _store_one(self, folder: Path, item: MadePseudopotential, *, force: bool) -> None:
        path, record_path = folder / item.name, _record_path(folder / item.name)
        record = _read_record(record_path)
        entry = record["files"].get(item.name)
        if path.exists():
            is_same = entry is not None and (entry["inputs"], entry["ld1_version"]) == (
                dict(item.inputs),
                item.ld1_version,
            )
            if is_same and entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest():
                return
            if not force:
                raise StoreError(
                    f"{path} exists and is a different file: move it away, choose another folder, or use --force"
                )
        record["files"][item.name] = {
            "sha256": hashlib.sha256(item.content).hexdigest(),
            "element": item.element,
            "functional": item.functional.value,
            "core_hole": {"level": item.core_hole.level, "size": item.core_hole.size} if item.core_hole else None,
            "ld1_version": item.ld1_version,
            "inputs": dict(item.inputs),
            "report": item.report.to_dict(),
        }
        # The record first: a file that is missing is made again, one without its record would be a stranger's.
        _write(record_path, json.dumps(record, indent=1, sort_keys=True).encode())
        _write(path, item.content)

    def _of_element(self, folder: Path, element: str) -> Iterator[Pseudopotential]:
        for path in _files(folder):
            try:
                is_other = read_element(path) != element
            except ParseError:
                continue  # no UPF file at all, whatever its name
            if not is_other:
                yield read_upf(path)

    @property
    def _places(self) -> str:
        return ", ".join(map(str, self.folders)) or "no folder at all"

    def _remedy(self, command: str) -> str:
        folder = self.folders[0] if self.folders else "a folder"
        return f"run `{command}`, or put UPF files into {folder} (WHITELINE_PSEUDO_DIRECTORY)"


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())


def _is_usable(potential: Pseudopotential, functional: str) -> bool:
    """Return whether it can stand beside others in xspectra.x, which knows no spin-orbit coupling."""
    return potential.functional == functional and potential.relativity != "full"


def _preference(potential: Pseudopotential) -> tuple[bool, bool, str]:
    return (not potential.has_gipaw, not _record_path(potential.path).exists(), potential.path.name)


def _lacks(potential: Pseudopotential, hole: CoreHole | None, refused: list[str], *, level: str = "1s") -> bool:
    """Return whether a candidate serves; where it does not, say why in `refused`."""
    edge = edge_of_level(hole.level if hole else level)
    checks: tuple[Check, ...] = check_absorber(potential, edge=edge, needs_core_hole=hole is not None)
    missing = potential.missing_core_electrons
    if hole is not None:
        is_right = missing is not None and abs(missing - hole.size) < 1e-3
        checks = (*checks, Check("size of the hole", is_right, f"{missing} electrons, expected {hole.size:g}"))
    failed = [f"{check.name}: {check.detail}" for check in checks if not check.is_passed]
    if failed:
        refused.append(f"{potential.path.name} does not serve ({', '.join(failed)})")
    return not failed


def _record_path(path: Path) -> Path:
    """Return the record of a file: one for an element and functional, whatever the core hole."""
    element, *_, kind, _ = path.name.split(".") if path.name.count(".") >= 2 else (path.stem, "", "")
    return path.with_name(f"{element}.{kind}.json")


def _read_record(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {"schema_version": RECORD_SCHEMA_VERSION, "files": {}}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        version, files = record["schema_version"], record["files"]
        if isinstance(files, dict) and version <= RECORD_SCHEMA_VERSION:
            for entry in files.values():
                _check_entry(entry)
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptStoreError(f"{path} is not a record of pseudopotentials: {error!r}; move it away") from error
    if not isinstance(files, dict) or version > RECORD_SCHEMA_VERSION:
        raise CorruptStoreError(f"{path} has schema version {version}, this Whiteline reads {RECORD_SCHEMA_VERSION}")
    return dict(record)


def _check_entry(entry: Any) -> None:
    """Raise KeyError or TypeError where what is read of an entry is not there."""
    report = entry["report"]
    for part, names in (
        (entry, ("sha256", "inputs", "ld1_version")),
        (report, ("wavefunction_cutoff_ry", "density_cutoff_ry")),
        *((check, ("name", "is_passed")) for check in report["checks"]),
    ):
        for name in names:
            part[name]


def _verified(potential: Pseudopotential) -> Pseudopotential:
    entry = _read_record(_record_path(potential.path))["files"].get(potential.path.name)
    if entry is not None and entry["sha256"] != potential.sha256:
        raise CorruptStoreError(
            f"{potential.path} has changed since it was made (its checksum is not the recorded one): restore it, or "
            f"make it again with `whiteline pseudo make {potential.element} --force`"
        )
    return potential


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
