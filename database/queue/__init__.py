"""The queue of campaigns: what is to do, who does it, and how it ended; a twin for each kind of store.

The names below are loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whiteline.database.queue.interface import (
        LEASE,
        MOST_ATTEMPTS,
        CampaignQueue,
        Finish,
        UnknownCampaignError,
        open_queue,
    )
    from whiteline.database.queue.mongo import MongoQueue
    from whiteline.database.queue.sqlite import SQLiteQueue
    from whiteline.database.queue.tasks import Campaign, CampaignState, Task, TaskKind, TaskState, Worker

__all__ = [
    "LEASE",
    "MOST_ATTEMPTS",
    "Campaign",
    "CampaignQueue",
    "CampaignState",
    "Finish",
    "MongoQueue",
    "SQLiteQueue",
    "Task",
    "TaskKind",
    "TaskState",
    "UnknownCampaignError",
    "Worker",
    "open_queue",
]

_HOMES = {
    "LEASE": "interface",
    "MOST_ATTEMPTS": "interface",
    "Campaign": "tasks",
    "CampaignQueue": "interface",
    "CampaignState": "tasks",
    "Finish": "interface",
    "MongoQueue": "mongo",
    "SQLiteQueue": "sqlite",
    "Task": "tasks",
    "TaskKind": "tasks",
    "TaskState": "tasks",
    "UnknownCampaignError": "interface",
    "Worker": "tasks",
    "open_queue": "interface",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'whiteline.database.queue' has no attribute {name!r}")
    return getattr(import_module(f"whiteline.database.queue.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
