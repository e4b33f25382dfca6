"""The form in which stores keep a document: plain columns, JSON text and little-endian float64 bytes."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from whiteline.database.documents import SpectrumDocument, json_text
from whiteline.database.store import Item, SpectrumSummary
from whiteline.errors import CorruptStoreError, ParameterError, did_you_mean
from whiteline.spectrum import Spectrum

__all__ = [
    "DECODING_ERRORS",
    "PLAIN_COLUMNS",
    "SpectrumArrays",
    "StoredStructure",
    "by_size",
    "check_plain_columns",
    "compress",
    "content_hash",
    "damaged_record",
    "damaged_spectrum",
    "decompress",
    "grid_key",
    "in_groups",
    "pack_arrays",
    "pack_spectrum",
    "pack_structure",
    "read_summary",
    "unpack_document",
]

PLAIN_COLUMNS = (
    "id",
    "kind",
    "status",
    "reason",
    "absorber",
    "edge",
    "code",
    "code_version",
    "fidelity",
    "structure_id",
    "formula",
    "chemical_system",
    "space_group",
    "space_group_symbol",
    "site_id",
    "site_index",
    "multiplicity",
    "source",
    "created_at",
)


# What reading rows raises when somebody or something changed them.
DECODING_ERRORS = (ValueError, KeyError, TypeError, AttributeError, zlib.error)

_LEVEL = 3  # structures are much alike inside: higher levels take twice the time for 2 %
_GROUP_BYTES = 64 * 2**20  # of raw files that are held in memory at a time
_LONGEST_TEXT = 2**30  # bytes; SQLite holds no longer text, and damaged or foreign bytes never expand to more


@dataclass(frozen=True)
class StoredStructure:
    """A structure as text. Cells of one crystal share `structure_id`; `key` tells them apart."""

    key: str
    structure_id: str
    text: str


class SpectrumArrays(NamedTuple):
    """The arrays of one spectrum, and what of them is searched.

    Attributes:
        energy: Axis, little-endian float64 [eV]; `grid` is its content hash.
        components: Raw intensity, row after row, little-endian float64.
        weights: Weight of each row in the powder average; None for a single row of weight one.
        n_points: Number of points of the axis, from `energy_min` to `energy_max` [eV].
    """

    energy: bytes
    grid: str
    components: bytes
    weights: bytes | None
    n_points: int
    energy_min: float
    energy_max: float


def check_plain_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Return `names` if each is a field that documents can be grouped by.

    Raises:
        ParameterError: One is not, or there is none.
    """
    if isinstance(names, str) or not names:
        raise ParameterError(f"expected a list of fields to group by, got {names!r}; known: {', '.join(PLAIN_COLUMNS)}")
    for name in names:
        if name not in PLAIN_COLUMNS:
            raise ParameterError(f"cannot group by {name!r}: {did_you_mean(name, PLAIN_COLUMNS)}")
    if len(set(names)) < len(names):
        raise ParameterError(f"cannot group by a field twice, got {', '.join(names)}: name each once")
    return tuple(names)


def by_size(counts: Iterable[tuple[tuple[Any, ...], int]]) -> list[tuple[tuple[Any, ...], int]]:
    """Return counts of combinations, the largest first, equal ones in the order of their values."""
    # None beside numbers: what is unknown comes first.
    return sorted(counts, key=lambda found: (-found[1], [(v is not None, v) for v in found[0]]))


def in_groups(items: Iterable[Item], largest: int) -> Iterator[list[Item]]:
    """Yield up to `largest` items at a time, fewer where their raw files are large, so that memory stays bounded."""
    group: list[Item] = []
    n_bytes = 0
    for item in items:
        group.append(item)
        n_bytes += (
            sum(len(file) for file in (item[2] or {}).values() if isinstance(file, Sized)) if len(item) > 2 else 0
        )
        if len(group) >= largest or n_bytes >= _GROUP_BYTES:
            yield group
            group, n_bytes = [], 0
    if group:
        yield group


def compress(text: str) -> bytes:
    """Return text, compressed by zlib."""
    return zlib.compress(text.encode(), _LEVEL)


