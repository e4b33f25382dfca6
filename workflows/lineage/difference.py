"""How two results differ and why: which parameter, version or input, down to the changed line of an input file."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from whiteline.errors import InputError
from whiteline.provenance import Kind, ProvenanceRecord
from whiteline.similarity import Similarity, compare

if TYPE_CHECKING:
    from whiteline.database.datasets import Manifest
    from whiteline.database.documents import SpectrumDocument
    from whiteline.database.store import SpectrumStore
    from whiteline.models.registry import ModelEntry
    from whiteline.spectrum import Spectrum

__all__ = [
    "Aspect",
    "Difference",
    "Explanation",
    "are_bitwise_equal",
    "compare_records",
    "explain_datasets",
    "explain_models",
    "explain_spectra",
    "largest_difference",
]

# Lines around a changed line, the longest difference of files that is told, and the largest file that is looked into.
_CONTEXT: Final = 1
_LONGEST: Final = 400
_LARGEST: Final = 4_000_000  # bytes
_LONGEST_VALUE: Final = 200


class Aspect(StrEnum):
    """What differs; in the order in which it is likely to be the reason."""

    SUBJECT = "subject"
    PARAMETERS = "parameters"
    INPUTS = "input files"
    POTENTIALS = "pseudopotentials"
    PARENTS = "what it was made from"
    CODE = "code"
    LIBRARIES = "libraries"
    ATTEMPTS = "repairs"
    MACHINE = "machine"
    OUTPUTS = "output files"


@dataclass(frozen=True)
class Difference:
    """One thing in which two results differ.

    Attributes:
        aspect: What kind of thing.
        name: Which, e.g. `fms_radius` or `feff.inp`.
        first: What the first has, in words; empty where it has none. `second` likewise.
        detail: More, e.g. the changed lines of a file as a unified diff.
    """

    aspect: Aspect
    name: str
    first: str
    second: str
    detail: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return a JSON-ready dictionary."""
        told = {"aspect": self.aspect.value, "name": self.name, "first": self.first, "second": self.second}
        return {**told, "detail": self.detail} if self.detail else told


@dataclass(frozen=True)
class Explanation:
    """How two results differ.

    Attributes:
        first: Id of the first, `second` of the second.
        differences: What differs, the likeliest reason first.
        is_same: Whether the results themselves are the same, bit for bit.
        largest: Largest difference of the intensities relative to the largest intensity; None where the axes differ.
        similarity: How alike two spectra are; None where that cannot be said, and for other things than spectra.
        note: What else is to be said, e.g. why no similarity can be.
    """

    first: str
    second: str
    differences: tuple[Difference, ...]
    is_same: bool
    largest: float | None = None
    similarity: Similarity | None = None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "first": self.first,
            "second": self.second,
            "is_same": self.is_same,
            "largest": self.largest,
            "similarity": None if self.similarity is None else self.similarity.to_dict(),
            "note": self.note,
            "differences": [each.to_dict() for each in self.differences],
        }


def explain_spectra(store: SpectrumStore, first: str, second: str) -> Explanation:
    """Return how two stored spectra differ.

    Args:
        store: Where both are.
        first: Id of one, or enough of its beginning.
        second: Id of the other.

    Raises:
        UnknownIdError: One of them is not stored.
    """
    one, two = store.get(first), store.get(second)
    differences = list(_compare_documents(one, two))
    records = [store.records(document.id) for document in (one, two)]
    if all(records):
        readers = [_reader(store, document) for document in (one, two)]
        differences += compare_records(records[0][-1], records[1][-1], *readers)
    is_same, largest, similarity, note = _compare_results(one, two)
    return Explanation(one.id, two.id, _ordered(differences), is_same, largest, similarity, note)


