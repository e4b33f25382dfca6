"""Processes of a pool that do not outlive the process that asked for them, not even when it is killed."""

from __future__ import annotations

import os
import threading
from multiprocessing import parent_process

__all__ = ["leave_with_parent"]


def leave_with_parent() -> None:
    """Let this process end when its parent does; a pool that is shut down in order ends it anyway."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
