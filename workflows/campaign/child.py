"""What runs in the processes of a worker: one task after another, and nothing when the worker has died."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from whiteline.database.queue import Finish, Task
from whiteline.parent import leave_with_parent
from whiteline.settings import Settings

__all__ = ["prepare_child", "run_in_child"]


def prepare_child() -> None:
    """Prepare a process: signals are the worker's business, and without a worker there is nothing to do."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    leave_with_parent()
    # What every task needs, loaded before the first is claimed.
    import whiteline.workflows.campaign.execution  # noqa: F401


def run_in_child(
    task: Task, contents: Mapping[str, bytes], settings: Mapping[str, Any], timeout: float | None
) -> Finish:
    """Compute one task; arguments are plain enough to pass between processes."""
    from whiteline.workflows.campaign.execution import run_task

    return run_task(task, contents.__getitem__, Settings(**settings), timeout=timeout)
