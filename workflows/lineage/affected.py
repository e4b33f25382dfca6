"""What rests on something that turned out to be wrong: a version of a code, a library, a file, a machine, a result."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from whiteline.provenance import Kind, ProvenanceRecord
from whiteline.workflows.learning.names import MODEL_CODE, SPECTRA

if TYPE_CHECKING:
    from pathlib import Path

    from whiteline.database.linked import LinkedRecord, RecordCondition
    from whiteline.database.store import SpectrumStore
    from whiteline.models.registry import ModelEntry

__all__ = ["Affected", "AffectedKind", "find_affected"]

# Ids that the store is asked about at a time.
_GROUP: Final = 500

# What a result is called in a report; predictions are spectra to the store.
AffectedKind = str
_ORDER: Final = ("spectrum", "average", "prediction", "dataset", "model", "figure", "export", "report")
_KINDS: Final = (Kind.DATASET, Kind.MODEL, Kind.FIGURE, Kind.EXPORT, Kind.REPORT)


@dataclass(frozen=True)
class Affected:
    """What rests on something.

    Attributes:
        directly: Ids of the spectra whose own calculation used it.
        found: Kind in words to ids and what each is called, all that rests on it at whatever distance.
    """

    directly: tuple[str, ...]
    found: dict[AffectedKind, dict[str, str]] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        """All ids, each once."""
        return list(dict.fromkeys(each for named in self.found.values() for each in named))

    @property
    def counts(self) -> dict[AffectedKind, int]:
        """How many there are of each kind, in a fixed order."""
        return {kind: len(self.found[kind]) for kind in _ORDER if self.found.get(kind)}


def find_affected(
    store: SpectrumStore,
    *,
    condition: RecordCondition | None = None,
    things: Sequence[str] = (),
    registry: Path | None = None,
) -> Affected:
    """Return every spectrum, average, prediction, dataset, model and file that rests on something.

    Args:
        store: Where the records are.
        condition: What stood behind the calculations, e.g. a version of a code.
        things: Ids of what they used: checksums of files, structures, models, spectra.
        registry: Folder of models; those whose training the store knows nothing of are read from their cards.
    """
    search = _Search(store)
    for each in things:
        search.reach(each)
    for _ in range(0, len(things), _GROUP):
        search.follow()
    if condition is not None:
        for linked in store.find_records(condition):
            search.take(linked)
    directly = tuple(search.spectra)
    models = [] if registry is None else [(entry, _made_from(entry)) for entry in _models(registry)]
    while search.waiting:
        while search.waiting:
            search.follow()
        for entry, causes in models:
            if not search.reached.isdisjoint(causes):
                search.add(Kind.MODEL.value, entry.id, entry.name)
    return Affected(directly, search.sorted({entry.id: entry.name for entry, _ in models}))


class _Search:
    """A walk from causes to effects, in groups of ids."""

    def __init__(self, store: SpectrumStore) -> None:
        self._store = store
        self.reached: set[str] = set()
        self.waiting: list[str] = []
        self.spectra: dict[str, None] = {}
        self.found: dict[str, dict[str, str]] = {}

    def reach(self, each: str) -> bool:
        """Note that something is reached; return whether it is for the first time."""
        if each in self.reached:
            return False
        self.reached.add(each)
        self.waiting.append(each)
        return True

    def add(self, kind: str, each: str, name: str) -> None:
        """Note something that rests on what is searched for."""
        if self.reach(each):
            self.found.setdefault(kind, {})[each] = name

    def take(self, linked: LinkedRecord) -> None:
        """Note what a record made."""
        if linked.spectrum_id:
            if self.reach(linked.spectrum_id):
                self.spectra[linked.spectrum_id] = None
            return
        for kind, name, each in _made(linked.record):
            self.add(kind.value, each, name)

    def follow(self) -> None:
        """Look at what came of everything that waits."""
        group, self.waiting = self.waiting[:_GROUP], self.waiting[_GROUP:]
        causes = set(group)
        for linked in self._store.linked(group):
            # A record is linked to what it made, too: that is no effect of it.
            if causes & _used(linked.record) or not causes & set(linked.record.linked_ids()):
                self.take(linked)

    def sorted(self, models: Mapping[str, str]) -> dict[str, dict[str, str]]:
        """Return what was found by kind, spectra told apart by what they are, models by their names."""
        known = self.found.get(Kind.MODEL.value, {})
        known.update({each: models[each] for each in known if each in models})
        for spectrum_id in self.spectra:
            kind, name = self._describe(spectrum_id)
            self.found.setdefault(kind, {})[spectrum_id] = name
        return {kind: self.found[kind] for kind in _ORDER if kind in self.found}

    def _describe(self, spectrum_id: str) -> tuple[str, str]:
        document = self._store.find_by_id(spectrum_id)
        if document is None:
            return "spectrum", "not stored any more"
        place = "average" if document.site_index is None else f"site {document.site_index}"
        name = f"{document.formula} {document.absorber} {document.edge} {place}, {document.fidelity}"
        if document.code == MODEL_CODE:
            return "prediction", name
        return ("average" if document.kind == "material" else "spectrum"), name


def _used(record: ProvenanceRecord) -> set[str]:
    return {each for named in record.used.values() for each in named.values()} | set(record.executables.values())


def _made(record: ProvenanceRecord) -> Iterator[tuple[Kind, str, str]]:
    for kind in _KINDS:
        for name, each in record.generated.get(kind, {}).items():
            yield kind, name, each


def _models(registry: Path) -> Iterable[ModelEntry]:
    from whiteline.errors import MissingDependencyError

    try:
        from whiteline.models.registry import list_models
    except (ImportError, MissingDependencyError):  # nothing for learning is installed: then there are no models here
        return []
    return list_models(registry)


def _made_from(entry: ModelEntry) -> set[str]:
    """Return the ids of what a model was made from: parents, the dataset, and every spectrum that it learned from.

    Those that it was only tested on are not among them: its numbers rest on them, its predictions do not.
    """
    lineage = entry.card.lineage
    record = lineage.get("record")
    found = {*lineage.get("parents", ()), str((lineage.get("dataset") or {}).get("content_sha256", ""))}
    if record:
        found |= _used(ProvenanceRecord.from_dict(record))
    try:
        lists = json.loads((entry.path / SPECTRA).read_bytes())
    except (OSError, ValueError):
        return found - {""}
    return (found | {each for part in ("train", "validation") for each in lists.get(part, ())}) - {""}
