"""What stands in `deploy/`: the files that `whiteline deploy init` writes for made-up answers.

`python -m whiteline.workflows.deployment.example deploy` writes them anew after a template was changed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from whiteline.workflows.deployment.deployment import Deployment, ManagerKind
from whiteline.workflows.deployment.rendering import RenderedFile, render_files

__all__ = ["example_files"]


def example_files() -> list[RenderedFile]:
    """Return the files of an example for both managers; `deploy/` has its own README."""
    found = {file.path: file for file in render_files(_example(ManagerKind.FIREWORKS))}
    # Both have files of these names; those of the first choice are shown.
    found |= {file.path: file for file in render_files(_example(ManagerKind.JOBFLOW_REMOTE))}
    return [file for path, file in sorted(found.items()) if path != "README.md"]


def _example(manager: ManagerKind) -> Deployment:
    return Deployment(
        folder=Path("/home/me/whiteline"),
        manager=manager,
        database="mongodb://whiteline:PASSWORD@db.example.org:27017/whiteline?tls=true",
        work_directory=Path("/scratch/me/whiteline"),
        environment=Path("/home/me/venv"),
        partition="main",
        account="research",
        walltime=12 * 3600.0,
        cores=8,
        memory=16000,
        modules=("qe/7.2",),
        gpu_partition="gpu",
        settings={"WHITELINE_PW_COMMAND": "mpirun pw.x", "WHITELINE_XSPECTRA_COMMAND": "mpirun xspectra.x"},
    )


def main() -> None:
    """Write the files into the folder that is given; their modes are those of any file."""
    folder = Path(sys.argv[1])
    for file in example_files():
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.text, encoding="utf-8")


if __name__ == "__main__":
    main()
