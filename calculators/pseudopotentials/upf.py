"""Reading UPF pseudopotential files, versions 1 and 2."""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ase.data import atomic_numbers

from whiteline.calculators.pseudopotentials.core_hole import LETTERS, CoreHole
from whiteline.errors import ParseError

__all__ = ["Kind", "Pseudopotential", "core_sections", "read_element", "read_text", "read_upf", "sections"]

# Human-readable part and header of the longest files in use; enough to name the element.
_HEAD_BYTES = 65536
# Electrons; half a core hole is 0.5, and z_valence is printed with eleven digits.
_ELECTRON_TOLERANCE = 1.0e-3
_TAG = re.compile(r"<(/?)(PP_[A-Z0-9_.]+)\b([^<>]*?)(/?)>")
_HEADER_V2 = re.compile(r"<PP_HEADER((?:\s+\w+\s*=\s*(?:\"[^\"]*\"|'[^']*'))*)\s*/?>")
_ATTRIBUTE = re.compile(r"(\w+)\s*=\s*(?:\"\s*([^\"]*?)\s*\"|'\s*([^']*?)\s*')")
_VALENCE_LINE = re.compile(r"^\s*([1-9][SPDF])\s+\d+\s+\d+\s+(-?\d+\.\d+)\s", re.MULTILINE)
_CONFIG = re.compile(r"config\s*=\s*'([^']*)'", re.IGNORECASE)
_SHELL = re.compile(r"\b([1-7])([spdf])(\d+(?:\.\d+)?)\b", re.IGNORECASE)
_HOLE_IN_NAME = re.compile(r"[._-](star|half)([1-5][spd])[._-]", re.IGNORECASE)
_FUNCTIONALS = {
    "SLA PW PBX PBC": "PBE",
    "SLA PW PBE PBE": "PBE",
    "SLA PW PSX PSC": "PBESOL",
    "SLA PZ NOGX NOGC": "PZ",
    "SLA PZ": "PZ",
    "LDA": "PZ",
    "SLA PW GGX GGC": "PW91",
    "SLA LYP B88 BLYP": "BLYP",
}
_RELATIVITY = {"no": "none", "scalar": "scalar", "full": "full"}
_RELATIVITY_V1 = {"0": "none", "1": "scalar", "2": "full"}


class Kind(StrEnum):
    """How a pseudopotential represents the core."""

    NORM_CONSERVING = "NC"
    ULTRASOFT = "US"
    PAW = "PAW"


@dataclass(frozen=True)
class Pseudopotential:
    """What a UPF file says of itself; the functions on the mesh stay in the file.

    Attributes:
        path: The file.
        sha256: Checksum of its bytes.
        upf_version: 1 or 2.
        element: Chemical symbol.
        kind: Norm-conserving, ultrasoft or PAW.
        functional: Exchange-correlation functional, e.g. `PBE`; libxc and rare ones as the file names them.
        relativity: `none`, `scalar` or `full`; empty where the file does not say.
        z_valence: Valence charge; not whole for half a core hole.
        wavefunction_cutoff_ry: Suggested kinetic-energy cutoff [Ry]; None where the file suggests none.
        density_cutoff_ry: Suggested cutoff of density and potential [Ry], likewise.
        n_mesh: Points of the radial mesh.
        gipaw_projectors: Number of GIPAW projectors by angular momentum.
        core_levels: Core levels whose wavefunction the file holds, e.g. `("1s", "2s", "2p")`.
        missing_core_electrons: Electrons that the core lacks; None where it cannot be told.
        core_hole: The core hole; None where there is none, or where its level cannot be told.
    """

    path: Path
    sha256: str
    upf_version: int
    element: str
    kind: Kind
    functional: str
    relativity: str
    z_valence: float
    wavefunction_cutoff_ry: float | None
    density_cutoff_ry: float | None
    n_mesh: int
    gipaw_projectors: Mapping[int, int]
    core_levels: tuple[str, ...]
    missing_core_electrons: float | None
    core_hole: CoreHole | None

    @property
    def has_gipaw(self) -> bool:
        """Whether all-electron wavefunctions can be rebuilt."""
        return bool(self.gipaw_projectors)

    @property
    def has_core_hole(self) -> bool:
        """Whether the core lacks electrons, as far as can be told."""
        return self.core_hole is not None or bool(self.missing_core_electrons)


