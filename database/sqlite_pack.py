"""Documents and records as rows of the embedded store.

Most of what a document says besides its numbers, and most of its record, is the same for thousands of spectra. It is
told apart here: the shared part is kept once, named by its content, and each row holds the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from whiteline.database.ancestry import known_ids, minimal_record
from whiteline.database.blobs import PackedFile, pack_files
from whiteline.database.documents import SPECTRUM_SCHEMA_VERSION, SpectrumDocument, json_text
from whiteline.database.rows import PLAIN_COLUMNS, SpectrumArrays, compress, content_hash, pack_arrays, pack_structure
from whiteline.database.sqlite_links import context_entity, entity_of
from whiteline.database.store import Item
from whiteline.provenance import ProvenanceRecord
from whiteline.provenance.record import OWN_FIELDS, record_id
from whiteline.spectrum import Spectrum

__all__ = [
    "EXTENT_COLUMNS",
    "PackedItem",
    "PackedRecord",
    "Shared",
    "pack",
    "pack_record",
    "split_details",
    "split_record",
]

EXTENT_COLUMNS = ("n_points", "energy_min", "energy_max")
# What differs from spectrum to spectrum; every other field is shared.
_OWN_OF_SPECTRUM = ("scale", "volume", "reference_energy", "shift")
# Records of schema version 1 had the first three.
_OWN_OF_RECORD = ("inputs", "outputs", "parents", *OWN_FIELDS)
_COLUMNS_OF_RECORD = ("id", "started_at")
_ARRAYS = ("energy", "components")
_shared_of_spectrum = attrgetter(
    *(f.name for f in fields(Spectrum) if f.name not in (*_OWN_OF_SPECTRUM, *_ARRAYS) and f.init)
)
_shared_of_record = attrgetter(
    *(f.name for f in fields(ProvenanceRecord) if f.name not in (*OWN_FIELDS, "started_at", "given_id"))
)
_K = TypeVar("_K")
_V = TypeVar("_V")


class Shared(NamedTuple):
    """Content that many rows refer to: its hash, itself, and more columns of its table, by their names."""

    hash: bytes
    content: bytes | str
    more: tuple[tuple[str, str], ...] = ()


class PackedRecord(NamedTuple):
    """A record, ready to be bound.

    Attributes:
        row: Id, start, and what it has for itself; `context` is what it shares with others.
        links: Under which entities it is found; see `sqlite_links`.
    """

    row: tuple[str, str, str]
    context: Shared
    links: tuple[bytes, ...]


class _Context(NamedTuple):
    """What a record shares with others, and the entity of that."""

    shared: Shared
    entity: bytes


class PackedItem(NamedTuple):
    """A document, its record and its files, ready to be bound.

    Attributes:
        row: Values of `PLAIN_COLUMNS`, of `EXTENT_COLUMNS` and the details.
        has_record: Whether the record came with the document; one that did not is for a spectrum that has none.
    """

    id: str
    elements: tuple[str, ...]
    chemical_system: str
    row: tuple[Any, ...]
    structure: Shared
    parameters: Shared
    description: Shared
    arrays: SpectrumArrays | None
    record: PackedRecord
    has_record: bool
    files: tuple[PackedFile, ...]


def pack(group: Sequence[Item]) -> list[PackedItem]:
    """Return a group ready to be bound.

    Raises:
        ParameterError: JSON cannot hold a document or record, or a file cannot be stored.
    """
    packer = _Packer()
    return [packer.pack(*item) for item in group]


def split_details(details: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what of a document's details many share, and what it has for itself."""
    shared = dict(details)
    own = {name: shared.pop(name) for name in ("checks", "parents")}
    spectrum = shared.pop("spectrum")
    if spectrum is None:
        return {**shared, "spectrum": None}, own
    common = {name: value for name, value in spectrum.items() if name not in _OWN_OF_SPECTRUM}
    return {**shared, "spectrum": common}, {**own, "spectrum": {name: spectrum[name] for name in _OWN_OF_SPECTRUM}}


