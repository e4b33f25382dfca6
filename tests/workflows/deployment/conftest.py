"""A deployment to write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from whiteline.workflows.deployment.deployment import Deployment, ManagerKind


@pytest.fixture
def make_deployment(tmp_path: Path) -> Callable[..., Deployment]:
    """A function that returns a deployment which differs from an ordinary one in what is given."""

    def make(**changes: Any) -> Deployment:
        values: dict[str, Any] = {
            "folder": tmp_path / "deployment",
            "manager": ManagerKind.JOBFLOW_REMOTE,
            "database": "mongodb://me:secret@db.example.org/spectra?tls=true",
            "work_directory": tmp_path / "work",
            "environment": tmp_path / "venv",
            "partition": "main",
            "gpu_partition": "gpu",
        }
        return Deployment(**{**values, **changes})

    return make