def read_element(path: Path) -> str:
    """Return the chemical symbol in the head of a UPF file, without reading the rest.

    Raises:
        ParseError: The file is no UPF file.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as stream:
            head = stream.read(_HEAD_BYTES).decode("latin-1")
    except (OSError, EOFError, zlib.error) as error:
        raise ParseError(f"{path} cannot be read: {error}") from error
    return _element(_header(head, path), path)


def read_upf(path: Path) -> Pseudopotential:
    """Return what a UPF file, gzipped or not, says of itself.

    A file of version 1 that ends exactly between two sections cannot be told from a whole one without the later
    section; everything else that is cut off is refused.

    Raises:
        ParseError: The file is no UPF file, is cut off, or lacks a section.
    """
    text = read_text(path)
    header = _header(text, path)
    _check_whole(text, path, header)
    element = _element(header, path)
    valence = _valence(text)
    projectors, core = _gipaw(text, header, path)
    # ld1.x lists a valence state with two projectors among the core orbitals too.
    core = tuple(level for level in core if not valence.get(level))
    z_valence = _number(header, "z_valence", path)
    missing, hole = _core_hole(text, path, element, z_valence, core, valence)
    return Pseudopotential(
        path=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        upf_version=2 if _is_v2(text) else 1,
        element=element,
        kind=_kind(header, path),
        functional=_functional(header["functional"]),
        relativity=header.get("relativistic", ""),
        z_valence=z_valence,
        wavefunction_cutoff_ry=_number({"wfc_cutoff": "0", **header}, "wfc_cutoff", path) or None,
        density_cutoff_ry=_number({"rho_cutoff": "0", **header}, "rho_cutoff", path) or None,
        n_mesh=int(_number(header, "mesh_size", path)),
        gipaw_projectors=projectors,
        core_levels=core,
        missing_core_electrons=missing,
        core_hole=hole,
    )


def read_text(path: Path) -> str:
    """Return the text of a file, gzipped or not.

    Raises:
        ParseError: It cannot be read.
    """
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("latin-1")
    except (OSError, EOFError, zlib.error) as error:
        raise ParseError(f"{path} cannot be read: {error}; fetch the file again") from error


def _is_v2(text: str) -> bool:
    return re.search(r"<UPF\s+version", text) is not None


def _header(text: str, path: Path) -> dict[str, str]:
    """Return the header by version 2's names."""
    if _is_v2(text):
        match = _HEADER_V2.search(text)
        found = _attributes(match[1]) if match else {}
    else:
        found = _header_v1(text)
    needed = ("element", "pseudo_type", "functional", "z_valence", "mesh_size")
    lacking = [name for name in needed if name not in found]
    if lacking:
        raise ParseError(
            f"{path}: expected a UPF file with a whole PP_HEADER section, found no {', '.join(lacking)}: "
            "it is cut off or no UPF file, fetch or make it again"
        )
    return found


def _header_v1(text: str) -> dict[str, str]:
    section = re.search(r"<PP_HEADER>\s*\n(.*?)</PP_HEADER>", text, re.DOTALL)
    found: dict[str, str] = {}
    for line in section[1].splitlines() if section else []:
        words = line.split()
        if "Exchange-Correlation" in words:
            found["functional"] = " ".join(words[: words.index("Exchange-Correlation")])
        elif "Suggested cutoff" in line:
            found["wfc_cutoff"], found["rho_cutoff"] = words[:2]
        else:
            for mark, name in (
                ("Element", "element"),
                ("Z valence", "z_valence"),
                ("Number of points", "mesh_size"),
                ("seudopotential", "pseudo_type"),
                ("PAW", "pseudo_type"),
            ):
                if mark in line and words:
                    found.setdefault(name, words[0])
    relativity = re.search(r"^\s*([012])\s+The Pseudo was generated", text, re.MULTILINE)
    return found | ({"relativistic": _RELATIVITY_V1[relativity[1]]} if relativity else {})