def compare_records(
    first: ProvenanceRecord,
    second: ProvenanceRecord,
    read_first: Callable[[str], bytes | None] = lambda _: None,
    read_second: Callable[[str], bytes | None] = lambda _: None,
) -> list[Difference]:
    """Return how two records differ, times aside.

    Args:
        first: One record.
        second: The other.
        read_first: Returns the content of a file of the first by its name, or None where it was not kept.
        read_second: The same of the second.
    """
    found = [
        *_values(Aspect.PARAMETERS, _plain_parameters(first), _plain_parameters(second)),
        *_values(Aspect.POTENTIALS, *(record.used.get(Kind.PSEUDOPOTENTIAL, {}) for record in (first, second))),
        *_values(Aspect.CODE, _code(first), _code(second)),
        *_values(Aspect.CODE, first.executables, second.executables),
        *_values(Aspect.LIBRARIES, *({**r.libraries, "commit of whiteline": r.commit} for r in (first, second))),
        *_values(Aspect.PARAMETERS, *({f"seed {n}": v for n, v in r.seeds.items()} for r in (first, second))),
        *_values(Aspect.MACHINE, _machine(first), _machine(second)),
        *_values(Aspect.ATTEMPTS, _attempts(first), _attempts(second)),
    ]
    for kind, aspect in ((Kind.INPUT, Aspect.INPUTS), (Kind.OUTPUT, Aspect.OUTPUTS)):
        things = (first.used, second.used) if kind is Kind.INPUT else (first.generated, second.generated)
        for each in _values(aspect, things[0].get(kind, {}), things[1].get(kind, {})):
            is_told = kind is Kind.INPUT and each.first and each.second
            detail = _changed_lines(each.name, read_first, read_second) if is_told else ""
            found.append(Difference(aspect, each.name, each.first, each.second, detail))
    for kind in (Kind.SOURCE, Kind.SPECTRUM, Kind.DATASET, Kind.SPECTRA, Kind.MODEL, Kind.ENCODER):
        found += _values(Aspect.PARENTS, first.used.get(kind, {}), second.used.get(kind, {}))
    return found


def explain_models(first: ModelEntry, second: ModelEntry) -> Explanation:
    """Return how two models differ: by their cards, what they learned from, how, and with what."""
    one, two = (entry.card.lineage.get("record") for entry in (first, second))
    pairs = {
        Aspect.SUBJECT: ("architecture", "channels", "unit", "encoder", "n_member", "subjects", "fidelities"),
    }
    differences = [
        each
        for aspect, names in pairs.items()
        for each in _values(aspect, *({name: entry.config.get(name) for name in names} for entry in (first, second)))
    ]
    cards = [entry.card.to_dict() for entry in (first, second)]
    differences += _values(Aspect.PARENTS, *({"data": card["data"], "split": card["split"]} for card in cards))
    differences += _values(Aspect.PARAMETERS, *({"training": card["training"]} for card in cards))
    differences += _values(Aspect.OUTPUTS, *({"metrics": card["metrics"]} for card in cards))
    if one and two:
        differences += compare_records(ProvenanceRecord.from_dict(one), ProvenanceRecord.from_dict(two))
    return Explanation(first.id, second.id, _ordered(differences), first.id == second.id)


def explain_datasets(first: Manifest, second: Manifest) -> Explanation:
    """Return how two frozen datasets differ: by what was asked of the store, the grid, the split and what was found."""
    one, two = (
        {name: value for name, value in manifest.to_dict().items() if name not in ("created", "files", "excluded")}
        for manifest in (first, second)
    )
    asked = ("query", "grid", "intensity", "interpolation", "extrapolation", "split")
    differences = [
        *_values(Aspect.PARAMETERS, {name: one.pop(name) for name in asked}, {name: two.pop(name) for name in asked}),
        *_values(Aspect.LIBRARIES, *({"whiteline": each.pop("whiteline_version")} for each in (one, two))),
        *_values(Aspect.OUTPUTS, one, two),
    ]
    ids = (first.content_sha256, second.content_sha256)
    return Explanation(*ids, _ordered(differences), ids[0] == ids[1])


def _compare_documents(one: SpectrumDocument, two: SpectrumDocument) -> Iterator[Difference]:
    subjects = [
        {
            "kind": document.kind.value,
            "absorber": document.absorber,
            "edge": document.edge,
            "formula": document.formula,
            "structure": document.structure_id,
            "site": document.site_id,
            "code": document.code,
            "fidelity": document.fidelity,
            "status": document.status.value,
            "source": document.source,
        }
        for document in (one, two)
    ]
    if all(document.code != "experiment" and document.site_id for document in (one, two)):
        # The same site of a crystal stands at another place in another file.
        for subject, document in zip(subjects, (one, two), strict=True):
            subject["site index"] = str(document.site_index)
    yield from _values(Aspect.SUBJECT, *subjects)
    asked = ({n: v for n, v in document.parameters.items() if n != "pseudopotentials"} for document in (one, two))
    yield from _values(Aspect.PARAMETERS, *asked)


