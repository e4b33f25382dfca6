"""What every stored spectrum has: a record of how it came about, and the ids under which that record is found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from whiteline.database.query_values import plain_text
from whiteline.errors import ParameterError
from whiteline.provenance import Kind, ProvenanceRecord

if TYPE_CHECKING:
    from whiteline.database.documents import SpectrumDocument
    from whiteline.database.linked import LinkedRecord
    from whiteline.database.store import SpectrumSummary

__all__ = [
    "CHECKSUM",
    "PUT",
    "by_digits",
    "check_reason",
    "in_portions",
    "is_hexadecimal",
    "is_like",
    "known_ids",
    "minimal_record",
    "oldest_first",
]

# Activity of the record that a store makes where a spectrum comes with none.
PUT: Final = "put"
# What ids of files begin with.
CHECKSUM: Final = "sha256:"
_HEX = re.compile("[0-9a-f]+")
_T = TypeVar("_T")
# One object for all: what is the same object is packed once.
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def minimal_record(document: SpectrumDocument | SpectrumSummary, parents: Sequence[str]) -> ProvenanceRecord:
    """Return what is known of a spectrum that came without a record; the same each time.

    A source is named by its text, e.g. `mp-2657`: nobody has seen its content.

    Args:
        document: The document, or its summary.
        parents: Ids of the spectra that it was made from.
    """
    return ProvenanceRecord(
        activity=PUT,
        used={
            Kind.SOURCE: {document.source: document.source},
            Kind.STRUCTURE: {"structure": document.structure_id},
            Kind.SITE: {"site": document.site_id},
            Kind.SPECTRUM: {f"spectrum {i}": each for i, each in enumerate(parents, start=1) if each != document.id},
        },
        generated={Kind.SPECTRUM: {"spectrum": document.id}},
        code=document.code,
        code_version=document.code_version,
        parameters=document.parameters,
        started_at=document.created_at,
        ended_at=document.created_at,
        timings=_NOTHING,
        libraries=_NOTHING,
        executables=_NOTHING,
        commit="",
        seeds=_NOTHING,
        host="",
        system="",
        scheduler=_NOTHING,
    )


def known_ids(record: ProvenanceRecord, record_id: str, *, spectrum_id: str = "") -> set[str]:
    """Return the ids under which a record is found: its own, and those of all that it names.

    Args:
        record: The record.
        record_id: Its id, which a writer has computed already.
        spectrum_id: Whose it is; found by that id in any case, so that it is left out.
    """
    return {record_id, *record.linked_ids()} - {spectrum_id}


def is_hexadecimal(text: str) -> bool:
    """Return whether a text is hexadecimal digits."""
    return _HEX.fullmatch(text) is not None


def is_like(each: str, prefix: str) -> bool:
    """Return whether an id is a hash that begins so; `sha256:` may be left out.

    >>> is_like("sha256:00ff", "00"), is_like("00ff", "sha256:00"), is_like("00ff.cif", "00")
    (True, False, False)
    """
    digits = each.removeprefix(CHECKSUM)
    return (each.startswith(prefix) or digits.startswith(prefix)) and is_hexadecimal(digits)


def by_digits(ids: Iterable[str], limit: int) -> list[str]:
    """Return the first ids in the order of their digits, each once."""
    return sorted(set(ids), key=lambda each: (each.removeprefix(CHECKSUM), each))[:limit]


def in_portions(values: Sequence[_T], largest: int) -> Iterator[Sequence[_T]]:
    """Yield up to so many values at a time: no store takes any number of them in one question."""
    return (values[start : start + largest] for start in range(0, len(values), largest))


def oldest_first(found: Iterable[LinkedRecord]) -> list[LinkedRecord]:
    """Return records in the order in which the jobs started, each once."""
    each = {(linked.record.id, linked.spectrum_id): linked for linked in found}
    return sorted(each.values(), key=lambda linked: (linked.record.started_at, linked.record.id, linked.spectrum_id))


def check_reason(reason: str) -> str:
    """Return the reason of a mark.

    Raises:
        ParameterError: It says nothing.
    """
    if not plain_text(reason, "the reason of a mark").strip():
        raise ParameterError("a mark needs a reason: say why nobody should rest on it")
    return reason
