"""Changes of tasks in a MongoDB queue. Each may be done again after a lost connection, and then changes nothing more.

A task is a document with its plain values, its payload as text, the ids of those it `needs` where it needs any, the
names of its `campaigns`, its number `seq` in the order of adding and its `turn`, by which tasks are claimed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pymongo import ASCENDING, ReturnDocument, UpdateOne

from whiteline.database.mongo_meta import insert_new
from whiteline.database.mongo_write import insert_missing
from whiteline.database.queue.rows import FINISHED, READY_AGAIN, Row, pack_task, payload_text
from whiteline.database.queue.tasks import Task
from whiteline.errors import SchemaVersionError

__all__ = ["add", "make_missing", "pack", "promote", "promote_after", "take_numbers"]

_SCHEMA_VERSION = 1
_NOTE = "queue"
# Turns of one priority follow each other: more tasks than this are never in one queue.
_TURNS = 2**40
_INDEXES: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "tasks_by_turn": ("tasks", ("campaigns", "state", "turn"), False),
    "tasks_by_adding": ("tasks", ("campaigns", "seq"), False),
    "tasks_by_end": ("tasks", ("campaigns", "ended_at", "seq"), False),
    "tasks_by_worker": ("tasks", ("worker", "state"), False),
    "tasks_by_need": ("tasks", ("needs",), True),
    "workers_by_campaign": ("workers", ("campaign",), False),
}


def make_missing(database: Any, address: str) -> None:
    """Make the indexes of a queue unless they are there.

    Raises:
        SchemaVersionError: A newer Whiteline wrote it.
    """
    note = database["meta"].find_one({"_id": _NOTE})
    if note is None:
        for name, (collection, fields, is_sparse) in _INDEXES.items():
            keys = [(field, ASCENDING) for field in fields]
            database[collection].create_index(keys, name=name, sparse=is_sparse)
        insert_new(database["meta"], {"_id": _NOTE, "version": _SCHEMA_VERSION, "n_tasks": 0})
    elif note["version"] > _SCHEMA_VERSION:
        raise SchemaVersionError(
            f"the queue {address} has schema version {note['version']}, this Whiteline reads up to {_SCHEMA_VERSION}: "
            "upgrade with `pip install -U whiteline`"
        )


def take_numbers(database: Any, n_tasks: int) -> int:
    """Reserve so many numbers in the order of adding; return the first."""
    note = database["meta"].find_one_and_update(
        {"_id": _NOTE}, {"$inc": {"n_tasks": n_tasks}}, return_document=ReturnDocument.AFTER
    )
    return int(note["n_tasks"]) - n_tasks


def pack(task: Task, *, campaign: str, seq: int, now: float) -> Row:
    """Return a task as a document."""
    values = pack_task(task, now=now)
    needs = {"needs": list(task.needs)} if task.needs else {}
    place = {"seq": seq, "turn": seq - task.priority * _TURNS, "campaigns": [campaign]}
    return {"_id": values.pop("id"), **values, **place, "payload": payload_text(task), **needs}


def add(tasks: Any, rows: Sequence[Row]) -> int:
    """Make tasks part of a campaign; return how many were new."""
    unique = {row["_id"]: row for row in rows}
    there = insert_missing(tasks, list(unique.values()))
    n_new = len(unique) - len(there)
    if there:
        # Wanted first and looked at then: a campaign that is cancelled meanwhile either leaves them or is overruled.
        chosen, campaign = {"_id": {"$in": there}}, rows[0]["campaigns"][0]
        tasks.update_many(chosen, {"$addToSet": {"campaigns": campaign}})
        stored = list(tasks.find(chosen, {"seq": 1, "state": 1, "priority": 1}))
        # Those with the number that was taken for them came with an attempt whose answer was lost.
        n_new += sum(old["seq"] == unique[old["_id"]]["seq"] for old in stored)
        changes = [change for old in stored for change in _share(unique[old["_id"]], old)]
        if changes:
            tasks.bulk_write(changes, ordered=False)
    promote_after(tasks, [row["_id"] for row in unique.values() if row["state"] == "done"])
    promote(tasks, [row for row in unique.values() if "needs" in row])
    return n_new


def _share(row: Row, old: Row) -> Iterator[UpdateOne]:
    """Yield what changes in a task that is wanted once more."""
    if row["priority"] > old["priority"]:
        turn = old["seq"] - row["priority"] * _TURNS
        yield UpdateOne({"_id": row["_id"]}, {"$max": {"priority": row["priority"]}, "$min": {"turn": turn}})
    if row["state"] == "done" and old["state"] not in ("done", "running"):
        values = {name: row[name] for name in (*READY_AGAIN, "state", "seconds", "engine_seconds")}
        yield UpdateOne({"_id": row["_id"], "state": {"$nin": ["done", "running"]}}, {"$set": values})
    elif old["state"] == "cancelled":
        values = {**READY_AGAIN, "state": row["state"]}
        yield UpdateOne({"_id": row["_id"], "state": "cancelled"}, {"$set": values})


def promote_after(tasks: Any, ids: Sequence[str]) -> None:
    """Make ready what waited only for tasks that are finished now."""
    if ids:
        promote(tasks, list(tasks.find({"needs": {"$in": list(ids)}, "state": "waiting"}, {"needs": 1})))


def promote(tasks: Any, waiting: Sequence[Row]) -> int:
    """Make those tasks ready whose needs are all finished; return how many that were."""
    needs = {need for row in waiting for need in row.get("needs", ())}
    known = tasks.find({"_id": {"$in": sorted(needs)}}, {"state": 1}) if needs else ()
    finished = {row["_id"] for row in known if row["state"] in FINISHED}
    ready = [row["_id"] for row in waiting if finished.issuperset(row.get("needs", ()))]
    if not ready:
        return 0
    changed = tasks.update_many({"_id": {"$in": ready}, "state": "waiting"}, {"$set": {"state": "ready"}})
    return int(changed.modified_count)
