"""Finished outputs in folders: what of a benchmark they are, and where.

Two kinds of folders are known: those that `whiteline inputs` wrote, with the outputs beside `whiteline.json`, and those
that the benchmark's own layout describes, one for each material, whose name begins with that of the material.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from whiteline.absorber import Absorber, find_absorbers
from whiteline.calculators.interface import Calculator, Outcome
from whiteline.errors import WhitelineError
from whiteline.fingerprint import calculation_id
from whiteline.provenance import file_checksum
from whiteline.settings import Settings
from whiteline.status import Check, Status
from whiteline.structures import NamedStructure
from whiteline.workflows.benchmark.definition import Benchmark
from whiteline.workflows.benchmark.layout import find_run
from whiteline.workflows.engines import make_calculator
from whiteline.workflows.plan import SITE_ERRORS, Problem
from whiteline.workflows.site_file import SITE_FILE, SiteFile, read_site_file

__all__ = [
    "FoundOutputs",
    "changed_inputs",
    "find_foreign_outputs",
    "find_own_outputs",
    "has_outputs",
    "site_identity",
    "with_changed_inputs",
]

_COMMENT_MARKS = "*#!"


class OutputPlace(Protocol):
    """Where the outputs of one site are."""

    def as_run_directory(self) -> AbstractContextManager[Path]: ...

    def in_its_words(self, message: str, folder: Path) -> str: ...

    def origin_of(self, name: str) -> Path: ...


@dataclass(frozen=True)
class _OwnFolder:
    """A folder of `whiteline inputs`, read where it is."""

    folder: Path

    def as_run_directory(self) -> AbstractContextManager[Path]:
        return nullcontext(self.folder)

    def in_its_words(self, message: str, folder: Path) -> str:  # noqa: ARG002  # as the interface has it
        return message

    def origin_of(self, name: str) -> Path:
        return self.folder / name


@dataclass(frozen=True, eq=False)
class FoundOutputs:
    """Outputs of one site.

    Attributes:
        material: Name of the material in the benchmark.
        source: Where its structure comes from.
        expected: The site, in the benchmark's structure.
        absorber: The site that the outputs are of, in the structure that they were made from.
        calculator: What reads them.
        place: Where they are.
        identity: All that is known to decide the spectrum; None where only the outputs themselves tell.
        fidelity: Code and preset, by which spectra are queried.
        changed: Inputs that are not what was written.
        source_checksum: Checksum of the file of the structure.
    """

    material: str
    source: str
    expected: Absorber
    absorber: Absorber
    calculator: Calculator
    place: OutputPlace
    identity: Mapping[str, Any] | None
    fidelity: str
    changed: tuple[str, ...] = ()
    source_checksum: str = ""


def find_own_outputs(folder: Path, benchmark: Benchmark, settings: Settings) -> Iterator[FoundOutputs | Problem]:
    """Yield what lies beside each `whiteline.json`, told by site, edge and code; or what is wrong with it.

    Sites and codes that are not looked for are passed over, unless they bear the name of a material that is.

    Args:
        folder: Folder below which is looked.
        benchmark: Materials and codes that are looked for.
        settings: Machine facts.
    """
    paths = sorted(folder.rglob(SITE_FILE))
    known = _sites(benchmark) if paths else {}
    names = {material.name for material in benchmark.materials}
    for path in paths:
        home = path.parent
        try:
            note = read_site_file(home)
            match = known.get((note.absorber.site_id, note.absorber.edge.value))
            if note.code not in benchmark.codes or (match is None and note.material not in names):
                continue
            if match is None:
                label = f"{note.material} {note.absorber.label}"
                yield Problem(
                    str(home), f"{label} is no site of the benchmark's {note.material}: its crystal is another"
                )
                continue
            if not has_outputs(home, note.files):
                yield Problem(str(home), "holds inputs and no outputs yet: run them, then import again")
                continue
            calculator = make_calculator(note.code, values=note.parameters, settings=settings)
        except WhitelineError as error:
            yield Problem(str(home), str(error))
            continue
        identity = {**note.parameters, **note.circumstances}
        yield FoundOutputs(
            **_expected(*match),
            absorber=note.absorber,
            calculator=calculator,
            place=_OwnFolder(home),
            identity=identity if site_identity(note.absorber, note.code, identity) == note.calculation_id else None,
            fidelity=note.fidelity,
            changed=changed_inputs(home, note, calculator),
        )


def find_foreign_outputs(folder: Path, benchmark: Benchmark, settings: Settings) -> Iterator[FoundOutputs]:
    """Yield what lies in the benchmark's own layout.

    Args:
        folder: Folder of a material, or of several.
        benchmark: Materials, codes and their layout.
        settings: Machine facts.
    """
    layouts = {name: code for name, code in benchmark.codes.items() if code.layout}
    for material in benchmark.materials:
        roots = _roots(folder, material.name, is_only=len(benchmark.materials) == 1)
        absorbers = find_absorbers(material.structure, benchmark.absorber, benchmark.edge) if roots else []
        for root in roots:
            for name, code in layouts.items():
                preset = next(iter(code.presets.values()))
                calculator = make_calculator(name, preset=preset, settings=settings)
                for absorber in absorbers:
                    run = find_run(code.layout, root, absorber)
                    if run is not None:
                        yield FoundOutputs(
                            **_expected(material, absorber),
                            absorber=absorber,
                            calculator=calculator,
                            place=run,
                            identity=None,
                            fidelity=f"{name}:imported",
                        )


def _roots(folder: Path, name: str, *, is_only: bool) -> list[Path]:
    """Return the folders of a material: those whose name is the material's, or begins so and goes on otherwise."""
    pattern = re.compile(rf"{re.escape(name)}(?![0-9A-Za-z]).*")
    resolved = folder.resolve()
    if pattern.fullmatch(resolved.name):
        return [folder]
    below = sorted(path for path in folder.iterdir() if path.is_dir() and pattern.fullmatch(path.name))
    return below or ([folder] if is_only else [])