def split_record(record: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what of a record many share, and what it has for itself beside its id and start."""
    own = {name: record[name] for name in _OWN_OF_RECORD if name in record}
    return {n: value for n, value in record.items() if n not in own and n not in _COLUMNS_OF_RECORD}, own


class _Packer:
    """Packs the items of one group and remembers what they share.

    Objects are recognised by their `id`: those of a group live until it is written.
    """

    def __init__(self) -> None:
        self._structures: dict[tuple[int, str], Shared] = {}
        self._parameters: dict[int, Shared] = {}
        self._descriptions: dict[tuple[Any, ...], Shared] = {}
        self._texts: dict[int, str] = {}
        self._contexts: dict[tuple[Any, ...], _Context] = {}
        self._made: list[ProvenanceRecord] = []
        self._grids: dict[bytes, str] = {}

    def pack(
        self,
        document: SpectrumDocument,
        record: ProvenanceRecord | None,
        files: Mapping[str, bytes] | None = None,
    ) -> PackedItem:
        spectrum = document.spectrum
        arrays = None if spectrum is None else pack_arrays(spectrum, grids=self._grids)
        own: dict[str, Any] = {
            "checks": [check.to_dict() for check in document.checks],
            "parents": list(document.parents),
        }
        if spectrum is not None:
            own["spectrum"] = {name: getattr(spectrum, name) for name in _OWN_OF_SPECTRUM}
        return PackedItem(
            id=document.id,
            elements=document.elements,
            chemical_system=document.chemical_system,
            row=(
                *_plain_values(document),
                *((arrays.n_points, arrays.energy_min, arrays.energy_max) if arrays else (0, None, None)),
                json_text(own, what=f"document {document.id}"),
            ),
            structure=_once(
                self._structures,
                (id(document.structure), document.structure_id),
                lambda: _pack_structure(document),
            ),
            parameters=_once(self._parameters, id(document.parameters), lambda: _pack_parameters(document)),
            description=_once(
                self._descriptions,
                (document.licence, document.citation, spectrum and self._described(spectrum)),
                lambda: _pack_description(document),
            ),
            arrays=arrays,
            record=self._record(document, record),
            has_record=record is not None,
            files=pack_files(files, spectrum_id=document.id) if files else (),
        )

    def _record(self, document: SpectrumDocument, given: ProvenanceRecord | None) -> PackedRecord:
        record = given or minimal_record(document, document.parents)
        if given is None:
            self._made.append(record)  # lives as long as its context is recognised by `id`
        key = tuple(map(_key_of, _shared_of_record(record)))
        context = _once(self._contexts, key, lambda: _pack_context(record.shared_part(), document.id))
        return _pack_record(record, context, document.id)

    def _described(self, spectrum: Spectrum) -> tuple[Any, ...]:
        # 1 and 1.0, or 0.0 and -0.0, are equal to Python and not as JSON, hence the text.
        numbers = (spectrum.polarisations, spectrum.broadening)
        return (
            *_shared_of_spectrum(spectrum),
            *(_once(self._texts, id(each), partial(repr, each)) for each in numbers),
        )


def _key_of(value: Any) -> Any:
    """Return what tells a field of a record apart: a text or number itself, what is larger by its `id`."""
    return value if isinstance(value, str | int) else id(value) if value else None


def _once(known: dict[_K, _V], key: _K, make: Callable[[], _V]) -> _V:
    if key not in known:
        known[key] = make()
    return known[key]


_read_plain = attrgetter(*PLAIN_COLUMNS)
_I_KIND, _I_STATUS = PLAIN_COLUMNS.index("kind"), PLAIN_COLUMNS.index("status")


def _plain_values(document: SpectrumDocument) -> list[Any]:
    values = list(_read_plain(document))
    # SQLite takes plain text at once, and asks around for what a subclass of it should be.
    values[_I_KIND] = document.kind.value
    values[_I_STATUS] = document.status.value
    return values


def _share(text: str) -> Shared:
    return Shared(content_hash(text.encode()), text)


def _pack_structure(document: SpectrumDocument) -> Shared:
    packed = pack_structure(document)
    more = (("structure_id", packed.structure_id),)
    return Shared(bytes.fromhex(packed.key), compress(packed.text), more)


def _pack_parameters(document: SpectrumDocument) -> Shared:
    return _share(json_text(dict(document.parameters), what=f"the parameters of document {document.id}"))


def _pack_description(document: SpectrumDocument) -> Shared:
    spectrum = None
    if document.spectrum is not None:
        spectrum = {name: v for name, v in document.spectrum.to_dict().items() if name not in _ARRAYS}
    details = {
        "schema_version": SPECTRUM_SCHEMA_VERSION,
        "licence": document.licence,
        "citation": document.citation,
        "checks": [],
        "parents": [],
        "spectrum": spectrum,
    }
    return _share(json_text(split_details(details)[0], what=f"document {document.id}"))


def pack_record(record: ProvenanceRecord, spectrum_id: str = "") -> PackedRecord:
    """Return a record ready to be bound.

    Args:
        record: The record.
        spectrum_id: Whose it is; empty where a job made no spectrum.

    Raises:
        ParameterError: JSON cannot hold it.
    """
    return _pack_record(record, _pack_context(record.shared_part(), spectrum_id), spectrum_id)


def _pack_context(shared: Mapping[str, Any], spectrum_id: str) -> _Context:
    text = json_text(shared, what=_record_of(spectrum_id))
    return _Context(_share(text), context_entity(shared))


def _pack_record(record: ProvenanceRecord, context: _Context, spectrum_id: str) -> PackedRecord:
    own = record.own_part()
    text = json_text(own, what=_record_of(spectrum_id))
    # Not `record.id`, which would write the shared text anew for each of many records.
    identity = record.given_id or record_id(record.started_at, own, str(context.shared.content))
    ids = known_ids(record, identity, spectrum_id=spectrum_id)
    return PackedRecord((identity, record.started_at, text), context.shared, (context.entity, *map(entity_of, ids)))


def _record_of(spectrum_id: str) -> str:
    return f"the provenance record of document {spectrum_id}" if spectrum_id else "the provenance record of a job"
