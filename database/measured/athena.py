"""Project files of Athena: several spectra a file, written by Perl or as JSON, packed with gzip or not.

Ravel and Newville, J. Synchrotron Rad. 12, 537 (2005), doi:10.1107/S0909049505012719. The stored energies are those of
the data file; the shift to the calibrated axis, `bkg_eshift`, is added here.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from whiteline.database.measured.columns import derive
from whiteline.database.measured.perl import RECORD, PerlValue, read_statements
from whiteline.database.measured.table import ColumnTable
from whiteline.edges import Edge, edge_energy
from whiteline.errors import InputError, ParameterError, ParseError
from whiteline.measured import MeasuredSpectrum, Signal

__all__ = ["AthenaGroup", "is_athena", "read_athena"]

_MARK: Final = b"Athena project file"
_MAX_BYTES: Final = 256 * 2**20
_FIRST: Final = 4096
_MIN_POINTS: Final = 5
# Data types that are no absorption over photon energy.
_OTHER_TYPES: Final = {
    "chi": "chi(k)",
    "xmudat": "a calculation of FEFF",
    "detector": "a detector",
    "background": "a background",
}
_KEPT: Final = ("label", "file", "source", "beamline", "datatype", "is_merge", "bkg_e0", "bkg_eshift", "annotation")


@dataclass(frozen=True, eq=False)
class AthenaGroup:
    """One group of a project.

    Attributes:
        label: Name that the user gave it.
        spectrum: The spectrum; None where the group holds none.
        problem: Why there is none.
    """

    label: str
    spectrum: MeasuredSpectrum | None
    problem: str = ""


@dataclass(frozen=True, eq=False)
class _Record:
    name: str
    args: Mapping[str, Any]
    arrays: Mapping[str, Sequence[Any]]


def is_athena(path: Path) -> bool:
    """Return whether the first bytes of a file, unpacked if need be, name an Athena project."""
    try:
        with path.open("rb") as file:
            first = file.read(_FIRST)
    except OSError:
        return False
    if first.startswith(b"\x1f\x8b"):
        try:
            first = zlib.decompressobj(wbits=31).decompress(first, _FIRST)
        except zlib.error:
            return False
    return _MARK in first


def read_athena(path: Path, *, max_bytes: int | None = _MAX_BYTES) -> list[AthenaGroup]:
    """Return the groups of an Athena project, in their order.

    Args:
        path: The file.
        max_bytes: Size that it may unpack to; None for any.

    Raises:
        ParseError: The file is no project, cut off, damaged or too large. A single group that cannot be used is none.
    """
    text = _text(path, max_bytes)
    records = _json_records(text, path) if text.lstrip().startswith("{") else _perl_records(text, path)
    groups = [_group(record, path) for record in records]
    if not groups:
        raise ParseError(f"{path} holds no group: save the project again with data in it")
    return groups


def _text(path: Path, max_bytes: int | None) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ParseError(f"cannot read {path} ({error.strerror}): check its permissions") from error
    if content.startswith(b"\x1f\x8b"):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            content = unpacker.decompress(content, max_bytes + 1 if max_bytes else 0)
        except zlib.error as error:
            raise ParseError(f"{path} cannot be unpacked ({error}): copy it again") from error
        if not unpacker.eof and not (max_bytes and len(content) > max_bytes):
            raise ParseError(f"{path} cannot be unpacked: it is cut off, copy it again")
        if unpacker.unused_data.strip(b"\0"):
            raise ParseError(f"{path} has more behind the end of its packing: unpack it, and keep one project a file")
    if max_bytes is not None and len(content) > max_bytes:
        raise ParseError(f"{path} unpacks to more than {max_bytes / 2**20:.0f} MiB: expected a project of spectra")
    if _MARK not in content[:_FIRST]:
        raise ParseError(f"{path} is no Athena project: its first lines do not say so")
    return content.decode("utf-8", errors="replace")


def _perl_records(text: str, path: Path) -> Iterator[_Record]:
    found: dict[str, PerlValue] = {}
    for statement in read_statements(text, str(path)):
        if statement.name != RECORD:
            found[statement.name] = statement.value
            continue
        name, args = found.get("old_group"), found.get("args")
        pairs = args if isinstance(args, list) else []
        yield _Record(
            name=name if isinstance(name, str) else "",
            args={str(key): value for key, value in zip(pairs[::2], pairs[1::2], strict=False)},
            arrays={key: value for key, value in found.items() if key in ("x", "y") and isinstance(value, list)},
        )
        found = {}
    if "x" in found or "old_group" in found:
        raise ParseError(f"{path}: the last group has no {RECORD}: the project is cut off, save it again")


def _json_records(text: str, path: Path) -> Iterator[_Record]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParseError(
            f"{path} is no whole JSON ({error}): the project is cut off or damaged, save it again"
        ) from error
    names = [name for name, value in content.items() if isinstance(value, dict) and not name.startswith("_____")]
    order = content.get("_____order")
    ranks = {str(name): i for i, name in enumerate(order)} if isinstance(order, list) else {}
    for name in sorted(names, key=lambda n: ranks.get(n, len(ranks))):
        args = content[name].get("args")
        if isinstance(args, list):
            args = {str(key): value for key, value in zip(args[::2], args[1::2], strict=False)}
        arrays = {key: content[name].get(key) for key in ("x", "y")}
        yield _Record(
            name=name,
            args=args if isinstance(args, dict) else {},
            arrays={key: value for key, value in arrays.items() if isinstance(value, list)},
        )


def _group(record: _Record, path: Path) -> AthenaGroup:
    label = _one_line(record.args.get("label") or record.name) or "without a name"
    try:
        return AthenaGroup(label, _spectrum(record, path, label))
    except (ParseError, InputError) as error:
        return AthenaGroup(label, None, str(error))


def _spectrum(record: _Record, path: Path, label: str) -> MeasuredSpectrum:
    source = f"{path.name}, group {label!r}"
    args = record.args
    kind = str(args.get("datatype") or "")
    flags = {name: str(args.get(f"is_{name}") or "0") == "1" for name in ("chi", "xmudat", "nor", "bkg")}
    other = next((name for name in _OTHER_TYPES if kind == name or flags.get(name)), None)
    if other is not None:
        raise ParseError(f"{source} is {_OTHER_TYPES[other]}, expected absorption over photon energy")
    energy, mu = (_numbers(record.arrays.get(name), f"{source}, {name}") for name in ("x", "y"))
    if len(energy) != len(mu) or len(energy) < _MIN_POINTS:
        raise ParseError(
            f"{source} has {len(energy)} energies and {len(mu)} values, expected as many and at least {_MIN_POINTS}: "
            "save the project again"
        )
    shift = _shift(args.get("bkg_eshift"), source)
    is_normalised = flags["nor"] or kind == "norm"
    table = ColumnTable(
        source=source,
        names=("energy", "norm" if is_normalised else "mu"),
        units=("eV", ""),
        data=np.column_stack([energy + shift, mu]),
        lines=tuple(range(1, len(energy) + 1)),
    )
    made = derive(table)
    element, edge = _absorber(args)
    metadata = {name: _one_line(args[name]) for name in _KEPT if args.get(name) not in (None, "", "0")}
    notes = (f"shifted by {shift:g} eV, as Athena calibrates it",) if shift else ()
    return MeasuredSpectrum(
        made.energy,
        made.mu,
        signal=Signal.NORMALISED if is_normalised else Signal.ABSORPTION,
        derivation=made.formula,
        element=element,
        edge=edge,
        metadata=metadata,
        notes=(*notes, *made.notes),
        source=f"{path}#{label}",
    )


def _numbers(values: Sequence[Any] | None, place: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    if values is None:
        raise ParseError(f"{place} is missing: expected x (energy) and y (absorption) of a group")
    for i, value in enumerate(values, start=1):
        try:
            is_number = np.isfinite(float(value))
        except (TypeError, ValueError, OverflowError):
            is_number = False
        if not is_number:
            raise ParseError(f"{place}, point {i}: expected a finite number, got {str(value)[:40]!a}: remove the point")
    return np.array([float(value) for value in values], dtype=float)


def _shift(value: Any, source: str) -> float:
    try:
        shift = float(value or 0.0)
    except (TypeError, ValueError):
        shift = np.nan
    if not abs(shift) < 1e4:
        raise ParseError(f"{source}: expected a shift of some eV as bkg_eshift, got {str(value)[:40]!a}: correct it")
    return shift


def _absorber(args: Mapping[str, Any]) -> tuple[str | None, Edge | None]:
    """Return element and edge as far as the group names them."""
    element = str(args.get("bkg_z") or "").strip().capitalize()
    try:
        edge = Edge.parse(str(args.get("fft_edge") or "K"))
        edge_energy(element, edge)
    except ParameterError:
        return None, None
    return element, edge


def _one_line(value: Any) -> str:
    # JSON can name half of a pair of surrogates, which is no text.
    text = str(value)[:1000].encode("utf-8", "replace").decode("utf-8")
    return re.sub(r"\s+", " ", text).strip()[:200]