def decompress(data: bytes) -> str:
    """Return the text that `compress` took.

    Raises:
        zlib.error: The data are damaged.
    """
    stream = zlib.decompressobj()
    text = stream.decompress(data, _LONGEST_TEXT)
    if not stream.eof:
        raise zlib.error("incomplete, or longer than any text that is stored")
    return text.decode()


def damaged_spectrum(spectrum_id: str, address: str, error: Exception) -> CorruptStoreError:
    """Return the error that a stored spectrum, or its history, cannot be decoded."""
    return CorruptStoreError(
        f"spectrum {spectrum_id} in {address} is damaged ({type(error).__name__}: {error}): "
        f"`whiteline db verify {address}` says what to do"
    )


def damaged_record(record_id: str, spectrum_id: str, address: str, error: Exception) -> CorruptStoreError:
    """Return the error that a record, of a spectrum or of another job, cannot be decoded."""
    if spectrum_id:
        return damaged_spectrum(spectrum_id, address, error)
    return CorruptStoreError(
        f"the record {record_id} in {address} is damaged ({type(error).__name__}: {error}): "
        f"`whiteline db verify {address}` says what to do"
    )


def content_hash(content: bytes) -> bytes:
    """Return what names shared content in the embedded store: 16 bytes of its sha256."""
    return hashlib.sha256(content).digest()[:16]


def grid_key(energy: bytes) -> str:
    """Return the content hash of an axis."""
    return content_hash(energy).hex()


def pack_structure(document: SpectrumDocument) -> StoredStructure:
    """Return the structure of a document, named by its content."""
    text = json_text(dict(document.structure), what=f"the structure of document {document.id}")
    digest = hashlib.sha256(f"{document.structure_id}\n{text}".encode()).hexdigest()[:40]
    return StoredStructure(key=digest, structure_id=document.structure_id, text=text)


def pack_spectrum(document: SpectrumDocument) -> tuple[dict[str, Any] | None, SpectrumArrays | None]:
    """Return what a spectrum says beside its arrays, and its arrays; None twice without a spectrum."""
    spectrum = document.spectrum
    if spectrum is None:
        return None, None
    described = spectrum.to_dict()
    del described["energy"], described["components"]
    return described, pack_arrays(spectrum, grids={})


def pack_arrays(spectrum: Spectrum, *, grids: dict[bytes, str]) -> SpectrumArrays:
    """Return the arrays of a spectrum; `grids` holds the content hashes of axes met so far, and learns new ones."""
    weights = [polarisation.weight for polarisation in spectrum.polarisations]
    energy = spectrum.energy.astype("<f8", copy=False).tobytes()
    grid = grids.get(energy)
    if grid is None:
        grid = grids[energy] = grid_key(energy)
    return SpectrumArrays(
        energy=energy,
        grid=grid,
        components=spectrum.components.astype("<f8", copy=False).tobytes(),
        weights=None if weights == [1.0] else np.array(weights, dtype="<f8").tobytes(),
        n_points=spectrum.n_energy,
        energy_min=float(spectrum.energy[0]),
        energy_max=float(spectrum.energy[-1]),
    )


def unpack_document(
    metadata: Mapping[str, Any],
    *,
    structure: Mapping[str, Any],
    described: Mapping[str, Any] | None,
    energy: bytes | None,
    components: bytes | None,
) -> SpectrumDocument:
    """Rebuild a document from what `pack_spectrum` and `pack_structure` made of it."""
    spectrum = None
    if described is not None and energy is not None and components is not None:
        axis = np.frombuffer(energy, dtype="<f8")
        rows = np.frombuffer(components, dtype="<f8").reshape(-1, axis.size)
        spectrum = {**described, "energy": axis, "components": rows}
    return SpectrumDocument.from_dict({**metadata, "structure": structure, "spectrum": spectrum})


def read_summary(values: Mapping[str, Any], *, parameters: str | bytes | Mapping[str, Any]) -> SpectrumSummary:
    """Return the summary of a stored row; `parameters` may still be JSON text."""
    named = json.loads(parameters) if isinstance(parameters, str | bytes) else dict(parameters)
    return SpectrumSummary(**values, parameters=named)
