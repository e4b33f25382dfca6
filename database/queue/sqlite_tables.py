"""The tables of an embedded queue.

`ready` holds what can be claimed, for each campaign in the order of its claiming, so that a claim reads one row however
many tasks there are. Triggers keep it: it is true whoever changes a task. Payloads stand apart, because counting
reads every task.
"""

from __future__ import annotations

import sqlite3

from whiteline.database.queue.rows import CAMPAIGN_COLUMNS, TASK_COLUMNS, WORKER_COLUMNS
from whiteline.database.sqlite_file import FileKind

__all__ = ["QUEUE"]

_APPLICATION_ID = 0x574C4E51  # "WLNQ"
_SCHEMA_VERSION = 1

_READY = (
    "INSERT INTO ready SELECT m.campaign, -t.priority, t.key, t.cores, t.estimate "
    "FROM members AS m JOIN tasks AS t ON t.key = m.task WHERE t.state = 'ready'"
)
_WATCHED = "state, priority, cores, estimate"


def _columns(names: tuple[str, ...], first: str) -> str:
    return ", ".join(f"{name} TEXT NOT NULL UNIQUE" if name == first else name for name in names)


_STATEMENTS = (
    f"CREATE TABLE campaigns (key INTEGER PRIMARY KEY, {_columns(CAMPAIGN_COLUMNS, 'name')})",
    f"CREATE TABLE tasks (key INTEGER PRIMARY KEY, {_columns(TASK_COLUMNS, 'id')})",
    "CREATE TABLE payloads (task INTEGER PRIMARY KEY, payload TEXT NOT NULL, needs TEXT NOT NULL)",
    "CREATE TABLE needs (need TEXT NOT NULL, task INTEGER NOT NULL, PRIMARY KEY (need, task)) WITHOUT ROWID",
    "CREATE TABLE members (campaign INTEGER NOT NULL, task INTEGER NOT NULL, PRIMARY KEY (campaign, task)) "
    "WITHOUT ROWID",
    "CREATE TABLE ready (campaign INTEGER, rank INTEGER, task INTEGER, cores INTEGER, estimate REAL, "
    "PRIMARY KEY (campaign, rank, task)) WITHOUT ROWID",
    "CREATE TABLE contents (key TEXT PRIMARY KEY, data BLOB NOT NULL)",
    f"CREATE TABLE workers ({_columns(WORKER_COLUMNS, 'id')})",
    "CREATE INDEX members_by_task ON members (task)",
    "CREATE INDEX tasks_by_end ON tasks (ended_at)",
    "CREATE INDEX tasks_waiting ON tasks (state) WHERE state = 'waiting'",
    "CREATE INDEX tasks_running ON tasks (worker) WHERE state = 'running'",
    "CREATE INDEX tasks_failed ON tasks (ended_at) WHERE state = 'failed'",
    "CREATE INDEX workers_by_campaign ON workers (campaign)",
    f"CREATE TRIGGER member_added AFTER INSERT ON members BEGIN {_READY} AND t.key = new.task "
    "AND m.campaign = new.campaign; END",
    f"CREATE TRIGGER task_changed AFTER UPDATE OF {_WATCHED} ON tasks "  # noqa: S608  # constants
    "WHEN old.state = 'ready' OR new.state = 'ready' BEGIN "
    "DELETE FROM ready WHERE rank = -old.priority AND task = old.key "
    "AND campaign IN (SELECT campaign FROM members WHERE task = old.key); "
    f"{_READY} AND t.key = new.key; END",
)


def _make(connection: sqlite3.Connection) -> None:
    for statement in _STATEMENTS:
        connection.execute(statement)


# A mark that a power failure takes back is made again: the spectrum that it speaks of is in the store.
QUEUE = FileKind("queue", _APPLICATION_ID, _SCHEMA_VERSION, _make, synchronous="NORMAL")
