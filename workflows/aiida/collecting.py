"""Which jobs are behind some spectra, models or datasets: each once, causes before effects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from whiteline.errors import InputError, LineageCycleError, StoreError
from whiteline.provenance import Kind, ProvenanceRecord

if TYPE_CHECKING:
    from whiteline.database.documents import SpectrumDocument
    from whiteline.database.store import SpectrumStore
    from whiteline.models.registry import ModelEntry

__all__ = ["Job", "Plan", "concludes", "plan_jobs", "read_jobs"]

# What only jobs that made no spectrum make.
_MADE_BY_ACTIVITIES: Final = (Kind.MODEL, Kind.DATASET, Kind.FIGURE, Kind.EXPORT, Kind.REPORT)
_N_ASKED: Final = 500  # ids at a time


@dataclass(frozen=True, kw_only=True)
class Job:
    """A record with what the store keeps of what it made.

    Attributes:
        record: What was done.
        document: The spectrum it made; None where it made something else.
        files: Raw files kept beside the spectrum, content by name.
        members: Ids of spectra it used beside those that the record names.
        called: Ids of the spectra that were computed for this job, where it concludes from others.
        suspect: Why nobody should rest on the spectrum; empty where nobody has said so.
        model: The model that it made, where its folder is known.
    """

    record: ProvenanceRecord
    document: SpectrumDocument | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    called: frozenset[str] = frozenset()
    suspect: str = ""
    model: ModelEntry | None = None


@dataclass(frozen=True)
class Plan:
    """What will be read.

    Attributes:
        order: Ids of spectra, and of the records of other jobs, causes first.
        records: The record of each.
        members: Members of the jobs that have them.
        called: Spectra that were computed for a spectrum, by the id of that spectrum.
        models: Models that were found, by the id of the record that made them.
        results: Those of `order` that were asked for.
    """

    order: tuple[str, ...]
    records: Mapping[str, ProvenanceRecord]
    members: Mapping[str, tuple[str, ...]]
    called: Mapping[str, frozenset[str]]
    models: Mapping[str, ModelEntry]
    results: frozenset[str]


def concludes(record: ProvenanceRecord) -> bool:
    """Return whether a job made a spectrum from spectra: an average, a convergence."""
    return bool(record.used.get(Kind.SPECTRUM)) and bool(record.generated.get(Kind.SPECTRUM))


def plan_jobs(
    store: SpectrumStore, roots: Sequence[str], *, registry: Path | None = None, with_members: bool = True
) -> Plan:
    """Return the jobs behind some spectra, or other jobs, down to those that used nothing stored.

    Args:
        store: Where records are.
        roots: Ids of spectra, of things that other jobs made, or of the records of these.
        registry: Folder of models, whose cards have the records of trainings.
        with_members: Follow datasets to the spectra in them.

    Raises:
        InputError: Nothing on record made one of the roots.
        LineageCycleError: Records say that something came from itself.
        StoreError: A spectrum has no record.
    """
    walk = _Walk(store, registry, with_members=with_members)
    results = frozenset(map(walk.root_key, roots))
    walk.follow(results)
    sorter: TopologicalSorter[str] = TopologicalSorter(walk.causes)
    try:
        order = tuple(sorter.static_order())
    except CycleError as error:
        loop = " <- ".join(str(each)[:12] for each in error.args[1])
        raise LineageCycleError(
            f"something came from itself: {loop}; no program writes such records, they were edited: take the untouched "
            "ones, e.g. from a backup"
        ) from error
    concluding = {key: record for key, record in walk.records.items() if concludes(record)}
    return Plan(order, walk.records, walk.members, _called(store, concluding), walk.models, results)


class _Walk:
    """From roots to all they came from."""

    def __init__(self, store: SpectrumStore, registry: Path | None, *, with_members: bool) -> None:
        self._store, self._registry, self._with_members = store, registry, with_members
        self._activities: dict[str, ProvenanceRecord | None] = {}
        self.causes: dict[str, list[str]] = {}
        self.records: dict[str, ProvenanceRecord] = {}
        self.members: dict[str, tuple[str, ...]] = {}
        self.models: dict[str, ModelEntry] = {}

    def root_key(self, root: str) -> str:
        """Return what stands for a thing that was asked for: it may also be a file that a run wrote, or a record."""
        if key := self._key(root):
            return key
        for one in self._store.linked([root]):
            if one.spectrum_id and (root == one.record.id or root in one.record.outputs.values()):
                return self._key(one.spectrum_id)
        raise InputError(
            f"no record in {self._store.address} tells of a job that made {root}: give the id of a spectrum, a model, "
            "a dataset, a figure or a file that was made"
        )

    def follow(self, keys: Iterable[str]) -> None:
        """Find all that these came from."""
        border = sorted(keys)
        while border:
            key = border.pop()
            if key in self.causes:
                continue
            self.causes[key] = self._causes_of(key)
            border.extend(self.causes[key])

    def _key(self, each: str) -> str:
        """Return what stands for a thing in the order: the spectrum itself, or the record of the job that made it."""
        if each in self.records:
            return each
        if records := self._store.records(each):
            self.records[each] = records[-1]
            return each
        if self._store.has(each):
            raise StoreError(
                f"spectrum {each} in {self._store.address} has no record: `whiteline db verify` says what is wrong"
            )
        record = self._maker(each)
        if record is None:
            return ""
        self.records[record.id] = record
        if self._with_members:
            self.members[record.id] = tuple(self._store.members(record.id))
        return record.id

    def _maker(self, each: str) -> ProvenanceRecord | None:
        """Return the record of the job that made something other than a spectrum, the earliest if there are several."""
        if each in self._activities:
            return self._activities[each]
        linked = (one.record for one in self._store.linked([each]) if not one.spectrum_id)
        made = [record for record in linked if record.id == each or each in record.outputs.values()]
        record = made[0] if made else None
        entry = self._model(each)
        if record is None and entry is not None and (told := entry.card.lineage.get("record")):
            record = ProvenanceRecord.from_dict(told)
        if record is not None and entry is not None:
            self.models[record.id] = entry
        self._activities[each] = record
        return record

    def _model(self, each: str) -> ModelEntry | None:
        if self._registry is None or not self._registry.is_dir():
            return None
        try:
            from whiteline.workflows.learning.registry import entry_by_id

            return entry_by_id(each, registry=self._registry)
        except ImportError:  # nothing for learning is installed: then there are no cards to read
            return None

    def _causes_of(self, key: str) -> list[str]:
        record = self.records[key]
        used = list(record.parents)
        used += [each for kind in _MADE_BY_ACTIVITIES for each in record.used.get(kind, {}).values()]
        used += self.members.get(key, ())
        return [cause for cause in dict.fromkeys(map(self._key, used)) if cause]


def _called(store: SpectrumStore, concluding: Mapping[str, ProvenanceRecord]) -> dict[str, frozenset[str]]:
    """Return the spectra that each concluding job called: those that no job of the store had concluded from before.

    AiiDA lets one workflow call a process. Which one it is must not depend on what else is written.
    """
    used = list(dict.fromkeys(each for record in concluding.values() for each in record.parents))
    first: dict[str, tuple[str, str]] = {}
    for start in range(0, len(used), _N_ASKED):
        for one in store.linked(used[start : start + _N_ASKED]):
            if one.spectrum_id and concludes(one.record):
                for each in one.record.parents:
                    candidate = (one.record.started_at, one.spectrum_id)
                    first[each] = min(first.get(each, candidate), candidate)
    called: dict[str, set[str]] = {}
    for each, (_, caller) in first.items():
        called.setdefault(caller, set()).add(each)
    return {caller: frozenset(some) for caller, some in called.items()}


def read_jobs(store: SpectrumStore, plan: Plan, *, with_files: bool = True) -> Iterator[Job]:
    """Stream the jobs of a plan with what the store keeps of each."""
    marks = store.marks([key for key in plan.order if key not in plan.members])
    for key in plan.order:
        record = plan.records[key]
        if key == record.id:
            yield Job(record=record, members=plan.members.get(key, ()), model=plan.models.get(key))
            continue
        document = store.get(key)
        files = {f.name: store.read_file(key, f.name) for f in store.files(key)} if with_files else {}
        mark = marks.get(key)
        yield Job(
            record=record,
            document=document,
            files=files,
            called=plan.called.get(key, frozenset()),
            suspect=mark.reason if mark else "",
        )