def _attributes(text: str) -> dict[str, str]:
    found = {name: double or single for name, double, single in _ATTRIBUTE.findall(text)}
    if "relativistic" in found:
        found["relativistic"] = _RELATIVITY.get(found["relativistic"], found["relativistic"])
    return found


def _check_whole(text: str, path: Path, header: Mapping[str, str]) -> None:
    """Refuse a file in which a section is missing or does not end."""
    opened, closed = Counter[str](), Counter[str]()
    for slash, name, _, is_empty in _TAG.findall(text):
        (closed if slash else opened)[name] += 0 if is_empty else 1
    # Version 2's header is a single tag in most files, and an open one in a few.
    unended = [name for name in opened if opened[name] > closed[name] and name != "PP_HEADER"]
    needed = ["PP_MESH", "PP_R", "PP_RAB", "PP_RHOATOM"]
    needed += ["PP_GIPAW"] if _is_true(header, "has_gipaw") else []
    lacking = [name for name in needed if not opened[name]]
    if unended or lacking or (_is_v2(text) and not text.rstrip().endswith("</UPF>")):
        where = f"section {(unended or lacking or ['UPF'])[0]} {'does not end' if not lacking else 'is missing'}"
        line = text.count("\n") + 1
        raise ParseError(
            f"{path} is cut off or damaged: {where} (the file ends at line {line}); fetch or make it again"
        )


def _is_true(header: Mapping[str, str], name: str) -> bool:
    return header.get(name, "").lower().strip(".").startswith("t")


def sections(text: str, name: str, path: Path) -> list[tuple[str, str]]:
    """Return attributes and body of every section of a name."""
    found = re.findall(rf"<{name}((?:\s[^>]*)?)>(.*?)</{name}>", text, re.DOTALL)
    if not found:
        raise ParseError(f"{path}: section {name} is missing or does not end; fetch or make the file again")
    return found


def _element(header: Mapping[str, str], path: Path) -> str:
    symbol = header["element"].strip().capitalize()
    if symbol not in atomic_numbers or symbol == "X":
        raise ParseError(f"{path}: PP_HEADER names {symbol!r}, expected a chemical symbol; correct or replace the file")
    return symbol


def _number(header: Mapping[str, str], name: str, path: Path) -> float:
    try:
        return float(re.sub(r"[dD]", "e", header[name]))
    except ValueError as error:
        raise ParseError(f"{path}: PP_HEADER has {header[name]!r} as {name}, expected a number") from error


def _kind(header: Mapping[str, str], path: Path) -> Kind:
    name = header["pseudo_type"].upper()
    kinds = {"NC": Kind.NORM_CONSERVING, "SL": Kind.NORM_CONSERVING, "1/R": Kind.NORM_CONSERVING, "PAW": Kind.PAW}
    if name in {"US", "USPP"}:
        return Kind.ULTRASOFT
    if name not in kinds:
        raise ParseError(f"{path}: PP_HEADER has type {name!r}, expected NC, US, USPP or PAW")
    return kinds[name]


def _functional(text: str) -> str:
    words = text.upper().split()
    for n_words in (len(words), 4, 2):
        name = _FUNCTIONALS.get(" ".join(words[:n_words]))
        if name and n_words <= len(words):
            return name
    return " ".join(words)


def _valence(text: str) -> dict[str, float]:
    """Return the occupations of the valence states that the human-readable part lists."""
    head = text.partition("<PP_HEADER")[0].partition("<PP_INPUTFILE>")[0]
    found: dict[str, float] = {}
    for label, occupation in _VALENCE_LINE.findall(head):
        found[label.lower()] = max(found.get(label.lower(), 0.0), float(occupation))
    return found