def _expected(material: NamedStructure, site: Absorber) -> dict[str, Any]:
    """Return the fields of `FoundOutputs` that say what is looked for."""
    return {
        "material": material.name,
        "source": material.source,
        "source_checksum": material.source_checksum,
        "expected": site,
    }


def _sites(benchmark: Benchmark) -> dict[tuple[str, str], tuple[NamedStructure, Absorber]]:
    """Return material and absorber by the identity of the site and the edge."""
    return {
        (absorber.site_id, absorber.edge.value): (material, absorber)
        for material in benchmark.materials
        for absorber in find_absorbers(material.structure, benchmark.absorber, benchmark.edge)
    }


def has_outputs(home: Path, inputs: Mapping[str, str]) -> bool:
    """Return whether a folder of `whiteline inputs` holds more than what was written."""
    known = {*inputs, SITE_FILE}
    return any(path.is_file() and path.relative_to(home).as_posix() not in known for path in home.rglob("*"))


def changed_inputs(home: Path, note: SiteFile, calculator: Calculator) -> tuple[str, ...]:
    """Return the inputs that say something else than what was written."""
    differing = [n for n, c in note.files.items() if (home / n).is_file() and file_checksum(home / n) != c]
    if not differing:
        return ()
    try:
        written = calculator.inputs(note.absorber)
    except SITE_ERRORS:  # a file that they are made from is not on this machine: the checksums stand alone
        written = {}
    return tuple(n for n in differing if n not in written or _lines(written[n]) != _lines(_text(home / n)))


def with_changed_inputs(outcome: Outcome, changed: tuple[str, ...]) -> Outcome:
    """Return an outcome that is not converged where an input is not what was written."""
    if not changed or outcome.status is Status.FAILED:
        return outcome
    check = Check("inputs", is_passed=False, detail=f"{', '.join(changed)} changed after Whiteline wrote it")
    reason = "; ".join(filter(None, (outcome.reason, f"{check.name}: {check.detail}")))
    return replace(outcome, status=Status.UNCONVERGED, reason=reason, checks=(*outcome.checks, check))


def _lines(text: str) -> list[list[str]]:
    """Return the words of the lines that say something: FEFF writes its own input again without the others."""
    lines = [line.split() for line in text.splitlines()]
    return [words for words in lines if words and words[0][0] not in _COMMENT_MARKS]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def site_identity(absorber: Absorber, code: str, parameters: Mapping[str, Any]) -> str:
    """Return the identity of a site calculation from all that is known to decide it."""
    return calculation_id(absorber.site_id, edge=absorber.edge, code=code, parameters=parameters)
