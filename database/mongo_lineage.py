"""Records of a MongoDB store found by what they name, those of jobs that made no spectrum, and marks.

The collection `activities` holds records of jobs that made no spectrum, `members` the spectra that they used beside
those that they name, at most 1000 a document, and `marks` what is suspect; a marked spectrum has the field `suspect`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from whiteline.database.ancestry import CHECKSUM, by_digits, in_portions, is_hexadecimal, is_like, oldest_first
from whiteline.database.linked import LinkedRecord, Mark, RecordCondition
from whiteline.database.mongo_write import insert_missing, journaled, pack_record, replace_rows
from whiteline.database.rows import DECODING_ERRORS, damaged_record
from whiteline.provenance import ProvenanceRecord, utc_now

__all__ = ["MongoLineage", "mark", "read_marks", "unmark", "write_activity"]

Stored: TypeAlias = dict[str, Any]

_GROUP: Final = 500
_N_MEMBERS: Final = 1000  # a document of them stays far below 16 MB
_WILDCARD = re.compile(r"[*?\[]")


class MongoLineage:
    """Reads records.

    Args:
        database: Of the store.
        address: What messages call the store.
    """

    def __init__(self, database: Any, address: str) -> None:
        self._records, self._activities = database["records"], database["activities"]
        self._spectra, self._members = database["spectra"], database["members"]
        self._address = address

    def of_spectrum(self, spectrum_id: str) -> list[ProvenanceRecord]:
        """Return the records of a spectrum, the job that started first at the front."""
        rows = self._records.find({"spectrum_id": spectrum_id})
        return [linked.record for linked in oldest_first(self._read(row) for row in rows)]

    def linked(self, ids: Iterable[str]) -> list[LinkedRecord]:
        """Return the records that are, used or made one of these things, or have one as a member; oldest first."""
        rows: dict[Any, Stored] = {}
        for group in in_portions(sorted(set(ids)), _GROUP):
            wanted = {"$in": list(group)}
            jobs = [row["activity"] for row in self._members.find({"spectra": wanted}, {"activity": 1})]
            for collection, condition in (
                (self._records, {"links": wanted}),
                (self._records, {"spectrum_id": wanted}),
                (self._activities, {"links": wanted}),
                (self._activities, {"_id": {"$in": sorted(set(jobs))}}),
            ):
                rows.update((row["_id"], row) for row in collection.find(condition))
        return oldest_first(self._of_stored(list(rows.values())))

    def ids_like(self, prefix: str, limit: int) -> list[str]:
        """Return ids of what records name, and of records, that begin so, in their order."""
        digits = prefix.removeprefix(CHECKSUM)
        if digits and not is_hexadecimal(digits):
            return [prefix] if self.linked([prefix]) else []
        # Every continuation sorts before the letter g.
        starts = [f"{CHECKSUM}{digits}"] if prefix.startswith(CHECKSUM) else [digits, f"{CHECKSUM}{digits}"]
        found: set[str] = set()
        for between in ({"$gte": start, "$lt": f"{start}g"} for start in starts):
            for collection in (self._records, self._activities):
                stages: list[Stored] = [
                    {"$match": {"links": {"$elemMatch": between}}},
                    {"$unwind": "$links"},
                    {"$match": {"links": between}},
                    {"$group": {"_id": "$links"}},
                ]
                found.update(row["_id"] for row in collection.aggregate(stages) if is_like(row["_id"], prefix))
            rows = self._spectra.find({"_id": between}, {"_id": 1}).sort([("_id", 1)]).limit(limit)
            found.update(row["_id"] for row in rows)
        return by_digits(found, limit)

    def matching(self, condition: RecordCondition) -> Iterator[list[LinkedRecord]]:
        """Yield the records of which a condition holds, in groups; no cursor stays open between two."""
        wanted = _filter_of(condition)
        for collection in (self._records, self._activities):
            ids = [row["_id"] for row in collection.find(wanted, {"_id": 1})]
            for group in in_portions(ids, _GROUP):
                rows = list(collection.find({"_id": {"$in": list(group)}}))
                yield [each for each in self._of_stored(rows) if condition.holds_for(each.record.shared_part())]

    def activities(self) -> Iterator[list[ProvenanceRecord]]:
        """Yield the records of jobs that made no spectrum in groups, those that started first at the front."""
        ids = [row["_id"] for row in self._activities.find({}, {"_id": 1}).sort([("started_at", 1), ("_id", 1)])]
        for group in in_portions(ids, _GROUP):
            found = (self._read(row) for row in self._activities.find({"_id": {"$in": list(group)}}))
            yield [linked.record for linked in oldest_first(found)]

    def members(self, record_id: str) -> list[str]:
        """Return the ids of the members of a job that are stored, in their order."""
        found: list[str] = []
        for row in self._members.find({"activity": record_id}).sort([("start", 1)]):
            stored = find_stored(self._spectra, row["spectra"])
            found += [each for each in row["spectra"] if each in stored]
        return found

    def _of_stored(self, rows: Sequence[Stored]) -> Iterator[LinkedRecord]:
        """Yield records without those of spectra that a writer was killed before it wrote."""
        stored = find_stored(self._spectra, {row["spectrum_id"] for row in rows})
        yield from (self._read(row) for row in rows if row["spectrum_id"] in stored or not row["spectrum_id"])

    def _read(self, row: Stored) -> LinkedRecord:
        try:
            return LinkedRecord(ProvenanceRecord.from_dict(row["record"]), row["spectrum_id"])
        except DECODING_ERRORS as error:
            raise damaged_record(row["record_id"], row["spectrum_id"], self._address, error) from error


def find_stored(spectra: Any, ids: Iterable[str]) -> set[str]:
    """Return which of these ids are those of stored spectra."""
    groups = in_portions(sorted(set(ids)), _GROUP)
    return {row["_id"] for group in groups for row in spectra.find({"_id": {"$in": list(group)}}, {"_id": 1})}


def write_activity(database: Any, record: ProvenanceRecord, members: Iterable[str]) -> None:
    """Write the record of a job that made no spectrum, after those of its members that are stored and not there yet."""
    row = pack_record(record, "")
    collection = database["members"]
    there = list(collection.find({"activity": record.id}))
    known = {each for block in there for each in block["spectra"]}
    given = [each for each in dict.fromkeys(members) if each not in known]
    stored = find_stored(database["spectra"], given)
    first = max((block["start"] + _N_MEMBERS for block in there), default=0)
    portions = in_portions([each for each in given if each in stored], _N_MEMBERS)
    for start, portion in zip(range(first, first + len(given) * _N_MEMBERS, _N_MEMBERS), portions, strict=False):
        block = {"_id": f"{record.id}/{start}", "activity": record.id, "start": start, "spectra": list(portion)}
        replace_rows(collection, [block])
    insert_missing(journaled(database["activities"]), [{"_id": record.id, **row}])


def mark(database: Any, ids: Iterable[str], reason: str, marked_at: str = "") -> int:
    """Mark things; return how many were not yet for this reason."""
    n_marked = 0
    since = marked_at or utc_now()
    for group in in_portions(list(dict.fromkeys(ids)), _GROUP):
        named = {"_id": {"$in": list(group)}}
        same = {row["_id"] for row in database["marks"].find({**named, "reason": reason}, {"_id": 1})}
        fresh = [{"_id": each, "reason": reason, "marked_at": since} for each in group if each not in same]
        replace_rows(journaled(database["marks"]), fresh)
        # Also those that were marked before: a writer may have been killed between the two.
        database["spectra"].update_many(named, {"$set": {"suspect": True}})
        n_marked += len(fresh)
    return n_marked


def unmark(database: Any, ids: Iterable[str]) -> int:
    """Take the marks of things away; return how many had one."""
    n_marked = 0
    for group in in_portions(list(dict.fromkeys(ids)), _GROUP):
        named = {"_id": {"$in": list(group)}}
        n_marked += int(database["marks"].delete_many(named).deleted_count)
        database["spectra"].update_many(named, {"$unset": {"suspect": ""}})
    return n_marked


def read_marks(database: Any, ids: Sequence[str] | None) -> dict[str, Mark]:
    """Return the marks of these things, or all there are, by id."""
    conditions: list[Stored] = [{}]
    if ids is not None:
        conditions = [{"_id": {"$in": list(group)}} for group in in_portions(sorted(set(ids)), _GROUP)]
    rows = sorted((row for each in conditions for row in database["marks"].find(each)), key=lambda row: row["_id"])
    return {row["_id"]: Mark(row["reason"], row["marked_at"]) for row in rows}


def _filter_of(condition: RecordCondition) -> Stored:
    """Return a filter that finds at least the records of which a condition holds."""
    texts = {name: getattr(condition, name) for name in ("code", "code_version", "host")}
    # A name with a dot would reach into a nested field.
    texts |= {f"libraries.{name}": text for name, text in condition.libraries.items() if re.fullmatch(r"[\w-]+", name)}
    found: Stored = {}
    for name, text in texts.items():
        start = _WILDCARD.split(text)[0]
        if start:
            found[f"record.{name}"] = text if start == text else {"$regex": f"^{re.escape(start)}"}
    if condition.commit:
        found["record.commit"] = {"$regex": f"^{re.escape(condition.commit)}"}
    return found