def _gipaw(text: str, header: Mapping[str, str], path: Path) -> tuple[dict[int, int], tuple[str, ...]]:
    """Return the number of projectors by angular momentum, and the levels of the core orbitals."""
    if not _is_v2(text):
        if "<PP_GIPAW_RECONSTRUCTION_DATA>" not in text:
            return {}, ()
        labels = re.findall(r"<PP_GIPAW_AE_ORBITAL>\s*\n\s*\S+\s+(\d)", text)
    elif not _is_true(header, "has_gipaw"):
        return {}, ()
    elif _is_true(header, "paw_as_gipaw"):
        tags = [attributes for attributes, _ in sections(text, r"PP_BETA\.\d+", path)] if "<PP_BETA." in text else []
        labels = [_attributes(tag).get("angular_momentum", "") for tag in tags]
    else:
        labels = [_attributes(tag).get("l", "") for tag in re.findall(r"<PP_GIPAW_ORBITAL\.\d+\s([^>]*)>", text)]
    counts = Counter(int(float(label)) for label in labels if label)
    return dict(sorted(counts.items())), tuple(level for level, _ in core_sections(text, path))


def core_sections(text: str, path: Path) -> list[tuple[str, str]]:
    """Return level and text of the mesh data of every core orbital."""
    if not _is_v2(text):
        found = re.findall(
            r"<PP_GIPAW_CORE_ORBITAL>\s*\n\s*(\d)\s+(\d)[^\n]*\n(.*?)</PP_GIPAW_CORE_ORBITAL>", text, re.S
        )
        return [(f"{n}{LETTERS[int(ell)]}", body) for n, ell, body in found]
    if "<PP_GIPAW_CORE_ORBITAL." not in text:
        return []
    orbitals = []
    for tag, body in re.findall(r"<PP_GIPAW_CORE_ORBITAL\.\d+\s([^>]*)>(.*?)</PP_GIPAW_CORE_ORBITAL\.", text, re.S):
        numbers = _attributes(tag)
        try:
            level = f"{int(float(numbers['n']))}{LETTERS[int(float(numbers['l']))]}"
        except (KeyError, ValueError, IndexError) as error:
            raise ParseError(f"{path}: a core orbital has no quantum numbers n and l, got {tag.strip()!r}") from error
        orbitals.append((level, body))
    return orbitals


def _core_hole(
    text: str, path: Path, element: str, z_valence: float, core: tuple[str, ...], valence: Mapping[str, float]
) -> tuple[float | None, CoreHole | None]:
    """Return the electrons that the core lacks and, where it can be told, from which level.

    The configuration that the file was made from says both; the core orbitals say how many a full core holds; a
    name such as `Ti.star1s.pbe.UPF` is the last resort.
    """
    capacity = {level: 2.0 * (2 * LETTERS.index(level[1]) + 1) for level in core}
    config = _CONFIG.search(text.partition("<PP_HEADER")[0])
    for n, letter, occupation in _SHELL.findall(config[1]) if config else ():
        level = f"{n}{letter.lower()}"
        lacking = 2.0 * (2 * LETTERS.index(level[1]) + 1) - float(occupation)
        if level not in valence and 0 < lacking <= 1 and (level in core or not core):
            return lacking, CoreHole(level, lacking)
    named = _HOLE_IN_NAME.search(path.name)
    of_name = CoreHole(named[2].lower(), 1.0 if named[1].lower() == "star" else 0.5) if named else None
    if not core:
        is_told = config is not None and bool(valence)
        return (of_name.size, of_name) if of_name else (0.0 if is_told else None, None)
    missing = sum(capacity.values()) - (atomic_numbers[element] - z_valence)
    if abs(missing) < _ELECTRON_TOLERANCE:
        return 0.0, None
    if not 0 < missing <= 1 + _ELECTRON_TOLERANCE:
        return None, None
    missing = min(round(missing, 6), 1.0)
    if len(core) == 1:
        return missing, CoreHole(core[0], missing)
    return missing, CoreHole(of_name.level, missing) if of_name and of_name.level in core else None
