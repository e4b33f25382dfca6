"""Reading OUTCAR of VASP 6 in both layouts: a row of the spectrum on one line (6.1), or wrapped over two (6.2 on)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from whiteline.calculators.vasp.output import CoreHole, DielectricTensor, VaspOutput, read_text
from whiteline.calculators.vasp.potentials import element_of
from whiteline.errors import ParseError
from whiteline.spectrum import EnergyReference

__all__ = ["read_outcar"]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][-+]?\d+)?"
_VERSION = re.compile(r"^\s*vasp\.(\S+)", re.MULTILINE)
_TITEL = re.compile(r"TITEL\s*=\s*(\S.*?)\s*$", re.MULTILINE)
_COUNTS = re.compile(r"ions per type =\s*([\d ]+)$", re.MULTILINE)
_CORE_HOLE = re.compile(rf"CLNT\s*=\s*(\d+)\s+CLN\s*=\s*(\d+)\s+CLL\s*=\s*(\d+)\s+CLZ\s*=\s*({_NUMBER})", re.MULTILINE)
_LEVEL = re.compile(r"ICORELEVEL\s*=\s*(\d+)")
_NELM = re.compile(r"NELM\s*=\s*(\d+)")
_STEP = re.compile(r"-+ Iteration\s+(\d+)\(\s*(\d+)\)\s+-+")
_CONVERGED = "aborting loop because EDIFF is reached"
_FERMI = re.compile(rf"E-fermi\s*:\s*({_NUMBER})")
_TOTAL = re.compile(rf"energy\(sigma->0\)\s*=\s*({_NUMBER})")
_CORE_ENERGY = re.compile(rf"ZCORE=\s*{_NUMBER}\s+ECORE=\s*({_NUMBER})")
_SPECTRUM = re.compile(r"frequency dependent\s+IMAGINARY DIELECTRIC FUNCTION.*\n")
_TIMINGS = "General timing and accounting"
_END = re.compile(_TIMINGS + r".*?Voluntary context switches:\s+\d+\s*\n", re.DOTALL)
_NOT_A_NUMBER = re.compile(r"(?<![A-Za-z])(?:NaN|NAN|nan|Infinity)(?![A-Za-z])")
_LATTICE = "direct lattice vectors"
_POSITIONS = "position of ions in fractional coordinates (direct lattice)"
_COLUMNS = 7


def read_outcar(path: Path) -> VaspOutput:
    """Return what the OUTCAR of a finished run says, with a core hole or without.

    VASP writes its timings last; an OUTCAR that does not end with them is of a run that did not.

    Raises:
        ParseError: The file is no OUTCAR, ends too early, or a part of it is damaged.
    """
    text = read_text(path)
    source = str(path)
    version = _VERSION.search(text[:2000])
    if not version:
        raise ParseError(f"{source} is not an OUTCAR of VASP: its first line names no version")
    if not _END.search(text, max(text.rfind(_TIMINGS), 0)):
        raise ParseError(
            f"{source} does not end with VASP's timings: the run did not finish or the file is cut off, run VASP again"
        )
    bad = _NOT_A_NUMBER.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        raise ParseError(
            f"{source}, line {line}: holds {bad.group()}; the run broke down, run VASP with other settings"
        )
    titles = [match.group(1) for match in _TITEL.finditer(text)]
    counts = tuple(int(n) for n in _first(_COUNTS, text, source, "ions per type").split())
    if len(titles) != len(counts):
        raise ParseError(f"{source} names {len(titles)} potentials and {len(counts)} species: the file is damaged")
    steps = [match for match in _STEP.finditer(text) if match.group(1) == "1"]
    core_energy, fermi, totals = _CORE_ENERGY.search(text), _FERMI.findall(text), _TOTAL.findall(text)
    return VaspOutput(
        source=source,
        version=f"VASP {version.group(1)}",
        elements=tuple(element_of(title) for title in titles),
        counts=counts,
        lattice=_block(text, _LATTICE, 3, source)[:, :3],
        positions=_block(text, _POSITIONS, sum(counts), source),
        core_hole=_core_hole(text, source),
        n_steps=int(steps[-1].group(2)) if steps else 0,
        most_steps=int(_first(_NELM, text, source, "NELM")),
        is_converged=_CONVERGED in text,
        fermi_energy=_number(fermi[-1]) if fermi else None,
        core_energy=_number(core_energy.group(1)) if core_energy else None,
        total_energy=_number(totals[-1]) if totals else None,
        tensor=_tensor(text, core_energy.end(), source) if core_energy else None,
    )


def _core_hole(text: str, source: str) -> CoreHole | None:
    level = _LEVEL.search(text)
    if not level or level.group(1) == "0":
        return None
    if level.group(1) != "2":
        raise ParseError(
            f"{source}: ICORELEVEL = {level.group(1)} is the initial state without a core hole, expected 2: run VASP "
            "with ICORELEVEL = 2"
        )
    found = _CORE_HOLE.search(text)
    if not found:
        raise ParseError(f"{source} does not name the core level (CLNT, CLN, CLL, CLZ): the file is damaged")
    species, main, angular, charge = found.groups()
    return CoreHole(int(species), int(main), int(angular), _number(charge))


def _tensor(text: str, start: int, source: str) -> DielectricTensor:
    """Return the imaginary block that follows the core level; what stands before it belongs to other response."""
    heading = _SPECTRUM.search(text, start)
    if not heading:
        raise ParseError(f"{source} has a core level and no spectrum: run VASP 6 with CH_LSPEC = .TRUE.")
    first = text.count("\n", 0, heading.end()) + 1
    body = text[heading.end() :].splitlines()
    words: list[str] = []
    rows = iter(enumerate(body[2:], start=first + 2))  # below the names of the columns and a rule
    for number, line in rows:
        if not line.strip():
            break
        _check_numbers(line.split(), source, number)
        words += line.split()
    if len(words) % _COLUMNS:
        raise ParseError(
            f"{source}, line {first}: the spectrum holds {len(words)} numbers, expected {_COLUMNS} an energy: "
            "it is cut off or damaged, run VASP again"
        )
    table = np.array([_number(word) for word in words]).reshape(-1, _COLUMNS)
    tensor = DielectricTensor(table[:, 0], table[:, 1:].T, EnergyReference.CORE_LEVEL)
    tensor.check(source)
    return tensor


def _check_numbers(words: Sequence[str], source: str, line: int) -> None:
    for word in words:
        if not re.fullmatch(_NUMBER, word):
            raise ParseError(f"{source}, line {line}: expected numbers, got {word!r}: the spectrum is damaged")


def _block(text: str, heading: str, n_rows: int, source: str) -> np.ndarray:
    """Return the numbers below the last heading that is followed by that many rows of them."""
    start = text.rfind(heading, 0, text.find(" Iteration "))
    if start < 0:
        raise ParseError(f"{source} has no {heading!r}: it is damaged")
    lines = text[start:].split("\n", n_rows + 1)[1 : n_rows + 1]
    try:
        rows = [[float(word) for word in re.findall(_NUMBER, line)] for line in lines]
        return np.array(rows, dtype=float).reshape(n_rows, -1)
    except ValueError as error:
        raise ParseError(f"{source}: expected {n_rows} rows of numbers below {heading!r}: it is damaged") from error


def _first(pattern: re.Pattern[str], text: str, source: str, what: str) -> str:
    found = pattern.search(text)
    if not found:
        raise ParseError(f"{source} does not say {what}: it is damaged")
    return found.group(1)


def _number(text: str) -> float:
    return float(text.upper().replace("D", "E"))
