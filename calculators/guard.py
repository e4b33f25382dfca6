"""Start a command that never outlives the process that asked for it: `python -P guard.py COMMAND …`.

The asking process holds the other end of standard input and never writes. When it dies, however it dies, the
end of that pipe tells the guard to take its process group down. Imports nothing of Whiteline: it starts often.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def _die_with_parent() -> None:
    # Unbuffered: the interpreter could not shut down while a thread holds the lock of a buffered reader.
    os.read(0, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def main() -> int:
    """Run the command of the command line and return its exit status, 127 if it cannot be started."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        code = subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL, close_fds=False)
    except OSError as error:
        sys.stderr.write(f"cannot start {sys.argv[1]}: {error.strerror}\n")
        return 127
    # A shell reports death by a signal the same way.
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    raise SystemExit(main())