def _compare_results(one: SpectrumDocument, two: SpectrumDocument) -> tuple[bool, float | None, Similarity | None, str]:
    if one.spectrum is None or two.spectrum is None:
        failed = [document for document in (one, two) if document.spectrum is None]
        words = "; ".join(f"{document.id[:12]} has no spectrum: {document.reason}" for document in failed)
        return len(failed) == 2 and one.reason == two.reason, None, None, words
    is_same = are_bitwise_equal(one.spectrum, two.spectrum)
    largest = largest_difference(one.spectrum, two.spectrum)
    if is_same:
        return True, largest, None, ""
    try:
        return False, largest, compare(one.spectrum, two.spectrum), ""
    except InputError as error:
        return False, largest, None, f"the two cannot be compared: {error}"


def are_bitwise_equal(one: Spectrum, two: Spectrum) -> bool:
    """Return whether axes and all components of two spectra are the same numbers."""
    return np.array_equal(one.energy, two.energy) and np.array_equal(one.components, two.components)


def largest_difference(one: Spectrum, two: Spectrum) -> float | None:
    """Return the largest difference of the powder averages over the largest value; None where the axes differ."""
    if one.energy.shape != two.energy.shape or not np.allclose(one.energy, two.energy, rtol=0.0, atol=1e-6):
        return None
    scale = float(np.max(np.abs(one.intensity))) or 1.0
    return float(np.max(np.abs(one.intensity - two.intensity))) / scale


def _values(aspect: Aspect, one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield what differs between two dictionaries, nested ones by dotted names."""
    first, second = _flat(one), _flat(two)
    for name in dict.fromkeys((*first, *second)):
        values = first.get(name), second.get(name)
        if values[0] != values[1]:
            yield Difference(aspect, name, *map(_words, values))


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _words(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _plain_parameters(record: ProvenanceRecord) -> dict[str, Any]:
    return {name: value for name, value in record.parameters.items() if name != "pseudopotentials"}


def _code(record: ProvenanceRecord) -> dict[str, str]:
    return {"activity": record.activity, "code": record.code, "version": record.code_version}


def _machine(record: ProvenanceRecord) -> dict[str, Any]:
    return {"host": record.host, "system": record.system, "cores": record.cores or None}


def _attempts(record: ProvenanceRecord) -> dict[str, Any]:
    return {f"attempt {i}": a.get("repair") or "as asked for" for i, a in enumerate(record.attempts, start=1)}


def _reader(store: SpectrumStore, document: SpectrumDocument) -> Callable[[str], bytes | None]:
    kept = {file.name: file.size for file in store.files(document.id)}

    def read(name: str) -> bytes | None:
        return store.read_file(document.id, name) if kept.get(name, _LARGEST) < _LARGEST else None

    return read


def _changed_lines(
    name: str, read_first: Callable[[str], bytes | None], read_second: Callable[[str], bytes | None]
) -> str:
    contents = read_first(name), read_second(name)
    if contents[0] is None or contents[1] is None:
        return "its text was not kept with both, so that the changed lines cannot be told"
    one, two = (content.decode(errors="replace").splitlines() for content in contents if content is not None)
    lines = list(difflib.unified_diff(one, two, "first", "second", n=_CONTEXT, lineterm=""))
    if len(lines) > _LONGEST:
        lines = [*lines[:_LONGEST], f"… {len(lines) - _LONGEST} more lines"]
    return "\n".join(lines)


def _ordered(differences: list[Difference]) -> tuple[Difference, ...]:
    """Return each difference once, the likeliest reasons first."""
    order = list(Aspect)
    distinct: dict[tuple[Aspect, str], Difference] = {}
    for each in differences:
        distinct.setdefault((each.aspect, each.name), each)
    return tuple(sorted(distinct.values(), key=lambda each: order.index(each.aspect)))
