"""Changes of tasks in an embedded queue, inside a transaction of the caller."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from whiteline.database.queue.rows import FINISHED, READY_AGAIN, TASK_COLUMNS, Row, payload_text
from whiteline.database.queue.tasks import Task

__all__ = ["add", "cancel", "change", "promote_after", "promote_waiting", "retry"]

_MARKS = ", ".join(f":{name}" for name in TASK_COLUMNS)
_INSERT = f"INSERT OR IGNORE INTO tasks ({', '.join(TASK_COLUMNS)}) VALUES ({_MARKS})"  # noqa: S608
_FINISHED = ", ".join(f"'{state}'" for state in FINISHED)
_AGAIN = ", ".join(f"{name} = :{name}" for name in READY_AGAIN)
# A task whose needs are all finished; one that was never added is not.
_NEEDS_NOTHING_MORE = (
    "NOT EXISTS (SELECT 1 FROM payloads AS p, json_each(p.needs) AS n LEFT JOIN tasks AS t ON t.id = n.value "  # noqa: S608
    f"WHERE p.task = tasks.key AND (t.key IS NULL OR t.state NOT IN ({_FINISHED})))"
)
_PROMOTE = "UPDATE tasks SET state = 'ready' WHERE state = 'waiting' AND"


def change(connection: sqlite3.Connection, key: int, changes: Mapping[str, Any]) -> None:
    """Give columns of a task other values."""
    assignments = ", ".join(f"{name} = :{name}" for name in changes)  # names of columns, from this package
    connection.execute(f"UPDATE tasks SET {assignments} WHERE key = :key", {**changes, "key": key})  # noqa: S608


def add(connection: sqlite3.Connection, campaign: int, packed: Sequence[tuple[Row, Task]]) -> int:
    """Make tasks part of a campaign; return how many were new."""
    n_new = 0
    for values, task in packed:
        added = connection.execute(_INSERT, values)
        if added.rowcount:
            n_new += 1
            key = added.lastrowid
            connection.execute(
                "INSERT INTO payloads VALUES (?, ?, ?)", (key, payload_text(task), json.dumps(task.needs))
            )
            connection.executemany("INSERT OR IGNORE INTO needs VALUES (?, ?)", ((need, key) for need in task.needs))
        else:
            key = _share(connection, values)
        connection.execute("INSERT OR IGNORE INTO members VALUES (?, ?)", (campaign, key))
    promote_after(connection, [values["id"] for values, _ in packed if values["state"] == "done"])
    _promote(connection, "id = ?", ([task.id] for _, task in packed if task.needs))
    return n_new


def _share(connection: sqlite3.Connection, values: Row) -> int:
    """Let a task that is there be wanted once more; return its key."""
    sql = "SELECT key, state, priority FROM tasks WHERE id = ?"
    key, state, priority = connection.execute(sql, [values["id"]]).fetchone()
    if values["priority"] > priority:
        change(connection, key, {"priority": values["priority"]})
    if values["state"] == "done" and state not in ("done", "running"):
        change(connection, key, {name: values[name] for name in (*READY_AGAIN, "state", "seconds", "engine_seconds")})
    elif state == "cancelled":
        change(connection, key, {**READY_AGAIN, "state": values["state"]})
    return int(key)


def promote_after(connection: sqlite3.Connection, ids: Sequence[str]) -> None:
    """Make ready what waited only for tasks that are finished now."""
    _promote(connection, "key IN (SELECT task FROM needs WHERE need = ?)", ([task_id] for task_id in ids))


def promote_waiting(connection: sqlite3.Connection, campaign: int) -> int:
    """Make ready what waits for nothing more, unless there is other work; return how many tasks that were.

    Whoever finishes a task promotes what waited for it; only what it did not know of is left for this.
    """
    if connection.execute("SELECT 1 FROM ready WHERE campaign = ? LIMIT 1", [campaign]).fetchone():
        return 0
    return _promote(connection, "EXISTS (SELECT 1 FROM members WHERE campaign = ? AND task = tasks.key)", [[campaign]])


def _promote(connection: sqlite3.Connection, which: str, values: Iterable[Sequence[object]]) -> int:
    sql = f"{_PROMOTE} {which} AND {_NEEDS_NOTHING_MORE}"
    return max(connection.executemany(sql, values).rowcount, 0)


def retry(connection: sqlite3.Connection, campaign: int, *, causes: Sequence[str], ids: Sequence[str]) -> int:
    """Let failed tasks be tried again, and those that failed because they need them; return how many."""
    sql = (
        "SELECT t.key, t.id FROM members AS m JOIN tasks AS t ON t.key = m.task "
        "WHERE m.campaign = :campaign AND t.state = 'failed' "
        "AND (:causes = '[]' OR t.cause IN (SELECT value FROM json_each(:causes))) "
        "AND (:ids = '[]' OR t.id IN (SELECT value FROM json_each(:ids)))"
    )
    chosen = {"causes": json.dumps([str(cause) for cause in causes]), "ids": json.dumps(list(ids))}
    found = connection.execute(sql, {"campaign": campaign, **chosen}).fetchall()
    after = "SELECT t.key FROM needs AS n JOIN tasks AS t ON t.key = n.task WHERE n.need = ? AND t.state = 'failed'"
    keys = {key for key, _ in found} | {key for _, i in found for (key,) in connection.execute(after, [i])}
    # All wait at first: whether one is ready depends on others among them.
    again = f"UPDATE tasks SET {_AGAIN}, state = 'waiting' WHERE key = :key"  # noqa: S608
    connection.executemany(again, ({**READY_AGAIN, "key": key} for key in keys))
    _promote(connection, "key = ?", ([key] for key in sorted(keys)))
    return len(keys)


def cancel(connection: sqlite3.Connection, campaign: int, *, now: float) -> int:
    """Cancel the unfinished tasks of a campaign that no other campaign wants; return how many."""
    sql = (
        "UPDATE tasks SET state = 'cancelled', ended_at = ?, lease_until = 0 "  # noqa: S608
        f"WHERE state NOT IN ({_FINISHED}) AND key IN (SELECT task FROM members WHERE campaign = ?) "
        "AND NOT EXISTS (SELECT 1 FROM members AS m JOIN campaigns AS c ON c.key = m.campaign "
        "WHERE m.task = tasks.key AND c.state <> 'cancelled')"
    )
    return connection.execute(sql, (now, campaign)).rowcount
