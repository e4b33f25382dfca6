"""The embedded queue: one SQLite file beside the store, for workers on one machine."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from whiteline.database.queue import sqlite_write
from whiteline.database.queue.interface import LEASE, Finish, UnknownCampaignError
from whiteline.database.queue.rows import (
    CAMPAIGN_COLUMNS,
    TASK_COLUMNS,
    WORKER_COLUMNS,
    by_number,
    check_group_fields,
    finished_values,
    other_definition,
    pack_campaign,
    pack_task,
    released_values,
    unknown_campaign,
    unknown_content,
    unpack_campaign,
    unpack_task,
    unpack_worker,
)
from whiteline.database.queue.sqlite_tables import QUEUE
from whiteline.database.queue.tasks import Campaign, CampaignState, Task, TaskState, Worker
from whiteline.database.sqlite_file import connect, explained, transaction
from whiteline.errors import StoreError

__all__ = ["SQLiteQueue"]

_WRITE_GROUP = 1000
_READ_GROUP = 500
# Names in these statements are constants; values are always bound.
_TASK = f"SELECT {', '.join(f't.{name}' for name in TASK_COLUMNS)}, p.payload, p.needs, t.key"
_TASKS = f"{_TASK} FROM tasks AS t JOIN payloads AS p ON p.task = t.key"
_MEMBERS = "FROM members AS m JOIN tasks AS t ON t.key = m.task WHERE m.campaign = ?"
_CAMPAIGNS = f"SELECT {', '.join(CAMPAIGN_COLUMNS)} FROM campaigns"  # noqa: S608
_WORKERS = f"SELECT {', '.join(WORKER_COLUMNS)} FROM workers WHERE campaign = ?"  # noqa: S608


class SQLiteQueue:
    """A queue in one file; see `CampaignQueue` for what the methods do.

    Every change is one transaction, which waits up to a minute for those of other processes.

    Args:
        path: The file. It is made, with its folder, if it is not there.

    Raises:
        StoreError: The file cannot be used; `CorruptStoreError` if it is damaged or somebody else's,
            `SchemaVersionError` if a newer Whiteline wrote it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        self._is_closed = False
        self._inherited: list[sqlite3.Connection] = []  # kept: to close what a parent process uses would harm it
        self._open()

    def __repr__(self) -> str:
        return f"SQLiteQueue({str(self.path)!r})"

    @property
    def address(self) -> str:
        """Where the queue is."""
        return f"sqlite:///{self.path}"

    def _open(self) -> None:
        self._connection = connect(self.path, kind=QUEUE)
        self._lock = threading.RLock()
        self._owner = os.getpid()

    @contextmanager
    def _transaction(self, *, is_writing: bool = True) -> Iterator[sqlite3.Connection]:
        """Run a block as one transaction of this thread; a connection made before a fork stays with the parent."""
        if self._is_closed:
            raise StoreError(f"the queue {self.path} has been closed: open it again with open_queue")
        if self._owner != os.getpid():
            self._inherited.append(self._connection)
            self._open()
        with self._lock, explained(self.path, QUEUE.name), transaction(self._connection, is_writing=is_writing):
            yield self._connection

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._transaction(is_writing=False) as connection:
            return connection.execute(sql, values).fetchall()

    def now(self) -> float:
        """Return the time of this machine, the only one that works with the file [s since 1970]."""
        return time.time()

    def add_campaign(self, campaign: Campaign) -> Campaign:
        """Store a campaign and return what is stored; one of the same name and definition takes over the text."""
        values = pack_campaign(campaign)
        with self._transaction() as connection:
            marks = ", ".join(f":{name}" for name in CAMPAIGN_COLUMNS)
            sql = f"INSERT OR IGNORE INTO campaigns ({', '.join(CAMPAIGN_COLUMNS)}) VALUES ({marks})"  # noqa: S608
            connection.execute(sql, values)
            connection.execute(
                "UPDATE campaigns SET definition = :definition WHERE name = :name AND definition_id = :definition_id",
                values,
            )
        stored = self.campaign(campaign.name)
        if stored.definition_id != campaign.definition_id:
            raise other_definition(campaign.name, self.address)
        return stored

    def campaigns(self) -> list[Campaign]:
        """Return all campaigns, the newest first."""
        rows = self._rows(f"{_CAMPAIGNS} ORDER BY created_at DESC, key DESC")
        return [unpack_campaign(dict(zip(CAMPAIGN_COLUMNS, row, strict=True))) for row in rows]

    def campaign(self, name: str) -> Campaign:
        """Return a campaign."""
        rows = self._rows(f"{_CAMPAIGNS} WHERE name = ?", [name])
        if not rows:
            raise self._unknown(name)
        return unpack_campaign(dict(zip(CAMPAIGN_COLUMNS, rows[0], strict=True)))

    def _key(self, name: str) -> int:
        rows = self._rows("SELECT key FROM campaigns WHERE name = ?", [name])
        if not rows:
            raise self._unknown(name)
        return int(rows[0][0])

    def _unknown(self, name: str) -> UnknownCampaignError:
        return unknown_campaign(name, (campaign.name for campaign in self.campaigns()), self.address)

    def set_state(self, name: str, state: CampaignState, *, note: str = "") -> None:
        """Let the tasks of a campaign be claimed, or not."""
        key = self._key(name)
        with self._transaction() as connection:
            connection.execute("UPDATE campaigns SET state = ?, note = ? WHERE key = ?", (state.value, note, key))

    def add_contents(self, contents: Mapping[str, bytes]) -> None:
        """Keep the large parts of payloads; a key that is there already is left as it is."""
        with self._transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO contents VALUES (?, ?)", contents.items())

    def content(self, key: str) -> bytes:
        """Return a large part of payloads."""
        rows = self._rows("SELECT data FROM contents WHERE key = ?", [key])
        if not rows:
            raise unknown_content(key, self.address)
        return bytes(rows[0][0])

    def add_tasks(self, name: str, tasks: Iterable[Task]) -> int:
        """Make tasks part of a campaign, each group of 1000 in one transaction; return how many were new."""
        campaign, n_new, remaining = self._key(name), 0, iter(tasks)
        while group := list(islice(remaining, _WRITE_GROUP)):
            now = self.now()
            packed = [(pack_task(task, now=now), task) for task in group]
            with self._transaction() as connection:
                n_new += sqlite_write.add(connection, campaign, packed)
        return n_new

    def claim(
        self, name: str, worker: str, *, cores: int, seconds: float | None = None, lease: float = LEASE
    ) -> Task | None:
        """Take the next ready task of an active campaign that fits into so many cores and so much time."""
        sql = (
            "SELECT r.task FROM ready AS r JOIN campaigns AS c ON c.key = r.campaign WHERE c.name = ? "
            "AND c.state = 'active' AND r.cores <= ? AND r.estimate <= ? ORDER BY r.rank, r.task LIMIT 1"
        )
        with self._transaction() as connection:
            values = (name, cores, float("inf") if seconds is None else seconds)
            found = connection.execute(sql, values).fetchone()
            if found is None:
                return None
            now = self.now()
            changes = {"state": "running", "worker": worker, "lease_until": now + lease, "started_at": now}
            sqlite_write.change(connection, found[0], changes)
            return _task(connection.execute(f"{_TASKS} WHERE t.key = ?", found).fetchone())

    def renew(self, worker: str, *, lease: float = LEASE) -> set[str]:
        """Extend the leases of all tasks that a worker runs; return their ids: others have been given away."""
        mine = "worker = ? AND state = 'running'"
        with self._transaction() as connection:
            ids = {task_id for (task_id,) in connection.execute(f"SELECT id FROM tasks WHERE {mine}", [worker])}  # noqa: S608
            if ids:
                sql = f"UPDATE tasks SET lease_until = ? WHERE {mine}"  # noqa: S608
                connection.execute(sql, (self.now() + lease, worker))
            return ids

    def finish(self, task_id: str, worker: str, finish: Finish) -> bool:
        """Record how a task ended, and make ready what waited only for it; return whether it was recorded."""
        changes = finished_values(finish, worker=worker, now=self.now())
        is_wanted = "state <> 'done'" if finish.state is TaskState.DONE else "state = 'running' AND worker = :worker"
        with self._transaction() as connection:
            sql = f"SELECT key FROM tasks WHERE id = :id AND {is_wanted}"  # noqa: S608
            found = connection.execute(sql, {"id": task_id, "worker": worker}).fetchone()
            if found is None:
                return False
            sqlite_write.change(connection, found[0], changes)
            sqlite_write.promote_after(connection, [task_id])
            return True

    def release(
        self, task_id: str, worker: str, *, cause: str, reason: str = "", estimate: float | None = None
    ) -> None:
        """Give a task back unfinished; after `MOST_ATTEMPTS` it has failed with the cause."""
        sql = "SELECT key, id, n_attempts FROM tasks WHERE id = ? AND state = 'running' AND worker = ?"
        with self._transaction() as connection:
            rows = connection.execute(sql, (task_id, worker)).fetchall()
            if rows and estimate is not None:
                connection.execute("UPDATE tasks SET estimate = max(estimate, ?) WHERE key = ?", (estimate, rows[0][0]))
            self._give_back(connection, rows, cause=cause, reason=reason)

    def reclaim(self, name: str) -> int:
        """Give back the tasks whose lease is over (cause `worker-lost`)."""
        sql = f"SELECT t.key, t.id, t.n_attempts, t.worker {_MEMBERS} AND t.state = 'running' AND t.lease_until < ?"
        key = self._key(name)
        with self._transaction() as connection:
            rows = connection.execute(sql, (key, self.now())).fetchall()
            for *row, worker in rows:
                reason = f"worker {worker} was not heard of when its lease had run out"
                self._give_back(connection, [tuple(row)], cause="worker-lost", reason=reason)
            return len(rows) + sqlite_write.promote_waiting(connection, key)

    def _give_back(
        self, connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]], *, cause: str, reason: str
    ) -> None:
        for key, task_id, n_attempts in rows:
            changes = released_values(cause=cause, reason=reason, n_attempts=n_attempts, now=self.now())
            sqlite_write.change(connection, key, changes)
            if changes["state"] == "failed":
                sqlite_write.promote_after(connection, [task_id])

    def retry(self, name: str, *, causes: Sequence[str] = (), ids: Sequence[str] = ()) -> int:
        """Make failed tasks ready again, and what failed only because it needs them; return how many."""
        key = self._key(name)
        with self._transaction() as connection:
            return sqlite_write.retry(connection, key, causes=causes, ids=ids)

    def cancel(self, name: str) -> int:
        """Cancel a campaign: its unfinished tasks that no other campaign wants; return how many."""
        key = self._key(name)
        with self._transaction() as connection:
            connection.execute("UPDATE campaigns SET state = 'cancelled', note = '' WHERE key = ?", [key])
            return sqlite_write.cancel(connection, key, now=self.now())

    def counts(self, name: str) -> dict[TaskState, int]:
        """Return how many tasks of a campaign are in each state; all states are there."""
        found = {TaskState(state): n for (state,), n, _ in self.group(name, ["state"])}
        return {state: found.get(state, 0) for state in TaskState}

    def group(self, name: str, fields: Sequence[str]) -> list[tuple[tuple[Any, ...], int, float]]:
        """Return, for each combination of values, how many tasks have it and their sum of `cores * seconds`."""
        names = check_group_fields(fields)
        columns = ", ".join(f"t.{field}" for field in names)
        sql = f"SELECT {columns}, count(*), total(t.cores * t.seconds) {_MEMBERS} GROUP BY {columns}"
        rows = self._rows(sql, [self._key(name)])
        return by_number(names, ((row[:-2], int(row[-2]), float(row[-1])) for row in rows))

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
        """Stream tasks of a campaign; no lock is held between two groups of them."""
        chosen = {"state": states, "cause": causes, "kind": kinds}
        conditions = [f"t.{field} IN ({_marks(wanted)})" for field, wanted in chosen.items() if wanted]
        values = [self._key(name), *(str(value) for wanted in chosen.values() for value in wanted)]
        order, later = ("t.ended_at DESC, t.key DESC", "<") if newest_first else ("t.key", ">")
        last = (float("inf"), 2**63 - 1) if newest_first else (-1,)
        place = "(t.ended_at, t.key)" if newest_first else "(t.key)"
        where = " AND ".join([*conditions, f"{place} {later} ({_marks(last)})"])
        sql = f"{_TASKS} JOIN members AS m ON m.task = t.key WHERE m.campaign = ? AND {where} ORDER BY {order} LIMIT ?"
        n_left = limit or 2**63 - 1
        while n_left > 0:
            rows = self._rows(sql, [*values, *last, min(n_left, _READ_GROUP)])
            yield from map(_task, rows)
            if len(rows) < _READ_GROUP:
                return
            n_left -= len(rows)
            last = (rows[-1][TASK_COLUMNS.index("ended_at")], rows[-1][-1]) if newest_first else (rows[-1][-1],)

    def task(self, task_id: str) -> Task | None:
        """Return one task, or None."""
        rows = self._rows(f"{_TASKS} WHERE t.id = ?", [task_id])
        return _task(rows[0]) if rows else None

    def timeline(self, name: str, step: float) -> list[tuple[float, int, int, float]]:
        """Return start [s], done, failed and core time [s] of every interval of `step` seconds with an end in it."""
        sql = (
            "SELECT CAST(t.ended_at / ? AS INTEGER) AS i, sum(t.state = 'done'), sum(t.state = 'failed'), "
            f"total(t.cores * t.seconds) {_MEMBERS} AND t.state IN ('done', 'failed') AND NOT t.is_from_store "
            "GROUP BY i ORDER BY i"
        )
        rows = self._rows(sql, [step, self._key(name)])
        return [(float(i * step), int(n_done), int(n_failed), float(seconds)) for i, n_done, n_failed, seconds in rows]

    def put_worker(self, worker: Worker) -> None:
        """Record what a worker says of itself, in place of what it said before."""
        marks = ", ".join(f":{name}" for name in WORKER_COLUMNS)
        with self._transaction() as connection:
            connection.execute(f"REPLACE INTO workers ({', '.join(WORKER_COLUMNS)}) VALUES ({marks})", vars(worker))  # noqa: S608

    def workers(self, name: str) -> list[Worker]:
        """Return the workers that a campaign has had, the newest first."""
        self._key(name)
        rows = self._rows(f"{_WORKERS} ORDER BY started_at DESC, id", [name])
        return [unpack_worker(dict(zip(WORKER_COLUMNS, row, strict=True))) for row in rows]

    def close(self) -> None:
        """Close the file; a connection of a parent process is its own to close."""
        self._is_closed = True
        if self._owner == os.getpid():
            with self._lock:
                self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _task(row: tuple[Any, ...]) -> Task:
    *plain, payload, needs, _ = row
    return unpack_task(dict(zip(TASK_COLUMNS, plain, strict=True)), payload=payload, needs=json.loads(needs))
