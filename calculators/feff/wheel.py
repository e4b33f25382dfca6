"""Child process that runs the FEFF10 wheel in the current directory: `python -P wheel.py PROGRESS_FD STAGE …`.

It imports nothing of Whiteline: it starts once a run. FEFF prints to standard output, which the parent sends to
the log; what the parent needs to know comes as one JSON object a line through PROGRESS_FD.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import feff10


def main() -> int:
    """Run the stages named on the command line; return 0, or 1 when FEFF failed."""
    progress_fd = int(sys.argv[1])
    os.set_inheritable(progress_fd, False)  # noqa: FBT003  # the function takes no keywords

    def tell(**message: object) -> None:
        os.write(progress_fd, (json.dumps(message) + "\n").encode())

    def on_progress(stage: feff10.Stage, progress: feff10.StageProgress) -> None:
        tell(stage=stage.executable_name, kind=progress.kind, seconds=progress.duration_secs)

    stages = [feff10.Stage.from_name(name) for name in sys.argv[2:]]
    try:
        config = feff10.FeffConfig(str(Path.cwd()), feff10.FeffInput.from_file_strict("feff.inp"), stages=stages)
        feff10.FeffPipeline(config).run_with_progress(on_progress)
    except feff10.FeffError as error:
        tell(error=str(error), error_type=type(error).__name__)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
