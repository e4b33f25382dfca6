"""The queue for groups and clusters: collections of the MongoDB database that holds the store."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from itertools import islice
from types import TracebackType
from typing import Any, Final, ParamSpec, Self, TypeVar

from pymongo.errors import AutoReconnect

from whiteline.database.mongo import connect_database, explained, mask
from whiteline.database.mongo_meta import insert_new
from whiteline.database.mongo_write import insert_missing, journaled
from whiteline.database.queue import mongo_write
from whiteline.database.queue.interface import LEASE, Finish, UnknownCampaignError
from whiteline.database.queue.rows import (
    FINISHED,
    READY_AGAIN,
    Row,
    by_number,
    check_group_fields,
    finished_values,
    other_definition,
    pack_campaign,
    released_values,
    unknown_campaign,
    unknown_content,
    unpack_campaign,
    unpack_task,
    unpack_worker,
)
from whiteline.database.queue.tasks import Campaign, CampaignState, Task, TaskState, Worker

__all__ = ["MongoQueue", "open_mongo_queue"]

P = ParamSpec("P")
T = TypeVar("T")

_PATIENCE: Final = 60.0  # s for which a server may be away before that is an error
_LONGEST_PAUSE: Final = 5.0  # s
_CLOCK_AGE: Final = 600.0  # s after which the clock of the server is read again
_GROUP: Final = 500
_PAGE: Final = 5000
# A server may look at all that could be claimed to find what is first: it is asked for the turns that follow the
# last claim, and for all when there is nothing left among them or the look at all is too old [s].
_WINDOW: Final = 64
_WINDOW_AGE: Final = 60.0
_BY_TURN: Final = [("turn", 1)]
_FEW, _MANY = 4, 256  # tasks that are looked at for a claim: the more often others were faster, the more


def open_mongo_queue(address: str) -> MongoQueue:
    """Return the queue at a `mongodb://` or `mongodb+srv://` address.

    Raises:
        ParameterError: The address is malformed.
        StoreError: No server answers.
    """
    client, database = connect_database(address)
    try:
        return MongoQueue(database, address=mask(address), client=client)
    except BaseException:
        client.close()
        raise


class MongoQueue:
    """A queue in a MongoDB database; see `CampaignQueue` for what the methods do.

    What is to do is on the server's disk when a call returns. How far a task is need not be: a server that dies may
    forget the last claims and ends, tasks are then done again, and their spectra are found in the store.

    Every change is one of one document, with the state that it changes as its condition, so that no transactions are
    needed; what follows from it (`promote`) may be done by whoever comes next. While the server is away, calls wait
    for a minute.

    Args:
        database: A `pymongo` database.
        address: What messages call it.
        client: Closed together with the queue.

    Raises:
        StoreError: The server does not answer or refuses; `SchemaVersionError` if a newer Whiteline wrote the queue.
    """

    def __init__(self, database: Any, *, address: str, client: Any = None) -> None:
        self._address = address
        self._client = client
        self._database = database
        self._campaigns, self._tasks, self._contents, self._workers = (
            database[name] for name in ("campaigns", "tasks", "contents", "workers")
        )
        self._last_turns: dict[tuple[str, int], tuple[int, float]] = {}
        with explained(address):
            mongo_write.make_missing(database, address)
            self._clock = self._read_clock()

    def __repr__(self) -> str:
        return f"MongoQueue({self._address!r})"

    @property
    def address(self) -> str:
        """Where the queue is, without credentials."""
        return self._address

    def _patiently(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what an operation returns that can be done again, waiting for a server that is away."""
        deadline, pause = time.monotonic() + _PATIENCE, 0.1
        with explained(self._address):
            while True:
                try:
                    return operation(*args, **kwargs)
                except AutoReconnect:
                    if time.monotonic() + pause > deadline:
                        raise
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _find(self, collection: Any, condition: Row, fields: Row | None = None) -> list[Row]:
        return self._patiently(lambda: list(collection.find(condition, fields)))

    def now(self) -> float:
        """Return the time by the clock of the server [s since 1970]."""
        if time.monotonic() - self._clock[0] > _CLOCK_AGE:
            self._clock = self._patiently(self._read_clock)
        read_at, said = self._clock
        return said + time.monotonic() - read_at

    def _read_clock(self) -> tuple[float, float]:
        """Return a moment by this process's own count, and the time of the server then."""
        before = time.monotonic()
        said = self._database.command("hello")["localTime"]
        return (before + time.monotonic()) / 2.0, said.replace(tzinfo=UTC).timestamp()

    def add_campaign(self, campaign: Campaign) -> Campaign:
        """Store a campaign and return what is stored; one of the same name and definition takes over the text."""
        row = {"_id": campaign.name, **pack_campaign(campaign)}
        self._patiently(insert_new, journaled(self._campaigns), row)
        same = {"_id": campaign.name, "definition_id": row["definition_id"]}
        self._patiently(self._campaigns.update_one, same, {"$set": {"definition": row["definition"]}})
        stored = self.campaign(campaign.name)
        if stored.definition_id != campaign.definition_id:
            raise other_definition(campaign.name, self._address)
        return stored

    def campaigns(self) -> list[Campaign]:
        """Return all campaigns, the newest first."""
        rows = self._find(self._campaigns, {})
        return sorted(map(unpack_campaign, rows), key=lambda campaign: -campaign.created_at)

    def campaign(self, name: str) -> Campaign:
        """Return a campaign."""
        row = self._patiently(self._campaigns.find_one, {"_id": name})
        if row is None:
            raise self._unknown(name)
        return unpack_campaign(row)

    def _unknown(self, name: str) -> UnknownCampaignError:
        return unknown_campaign(name, (campaign.name for campaign in self.campaigns()), self._address)

    def set_state(self, name: str, state: CampaignState, *, note: str = "") -> None:
        """Let the tasks of a campaign be claimed, or not."""
        changes = {"$set": {"state": state.value, "note": note}}
        if not self._patiently(journaled(self._campaigns).update_one, {"_id": name}, changes).matched_count:
            raise self._unknown(name)

    def add_contents(self, contents: Mapping[str, bytes]) -> None:
        """Keep the large parts of payloads; a key that is there already is left as it is."""
        remaining = iter(contents.items())
        while group := [{"_id": key, "data": bytes(data)} for key, data in islice(remaining, _GROUP)]:
            self._patiently(insert_missing, journaled(self._contents), group)

    def content(self, key: str) -> bytes:
        """Return a large part of payloads."""
        row = self._patiently(self._contents.find_one, {"_id": key})
        if row is None:
            raise unknown_content(key, self._address)
        return bytes(row["data"])

    def add_tasks(self, name: str, tasks: Iterable[Task]) -> int:
        """Make tasks part of a campaign, up to 500 a round trip; return how many were new to the queue."""
        self.campaign(name)
        n_new, remaining = 0, iter(tasks)
        while group := list(islice(remaining, _GROUP)):
            first = self._patiently(mongo_write.take_numbers, self._database, len(group))
            now = self.now()
            rows = [mongo_write.pack(task, campaign=name, seq=first + i, now=now) for i, task in enumerate(group)]
            n_new += self._patiently(mongo_write.add, journaled(self._tasks), rows)
        return n_new

    def claim(
        self, name: str, worker: str, *, cores: int, seconds: float | None = None, lease: float = LEASE
    ) -> Task | None:
        """Take the next ready task of an active campaign that fits into so many cores and so much time."""
        campaign = self._patiently(self._campaigns.find_one, {"_id": name}, {"state": 1})
        if campaign is None or campaign["state"] != CampaignState.ACTIVE:
            return None
        limits = {"cores": float(cores), "estimate": float("inf") if seconds is None else seconds}
        taken = self._take_next(name, limits, worker=worker, lease=lease)
        return None if taken is None else _task(taken)

    def _take_next(self, name: str, limits: Mapping[str, float], *, worker: str, lease: float) -> Row | None:
        ready: Row = {"campaigns": name, "state": TaskState.READY.value}
        # What was passed over for want of cores is not what is passed over with more of them.
        key = (name, int(limits["cores"]))
        turn, looked_at = self._last_turns.get(key, (0, -_WINDOW_AGE))
        if time.monotonic() - looked_at < _WINDOW_AGE:
            rows = self._page({**ready, "turn": {"$gte": turn, "$lt": turn + _WINDOW}}, _BY_TURN, _FEW)
            taken = self._take_first(rows, limits, worker=worker, lease=lease)
            if taken is not None:
                self._last_turns[key] = (taken["turn"], looked_at)
                return taken
        looked_at, n_rows = time.monotonic(), _FEW
        rows = self._page(ready, _BY_TURN, n_rows)
        while rows:
            taken = self._take_first(rows, limits, worker=worker, lease=lease)
            if taken is not None:
                self._last_turns[key] = (taken["turn"], looked_at)
                return taken
            were_others_faster = any(_fits(row, limits) for row in rows)
            n_rows = min(4 * n_rows, _MANY)
            rows = self._page({**ready, **{f: {"$lte": largest} for f, largest in limits.items()}}, _BY_TURN, n_rows)
            if were_others_faster:  # not all should try the same again
                random.shuffle(rows)
        return None

    def _take_first(self, rows: Sequence[Row], limits: Mapping[str, float], *, worker: str, lease: float) -> Row | None:
        for row in rows:
            if not _fits(row, limits):
                continue
            now = self.now()
            changes = {"state": "running", "worker": worker, "started_at": now, "lease_until": now + lease}
            if self._change({"_id": row["_id"], "state": "ready"}, changes, "state", "worker", "started_at"):
                return {**row, **changes}
        return None

    def _change(self, condition: Row, changes: Row, *proof: str, largest: Row | None = None) -> bool:
        """Change a task that is as expected; return whether it is changed, by this call, after a lost answer too."""
        update = {"$set": changes} | ({"$max": largest} if largest else {})

        def change() -> bool:
            if self._tasks.update_one(condition, update).matched_count:
                return True
            mine = {"_id": condition["_id"], **{name: changes[name] for name in proof}}
            return self._tasks.find_one(mine, {"_id": 1}) is not None

        return self._patiently(change)

    def renew(self, worker: str, *, lease: float = LEASE) -> set[str]:
        """Extend the leases of all tasks that a worker runs; return their ids: others have been given away."""
        mine = {"worker": worker, "state": TaskState.RUNNING.value}
        changes = {"$set": {"lease_until": self.now() + lease}}

        def extend() -> set[str]:
            self._tasks.update_many(mine, changes)
            return {row["_id"] for row in self._tasks.find(mine, {"_id": 1})}

        return self._patiently(extend)

    def finish(self, task_id: str, worker: str, finish: Finish) -> bool:
        """Record how a task ended, and make ready what waited only for it; return whether it was recorded."""
        changes = finished_values(finish, worker=worker, now=self.now())
        condition: Row = {"_id": task_id, "state": {"$ne": TaskState.DONE.value}}
        if finish.state is not TaskState.DONE:
            condition |= {"state": TaskState.RUNNING.value, "worker": worker}
        is_recorded = self._change(condition, changes, "state", "worker", "ended_at")
        if is_recorded:
            self._patiently(mongo_write.promote_after, self._tasks, [task_id])
        return is_recorded

    def release(
        self, task_id: str, worker: str, *, cause: str, reason: str = "", estimate: float | None = None
    ) -> None:
        """Give a task back unfinished; after `MOST_ATTEMPTS` it has failed with the cause."""
        condition = {"_id": task_id, "state": TaskState.RUNNING.value, "worker": worker}
        row = self._patiently(self._tasks.find_one, condition)
        if row is not None:
            # Not its lease: a heartbeat of the worker itself may extend it at this moment.
            held = {name: row[name] for name in ("_id", "state", "worker", "started_at")}
            self._give_back(row, held, cause=cause, reason=reason, estimate=estimate)

    def reclaim(self, name: str) -> int:
        """Give back the tasks whose lease is over, and promote what waits for nothing more if nothing is ready."""
        running, now = {"campaigns": name, "state": TaskState.RUNNING.value}, self.now()
        n_changed = 0
        for row in self._find(self._tasks, running):
            if row["lease_until"] >= now:
                continue
            reason = f"worker {row['worker']} was not heard of when its lease had run out"
            held = {field: row[field] for field in ("_id", "state", "worker", "started_at", "lease_until")}
            n_changed += self._give_back(row, held, cause="worker-lost", reason=reason)
        return n_changed + self._promote_waiting(name)

    def _give_back(self, row: Row, held: Row, *, cause: str, reason: str, estimate: float | None = None) -> bool:
        changes = released_values(cause=cause, reason=reason, n_attempts=row["n_attempts"], now=self.now())
        largest = {} if estimate is None else {"estimate": estimate}
        is_changed = self._change(held, changes, *changes, largest=largest)
        if is_changed and changes["state"] == TaskState.FAILED:
            self._patiently(mongo_write.promote_after, self._tasks, [row["_id"]])
        return is_changed

    def _promote_waiting(self, name: str) -> int:
        if self._patiently(self._tasks.find_one, {"campaigns": name, "state": "ready"}, {"_id": 1}):
            return 0
        condition = {"campaigns": name, "state": TaskState.WAITING.value}
        rows = iter(self._find(self._tasks, condition, {"needs": 1}))
        n_promoted = 0
        while group := list(islice(rows, _GROUP)):
            n_promoted += self._patiently(mongo_write.promote, self._tasks, group)
        return n_promoted

    def retry(self, name: str, *, causes: Sequence[str] = (), ids: Sequence[str] = ()) -> int:
        """Make failed tasks ready again, and what failed only because it needs them; return how many."""
        self.campaign(name)
        chosen = {"cause": [str(cause) for cause in causes], "_id": list(ids)}
        condition = {"campaigns": name, **{field: {"$in": wanted} for field, wanted in chosen.items() if wanted}}
        found = self._find_failed(condition)
        rows = {row["_id"]: row for row in (*found, *self._find_failed({"needs": {"$in": [r["_id"] for r in found]}}))}
        # All wait at first: whether one is ready depends on others among them.
        again = {"_id": {"$in": list(rows)}, "state": TaskState.FAILED.value}
        changes = {"$set": {**READY_AGAIN, "state": TaskState.WAITING.value}}
        self._patiently(self._tasks.update_many, again, changes)
        self._patiently(mongo_write.promote, self._tasks, list(rows.values()))
        return len(rows)

    def _find_failed(self, condition: Row) -> list[Row]:
        return self._find(self._tasks, {**condition, "state": TaskState.FAILED.value}, {"needs": 1})

    def cancel(self, name: str) -> int:
        """Cancel a campaign: its unfinished tasks that no other campaign wants; return how many."""
        self.set_state(name, CampaignState.CANCELLED)
        others = [campaign.name for campaign in self.campaigns() if campaign.state is not CampaignState.CANCELLED]
        condition = {
            "$and": [{"campaigns": name}, {"campaigns": {"$nin": others}}],
            "state": {"$nin": list(FINISHED)},
        }
        changes = {"$set": {"state": TaskState.CANCELLED.value, "ended_at": self.now(), "lease_until": 0.0}}
        return int(self._patiently(self._tasks.update_many, condition, changes).modified_count)

    def counts(self, name: str) -> dict[TaskState, int]:
        """Return how many tasks of a campaign are in each state; all states are there."""
        found = {TaskState(state): n for (state,), n, _ in self.group(name, ["state"])}
        return {state: found.get(state, 0) for state in TaskState}

    def group(self, name: str, fields: Sequence[str]) -> list[tuple[tuple[Any, ...], int, float]]:
        """Return, for each combination of values, how many tasks have it and their sum of `cores * seconds`."""
        names = check_group_fields(fields)
        total = {"n": {"$sum": 1}, "seconds": {"$sum": {"$multiply": ["$cores", "$seconds"]}}}
        rows = self._aggregate(name, {}, {"_id": {field: f"${field}" for field in names}, **total})
        return by_number(names, (([r["_id"][f] for f in names], int(r["n"]), float(r["seconds"])) for r in rows))

    def _aggregate(self, name: str, condition: Row, group: Row) -> list[Row]:
        self.campaign(name)
        stages = [{"$match": {"campaigns": name, **condition}}, {"$group": group}]
        return self._patiently(lambda: list(self._tasks.aggregate(stages, allowDiskUse=True)))

    def tasks(
        self,
        name: str,
        *,
        states: Sequence[TaskState] = (),
        causes: Sequence[str] = (),
        kinds: Sequence[str] = (),
        limit: int = 0,
        newest_first: bool = False,
    ) -> Iterator[Task]:
        """Stream tasks of a campaign; no cursor stays open between two groups of them."""
        self.campaign(name)
        chosen = {"state": states, "cause": causes, "kind": kinds}
        condition: Row = {f: {"$in": [str(value) for value in wanted]} for f, wanted in chosen.items() if wanted}
        condition["campaigns"] = name
        order = [("ended_at", -1), ("seq", -1)] if newest_first else [("seq", 1)]
        place: Row = {}
        n_left = limit or 2**63 - 1
        while n_left > 0:
            rows = self._page({**condition, **place}, order, min(n_left, _PAGE))
            yield from map(_task, rows)
            if len(rows) < _PAGE:
                return
            n_left -= len(rows)
            place = _after(rows[-1], newest_first=newest_first)

    def _page(self, condition: Row, order: list[tuple[str, int]], n_rows: int) -> list[Row]:
        return self._patiently(lambda: list(self._tasks.find(condition).sort(order).limit(n_rows)))

    def task(self, task_id: str) -> Task | None:
        """Return one task, or None."""
        row = self._patiently(self._tasks.find_one, {"_id": task_id})
        return None if row is None else _task(row)

    def timeline(self, name: str, step: float) -> list[tuple[float, int, int, float]]:
        """Return start [s], done, failed and core time [s] of every interval of `step` seconds with an end in it."""
        ended = {"state": {"$in": [TaskState.DONE.value, TaskState.FAILED.value]}, "is_from_store": False}
        group = {
            "_id": {"$floor": {"$divide": ["$ended_at", step]}},
            **{s: {"$sum": {"$cond": [{"$eq": ["$state", s]}, 1, 0]}} for s in ("done", "failed")},
            "seconds": {"$sum": {"$multiply": ["$cores", "$seconds"]}},
        }
        rows = sorted(self._aggregate(name, ended, group), key=lambda row: float(row["_id"]))
        return [(row["_id"] * step, int(row["done"]), int(row["failed"]), float(row["seconds"])) for row in rows]

    def put_worker(self, worker: Worker) -> None:
        """Record what a worker says of itself, in place of what it said before."""
        row = {"_id": worker.id, **vars(worker)}
        self._patiently(self._workers.replace_one, {"_id": worker.id}, row, upsert=True)

    def workers(self, name: str) -> list[Worker]:
        """Return the workers that a campaign has had, the newest first."""
        self.campaign(name)
        rows = self._find(self._workers, {"campaign": name})
        return sorted(map(unpack_worker, rows), key=lambda worker: (-worker.started_at, worker.id))

    def close(self) -> None:
        """Close the connection to the server, if the queue opened it."""
        if self._client is not None:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _fits(row: Row, limits: Mapping[str, float]) -> bool:
    return all(row[field] <= largest for field, largest in limits.items())


def _after(row: Row, *, newest_first: bool) -> Row:
    """Return the condition of what follows a task in the order of a stream."""
    if not newest_first:
        return {"seq": {"$gt": row["seq"]}}
    same = {"ended_at": row["ended_at"], "seq": {"$lt": row["seq"]}}
    return {"$or": [{"ended_at": {"$lt": row["ended_at"]}}, same]}


def _task(row: Row) -> Task:
    return unpack_task({**row, "id": row["_id"]}, payload=row["payload"], needs=row.get("needs", ()))
